// Aim: keys come from the person itself when it can, from what it left when not, and nobody empties the store alone.
import { assert, assertEquals } from "@std/assert";
import { lvCat, utf8 } from "../../lib/bytes/writer.ts";
import { ByteReader } from "../../lib/bytes/reader.ts";
import {
  BUNDLE_MAX_BYTES,
  BUNDLE_TTL_MS,
  BundleStore,
  GRANT_TTL_MS,
  ONE_TIME_PREKEY_MAX_BYTES,
  ONE_TIME_PREKEYS_LOW,
  ONE_TIME_PREKEYS_MAX,
} from "../../lib/relay/bundles.ts";
import {
  LIVE_ANSWER_MS,
  LIVE_ASKS_PER_SECOND,
  LiveRequests,
  PENDING_PER_REQUESTER_MAX,
} from "../../lib/relay/live_requests.ts";
import { BUNDLE_REQUESTS_BURST, BUNDLE_REQUESTS_PER_SECOND } from "../../lib/relay/links.ts";
import { LIVE_BUNDLE_MAX_BYTES } from "../../lib/relay/prekeys.ts";
import { LIVE_BACKLOG_MAX_BYTES } from "../../lib/relay/streams.ts";
import { fingerprintOf, idOf, LOBBY_STREAM, RelayBench } from "./_workbench.ts";

/** Links a person that leaves a bundle and some one-time prekeys. */
function openWithKeys(bench: RelayBench, name: string, oneTimePrekeys = 50): number {
  const link = bench.open(name);
  bench.say(link, { t: "putBundle" }, utf8(`bundle of ${name}`));
  if (oneTimePrekeys > 0) bench.say(link, { t: "putOneTimePrekeys" }, prekeys(oneTimePrekeys));
  bench.take(link);
  return link;
}

function prekeys(count: number): Uint8Array {
  return lvCat(...Array.from({ length: count }, (_, index) => utf8(`opk ${index}`)));
}

function ask(bench: RelayBench, link: number, of: string, ref = 1): void {
  bench.say(link, { t: "getBundle", ref, of: fingerprintOf(of), nonce: idOf(ref) });
}

/** What a link was answered: kind and content. */
function answers(bench: RelayBench, link: number): string[][] {
  return bench.take(link).flatMap(({ message, body }) => {
    if (message.t !== "bundle") return [];
    if (message.kind !== "stored") return [[message.kind, new TextDecoder().decode(body)]];
    const reader = new ByteReader(body, "answer");
    const parts = [reader.lv(BUNDLE_MAX_BYTES), reader.lv(ONE_TIME_PREKEY_MAX_BYTES)];
    reader.end();
    return [["stored", ...parts.map((part) => new TextDecoder().decode(part))]];
  });
}

Deno.test("Relay.handle() forwards a request to the person asked and its answer to whoever asked", () => {
  const bench = new RelayBench();
  const [alice, bob] = [openWithKeys(bench, "alice"), openWithKeys(bench, "bob")];
  ask(bench, alice, "bob", 7);
  const [wanted] = bench.heard(bob);
  assert(wanted?.t === "bundleWanted");
  assertEquals([wanted.by, wanted.nonce], [fingerprintOf("alice"), idOf(7)]);
  bench.say(bob, { t: "liveBundle", ref: wanted.ref }, utf8("fresh"));
  const [packet] = bench.take(alice);
  assertEquals(packet, { message: { t: "bundle", ref: 7, kind: "live" }, body: utf8("fresh") });
});

Deno.test("Relay.handle() answers from the store after 2 s, and drops the late answer", () => {
  const bench = new RelayBench();
  const [alice, bob] = [openWithKeys(bench, "alice"), openWithKeys(bench, "bob")];
  ask(bench, alice, "bob");
  const [wanted] = bench.heard(bob);
  bench.pass(LIVE_ANSWER_MS - 1);
  assertEquals(answers(bench, alice), []);
  bench.pass(1);
  assertEquals(answers(bench, alice), [["stored", "bundle of bob", "opk 0"]]);
  assert(wanted?.t === "bundleWanted");
  bench.say(bob, { t: "liveBundle", ref: wanted.ref }, utf8("late"));
  assertEquals(answers(bench, alice), []);
  assert(!bench.closed.has(bob));
});

