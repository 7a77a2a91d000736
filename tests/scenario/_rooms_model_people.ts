/**
 * The people of a run, over all starts of their clients: what they were shown, and what their clients kept.
 */

import type { ChatEvent } from "../../lib/chat/events.ts";
import type { ChatChanges } from "../../lib/chat/state.ts";
import type { Bytes } from "../../lib/bytes/writer.ts";
import type { RandomBytes } from "../../lib/crypto/random.ts";
import { type Certificate, createCertificate } from "../../lib/e2ee/certificate.ts";
import { generateIdentity, type Identity } from "../../lib/e2ee/identity.ts";
import { decodeKnownChain } from "../../lib/e2ee/room_rows.ts";
import type { Fingerprint } from "../../lib/wire/messages.ts";
import { type FakeClient, Kept, START_MS } from "../support/fake_net.ts";
import { CAST, EPHEMERAL } from "./_rooms_model_steps.ts";

/** The same bytes for the same name, so that a seed tells all of a run. */
export function drawnFrom(name: string): RandomBytes {
  let state = [...name].reduce((sum, letter) => Math.imul(sum, 31) + letter.charCodeAt(0) | 0, 7);
  return (lengthBytes) =>
    Uint8Array.from({ length: lengthBytes }, () => {
      state = state + 0x6d2b79f5 | 0; // mulberry32
      let mixed = Math.imul(state ^ state >>> 15, state | 1);
      mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
      return (mixed ^ mixed >>> 14) & 255;
    });
}

const MADE = await Promise.all(CAST.map(async (handle, i) => {
  const life = EPHEMERAL.includes(i) ? "ephemeral" : "lasting";
  const identity = await generateIdentity({ life, nowMs: START_MS });
  return { handle, identity, certificate: await createCertificate(identity, { handle, createdMs: START_MS }) };
}));

/** What somebody was shown, or asked for, and where the room of it stood at the relay then. */
export interface Sight {
  readonly event: ChatEvent;
  readonly nowMs: number;
  /** Which start of the client it was. */
  readonly life: number;
  /** Its room, if it is about one. */
  readonly room: string | undefined;
  readonly seq: number;
  readonly epoch: number;
}

/** What a client keeps, and from which message on it could ever read a chain of somebody. */
export class Watched extends Kept {
  /** The first that was kept of each chain, by `chain/<sender>/<key id>` in hexadecimal. */
  readonly #chains = new Map<string, Bytes>();

  override commit(changes: ChatChanges): void {
    super.commit(changes);
    for (const { name, value } of changes.rooms ?? []) {
      if (!name.startsWith("chain/") || value === undefined) continue;
      if (!this.#chains.has(name)) this.#chains.set(name, value);
    }
  }

  /** The number of the first message that a chain opens, `undefined` for one that was never there. */
  async opensFrom(name: string): Promise<number | undefined> {
    const value = this.#chains.get(name);
    return value && (await decodeKnownChain(value)).chain.state.n;
  }
}

/** Somebody, over all starts of their client. */
export class Person {
  readonly handle: string;
  readonly identity: Identity;
  readonly certificate: Certificate;
  readonly kept = new Watched();
  readonly sights: Sight[] = [];
  /** Whom the client that runs has shown, by room: the rooms that it is in. */
  readonly shown = new Map<string, Set<Fingerprint>>();
  /** Whom the client that runs has shown to be away. */
  readonly away = new Set<Fingerprint>();
  readonly invitedTo = new Set<string>();
  /** Of each time without a line, the places in the rooms from which until which it was. */
  readonly cuts: { readonly from: ReadonlyMap<string, number>; until?: ReadonlyMap<string, number> }[] = [];
  /** How often they asked to come into each room. */
  readonly joins = new Map<string, number>();
  lives = 0;
  client: FakeClient | undefined;
  isQuitting = false;
  /** Whether their client runs and its line is broken. */
  isCut = false;
  isReady = false;
  /** Whether what the relay says to them is held up. */
  isSlow = false;

  constructor(index: number) {
    const { handle, identity, certificate } = MADE[index] as typeof MADE[number];
    this.handle = handle;
    this.identity = identity;
    this.certificate = certificate;
  }

  get isEphemeral(): boolean {
    return this.identity.life === "ephemeral";
  }

  /** Whether the client is linked. */
  get isLinked(): boolean {
    return this.client !== undefined && this.client.net.clients.get(this.client.link) === this.client;
  }

  /** Whether commands are taken. */
  get isHere(): boolean {
    return this.isRunning && this.isReady && !this.isQuitting;
  }

  /** Whether the client runs. */
  get isRunning(): boolean {
    return this.isLinked || this.isCut;
  }

  /** Whether they come back no more. */
  get isGone(): boolean {
    return this.isEphemeral && this.lives > 0 && !this.isRunning;
  }

  /** Tells whether their line was broken when something was placed. */
  wasCutAt(room: string, seq: number): boolean {
    return this.cuts.some(({ from, until }) => seq > (from.get(room) ?? 0) && seq <= (until?.get(room) ?? Infinity));
  }

  /** Notes what they are shown. */
  see(event: ChatEvent, sight: Pick<Sight, "nowMs" | "room" | "seq" | "epoch">): void {
    this.sights.push({ event, life: this.lives, ...sight });
    const { room } = sight;
    if (room === undefined) return;
    const shown = this.shown.get(room);
    switch (event.type) {
      case "ready":
      case "roomJoined":
        this.isReady = true;
        this.shown.set(room, new Set(event.members.map(({ fingerprint }) => fingerprint)));
        for (const { fingerprint, isHere } of event.members) if (!isHere) this.away.add(fingerprint);
        this.invitedTo.delete(room);
        return;
      case "members":
        for (const { fingerprint } of event.members) shown?.add(fingerprint);
        return;
      case "joined":
        this.away.delete(event.fingerprint);
        shown?.add(event.fingerprint);
        return;
      case "memberAdded":
        shown?.add(event.fingerprint);
        return;
      case "left":
        if (event.reason === "left") shown?.delete(event.fingerprint);
        else this.away.add(event.fingerprint);
        return;
      case "memberRemoved":
        shown?.delete(event.fingerprint);
        return;
      case "invited":
        this.invitedTo.add(room);
        return;
      case "roomLeft":
        this.shown.delete(room);
        this.invitedTo.delete(room);
    }
  }
}
