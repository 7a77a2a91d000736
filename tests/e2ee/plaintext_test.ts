import { assertEquals, assertThrows } from "@std/assert";
import { DecodeError } from "../../lib/bytes/errors.ts";
import { concat, u16be, utf8 } from "../../lib/bytes/writer.ts";
import { decodePlaintext, encodePlaintext, HEAD_MAX_BYTES, TEXT_MAX_BYTES } from "../../lib/e2ee/plaintext.ts";
import { SEAL_PLAINTEXT_MAX_BYTES } from "../../lib/e2ee/seal.ts";

Deno.test("encodePlaintext() and decodePlaintext() agree", () => {
  for (const text of ["", "hello", "\ufeffé\0\u{1f600}", "a".repeat(TEXT_MAX_BYTES)]) {
    for (const head of [null, {}, { kind: "text", m: 1, list: [1, "é"] }, "x".repeat(HEAD_MAX_BYTES - 2)]) {
      assertEquals(decodePlaintext(encodePlaintext({ head, text })), { head, text });
    }
  }
});

Deno.test("encodePlaintext() fills the largest padded size with the longest head and text", () => {
  const longest = { head: "x".repeat(HEAD_MAX_BYTES - 2), text: "é".repeat(TEXT_MAX_BYTES / 2) };
  assertEquals(encodePlaintext(longest).length, SEAL_PLAINTEXT_MAX_BYTES);
  assertThrows(() => encodePlaintext({ ...longest, text: `${longest.text}a` }), RangeError);
  assertThrows(() => encodePlaintext({ ...longest, head: `${longest.head}x` }), RangeError);
  assertThrows(() => encodePlaintext({ head: undefined, text: "" }), RangeError);
});

Deno.test("decodePlaintext() refuses what is no message, and quotes nothing of it", () => {
  const head = utf8('{"secret": ');
  const bad = [
    new Uint8Array(0),
    new Uint8Array(1),
    u16be(0),
    u16be(1),
    concat(u16be(head.length), head),
    concat(u16be(2), utf8("{}"), Uint8Array.of(0xff)),
    concat(u16be(2), Uint8Array.of(0xff, 0xff)),
    concat(u16be(2), utf8("{}"), new Uint8Array(TEXT_MAX_BYTES + 1)),
    concat(u16be(HEAD_MAX_BYTES + 1), utf8(`"${"x".repeat(HEAD_MAX_BYTES - 1)}"`)),
  ];
  for (const bytes of bad) {
    const error = assertThrows(() => decodePlaintext(bytes), DecodeError);
    assertEquals(error.message.includes("secret") || error.cause !== undefined, false);
  }
});
