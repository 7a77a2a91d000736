/**
 * The two fronts for pipes: plain lines for people's tools, JSON lines for bots. Both read stdin line by line with a
 * bound, and both keep what they print in one bounded writer.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import { parseLine } from "../chat/commands.ts";
import type { ChatEvent, Ref } from "../chat/events.ts";
import { fromJsonLine, refOfLine, toJsonLine } from "../cli/json_lines.ts";
import { renderError, renderEvent, type RenderOptions } from "../cli/render.ts";
import type { Front, FrontInput, OutputProgress } from "./front.ts";
import { type InputLine, readLines } from "./input_lines.ts";
import type { BoundedWriter } from "./output.ts";

/** The longest line that is read: the longest message with every character escaped as JSON, and its frame. */
export const INPUT_LINE_MAX_BYTES: number = 128 * 1024;

/** What both fronts are made from. */
export interface LineFrontOptions {
  /** Where lines come from. */
  readonly input: ReadableStream<Uint8Array>;
  /** Where chat goes. */
  readonly out: BoundedWriter;
  /** Where a plain front's errors go. */
  readonly err: BoundedWriter;
}

/** Plain lines in, plain lines out, errors beside them. */
export class PlainFront implements Front {
  /** Resolves when stdout is closed. */
  readonly broken: Promise<unknown>;
  /** How much of what was shown was written. */
  readonly progress: OutputProgress;
  readonly #options: LineFrontOptions;
  readonly #stop = new AbortController();
  #ownHandle = "";

  /**
   * Makes a front that has read nothing.
   * @param options the three streams
   */
  constructor(options: LineFrontOptions) {
    this.#options = options;
    this.broken = options.out.ended;
    this.progress = options.out;
  }

  /**
   * Prints an event.
   * @param event what happened
   */
  show(event: ChatEvent): void {
    if (event.type === "ready") this.#ownHandle = event.handle;
    const options: RenderOptions = { hasColor: false, showsOwn: false, ownHandle: this.#ownHandle };
    const to = event.type === "error" ? this.#options.err : this.#options.out;
    const lines = event.type === "error" ? renderError(event, options) : renderEvent(event, options);
    for (const line of lines) to.write(line + "\n");
  }

  /**
   * Reads lines as a person types them.
   * @returns one input a line
   */
  async *inputs(): AsyncGenerator<FrontInput, void, undefined> {
    const { signal } = this.#stop;
    for await (const line of readLines(this.#options.input, { maxBytes: INPUT_LINE_MAX_BYTES, signal })) {
      yield toInput(line, (text) => ({ command: parseLine(text) }), () => undefined);
    }
  }

  /**
   * What was not read is still in the pipe.
   * @returns nothing
   */
  takeUnread(): string[] {
    return [];
  }

  /**
   * Waits while the reader is behind.
   * @returns when there is room
   */
  ready(): Promise<void> {
    return this.#options.out.ready();
  }

  /** Ends reading. */
  close(): Promise<void> {
    this.#stop.abort();
    return Promise.resolve();
  }
}

/** JSON lines in and out. */
export class JsonFront implements Front {
  /** Resolves when stdout is closed. */
  readonly broken: Promise<unknown>;
  /** How much of what was shown was written. */
  readonly progress: OutputProgress;
  readonly #options: Omit<LineFrontOptions, "err">;
  readonly #stop = new AbortController();

  /**
   * Makes a front that has read nothing.
   * @param options the two streams
   */
  constructor(options: Omit<LineFrontOptions, "err">) {
    this.#options = options;
    this.broken = options.out.ended;
    this.progress = options.out;
  }

  /**
   * Prints an event.
   * @param event what happened
   */
  show(event: ChatEvent): void {
    this.#options.out.write(toJsonLine(event) + "\n");
  }

  /**
   * Reads JSON lines.
   * @returns one input a line
   */
  async *inputs(): AsyncGenerator<FrontInput, void, undefined> {
    const { signal } = this.#stop;
    for await (const line of readLines(this.#options.input, { maxBytes: INPUT_LINE_MAX_BYTES, signal })) {
      if (line.kind === "line" && line.text.trim() === "") continue;
      yield toInput(line, fromJsonLine, refOfLine);
    }
  }

  /**
   * What was not read is still in the pipe.
   * @returns nothing
   */
  takeUnread(): string[] {
    return [];
  }

  /**
   * Waits while the reader is behind.
   * @returns when there is room
   */
  ready(): Promise<void> {
    return this.#options.out.ready();
  }

  /**
   * Prints `bye` if the chat had begun, and ends reading.
   * @param hasBeenReady whether it had
   */
  close(hasBeenReady: boolean): Promise<void> {
    this.#stop.abort();
    if (hasBeenReady) this.#options.out.write(toJsonLine({ type: "bye" }) + "\n");
    return Promise.resolve();
  }
}

function toInput(
  line: InputLine,
  read: (text: string) => Omit<Extract<FrontInput, { kind: "command" }>, "kind">,
  refOf: (text: string) => Ref | undefined,
): FrontInput {
  if (line.kind !== "line") return { kind: "badLine", error: unreadable(line) };
  try {
    return { kind: "command", ...read(line.text) };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const ref = refOf(line.text);
    return { kind: "badLine", error, ...(ref === undefined ? {} : { ref }) };
  }
}

function unreadable(line: Exclude<InputLine, { kind: "line" }>): UserError {
  return line.kind === "tooLong"
    ? new UserError("tooLong", `Nothing was sent: a line of ${line.lengthBytes} bytes is too long`, "Send it in parts.")
    : new UserError("badLine", "Nothing was sent: the line is not UTF-8 text", "Convert it to UTF-8 first.");
}
