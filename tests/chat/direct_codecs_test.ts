// Aim: what two clients say to each other on a direct link has one form; anything else is refused.
import { assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { AuthError, DecodeError, UserError } from "../../lib/bytes/errors.ts";
import { type Bytes, utf8 } from "../../lib/bytes/writer.ts";
import { readDirectCode, spellDirectCode } from "../../lib/chat/direct_code.ts";
import { checkGreeting, encodeGreeting } from "../../lib/chat/direct_greeting.ts";
import { decodeDirectMessage, type DirectMessage, encodeDirectMessage } from "../../lib/chat/direct_messages.ts";
import { boxHashOf, directNonce } from "../../lib/e2ee/direct_link.ts";
import { encodePlaintext } from "../../lib/e2ee/plaintext.ts";
import { WordList } from "../../lib/pake/code.ts";
import { decodePacket } from "../../lib/wire/packet.ts";
import { wordlist } from "@scure/bip39/wordlists/english";

const hex = (bytes: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 2 * bytes, maxLength: 2 * bytes });
const bare = <T extends string>(t: T) => fc.constant({ t });
// One entry a kind, by name, so that a new kind does not compile until it is tested here.
const MESSAGES: { [K in DirectMessage["t"]]: fc.Arbitrary<Extract<DirectMessage, { t: K }>> } = {
  code: hex(16).map((sid) => ({ t: "code", sid })),
  opening: hex(16).map((sid) => ({ t: "opening", sid })),
  answer: bare("answer"),
  tag: bare("tag"),
  keys: bare("keys"),
  box: bare("box"),
  taken: hex(32).map((box) => ({ t: "taken", box })),
};
const messages = fc.oneof(...Object.values(MESSAGES)) as fc.Arbitrary<DirectMessage>;
const H: Bytes = new Uint8Array(32).fill(7);

Deno.test("decodeDirectMessage() gives what was encoded, and the same bytes again", () => {
  fc.assert(fc.property(messages, fc.uint8Array({ maxLength: 50 }), (message, body) => {
    const encoded = encodeDirectMessage(message, body);
    const decoded = decodeDirectMessage(decodePacket(encoded));
    assertEquals(decoded, { message, body: Uint8Array.from(body) });
    assertEquals(encodeDirectMessage(decoded.message, decoded.body), encoded);
  }));
});

Deno.test("decodeDirectMessage() throws a DecodeError alone, whatever the header is", () => {
  fc.assert(fc.property(fc.jsonValue(), (header) => {
    const body = new Uint8Array(0);
    assertThrows(() => decodeDirectMessage({ header, body }), DecodeError);
  }));
  for (const header of [{ t: "taken", box: "AB".repeat(32) }, { t: "code" }, { t: "code", sid: "0" }, { t: "say" }]) {
    assertThrows(() => decodeDirectMessage({ header, body: new Uint8Array(0) }), DecodeError);
  }
});

Deno.test("encodeDirectMessage() cut anywhere or with a byte changed is refused, or another message", () => {
  fc.assert(fc.property(messages, fc.nat(), fc.integer({ min: 1, max: 255 }), (message, at, mask) => {
    const encoded = encodeDirectMessage(message);
    const cut = encoded.slice(0, at % encoded.length);
    assertThrows(() => decodeDirectMessage(decodePacket(cut)), DecodeError);
    const flipped = encoded.slice();
    flipped[at % encoded.length] = (flipped[at % encoded.length] as number) ^ mask;
    try {
      const other = decodeDirectMessage(decodePacket(flipped)).message;
      assertEquals(JSON.stringify(other) === JSON.stringify(message), false);
    } catch (error) {
      assertInstanceOf(error, DecodeError);
    }
  }));
});

Deno.test("checkGreeting() takes the greeting of this link, and nothing else", () => {
  const good = encodeGreeting(H);
  checkGreeting(good, H);
  assertThrows(() => checkGreeting(good, new Uint8Array(32)), AuthError);
  assertThrows(() => checkGreeting(encodePlaintext({ head: { kind: "text" }, text: "" }), H), DecodeError);
  const head = { kind: "direct", link: "07".repeat(32) };
  assertThrows(() => checkGreeting(encodePlaintext({ head, text: "hi" }), H), DecodeError);
  for (let cut = 0; cut < good.length; cut++) assertThrows(() => checkGreeting(good.slice(0, cut), H), DecodeError);
  for (let at = 0; at < good.length; at++) {
    const flipped = good.slice();
    flipped[at] = (flipped[at] as number) ^ 1;
    assertThrows(() => checkGreeting(flipped, H));
  }
});

Deno.test("directNonce() is 16 bytes of a hash of h, and takes no other length", async () => {
  const input = new Uint8Array([...utf8("sotto/1 direct\0"), 0, 0, 0, 32, ...H]);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", input));
  assertEquals(await directNonce(H), digest.slice(0, 16));
  for (const length of [0, 31, 33]) await assertRejects(() => directNonce(new Uint8Array(length)), RangeError);
});

Deno.test("boxHashOf() is the SHA-256 of the box", async () => {
  assertEquals(await boxHashOf(utf8("box")), new Uint8Array(await crypto.subtle.digest("SHA-256", utf8("box"))));
});

Deno.test("readDirectCode() reads three words as people type them, and names a typo without quoting it", () => {
  const list = new WordList(wordlist);
  for (const typed of ["able-sunset-violin", " Able  SUNSET violin ", "able – sunset_violin"]) {
    assertEquals(spellDirectCode(readDirectCode(typed, list)), "able-sunset-violin");
  }
  for (const typed of ["", "able-sunset", "7KQ2-able-sunset-violin", "x".repeat(200)]) {
    assertEquals(assertThrows(() => readDirectCode(typed, list), UserError).code, "noSession");
  }
  const typo = assertThrows(() => readDirectCode("able-sunsat-violin", list), UserError);
  assertEquals(typo.message, "That is no code: its word number 2 is not in the list");
  assertEquals(typo.hint.includes("sunset") && !typo.hint.includes("sunsat"), true);
});
