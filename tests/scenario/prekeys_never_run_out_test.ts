// Aim: one-time prekeys at the relay are refilled before they run out, and the signed prekey is replaced every day.
import { assert, assertEquals } from "@std/assert";
import { LIVE_ANSWER_MS } from "../../lib/relay/live_requests.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { fingerprintOf } from "../../lib/e2ee/identity.ts";
import { ONE_TIME_PREKEYS_KEPT, ONE_TIME_PREKEYS_REFILL_BELOW, SIGNED_PREKEY_LIFE_MS } from "../../lib/e2ee/prekeys.ts";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";
import { HostileRelay } from "../support/hostile_relay.ts";

const refills = (client: FakeClient) =>
  client.net.sent.filter(({ from, packet }) => from === client && packet.message.t === "putOneTimePrekeys").length;

Deno.test("a relay that runs low is given more one-time prekeys, and those open first messages", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  assertEquals(refills(alice), 1);
  relay.always(alice, "bundleWanted", () => []); // never answers live: everybody is given stored keys
  for (let i = 0; i < ONE_TIME_PREKEYS_KEPT - ONE_TIME_PREKEYS_REFILL_BELOW + 1; i++) {
    assertEquals(refills(alice), 1);
    await takeOne(net, alice, i);
  }
  assertEquals(refills(alice), 2);
  for (let i = 200; i < 200 + ONE_TIME_PREKEYS_REFILL_BELOW; i++) await takeOne(net, alice, i); // the rest of the first
  const bob = await net.join("bob");
  await bob.type("hello");
  await net.advance(LIVE_ANSWER_MS);
  assertEquals(alice.texts, ["hello"]);
  assertEquals(relay.last(bob, "bundle").message.kind, "stored");
  assertEquals([...alice.notices, ...bob.notices], []);
});

/** Somebody who links, asks the relay for keys, and takes what it has stored. */
async function takeOne(net: FakeNet, of: FakeClient, number: number): Promise<void> {
  const link = 10_000 + number;
  const fingerprint = fingerprintOf(secureRandom(32));
  const caller = {
    fingerprint,
    handle: `taker-${number}`,
    life: "lasting" as const,
    createdMs: 1,
    certificate: new Uint8Array(9),
  };
  net.relayInput({ kind: "opened", link, caller, nowMs: net.nowMs });
  const message = { t: "getBundle", ref: 1, of: of.fingerprint, nonce: "0".repeat(32) } as const;
  net.relayInput({ kind: "message", link, packet: { message, body: new Uint8Array(0) }, nowMs: net.nowMs });
  await net.settle();
  await net.advance(LIVE_ANSWER_MS);
}

Deno.test("the signed prekey is replaced after a day although nothing happens", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const puts = () => net.sent.filter(({ packet }) => packet.message.t === "putBundle").map(({ packet }) => packet.body);
  assert(alice.wakeAtMs !== undefined && alice.wakeAtMs <= net.nowMs + SIGNED_PREKEY_LIFE_MS);
  await net.advance(SIGNED_PREKEY_LIFE_MS);
  assertEquals(puts().length, 2);
  assertEquals(refills(alice), 2); // a relay drops the one-time prekeys beside a bundle that is replaced
  await net.advance(SIGNED_PREKEY_LIFE_MS);
  assertEquals(puts().length, 3);
  const bob = await net.join("bob");
  await bob.type("hello");
  assertEquals(alice.texts, ["hello"]);
});
