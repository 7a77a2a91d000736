/**
 * What the history tells, and what it is made of.
 * @module
 */

import type { StreamName } from "../wire/messages.ts";
import type { ChatEvent, Place, Ref } from "./events.ts";

/** What is kept of a conversation: messages of others, one's own that the relay accepted, and gaps. */
export type KeptEvent = Extract<ChatEvent, { type: "message" | "accepted" | "gap" }>;

/** Which conversation something belongs to. */
export interface Conversation {
  /** `room/<id>`, or `inbox/<fingerprint>` of the other in a private one. */
  readonly stream: StreamName;
  /** Whether it is kept: not with somebody whose keys are forgotten when they leave. */
  readonly isLasting: boolean;
}

/** One thing that is kept with the step that brought it. */
export interface HistoryEntry extends Conversation {
  /** What was told. */
  readonly event: KeptEvent;
  /** By this machine's clock, in milliseconds since 1970 (UTC). */
  readonly nowMs: number;
}

/** What the history tells. */
export type HistoryEvent =
  /** Answers `/history`; as many `entry` follow, the oldest first. */
  | {
    readonly type: "history";
    readonly place: Place;
    readonly count: number;
    /** Entries that could not be read and were left out. */
    readonly damaged: number;
    readonly ref?: Ref;
  }
  /** Answers `/search`; as many `entry` follow, the oldest first. */
  | {
    readonly type: "search";
    readonly count: number;
    /** Whether older ones fit too. */
    readonly hasMore: boolean;
    readonly damaged: number;
    readonly ref?: Ref;
  }
  /** One thing that was kept. */
  | {
    readonly type: "entry";
    readonly entry: KeptEvent;
    /** What the relay calls itself, when it is not the one that we are on. */
    readonly relay?: string;
    readonly ref?: Ref;
  }
  /** Answers `/forget`: how many entries there were. */
  | { readonly type: "forgotten"; readonly place: Place; readonly count: number; readonly ref?: Ref };

/** Which conversation the person means. */
export interface HistoryTarget {
  /** The conversation, when its name means one that is known now. */
  readonly stream?: StreamName;
  /** Its name as it was typed, without a leading `#`; or as it is known. */
  readonly name: string;
  /** Whether a room or a person is meant; either when it is not there. */
  readonly kind?: "room" | "person";
}

/** What is asked of the history. */
export type HistoryQuery =
  | { readonly kind: "history"; readonly count: number; readonly of: HistoryTarget }
  | { readonly kind: "search"; readonly text: string }
  | { readonly kind: "forget"; readonly of: HistoryTarget };
