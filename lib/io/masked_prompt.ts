/**
 * Asking a person for what nobody may read over a shoulder: raw mode, our own masked editor, dots. It asks on stderr, so
 * that stdout stays clean. Its laws are those of `terminal.ts`: every way out gives the terminal back, and only
 * `SafeText` is printed.
 * @module
 */

import stringWidth from "string-width";
import { type Key, KeyDecoder } from "../cli/keys.ts";
import { MaskedEditor, type MaskedEvent } from "../cli/masked_editor.ts";
import { safe, type SafeText } from "../cli/safe_text.ts";
import type { Env } from "./network.ts";
import { onEverySignal, onSignals } from "./signals.ts";
import { ESCAPE_WAIT_MS } from "./terminal.ts";

/** What a question is asked on: the real terminal, or one of a test. */
export interface MaskedDevice {
  /** Reads what was typed next; `null` at its end. */
  read(): Promise<Uint8Array | null>;
  /** Shows text at once. */
  write(text: string): void;
  /** Switches between raw mode, where nothing is echoed, and the usual one. */
  setRaw(isRaw: boolean): void;
  /** How wide it is; 0 when it cannot move its cursor: then no dots are shown. */
  columns(): number;
  /**
   * Calls `resumed` when the program was stopped and goes on, for the shell has switched the echo on in between, and
   * `ended` when a signal asks it to end.
   * @returns stops that
   */
  watch(handlers: { readonly resumed: () => void; readonly ended: () => void }): () => void;
}

/** What takes the keys of an answer, and how it is shown; dots unless another one is given. */
export interface PromptEditor {
  /**
   * Takes one key.
   * @param key what the person did
   * @returns what came of it, in order
   */
  handle(key: Key): MaskedEvent[];
  /**
   * Shows the answer so far.
   * @param maxColumns the columns there are; any number, also 0
   * @returns what is printed, without controls
   */
  view(maxColumns: number): string;
}

const COLUMNS_DEFAULT = 80;
const ERASE_BELOW = "\r\x1b[J";
const PASTE_ON = "\x1b[?2004h";
const PASTE_OFF = "\x1b[?2004l";
const BELL = "\x07";
const WAYS_OUT = ["error", "unhandledrejection", "unload"] as const;

/**
 * Takes a terminal for questions whose answers are not shown, and gives it back.
 * @param device the terminal
 * @param use what to ask
 * @param editor what takes the keys, dots without it
 * @returns what `use` returns
 */
export async function withMaskedPrompt<T>(
  device: MaskedDevice,
  use: (prompt: MaskedPrompt) => Promise<T>,
  editor: PromptEditor = new MaskedEditor(),
): Promise<T> {
  const prompt = new MaskedPrompt(device, editor);
  try {
    prompt.start();
    return await use(prompt);
  } finally {
    prompt.end();
  }
}

/**
 * Finds the terminal that this program runs in.
 * @param env the environment: TERM
 * @returns the terminal, or `undefined` when stdin or stderr is none
 */
export function openMaskedDevice(env: Env): MaskedDevice | undefined {
  if (!Deno.stdin.isTerminal() || !Deno.stderr.isTerminal()) return undefined;
  const buffer = new Uint8Array(4_096);
  return {
    read: async () => {
      // Not `Deno.stdin.readable`: it reads ahead, and the chat would miss what was typed after Enter.
      const count = await Deno.stdin.read(buffer);
      return count === null ? null : buffer.slice(0, count);
    },
    write: (text) => writeAllSync(text),
    setRaw: (isRaw) => Deno.stdin.setRaw(isRaw),
    columns: () => env.get("TERM") === "dumb" ? 0 : columnsNow(),
    watch: ({ resumed, ended }) => {
      const stops = [onEverySignal("SIGCONT", resumed), onSignals(["SIGINT", "SIGTERM", "SIGHUP"], ended)];
      return () => stops.forEach((stop) => stop());
    },
  };
}

