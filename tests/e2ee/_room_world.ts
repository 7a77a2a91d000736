/**
 * A room and its members without a network: a relay that places what it is given, mailboxes for sender keys, and a clock.
 * A test may hold back, drop, change and reorder all of it.
 */

import type { Bytes } from "../../lib/bytes/writer.ts";
import { utf8 } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import type { Fingerprint } from "../../lib/e2ee/identity.ts";
import { addOp, createRoomOp, joinOp, leaveOp, removeOp } from "../../lib/e2ee/membership_make.ts";
import type { RoomKind } from "../../lib/e2ee/membership_state.ts";
import { Room } from "../../lib/e2ee/room.ts";
import type { RoomClaims, RoomRow, SealedForRoom } from "../../lib/e2ee/room_types.ts";
import type { OpenedRoomMessage, RoomHeard } from "../../lib/e2ee/room_heard.ts";
import { inviteRoomId } from "../../lib/e2ee/room_id.ts";
import { type Author, makeAuthor } from "./_membership.ts";
import { NOW_MS } from "./_people.ts";

/** What the relay placed. */
export type Placed =
  & { readonly seq: number; readonly atMs: number; readonly bytes: Bytes; readonly from: Fingerprint }
  & (
    | { readonly kind: "op"; readonly epoch: number }
    | { readonly kind: "message" }
  );

interface Letter {
  readonly from: Fingerprint;
  readonly key: Bytes;
}

const AUTHORS = new Map<string, Author>();

/** Somebody, made once for all tests of a file. */
export async function person(handle: string): Promise<Author> {
  const author = AUTHORS.get(handle) ?? await makeAuthor(handle);
  AUTHORS.set(handle, author);
  return author;
}

/** A member, or one who was or will be. */
export class Peer {
  /** What they have read: `handle: text`, and what they were told beside it. */
  readonly seen: string[] = [];
  readonly inbox: Letter[] = [];
  /** The stored rows, as a store would have them. */
  readonly rows = new Map<string, Bytes>();
  /** How far they have read. */
  at = 0;
  /** The place from which they began to be told things. */
  boxes = 0;

  constructor(readonly world: World, readonly author: Author, public room: Room) {}

  get who(): Fingerprint {
    return this.author.who;
  }

  get texts(): string[] {
    return this.seen.filter((line) => !line.startsWith("!"));
  }

  get notices(): string[] {
    return this.seen.filter((line) => line.startsWith("!"));
  }

  /** Takes what the relay placed, up to a place, and the keys that have come. */
  async catchUp(until = Infinity): Promise<void> {
    await this.readInbox();
    for (const placed of this.world.log) {
      if (placed.seq <= this.at || placed.seq > until) continue;
      await this.hear(placed);
    }
    this.keep();
  }

  async hear(placed: Placed): Promise<void> {
    this.at = placed.seq;
    const { nowMs } = this.world;
    if (placed.kind === "op") {
      const { epoch, atMs } = placed;
      const { released } = await this.room.placeOp(placed.bytes, { epoch, atMs, nowMs });
      released.forEach((one) => this.#note(one));
    } else if (placed.from === this.who) {
      await this.room.placed(placed.bytes);
    } else {
      const { seq, atMs } = placed;
      this.#note(await this.room.message(placed.bytes, { seq, atMs, nowMs }));
    }
  }

  async readInbox(): Promise<void> {
    for (const { from, key } of this.inbox.splice(0)) {
      const { kind, released } = await this.room.key(key, from, this.world.nowMs);
      if (kind === "refused") this.seen.push("! key refused");
      released.forEach((one) => this.#note(one));
    }
  }

  /** Hands the chain to all who are to have it, and seals a text; the relay has not seen it. */
  async seal(
    text: string,
    options: { readonly m?: number; readonly to?: readonly Peer[] } = {},
  ): Promise<SealedForRoom> {
    const shown = options.to?.map(({ who }) => who) ??
      this.room.membership.members().map((m) => m.certificate.fingerprint);
    for (const who of await this.room.prepare(new Set(shown), this.world.nowMs)) {
      const key = await this.room.handOver(who);
      this.boxes++;
      this.world.peers.find((peer) => peer.who === who)?.inbox.push({ from: this.who, key });
      this.room.handed(who, this.room.keyId ?? "");
    }
    const sealed = await this.room.seal(encode(text, this.room.claims(options.m)));
    this.keep();
    return sealed;
  }

  async say(text: string): Promise<Placed> {
    return this.world.place("message", (await this.seal(text)).message, this);
  }

  keep(): void {
    for (const { name, value } of this.room.takeChanges()) apply(this.rows, { name, value });
  }

  /** Starts again from what was stored, now or in an old copy. */
  async restart(rows: ReadonlyMap<string, Bytes> = this.rows): Promise<void> {
    const stored = [...rows].map(([name, value]) => ({ name, value }));
    this.room = await Room.restore(stored, { self: this.who });
  }

  #note(heard: RoomHeard): void {
    if (heard.kind === "refused") {
      const handle = this.world.peers.find(({ who }) => who === heard.sender)?.author.certificate.handle ?? "somebody";
      this.seen.push(`! ${heard.reason} (${handle})`);
    }
    if (heard.kind === "opened") this.#read(heard.message);
  }

  #read(message: OpenedRoomMessage): void {
    const { text, claims } = decode(message.plaintext);
    const { missing, tally } = this.room.check(message, claims);
    if (missing > 0) this.seen.push(`! ${missing} missing`);
    if (tally.kind === "behind") this.seen.push(`! ${tally.missing} hidden`);
    if (tally.kind === "differs") this.seen.push("! another story");
    this.seen.push(`${message.sender.handle}: ${text}`);
  }
}

