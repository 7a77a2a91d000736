// Aim: lines are the same however the bytes are cut, memory is bounded, and nothing is read ahead.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type InputLine, readLines } from "../../lib/io/input_lines.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const line = (text: string): InputLine => ({ kind: "line", text });

async function linesOf(chunks: readonly Uint8Array[], maxBytes = 100): Promise<InputLine[]> {
  return await Array.fromAsync(readLines(ReadableStream.from(chunks), { maxBytes }));
}

Deno.test("readLines() gives lines, empty ones and an unended last one too", async () => {
  assertEquals(await linesOf([]), []);
  assertEquals(await linesOf([encode("a\nb\r\n\n\r\nc")]), [line("a"), line("b"), line(""), line(""), line("c")]);
  assertEquals(await linesOf([encode("a\n")]), [line("a")]);
  assertEquals(await linesOf([encode("a\rb\r\r\n")]), [line("a\rb\r")]);
  assertEquals(await linesOf([encode("a\r")]), [line("a")]);
});

Deno.test("readLines() takes a byte order mark off the first line alone", async () => {
  assertEquals(await linesOf([encode("\ufeffa\n\ufeffb")]), [line("a"), line("\ufeffb")]);
});

Deno.test("readLines() reports a line that is too long and goes on with the next", async () => {
  const input = [encode(`${"x".repeat(5)}\n${"y".repeat(6)}\r\n${"é".repeat(4)}\nz`)];
  assertEquals(await linesOf(input, 5), [
    line("xxxxx"),
    { kind: "tooLong", lengthBytes: 6 },
    { kind: "tooLong", lengthBytes: 8 },
    line("z"),
  ]);
  assertEquals(await linesOf([encode("xxxxx\r\n")], 5), [line("xxxxx")]);
});

Deno.test("readLines() reports a line that is no text and goes on with the next", async () => {
  const bytes = Uint8Array.of(0x61, 0xff, 0x0a, 0x62);
  assertEquals(await linesOf([bytes]), [{ kind: "notText", lengthBytes: 2 }, line("b")]);
});

Deno.test("readLines() gives the same lines however the bytes are cut", async () => {
  const pieces = fc.array(
    fc.oneof(
      fc.constantFrom("\n", "\r\n", "\r", "é", "👩", "abc", "x".repeat(12)).map(encode),
      fc.uint8Array({ maxLength: 4 }),
    ),
    { size: "max", maxLength: 20 },
  );
  await fc.assert(
    fc.asyncProperty(pieces, fc.array(fc.nat(), { maxLength: 10 }), async (pieces, cuts) => {
      const bytes = Uint8Array.from(pieces.flatMap((piece) => [...piece]));
      const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
      const chunks = places.slice(1).map((end, i) => bytes.slice(places[i] as number, end));
      const whole = await linesOf([bytes], 10);
      assertEquals(await linesOf(chunks, 10), whole);
      assertEquals(await linesOf(Array.from(bytes, (byte) => Uint8Array.of(byte)), 10), whole);
      const newlines = bytes.filter((byte) => byte === 0x0a).length;
      assertEquals(whole.length, newlines + (bytes.length > 0 && bytes.at(-1) !== 0x0a ? 1 : 0));
    }),
    { numRuns: 500 },
  );
});

Deno.test("readLines() keeps a long line's length alone", async () => {
  const chunk = new Uint8Array(65_536).fill(0x78);
  const endless = ReadableStream.from((function* () {
    for (let i = 0; i < 2_000; i++) yield chunk;
    yield encode("\nok");
  })());
  assertEquals(await Array.fromAsync(readLines(endless, { maxBytes: 16_384 })), [
    { kind: "tooLong", lengthBytes: 2_000 * 65_536 },
    line("ok"),
  ]);
});

Deno.test("readLines() reads nothing while its consumer is busy", async () => {
  let pulls = 0;
  const readable = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulls++;
      controller.enqueue(encode(`${pulls}\n`));
    },
  }, { highWaterMark: 0 });
  const lines = readLines(readable, { maxBytes: 10 });
  assertEquals(pulls, 0);
  await lines.next();
  await new Promise((resolve) => setTimeout(resolve, 5));
  assertEquals(pulls, 1);
  await lines.return();
});

Deno.test("readLines() ends when it is told to, also while it waits", async () => {
  let isCancelled = false;
  const silent = new ReadableStream<Uint8Array>({ cancel: () => void (isCancelled = true) });
  const stop = new AbortController();
  const lines = Array.fromAsync(readLines(silent, { maxBytes: 10, signal: stop.signal }));
  await new Promise((resolve) => setTimeout(resolve, 1));
  stop.abort();
  assertEquals(await lines, []);
  assert(isCancelled);
  assertEquals(
    await Array.fromAsync(readLines(ReadableStream.from([encode("a\n")]), { maxBytes: 10, signal: stop.signal })),
    [],
  );
});
