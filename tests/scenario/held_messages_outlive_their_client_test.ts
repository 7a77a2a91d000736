// Aim: a private message that was accepted and opened is not lost because its reader's client dies before the relay has
// said who wrote it: the next run shows it once, in its order, or tells that it is a stranger's.
import { assert, assertEquals } from "@std/assert";
import { HELD_MAX } from "../../lib/chat/held_messages.ts";
import { RECEIPT_DELAY_MS } from "../../lib/chat/receipts_owed.ts";
import { type FakeClient, FakeNet, type Kept, type Tamper } from "../support/fake_net.ts";

/** Alice, and mallory in another room, whom the relay never showed her; no answer to who reaches alice. */
async function stage() {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const mallory = await net.join("mallory", { room: "den" });
  await mallory.type("/users");
  net.tamper = withoutPeople("drop");
  return { net, alice, mallory };
}

/** Answers to who that alice never gets, or that name nobody. */
function withoutPeople(how: "drop" | "empty"): Tamper {
  return (packet, to) => {
    if (to.certificate.handle !== "alice" || packet.message.t !== "people") return [packet];
    return how === "drop" ? [] : [{ ...packet, body: new Uint8Array(0) }];
  };
}

/** Kills alice's client; what it kept is all that is left. */
async function killed(alice: FakeClient): Promise<Kept> {
  await alice.drop();
  return alice.kept;
}

function heldBy(kept: Kept): number {
  return kept.state.held?.length ?? 0;
}

function shownBy(client: FakeClient): [string, string, boolean][] {
  return client.all("message").map(({ from, text, late }) => [from, text, late === true]);
}

Deno.test("a stranger's message that a killed client held is shown by the next run, once and in order", async () => {
  const { net, alice, mallory } = await stage();
  await mallory.type("/pm alice one");
  await mallory.type("/pm alice two");
  await net.advance(1_000);
  assertEquals([alice.texts, heldBy(alice.kept)], [[], 2]);
  const kept = await killed(alice);
  await mallory.type("/pm alice three");

  net.tamper = (packet) => [packet];
  const again = await net.restart(alice, kept);
  await net.advance(1_000);
  await mallory.type("/pm alice four");
  assertEquals(shownBy(again), [
    ["mallory", "one", true],
    ["mallory", "two", true],
    ["mallory", "three", true],
    ["mallory", "four", false],
  ]);
  assertEquals([again.notices, heldBy(kept)], [[], 0]);
  assertEquals(kept.history.flatMap(({ event }) => event.type === "message" ? [event.text] : []), again.texts);

  await again.drop();
  const third = await net.restart(again, kept);
  await net.advance(60_000);
  assertEquals([third.texts, third.notices], [[], []], "it is shown once");
});

Deno.test("who held messages of an earlier run asks who is there, though nothing new arrives", async () => {
  const { net, alice, mallory } = await stage();
  await mallory.type("/pm alice one");
  const again = await net.restart(alice, await killed(alice));
  const asked = net.sent.filter(({ from, packet }) => from === again && packet.message.t === "who");
  assertEquals([asked.length, again.texts, heldBy(again.kept)], [1, [], 1]);
  const third = await net.restart(again, await killed(again)); // killed again before the answer
  assertEquals([third.texts, heldBy(third.kept)], [[], 1]);
  net.tamper = (packet) => [packet];
  const last = await net.restart(third, await killed(third));
  assertEquals([shownBy(last), heldBy(last.kept)], [[["mallory", "one", true]], 0]);
});

Deno.test("a held message whose author the relay does not show is told as a stranger's, once over all runs", async () => {
  const { net, alice, mallory } = await stage();
  await mallory.type("/pm alice one");
  const kept = await killed(alice);
  assertEquals([alice.notices, heldBy(kept)], [[], 1]);
  net.tamper = withoutPeople("empty");
  const again = await net.restart(alice, kept);
  assertEquals([again.texts, again.notices, heldBy(kept)], [[], ["stranger"], 0]);
  await again.drop();
  net.tamper = (packet) => [packet];
  const third = await net.restart(again, kept);
  await net.advance(60_000);
  assertEquals([third.texts, third.notices], [[], []]);
});

Deno.test("a held message is kept with the cursor that is behind it, and forgotten with the entry that shows it", async () => {
  const { net, alice, mallory } = await stage();
  const { kept } = alice;
  const steps: string[] = [];
  const commit = kept.commit.bind(kept);
  kept.commit = (changes) => {
    commit(changes);
    const isRead = changes.cursors.some(({ stream }) => stream === alice.inbox);
    const told = changes.history?.flatMap(({ event }) => event.type === "message" ? [event.text] : []) ?? [];
    for (const { value } of changes.held ?? []) {
      steps.push(value === undefined ? `forgotten with ${told.join()}` : `kept ${isRead ? "with" : "without"} cursor`);
    }
  };
  await mallory.type("/pm alice one");
  await net.advance(1_000);
  assertEquals(steps, ["kept with cursor"]);
  await killed(alice);
  net.tamper = (packet) => [packet];
  await net.restart(alice, kept);
  assertEquals(steps, ["kept with cursor", "forgotten with one"]);
});

