// Aim: who wrote in private learns that it arrived and was seen, from the reader alone, also after an absence; a relay
// or a peer that invents, moves or repeats receipts gains nothing.
import { assert, assertEquals } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { encodeContent } from "../../lib/chat/content.ts";
import { boxHashOf } from "../../lib/e2ee/direct_link.ts";
import { SessionBook } from "../../lib/e2ee/session_book.ts";
import { RECEIPT_DELAY_MS, RECEIPT_EVERY_MS } from "../../lib/chat/receipts_owed.ts";
import type { Packet, RelayMessage } from "../../lib/wire/messages.ts";
import type { FakeClient } from "../support/fake_net.ts";
import { FakeNet } from "../support/fake_net.ts";

/** Two people who have met; of what they sent until then nothing is counted. */
async function pair(options: { alice?: boolean; bob?: boolean } = {}) {
  const net = await FakeNet.create();
  const alice = await net.join("alice", { receipts: options.alice ?? true });
  const bob = await net.join("bob", { receipts: options.bob ?? true });
  return { net, alice, bob };
}

function said(client: FakeClient): string[] {
  return client.events.flatMap((event) => {
    if (event.type !== "delivered" && event.type !== "read") return [];
    const line = client.all("accepted").find(({ id }) => id === event.id);
    return [`${event.type} ${line?.text} by ${event.by}`];
  });
}

/** How many events somebody published to somebody's inbox. */
function published(net: FakeNet, from: FakeClient, to: FakeClient): number {
  return net.sent.filter(({ from: who, packet: { message } }) =>
    who === from && message.t === "publish" && message.stream === to.inbox
  ).length;
}

async function see(client: FakeClient): Promise<void> {
  await client.command({ kind: "read", ids: client.all("message").map(({ id }) => id) });
  await client.net.advance(RECEIPT_EVERY_MS);
}

Deno.test("a private text is delivered, and read once its reader has seen it; each is told once", async () => {
  const { net, alice, bob } = await pair();
  await alice.type("/pm bob one");
  assertEquals(said(alice), [], "a little later");
  await net.advance(RECEIPT_DELAY_MS);
  assertEquals(said(alice), ["delivered one by bob"]);
  await see(bob);
  await see(bob);
  assertEquals(said(alice), ["delivered one by bob", "read one by bob"]);
  const [delivered] = alice.all("delivered");
  assertEquals([delivered?.fingerprint, delivered?.trust], [bob.fingerprint, "new"]);
});

Deno.test("a burst makes one receipt, which nobody answers", async () => {
  const { net, alice, bob } = await pair();
  for (let i = 0; i < 20; i++) await alice.type(`/pm bob ${i}`);
  await net.advance(RECEIPT_DELAY_MS);
  assertEquals([published(net, bob, alice), said(alice).length], [1, 20]);
  const before = published(net, alice, bob);
  await net.advance(60_000);
  assertEquals([published(net, alice, bob), published(net, bob, alice)], [before, 1]);
});

Deno.test("of rooms nothing is said", async () => {
  const { net, alice, bob } = await pair();
  await alice.type("hello room");
  const before = published(net, bob, alice);
  await see(bob);
  await net.advance(60_000);
  assertEquals([bob.texts, published(net, bob, alice), said(alice)], [["hello room"], before, []]);
});

Deno.test("who sends no receipts sends none and is told of none", async () => {
  for (const options of [{ alice: false }, { bob: false }]) {
    const { net, alice, bob } = await pair(options);
    await alice.type("/pm bob one");
    await see(bob);
    await net.advance(60_000);
    assertEquals([said(alice), bob.texts, alice.notices], [[], ["one"], []]);
    if (options.bob === false) assertEquals(published(net, bob, alice), 0);
  }
});

Deno.test("a receipt waits for a writer who is away, over restarts of both", async () => {
  const { net, alice, bob } = await pair();
  await alice.type("/pm bob one");
  await alice.drop();
  await net.advance(RECEIPT_DELAY_MS);
  await see(bob);
  const back = await net.restart(alice);
  assertEquals(back.events.flatMap(({ type }) => type === "delivered" || type === "read" ? [type] : []), [
    "delivered",
    "read",
  ]);
  assertEquals(back.all("read").map(({ id }) => id), alice.all("accepted").map(({ id }) => id));
  await back.drop();
  const again = await net.restart(back);
  await net.advance(60_000);
  assertEquals([again.all("delivered"), again.all("read")], [[], []]);
});

