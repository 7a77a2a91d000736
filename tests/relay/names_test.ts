// Aim: a name belongs to the key that took it, for as long as it is told, and to nobody longer.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { checkHandle } from "../../lib/wire/handle.ts";
import {
  CROWDED_NAME_TTL_MS,
  EPHEMERAL_NAME_TTL_MS,
  NAME_TTL_MS,
  NameBook,
  type NameClaim,
  type NameResult,
  NAMES_PER_IDENTITY_MAX,
} from "../../lib/relay/names.ts";

function claim(handle: string, fingerprint: string, changes: Partial<NameClaim> = {}): NameClaim {
  return { ...checkHandle(handle), fingerprint, life: "lasting", createdMs: 1, ...changes };
}

function codeOf(result: NameResult): string {
  return result.kind === "refused" ? result.code : result.kind;
}

Deno.test("NameBook.bind() gives a name to the first key and refuses it to another, by any look-alike", () => {
  const names = new NameBook();
  assertEquals(names.bind(claim("alice", "A"), 0), { kind: "bound", isChanged: true });
  for (const other of ["alice", "ALICE", "a1ice", "aIice"]) {
    const refused = names.bind(claim(other, "B"), 0);
    assertEquals(codeOf(refused), "nameTaken");
    assert(refused.kind === "refused");
    assertMatch(refused.message, /is taken on this relay/);
  }
});

Deno.test("NameBook.bind() gives a name again to its own key, and says when nothing changed", () => {
  const names = new NameBook();
  names.bind(claim("alice", "A"), 0);
  names.release("A", 5);
  assertEquals(names.bind(claim("alice", "A"), 10), { kind: "bound", isChanged: false });
  assertEquals(names.bind(claim("Alice", "A", { createdMs: 2 }), 11), { kind: "bound", isChanged: true });
  assertEquals(names.entries().map((entry) => entry.handle), ["Alice"]);
});

Deno.test("NameBook.bind() refuses a certificate older than one it has seen", () => {
  const names = new NameBook();
  names.bind(claim("alice", "A", { createdMs: 10 }), 0);
  names.release("A", 0);
  assertEquals(codeOf(names.bind(claim("alice", "A", { createdMs: 9 }), 1)), "olderCertificate");
  assertEquals(codeOf(names.bind(claim("newer", "A", { createdMs: 11 }), 1)), "bound");
  assertEquals(codeOf(names.bind(claim("alice", "A", { createdMs: 10 }), 1)), "olderCertificate");
});

Deno.test("NameBook.bind() frees an ephemeral name 60 s after its link ends, not before", () => {
  const names = new NameBook();
  names.bind(claim("alice", "A", { life: "ephemeral" }), 0);
  assertEquals(codeOf(names.bind(claim("alice", "B"), 10 * EPHEMERAL_NAME_TTL_MS)), "nameTaken");
  const endMs = 20 * EPHEMERAL_NAME_TTL_MS;
  names.release("A", endMs);
  const early = names.bind(claim("alice", "B"), endMs + EPHEMERAL_NAME_TTL_MS - 1000);
  assert(early.kind === "refused");
  assertMatch(early.message, /free again in 1 s/);
  assertEquals(codeOf(names.bind(claim("alice", "B"), endMs + EPHEMERAL_NAME_TTL_MS)), "bound");
});

Deno.test("NameBook.bind() keeps a lasting name for the ttl after its link ends", () => {
  const names = new NameBook();
  names.bind(claim("alice", "A"), 0);
  names.release("A", 100);
  assertEquals(codeOf(names.bind(claim("alice", "B"), 99 + NAME_TTL_MS)), "nameTaken");
  assertEquals(codeOf(names.bind(claim("alice", "B"), 100 + NAME_TTL_MS)), "bound");
  const short = new NameBook({ ttlMs: 10 });
  short.bind(claim("alice", "A"), 0);
  short.release("A", 0);
  short.expire(10);
  assertEquals(short.entries(), []);
});

Deno.test("NameBook.bind() keeps old names of an identity, four at most", () => {
  const names = new NameBook();
  const used = ["one", "two", "three", "four", "five"];
  used.forEach((handle, index) => names.bind(claim(handle, "A", { createdMs: index }), index));
  assertEquals(names.entries().map((entry) => entry.handle).sort(), used.slice(-NAMES_PER_IDENTITY_MAX).sort());
  assertEquals(codeOf(names.bind(claim("two", "B"), 9)), "nameTaken");
  assertEquals(codeOf(names.bind(claim("one", "B"), 9)), "bound");
});

Deno.test("NameBook.bind() frees the name used longest ago, not the one bound first", () => {
  const names = new NameBook();
  for (const handle of ["one", "two", "three", "four", "one", "five"]) names.bind(claim(handle, "A"), 0);
  assertEquals(names.entries().map((entry) => entry.handle).sort(), ["five", "four", "one", "three"]);
});

