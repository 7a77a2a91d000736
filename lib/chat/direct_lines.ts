/**
 * The texts of a direct link, both ways: ours until the other side says that it keeps them, theirs from the opened box
 * to what the person is shown.
 * @module
 */

import { encodeHex } from "@std/encoding/hex";
import { ProtocolError, type UserError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import type { Certificate } from "../e2ee/certificate.ts";
import { boxHashOf } from "../e2ee/direct_link.ts";
import type { Opened } from "../e2ee/opened.ts";
import type { EventId } from "../wire/messages.ts";
import { decodeContent, encodeContent } from "./content.ts";
import type { DirectKeys } from "./direct_keys.ts";
import { encodeDirectMessage } from "./direct_messages.ts";
import type { Ref } from "./events.ts";
import { Outgoing, type OutgoingLine } from "./outgoing.ts";
import type { Person } from "./people.ts";
import { CLOCK_SKEW_MAX_MS } from "./showing.ts";
import { notice, type Turn } from "./turn.ts";
import { heldError } from "./writing.ts";

/** The texts of one link. */
export class DirectLines {
  readonly #keys: DirectKeys;
  readonly #peer: Certificate;
  readonly #stream: string;
  readonly #lines = new Outgoing();
  /** Whose box that is, by its hash; as many as lines are on their way. */
  readonly #boxes = new Map<string, EventId>();
  #hasToldSkew = false;

  /**
   * Starts with nothing on its way.
   * @param keys what seals, and who is met
   * @param peer the other
   */
  constructor(keys: DirectKeys, peer: Certificate) {
    this.#keys = keys;
    this.#peer = peer;
    this.#stream = `inbox/${peer.fingerprint}`;
  }

  /** Whether no further line may be taken. */
  get isFull(): boolean {
    return this.#lines.isFull(true);
  }

  /** Whether no line is on its way. */
  get isEmpty(): boolean {
    return this.#lines.isEmpty;
  }

  /**
   * Lists what was not accepted.
   * @returns the lines, in the order in which they were written
   */
  unaccepted(): OutgoingLine[] {
    return this.#lines.unaccepted();
  }

  /**
   * Takes in what the person wrote.
   * @param line its id, the text and what a script put beside it
   * @param turn time and effects
   */
  async add(line: { readonly id: EventId; readonly text: string; readonly ref: Ref | undefined }, turn: Turn) {
    const { handle, fingerprint } = this.#peer;
    const { id, text, ref } = line;
    this.#lines.add({
      id,
      kind: "text",
      text,
      place: { to: handle },
      stream: this.#stream,
      room: null,
      audience: [fingerprint],
      sentAtMs: turn.nowMs,
      ...(ref === undefined ? {} : { ref }),
    });
    await this.pump(turn);
  }

  /**
   * Seals and sends what waits, as far as the other side keeps up; to a key that is held back nothing goes.
   * @param turn time and effects
   */
  async pump(turn: Turn): Promise<void> {
    for (let line = this.#lines.peek(this.#stream); line !== undefined; line = this.#lines.peek(this.#stream)) {
      const held = this.#held();
      if (held === undefined && this.#lines.isRelayBusy) return; // goes on when some of it is taken
      this.#lines.take(this.#stream);
      if (held === undefined) await this.#send(line, turn);
      else this.#fail(line, held, turn);
    }
  }

  /**
   * Takes in that the other side keeps what a box held.
   * @param boxHash the box's SHA-256; one that is none of ours moves nothing
   * @param turn time and effects
   */
  async taken(boxHash: Bytes, turn: Turn): Promise<void> {
    const key = encodeHex(boxHash);
    const id = this.#boxes.get(key);
    const line = id === undefined ? undefined : this.#lines.published(id);
    if (id === undefined || line === undefined) return;
    this.#boxes.delete(key);
    this.#lines.settle(id);
    const { place, sentAtMs, text, ref } = line;
    turn.effects.push({
      kind: "show",
      event: {
        type: "accepted",
        id,
        place,
        at: turn.nowMs,
        sentAt: sentAtMs,
        text,
        ...(ref === undefined ? {} : { ref }),
      },
    });
    await this.pump(turn);
  }

  /**
   * Takes in a box of the other's. A repeat is not shown again, but answered again: it is kept.
   * @param opened what became of the box
   * @param body the box
   * @param options time and effects, and who wrote
   * @throws {DecodeError} when it holds no text
   * @throws {ProtocolError} when the text belongs to a room
   */
  async take(
    opened: Exclude<Opened, { kind: "unopenable" }>,
    body: Bytes,
    options: Turn & { readonly person: Person },
  ): Promise<void> {
    if (opened.kind === "opened") this.#show(opened.plaintext, options);
    const packet = encodeDirectMessage({ t: "taken", box: encodeHex(await boxHashOf(body)) });
    options.effects.push({ kind: "send", packet });
  }

  #show(plaintext: Bytes, { person, ...turn }: Turn & { readonly person: Person }): void {
    const content = decodeContent(plaintext);
    if (content.kind !== "text" || "claims" in content) {
      throw new ProtocolError("Cannot take text: there are no rooms on a direct link");
    }
    const { id, sentAtMs, text } = content;
    const { handle: from, ...key } = this.#keys.people.show(person);
    const place = { to: this.#keys.owner.certificate.handle };
    turn.effects.push({
      kind: "show",
      event: { type: "message", id, place, from, ...key, text, sentAt: sentAtMs, at: turn.nowMs },
    });
    const skewMs = Math.abs(turn.nowMs - sentAtMs);
    if (skewMs <= CLOCK_SKEW_MAX_MS || this.#hasToldSkew) return;
    this.#hasToldSkew = true; // once is enough
    notice(turn, "clockSkew", `The clock of ${from} and this one differ by ${Math.round(skewMs / 60_000)} minutes`);
  }

  /** Why nothing goes to the other now, if so: a key may be distrusted while lines wait for it. */
  #held(): UserError | undefined {
    const { people } = this.#keys;
    const person = people.get(this.#peer.fingerprint);
    return person !== undefined && people.trust(person) === "changed" ? heldError(people, person) : undefined;
  }

  #fail(line: OutgoingLine, { code, message, hint }: UserError, turn: Turn): void {
    this.#lines.settle(line.id);
    const ref = line.ref === undefined ? {} : { ref: line.ref };
    turn.effects.push({ kind: "show", event: { type: "error", code, message, hint, ...ref } });
  }

  async #send(line: OutgoingLine, turn: Turn): Promise<void> {
    const { id, sentAtMs, text } = line;
    const plaintext = encodeContent({ kind: "text", id, room: null, sentAtMs, text });
    const box = await this.#keys.book.peer(this.#peer.fingerprint).seal(plaintext, { nowMs: turn.nowMs });
    this.#boxes.set(encodeHex(await boxHashOf(box)), line.id);
    this.#lines.publish(line, box.length);
    turn.effects.push({ kind: "send", packet: encodeDirectMessage({ t: "box" }, box) });
  }
}