Deno.test("Relay.handle() answers from the store at once when the person is away, declines or leaves", () => {
  const bench = new RelayBench();
  const [alice, bob] = [openWithKeys(bench, "alice"), openWithKeys(bench, "bob")];
  ask(bench, alice, "bob");
  const [wanted] = bench.heard(bob);
  assert(wanted?.t === "bundleWanted");
  bench.say(bob, { t: "liveBundle", ref: wanted.ref });
  assertEquals(answers(bench, alice), [["stored", "bundle of bob", "opk 0"]]);
  ask(bench, alice, "bob");
  bench.end(bob);
  ask(bench, alice, "bob");
  assertEquals(answers(bench, alice), [["stored", "bundle of bob", ""], ["stored", "bundle of bob", ""]]);
});

Deno.test("Relay.handle() answers none when nothing is there", () => {
  const bench = new RelayBench();
  const alice = bench.open("alice");
  ask(bench, alice, "bob");
  assertEquals(answers(bench, alice), [["none", ""]]);
  openWithKeys(bench, "bob", 0);
  bench.end(bench.open("guest", { life: "ephemeral" }));
  ask(bench, alice, "guest");
  assertEquals(answers(bench, alice), [["none", ""]]);
});

Deno.test("Relay.handle() forgets what an ephemeral identity left when its link ends, after answering those who wait", () => {
  const bench = new RelayBench();
  const alice = bench.open("alice");
  const guest = bench.open("guest", { life: "ephemeral" });
  bench.say(guest, { t: "putBundle" }, utf8("bundle"));
  ask(bench, alice, "guest");
  bench.end(guest);
  ask(bench, alice, "guest");
  assertEquals(answers(bench, alice), [["stored", "bundle", ""], ["none", ""]]);
});

Deno.test("Relay.handle() asks one person at most five times a second, whoever asks", () => {
  const bench = new RelayBench();
  const bob = openWithKeys(bench, "bob");
  const askers = Array.from({ length: 8 }, (_, index) => bench.open(`p${index}`));
  for (const link of askers) ask(bench, link, "bob");
  assertEquals(bench.heard(bob).length, LIVE_ASKS_PER_SECOND);
  assertEquals(askers.map((link) => answers(bench, link).length), [0, 0, 0, 0, 0, 1, 1, 1]);
  bench.pass(999);
  ask(bench, askers[7] as number, "bob");
  assertEquals(bench.heard(bob).length, 0);
  bench.pass(1);
  ask(bench, askers[7] as number, "bob");
  assertEquals(bench.heard(bob).length, 1);
});

Deno.test("Relay.handle() takes a live answer from the link that was asked alone", () => {
  const bench = new RelayBench();
  const [alice, bob, stranger] = [bench.open("alice"), openWithKeys(bench, "bob"), bench.open("stranger")];
  ask(bench, alice, "bob");
  const [wanted] = bench.heard(bob);
  assert(wanted?.t === "bundleWanted");
  bench.say(stranger, { t: "liveBundle", ref: wanted.ref }, utf8("forged"));
  assertEquals(answers(bench, alice), []);
  bench.say(bob, { t: "liveBundle", ref: wanted.ref }, utf8("true"));
  assertEquals(answers(bench, alice), [["live", "true"]]);
});

