/**
 * What a client keeps between runs, as the chat core knows it: state to start from, and changes of it. The core says
 * what changed; whoever drives it keeps that in one transaction before it does what the core asked for (PROTOCOL §0.6).
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import type { SessionBookChanges } from "../e2ee/session_book.ts";
import type { Cursor, EventId, Fingerprint, StreamName } from "../wire/messages.ts";
import type { BurntCode } from "./burnt_codes.ts";
import type { HistoryEntry } from "./history_events.ts";
import type { PeerRecord } from "./peer_record.ts";
import type { PeerRecordChange } from "./trust_book.ts";

/** Prekeys and ratchets as they were stored; secret. */
export interface StoredSessions {
  /** The prekeys. */
  readonly prekeys: Bytes;
  /** All sessions with each peer. */
  readonly peers: readonly Bytes[];
  /** The ids of sessions with forgotten peers. */
  readonly forgotten: Bytes;
}

/** How far a stream was read. */
export interface StoredCursor extends Cursor {
  /** The relay whose stream it is: an inbox has the same name on each of them. */
  readonly relay: Fingerprint;
  /** The stream. */
  readonly stream: StreamName;
  /** The relay's time of that place; it never decreases (PROTOCOL 6.5). */
  readonly at: number;
}

/** How far a stream was read, or that it is to be forgotten. */
export type CursorChange =
  | StoredCursor
  | { readonly relay: Fingerprint; readonly stream: StreamName; readonly isForgotten: true };

/** One thing that is kept of a room. */
export interface StoredRoomRow {
  /** The relay whose room it is. */
  readonly relay: Fingerprint;
  /** The room. */
  readonly room: Fingerprint;
  /** What it is; `record`, or one of e2ee/room.ts. */
  readonly name: string;
  /** Its value; secret. */
  readonly value: Bytes;
}

/** A row that takes the place of the one of that name; without a value there is none any more. */
export interface RoomRowChange extends Omit<StoredRoomRow, "value"> {
  /** The new value; secret. */
  readonly value: Bytes | undefined;
}

/** A line that waits for a relay. */
export interface StoredLine {
  /** The relay. */
  readonly relay: Fingerprint;
  /** The line, see outbox_line.ts; secret. */
  readonly value: Bytes;
}

/** A line that is to be kept, or without a value to be forgotten. */
export interface LineChange {
  /** The relay that it is for. */
  readonly relay: Fingerprint;
  /** The id of its event. */
  readonly id: EventId;
  /** The line; secret. */
  readonly value: Bytes | undefined;
}

/** A private text of ours that nobody has read yet, as its reader says. */
export interface StoredReceiptRow {
  /** Whom it is for. */
  readonly peer: Fingerprint;
  /** The id of its event. */
  readonly id: EventId;
  /** What is known of it, see receipt_record.ts. */
  readonly value: Bytes;
}

/** A text whose row takes the place of the one before; without a value there is none any more. */
export interface ReceiptRowChange extends Omit<StoredReceiptRow, "value"> {
  /** The new value. */
  readonly value: Bytes | undefined;
}

/** A private message whose author the relay has not shown yet. */
export interface StoredHeldRow {
  /** The relay that it came from. */
  readonly relay: Fingerprint;
  /** The SHA-256 of its box: 64 digits of lower-case hexadecimal. */
  readonly box: string;
  /** The message, see held_record.ts; secret. */
  readonly value: Bytes;
}

/** A message that is to be kept, or without a value to be forgotten. */
export interface HeldRowChange extends Omit<StoredHeldRow, "value"> {
  /** The message; secret. */
  readonly value: Bytes | undefined;
}

/** What a client starts from. */
export interface ChatState {
  /** Prekeys and ratchets; there are none before the first commit. */
  readonly sessions: StoredSessions | undefined;
  /** Whom the person met, and how well their keys are known. */
  readonly peers: readonly PeerRecord[];
  /** How far streams were read, on every relay. */
  readonly cursors: readonly StoredCursor[];
  /** Codes that were used up of late. */
  readonly codes?: readonly BurntCode[];
  /** The rooms that it is in, or was invited to, on every relay. */
  readonly rooms?: readonly StoredRoomRow[];
  /** What was written and not accepted, on every relay. */
  readonly outbox?: readonly StoredLine[];
  /** Private texts that nobody has read yet. */
  readonly receipts?: readonly StoredReceiptRow[];
  /** Private messages whose authors were not introduced yet, on every relay. */
  readonly held?: readonly StoredHeldRow[];
}

/** What is to be kept of one step, all or nothing. */
export interface ChatChanges {
  /** Of prekeys and ratchets. */
  readonly sessions: SessionBookChanges;
  /** Of those whom the person met. */
  readonly peers: readonly PeerRecordChange[];
  /** Of how far streams were read. */
  readonly cursors: readonly CursorChange[];
  /** Of rooms, each change the only one of its row. */
  readonly rooms?: readonly RoomRowChange[];
  /** Of lines that wait for the relay. */
  readonly outbox?: readonly LineChange[];
  /** Of private texts that nobody has read yet. */
  readonly receipts?: readonly ReceiptRowChange[];
  /** Of private messages whose authors were not introduced yet. */
  readonly held?: readonly HeldRowChange[];
  /** Codes that were used up; with `untilMs: 0`, those to forget. */
  readonly codes?: readonly BurntCode[];
  /** What was told of conversations, in order. */
  readonly history?: readonly HistoryEntry[];
}