Deno.test("no receipt leaves for a text that a crash could lose", async () => {
  const { net, alice, bob } = await pair();
  const order: string[] = [];
  const { kept } = bob;
  const commit = kept.commit.bind(kept);
  kept.commit = (changes) => {
    commit(changes);
    order.push("kept");
  };
  net.watch = (client, event) => client === bob && event.type === "message" && order.push("shown");
  await alice.type("/pm bob one");
  const isFirst = () => order.findIndex((step) => step === "kept") < order.findIndex((step) => step === "shown");
  assert(isFirst());
  const before = kept.copy();
  await net.advance(RECEIPT_DELAY_MS);
  assertEquals(said(alice), ["delivered one by bob"]);
  await bob.drop();
  const again = await net.restart(bob, before); // as if it had been killed right before the receipt
  assertEquals(again.texts, [], "what the receipt was of is kept");
});

Deno.test("what was said when the link broke is said again over the next, and told once", async () => {
  const { net, alice, bob } = await pair();
  await alice.type("/pm bob one");
  net.hold(bob, "toRelay");
  await net.advance(RECEIPT_DELAY_MS);
  assertEquals(said(alice), []);
  await net.unlink(bob);
  await net.relink(bob);
  await net.advance(RECEIPT_EVERY_MS);
  assertEquals(said(alice), ["delivered one by bob"]);
});

Deno.test("a receipt whose answer was lost with the link is told once all the same", async () => {
  const { net, alice, bob } = await pair();
  await alice.type("/pm bob one");
  net.hold(bob, "toClient");
  await net.advance(RECEIPT_DELAY_MS);
  assertEquals(said(alice), ["delivered one by bob"]);
  await net.unlink(bob);
  await net.relink(bob);
  await net.advance(RECEIPT_EVERY_MS);
  assertEquals([said(alice), alice.notices], [["delivered one by bob"], []]);
});

Deno.test("a text that was sealed twice because a link broke is confirmed by whichever arrived", async () => {
  const { net, alice, bob } = await pair();
  await alice.type("/pm bob zero");
  net.hold(alice, "toClient"); // the relay stores it, and its answer is lost
  await alice.type("/pm bob one");
  await net.unlink(alice);
  await net.relink(alice);
  assertEquals([alice.all("accepted").length, bob.texts], [2, ["zero", "one"]]);
  await see(bob);
  assertEquals(said(alice).filter((line) => line.includes("one")), ["delivered one by bob", "read one by bob"]);
});

Deno.test("a receipt that the relay refuses is given up", async () => {
  const { net, alice, bob } = await pair();
  await alice.type("/pm bob one");
  let refusals = 0;
  net.tamperToRelay = ({ message, body }, from) => {
    const isReceipt = from === bob && message.t === "publish" && message.stream === alice.inbox;
    if (!isReceipt) return { message, body };
    refusals++;
    return { message: { ...message, stream: `inbox/${"A".repeat(52)}` }, body }; // nobody's: refused
  };
  await net.advance(RECEIPT_DELAY_MS);
  for (let i = 0; i < 20; i++) await net.advance(RECEIPT_EVERY_MS);
  assertEquals([refusals, said(alice), bob.all("error"), bob.notices], [1, [], [], []]);
});

Deno.test("what was received is said before its reader leaves", async () => {
  const { alice, bob } = await pair();
  await alice.type("/pm bob one");
  await bob.type("/quit");
  assertEquals([said(alice), bob.hasFinished], [["delivered one by bob"], true]);
});

Deno.test("a third person confirms nothing, and no invented receipt costs more than its opening", async () => {
  const { net, alice, bob } = await pair();
  const eve = await net.join("eve");
  await alice.type("/pm bob one");
  await alice.type("/pm eve hello");
  await net.advance(60_000);
  assertEquals(said(alice), ["delivered one by bob", "delivered hello by eve"]);
  // What eve can know of it: the very box, which the relay sees.
  const box = net.sent.find(({ from, packet: { message } }) =>
    from === alice && message.t === "publish" && message.stream === bob.inbox
  )?.packet.body;
  assert(box !== undefined);
  const hash = encodeHex(await boxHashOf(box));
  const forge = await forger(eve, alice);
  const rows = alice.kept.state.receipts?.length;
  const before = published(net, alice, eve);
  for (let i = 0; i < 200; i++) {
    const boxes = [hash, ...Array.from({ length: 63 }, (_, j) => (64 * i + j + 1).toString(16).padStart(64, "0"))];
    await forge({ delivered: boxes.slice(40), read: boxes.slice(0, 40) });
  }
  await net.advance(60_000);
  assertEquals([said(alice).length, alice.notices, alice.kept.state.receipts?.length], [2, [], rows]);
  assertEquals(published(net, alice, eve), before, "nothing was answered");
  await see(bob);
  assertEquals(said(alice).at(-1), "read one by bob", "what bob says counts all the same");
});

