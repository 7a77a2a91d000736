/**
 * Writing without waiting: text goes into a bounded queue that one loop empties. So a reader that is slow or gone never
 * stops the program's one event loop, and `Deno.exit` never cuts off what was said, if `drain()` comes before it.
 *
 * Its law: `write()` never waits and never throws; bytes leave in the order of the calls; when the queue is above
 * `QUEUE_MAX_BYTES` or the other end is gone, the writer ends for good, says so once in `ended`, and holds nothing.
 * @module
 */

/** Where bytes go; `Deno.stdout` is one. It may take fewer than it is given. */
export interface ByteSink {
  /** Takes some bytes from the front and says how many. */
  write(bytes: Uint8Array): Promise<number>;
}

/** Why a writer takes nothing any more. */
export type WriterEnd =
  /** The other end is gone (a closed pipe), or the sink failed. */
  | { readonly kind: "broken"; readonly cause: unknown }
  /** The other end does not read, and the queue reached its hard bound. */
  | { readonly kind: "overflow" };

/** Above this, `ready()` waits: some screens full, yet little beside what a slow reader may cause. */
export const QUEUE_READY_BYTES = 1_048_576;

/** Above this the reader is taken for dead; more would only be memory. */
export const QUEUE_MAX_BYTES = 16_777_216;

/** Bytes handed to the sink at once: few calls under load, and `ready()` stays exact. */
const CHUNK_MAX_BYTES = 65_536;

const ENCODER = new TextEncoder();

/** Queues text for a sink. */
export class BoundedWriter {
  readonly #sink: ByteSink;
  readonly #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #queuedBytesEver = 0;
  #writtenBytesEver = 0;
  #isWriting = false;
  #end: WriterEnd | undefined;
  readonly #ended = Promise.withResolvers<WriterEnd>();
  /** Those who wait for the queue to be at or below some size. */
  #waiting: { belowBytes: number; resolve: () => void }[] = [];

  /**
   * Makes a writer; nobody else may write to the sink.
   * @param sink where the bytes go
   */
  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /** Resolves, never rejects, when the writer ends for good. */
  get ended(): Promise<WriterEnd> {
    return this.#ended.promise;
  }

  /** Why the writer ended, `undefined` while it works. */
  get end(): WriterEnd | undefined {
    return this.#end;
  }

  /** Bytes that the sink has not taken yet. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Bytes that were ever queued; what was queued is written once {@linkcode writtenBytesEver} is as much. */
  get queuedBytesEver(): number {
    return this.#queuedBytesEver;
  }

  /** Bytes that the sink has ever taken. */
  get writtenBytesEver(): number {
    return this.#writtenBytesEver;
  }

  /**
   * Queues text. Does nothing once the writer has ended.
   * @param text what to write
   */
  write(text: string): void {
    if (text === "") return;
    const bytes = ENCODER.encode(text);
    this.#queuedBytesEver += bytes.length; // of one that has ended too: that is never written
    if (this.#end !== undefined) return;
    if (this.#queuedBytes + bytes.length > QUEUE_MAX_BYTES) return this.#finish({ kind: "overflow" });
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    if (!this.#isWriting) void this.#writeAll();
  }

  /**
   * Waits until there is room, for those who can wait before they write more.
   * @returns when at most `QUEUE_READY_BYTES` are queued, or the writer has ended
   */
  ready(): Promise<void> {
    return this.#below(QUEUE_READY_BYTES);
  }

  /**
   * Waits until everything is written; call it before the program exits.
   * @param options how long to wait at most; without it, for as long as the reader takes
   * @returns whether all was written: `false` when the writer ended or the time was over
   */
  async drain(options: { readonly timeoutMs?: number } = {}): Promise<boolean> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const isOver = new Promise<void>((resolve) => {
      if (options.timeoutMs !== undefined) timer = setTimeout(resolve, options.timeoutMs);
    });
    await Promise.race([this.#below(0), isOver]);
    clearTimeout(timer);
    return this.#end === undefined && this.#queuedBytes === 0;
  }

  #below(belowBytes: number): Promise<void> {
    if (this.#end !== undefined || this.#queuedBytes <= belowBytes) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ belowBytes, resolve }));
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    try {
      while (this.#queue.length > 0) {
        const chunk = this.#nextChunk();
        for (let start = 0; start < chunk.length;) start += await this.#writeSome(chunk.subarray(start));
      }
    } catch (cause) {
      this.#finish({ kind: "broken", cause });
    }
    this.#isWriting = false;
  }

  async #writeSome(bytes: Uint8Array): Promise<number> {
    const taken = await this.#sink.write(bytes);
    // A sink that takes nothing would be asked for ever.
    if (taken <= 0) throw new Error("Cannot write: the other end takes no bytes");
    if (this.#end !== undefined) return bytes.length;
    this.#queuedBytes -= taken;
    this.#writtenBytesEver += taken;
    this.#wake();
    return taken;
  }

  /** Joins what waits, up to `CHUNK_MAX_BYTES`; the bytes count as queued until the sink has taken them. */
  #nextChunk(): Uint8Array {
    let count = 0;
    let lengthBytes = 0;
    for (const bytes of this.#queue) {
      if (count > 0 && lengthBytes + bytes.length > CHUNK_MAX_BYTES) break;
      count++;
      lengthBytes += bytes.length;
    }
    const parts = this.#queue.splice(0, count);
    const [only] = parts;
    if (count === 1 && only !== undefined) return only;
    const chunk = new Uint8Array(lengthBytes);
    let offset = 0;
    for (const part of parts) {
      chunk.set(part, offset);
      offset += part.length;
    }
    return chunk;
  }

  #finish(end: WriterEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#queue.length = 0;
    this.#queuedBytes = 0;
    this.#ended.resolve(end);
    this.#wake();
  }

  #wake(): void {
    const isDue = (waiter: { belowBytes: number }): boolean =>
      this.#end !== undefined || this.#queuedBytes <= waiter.belowBytes;
    const due = this.#waiting.filter(isDue);
    if (due.length === 0) return;
    this.#waiting = this.#waiting.filter((waiter) => !isDue(waiter));
    for (const waiter of due) waiter.resolve();
  }
}

/**
 * Makes a sink of a stream.
 * @param stream the stream; it is locked from now on
 * @returns a sink that takes all it is given
 */
export function streamSink(stream: WritableStream<Uint8Array>): ByteSink {
  const writer = stream.getWriter();
  return {
    async write(bytes: Uint8Array): Promise<number> {
      await writer.ready;
      await writer.write(bytes);
      return bytes.length;
    },
  };
}
