// Aim: write() never waits, order holds, memory is bounded, and a reader that is slow or gone is told apart.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { BoundedWriter, type ByteSink, QUEUE_MAX_BYTES, QUEUE_READY_BYTES, streamSink } from "../../lib/io/output.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A sink that takes bytes only when the test lets it, and perhaps not all of them. */
class FakeSink implements ByteSink {
  readonly taken: number[] = [];
  isOpen = true;
  takesAtMost = Infinity;
  failure: Error | undefined;
  #open: () => void = () => {};

  async write(bytes: Uint8Array): Promise<number> {
    if (!this.isOpen) await new Promise<void>((resolve) => this.#open = resolve);
    if (this.failure !== undefined) throw this.failure;
    const count = Math.min(bytes.length, this.takesAtMost);
    for (const byte of bytes.subarray(0, count)) this.taken.push(byte);
    return count;
  }

  open(): void {
    this.isOpen = true;
    this.#open();
  }

  get text(): string {
    return new TextDecoder().decode(Uint8Array.from(this.taken));
  }
}

Deno.test("BoundedWriter.write() keeps the order when the sink takes a few bytes at a time", async () => {
  await fc.assert(fc.asyncProperty(
    fc.array(fc.string({ unit: "grapheme" }), { size: "max", maxLength: 30 }),
    fc.integer({ min: 1, max: 5 }),
    async (texts, takesAtMost) => {
      const sink = new FakeSink();
      sink.takesAtMost = takesAtMost;
      const writer = new BoundedWriter(sink);
      for (const text of texts) writer.write(text);
      assert(await writer.drain());
      assertEquals(sink.taken, [...encode(texts.join(""))]);
      assertEquals(writer.queuedBytes, 0);
    },
  ));
});

Deno.test("BoundedWriter.ready() waits while the reader is slow, and goes on when it reads", async () => {
  const sink = new FakeSink();
  sink.isOpen = false;
  const writer = new BoundedWriter(sink);
  await writer.ready();
  writer.write("x".repeat(QUEUE_READY_BYTES));
  await writer.ready();
  writer.write("y");
  let isReady = false;
  const ready = writer.ready().then(() => isReady = true);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert(!isReady);
  sink.open();
  await ready;
  assert(await writer.drain());
  assertEquals(sink.taken.length, QUEUE_READY_BYTES + 1);
});

Deno.test("BoundedWriter.write() ends the writer when the reader never reads, and lets the memory go", async () => {
  const sink = new FakeSink();
  sink.isOpen = false;
  const writer = new BoundedWriter(sink);
  const piece = "x".repeat(1_000_000);
  for (let i = 0; i < 40; i++) writer.write(piece);
  assertEquals(await writer.ended, { kind: "overflow" });
  assertEquals(writer.end, { kind: "overflow" });
  assertEquals(writer.queuedBytes, 0);
  await writer.ready();
  assertEquals(await writer.drain(), false);
  sink.open();
  writer.write("more");
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert(sink.taken.length <= piece.length);
});

Deno.test("BoundedWriter.write() takes exactly its bound", () => {
  const sink = new FakeSink();
  sink.isOpen = false;
  const writer = new BoundedWriter(sink);
  writer.write("x".repeat(QUEUE_MAX_BYTES));
  assertEquals(writer.end, undefined);
  writer.write("x");
  assertEquals(writer.end, { kind: "overflow" });
});

Deno.test("BoundedWriter.ended tells that the pipe is closed", async () => {
  const sink = new FakeSink();
  sink.failure = new Deno.errors.BrokenPipe("closed");
  const writer = new BoundedWriter(sink);
  writer.write("hello");
  assertEquals(await writer.ended, { kind: "broken", cause: sink.failure });
  assertEquals(await writer.drain(), false);
  writer.write("more");
  assertEquals(writer.queuedBytes, 0);
});

Deno.test("BoundedWriter.ended tells of a sink that takes nothing, instead of asking for ever", async () => {
  const writer = new BoundedWriter({ write: () => Promise.resolve(0) });
  writer.write("hello");
  assertEquals((await writer.ended).kind, "broken");
});

Deno.test("BoundedWriter.drain() gives up after its time", async () => {
  const sink = new FakeSink();
  sink.isOpen = false;
  const writer = new BoundedWriter(sink);
  writer.write("hello");
  assertEquals(await writer.drain({ timeoutMs: 5 }), false);
  sink.open();
  assertEquals(await writer.drain({ timeoutMs: 5_000 }), true);
  assertEquals(sink.text, "hello");
});

Deno.test("streamSink() writes to a stream and tells of its failure", async () => {
  const chunks: number[] = [];
  const writer = new BoundedWriter(
    streamSink(new WritableStream<Uint8Array>({ write: (chunk) => void chunks.push(...chunk) })),
  );
  writer.write("a");
  writer.write("é");
  assert(await writer.drain());
  assertEquals(chunks, [...encode("aé")]);
  const failing = new BoundedWriter(
    streamSink(
      new WritableStream<Uint8Array>({
        write() {
          throw new Error("closed");
        },
      }),
    ),
  );
  failing.write("a");
  assertEquals((await failing.ended).kind, "broken");
});
