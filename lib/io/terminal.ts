/**
 * The screen of a person who types while messages arrive: lines scroll above, the row being typed stays below. It owns
 * the terminal from `start()` to `close()`: raw mode, bracketed paste, the last row.
 *
 * Its laws: only `SafeText` is printed; the row is never wider than the terminal less one column, so it never wraps and
 * can always be erased; nothing here waits for the screen; `restore()` is synchronous and may be called at any time, as
 * often as one likes, so that no way out leaves a terminal that does not echo.
 * @module
 */

import stringWidth from "string-width";
import { KeyDecoder } from "../cli/keys.ts";
import { type EditorEvent, LineEditor } from "../cli/line_editor.ts";
import type { SafeText } from "../cli/safe_text.ts";
import type { Env } from "./network.ts";
import type { BoundedWriter } from "./output.ts";
import type { ScreenSize } from "./seen_texts.ts";
import { onEverySignal } from "./signals.ts";

/** What a person did. */
export type TerminalEvent =
  /** A line, perhaps empty. */
  | { readonly kind: "line"; readonly text: string }
  /** Ctrl-C; only without `onInterrupt`. */
  | { readonly kind: "interrupt" }
  /** Whoever takes events is to look, see `nudge()`. */
  | { readonly kind: "nudge" }
  /** Ctrl-D on an empty line, or the terminal is gone; the last event. */
  | { readonly kind: "end" };

/** What a `Terminal` drives: the real one, or one of a test. */
export interface TerminalDevice {
  /** What is typed. */
  readonly input: ReadableStream<Uint8Array>;
  /** What is shown. */
  readonly writer: BoundedWriter;
  /** How wide it is now; 0 when unknown. */
  columns(): number;
  /** How high it is now; 0 when unknown. */
  rows(): number;
  /** Switches between raw mode, where each key arrives at once and nothing is echoed, and the usual one. */
  setRaw(isRaw: boolean): void;
  /** Writes at once, past the writer, for the last moment. */
  writeNow(text: string): void;
  /**
   * Calls `resized` when the width may have changed and `resumed` when the program was stopped and goes on.
   * @returns stops that
   */
  watch(handlers: { readonly resized: () => void; readonly resumed: () => void }): () => void;
}

/** How a terminal is used. */
export interface TerminalOptions {
  /** What stands before the typed line. */
  readonly prompt: SafeText;
  /** Called for Ctrl-C at once, even while nobody takes events; without it, an event tells. */
  readonly onInterrupt?: () => void;
  /** Called when keys were pressed, before anything is made of them. */
  readonly onKeys?: () => void;
}

/** Lines that wait to be taken; with more, Enter only rings the bell, and what is typed stays in the row. */
export const EVENTS_MAX = 256;

/** A terminal sends an escape sequence at once; an ESC alone for this long is the key. */
export const ESCAPE_WAIT_MS = 50;

/** What a terminal has that does not say how wide it is. */
const COLUMNS_DEFAULT = 80;
/** And how high. */
const ROWS_DEFAULT = 24;
/** The prompt of a terminal in which the real one would take more than half of the row. */
const PROMPT_SHORT = "> ";

const ERASE_BELOW = "\r\x1b[J";
const CLEAR_SCREEN = "\x1b[2J\x1b[H";
const PASTE_ON = "\x1b[?2004h";
const PASTE_OFF = "\x1b[?2004l";
const BELL = "\x07";

/** A terminal with a row for typing. */
export class Terminal {
  readonly #device: TerminalDevice;
  readonly #onInterrupt: (() => void) | undefined;
  readonly #onKeys: (() => void) | undefined;
  readonly #editor = new LineEditor();
  readonly #decoder = new KeyDecoder();
  readonly #events: TerminalEvent[] = [];
  #prompt: SafeText;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #wakeTaker: () => void = () => {};
  #hasEnded = false;
  /** Whether raw mode is on and the row is ours. */
  #isActive = false;
  /** Where the row was drawn: the cursor's column, and how wide the terminal was. */
  #drawn = { cursorColumn: 0, columns: COLUMNS_DEFAULT };
  #escapeTimer: ReturnType<typeof setTimeout> | undefined;
  #stopWatching: () => void = () => {};

  /**
   * Makes a terminal; nothing happens before `start()`.
   * @param device what it drives
   * @param options how it is used
   */
  constructor(device: TerminalDevice, options: TerminalOptions) {
    this.#device = device;
    this.#prompt = options.prompt;
    this.#onInterrupt = options.onInterrupt;
    this.#onKeys = options.onKeys;
  }

