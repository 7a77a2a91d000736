// Aim: whatever a terminal sends and wherever it is cut, keys are the same, and no sequence is typed as text.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Key, KeyDecoder, type KeyName, PASTE_MAX_CHARS } from "../../lib/cli/keys.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Feeds the pieces, then says that nothing follows; neighbouring text is one key. */
function decode(...pieces: readonly Uint8Array[]): Key[] {
  const decoder = new KeyDecoder();
  const keys = [...pieces.flatMap((piece) => decoder.push(piece)), ...decoder.flush()];
  assert(!decoder.isPending);
  const joined: Key[] = [];
  for (const key of keys) {
    const last = joined.at(-1);
    if (key.kind === "text" && last?.kind === "text") {
      joined[joined.length - 1] = { kind: "text", text: last.text + key.text };
    } else joined.push(key);
  }
  return joined;
}

const press = (key: KeyName): Key => ({ kind: "press", key });
const text = (text: string): Key => ({ kind: "text", text });
const paste = (text: string, isCut = false): Key => ({ kind: "paste", text, isCut });

const KNOWN: readonly (readonly [string, readonly Key[]])[] = [
  ["héllo 👩‍👩‍👧 日本", [text("héllo 👩‍👩‍👧 日本")]],
  ["a\rb\n\r\nc", [text("a"), press("enter"), text("b"), press("enter"), press("enter"), text("c")]],
  ["\x7f\b\t\x01\x03\x04\x1a", [
    press("backspace"),
    press("backspace"),
    press("tab"),
    press("ctrl-a"),
    press("ctrl-c"),
    press("ctrl-d"),
    press("ctrl-z"),
  ]],
  ["\x1b[A\x1b[B\x1b[C\x1b[D\x1b[H\x1b[F", (["up", "down", "right", "left", "home", "end"] as const).map(press)],
  ["\x1bOA\x1bOH\x1bOF\x1bOM", (["up", "home", "end", "enter"] as const).map(press)],
  ["\x1b[1~\x1b[3~\x1b[4~\x1b[7~\x1b[8~", (["home", "delete", "end", "home", "end"] as const).map(press)],
  ["\x1b[1;5C\x1b[1;5D\x1b[1;3C\x1b[1;2D\x1b[3;5~\x1b[1;5H", [
    press("ctrl-right"),
    press("ctrl-left"),
    press("alt-right"),
    press("left"),
    press("ctrl-delete"),
    press("home"),
  ]],
  ["\x1bb\x1bF\x1b\x7f\x1b\r", [press("alt-b"), press("alt-f"), press("alt-backspace"), press("alt-enter")]],
  ["\x1b", [press("escape")]],
  ["\x1b\x1b[A", [press("escape"), press("up")]],
  ["\x1b[200~a\r\nb\x1b[31mc\x03\x1b[201~d", [paste("a\r\nb\x1b[31mc\x03"), text("d")]],
  // Unknown ones, replies of the terminal, mouse, focus, function keys, one that ^C breaks off.
  ["\x1b[15~\x1b[<0;3;4M\x1b[I\x1b[?1;2c\x1b[[Ax", [text("x")]],
  ["\x1b]11;rgb:0/0/0\x07\x1b]11;rgb:0/0/0\x1b\\\x1bP1+r\x1b\\\x1b_x\x1b\\y", [text("y")]],
  ["\x1b[12\x03\x1b]52;c;\x03z", [press("ctrl-c"), press("ctrl-c"), text("z")]],
  ["\x1b]never ended\x1b[Ax", [press("up"), text("x")]],
];

Deno.test("KeyDecoder.push() gives the documented keys, cut at every byte and byte by byte", () => {
  for (const [input, keys] of KNOWN) {
    const bytes = bytesOf(input);
    for (let cut = 0; cut <= bytes.length; cut++) {
      assertEquals(decode(bytes.subarray(0, cut), bytes.subarray(cut)), [...keys], JSON.stringify(input));
    }
    assertEquals(decode(...Array.from(bytes, (byte) => Uint8Array.of(byte))), [...keys], JSON.stringify(input));
  }
});

Deno.test("KeyDecoder.push() gives the same keys however any bytes are cut", () => {
  const piece = fc.oneof(
    fc.constantFrom("\x1b", "\x1b[", "\x1b[200~", "\x1b[201~", "\x1bO", "\x1b]", "\r", "\n", "~", "A", ";5", "é", "👩"),
    fc.string({ unit: "binary", maxLength: 4 }),
  ).map(bytesOf);
  const pieces = fc.array(fc.oneof(piece, fc.uint8Array({ maxLength: 4 })), { size: "max", maxLength: 30 });
  fc.assert(
    fc.property(pieces, fc.array(fc.nat(), { size: "max", maxLength: 20 }), (pieces, cuts) => {
      const bytes = Uint8Array.from(pieces.flatMap((piece) => [...piece]));
      const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
      const cut = places.slice(1).map((end, i) => bytes.subarray(places[i] as number, end));
      assertEquals(decode(...cut), decode(bytes));
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("KeyDecoder.push() types no control character, for any bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ size: "max", maxLength: 200 }), (bytes) => {
      for (const key of decode(bytes)) if (key.kind === "text") assert(!/\p{Cc}/u.test(key.text));
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("KeyDecoder.push() bounds a paste and says that it cut it", () => {
  const long = "x".repeat(PASTE_MAX_CHARS);
  assertEquals(decode(bytesOf(`\x1b[200~${long}\x1b[201~a`)), [paste(long), text("a")]);
  assertEquals(decode(bytesOf(`\x1b[200~${long}yz${long}\x1b[201~a`)), [paste(long, true), text("a")]);
});

Deno.test("KeyDecoder.push() bounds a sequence without an end", () => {
  const decoder = new KeyDecoder();
  assertEquals(decoder.push(bytesOf(`\x1b[${"1;".repeat(100_000)}`)), []);
  assertEquals(decoder.push(bytesOf("ma")), [text("a")]);
});

Deno.test("KeyDecoder.flush() keeps a paste and half a character", () => {
  const decoder = new KeyDecoder();
  decoder.push(bytesOf("\x1b[200~a"));
  assert(!decoder.isPending);
  assertEquals(decoder.flush(), []);
  assertEquals(decoder.push(bytesOf("b\x1b[201~")), [paste("ab")]);
  const [first, second] = bytesOf("é");
  assertEquals(decoder.push(Uint8Array.of(first as number)), []);
  assertEquals(decoder.flush(), []);
  assertEquals(decoder.push(Uint8Array.of(second as number)), [text("é")]);
});
