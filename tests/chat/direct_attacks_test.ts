// Aim: whoever stands in a direct link, or at its other end, and does not play by the rules gets nothing, by name.
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { ProtocolError, UserError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat, lvCat, u64be, u8, utf8 } from "../../lib/bytes/writer.ts";
import { encodeContent } from "../../lib/chat/content.ts";
import { DirectChat, SECURE_TIMEOUT_MS } from "../../lib/chat/direct.ts";
import type { DirectSide } from "../../lib/chat/direct_code.ts";
import { encodeGreeting } from "../../lib/chat/direct_greeting.ts";
import { DirectKeys, previewOf } from "../../lib/chat/direct_keys.ts";
import { decodeDirectMessage, encodeDirectMessage } from "../../lib/chat/direct_messages.ts";
import { verifyPeer } from "../../lib/chat/direct_peer.ts";
import { createLiveBundle, encodeBundle, verifyBundle, verifyLiveBundle } from "../../lib/e2ee/bundle.ts";
import { directNonce } from "../../lib/e2ee/direct_link.ts";
import { signFields, suiteField } from "../../lib/e2ee/signed.ts";
import { decodePacket } from "../../lib/wire/packet.ts";
import { SMALL_ORDER_X25519 } from "../e2ee/_small_order.ts";
import { START_MS } from "../support/fake_net.ts";
import { DirectPair, End, H, OTHER_WORDS, type Somebody, somebody, WORDS } from "./_direct_pair.ts";

const OTHER_H: Bytes = new Uint8Array(32).fill(8);
const AT = { nowMs: START_MS };

function kindOf(packet: Bytes): string {
  return decodeDirectMessage(decodePacket(packet)).message.t;
}

/** Gives the body of a packet another last byte. */
function flippedEnd(packet: Bytes): Bytes {
  return concat(packet.subarray(0, -1), Uint8Array.of((packet.at(-1) as number) ^ 1));
}

/** What an end came to. */
function fate(end: End): string {
  if (end.chat.isSecured) return "secured";
  const { refusal } = end.chat;
  if (refusal !== undefined) return `${refusal.why} ${refusal.error.code}`;
  return end.failure?.name ?? "waiting";
}

function assertNothingWasLearnt(...ends: End[]): void {
  for (const end of ends) {
    assertEquals(end.all("secured"), []);
    assertEquals(end.who.kept.state.peers, [], "nobody was met");
  }
}

Deno.test("verifyPeer() refuses a certificate over another static key, a forged one, our own, and keys of small order", async () => {
  const [alice, bob] = [await somebody("alice"), await somebody("bob")];
  const card = bob.certificate.encoded;
  const staticPublic = bob.certificate.noisePublic;
  assertEquals((await verifyPeer({ card, staticPublic }, alice.certificate)).handle, "bob");
  const codeOf = async (shown: Parameters<typeof verifyPeer>[0]) =>
    (await assertRejects(() => verifyPeer(shown, alice.certificate), UserError)).code;
  assertEquals(await codeOf({ card, staticPublic: alice.certificate.noisePublic }), "refusedCertificate");
  assertEquals(await codeOf({ card: flippedEnd(card), staticPublic }), "refusedCertificate");
  assertEquals(await codeOf({ card: card.slice(0, -1), staticPublic }), "refusedCertificate");
  assertEquals(await codeOf({ card: new Uint8Array(0), staticPublic }), "refusedCertificate");
  const own = alice.certificate;
  assertEquals(await codeOf({ card: own.encoded, staticPublic: own.noisePublic }), "refusedCertificate");
  // Signed by whoever shows them: only the keys themselves are wrong.
  for (const hex of SMALL_ORDER_X25519) {
    const weak = Uint8Array.fromHex(hex);
    const { sign, dh, noise } = bob.identity;
    for (const [dhPublic, noisePublic] of [[weak, noise.publicBytes], [dh.publicBytes, weak]] as const) {
      const keys = [suiteField(), sign.publicBytes, dhPublic, noisePublic];
      const made = await signFields(sign, "cert", [...keys, utf8("bob"), u8(1), u64be(START_MS)]);
      assertEquals(await codeOf({ card: made, staticPublic: noisePublic }), "refusedCertificate");
    }
  }
});

