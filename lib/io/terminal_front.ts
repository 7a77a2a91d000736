/**
 * The front for a person at a terminal.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import { parseLine } from "../chat/commands.ts";
import type { ChatEvent } from "../chat/events.ts";
import { ReceiptMarks } from "../cli/receipt_marks.ts";
import { renderEvent, type RenderOptions } from "../cli/render.ts";
import { safe, type SafeText, safeText } from "../cli/safe_text.ts";
import { wrapLines } from "../cli/wrap.ts";
import type { EventId } from "../wire/messages.ts";
import type { Front, FrontInput, OutputProgress } from "./front.ts";
import type { BoundedWriter } from "./output.ts";
import { SeenTexts } from "./seen_texts.ts";
import { openTerminal, type Terminal } from "./terminal.ts";

/** How a terminal front looks and ends. */
export interface TerminalFrontOptions {
  /** The only writer to stdout. */
  readonly out: BoundedWriter;
  /** Whether lines are coloured. */
  readonly hasColor: boolean;
  /** One's own handle, where no `ready` tells it. */
  readonly ownHandle?: string | undefined;
  /** Called for Ctrl-C. */
  readonly onInterrupt: () => void;
}

/** A chat screen: lines scroll above, the row being typed stays below. */
export class TerminalFront implements Front {
  /** Resolves when the terminal is gone. */
  readonly broken: Promise<unknown>;
  /** How much of what was shown was written. */
  readonly progress: OutputProgress;
  readonly #options: TerminalFrontOptions;
  readonly #terminal: Terminal;
  readonly #marks = new ReceiptMarks();
  readonly #texts = new SeenTexts();
  /** Texts that were seen, and of which nobody was told. */
  #seen: EventId[] = [];
  #ownHandle = "";
  /** Whether the terminal was taken: by `ready` in a room, else by `secured`. */
  #hasStarted = false;

  /**
   * Makes a front; the terminal is taken when the chat begins.
   * @param options how it looks and ends
   */
  constructor(options: TerminalFrontOptions) {
    this.#options = options;
    this.#terminal = openTerminal(options.out, {
      prompt: safeText("> "),
      onInterrupt: options.onInterrupt,
      onKeys: () => this.#notice(),
    });
    this.broken = options.out.ended;
    this.progress = options.out;
  }

  /**
   * Shows an event above the row being typed.
   * @param event what happened
   */
  show(event: ChatEvent): void {
    if (event.type === "ready") {
      this.#hasStarted = true;
      this.#ownHandle = event.handle;
      this.#terminal.setPrompt(promptFor(event.room));
      this.#terminal.start();
    }
    if (event.type === "secured" && !this.#hasStarted) {
      this.#hasStarted = true;
      this.#ownHandle = this.#options.ownHandle ?? "";
      this.#terminal.setPrompt(safe`${safeText(event.with, { maxChars: 20 })}> `);
      this.#terminal.start();
    }
    if (event.type === "switched" || (event.type === "roomJoined" && event.isCurrent)) {
      this.#terminal.setPrompt(promptFor(event.room));
    }
    if (event.type === "roomLeft") {
      this.#terminal.setPrompt(event.current === undefined ? safeText("> ") : promptFor(event.current));
    }
    const options: RenderOptions = {
      hasColor: this.#options.hasColor,
      showsOwn: true,
      ownHandle: this.#ownHandle,
    };
    if (!this.#marks.take(event)) return;
    const { columns } = this.#terminal.size;
    const lines = wrapLines(renderEvent(event, options), columns);
    this.#terminal.print(...lines);
    const isPrivate = event.type === "message" && "to" in event.place;
    this.#texts.printed(lines, columns, isPrivate ? event.id : undefined);
  }

  /**
   * Reads what the person types.
   * @returns one input a line
   */
  async *inputs(): AsyncGenerator<FrontInput, void, undefined> {
    for await (const event of this.#terminal.events()) {
      if (this.#seen.length > 0) yield { kind: "command", command: { kind: "read", ids: this.#seen.splice(0) } };
      if (event.kind === "end") return;
      if (event.kind === "line") yield toInput(event.text);
    }
  }

  /**
   * Takes out what was entered or begun and not read.
   * @returns the lines, in order
   */
  takeUnread(): string[] {
    return this.#terminal.takeUnread();
  }

  /**
   * Waits while the terminal is behind.
   * @returns when there is room
   */
  ready(): Promise<void> {
    return this.#options.out.ready();
  }

  /** Somebody is there: what is on the screen is seen. */
  #notice(): void {
    const seen = this.#texts.seen(this.#terminal.size.rows);
    this.#seen.push(...seen);
    if (seen.length > 0) this.#terminal.nudge();
  }

  /** Gives the terminal back. */
  async close(): Promise<void> {
    await this.#terminal.close();
  }
}

function promptFor(room: string): SafeText {
  return safe`#${safeText(room, { maxChars: 20 })}> `;
}

function toInput(line: string): FrontInput {
  try {
    return { kind: "command", command: parseLine(line) };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { kind: "badLine", error };
  }
}
