/**
 * What one room of a client is made of, joined together.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import type { RandomBytes } from "../crypto/random.ts";
import type { Certificate } from "../e2ee/certificate.ts";
import type { Identity } from "../e2ee/identity.ts";
import type { Fingerprint, StreamName } from "../wire/messages.ts";
import type { Keyring } from "./keyring.ts";
import type { People } from "./people.ts";
import type { Presence } from "./presence.ts";
import type { Receiving } from "./receiving.ts";
import { RoomAbsence } from "./room_absence.ts";
import { RoomChannel } from "./room_channel.ts";
import { RoomPlace } from "./room_place.ts";
import type { RoomRecord } from "./room_record.ts";
import { RoomStay } from "./room_stay.ts";
import type { RoomStayOptions } from "./room_stay_options.ts";
import type { Showing } from "./showing.ts";
import type { StoredRoomRow } from "./state.ts";
import type { Turn } from "./turn.ts";

/** What `Rooms` is made from. */
export interface RoomsOptions {
  /** Our keys. */
  readonly identity: Identity;
  /** Our certificate. */
  readonly own: Certificate;
  /** The relay. */
  readonly relay: { readonly fingerprint: Fingerprint; readonly publicBytes: Bytes };
  /** Who was met. */
  readonly people: People;
  /** Sessions with members. */
  readonly keyring: Keyring;
  /** What meets those whom the relay names. */
  readonly presence: Presence;
  /** How far streams were read. */
  readonly receiving: () => Receiving;
  /** What shows texts. */
  readonly showing: Showing;
  /** Is told that a room is over, for the lines on their way there. */
  readonly over: (stream: StreamName, turn: Turn) => void;
  /** Is told that an event of ours stands in its stream, should its answer have been lost. */
  readonly echoed: RoomStayOptions["echoed"];
  /** Tells whether no line is on its way to a room. */
  readonly isSent: (stream: StreamName) => boolean;
  /** Where random whiles come from. */
  readonly random: RandomBytes;
  /** What was kept, of every relay. */
  readonly stored: readonly StoredRoomRow[];
}

/** A room as it was kept, or as it begins. */
export interface StoredRoom {
  /** Its id. */
  readonly id: Fingerprint;
  /** What it is. */
  readonly record: RoomRecord;
  /** What was stored of its log and chains; nothing at first. */
  readonly rows?: readonly { readonly name: string; readonly value: Bytes }[] | undefined;
  /** The time now. */
  readonly nowMs: number;
}

/** What a stay tells all rooms. */
export interface StayHooks extends Pick<RoomStayOptions, "dropped" | "waits" | "failed" | "isCurrent" | "hasBegun"> {
  /** Draws the number of a request; of all rooms of a client, none twice. */
  readonly nextRef: () => number;
}

/**
 * Makes the stay in one room.
 * @param options who we are and where
 * @param stored the room
 * @param hooks what it tells
 * @returns a stay that has not begun
 * @throws {DecodeError} when what was stored is damaged
 */
export async function makeStay(options: RoomsOptions, stored: StoredRoom, hooks: StayHooks): Promise<RoomStay> {
  const { identity, own, people, keyring, presence, showing, random, receiving } = options;
  const { id, record, rows, nowMs } = stored;
  const { nextRef, ...told } = hooks;
  const author = { sign: identity.sign, certificate: own };
  const room = { id, name: record.name };
  const channel = await RoomChannel.create({ room, kind: record.kind, rows, author, people, keyring, nextRef }, nowMs);
  const { stream } = channel;
  const isLate = (seq: number) => receiving().isLate({ stream, seq });
  const place = new RoomPlace({ channel, record, people, presence, showing, own, isLate });
  const absence = new RoomAbsence({ channel, people, self: own.fingerprint, random });
  const isSent = () => options.isSent(stream);
  return new RoomStay({ place, absence, receiving, isSent, echoed: options.echoed, ...told });
}
