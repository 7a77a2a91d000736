// Aim: a link that is made anew for fresh keys is no news to anybody; one that does not come back is lost.
import { assertEquals } from "@std/assert";
import { RENEW_HOLD_MS } from "../../lib/relay/renewals.ts";
import { certificateOf, inboxOf, LOBBY, LOBBY_STREAM, RelayBench } from "./_workbench.ts";

/** What a link heard, as words. */
function heard(bench: RelayBench, link: number): string[] {
  return bench.take(link).map(({ message }) => message.t === "left" ? `left ${message.reason}` : message.t);
}

function twoPeople(): { bench: RelayBench; alice: number; bob: number } {
  const bench = new RelayBench();
  const [alice, bob] = [bench.join("alice"), bench.join("bob", { life: "ephemeral" })];
  bench.take(alice);
  return { bench, alice, bob };
}

Deno.test("Relay.handle() tells nobody when a client renews its link and enters its rooms again", () => {
  const { bench, alice, bob } = twoPeople();
  bench.end(bob, "renew");
  bench.pass(RENEW_HOLD_MS - 1);
  const again = bench.open("bob", { life: "ephemeral" });
  bench.say(again, { t: "enter", room: LOBBY });
  bench.say(again, { t: "subscribe", stream: LOBBY_STREAM, after: null });
  assertEquals(heard(bench, again), ["roster", "subscribed"]);
  bench.pass(2 * RENEW_HOLD_MS);
  assertEquals(heard(bench, alice), []);
  bench.publish(alice, LOBBY_STREAM);
  bench.publish(again, LOBBY_STREAM);
  assertEquals([heard(bench, alice), heard(bench, again)], [["accepted", "event"], ["event", "accepted"]]);
  bench.end(again, "lost");
  assertEquals(heard(bench, alice), ["left lost"]);
});

Deno.test("Relay.handle() takes events for somebody who renews, and hands them over", () => {
  const { bench, alice, bob } = twoPeople();
  bench.end(bob, "renew");
  bench.publish(alice, inboxOf("bob"));
  assertEquals(heard(bench, alice), ["accepted"]);
  const again = bench.open("bob", { life: "ephemeral" });
  const { generation } = bench.log;
  bench.say(again, { t: "subscribe", stream: inboxOf("bob"), after: { generation, seq: 0 } });
  assertEquals(heard(bench, again), ["subscribed", "event"]);
});

Deno.test("Relay.handle() says that somebody is lost who said that they would renew and did not", () => {
  const { bench, alice, bob } = twoPeople();
  bench.end(bob, "renew");
  bench.pass(RENEW_HOLD_MS);
  assertEquals(heard(bench, alice), ["left lost"]);
  bench.publish(alice, inboxOf("bob"));
  assertEquals(heard(bench, alice), ["refused"]);
});

Deno.test("Relay.handle() tells of both, the loss and the arrival, when a renewed link has another certificate", () => {
  const { bench, alice, bob } = twoPeople();
  bench.end(bob, "renew");
  const again = bench.open("bob", { life: "ephemeral", createdMs: 2, certificate: certificateOf("bob again") });
  bench.say(again, { t: "enter", room: LOBBY });
  assertEquals(heard(bench, alice), ["left lost", "joined"]);
});

Deno.test("Relay.handle() answers for somebody who renews with the keys that it keeps", () => {
  const { bench, alice, bob } = twoPeople();
  bench.say(bob, { t: "putBundle" }, Uint8Array.of(1));
  bench.end(bob, "renew");
  bench.say(alice, { t: "getBundle", ref: 1, of: inboxOf("bob").slice("inbox/".length), nonce: "0".repeat(32) });
  assertEquals(heard(bench, alice), ["bundle"]);
});
