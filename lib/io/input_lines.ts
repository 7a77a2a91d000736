/**
 * Lines from a pipe: `\n` or `\r\n` ends one, the last needs no end. Memory is bounded whatever comes: of a line that is
 * too long only its length is kept. Nothing is read while the consumer is busy, so a full outbox slows the writer down.
 * @module
 */

/** One line of input. */
export type InputLine =
  | { readonly kind: "line"; readonly text: string }
  /** It was longer than the bound, and is gone. */
  | { readonly kind: "tooLong"; readonly lengthBytes: number }
  /** It was no UTF-8, and is gone. */
  | { readonly kind: "notText"; readonly lengthBytes: number };

/** How lines are read. */
export interface ReadLinesOptions {
  /** UTF-8 bytes that a line may have, its end not counted. */
  readonly maxBytes: number;
  /** Ends the reading, also while it waits for input; the lines end then without an error, half a line is dropped. */
  readonly signal?: AbortSignal;
}

const NEWLINE = 0x0a;
const RETURN = 0x0d;

/**
 * Reads lines, one at a time, as the consumer asks for them.
 * @param readable the bytes; cancelled when the consumer stops before their end
 * @param options how long a line may be, and what ends the reading
 * @returns the lines in order
 */
export async function* readLines(
  readable: ReadableStream<Uint8Array>,
  options: ReadLinesOptions,
): AsyncGenerator<InputLine, void, undefined> {
  const reader = readable.getReader();
  const isAborted = (): boolean => options.signal?.aborted === true;
  const cancel = (): void => void reader.cancel().catch(() => {});
  options.signal?.addEventListener("abort", cancel);
  const line = new LineBuffer(options.maxBytes);
  try {
    while (!isAborted()) {
      const { value: chunk, done } = await reader.read();
      if (done) break;
      for (let start = 0; start < chunk.length;) {
        const newline = chunk.indexOf(NEWLINE, start);
        line.add(chunk.subarray(start, newline === -1 ? chunk.length : newline));
        if (newline === -1) break;
        yield line.take();
        if (isAborted()) return;
        start = newline + 1;
      }
    }
    if (!line.isEmpty && !isAborted()) yield line.take();
  } finally {
    options.signal?.removeEventListener("abort", cancel);
    cancel();
  }
}

/** The line so far: its bytes while it may still fit, its length always. */
class LineBuffer {
  readonly #maxBytes: number;
  #bytes: Uint8Array<ArrayBuffer>;
  #lengthBytes = 0;
  #endsInReturn = false;
  #isFirst = true;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#bytes = new Uint8Array(Math.min(maxBytes, 1_024) + 1);
  }

  get isEmpty(): boolean {
    return this.#lengthBytes === 0;
  }

  add(piece: Uint8Array): void {
    if (piece.length === 0) return;
    const lengthBytes = this.#lengthBytes + piece.length;
    // One byte more than the bound: the last may be the \r of its end.
    if (lengthBytes <= this.#maxBytes + 1) {
      if (lengthBytes > this.#bytes.length) this.#grow(lengthBytes);
      this.#bytes.set(piece, this.#lengthBytes);
    }
    this.#lengthBytes = lengthBytes;
    this.#endsInReturn = piece.at(-1) === RETURN;
  }

  take(): InputLine {
    const lengthBytes = this.#lengthBytes - (this.#endsInReturn ? 1 : 0);
    const isFirst = this.#isFirst;
    this.#lengthBytes = 0;
    this.#endsInReturn = false;
    this.#isFirst = false;
    if (lengthBytes > this.#maxBytes) return { kind: "tooLong", lengthBytes };
    try {
      // PowerShell puts a byte order mark before the first line; anywhere else it is text.
      const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: !isFirst });
      return { kind: "line", text: decoder.decode(this.#bytes.subarray(0, lengthBytes)) };
    } catch {
      return { kind: "notText", lengthBytes };
    }
  }

  #grow(lengthBytes: number): void {
    const grown = new Uint8Array(Math.min(this.#maxBytes + 1, Math.max(lengthBytes, 2 * this.#bytes.length)));
    grown.set(this.#bytes.subarray(0, this.#lengthBytes));
    this.#bytes = grown;
  }
}
