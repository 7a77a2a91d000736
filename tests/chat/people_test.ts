// Aim: trust belongs to the key, never to the name.
import { assertEquals, assertThrows } from "@std/assert";
import { AuthError, ProtocolError, UserError } from "../../lib/bytes/errors.ts";
import type { Certificate } from "../../lib/e2ee/certificate.ts";
import { People, PEOPLE_KNOWN_MAX } from "../../lib/chat/people.ts";

const ROOM = "R".repeat(51) + "A";
const EMPTY = new Uint8Array(0);
const NOW = { nowMs: 1_000 };

/** A certificate as if it had been verified; `People` looks at nothing but handle, fingerprint and time. */
function certificate(handle: string, key: string, createdMs = 1): Certificate {
  const bytes = { signPublic: EMPTY, dhPublic: EMPTY, noisePublic: EMPTY, id: EMPTY, encoded: EMPTY };
  return { suite: 1, handle, fingerprint: key, life: "lasting", createdMs, ...bytes };
}

function handles(people: readonly { readonly certificate: Certificate }[]): string[] {
  return people.map((person) => person.certificate.handle);
}

Deno.test("People.meet() pins a name to the first key that has it", () => {
  const people = new People();
  const first = people.meet(certificate("bob", "K1"), NOW).person;
  const second = people.meet(certificate("bob", "K2"), NOW).person;
  assertEquals([people.trust(first), people.trust(second)], ["new", "changed"]);
});

Deno.test("People.meet() counts a key as known when it comes back with a newer certificate", () => {
  const people = new People();
  const meetings = [1, 1, 2, 1].map((createdMs) => people.meet(certificate("bob", "K1", createdMs), NOW));
  assertEquals(meetings.map(({ hasNewCertificate }) => hasNewCertificate), [false, false, true, false]);
  assertEquals(meetings.map(({ person }) => person.certificate.createdMs), [1, 1, 2, 2]);
  assertEquals(people.show(meetings[0]!.person).trust, "known");
});

Deno.test("People.meet() takes a new handle from a newer certificate alone, and pins both names", () => {
  const people = new People();
  people.meet(certificate("bob", "K1", 2), NOW);
  assertEquals(people.meet(certificate("old", "K1", 1), NOW).person.certificate.handle, "bob");
  assertEquals(people.meet(certificate("robert", "K1", 3), NOW).person.certificate.handle, "robert");
  assertEquals(people.trust(people.meet(certificate("bob", "K2"), NOW).person), "changed");
  assertEquals(people.trust(people.meet(certificate("robert", "K3"), NOW).person), "changed");
  assertEquals(people.trust(people.meet(certificate("old", "K4"), NOW).person), "new");
});

Deno.test("People.meet() tells who is new in a room", () => {
  const people = new People();
  const isNew = (where: object) => people.meet(certificate("bob", "K1"), { ...NOW, ...where }).isNewInRoom;
  assertEquals([isNew({}), isNew({ room: ROOM }), isNew({ room: ROOM }), isNew({ isHere: true })], [
    false,
    true,
    false,
    false,
  ]);
  people.leave("K1", ROOM);
  assertEquals(isNew({ room: ROOM }), true);
});

Deno.test("People.meet() refuses handles that are malformed or not in NFC", () => {
  const people = new People();
  for (const handle of ["", "two words", "e\u0301mile", "bo\u202eb"]) {
    assertThrows(() => people.meet(certificate(handle, "K1"), NOW), UserError);
  }
  assertEquals(people.get("K1"), undefined);
});

Deno.test("People.leave() answers with who left, once", () => {
  const people = new People();
  people.meet(certificate("bob", "K1"), { ...NOW, room: ROOM });
  assertEquals(people.leave("K1", "another room"), undefined);
  assertEquals(people.leave("K1", ROOM)?.certificate.handle, "bob");
  assertEquals(people.leave("K1", ROOM), undefined);
  assertEquals(people.leave("K9", ROOM), undefined);
});

Deno.test("People.keepHere() keeps those in a room and those named, and nobody else", () => {
  const people = new People();
  people.meet(certificate("carol", "K3"), { ...NOW, room: ROOM });
  people.meet(certificate("bob", "K2"), { ...NOW, isHere: true });
  people.meet(certificate("alice", "K1"), { ...NOW, isHere: true });
  assertEquals(handles(people.here()), ["alice", "bob", "carol"]);
  people.keepHere(new Set(["K2"]));
  assertEquals(handles(people.here()), ["bob", "carol"]);
});

Deno.test("People.resolve() finds whoever is here by any spelling that folds to their name", () => {
  const people = new People();
  people.meet(certificate("Bill", "K1"), { ...NOW, room: ROOM });
  people.meet({ ...certificate("gone", "K2"), life: "ephemeral" }, NOW);
  people.meet(certificate("away", "K3"), NOW);
  for (const name of ["Bill", "bill", "BILL", "bi1l"]) {
    assertEquals(people.resolve(name).certificate.fingerprint, "K1");
  }
  assertEquals(people.resolve("away").certificate.fingerprint, "K3");
  for (const name of ["gone", "nobody"]) {
    assertEquals(assertThrows(() => people.resolve(name), UserError).code, "noSuchPerson");
  }
  assertEquals(assertThrows(() => people.resolve("two words"), UserError).code, "noSuchPerson");
});