Deno.test("previewOf() tells a changed key before anything is told, and remembers nothing", async () => {
  const [alice, bob, other] = [await somebody("alice"), await somebody("bob"), await somebody("bob")];
  const pair = await DirectPair.of({ people: [alice, bob] });
  await pair.start();
  const { peers } = alice.kept.state;
  assertEquals(previewOf(peers, bob.certificate).trust, "known");
  assertEquals(previewOf(peers, other.certificate).trust, "changed");
  assertEquals(previewOf([], other.certificate).trust, "new");
  assertEquals(alice.kept.state.peers, peers);
});

Deno.test("a caller refuses a bundle for another link, for another caller, of another person, changed, or older", async () => {
  const [alice, bob, carol] = [await somebody("alice"), await somebody("bob"), await somebody("carol")];
  const bundleOf = async (who: Somebody, requester: Somebody, h: Bytes) => {
    const keys = await DirectKeys.open(who, { ...AT });
    const request = { requesterId: requester.certificate.id, nonce: await directNonce(h) };
    return (await createLiveBundle(who, keys.book.prekeys, request)).encoded;
  };
  const good = await bundleOf(alice, bob, H);
  const cases: Record<string, Bytes> = {
    "another link": await bundleOf(alice, bob, OTHER_H),
    "another caller": await bundleOf(alice, carol, H),
    "another person": await bundleOf(carol, bob, H),
    "a changed byte": flippedEnd(good),
  };
  for (const [what, bundle] of Object.entries(cases)) {
    const caller = await End.of("caller", bob, alice.certificate);
    await caller.handle({ kind: "start", ...AT });
    await caller.hear(encodeDirectMessage({ t: "keys" }, bundle));
    assertEquals([what, fate(caller)], [what, "refusedKeys refusedCertificate"]);
    assertEquals(caller.outbox, [], what);
    assertNothingWasLearnt(caller);
  }
  await verifyLiveBundle(good, {
    expectFingerprint: alice.certificate.fingerprint,
    requesterId: bob.certificate.id,
    nonce: await directNonce(H),
    ...AT,
  });
});

Deno.test("a listener takes nothing but a first box for the prekey of this very link, by the caller of this link", async () => {
  const [alice, bob, carol] = [await somebody("alice"), await somebody("bob"), await somebody("carol")];
  const earlier = await DirectPair.of({ people: [alice, bob] });
  const recorded: Bytes[] = [];
  earlier.between = (packet, from) => {
    if (from === "caller") recorded.push(packet);
    return [packet];
  };
  await earlier.start();
  await earlier.type("caller", "old");
  for (const packet of recorded.filter((sent) => kindOf(sent) === "box")) {
    const listener = await End.of("listener", alice, bob.certificate, { h: OTHER_H });
    await listener.handle({ kind: "start", ...AT });
    await listener.hear(packet);
    assertEquals(fate(listener), "refusedKeys refusedCertificate");
    assertEquals(listener.all("secured"), []);
  }
  // Carol stands at the other end and passes on what bob says on a link of his own.
  const listener = await End.of("listener", await somebody("alice"), carol.certificate);
  const caller = await End.of("caller", bob, listener.who.certificate);
  await listener.handle({ kind: "start", ...AT });
  await caller.handle({ kind: "start", ...AT });
  await caller.hear(listener.outbox[0] as Bytes);
  assertEquals([fate(caller), caller.outbox], ["refusedKeys refusedCertificate", []]);
  assertNothingWasLearnt(listener);
});

