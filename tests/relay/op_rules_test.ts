// Aim: one machine fills no room, neither with members that it made up nor quickly with junk; honest people on one machine
// are not held up by each other.
import { assertEquals } from "@std/assert";
import { type Bytes, concat, lv, u64be, u8 } from "../../lib/bytes/writer.ts";
import { decodeBase32 } from "@std/encoding/base32";
import { DEFAULT_GRACE } from "../../lib/e2ee/membership_op.ts";
import { ROSTER_MEMBERS_MAX } from "../../lib/e2ee/roster.ts";
import type { CallerLife } from "../../lib/relay/effects.ts";
import { Links, type RelayLink } from "../../lib/relay/links.ts";
import {
  EPHEMERAL_JOINS_BURST,
  LASTING_JOINS_BURST,
  OpRules,
  OPS_PER_ADDRESS_BURST,
  ROOM_OPS_PER_ADDRESS_BURST,
} from "../../lib/relay/op_rules.ts";
import { OP_KIND } from "../../lib/wire/bodies.ts";
import { callerOf, fingerprintOf, LOBBY } from "./_workbench.ts";

const NOTHING = new Uint8Array(0);
const links = new Links();
let last = 0;

function somebody(address: string | undefined, life: CallerLife = "lasting"): RelayLink {
  const number = ++last;
  const caller = callerOf(`p${number}`, { life, ...(address && { address }) });
  const link = links.add(number, caller);
  links.remove(link);
  return link;
}

function opOf(kind: keyof typeof OP_KIND, subject: Bytes = NOTHING, actor: Bytes = NOTHING): Bytes {
  const fields = [u8(1), new Uint8Array(32), u8(OP_KIND[kind]), NOTHING, subject, actor].map((field) => lv(field));
  return concat(...fields, u64be(++last));
}

function idBytes(fingerprint: string): Bytes {
  return decodeBase32(`${fingerprint}====`);
}

/** Lets others try, each with an identity of its own, and counts what is placed. */
function tries(
  rules: OpRules,
  count: number,
  by: { kind: keyof typeof OP_KIND; address?: string; life?: CallerLife; room?: string; nowMs?: number },
): number {
  const { kind, address = "192.0.2.1", life, room = LOBBY, nowMs = 0 } = by;
  let placed = 0;
  for (let i = 0; i < count; i++) {
    const link = somebody(address, life);
    const { certificate, fingerprint } = link.caller;
    const body = kind === "join" ? opOf("join", certificate) : opOf(kind, NOTHING, idBytes(fingerprint));
    if (rules.refusal(link, room, { body, nowMs }) === undefined) placed++;
  }
  return placed;
}

function newRules(): OpRules {
  return new OpRules(() => false);
}

for (
  const [life, burst, graceMs] of [
    ["lasting", LASTING_JOINS_BURST, DEFAULT_GRACE.lastingMs],
    ["ephemeral", EPHEMERAL_JOINS_BURST, DEFAULT_GRACE.ephemeralMs],
  ] as const
) {
  Deno.test(`OpRules.refusal() lets one address never have as many ${life} members as a room can`, () => {
    const rules = newRules();
    let placed = tries(rules, 300, { kind: "join", life });
    assertEquals(placed, burst);
    const stepMs = graceMs / 96;
    for (let nowMs = stepMs; nowMs <= graceMs; nowMs += stepMs) {
      placed += tries(rules, 20, { kind: "join", life, nowMs });
    }
    const bound = life === "lasting" ? 800 : 184;
    assertEquals([placed <= bound, placed > bound - 10, bound < ROSTER_MEMBERS_MAX], [true, true, true], `${placed}`);
  });

  Deno.test(`OpRules.refusal() counts signs of life of ${life} members with the joins, and leaves half for these`, () => {
    const rules = newRules();
    assertEquals(tries(rules, 300, { kind: "here", life }), burst / 2);
    assertEquals(tries(rules, 300, { kind: "join", life }), burst / 2);
    // Whoever keeps what they made up alive has no more of it than who makes it up anew.
    let placed = burst;
    const stepMs = graceMs / 96;
    for (let nowMs = stepMs; nowMs <= graceMs; nowMs += stepMs) {
      placed += tries(rules, 20, { kind: "join", life, nowMs }) + tries(rules, 20, { kind: "here", life, nowMs });
    }
    assertEquals(placed <= (life === "lasting" ? 800 : 184), true, `${placed}`);
  });
}

Deno.test("OpRules.refusal() takes no sign of life of another than its publisher", () => {
  const rules = newRules();
  const [link, other] = [somebody("192.0.2.1"), somebody("192.0.2.1")];
  const said = (by: RelayLink, actor: Bytes) =>
    rules.refusal(by, LOBBY, { body: opOf("here", NOTHING, actor), nowMs: 0 });
  assertEquals(said(link, idBytes(link.caller.fingerprint)), undefined);
  assertEquals(said(other, idBytes(link.caller.fingerprint)), "badOp");
  assertEquals(said(link, NOTHING), undefined, "what is no op claims nothing");
});

Deno.test("OpRules.refusal() counts joins for each room, address and life alone", () => {
  const rules = newRules();
  assertEquals(tries(rules, 200, { kind: "join" }), LASTING_JOINS_BURST);
  assertEquals(tries(rules, 100, { kind: "join", life: "ephemeral" }), EPHEMERAL_JOINS_BURST);
  assertEquals(tries(rules, 1, { kind: "join", address: "192.0.2.2" }), 1);
  assertEquals(tries(rules, 1, { kind: "join", room: fingerprintOf("other") }), 1);
});

Deno.test("OpRules.refusal() slows the junk of one address in a room, and holds up no join and no other room by it", () => {
  const rules = newRules();
  const count = ROOM_OPS_PER_ADDRESS_BURST;
  assertEquals(tries(rules, count, { kind: "leave", nowMs: 0 }), count);
  const laterMs = 200_000; // what all rooms together may is there again by then, a fifth of it at least
  assertEquals(tries(rules, 100, { kind: "leave", nowMs: laterMs }), 20, "one in ten seconds");
  assertEquals(tries(rules, 50, { kind: "join", nowMs: laterMs }), 50);
  assertEquals(tries(rules, 50, { kind: "leave", room: fingerprintOf("other"), nowMs: laterMs }), 50);
});

Deno.test("OpRules.refusal() gives no more to an address that uses many rooms", () => {
  const rules = newRules();
  let placed = 0;
  for (let room = 0; room < 40; room++) placed += tries(rules, 50, { kind: "leave", room: fingerprintOf(`r${room}`) });
  assertEquals(placed, OPS_PER_ADDRESS_BURST);
});
