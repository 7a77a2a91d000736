/**
 * What a client is made of, joined together.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import { type RandomBytes, secureRandom } from "../crypto/random.ts";
import type { Certificate } from "../e2ee/certificate.ts";
import type { Identity } from "../e2ee/identity.ts";
import type { Fingerprint } from "../wire/messages.ts";
import type { SessionCommand } from "./commands.ts";
import { Delivery } from "./delivery.ts";
import type { Place } from "./events.ts";
import { HeldMessages } from "./held_messages.ts";
import { Keyring } from "./keyring.ts";
import { decodeKeptLine } from "./outbox_line.ts";
import { People } from "./people.ts";
import { Presence } from "./presence.ts";
import { Receipts } from "./receipts.ts";
import { Receiving } from "./receiving.ts";
import { takeInvitation } from "./room_invitations.ts";
import { Rooms } from "./rooms.ts";
import { Sending } from "./sending.ts";
import { ServerKnowledge } from "./server_knowledge.ts";
import { Showing } from "./showing.ts";
import type { ChatState } from "./state.ts";

/** Who a client is, and what was kept of it. */
export interface ChatPartsOptions {
  /** The long-term keys. */
  readonly identity: Identity;
  /** The certificate that the link was opened with. */
  readonly certificate: Certificate;
  /** The relay, as the link proved it. */
  readonly relay: { readonly fingerprint: Fingerprint; readonly publicBytes: Bytes };
  /** How the one session by code begins that the client is there for; nothing is said there of what is read. */
  readonly session?: SessionCommand | undefined;
  /** Whether people are told what we have read, and we what they have. */
  readonly receipts?: boolean;
  /** Where the last run of this identity stood. */
  readonly state?: ChatState | undefined;
  /** Where keys, nonces and ids come from. */
  readonly random?: RandomBytes;
}

/** The parts that know each other. */
export interface ChatParts {
  /** Who was met. */
  readonly people: People;
  /** Sessions and prekeys. */
  readonly keyring: Keyring;
  /** Who is on the relay. */
  readonly presence: Presence;
  /** How far streams were read, and what came in private. */
  readonly receiving: Receiving;
  /** What came in private and waits for its author to be introduced. */
  readonly held: HeldMessages;
  /** Lines on their way. */
  readonly sending: Sending;
  /** The rooms. */
  readonly rooms: Rooms;
  /** What shows texts. */
  readonly showing: Showing;
  /** What counts them. */
  readonly delivery: Delivery;
  /** What confirms them. */
  readonly receipts: Receipts;
  /** What the relay is asked about us. */
  readonly knowledge: ServerKnowledge;
}

/**
 * Makes the parts of a client.
 * @param options who it is, and what was kept
 * @param nowMs the time now
 * @returns the parts
 * @throws {DecodeError} when what was kept is damaged
 */
export async function makeParts(options: ChatPartsOptions, nowMs: number): Promise<ChatParts> {
  const { identity, certificate: own, relay, state, random = secureRandom } = options;
  const people = new People(state?.peers);
  const keyring = await Keyring.create({ identity, certificate: own }, { nowMs, random, stored: state?.sessions });
  const delivery = new Delivery(`inbox/${own.fingerprint}`, nowMs);
  const showing = new Showing(people, delivery);
  const isOn = options.receipts !== false && options.session === undefined;
  const receipts = new Receipts({ isOn, people, keyring, delivery, stored: state?.receipts ?? [], nowMs });
  const presence = new Presence({
    own: own.fingerprint,
    people,
    keyring,
    current: () => {
      const place = rooms.current;
      return place && { name: place.name, members: place.members() };
    },
  });
  const sending = new Sending({
    people,
    keyring,
    delivery,
    receipts,
    channel: (room) => rooms.channel(room),
    hasCaughtUp: (stream) => receiving.hasCaughtUp(stream),
  });
  const kept = state?.outbox?.filter((line) => line.relay === relay.fingerprint) ?? [];
  sending.restore(kept.map(({ value }) => decodeKeptLine(value)));
  const rooms: Rooms = await Rooms.create({
    identity,
    own,
    relay,
    people,
    keyring,
    presence,
    showing,
    random,
    receiving: () => receiving,
    over: (stream, turn) => sending.abandon(stream, turn),
    echoed: async ({ id, stream, at }, turn) => void await sending.echoed(id, { stream, at }, turn),
    isSent: (stream) => !sending.lines.has(stream),
    stored: state?.rooms ?? [],
  }, nowMs);
  const inbox = `inbox/${own.fingerprint}` as const;
  const held = new HeldMessages({ relay: relay.fingerprint, inbox, stored: state?.held ?? [] });
  const receiving: Receiving = new Receiving({
    people,
    keyring,
    showing,
    receipts,
    held,
    rooms: {
      key: (plaintext, peer, turn) => rooms.key(plaintext, peer, turn),
      invited: (content, by, turn) => takeInvitation({ rooms, people }, { content, by }, turn),
    },
    relay: relay.fingerprint,
    cursors: state?.cursors ?? [],
  });
  const knowledge = new ServerKnowledge((stream) => {
    const id = stream.slice(stream.indexOf("/") + 1);
    if (stream.startsWith("inbox/")) return placeOfPerson(id === own.fingerprint ? own : people.get(id)?.certificate);
    const channel = rooms.channel(id);
    return channel && { room: channel.room.name };
  });
  return { people, keyring, presence, receiving, held, sending, rooms, showing, delivery, receipts, knowledge };
}

function placeOfPerson(certificate: Certificate | undefined): Place | undefined {
  return certificate && { to: certificate.handle };
}