Deno.test("a greeting under the keys of a relay's bundle, or sealed by a third person, is refused", async () => {
  const [alice, bob, carol] = [await somebody("alice"), await somebody("bob"), await somebody("carol")];
  const listener = await End.of("listener", alice, bob.certificate);
  await listener.handle({ kind: "start", ...AT });
  const stored = lvCat(await encodeBundle(alice, listener.keys.book.prekeys), new Uint8Array(0));
  const fromRelay = await verifyBundle(stored, { expectFingerprint: alice.certificate.fingerprint, ...AT });
  const [given] = listener.said;
  assert(given?.message.t === "keys");
  const ofThisLink = await verifyLiveBundle(given.body, {
    expectFingerprint: alice.certificate.fingerprint,
    requesterId: bob.certificate.id,
    nonce: await directNonce(H),
    ...AT,
  });
  for (const [who, bundle] of [[bob, fromRelay], [carol, ofThisLink]] as const) {
    const victim = await End.of("listener", alice, bob.certificate);
    await victim.handle({ kind: "start", ...AT });
    const { book } = await DirectKeys.open(who, AT);
    const sessions = book.peer(alice.certificate.fingerprint);
    const own = victim.said[0]?.body as Bytes;
    const made = who === carol ? { ...bundle, oneTimePrekey: oneTimePrekeyOf(own) } : bundle;
    await sessions.startFrom(made, AT);
    await victim.hear(encodeDirectMessage({ t: "box" }, await sessions.seal(encodeGreeting(H), AT)));
    assertEquals(fate(victim), "refusedKeys refusedCertificate");
    assertEquals(victim.all("secured"), []);
  }
});

/** The last two fields of a live bundle before its signature: id and public key. */
function oneTimePrekeyOf(bundle: Bytes): { id: number; publicBytes: Bytes } {
  const fields = bundle.slice(0, -64);
  const id = new DataView(fields.buffer).getUint32(fields.length - 40);
  return { id, publicBytes: fields.slice(-32) };
}

for (const side of ["listener", "caller"] as const) {
  Deno.test(`a greeting for another link, and a text in its place, are refused: ${side}`, async () => {
    const greetings = [[encodeGreeting(OTHER_H), "refusedKeys refusedCertificate"], [
      encodeContent({ kind: "text", id: "0".repeat(32), room: null, sentAtMs: START_MS, text: "hi" }),
      "DecodeError",
    ]] as const;
    for (const [plaintext, expected] of greetings) {
      const pair = await DirectPair.of();
      const attacker = side === "listener" ? pair.caller : pair.listener;
      const victim = pair[side];
      pair.between = (packet, from) => from === side || kindOf(packet) !== "box" ? [packet] : [];
      await pair.start();
      const sessions = attacker.keys.book.peer(victim.who.certificate.fingerprint);
      await victim.hear(encodeDirectMessage({ t: "box" }, await sessions.seal(plaintext, AT)));
      assertEquals(fate(victim), expected);
      assertEquals(victim.all("secured"), []);
    }
  });
}

Deno.test("a peer cannot have a box opened here that was meant for somebody's inbox on a relay", async () => {
  const [alice, bob, carol] = [await somebody("alice"), await somebody("bob"), await somebody("carol")];
  const withCarol = await DirectPair.of({ people: [alice, carol] });
  await withCarol.start();
  await withCarol.caller.type("for alice's inbox");
  const [inboxBox] = withCarol.caller.outbox.splice(0) as [Bytes];
  const pair = await DirectPair.of({ people: [alice, bob] });
  await pair.start();
  const before = encodeHex(new Uint8Array(await crypto.subtle.digest("SHA-256", lastSessionsOf(alice))));
  await pair.listener.hear(inboxBox);
  assertInstanceOf(pair.listener.failure, ProtocolError);
  assertEquals(encodeHex(new Uint8Array(await crypto.subtle.digest("SHA-256", lastSessionsOf(alice)))), before);
  const again = await End.of("listener", alice, carol.certificate);
  const opened = await again.keys.book.open(decodeDirectMessage(decodePacket(inboxBox)).body, AT);
  assertEquals(opened.kind, "opened", "it is still there to be read");
});

function lastSessionsOf({ kept }: Somebody): Bytes {
  return concat(...kept.state.sessions?.peers ?? []);
}