  /** Takes the terminal: raw mode, the row, and the ways out that must give it back. */
  start(): void {
    if (this.#reader !== undefined) throw new TypeError("Cannot start a terminal twice");
    // Listeners first: whatever fails after this gives the terminal back.
    for (const name of WAYS_OUT) globalThis.addEventListener(name, this.#restoreListener);
    this.#device.setRaw(true);
    this.#isActive = true;
    this.#stopWatching = this.#device.watch({ resized: () => this.#redraw(), resumed: () => this.#resume() });
    this.#write(PASTE_ON + this.#row());
    this.#reader = this.#device.input.getReader();
    void this.#readKeys(this.#reader);
  }

  /**
   * Shows lines above the row being typed.
   * @param lines the lines, in order; longer ones wrap
   */
  print(...lines: readonly SafeText[]): void {
    const text = lines.map((line) => `${line}\r\n`).join("");
    this.#write(this.#isActive ? this.#erase() + text + this.#row() : text);
  }

  /**
   * Changes what stands before the typed line.
   * @param prompt the new prompt
   */
  setPrompt(prompt: SafeText): void {
    this.#prompt = prompt;
    this.#redraw();
  }

  /** Makes whoever takes events look, as soon as they do. */
  nudge(): void {
    if (this.#hasEnded || this.#events.some(({ kind }) => kind === "nudge")) return;
    this.#pushEvent({ kind: "nudge" });
  }

  /** How large the screen is. */
  get size(): ScreenSize {
    const rows = Math.floor(this.#device.rows());
    return { columns: this.#columns(), rows: rows > 0 ? rows : ROWS_DEFAULT };
  }

  /**
   * Gives what the person does. Only one taker at a time.
   * @returns events in order; it ends after `end` and after `close()`
   */
  async *events(): AsyncGenerator<TerminalEvent, void, undefined> {
    while (true) {
      const event = this.#events.shift();
      if (event !== undefined) yield event;
      else if (this.#hasEnded) return;
      else await new Promise<void>((resolve) => this.#wakeTaker = resolve);
    }
  }

  /**
   * Takes out what was entered and not read from `events()`, and what is half typed.
   * @returns the lines, in order; empty ones left out
   */
  takeUnread(): string[] {
    const entered = this.#events.splice(0).flatMap((event) => event.kind === "line" ? [event.text] : []);
    return [...entered, this.#editor.text].filter((line) => line.trim() !== "");
  }

  /** Gives the terminal back at once, without waiting for anything. */
  restore(): void {
    if (!this.#isActive) return;
    this.#isActive = false;
    this.#device.writeNow(this.#erase() + PASTE_OFF);
    this.#device.setRaw(false);
  }

  /** Erases the row, waits until all is shown, and gives the terminal back. Calling it again does nothing. */
  async close(): Promise<void> {
    this.#end();
    clearTimeout(this.#escapeTimer);
    this.#stopWatching();
    if (this.#isActive) {
      this.#write(this.#erase());
      this.#drawn = { ...this.#drawn, cursorColumn: 0 };
      await this.#device.writer.drain();
    }
    this.restore();
    for (const name of WAYS_OUT) globalThis.removeEventListener(name, this.#restoreListener);
    // Not awaited: a read of a real terminal ends only with the next key.
    void this.#reader?.cancel().catch(() => {});
  }

  readonly #restoreListener = (): void => this.restore();

  async #readKeys(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    try {
      while (!this.#hasEnded) {
        const { value, done } = await reader.read();
        if (done) break;
        clearTimeout(this.#escapeTimer);
        this.#take(this.#decoder.push(value));
        if (this.#decoder.isPending && !this.#hasEnded) {
          this.#escapeTimer = setTimeout(() => this.#take(this.#decoder.flush()), ESCAPE_WAIT_MS);
        }
      }
    } catch {
      // A terminal that was closed fails to read; for the person it is the same as Ctrl-D.
    }
    if (!this.#hasEnded) this.#pushEvent({ kind: "end" });
  }

  #take(keys: ReturnType<KeyDecoder["push"]>): void {
    if (keys.length > 0) this.#onKeys?.();
    let isChanged = false;
    for (const key of keys) {
      if (this.#hasEnded) return;
      const isRefused = key.kind === "press" && key.key === "enter" && this.#events.length >= EVENTS_MAX;
      if (isRefused) this.#write(BELL);
      else for (const event of this.#editor.handle(key)) isChanged = this.#perform(event) || isChanged;
    }
    if (isChanged) this.#redraw();
  }

  /** Does what a key asks for; says whether the row must be drawn again. */
  #perform(event: EditorEvent): boolean {
    switch (event.kind) {
      case "changed":
        return true;
      case "line":
        this.#pushEvent(event);
        return true;
      case "full":
        this.#write(BELL);
        return false;
      case "redraw":
        this.#write(CLEAR_SCREEN);
        return true;
      case "interrupt":
        if (this.#onInterrupt === undefined) this.#pushEvent(event);
        else this.#onInterrupt();
        return false;
      case "end":
        this.#pushEvent(event);
        return false;
    }
  }

  #pushEvent(event: TerminalEvent): void {
    this.#events.push(event);
    if (event.kind === "end") this.#end();
    this.#wakeTaker();
  }

  #end(): void {
    this.#hasEnded = true;
    this.#wakeTaker();
  }

  #resume(): void {
    if (!this.#isActive) return;
    // The shell had the terminal in between and left it in its own mode.
    this.#device.setRaw(true);
    this.#write(PASTE_ON);
    this.#redraw();
  }

  #redraw(): void {
    if (this.#isActive) this.#write(this.#erase() + this.#row());
  }

  #write(text: string): void {
    this.#device.writer.write(text);
  }

  #columns(): number {
    const columns = Math.floor(this.#device.columns());
    return columns > 0 ? columns : COLUMNS_DEFAULT;
  }

  /** Erases the row. In a window made narrower it may have been wrapped into several: the cursor's is not the first. */
  #erase(): string {
    const columns = this.#columns();
    const rowsAbove = columns < this.#drawn.columns ? Math.floor(this.#drawn.cursorColumn / columns) : 0;
    return (rowsAbove > 0 ? `\x1b[${rowsAbove}A` : "") + ERASE_BELOW;
  }

  /** Draws the row from its first column on. */
  #row(): string {
    const columns = this.#columns();
    const prompt = this.#promptFor(columns);
    const promptColumns = stringWidth(prompt);
    const view = this.#editor.view(columns - promptColumns);
    const cursorColumn = promptColumns + view.cursorColumn;
    this.#drawn = { cursorColumn, columns };
    return `${prompt}${view.text}\r${cursorColumn > 0 ? `\x1b[${cursorColumn}C` : ""}`;
  }

  #promptFor(columns: number): string {
    return [this.#prompt, PROMPT_SHORT].find((prompt) => stringWidth(prompt) <= columns / 2) ?? "";
  }
}

const WAYS_OUT = ["error", "unhandledrejection", "unload"] as const;

/**
 * Makes the terminal that this program runs in.
 * @param writer the only writer to stdout
 * @param options how it is used
 * @returns the terminal, not yet started
 */
export function openTerminal(writer: BoundedWriter, options: TerminalOptions): Terminal {
  return new Terminal(systemDevice(writer), options);
}

/**
 * Tells whether there is a person at a terminal that can move its cursor; if not, plain lines are in place.
 * @param env the environment: TERM
 * @returns whether there is
 */
export function isInteractive(env: Env): boolean {
  return Deno.stdin.isTerminal() && Deno.stdout.isTerminal() && env.get("TERM") !== "dumb";
}

/**
 * Tells whether a terminal may be given colour (no-color.org).
 * @param env the environment: NO_COLOR and TERM
 * @returns whether it may
 */
export function wantsColor(env: Env): boolean {
  return (env.get("NO_COLOR") ?? "") === "" && env.get("TERM") !== "dumb";
}

function systemDevice(writer: BoundedWriter): TerminalDevice {
  return {
    input: Deno.stdin.readable,
    writer,
    columns: () => orElse(() => Deno.consoleSize().columns, 0),
    rows: () => orElse(() => Deno.consoleSize().rows, 0),
    // A terminal that is gone cannot be set, and nobody misses it.
    setRaw: (isRaw) => orElse(() => Deno.stdin.setRaw(isRaw), undefined),
    writeNow: (text) => void orElse(() => Deno.stdout.writeSync(new TextEncoder().encode(text)), 0),
    watch: ({ resized, resumed }) => {
      const stops = [onEverySignal("SIGWINCH", resized), onEverySignal("SIGCONT", resumed)];
      return () => stops.forEach((stop) => stop());
    },
  };
}

function orElse<T>(ask: () => T, fallback: T): T {
  try {
    return ask();
  } catch {
    return fallback;
  }
}
