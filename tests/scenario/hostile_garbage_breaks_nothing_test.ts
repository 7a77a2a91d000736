// Aim: whatever a relay says, the core answers with effects, or refuses by DecodeError or ProtocolError, which end the
// link. Any other error is a bug, and fails the test in FakeNet.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { decodeRelayMessage, type RelayMessage } from "../../lib/wire/messages.ts";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";
import { HostileRelay } from "../support/hostile_relay.ts";

const HEX16 = fc.stringMatching(/^[0-9a-f]{32}$/);
const COUNT = fc.oneof(fc.nat(20), fc.maxSafeNat());

/** Any message of the right shape, with ids of the conversation as likely as strange ones. */
function messages(names: readonly string[]): fc.Arbitrary<RelayMessage> {
  const id32 = fc.constantFrom(...names);
  const stream = fc.tuple(fc.constantFrom("room", "inbox"), id32).map(([kind, id]) => `${kind}/${id}`);
  const ref = fc.nat(30);
  const harmless = fc.oneof(
    fc.record({ t: fc.constant("roster" as const), room: id32, more: fc.boolean() }),
    fc.record({ t: fc.constant("joined" as const), room: id32, at: COUNT }),
    fc.record({
      t: fc.constant("left" as const),
      room: id32,
      who: id32,
      at: COUNT,
      reason: fc.constantFrom("quit" as const, "lost" as const, "removed" as const),
    }),
    fc.record({
      t: fc.constant("event" as const),
      stream,
      seq: COUNT,
      at: COUNT,
      from: id32,
      kind: message(),
      id: HEX16,
    }),
    fc.record({ t: fc.constant("accepted" as const), stream, id: HEX16, seq: COUNT, at: COUNT }),
    fc.record({ t: fc.constant("refused" as const), id: HEX16, code: fc.constant("offline"), message: fc.string() }),
    fc.record({
      t: fc.constant("bundle" as const),
      ref,
      kind: fc.constantFrom("live" as const, "stored" as const, "none" as const),
    }),
    fc.record({ t: fc.constant("bundleWanted" as const), ref, by: id32, nonce: HEX16 }),
  );
  const fatal = fc.oneof(
    fc.record({ t: fc.constant("people" as const), ref, more: fc.boolean() }),
    fc.record({ t: fc.constantFrom("subscribed" as const, "reset" as const), stream, generation: HEX16, head: COUNT }),
    fc.record({ t: fc.constant("welcome" as const), at: COUNT, generation: HEX16 }),
  );
  return fc.oneof({ arbitrary: harmless, weight: 30 }, { arbitrary: fatal, weight: 1 });
}

function message(): fc.Arbitrary<"message"> {
  return fc.constant("message");
}

Deno.test("a flood of well-formed nonsense gives effects or a refusal, never a crash", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const bob = await net.join("bob");
  let alice: FakeClient = await net.join("alice");
  await alice.type("hello");
  await bob.type("hello");
  const room = net.sent.flatMap(({ packet }) => packet.message.t === "enter" ? [packet.message.room] : [])[0] ?? "";
  const bodies = relay.passed.map(({ packet }) => packet.body);
  const anyMessage = messages([room, alice.fingerprint, bob.fingerprint, "A".repeat(52)]);
  const anyBody = fc.oneof(
    fc.constantFrom(...bodies),
    fc.uint8Array({ maxLength: 200 }),
    fc.tuple(fc.constantFrom(...bodies), fc.nat(), fc.integer({ min: 1, max: 255 })).map(([body, index, mask]) => {
      const copy = body.slice();
      if (copy.length > 0) copy[index % copy.length] = (copy[index % copy.length] as number) ^ mask;
      return copy;
    }),
  );
  const refusals = new Set<string>();
  for (const [said, body] of fc.sample(fc.tuple(anyMessage, anyBody), { numRuns: 1_000, seed: 20260101 })) {
    if (alice.failure !== undefined) refusals.add(alice.failure.message);
    if (alice.failure !== undefined) alice = await net.join("alice", { identity: alice.identity });
    const bytes = new Uint8Array(body);
    await relay.say(alice, decodeRelayMessage({ header: said, body: bytes }).message, bytes);
  }
  assert(refusals.size >= 5); // or the flood was too tame
  assertEquals(alice.all("message").every(({ text }) => text === "hello"), true);
  const last = await net.join("alice", { identity: alice.identity });
  await last.type("after all that");
  await bob.type("still here");
  assertEquals([bob.texts.at(-1), last.texts.at(-1)], ["after all that", "still here"]);
});

Deno.test("`prekeysLow` without end makes no more keys than are kept", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  for (const left of [0, 29, 30, 100, Number.MAX_SAFE_INTEGER, 0, 0, 0]) {
    await relay.say(alice, { t: "prekeysLow", left });
  }
  await bob.type("hello");
  assertEquals(alice.texts, ["hello"]);
});
