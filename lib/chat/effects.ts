/**
 * What the chat core takes in and gives out.
 * @module
 */

import type { UserError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import type { Packet, RelayMessage } from "../wire/messages.ts";
import type { ChatEvent, Ref } from "./events.ts";
import type { Command } from "./commands.ts";
import type { Conversation, HistoryQuery } from "./history_events.ts";

/** One thing that happens to a client; the driver gives them one at a time. */
export type ChatInput =
  /** The relay said something; and what it will say next, if that is here, so that work on it can begin. */
  | {
    readonly kind: "packet";
    readonly packet: Packet<RelayMessage>;
    readonly coming?: readonly Packet<RelayMessage>[];
    readonly nowMs: number;
  }
  /** The person, or a script, wants something. */
  | { readonly kind: "command"; readonly command: Command; readonly nowMs: number; readonly ref?: Ref }
  | { readonly kind: "tick"; readonly nowMs: number }
  /**
   * The link is gone, and another is tried; why, as the end of a sentence for the person. A renewal is one that we ended
   * ourselves to take new keys: nobody is told while it is short.
   */
  | { readonly kind: "unlinked"; readonly why: string; readonly nowMs: number; readonly isRenewal?: boolean };

/** What the driver does for the core, in order. */
export type ChatEffect =
  /** Put the packet into the link's outbox. */
  | { readonly kind: "send"; readonly packet: Bytes }
  /** Tell the person. */
  | {
    readonly kind: "show";
    readonly event: ChatEvent;
    /** The conversation of which it is kept. */
    readonly of?: Conversation;
    /** Which entry of this run it is in the history, from 1 on. */
    readonly entry?: number;
  }
  /** Ask the history, once all that was told before is kept, and tell the person what it answers. */
  | { readonly kind: "ask"; readonly query: HistoryQuery; readonly ref?: Ref }
  /** Give a `tick` at that time; a later one replaces it. */
  | { readonly kind: "wakeAt"; readonly atMs: number }
  /** The relay let us in: what the person is shown from now on is the conversation, or the way to it. */
  | { readonly kind: "entered" }
  /** All that was pending is settled: end the link, because the person wanted to leave, or because of the error. */
  | { readonly kind: "finish"; readonly error?: UserError };

/** The effects of one turn, in order. */
export type Effects = ChatEffect[];
