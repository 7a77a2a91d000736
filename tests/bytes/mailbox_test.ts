import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { isMailbox, MAILBOX_ALPHABET, mailboxFrom } from "../../lib/bytes/mailbox.ts";

Deno.test("mailboxFrom() makes a mailbox of any four bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4, maxLength: 6 }), (bytes) => assert(isMailbox(mailboxFrom(bytes)))),
  );
  assertThrows(() => mailboxFrom(new Uint8Array(3)), RangeError);
});

Deno.test("mailboxFrom() favours no character", () => {
  const counts = new Map<string, number>();
  for (let byte = 0; byte < 256; byte++) {
    const char = mailboxFrom(new Uint8Array(4).fill(byte))[0] as string;
    counts.set(char, (counts.get(char) ?? 0) + 1);
  }
  assertEquals([counts.size, new Set(counts.values())], [MAILBOX_ALPHABET.length, new Set([8])]);
});

Deno.test("isMailbox() takes one spelling", () => {
  assert(isMailbox("7KQ2"));
  for (const none of ["", "7KQ", "7KQ22", "7kq2", "7KQI", "7KQO", "7KQ2\n", "７KQ2"]) assert(!isMailbox(none), none);
});