Deno.test("Relay.handle() gives one requester one one-time prekey of a person an hour", () => {
  const bench = new RelayBench();
  bench.end(openWithKeys(bench, "bob"));
  const [alice, carol] = [bench.open("alice"), bench.open("carol")];
  for (const link of [alice, alice, carol, carol]) ask(bench, link, "bob");
  assertEquals(answers(bench, alice).map((answer) => answer[2]), ["opk 0", ""]);
  assertEquals(answers(bench, carol).map((answer) => answer[2]), ["opk 1", ""]);
  bench.pass(GRANT_TTL_MS - 1);
  ask(bench, alice, "bob");
  bench.pass(1);
  ask(bench, alice, "bob");
  assertEquals(answers(bench, alice).map((answer) => answer[2]), ["", "opk 2"]);
});

Deno.test("Relay.handle() gives no one-time prekey twice, and the bundle alone when none is left", () => {
  const bench = new RelayBench();
  bench.end(openWithKeys(bench, "bob", 3));
  const given = Array.from({ length: 5 }, (_, index) => {
    const link = bench.open(`p${index}`);
    ask(bench, link, "bob");
    return answers(bench, link)[0]?.[2];
  });
  assertEquals(given, ["opk 0", "opk 1", "opk 2", "", ""]);
});

Deno.test("Relay.handle() says prekeysLow once a low period, and again after a refill", () => {
  const bench = new RelayBench();
  const bob = openWithKeys(bench, "bob", ONE_TIME_PREKEYS_LOW + 1);
  let number = 0;
  const lowAfter = (asks: number) => {
    for (let count = 0; count < asks; count++) ask(bench, bench.open(`p${number++}`), "bob");
    bench.pass(LIVE_ANSWER_MS);
    return bench.heard(bob).flatMap((said) => said.t === "prekeysLow" ? [said.left] : []);
  };
  assertEquals(lowAfter(1), []);
  assertEquals(lowAfter(1), [ONE_TIME_PREKEYS_LOW - 1]);
  assertEquals(lowAfter(5), []);
  bench.say(bob, { t: "putOneTimePrekeys" }, prekeys(10));
  assertEquals(lowAfter(5), [ONE_TIME_PREKEYS_LOW - 1]);
});

Deno.test("Relay.handle() says prekeysLow to an owner that comes back", () => {
  const bench = new RelayBench();
  bench.end(openWithKeys(bench, "bob", ONE_TIME_PREKEYS_LOW));
  ask(bench, bench.open("alice"), "bob");
  const bob = bench.relay.handle({
    kind: "opened",
    link: 900,
    nowMs: bench.nowMs,
    caller: {
      fingerprint: fingerprintOf("bob"),
      handle: "bob",
      life: "lasting",
      createdMs: 1,
      certificate: utf8("c"),
    },
  });
  const texts = bob.flatMap((effect) => effect.kind === "send" ? [new TextDecoder().decode(effect.packet)] : []);
  assert(texts.some((text) => text.includes("prekeysLow")));
});

Deno.test("Relay.handle() drops the one-time prekeys beside a former bundle", () => {
  const bench = new RelayBench();
  const bob = openWithKeys(bench, "bob", 5);
  bench.say(bob, { t: "putBundle" }, utf8("newer"));
  bench.end(bob);
  const alice = bench.open("alice");
  ask(bench, alice, "bob");
  assertEquals(answers(bench, alice), [["stored", "newer", ""]]);
});