Deno.test("a text that says it belongs to a room ends the link and is not shown", async () => {
  const pair = await DirectPair.of();
  await pair.start();
  const { listener, caller } = pair;
  const plaintext = encodeContent({
    kind: "text",
    id: "0".repeat(32),
    sentAtMs: START_MS,
    text: "hi",
    claims: { m: 1, tally: { count: 0, digest: new Uint8Array(32) } },
  });
  const box = await caller.keys.book.peer(listener.who.certificate.fingerprint).seal(plaintext, AT);
  await listener.hear(encodeDirectMessage({ t: "box" }, box));
  assertInstanceOf(listener.failure, ProtocolError);
  assertEquals(listener.texts, []);
});

Deno.test("a right code makes both verified, and stays so", async () => {
  const pair = await DirectPair.of({ words: WORDS });
  await pair.start();
  for (const end of [pair.listener, pair.caller]) {
    assertEquals(end.all("secured").map(({ trust }) => trust), ["verified"]);
    assertEquals(end.chat.hasSpentCode, false);
  }
  assertEquals(pair.listener.events.map(({ type }) => type), ["peerJoined", "secured"]);
  const again = await DirectPair.of({ people: [pair.listener.who, pair.caller.who] });
  await again.start();
  assertEquals(again.listener.all("secured")[0]?.trust, "verified");
});

Deno.test("a right code accepts a key that changed", async () => {
  const [alice, bob, other] = [await somebody("alice"), await somebody("bob"), await somebody("bob")];
  await (await DirectPair.of({ people: [alice, bob] })).start();
  const pair = await DirectPair.of({ people: [alice, other], words: WORDS });
  await pair.start();
  assertEquals(pair.listener.all("secured")[0]?.trust, "verified");
});

Deno.test("a wrong code is burnt on both sides after one guess, and no keys are given", async () => {
  const pair = await DirectPair.of({ words: WORDS, callerWords: OTHER_WORDS });
  const said: string[] = [];
  pair.between = (packet, from) => {
    said.push(`${from} ${kindOf(packet)}`);
    return [packet];
  };
  await pair.start();
  assertEquals(said, ["listener code", "caller opening", "listener answer"]);
  assertEquals(fate(pair.caller), "wrongCode noSession");
  assertEquals([pair.listener.chat.hasSpentCode, pair.caller.chat.hasSpentCode], [true, true]);
  assertEquals(pair.caller.events.map(({ type }) => type), ["wrongCode"]);
  await pair.listener.handle({ kind: "tick", nowMs: START_MS + SECURE_TIMEOUT_MS });
  assertEquals(fate(pair.listener), "noAnswer noSession");
  assertNothingWasLearnt(pair.listener, pair.caller);
});

Deno.test("two who know the code, but on two links, do not agree", async () => {
  const [alice, bob] = [await somebody("alice"), await somebody("bob")];
  // As if somebody in between had both static keys: certificates and words fit, the links are two.
  const listener = await End.of("listener", alice, bob.certificate, { words: WORDS, h: H });
  const caller = await End.of("caller", bob, alice.certificate, { words: WORDS, h: OTHER_H });
  await new DirectPair(listener, caller).start();
  assertEquals(fate(caller), "wrongCode noSession");
  assertEquals(listener.chat.hasSpentCode, true);
  assertNothingWasLearnt(listener, caller);
});

Deno.test("somebody between two links with the right caller and the right listener gets neither", async () => {
  const [alice, bob, mallory] = [await somebody("alice"), await somebody("bob"), await somebody("mallory")];
  // Mallory's own certificate on both links, as Noise proves it; h differs.
  const listener = await End.of("listener", alice, mallory.certificate, { words: WORDS, h: H });
  const caller = await End.of("caller", bob, mallory.certificate, { words: WORDS, h: OTHER_H });
  const middle = new DirectPair(listener, caller);
  await middle.start();
  assertEquals(fate(caller), "wrongCode noSession");
  assertEquals(listener.chat.hasSpentCode, true);
  assertNothingWasLearnt(listener, caller);
});

