/** Two ends of a direct link joined in memory, with a clock that is moved by hand, and somebody in between at will. */

import { DecodeError, ProtocolError } from "../../lib/bytes/errors.ts";
import type { Bytes } from "../../lib/bytes/writer.ts";
import { parseLine } from "../../lib/chat/commands.ts";
import { DirectChat, type DirectInput } from "../../lib/chat/direct.ts";
import type { DirectSide } from "../../lib/chat/direct_code.ts";
import { DirectKeys } from "../../lib/chat/direct_keys.ts";
import { decodeDirectMessage, type DirectMessage } from "../../lib/chat/direct_messages.ts";
import type { ChatEvent } from "../../lib/chat/events.ts";
import type { ChatState } from "../../lib/chat/state.ts";
import { type Certificate, createCertificate } from "../../lib/e2ee/certificate.ts";
import { generateIdentity, type Identity } from "../../lib/e2ee/identity.ts";
import type { CodeWords } from "../../lib/pake/code.ts";
import type { Packet } from "../../lib/wire/messages.ts";
import { decodePacket } from "../../lib/wire/packet.ts";
import { Kept, START_MS } from "../support/fake_net.ts";

/** Somebody with a past. */
export interface Somebody {
  readonly identity: Identity;
  readonly certificate: Certificate;
  readonly kept: Kept;
}

/** Makes somebody new. */
export async function somebody(handle: string): Promise<Somebody> {
  const identity = await generateIdentity({ life: "lasting", nowMs: START_MS });
  const certificate = await createCertificate(identity, { handle, createdMs: START_MS });
  return { identity, certificate, kept: new Kept() };
}

export const H: Bytes = new Uint8Array(32).fill(7);
export const WORDS = ["able", "sunset", "violin"] as unknown as CodeWords;
export const OTHER_WORDS = ["able", "sunset", "zebra"] as unknown as CodeWords;

/** One end, and what its person saw. */
export class End {
  readonly events: ChatEvent[] = [];
  /** What it wants to say and nobody has carried yet. */
  outbox: Bytes[] = [];
  wakeAtMs: number | undefined;
  hasFinished = false;
  failure: Error | undefined;

  private constructor(readonly who: Somebody, readonly keys: DirectKeys, readonly chat: DirectChat) {}

  static async of(
    side: DirectSide,
    who: Somebody,
    peer: Certificate,
    options: { readonly h?: Bytes; readonly words?: CodeWords | undefined; readonly state?: ChatState } = {},
  ): Promise<End> {
    const state = options.state ?? who.kept.state;
    const keys = await DirectKeys.open(who, { nowMs: START_MS, state });
    const { h = H, words } = options;
    return new End(who, keys, new DirectChat({ side, keys, peer, handshakeHash: h, words }));
  }

  /** What it says, decoded. */
  get said(): Packet<DirectMessage>[] {
    return this.outbox.map((packet) => decodeDirectMessage(decodePacket(packet)));
  }

  /** All that was shown of a type. */
  all<T extends ChatEvent["type"]>(type: T): Extract<ChatEvent, { type: T }>[] {
    return this.events.filter((event) => event.type === type) as Extract<ChatEvent, { type: T }>[];
  }

  get texts(): string[] {
    return this.all("message").map((message) => message.text);
  }

  async handle(input: DirectInput): Promise<void> {
    try {
      const effects = await this.chat.handle(input);
      const changes = this.keys.takeChanges();
      if (changes !== undefined) this.who.kept.commit(changes);
      for (const effect of effects) {
        if (effect.kind === "send") this.outbox.push(effect.packet);
        if (effect.kind === "show") this.events.push(effect.event);
        if (effect.kind === "wakeAt") this.wakeAtMs = effect.atMs;
        if (effect.kind === "finish") this.hasFinished = true;
      }
    } catch (error) {
      if (!(error instanceof DecodeError || error instanceof ProtocolError)) throw error;
      this.failure = error;
    }
  }

  async hear(packet: Bytes, nowMs = START_MS): Promise<void> {
    if (this.failure !== undefined || this.hasFinished) return;
    await this.handle({ kind: "packet", packet: decodeDirectMessage(decodePacket(packet)), nowMs });
  }

  async type(line: string, nowMs = START_MS): Promise<void> {
    await this.handle({ kind: "command", command: parseLine(line), nowMs });
  }
}

/** What somebody in between does to a packet: what shall arrive instead. */
export type Between = (packet: Bytes, from: DirectSide) => Bytes[];

/** Two ends on one link. */
export class DirectPair {
  constructor(readonly listener: End, readonly caller: End, public between: Between = (packet) => [packet]) {}

  static async of(
    options: {
      readonly words?: CodeWords;
      readonly callerWords?: CodeWords | undefined;
      readonly people?: readonly [Somebody, Somebody];
      readonly between?: Between;
    } = {},
  ): Promise<DirectPair> {
    const [alice, bob] = options.people ?? [await somebody("alice"), await somebody("bob")];
    const { words } = options;
    const callerWords = "callerWords" in options ? options.callerWords : words;
    return new DirectPair(
      await End.of("listener", alice, bob.certificate, { words }),
      await End.of("caller", bob, alice.certificate, { words: callerWords }),
      options.between,
    );
  }

  /** Opens both ends and carries everything to and fro. */
  async start(): Promise<void> {
    await this.listener.handle({ kind: "start", nowMs: START_MS });
    await this.caller.handle({ kind: "start", nowMs: START_MS });
    await this.carry();
  }

  /** Carries until nobody has anything to say. */
  async carry(): Promise<void> {
    while (this.listener.outbox.length + this.caller.outbox.length > 0) {
      for (const [side, from, to] of this.#ways()) {
        for (const packet of from.outbox.splice(0)) {
          for (const arriving of this.between(packet, side)) await to.hear(arriving);
        }
      }
    }
  }

  async type(side: DirectSide, line: string): Promise<void> {
    await this[side].type(line);
    await this.carry();
  }

  #ways(): [DirectSide, End, End][] {
    return [["listener", this.listener, this.caller], ["caller", this.caller, this.listener]];
  }
}