Deno.test("a client killed right after the commit that shows a held message leaves it to the history alone", async () => {
  const { net, alice, mallory } = await stage();
  await mallory.type("/pm alice one");
  const kept = await killed(alice);
  net.tamper = (packet) => [packet];
  const commit = kept.commit.bind(kept);
  const copies: Kept[] = [];
  kept.commit = (changes) => {
    commit(changes);
    if (changes.history?.some(({ event }) => event.type === "message")) copies.push(kept.copy());
  };
  const again = await net.restart(alice, kept);
  await again.drop();
  const [copy, more] = copies;
  assert(copy !== undefined && more === undefined);
  const third = await net.restart(again, copy);
  await net.advance(60_000);
  assertEquals([third.texts, third.notices, heldBy(copy)], [[], [], 0]);
  assertEquals(kept.history.length, 1, "from where the next run shows it, as far as the screen did not");
});

Deno.test("what is held outlives the relay's log, and is shown late before what the new log has", async () => {
  const { net, alice, mallory } = await stage();
  for (const text of ["one", "two"]) await mallory.type(`/pm alice ${text}`);
  const kept = await killed(alice);
  const anew = await FakeNet.create(net.relayPublic);
  anew.nowMs = net.nowMs + 1;
  const { identity, certificate, kept: hers } = mallory;
  const writer = await anew.join("mallory", { identity, certificate, kept: hers, room: "den" });
  const again = await anew.restart(alice, kept);
  await anew.advance(1_000);
  await writer.type("/pm alice three");
  assertEquals(shownBy(again), [["mallory", "one", true], ["mallory", "two", true], ["mallory", "three", false]]);
  assertEquals([new Set(again.notices), heldBy(kept)], [new Set(["reset"]), 0]);
});

Deno.test("an old copy that held a message shows it once, whatever of it comes again", async () => {
  const { net, alice, mallory } = await stage();
  await mallory.type("/pm alice one");
  const copy = alice.kept.copy();
  assertEquals(heldBy(copy), 1);
  net.tamper = (packet) => [packet];
  await alice.drop();
  const first = await net.restart(alice);
  assertEquals(first.texts, ["one"]);
  await first.drop();
  await mallory.type("/pm alice two");
  const old = await net.restart(alice, copy);
  await net.advance(60_000);
  assertEquals(old.texts, ["one", "two"]);
  assertEquals([old.all("gap"), old.notices.filter((code) => code === "stranger")], [[], []]);
});

Deno.test("a held message is confirmed to its writer once it is shown, by the run that shows it", async () => {
  const { net, alice, mallory } = await stage();
  await mallory.type("/pm alice one");
  await net.advance(RECEIPT_DELAY_MS);
  assertEquals(mallory.all("delivered"), []);
  const kept = await killed(alice);
  net.tamper = (packet) => [packet];
  await net.restart(alice, kept);
  await net.advance(RECEIPT_DELAY_MS);
  const [line] = mallory.all("accepted").filter(({ text }) => text === "one");
  assertEquals(mallory.all("delivered").map(({ id }) => id), [line?.id]);
});

Deno.test("what is held is of one relay: on another it is neither shown nor forgotten", async () => {
  const { alice, mallory } = await stage();
  await mallory.type("/pm alice one");
  const kept = await killed(alice);
  const other = await FakeNet.create();
  const elsewhere = await other.restart(alice, kept);
  await other.join("mallory", { identity: mallory.identity });
  await other.advance(60_000);
  assertEquals([elsewhere.texts, elsewhere.notices.includes("stranger"), heldBy(kept)], [[], false, 1]);
});

Deno.test("so many messages wait and no more: the next is told, in a later run too", async () => {
  const { net, alice, mallory } = await stage();
  for (let i = 0; i < HELD_MAX; i++) await mallory.type(`/pm alice ${i}`);
  assertEquals([heldBy(alice.kept), alice.notices], [HELD_MAX, []]);
  await mallory.type("/pm alice too many");
  assertEquals([heldBy(alice.kept), alice.notices], [HELD_MAX, ["stranger"]]);
  const again = await net.restart(alice, await killed(alice));
  await mallory.type("/pm alice still too many");
  assertEquals([heldBy(again.kept), again.notices], [HELD_MAX, ["stranger"]]);
  net.tamper = (packet) => [packet];
  const last = await net.restart(again, await killed(again));
  assertEquals(last.texts, Array.from({ length: HELD_MAX }, (_, i) => `${i}`));
});

Deno.test("what waits is asked about again over the next link, when the question was lost with the last", async () => {
  const { net, alice, mallory } = await stage();
  await mallory.type("/pm alice one");
  await net.unlink(alice);
  net.tamper = (packet) => [packet];
  await net.relink(alice);
  await net.advance(1_000);
  assertEquals([alice.texts, heldBy(alice.kept)], [["one"], 0]);
});

Deno.test("a question that a lost link left open wakes nobody before the next link", async () => {
  const { net, alice } = await stage();
  await alice.type("/users");
  await net.unlink(alice);
  assert((alice.wakeAtMs ?? Infinity) > net.nowMs, "or the client would be woken without a pause until then");
  net.tamper = (packet) => [packet];
  await net.relink(alice);
  await net.advance(1_000);
  assertEquals(alice.all("users").length, 1);
});
