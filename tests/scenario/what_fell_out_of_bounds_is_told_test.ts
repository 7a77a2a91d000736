// Aim: what a relay could not keep for somebody who was away is never lost in silence: they hear how many are missing, or
// its author heard that it was not stored.
import { assertEquals } from "@std/assert";
import { EVENT_MAX_AGE_MS, type EventLogLimits } from "../../lib/relay/event_log.ts";
import { INBOX_PUBLISHER_MAX_EVENTS } from "../../lib/relay/inbox_quotas.ts";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";

/** Longer than any event is kept. */
const AWAY_MS = EVENT_MAX_AGE_MS + 24 * 3600 * 1_000;

/** Two who have met, without receipts, so that each event is a message. */
async function pair(limits: Partial<EventLogLimits>) {
  const net = await FakeNet.create(undefined, 10 * AWAY_MS, limits);
  const alice = await net.join("alice", { receipts: false });
  const bob = await net.join("bob", { receipts: false, room: "attic" });
  await alice.type("/users");
  await alice.type("/pm bob hello");
  return { net, alice, bob };
}

function gaps(client: FakeClient) {
  return client.all("gap").map(({ place, from, count }) => ({ ...place, from, count }));
}

Deno.test("somebody whose inbox lost events while they were away hears how many, before what is left of them", async () => {
  const { net, alice, bob } = await pair({ streamEvents: 4 });
  await bob.drop();
  for (let i = 1; i <= 9; i++) await alice.type(`/pm bob ${i}`);
  const back = await net.restart(bob);
  assertEquals([gaps(back), back.texts, back.notices], [
    [{ to: "bob", from: undefined, count: 5 }],
    ["6", "7", "8", "9"],
    [],
  ]);
  assertEquals(
    back.events.findIndex(({ type }) => type === "gap"),
    back.events.findIndex(({ type }) => type === "message") - 1,
  );
  await back.type("/delivery");
  const own = back.all("delivery")[0]?.conversations.find(({ isOwnInbox }) => isOwnInbox);
  assertEquals([own?.missing, own?.duplicates], [5, 0]);
  await alice.type("/pm bob next");
  await back.drop();
  assertEquals(gaps(await net.restart(back)), [], "it is told once");
});

Deno.test("somebody of whose messages nothing is left hears how many there were", async () => {
  const { net, alice, bob } = await pair({});
  await bob.drop();
  for (let i = 1; i <= 3; i++) await alice.type(`/pm bob ${i}`);
  await net.advance(AWAY_MS);
  const back = await net.restart(bob);
  assertEquals([gaps(back), back.texts], [[{ to: "bob", from: undefined, count: 3 }], []]);
  await alice.type("/pm bob next");
  assertEquals([gaps(back).length, back.texts], [1, ["next"]]);
});

Deno.test("a link that is back after everything that came meanwhile was trimmed is told to be back", async () => {
  const { net, alice, bob } = await pair({});
  await net.unlink(bob);
  for (let i = 1; i <= 3; i++) await alice.type(`/pm bob ${i}`);
  net.relayInput({ kind: "tick", nowMs: net.nowMs + AWAY_MS }); // the relay's clock alone
  await net.relink(bob);
  assertEquals(gaps(bob), [{ to: "bob", from: undefined, count: 3 }]);
  assertEquals(bob.all("link").map(({ state }) => state), ["reconnecting", "connected"]);
});

Deno.test("whoever comes back to a room of which nothing is left hears how much is missing, and can write", async () => {
  const net = await FakeNet.create(undefined, 10 * AWAY_MS, {});
  const [alice, bob] = [await net.join("alice", { receipts: false }), await net.join("bob", { receipts: false })];
  await alice.type("/room create den --invite-only");
  await alice.type("/switch den");
  await alice.type("/invite bob");
  await bob.type("/join den");
  await alice.type("first");
  await net.unlink(bob);
  for (let i = 1; i <= 3; i++) await alice.type(`${i}`);
  net.relayInput({ kind: "tick", nowMs: net.nowMs + AWAY_MS });
  await net.relink(bob);
  assertEquals(gaps(bob), [{ room: "den", from: undefined, count: 3 }]);
  await bob.type("here again");
  assertEquals([alice.texts.at(-1), bob.all("error")], ["here again", []]);
});

Deno.test("the author of what an inbox cannot take any more hears it of each line, and it is no gap for its owner", async () => {
  const { net, alice, bob } = await pair({});
  await bob.drop();
  for (let i = 0; i < INBOX_PUBLISHER_MAX_EVENTS + 2; i++) await alice.type("/pm bob x", `r${i}`);
  assertEquals(alice.all("error").map(({ code, ref }) => [code, ref]), [
    ["unsent", `r${INBOX_PUBLISHER_MAX_EVENTS}`],
    ["unsent", `r${INBOX_PUBLISHER_MAX_EVENTS + 1}`],
  ]);
  const back = await net.restart(bob);
  assertEquals([back.texts.length, gaps(back)], [INBOX_PUBLISHER_MAX_EVENTS, []]);
  await alice.type("/pm bob and on");
  assertEquals([back.texts.at(-1), gaps(back)], ["and on", []]);
});

Deno.test("a relay that lies about where a stream begins is refused, or withholds no more than it shows as missing", async () => {
  for (
    const [oldest, failure, count] of [[99, "ProtocolError", undefined], [1, undefined, undefined], [
      0,
      undefined,
      undefined,
    ]] as const
  ) {
    const { net, alice, bob } = await pair({});
    await bob.drop();
    await alice.type("/pm bob kept");
    net.tamper = ({ message, body }) => {
      const isInbox = message.t === "subscribed" && message.stream === bob.inbox;
      return [{ message: isInbox ? { ...message, oldest } : message, body }];
    };
    const back = await net.restart(bob);
    assertEquals([back.failure?.name, gaps(back)[0]?.count], [failure, count]);
    if (failure === undefined) assertEquals(back.texts, ["kept"]);
  }
});