/** A terminal in raw mode, from `start()` to `end()`; what is typed ahead of a question is its answer. */
export class MaskedPrompt {
  readonly #device: MaskedDevice;
  readonly #editor: PromptEditor;
  readonly #decoder = new KeyDecoder();
  readonly #ended = Promise.withResolvers<null>();
  #keys: Key[] = [];
  #prompt: SafeText = safe``;
  #isActive = false;
  #escapeTimer: ReturnType<typeof setTimeout> | undefined;
  #stopWatching: () => void = () => {};

  /**
   * Makes a prompt; use `withMaskedPrompt()`.
   * @param device the terminal
   * @param editor what takes the keys
   */
  constructor(device: MaskedDevice, editor: PromptEditor) {
    this.#device = device;
    this.#editor = editor;
  }

  /** Takes the terminal. */
  start(): void {
    for (const name of WAYS_OUT) globalThis.addEventListener(name, this.#endListener);
    this.#stopWatching = this.#device.watch({ resumed: () => this.#resume(), ended: () => this.#ended.resolve(null) });
    this.#device.setRaw(true);
    this.#isActive = true;
    if (this.#canErase()) this.#device.write(PASTE_ON);
  }

  /**
   * Asks one question.
   * @param prompt what stands before the dots
   * @returns what was typed, perhaps empty; `undefined` when the person gave up, or the terminal is gone
   */
  async ask(prompt: SafeText): Promise<string | undefined> {
    this.#prompt = prompt;
    this.#device.write(prompt);
    while (true) {
      for (let key = this.#keys.shift(); key !== undefined; key = this.#keys.shift()) {
        const outcome = this.#take(key);
        if (outcome === undefined) continue;
        // The dots go: how many there were is nobody's business either.
        this.#device.write((this.#canErase() ? ERASE_BELOW + prompt : "") + "\r\n");
        return outcome.text;
      }
      this.#redraw();
      const bytes = await Promise.race([this.#device.read(), this.#ended.promise]);
      clearTimeout(this.#escapeTimer);
      if (bytes === null) this.#keys.push({ kind: "press", key: "ctrl-c" });
      else this.#keys.push(...this.#decoder.push(bytes));
      // An ESC alone is a key without a meaning here; waiting on, it would swallow the next letter.
      if (this.#decoder.isPending) this.#escapeTimer = setTimeout(() => this.#decoder.flush(), ESCAPE_WAIT_MS);
    }
  }

  /** Gives the terminal back at once. Calling it again does nothing. */
  end(): void {
    clearTimeout(this.#escapeTimer);
    this.#stopWatching();
    for (const name of WAYS_OUT) globalThis.removeEventListener(name, this.#endListener);
    if (!this.#isActive) return;
    this.#isActive = false;
    if (this.#canErase()) this.#device.write(ERASE_BELOW + PASTE_OFF);
    this.#device.setRaw(false);
  }

  readonly #endListener = (): void => this.end();

  /** Takes a key; gives how the question ended, if it did. */
  #take(key: Key): { readonly text: string | undefined } | undefined {
    for (const event of this.#editor.handle(key)) {
      switch (event.kind) {
        case "line":
          return { text: event.text };
        case "givenUp":
          return { text: undefined };
        case "full":
          this.#device.write(BELL);
          break;
        case "changed":
          break;
      }
    }
    return undefined;
  }

  #resume(): void {
    this.#device.setRaw(true);
    if (this.#canErase()) this.#device.write(PASTE_ON);
    this.#redraw();
  }

  #redraw(): void {
    if (!this.#canErase()) return;
    const free = this.#device.columns() - stringWidth(this.#prompt) - 1;
    this.#device.write(ERASE_BELOW + this.#prompt + this.#editor.view(free));
  }

  #canErase(): boolean {
    return this.#device.columns() > 0;
  }
}

function writeAllSync(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let offset = 0; offset < bytes.length;) offset += Deno.stderr.writeSync(bytes.subarray(offset));
}

function columnsNow(): number {
  try {
    return Deno.consoleSize().columns || COLUMNS_DEFAULT;
  } catch {
    return COLUMNS_DEFAULT;
  }
}
