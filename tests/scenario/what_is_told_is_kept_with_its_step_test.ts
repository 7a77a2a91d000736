// Aim: whatever a person is told of a conversation is in the changes of the very step that moved the cursor over it, before
// anything of it is shown, once and in order.
import { assert, assertEquals } from "@std/assert";
import type { ChatEvent } from "../../lib/chat/events.ts";
import type { HistoryEntry } from "../../lib/chat/history_events.ts";
import { FakeNet } from "../support/fake_net.ts";

function textsOf(entries: readonly HistoryEntry[]): string[] {
  return entries.map(({ event }) => event.type === "gap" ? `gap ${event.count}` : event.text);
}

function isKept(event: ChatEvent): boolean {
  return event.type === "message" || event.type === "accepted" || event.type === "gap";
}

Deno.test("messages, own lines and gaps are kept with the step that brought them, as they are shown", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  net.watch = (client, event) => {
    if (!isKept(event)) return;
    const kept = client.kept.history.find(({ event: { id } }) => id === ("id" in event ? event.id : undefined));
    assert(kept !== undefined, `${event.type} was shown and not kept`);
  };
  await alice.type("one");
  await bob.type("two");
  await alice.type("/pm bob psst");
  let lost: string | undefined;
  net.tamper = (packet, to) => {
    const { message } = packet;
    if (to !== bob || message.t !== "event" || !message.stream.startsWith("room/")) return [packet];
    lost ??= message.id;
    return message.id === lost ? [] : [packet]; // however often it is asked for
  };
  await alice.type("lost");
  await alice.type("three");
  assertEquals(textsOf(bob.kept.history), ["one", "two", "psst", "gap 1", "three"]);
  assertEquals(textsOf(alice.kept.history), ["one", "two", "psst", "lost", "three"]);
  const [first, , third] = bob.kept.history;
  assertEquals([first?.stream.startsWith("room/"), third?.stream], [true, `inbox/${alice.fingerprint}`]);
  const [, , own] = alice.kept.history;
  assertEquals(own?.stream, `inbox/${bob.fingerprint}`);
  for (const { kept, events } of [alice, bob]) {
    assertEquals(kept.history.map(({ event }) => event.type), events.filter(isKept).map(({ type }) => type));
  }
});

Deno.test("a message that comes before the room is entered is kept at once, and shown after ready", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  await alice.type("/pm bob hello");
  await bob.drop("quit");
  await alice.type("/pm bob early");
  const again = await net.link("bob", { identity: bob.identity, certificate: bob.certificate, kept: bob.kept });
  let keptFirst = false;
  for (let i = 0; i < 200 && again.all("ready").length === 0; i++) {
    keptFirst ||= textsOf(again.kept.history).includes("early");
    await net.settle(1);
  }
  await net.settle();
  assert(keptFirst, "or this test shows nothing");
  assertEquals(again.texts, ["early"]);
  assertEquals(again.events[0]?.type, "ready");
  assertEquals(textsOf(again.kept.history), ["hello", "early"]);
});

Deno.test("a private conversation with somebody who is forgotten when they leave is told so", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const guest = await net.join("guest", { life: "ephemeral" });
  await guest.type("/pm alice for a moment");
  await alice.type("/pm guest yes");
  await guest.type("to all");
  assertEquals(alice.kept.history.map(({ isLasting }) => isLasting), [false, false, true]);
});

Deno.test("what a script put beside a line is not kept", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  await net.join("bob");
  await alice.type("one", "ref-1");
  assertEquals(alice.all("accepted")[0]?.ref, "ref-1");
  assertEquals(alice.kept.history.map(({ event }) => "ref" in event), [false]);
});

Deno.test("a question to the history says which conversation a name means now", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  await alice.type("/join bob2");
  const asked = async (line: string) => {
    alice.asked.length = 0;
    await alice.type(line);
    return alice.asked[0];
  };
  const lobby = `room/${alice.kept.history.length === 0 ? (await roomOf()) : ""}`;
  async function roomOf(): Promise<string> {
    await alice.type("/switch lobby");
    await alice.type("x");
    return (alice.kept.history[0]?.stream ?? "").slice("room/".length);
  }
  assertEquals(await asked("/history"), {
    kind: "history",
    count: 20,
    of: { stream: lobby, name: "lobby", kind: "room" },
  });
  const withBob = { stream: `inbox/${bob.fingerprint}`, name: "bob", kind: "person" } as const;
  assertEquals(await asked("/history 5 bob"), { kind: "history", count: 5, of: withBob });
  assertEquals(await asked(`/forget ${bob.fingerprint.toLowerCase()}`), { kind: "forget", of: withBob });
  assertEquals(await asked("/forget #BOB"), { kind: "forget", of: { name: "BOB", kind: "room" } });
  assertEquals(await asked("/forget nobody"), { kind: "forget", of: { name: "nobody" } });
  assertEquals(await asked("/search  two words"), { kind: "search", text: "two words" });
  await alice.type("/join bob");
  alice.asked.length = 0;
  await alice.type("/forget bob");
  assertEquals([alice.asked.length, alice.all("error").at(-1)?.code], [0, "badLine"]);
});