Deno.test("Relay.handle() closes a link whose bundle, prekeys or live answer break the rules", () => {
  const tooLong = lvCat(new Uint8Array(ONE_TIME_PREKEY_MAX_BYTES + 1));
  const bad: [string, (bench: RelayBench, link: number) => void][] = [
    ["empty bundle", (bench, link) => bench.say(link, { t: "putBundle" })],
    ["long bundle", (bench, link) => bench.say(link, { t: "putBundle" }, new Uint8Array(BUNDLE_MAX_BYTES + 1))],
    ["no prekeys", (bench, link) => bench.say(link, { t: "putOneTimePrekeys" })],
    ["cut prekeys", (bench, link) => bench.say(link, { t: "putOneTimePrekeys" }, prekeys(3).slice(0, -1))],
    ["empty prekey", (bench, link) => bench.say(link, { t: "putOneTimePrekeys" }, new Uint8Array(4))],
    ["long prekey", (bench, link) => bench.say(link, { t: "putOneTimePrekeys" }, tooLong)],
    [
      "long live answer",
      (bench, link) => bench.say(link, { t: "liveBundle", ref: 1 }, new Uint8Array(LIVE_BUNDLE_MAX_BYTES + 1)),
    ],
  ];
  for (const [what, say] of bad) {
    const bench = new RelayBench();
    const link = openWithKeys(bench, "stranger", 0);
    say(bench, link);
    assertEquals(bench.closed.get(link)?.code, "protocol", what);
  }
  const bench = new RelayBench();
  const link = bench.open("stranger");
  bench.say(link, { t: "putOneTimePrekeys" }, prekeys(1));
  assertEquals(bench.closed.get(link)?.code, "protocol");
});

Deno.test("Relay.handle() answers none to a link that asks for keys too often, and to no other", () => {
  const bench = new RelayBench();
  bench.end(openWithKeys(bench, "bob"));
  const [alice, carol] = [bench.open("alice"), bench.open("carol")];
  const kinds = (count: number) => {
    for (let ref = 1; ref <= count; ref++) ask(bench, alice, "bob", ref);
    return answers(bench, alice).map(([kind]) => kind);
  };
  const many = kinds(BUNDLE_REQUESTS_BURST + 2);
  assertEquals(many.map((kind) => kind === "none"), many.map((_, index) => index >= BUNDLE_REQUESTS_BURST));
  ask(bench, carol, "bob");
  assertEquals(answers(bench, carol), [["stored", "bundle of bob", "opk 1"]]);
  bench.pass(1000);
  assertEquals(kinds(BUNDLE_REQUESTS_PER_SECOND + 1).filter((kind) => kind === "stored").length, 50);
  assertEquals(bench.closed.size, 0);
});

Deno.test("Relay.handle() sends no more bundles, stored or live, to a link that does not read them", () => {
  const bench = new RelayBench();
  const bob = bench.open("bob");
  bench.say(bob, { t: "putBundle" }, new Uint8Array(BUNDLE_MAX_BYTES));
  bench.say(bob, { t: "putOneTimePrekeys" }, prekeys(50));
  bench.end(bob);
  const [alice, dave] = [bench.open("alice"), openWithKeys(bench, "dave")];
  ask(bench, alice, "dave", 9999);
  const [wanted] = bench.heard(dave);
  assert(wanted?.t === "bundleWanted");
  for (let ref = 1; ref <= BUNDLE_REQUESTS_BURST - 2; ref++) ask(bench, alice, "bob", ref);
  const sent = bench.take(alice);
  const bytes = sent.reduce((sum, packet) => sum + packet.body.length, 0);
  assert(bytes > LIVE_BACKLOG_MAX_BYTES && bytes <= LIVE_BACKLOG_MAX_BYTES + BUNDLE_MAX_BYTES + 200, `${bytes}`);
  bench.say(dave, { t: "liveBundle", ref: wanted.ref }, new Uint8Array(LIVE_BUNDLE_MAX_BYTES));
  assertEquals(answers(bench, alice), [["none", ""]]);
  bench.end(dave);
  ask(bench, alice, "dave");
  assertEquals(answers(bench, alice), [["none", ""]]);
  bench.drain(alice);
  bench.pass(1000);
  ask(bench, alice, "dave");
  assertEquals(answers(bench, alice), [["stored", "bundle of dave", "opk 0"]], "no prekey was used up meanwhile");
});

