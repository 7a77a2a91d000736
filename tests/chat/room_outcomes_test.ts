// Aim: whatever becomes of an op that the person asked for, they are told in a sentence with a way on; what they did not
// ask for, and what they have all the same, is silent on purpose.
import { assert, assertEquals } from "@std/assert";
import { UserError } from "../../lib/bytes/errors.ts";
import { helpLines, parseLine } from "../../lib/chat/commands.ts";
import type { OwnOp, OwnOpOutcome } from "../../lib/chat/own_ops.ts";
import { outcomeError } from "../../lib/chat/room_outcomes.ts";
import type { VoidReason } from "../../lib/e2ee/membership_rules.ts";
import { FakeNet } from "../support/fake_net.ts";
import { HostileRelay, makeStranger } from "../support/hostile_relay.ts";

const { certificate } = await makeStranger("ben", 1_767_225_600_000);
const subject = certificate.fingerprint;

/** Each kind of op, and `absent` for a removal that nobody asked for. */
const OPS: Readonly<Record<OwnOp["kind"] | "absent", OwnOp>> = {
  create: { kind: "create", encoded: new Uint8Array(0) },
  join: { kind: "join" },
  leave: { kind: "leave" },
  here: { kind: "here" },
  add: { kind: "add", subject: certificate },
  remove: { kind: "remove", subject, reason: "removed" },
  absent: { kind: "remove", subject, reason: "absent" },
  promote: { kind: "promote", subject },
};
type Asked = keyof typeof OPS;

const OTHERWISE = "the other members would not take it";
/** What is said of each reason: a new one does not compile before it stands here. */
const WHY: Readonly<Record<VoidReason, string>> = {
  notEntitled: "that is for its owner and admins, and nobody removes the owner",
  notMember: "they are not a member",
  alreadyMember: "they are a member already",
  alreadyAdmin: "they are an admin already",
  roomFull: "it is full",
  outdated: "somebody else changed the same thing at that moment",
  oldSeen: "too much changed there at that moment",
  unknownSeen: "the relay gives another order to it than it showed us",
  malformed: OTHERWISE,
  unknownActor: OTHERWISE,
  forged: OTHERWISE,
  otherRoom: OTHERWISE,
  notFirst: OTHERWISE,
  notNewer: OTHERWISE,
  notAbsent: OTHERWISE,
};
const REASONS = Object.keys(WHY) as VoidReason[];
const COMMANDS = helpLines().flatMap((line) => [...line.matchAll(/^ {2}(\/[a-z]+)/g)].map((match) => match[1]));

function voidOf(asked: Asked, reason: VoidReason) {
  return outcomeError({ kind: "void", reason, op: OPS[asked], ref: undefined }, "den");
}

function refusedOf(asked: Asked) {
  const answer = { kind: "refused", code: "tooManyOps", message: "Too many changes at once" } as const;
  return outcomeError({ ...answer, op: OPS[asked], ref: 7 }, "den");
}

for (const asked of ["create", "join", "add", "remove", "promote"] as const) {
  Deno.test(`outcomeError() tells why an op that was asked for came to nothing, with a way on: ${asked}`, () => {
    const what = asked === "join" || asked === "create" ? "You are not in #den" : "Nothing was done in #den";
    for (const reason of REASONS) {
      const error = voidOf(asked, reason);
      assert(error instanceof UserError, reason);
      assertEquals([error.code, error.message], ["notDone", `${what}: ${WHY[reason]}`], reason);
      assertWayOn(error);
    }
    const error = refusedOf(asked);
    assert(error instanceof UserError);
    assertEquals([error.code, error.message], ["notDone", `${what}: Too many changes at once`]);
    assertWayOn(error);
  });
}

for (const asked of ["here", "absent"] as const) {
  Deno.test(`outcomeError() is silent about what nobody asked for: ${asked}`, () => {
    assertEquals(REASONS.map((reason) => voidOf(asked, reason)), REASONS.map(() => undefined));
    assertEquals(refusedOf(asked), undefined);
  });
}

Deno.test("outcomeError() is silent when somebody who leaves is no member: they have what they want", () => {
  assertEquals([voidOf("leave", "notMember"), voidOf("leave", "unknownActor")], [undefined, undefined]);
});

for (const reason of ["outdated", "oldSeen", "unknownSeen"] as const) {
  Deno.test(`outcomeError() tells somebody who leaves that they are a member still: ${reason}`, () => {
    const error = voidOf("leave", reason);
    assert(error instanceof UserError);
    assertEquals([error.code, error.message], ["notDone", `Nothing was done in #den: ${WHY[reason]}`]);
    assertWayOn(error);
  });
}

Deno.test("outcomeError() tells somebody who leaves that the relay did not place it", () => {
  const error = refusedOf("leave");
  assert(error instanceof UserError);
  assertEquals([error.code, error.message], ["notDone", "Nothing was done in #den: Too many changes at once"]);
  assertWayOn(error);
});

Deno.test("outcomeError() keeps to itself how the relay names a refusal: its code is no code of ours", () => {
  const outcome: Exclude<OwnOpOutcome, { kind: "done" }> = {
    kind: "refused",
    code: "internal",
    message: "no",
    op: OPS.join,
    ref: undefined,
  };
  assertEquals(outcomeError(outcome, "den")?.code, "notDone");
});

Deno.test("outcomeError() does not tell a member whose newer certificate was not taken that they are none", async () => {
  const net = await FakeNet.create();
  const before = await net.join("alice");
  await before.drop();
  const relay = new HostileRelay(net);
  const alice = await net.link("alice", { identity: before.identity, kept: before.kept }); // with a newer certificate
  relay.once(alice, "accepted", ({ message: { id } }) => [{
    message: { t: "refused", id, code: "tooManyOps", message: "Too many changes of members in a short time." },
    body: new Uint8Array(0),
  }]);
  await net.settle();
  await alice.type("/rooms");
  assertEquals(alice.all("rooms")[0]?.rooms.map(({ room, state }) => [room, state]), [["lobby", "in"]]);
  assertEquals(alice.all("error").filter(({ message }) => message.startsWith("You are not in #lobby")), []);
});

/** A hint there is, it ends like a sentence, and a command in it is one. */
function assertWayOn({ hint }: UserError): void {
  assert(/^[A-Z/].+\.$/.test(hint), hint);
  for (const [name] of hint.matchAll(/\/[a-z]+/g)) assert(COMMANDS.includes(name), name);
  const command = /\/[a-z]+(?: create)?/.exec(hint)?.[0];
  if (command !== undefined) parseLine(command === "/room create" ? `${command} den` : command);
}
