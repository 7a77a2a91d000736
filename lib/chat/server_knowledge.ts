/**
 * What a relay holds about this client: the kinds of data that there are, in words, and the values that the relay gives
 * when it is asked (PROTOCOL 4.10). A test holds the kinds against everything that the relay stores and remembers.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import { type About, decodeAbout } from "../wire/about.ts";
import { encodeClientMessage, type RelayMessage, type StreamName } from "../wire/messages.ts";
import type { ChatEvent, Place, Ref } from "./events.ts";
import { tellError } from "./session_place.ts";
import type { Turn } from "./turn.ts";

/** One kind of data. */
export type KnowledgeKind = keyof typeof SERVER_KNOWLEDGE;

/** What is held, by kind. */
export const SERVER_KNOWLEDGE = {
  names: "your names: how each is written and compared, your fingerprint, whether you come back, when your newest " +
    "certificate was made and when you were last here; stored, but for --ephemeral",
  certificate: "your certificate: name, three public keys and when it was made; while you are here it is shown to " +
    "everybody who shares a room with you or asks who is here",
  link:
    "that you are here: since when, from which address, which of its streams you hear and how far, how much is on " +
    "its way to you, and what you asked for that it has not answered",
  rooms:
    "which rooms you are in, by id: who guesses the name of an open room can tell its id, that of an invite-only " +
    "room says nothing",
  ops: "who made each room, joined, left, added, removed or promoted whom, and when: signed, with certificates, and " +
    "stored for as long as the room has its log",
  received: "of everything that was written to you in private, read or not: who published it, its id, when, how long " +
    "it is, and the sealed bytes; stored",
  published: "of everything that you published, receipts included: in which room or whose inbox, its id, when, how " +
    "long it is, and the sealed bytes; stored",
  streams: "of each room and each inbox: how many events there were, when the last came, and how far an inbox was " +
    "handed to its owner; stored",
  keys: "the keys that you left for those who write to you: a bundle with your certificate, one-time prekeys, and when",
  keyRequests:
    "whose one-time prekeys you were given in the last hour, who was given one of yours, and who waits for " +
    "keys of yours now",
  codes: "which mailboxes of codes you made or joined, until they are over; not the words of the code",
  budgets: "how much you and your address may still ask for: ops, mailboxes, connections, keys and long answers",
  log: "its log: when a connection came and went, and why it was refused; with --verbose your name and fingerprint " +
    "too. Whoever runs the relay says how long that is kept",
  admission:
    "if the relay is for certain people: that your fingerprint is on the list of whoever runs it, or that you " +
    "held the invitation",
} as const;

/** What is not held. */
export const SERVER_IGNORANCE: readonly string[] = [
  "what is written: texts, topics, invitations, the names of invite-only rooms",
  "which of your private events is a text, which a receipt: both are sealed, in one of six sizes",
  "your private keys, your passphrase, and what this machine keeps",
  "whom you verified, trust or distrust, and safety numbers",
  "the words of your codes",
  "what is said on direct links",
];

/** Questions that may wait for an answer. */
const WAITING_MAX = 16;

/** The questions of one client to its relay. */
export class ServerKnowledge {
  readonly #placeOf: (stream: StreamName) => Place | undefined;
  readonly #waiting = new Map<number, Ref | undefined>();
  #nextNumber = 1;
  #linkedAtMs = 0;

  /**
   * Starts with no question.
   * @param placeOf tells what a stream is called here: a room of ours, or somebody's inbox
   */
  constructor(placeOf: (stream: StreamName) => Place | undefined) {
    this.#placeOf = placeOf;
  }

  /** Whether nobody waits for an answer. */
  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  /**
   * Notes that the relay let us in.
   * @param nowMs the time now
   */
  linked(nowMs: number): void {
    this.#linkedAtMs = nowMs;
  }

  /**
   * Asks the relay.
   * @param ref what comes back with the answer
   * @param turn time and effects
   * @throws {UserError} `notDone` when many wait already
   */
  ask(ref: Ref | undefined, turn: Turn): void {
    if (this.#waiting.size >= WAITING_MAX) throw asked();
    const number = this.#nextNumber++;
    this.#waiting.set(number, ref);
    turn.effects.push({ kind: "send", packet: encodeClientMessage({ t: "aboutMe", ref: number }) });
  }

  /**
   * Takes in the answer; one that nobody waits for is ignored.
   * @param message which question it answers
   * @param body the answer, empty when the relay is asked too often
   * @param turn time and effects
   * @throws {DecodeError} when it has another shape
   */
  answered(message: Extract<RelayMessage, { t: "aboutYou" }>, body: Bytes, turn: Turn): void {
    if (!this.#waiting.has(message.ref)) return;
    const ref = this.#waiting.get(message.ref);
    this.#waiting.delete(message.ref);
    if (body.length === 0) return tellError(asked(), ref, turn);
    const about: About = decodeAbout(body);
    const refField = ref === undefined ? {} : { ref };
    const event: ChatEvent = {
      type: "serverKnows",
      linkedAt: this.#linkedAtMs,
      about,
      places: this.#places(about),
      ...refField,
    };
    turn.effects.push({ kind: "show", event });
  }

  #places({ rooms, received, published }: About): Record<StreamName, Place> {
    const streams = [
      ...rooms.map(({ room }) => `room/${room}`),
      ...received.from.map(({ publisher }) => `inbox/${publisher}`),
      ...published.in.map(({ stream }) => stream),
    ];
    return Object.fromEntries(streams.flatMap((stream) => {
      const place = this.#placeOf(stream);
      return place === undefined ? [] : [[stream, place] as const];
    }));
  }

  /**
   * Notes that the link is gone: nothing is answered any more.
   * @param turn time and effects
   */
  unlink(turn: Turn): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    const error = new UserError(
      "notDone",
      "The relay has not answered: the link was lost",
      "Ask again once it is back.",
    );
    for (const ref of waiting) tellError(error, ref, turn);
  }
}

function asked(): UserError {
  return new UserError("notDone", "The relay does not say now what it holds: it is asked too often", "Wait a moment.");
}
