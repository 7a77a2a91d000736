// Aim: every way in which a session comes to nothing has one sentence of its own, and none of them holds a code.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { wordlist } from "@scure/bip39/wordlists/english";
import fc from "fast-check";
import { UserError } from "../../lib/bytes/errors.ts";
import { demandCode, sessionError, type SessionFailure } from "../../lib/chat/session_words.ts";
import { parseCode, WordList } from "../../lib/pake/code.ts";

const WORDS = new WordList(wordlist);
/** All of them: a new one does not compile until it is here. */
const FAILURES: { [K in SessionFailure]: true } = {
  wrongCode: true,
  taken: true,
  expired: true,
  unknown: true,
  busy: true,
  full: true,
  peerLeft: true,
  peerLost: true,
  timeout: true,
  lineBroken: true,
  cancelled: true,
  reflected: true,
  malformed: true,
  weakKey: true,
  failed: true,
  wrongIdentity: true,
};

Deno.test("sessionError() has a sentence for each failure, and no two are the same", () => {
  const names = Object.keys(FAILURES) as SessionFailure[];
  const errors = names.map(sessionError);
  assertEquals(new Set(errors.map(({ message }) => message)).size, names.length);
  for (const { code, message, hint } of errors) {
    assertEquals(code, "noSession");
    assert(message.startsWith("The session did not come about: ") && !message.endsWith("."), message);
    assert(hint === "" || hint.endsWith("."), hint);
  }
});

Deno.test("sessionError() says that somebody may be in the middle where that is so", () => {
  for (const why of ["reflected", "malformed", "weakKey"] as const) {
    assert(sessionError(why).message.includes("somebody is in the middle"), why);
  }
});

Deno.test("demandCode() gives the code, or an error that never holds what was typed", () => {
  assertEquals(demandCode(parseCode("7kq2 able sunset violin", WORDS)).words.join(), "able,sunset,violin");
  fc.assert(fc.property(fc.string({ minLength: 9, maxLength: 60 }), (text) => {
    const parsed = parseCode(text, WORDS);
    if (parsed.kind === "code") return;
    const error = assertThrows(() => demandCode(parsed), UserError);
    assertEquals(error.code, "noSession");
    assert(!error.message.includes(text));
  }));
});