Deno.test("People.resolve() refuses a name that two keys claim", () => {
  const people = new People();
  people.meet(certificate("bob", "K1"), { ...NOW, room: ROOM });
  people.meet(certificate("b0b", "K2"), { ...NOW, isHere: true });
  const error = assertThrows(() => people.resolve("bob"), UserError);
  assertEquals([error.code, error.message.includes("different keys")], ["noSuchPerson", true]);
});

Deno.test("People.resolve() takes a whole fingerprint where a name means two", () => {
  const people = new People();
  const [first, second] = ["A".repeat(52), `${"B".repeat(51)}A`] as const;
  people.meet(certificate("bob", first), { ...NOW, room: ROOM });
  people.meet(certificate("bob", second), { ...NOW, isHere: true });
  const error = assertThrows(() => people.resolve("bob"), UserError);
  assertEquals(error.hint.includes("whole fingerprint"), true);
  assertEquals(people.resolve(second.toLowerCase()).certificate.fingerprint, second);
  assertEquals(people.address(people.resolve(first)), first);
  assertThrows(() => people.resolve(first.slice(1)), UserError);
  people.leave(first, ROOM);
  assertEquals(people.resolve(first).certificate.fingerprint, first);
  assertEquals(people.resolveMet(first).certificate.fingerprint, first);
  assertEquals(people.address(people.resolve(second)), "bob");
});

Deno.test("People.resolveMet() finds those who are gone, but those who are here first", () => {
  const people = new People();
  people.meet(certificate("bob", "K1"), NOW);
  assertEquals(people.resolveMet("bob").certificate.fingerprint, "K1");
  people.meet(certificate("bob", "K2"), { ...NOW, isHere: true });
  assertEquals(people.resolveMet("bob").certificate.fingerprint, "K2");
  assertThrows(() => people.resolveMet("carol"), UserError);
});

Deno.test("People.takeChanges() carries people and trust into another run, and nothing is told twice", () => {
  const people = new People();
  people.verify(people.meet(certificate("bob", "K1"), NOW).person);
  const records = people.takeChanges().flatMap(({ record }) => record ?? []);
  assertEquals(people.takeChanges(), []);
  const next = new People(records);
  assertEquals(next.everybody().map(({ handle, trust, isHere }) => [handle, trust, isHere]), [[
    "bob",
    "verified",
    false,
  ]]);
  assertEquals(next.resolve("bob").isHere, false);
  assertThrows(() => next.resolve("ben"), UserError, "Nobody of that name is here");
  assertEquals(next.trust(next.meet(certificate("bob", "K2"), NOW).person), "changed");
  const { person } = next.meet(certificate("bob", "K1"), { nowMs: 9_000, isHere: true });
  assertEquals(next.everybody().find(({ fingerprint }) => fingerprint === "K1"), {
    ...next.show(person),
    trust: "verified",
    firstSeen: NOW.nowMs,
    isHere: true,
  });
});

Deno.test("People.accept() moves the name to the new key, and the old key is the changed one", () => {
  const people = new People();
  const first = people.meet(certificate("bob", "K1"), NOW).person;
  const second = people.meet(certificate("bob", "K2"), NOW).person;
  people.accept(second);
  assertEquals([people.trust(first), people.trust(second)], ["changed", "known"]);
});

Deno.test("People.meet() forgets those gone when there are too many, but never their names", () => {
  const people = new People();
  people.meet(certificate("first", "gone"), NOW);
  for (let i = 1; i < PEOPLE_KNOWN_MAX; i++) people.meet(certificate(`p${i}`, `K${i}`), { ...NOW, isHere: true });
  people.meet(certificate("one-more", "more"), { ...NOW, isHere: true });
  assertEquals(people.get("gone"), undefined);
  assertThrows(() => people.meet(certificate("too-many", "many"), { ...NOW, isHere: true }), ProtocolError);
  people.keepHere(new Set());
  assertEquals(people.trust(people.meet(certificate("first", "other key"), NOW).person), "changed");
  assertEquals(people.trust(people.meet(certificate("first", "gone"), NOW).person), "new");
});

Deno.test("People.meet() refuses a certificate of a later day, which would be the newest for ever", () => {
  const people = new People();
  const future = { ...certificate("bob", "K1"), createdMs: NOW.nowMs + 2 * 86_400_000 };
  assertThrows(() => people.meet(future, NOW), AuthError);
});

Deno.test("People.meet() does not take an older certificate for the newest because its owner was dropped", () => {
  const newest = { ...certificate("robert", "K1"), createdMs: 50 };
  const first = new People();
  first.meet(newest, NOW);
  const people = new People(first.takeChanges().flatMap(({ record }) => record ?? []));
  assertEquals(people.meet({ ...certificate("bobby", "K1"), createdMs: 10 }, NOW).person.certificate.handle, "robert");
});

Deno.test("People.hear() of a newer certificate is remembered", () => {
  const people = new People();
  people.meet(certificate("bob", "K1"), NOW);
  people.takeChanges();
  people.hear({ ...certificate("bob", "K1"), createdMs: 5_000 }, true);
  assertEquals(people.takeChanges().map(({ record }) => record?.certificate.createdMs), [5_000]);
});