Deno.test("NameBook.bind() refuses a new name when there are too many, and frees the expired first", () => {
  const names = new NameBook({ namesMax: 2 });
  names.bind(claim("alice", "A", { life: "ephemeral" }), 0);
  names.bind(claim("bob", "B"), 0);
  assertEquals(codeOf(names.bind(claim("carol", "C"), 0)), "relayFull");
  assertEquals(codeOf(names.bind(claim("bob", "B"), 0)), "bound");
  names.release("A", 0);
  assertEquals(codeOf(names.bind(claim("carol", "C"), EPHEMERAL_NAME_TTL_MS)), "bound");
});

Deno.test("NameBook.bind() frees the name absent longest when there are too many, if that is more than a day", () => {
  const names = new NameBook({ namesMax: 3 });
  ["alice", "bob", "carol"].forEach((handle) => names.bind(claim(handle, handle), 0));
  names.release("bob", 10);
  names.release("alice", 20);
  assertEquals(codeOf(names.bind(claim("dave", "dave"), 10 + CROWDED_NAME_TTL_MS)), "relayFull");
  assertEquals(codeOf(names.bind(claim("dave", "dave"), 11 + CROWDED_NAME_TTL_MS)), "bound");
  assertEquals(names.entries().map((entry) => entry.handle).sort(), ["alice", "carol", "dave"]);
  assertEquals(codeOf(names.bind(claim("erin", "erin"), 21 + CROWDED_NAME_TTL_MS)), "bound");
  assertEquals(codeOf(names.bind(claim("frank", "frank"), 10 * CROWDED_NAME_TTL_MS)), "relayFull", "all are in use");
});

Deno.test("NameBook.bind() frees one name in a hundred at once", () => {
  const names = new NameBook({ namesMax: 200 });
  for (let number = 0; number < 200; number++) {
    names.bind(claim(`p-${number}`, `P${number}`), number);
    names.release(`P${number}`, number);
  }
  assertEquals(codeOf(names.bind(claim("late", "L"), 2 * CROWDED_NAME_TTL_MS)), "bound");
  assertEquals(names.entries().length, 199);
  assertEquals(names.entries()[0]?.handle, "p-2");
});

Deno.test("NameBook.expire() counts a name in use as seen now", () => {
  const names = new NameBook();
  names.bind(claim("alice", "A"), 0);
  names.expire(2 * NAME_TTL_MS);
  assertEquals(names.entries()[0]?.lastSeenMs, 2 * NAME_TTL_MS);
});

Deno.test("NameBook.restore() puts back what entries() gave, ephemeral names left out", () => {
  const names = new NameBook();
  names.bind(claim("alice", "A", { createdMs: 7 }), 0);
  names.bind(claim("bob", "B", { life: "ephemeral" }), 0);
  names.release("A", 50);
  const again = new NameBook();
  again.restore(JSON.parse(JSON.stringify(names.entries())));
  assertEquals(again.entries(), names.entries());
  assertEquals(codeOf(again.bind(claim("alice", "C"), 60)), "nameTaken");
  assertEquals(codeOf(again.bind(claim("alice", "A", { createdMs: 6 }), 60)), "olderCertificate");
  assertEquals(codeOf(again.bind(claim("bob", "C"), 60)), "bound");
});

Deno.test("NameBook.restore() leaves out what clashes or is too much", () => {
  const entry = { folded: "x", handle: "x", fingerprint: "A", life: "lasting", createdMs: 1, lastSeenMs: 1 } as const;
  const names = new NameBook({ namesMax: 5 });
  names.restore([entry, { ...entry, fingerprint: "B" }]);
  names.restore([1, 2, 3, 4, 5].map((number) => ({ ...entry, folded: `y${number}` })));
  names.restore([1, 2, 3].map((number) => ({ ...entry, folded: `z${number}`, fingerprint: `Z${number}` })));
  assertEquals(names.entries().map((kept) => kept.folded), ["x", "y1", "y2", "y3", "z1"]);
});

Deno.test("NameBook.isLasting() knows whoever may come back, for as long as their name waits", () => {
  const names = new NameBook({ ttlMs: 1000 });
  assertEquals(names.isLasting("A", 0), false);
  names.bind(claim("alice", "A"), 0);
  names.bind(claim("bob", "B", { life: "ephemeral" }), 0);
  assertEquals([names.isLasting("A", 5000), names.isLasting("B", 0)], [true, false], "in use");
  names.release("A", 5000);
  assertEquals([names.isLasting("A", 5999), names.isLasting("A", 6000)], [true, false]);
  const again = new NameBook({ ttlMs: 1000 });
  again.restore(names.entries());
  assertEquals([again.isLasting("A", 5999), again.isLasting("A", 6000)], [true, false], "after a restart too");
  again.bind(claim("carol", "A", { life: "ephemeral", createdMs: 2 }), 5000);
  assertEquals(again.isLasting("A", 5000), false, "the newest certificate counts");
});
