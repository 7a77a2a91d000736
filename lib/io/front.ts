/**
 * A front is how a person or a script meets the client: a terminal, a pipe of plain lines, or JSON lines. The host
 * knows nothing of screens, a front nothing of links.
 * @module
 */

import type { UserError } from "../bytes/errors.ts";
import type { Command } from "../chat/commands.ts";
import type { ChatEvent, Ref } from "../chat/events.ts";
import type { BoundedWriter } from "./output.ts";

/** One thing that came in from the person. */
export type FrontInput =
  | { readonly kind: "command"; readonly command: Command; readonly ref?: Ref }
  /** A line that could not be read; the client goes on. */
  | { readonly kind: "badLine"; readonly error: UserError; readonly ref?: Ref };

/** How far output came. */
export type OutputProgress = Pick<BoundedWriter, "queuedBytesEver" | "writtenBytesEver" | "drain">;

/** Where a client shows and reads. */
export interface Front {
  /**
   * Shows an event; never waits.
   * @param event what happened
   */
  show(event: ChatEvent): void;
  /**
   * Reads what the person wants. Pulled only while the client takes input; ends when the input ends.
   * @returns inputs, in order
   */
  inputs(): AsyncIterableIterator<FrontInput>;
  /**
   * Takes out what the person has entered or begun and nobody has read yet, so that it can be named when it is lost.
   * @returns the lines, in order
   */
  takeUnread(): string[];
  /**
   * Waits while whoever reads what is shown is behind; the link is not read meanwhile.
   * @returns when there is room
   */
  ready(): Promise<void>;
  /** How much of what was shown has reached the other end; what was written beside it counts too. */
  readonly progress: OutputProgress;
  /** Resolves when nobody can see any more what is shown: the client then ends. */
  readonly broken: Promise<unknown>;
  /**
   * Shows the last words and restores what was changed. What it printed may still be in its writers, which `runProgram`
   * drains.
   * @param hasBeenReady whether the chat had begun
   */
  close(hasBeenReady: boolean): Promise<void>;
}
