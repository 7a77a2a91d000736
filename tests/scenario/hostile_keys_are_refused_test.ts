// Aim: a relay cannot get a message sealed for keys that are not those of the person whom it is for. Each cheat is
// refused and told, the others go on, and once the relay is honest again so is everything.
import { assertEquals } from "@std/assert";
import { type Bytes, lvCat } from "../../lib/bytes/writer.ts";
import { ByteReader } from "../../lib/bytes/reader.ts";
import { KEY_RETRY_AFTER_MS } from "../../lib/chat/key_requests.ts";
import { createLiveBundle, encodeBundle, SIGNED_PREKEY_MAX_AGE_MS } from "../../lib/e2ee/bundle.ts";
import { createPrekeyStore } from "../../lib/e2ee/prekeys.ts";
import { SMALL_ORDER_X25519 } from "../e2ee/_small_order.ts";
import { decodeHex } from "@std/encoding/hex";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";
import {
  flipped,
  forgeBundle,
  HostileRelay,
  makeStranger,
  type PacketOf,
  type Stranger,
} from "../support/hostile_relay.ts";

interface Stage {
  readonly net: FakeNet;
  readonly relay: HostileRelay;
  readonly alice: FakeClient;
  readonly bob: FakeClient;
  readonly carol: FakeClient;
  readonly mallory: Stranger;
}

async function stage(): Promise<Stage> {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  const carol = await net.join("carol");
  await alice.type("keys of carol are here");
  const bob = await net.join("bob");
  return { net, relay, alice, bob, carol, mallory: await makeStranger("bob", net.nowMs) };
}

/** Gives alice something else than bob's keys, and sees what becomes of it. */
async function cheated(
  stage: Stage,
  forge: (answer: PacketOf<"bundle">, nonce: Bytes) => Forged | Promise<Forged>,
): Promise<void> {
  const { net, relay, alice, bob, carol } = stage;
  let answer: PacketOf<"bundle"> | undefined;
  relay.once(alice, "bundle", (packet) => {
    answer = packet;
    return [];
  });
  await alice.type("hello");
  if (answer === undefined) throw new Error("alice has not asked");
  const { kind, body } = await forge(answer, nonceOf(net, alice, answer.message.ref));
  await relay.say(alice, { ...answer.message, kind }, body);
  assertEquals([bob.texts, carol.texts.at(-1)], [[], "hello"]);
  assertEquals(alice.notices, ["keysRefused"]);
  assertEquals(alice.all("notice")[0]?.text.includes("bob"), true);
  assertEquals(alice.failure, undefined);
  await net.advance(KEY_RETRY_AFTER_MS);
  await alice.type("hello again");
  assertEquals([bob.texts, carol.texts.at(-1)], [["hello again"], "hello again"]);
}

interface Forged {
  readonly kind: "live" | "stored";
  readonly body: Bytes;
}

function nonceOf(net: FakeNet, asker: FakeClient, ref: number): Bytes {
  for (const { from, packet: { message } } of net.sent) {
    if (from === asker && message.t === "getBundle" && message.ref === ref) return decodeHex(message.nonce);
  }
  throw new Error("nobody asked that");
}

/** What the relay keeps for bob: bundle and one-time prekey. */
function storedOf({ net }: Stage, bob: FakeClient): Bytes {
  const sent = net.sent.filter(({ from }) => from === bob).map(({ packet }) => packet);
  const bundle = sent.find(({ message }) => message.t === "putBundle")?.body;
  const list = sent.find(({ message }) => message.t === "putOneTimePrekeys")?.body;
  if (bundle === undefined || list === undefined) throw new Error("bob left no keys");
  return lvCat(bundle, new ByteReader(list, "list").lv(1_000));
}

Deno.test("a bundle of the relay's own, under bob's name, is refused", async () => {
  const s = await stage();
  const store = await createPrekeyStore({ nowMs: s.net.nowMs });
  const bundle = await encodeBundle(s.mallory, store);
  await cheated(s, () => ({ kind: "stored", body: lvCat(bundle, new Uint8Array(0)) }));
});

Deno.test("a live answer of the relay's own, under bob's name, is refused", async () => {
  const s = await stage();
  const store = await createPrekeyStore({ nowMs: s.net.nowMs });
  await cheated(s, async (_, nonce) => {
    const request = { requesterId: s.alice.certificate.id, nonce };
    return { kind: "live", body: (await createLiveBundle(s.mallory, store, request)).encoded };
  });
});