Deno.test("Relay.handle() counts bundles and events that wait for a link together", () => {
  const bench = new RelayBench();
  const bob = bench.open("bob");
  bench.say(bob, { t: "putBundle" }, new Uint8Array(BUNDLE_MAX_BYTES));
  bench.end(bob);
  const [alice, carol] = [bench.join("alice"), bench.join("carol")];
  for (let ref = 1; ref <= 300; ref++) ask(bench, alice, "bob", ref);
  const id = bench.publish(carol, LOBBY_STREAM);
  assert(bench.heard(alice).every((said) => said.t !== "event"), "behind: the event waits");
  const later = bench.drainAll(alice).map((packet) => packet.message);
  assertEquals(later.map((said) => said.t === "event" && said.id), [id]);
});

Deno.test("LiveRequests.takeExpired() takes what ran out although the clock was set back after an earlier request", () => {
  const live = new LiveRequests();
  const request = { requester: 1, by: "A", of: "B" };
  const hourMs = 3600_000;
  live.ask({ ...request, requesterRef: 1, target: 10 }, hourMs);
  live.ask({ ...request, requesterRef: 2, target: 11 }, 0);
  live.ask({ ...request, requesterRef: 3, target: 12 }, 5);
  assertEquals(live.nextDeadlineMs, LIVE_ANSWER_MS);
  assertEquals(live.takeExpired(LIVE_ANSWER_MS - 1), []);
  assertEquals(live.takeExpired(LIVE_ANSWER_MS).map((pending) => pending.requesterRef), [2]);
  assertEquals(live.nextDeadlineMs, LIVE_ANSWER_MS + 5);
  assertEquals(live.takeExpired(LIVE_ANSWER_MS + 5).map((pending) => pending.requesterRef), [3]);
  assertEquals(live.nextDeadlineMs, hourMs + LIVE_ANSWER_MS);
  assertEquals(live.takeExpired(hourMs + LIVE_ANSWER_MS).map((pending) => pending.requesterRef), [1]);
  assertEquals(live.nextDeadlineMs, undefined);
});

Deno.test("BundleStore.addOneTimePrekeys() keeps the newest 200", () => {
  const store = new BundleStore();
  store.putBundle("B", utf8("b"), { nowMs: 0, isLinked: () => true });
  for (let round = 0; round < 3; round++) assertEquals(store.addOneTimePrekeys("B", lvCat(...many(round))), undefined);
  assertEquals(store.take("B", "A", 0)?.oneTimePrekey, utf8("1.0"));
  let given = 1;
  while ((store.take("B", `A${given}`, 0)?.oneTimePrekey.length ?? 0) > 0) given++;
  assertEquals(given, ONE_TIME_PREKEYS_MAX);
});

function many(round: number): Uint8Array[] {
  return Array.from({ length: 100 }, (_, index) => utf8(`${round}.${index}`));
}

Deno.test("BundleStore.expire() drops bundles whose signed prekey is too old to be taken", () => {
  const store = new BundleStore();
  store.putBundle("B", utf8("b"), { nowMs: 0, isLinked: () => true });
  store.expire(BUNDLE_TTL_MS - 1);
  assert(store.take("B", "A", 0) !== undefined);
  store.expire(BUNDLE_TTL_MS);
  assertEquals(store.take("B", "A", 0), undefined);
});

Deno.test("LiveRequests.ask() bounds what waits for one requester, and forget() gives the room back", () => {
  const live = new LiveRequests();
  const request = (target: number) => ({ requester: 1, requesterRef: 1, by: "A", target, of: "B" });
  for (let target = 0; target < PENDING_PER_REQUESTER_MAX; target++) {
    assert(live.ask(request(target + 10), 0) !== undefined);
  }
  assertEquals(live.ask(request(9999), 0), undefined);
  assertEquals(live.ask({ ...request(9999), requester: 2 }, 0)?.requester, 2);
  assertEquals(live.forget(10).map((pending) => pending.target), [10]);
  assert(live.ask(request(9998), 0) !== undefined);
  assertEquals(live.forget(1), []);
  assertEquals(live.takeExpired(LIVE_ANSWER_MS).map((pending) => pending.requester), [2]);
  assertEquals(live.nextDeadlineMs, undefined);
});