/** The relay of one room, its members, and the time. */
export class World {
  readonly log: Placed[] = [];
  readonly peers: Peer[] = [];
  nowMs = NOW_MS;
  epoch = 0;

  private constructor(readonly kind: RoomKind, readonly roomId: Bytes) {}

  static async open(...handles: readonly string[]): Promise<World> {
    const world = new World("open", secureRandom(32));
    for (const handle of handles) await world.join(handle);
    return world;
  }

  /** An invite room: the first owns it and adds the others. */
  static async invite(...handles: readonly string[]): Promise<World> {
    const owner = await person(handles[0] as string);
    const op = await createRoomOp(owner, { room: undefined, atMs: NOW_MS });
    const world = new World("invite", await inviteRoomId(op));
    const peer = await world.enter(owner);
    world.place("op", op, peer);
    await world.settle();
    for (const handle of handles.slice(1)) await world.add(peer, handle);
    return world;
  }

  of(handle: string): Peer {
    const peer = this.peers.find(({ author }) => author.certificate.handle === handle);
    if (peer === undefined) throw new TypeError(`nobody is called ${handle}`);
    return peer;
  }

  /** Somebody begins to follow the log; they are no member by that. */
  async enter(author: Author): Promise<Peer> {
    const peer = new Peer(this, author, await Room.begin(this.kind, this.roomId, { self: author.who }));
    this.peers.push(peer);
    await peer.catchUp();
    return peer;
  }

  async join(handle: string): Promise<Peer> {
    const author = await person(handle);
    const peer = this.peers.find(({ who }) => who === author.who) ?? await this.enter(author);
    await peer.catchUp();
    this.place("op", await joinOp(author, this.#context(peer)), peer);
    await this.settle();
    return peer;
  }

  async add(by: Peer, handle: string): Promise<Peer> {
    const author = await person(handle);
    this.place("op", await addOp(by.author, this.#context(by), author.certificate), by);
    const peer = this.peers.find(({ who }) => who === author.who) ?? await this.enter(author);
    await this.settle();
    return peer;
  }

  async leave(peer: Peer): Promise<void> {
    this.place("op", await leaveOp(peer.author, this.#context(peer)), peer);
    await this.settle();
  }

  async remove(by: Peer, whom: Peer): Promise<void> {
    this.place("op", await removeOp(by.author, this.#context(by), { subject: whom.who, reason: "removed" }), by);
    await this.settle();
  }

  /** Gives something a place. */
  place(kind: Placed["kind"], bytes: Bytes, from: Pick<Peer, "who">): Placed {
    this.nowMs += 1_000;
    const common = { seq: this.log.length + 1, atMs: this.nowMs, bytes, from: from.who };
    const placed: Placed = kind === "op" ? { ...common, kind, epoch: ++this.epoch } : { ...common, kind };
    this.log.push(placed);
    return placed;
  }

  /** Lets everybody read everything. */
  async settle(): Promise<void> {
    for (const peer of this.peers) await peer.catchUp();
  }

  #context(peer: Peer) {
    return peer.room.membership.context(this.nowMs);
  }
}

function encode(text: string, { m, tally: { count, digest } }: RoomClaims): Bytes {
  return utf8(JSON.stringify({ text, m, count, digest: [...digest] }));
}

function decode(plaintext: Bytes): { text: string; claims: RoomClaims } {
  const { text, m, count, digest } = JSON.parse(new TextDecoder().decode(plaintext));
  return { text, claims: { m, tally: { count, digest: new Uint8Array(digest) } } };
}

function apply(rows: Map<string, Bytes>, { name, value }: RoomRow): void {
  if (value === undefined) rows.delete(name);
  else rows.set(name, value);
}