Deno.test("the keys of another honest person are refused", async () => {
  const s = await stage();
  const carols = storedOf(s, s.carol);
  await cheated(s, () => ({ kind: "stored", body: carols }));
});

Deno.test("a live answer to another request is refused", async () => {
  const s = await stage();
  await s.carol.type("/pm bob this makes bob answer live");
  const old = s.relay.last(s.carol, "bundle");
  assertEquals(old.message.kind, "live");
  await s.bob.type("/quit");
  const bob = await s.net.join("bob", { identity: s.bob.identity });
  await cheated({ ...s, bob }, () => ({ kind: "live", body: old.body }));
});

Deno.test("a live answer to our own earlier request is refused: the nonce is another", async () => {
  const s = await stage();
  await s.alice.type("/pm bob the first request");
  const old = s.relay.last(s.alice, "bundle");
  assertEquals(old.message.kind, "live");
  await s.bob.type("/quit");
  const bob = await s.net.join("bob", { identity: s.bob.identity });
  await cheated({ ...s, bob }, () => ({ kind: "live", body: old.body }));
});

Deno.test("a live answer that is called stored is refused, and the other way round", async () => {
  const s = await stage();
  await cheated(s, ({ body }) => ({ kind: "stored", body }));
  const t = await stage();
  const stored = storedOf(t, t.bob);
  await cheated(t, () => ({ kind: "live", body: stored }));
});

Deno.test("stored keys with any byte flipped are refused", async () => {
  const s = await stage();
  const stored = storedOf(s, s.bob);
  for (let index = 0; index < stored.length; index += 17) {
    s.relay.once(s.alice, "bundle", (packet) => [{
      message: { ...packet.message, kind: "stored" },
      body: flipped(stored, index),
    }]);
    await s.alice.type(`at ${index}`);
    await s.net.advance(KEY_RETRY_AFTER_MS);
  }
  assertEquals(s.bob.texts, []);
  assertEquals(new Set(s.alice.notices), new Set(["keysRefused"]));
  assertEquals(s.alice.failure, undefined);
  s.relay.behave();
  await s.alice.type("at last");
  assertEquals(s.bob.texts, ["at last"]);
});

Deno.test("a stored bundle with the one-time prekey of somebody else is refused", async () => {
  const s = await stage();
  const [bobs, carols] = [storedOf(s, s.bob), storedOf(s, s.carol)];
  const bundle = new ByteReader(bobs, "bundle").lv(1_000);
  const reader = new ByteReader(carols, "bundle");
  reader.lv(1_000);
  await cheated(s, () => ({ kind: "stored", body: lvCat(bundle, reader.lv(1_000)) }));
});

Deno.test("keys of small order are refused, even when their owner signed them", async () => {
  for (const hex of SMALL_ORDER_X25519) {
    const s = await stage();
    const createdMs = s.net.nowMs;
    const body = await forgeBundle(s.bob, { prekeyPublic: decodeHex(hex), createdMs });
    await cheated(s, () => ({ kind: "stored", body }));
  }
});

Deno.test("a signed prekey of more than 30 days is refused", async () => {
  const s = await stage();
  const { publicBytes } = s.mallory.identity.dh;
  const createdMs = s.net.nowMs - SIGNED_PREKEY_MAX_AGE_MS - 1;
  const body = await forgeBundle(s.bob, { prekeyPublic: publicBytes, createdMs });
  await cheated(s, () => ({ kind: "stored", body }));
});

Deno.test("an answer that nobody asked for is not taken", async () => {
  const s = await stage();
  const stored = storedOf(s, s.bob);
  await s.relay.say(s.alice, { t: "bundle", ref: 4_000, kind: "stored" }, stored);
  await s.relay.say(s.alice, { t: "bundle", ref: 1, kind: "stored" }, stored);
  assertEquals(s.alice.failure, undefined);
  await s.alice.type("hello");
  assertEquals(s.bob.texts, ["hello"]);
});

Deno.test("a request for keys in the name of anybody gives away only keys", async () => {
  const s = await stage();
  const before = s.net.sent.length;
  for (let i = 0; i < 20; i++) {
    const by = s.mallory.certificate.fingerprint;
    await s.relay.say(s.alice, { t: "bundleWanted", ref: 900 + i, by, nonce: "0".repeat(32) });
  }
  const answers = s.net.sent.slice(before).map(({ packet }) => packet);
  assertEquals(answers.filter(({ body }) => body.length > 0).length, 5);
  assertEquals(answers.every(({ message }) => message.t === "liveBundle"), true);
});