Deno.test("a receipt that the relay puts elsewhere or says twice confirms nothing more", async () => {
  const { net, alice, bob } = await pair();
  await alice.type("/pm bob one");
  await net.advance(RECEIPT_DELAY_MS);
  const receipt = net.sent.findLast(({ from, packet: { message } }) => from === bob && message.t === "publish");
  assert(receipt !== undefined && receipt.packet.message.t === "publish");
  const { message: { id }, body } = receipt.packet;
  for (const [seq, newId] of [[2, id], [3, "0".repeat(32)]] as const) {
    const message = { t: "event", stream: alice.inbox, seq, at: net.nowMs, from: bob.fingerprint, id: newId } as const;
    net.inject(alice, { message: { ...message, kind: "message" }, body });
    await net.settle();
  }
  assertEquals([said(alice), alice.notices], [["delivered one by bob"], []]);
  await alice.type("/delivery");
  const own = alice.all("delivery").at(-1)?.conversations.find(({ isOwnInbox }) => isOwnInbox);
  assertEquals(own?.duplicates, 2);
});

Deno.test("nothing is said to a key that is held back", async () => {
  const { net, alice, bob } = await pair();
  await alice.type("/pm bob one");
  await bob.type("/distrust alice");
  await see(bob);
  await net.advance(60_000);
  assertEquals([published(net, bob, alice), said(alice)], [0, []]);
});

Deno.test("/delivery counts each conversation, with the relay and without", async () => {
  const { net, alice, bob } = await pair();
  await alice.type("to all");
  await alice.type("/pm bob one");
  await alice.type("/pm bob two");
  await net.advance(RECEIPT_DELAY_MS);
  await bob.command({ kind: "read", ids: [bob.all("message").at(-1)?.id ?? ""] });
  await net.advance(RECEIPT_EVERY_MS);
  await net.unlink(alice);
  await alice.type("/pm bob three");
  await alice.type("/delivery", "r1");
  const [told] = alice.all("delivery");
  const nothing = { delivered: 0, read: 0, missing: 0, duplicates: 0 };
  assertEquals([told?.ref, told?.conversations], ["r1", [
    { place: { room: "lobby" }, isOwnInbox: false, sent: 1, accepted: 1, ...nothing },
    { place: { to: "bob" }, isOwnInbox: false, ...nothing, sent: 3, accepted: 2, delivered: 2, read: 1 },
  ]]);
});

Deno.test("/delivery counts what a relay says twice in a room, and it is shown once", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  const passed: Packet<RelayMessage>[] = [];
  net.tamper = (packet, to) => {
    if (to === alice) passed.push(packet);
    return [packet];
  };
  await bob.type("once");
  const said = passed.find(({ message }) => message.t === "event" && message.stream.startsWith("room/"));
  assert(said?.message.t === "event");
  net.inject(alice, said); // at its place
  net.inject(alice, { ...said, message: { ...said.message, seq: said.message.seq + 1 } }); // at one of its own
  await net.settle();
  await alice.type("/delivery");
  const room = alice.all("delivery")[0]?.conversations.find(({ place }) => "room" in place);
  assertEquals([alice.texts, room?.duplicates, room?.missing], [["once"], 2, 0]);
});

/** Lets somebody say in private what no client would, with the keys that they have. */
async function forger(from: FakeClient, to: FakeClient) {
  const { net, identity, certificate, kept: { state: { sessions } } } = from;
  assert(sessions !== undefined);
  const book = await SessionBook.restore({ identity, certificate, ...sessions });
  return async (said: { readonly delivered: string[]; readonly read: string[] }): Promise<void> => {
    const id = encodeHex(crypto.getRandomValues(new Uint8Array(16)));
    const content = { kind: "receipt", id, sentAtMs: net.nowMs, room: null, text: "", ...said } as const;
    const body = await book.sessionsWith(to.fingerprint)?.seal(encodeContent(content), { nowMs: net.nowMs });
    assert(body !== undefined);
    const message = { t: "publish", stream: to.inbox, kind: "message", id } as const;
    net.relayInput({ kind: "message", link: from.link, packet: { message, body }, nowMs: net.nowMs });
    await net.settle();
  };
}

Deno.test("/forget of a person forgets what waits for their receipts, in the step that asks the history", async () => {
  const { net, alice, bob } = await pair();
  const carol = await net.join("carol");
  await alice.type("hello room");
  for (const name of ["bob", "carol"]) await alice.type(`/pm ${name} one`);
  const waiting = () => alice.kept.state.receipts?.map(({ peer }) => peer).toSorted();
  assertEquals(waiting(), [bob.fingerprint, carol.fingerprint].toSorted());
  for (const line of ["/forget #lobby", "/history 5 bob", "/forget nobody"]) await alice.type(line);
  assertEquals(waiting()?.length, 2);
  await alice.type("/forget bob");
  assertEquals([waiting(), alice.asked.at(-1)?.kind], [[carol.fingerprint], "forget"]);
  await net.advance(RECEIPT_DELAY_MS);
  assertEquals(said(alice), ["delivered one by carol"]);
  await alice.type("/pm bob two");
  await net.advance(RECEIPT_EVERY_MS);
  assertEquals(said(alice), ["delivered one by carol", "delivered two by bob"]);
});