Deno.test("who knows the code cannot pass for another than the one whom the link proved", async () => {
  const [alice, bob, mallory] = [await somebody("alice"), await somebody("bob"), await somebody("mallory")];
  const listener = await End.of("listener", alice, mallory.certificate, { words: WORDS });
  const caller = await End.of("caller", bob, alice.certificate, { words: WORDS }); // bob's card under the code
  await new DirectPair(listener, caller).start();
  assertEquals(fate(listener), "wrongCode noSession");
  assertNothingWasLearnt(listener);
});

Deno.test("a message of the code that is dropped, changed or reflected ends both in a state with a name", async () => {
  const steps: readonly [string, DirectSide][] = [["opening", "caller"], ["answer", "listener"], ["tag", "caller"]];
  for (const [kind, from] of steps) {
    for (const what of ["dropped", "changed", "twice"] as const) {
      const pair = await DirectPair.of({ words: WORDS });
      pair.between = (packet) => {
        if (kindOf(packet) !== kind) return [packet];
        return what === "dropped" ? [] : what === "changed" ? [flippedEnd(packet)] : [packet, packet];
      };
      await pair.start();
      const receiver = from === "caller" ? pair.listener : pair.caller;
      const sender = from === "caller" ? pair.caller : pair.listener;
      const title = `${kind} ${what}`;
      if (what === "dropped") assertEquals([title, fate(receiver)], [title, "waiting"]);
      if (what === "twice") assertEquals([title, fate(receiver)], [title, "ProtocolError"]);
      for (const end of [receiver, sender]) {
        await end.handle({ kind: "tick", nowMs: START_MS + SECURE_TIMEOUT_MS });
        assert(["ProtocolError", "wrongCode noSession", "noAnswer noSession", "noAnswer linkLost"].includes(fate(end)));
        assertEquals([title, end.all("secured")], [title, []]);
      }
      assertEquals([title, sender.chat.hasSpentCode], [title, true]);
    }
  }
});

Deno.test("a listener whose own words come back to it agrees with nobody", async () => {
  const pair = await DirectPair.of({ words: WORDS });
  const { listener } = pair;
  await listener.handle({ kind: "start", ...AT });
  await listener.hear(listener.outbox[0] as Bytes); // its demand
  assertEquals(fate(listener), "ProtocolError");

  const mirror = await DirectPair.of({ words: WORDS });
  mirror.between = (packet, from) => from === "caller" || kindOf(packet) === "code" ? [packet] : [];
  await mirror.listener.handle({ kind: "start", ...AT });
  await mirror.caller.hear(mirror.listener.outbox.splice(0)[0] as Bytes);
  const [opening] = mirror.caller.outbox.splice(0) as [Bytes];
  await mirror.caller.hear(opening); // the caller's own share
  assertEquals(fate(mirror.caller), "ProtocolError");
  await mirror.listener.hear(opening);
  const answer = decodeDirectMessage(decodePacket(mirror.listener.outbox[0] as Bytes));
  await mirror.listener.hear(encodeDirectMessage({ t: "tag" }, answer.body.slice(-64))); // the listener's own tag
  assertEquals(fate(mirror.listener), "wrongCode noSession");
});

Deno.test("an old transcript is worth nothing on a new link", async () => {
  const people = [await somebody("alice"), await somebody("bob")] as const;
  const recorded: Bytes[] = [];
  const pair = await DirectPair.of({ words: WORDS, people });
  pair.between = (packet, from) => {
    if (from === "caller") recorded.push(packet);
    return [packet];
  };
  await pair.start();
  const listener = await End.of("listener", people[0], people[1].certificate, { words: WORDS });
  await listener.handle({ kind: "start", ...AT });
  for (const packet of recorded) await listener.hear(packet);
  assertEquals(fate(listener), "wrongCode noSession");
});

