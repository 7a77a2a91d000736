/**
 * A terminal for questions, played by a test: what is typed is given in advance, or pushed while a question waits.
 */

import type { MaskedDevice } from "../../lib/io/masked_prompt.ts";

/** A terminal that keeps all that was shown. */
export class FakeMaskedDevice implements MaskedDevice {
  shown = "";
  readonly rawChanges: boolean[] = [];
  handlers: { readonly resumed: () => void; readonly ended: () => void } | undefined;
  /** How often nobody was left to be told of signals. */
  stops = 0;
  width: number;
  readonly #chunks: (Uint8Array | null)[];
  #wake: () => void = () => {};

  /**
   * Makes a terminal.
   * @param typed what is typed, a chunk each; strings as UTF-8
   * @param width its columns
   */
  constructor(typed: readonly (string | Uint8Array | null)[] = [], width = 80) {
    this.width = width;
    this.#chunks = typed.map((chunk) => typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk);
  }

  /** Types while a question waits. */
  type(text: string | null): void {
    this.#chunks.push(text === null ? null : new TextEncoder().encode(text));
    this.#wake();
  }

  /** What is on the row now. */
  get row(): string {
    const row = this.shown.split("\r\n").at(-1)?.split("\r\x1b[J").at(-1) ?? "";
    return row.replaceAll("\x1b[?2004h", "").replaceAll("\x07", "");
  }

  async read(): Promise<Uint8Array | null> {
    while (true) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) return chunk;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  write(text: string): void {
    this.shown += text;
  }

  setRaw(isRaw: boolean): void {
    this.rawChanges.push(isRaw);
  }

  columns(): number {
    return this.width;
  }

  watch(handlers: { readonly resumed: () => void; readonly ended: () => void }): () => void {
    this.handlers = handlers;
    return () => void this.stops++;
  }
}

/** Lets everything that is ready happen. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
