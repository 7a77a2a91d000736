import { assert, assertEquals, assertRejects } from "@std/assert";
import { encodeBase32 } from "@std/encoding/base32";
import fc from "fast-check";
import { UserError } from "../../lib/bytes/errors.ts";
import { concat, utf8 } from "../../lib/bytes/writer.ts";
import { decodeInvite, encodeInvite, type Invite, INVITE_TEXT_MAX_CHARS } from "../../lib/cli/invite.ts";
import { sha256 } from "../../lib/crypto/hash.ts";
import { fingerprintOf } from "../../lib/e2ee/identity.ts";

const INVITE: Invite = {
  fingerprint: fingerprintOf(new Uint8Array(32).fill(5)),
  token: new Uint8Array(16).fill(6),
};
const INVITES = fc.tuple(
  fc.uint8Array({ minLength: 32, maxLength: 32 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
).map(([id, token]): Invite => ({ fingerprint: fingerprintOf(new Uint8Array(id)), token: new Uint8Array(token) }));

async function refused(text: string, why = ""): Promise<void> {
  const error = await assertRejects(() => decodeInvite(text), UserError, why);
  assertEquals(error.code, "badFlag");
  const secret = text.toLowerCase().slice(40, 50);
  if (secret.length === 10) assert(!`${error.message}${error.hint}`.toLowerCase().includes(secret), "it is a secret");
}

Deno.test("encodeInvite() writes the documented bytes", async () => {
  const body = concat(Uint8Array.of(1), new Uint8Array(32).fill(5), new Uint8Array(16).fill(6));
  const sum = (await sha256(concat(utf8("sotto-invite-"), body))).slice(0, 4);
  const expected = `sotto-invite-${encodeBase32(concat(body, sum)).replace(/=/g, "").toLowerCase()}`;
  assertEquals([await encodeInvite(INVITE), expected.length], [expected, 98]);
  await assertRejects(() => encodeInvite({ ...INVITE, token: new Uint8Array(15) }), RangeError);
});

Deno.test("decodeInvite() gives back what encodeInvite() wrote, however it was pasted", async () => {
  await fc.assert(fc.asyncProperty(INVITES, fc.integer({ min: 1, max: 98 }), async (invite, every) => {
    const text = await encodeInvite(invite);
    const wrapped = text.replace(new RegExp(`.{${every}}`, "g"), "$&\r\n ");
    for (const pasted of [text, text.toUpperCase(), `\uFEFF${text}\n`, wrapped]) {
      assertEquals(await decodeInvite(pasted), invite);
    }
  }));
});

Deno.test("decodeInvite() refuses every invitation with one character changed, left out or put in", async () => {
  const text = await encodeInvite(INVITE);
  for (let i = 0; i < text.length; i++) {
    const others = i < 13 ? "x" : "abcdefghijklmnopqrstuvwxyz234567".replace(text[i] as string, "");
    for (const other of i === text.length - 1 ? others : others[i % others.length] as string) {
      await refused(text.slice(0, i) + other + text.slice(i + 1));
    }
    await refused(text.slice(0, i) + text.slice(i + 1));
    await refused(`${text.slice(0, i)}q${text.slice(i)}`);
  }
});

Deno.test("decodeInvite() says what is wrong and never repeats the text", async () => {
  const text = await encodeInvite(INVITE);
  await refused("", "does not read");
  await refused("hello", "does not read");
  await refused(text.replace("sotto", "ſotto"), "does not read");
  await refused(text.slice(0, -1), "it has 84 characters after sotto-invite-, not 85");
  await refused(`${text}a`, "it has 86 characters");
  await refused(text.slice(0, 20) + (text[20] === "a" ? "b" : "a") + text.slice(21), "a character of it is wrong");
  await refused(" ".repeat(INVITE_TEXT_MAX_CHARS) + text, "does not read");
  const body = concat(Uint8Array.of(2), new Uint8Array(48));
  const later = concat(body, (await sha256(concat(utf8("sotto-invite-"), body))).slice(0, 4));
  await refused(`sotto-invite-${encodeBase32(later).replace(/=/g, "").toLowerCase()}`, "of version 2");
});

Deno.test("decodeInvite() throws nothing but UserError, for any text", async () => {
  const tail = fc.string({ unit: fc.constantFrom(..."abz27=- \nK"), size: "max", maxLength: 100 });
  const texts = fc.oneof(fc.string({ unit: "binary", maxLength: 200 }), tail.map((text) => `sotto-invite-${text}`));
  await fc.assert(fc.asyncProperty(texts, async (text) => {
    await decodeInvite(text).catch((error) => assert(error instanceof UserError));
  }));
});