Deno.test("a code on one side alone is said, spends nothing, and nothing else is", async () => {
  const demanded = await DirectPair.of({ words: WORDS, callerWords: undefined });
  await demanded.start();
  assertEquals([fate(demanded.caller), fate(demanded.listener)], ["codeMissing noSession", "waiting"]);
  assertEquals(demanded.listener.chat.hasSpentCode, false);

  const people = [await somebody("alice"), await somebody("bob")] as const;
  const listener = await End.of("listener", people[0], people[1].certificate);
  const caller = await End.of("caller", people[1], people[0].certificate, { words: WORDS });
  await new DirectPair(listener, caller).start();
  assertEquals([fate(caller), fate(listener)], ["codeIgnored noSession", "waiting"]);
  assertEquals(caller.chat.hasSpentCode, false);
  assertNothingWasLearnt(listener, caller);
});

Deno.test("what comes out of turn before the link is secured ends it", async () => {
  for (const words of [undefined, WORDS]) {
    for (const side of ["listener", "caller"] as const) {
      for (const t of ["box", "tag", "answer", "taken"] as const) {
        const end = (await DirectPair.of(words && { words }))[side];
        assertInstanceOf(end.chat, DirectChat);
        await end.handle({ kind: "start", ...AT });
        await end.hear(encodeDirectMessage(t === "taken" ? { t, box: "0".repeat(64) } : { t }));
        const isEmptyBox = side === "listener" && t === "box" && words === undefined;
        assertEquals(end.failure?.name, isEmptyBox ? "DecodeError" : "ProtocolError", `${side} ${t}`);
      }
    }
  }
});

Deno.test("a code that gives a verified name to another key says so, and none takes back a distrust", async () => {
  const [alice, bob, other] = [await somebody("alice"), await somebody("bob"), await somebody("bob")];
  await (await DirectPair.of({ words: WORDS, people: [alice, bob] })).start();
  const second = await DirectPair.of({ words: WORDS, people: [alice, other] });
  await second.start();
  assertEquals(second.listener.all("secured")[0]?.trust, "verified");
  assertEquals(second.listener.all("notice").map(({ code }) => code), ["nameMoved"]);
  await second.type("listener", "/distrust bob");
  const third = await DirectPair.of({ words: WORDS, people: [alice, other] });
  await third.start();
  assertEquals(third.listener.all("secured").map(({ trust, distrusted }) => [trust, distrusted]), [["changed", true]]);
  assertEquals(third.listener.all("notice").map(({ code }) => code), ["distrusted"]);
});

Deno.test("whoever knocks with a greeting of another link leaves no session behind", async () => {
  const [alice, eve] = [await somebody("alice"), await somebody("eve")];
  const [keys, eveKeys] = await Promise.all([alice, eve].map((one) => DirectKeys.open(one, { nowMs: START_MS })));
  assert(keys !== undefined && eveKeys !== undefined);
  const chat = new DirectChat({ side: "listener", keys, peer: eve.certificate, handshakeHash: H });
  const given = (await chat.handle({ kind: "start", nowMs: START_MS })).find((effect) => effect.kind === "send");
  assert(given?.kind === "send");
  const { body } = decodeDirectMessage(decodePacket(given.packet));
  const bundle = await verifyLiveBundle(body, {
    expectFingerprint: alice.certificate.fingerprint,
    nowMs: START_MS,
    requesterId: eve.certificate.id,
    nonce: await directNonce(H),
  });
  const sessions = eveKeys.book.peer(alice.certificate.fingerprint);
  await sessions.startFrom(bundle, { nowMs: START_MS });
  const box = await sessions.seal(encodeGreeting(new Uint8Array(32).fill(9)), { nowMs: START_MS });
  await chat.handle({ kind: "packet", packet: { message: { t: "box" }, body: box }, nowMs: START_MS });
  assertEquals(chat.refusal?.why, "refusedKeys");
  assertEquals(keys.book.hasSessionWith(eve.certificate.fingerprint), false);
  const rows = keys.takeChanges()?.sessions.peers.filter(({ encoded }) => encoded !== undefined);
  assertEquals(rows, []);
});
