// Aim: two cores on a direct link talk, keep what they said until it is taken, and know each other the next time.
import { assert, assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { ProtocolError } from "../../lib/bytes/errors.ts";
import { type Bytes, lvCat } from "../../lib/bytes/writer.ts";
import { DIRECT_LEAVE_TIMEOUT_MS, SECURE_TIMEOUT_MS } from "../../lib/chat/direct.ts";
import { encodeDirectMessage } from "../../lib/chat/direct_messages.ts";
import { OUTGOING_MAX } from "../../lib/chat/outgoing.ts";
import { encodeBundle, verifyBundle } from "../../lib/e2ee/bundle.ts";
import type { PeerSessions } from "../../lib/e2ee/sessions.ts";
import { START_MS } from "../support/fake_net.ts";
import { DirectPair, somebody } from "./_direct_pair.ts";

async function talking(options: Parameters<typeof DirectPair.of>[0] = {}): Promise<DirectPair> {
  const pair = await DirectPair.of(options);
  await pair.start();
  assert(pair.listener.chat.isSecured && pair.caller.chat.isSecured);
  return pair;
}

Deno.test("DirectChat secures the link before anything is said, and both talk", async () => {
  const pair = await talking();
  const { listener: alice, caller: bob } = pair;
  assertEquals(alice.events, [{
    type: "secured",
    with: "bob",
    fingerprint: bob.who.certificate.fingerprint,
    trust: "new",
    path: "direct",
  }]);
  assertEquals(bob.all("secured").map((event) => event.with), ["alice"]);
  await pair.type("listener", "hello bob");
  await pair.type("caller", "hello alice");
  assertEquals(bob.texts, ["hello bob"]);
  assertEquals(alice.texts, ["hello alice"]);
  assertEquals(bob.all("message")[0]?.place, { to: "bob" });
  assertEquals(alice.all("accepted").map(({ id, text, place }) => ({ id, text, place })), [
    { id: bob.all("message")[0]?.id as string, text: "hello bob", place: { to: "bob" } },
  ]);
  assertEquals(alice.chat.unsent(), []);
});

Deno.test("DirectChat takes no input before the link is secured", async () => {
  const pair = await DirectPair.of();
  await pair.listener.handle({ kind: "start", nowMs: START_MS });
  assertEquals([pair.listener.chat.takesInput, pair.caller.chat.takesInput], [false, false]);
  await pair.carry();
  assertEquals([pair.listener.chat.takesInput, pair.caller.chat.takesInput], [true, true]);
});

Deno.test("DirectChat settles lines in whatever order the other side takes them", async () => {
  const pair = await talking();
  const { listener: alice, caller: bob } = pair;
  for (const text of ["one", "two", "three"]) await alice.type(text);
  for (const packet of alice.outbox.splice(0)) await bob.hear(packet);
  assertEquals(bob.texts, ["one", "two", "three"]);
  const [first, second, third] = bob.outbox.splice(0) as [Bytes, Bytes, Bytes];
  await alice.hear(third);
  await alice.hear(first);
  assertEquals(alice.all("accepted").map(({ text }) => text), ["three", "one"]);
  assertEquals(alice.chat.unsent().map(({ text }) => text), ["two"]);
  await alice.hear(third); // a repeat, and a box that was never sent
  await alice.hear(encodeDirectMessage({ t: "taken", box: "0".repeat(64) }));
  assertEquals(alice.chat.unsent().map(({ text }) => text), ["two"]);
  await alice.hear(second);
  assertEquals(alice.chat.unsent(), []);
});

Deno.test("DirectChat shows a repeated box once and answers it again", async () => {
  const pair = await talking({ between: (packet) => [packet] });
  const { listener: alice, caller: bob } = pair;
  await alice.type("once");
  const [packet] = alice.outbox.splice(0) as [Bytes];
  await bob.hear(packet);
  const [answer] = bob.outbox.splice(0);
  await bob.hear(packet);
  assertEquals(bob.texts, ["once"]);
  assertEquals(bob.outbox, [answer as Bytes]);
});

Deno.test("DirectChat ends the link at a changed box, and shows nothing of it", async () => {
  const pair = await talking();
  await pair.listener.type("secret");
  const [packet] = pair.listener.outbox.splice(0) as [Bytes];
  packet[packet.length - 1] = (packet.at(-1) as number) ^ 1;
  await pair.caller.hear(packet);
  assertInstanceOf(pair.caller.failure, ProtocolError);
  assertEquals(pair.caller.texts, []);
});

Deno.test("DirectChat takes no message of the beginning once it is secured", async () => {
  for (const message of [{ t: "keys" }, { t: "tag" }, { t: "answer" }, { t: "code", sid: "0".repeat(32) }] as const) {
    const { caller } = await talking();
    await caller.hear(encodeDirectMessage(message));
    assertInstanceOf(caller.failure, ProtocolError, message.t);
  }
});

Deno.test("DirectChat stops taking input while too much is on its way", async () => {
  const { listener: alice } = await talking();
  for (let i = 0; i < OUTGOING_MAX; i++) await alice.type(`line ${i}`);
  assertEquals(alice.chat.takesInput, false);
  assertEquals(alice.chat.unsent().length, OUTGOING_MAX);
});

Deno.test("DirectChat sends long lines only as fast as the other side keeps them", async () => {
  const pair = await talking();
  const { listener: alice, caller: bob } = pair;
  const long = "x".repeat(16_000);
  for (let i = 0; i < 80; i++) await alice.type(long);
  assert(alice.outbox.length < 80, `${alice.outbox.length} are on their way`);
  await pair.carry();
  assertEquals(bob.texts.length, 80);
  assertEquals(alice.chat.unsent(), []);
});

Deno.test("DirectChat refuses what is too long, for a room, or for a relay, and says so", async () => {
  const { listener: alice } = await talking();
  await alice.type("x".repeat(16_385));
  await alice.handle({ kind: "command", command: { kind: "say", text: "hi", room: "lobby" }, nowMs: START_MS, ref: 7 });
  await alice.type("/users");
  await alice.type("/pm bob hi");
  assertEquals(alice.outbox, []);
  assertEquals(alice.all("error").map(({ code, ref }) => [code, ref]), [
    ["tooLong", undefined],
    ["badLine", 7],
    ["badLine", undefined],
    ["badLine", undefined],
  ]);
  assertStringIncludes(alice.all("error")[2]?.message ?? "", "direct link");
});

Deno.test("DirectChat answers the commands about keys", async () => {
  const pair = await talking();
  for (const line of ["/help", "/fingerprint", "/peers", "/verify bob", "/verify bob yes"]) {
    await pair.listener.type(line);
  }
  assertEquals(pair.listener.all("notice").map(({ code }) => code), [
    "help",
    "fingerprint",
    "safetyNumber",
    "verified",
  ]);
  assertEquals(pair.listener.all("notice")[0]?.text.includes("/users"), false);
  assertEquals(pair.listener.all("peers")[0]?.peers.map(({ handle }) => handle), ["bob"]);
  await pair.type("caller", "hi");
  assertEquals(pair.listener.all("message")[0]?.trust, "verified");
});

Deno.test("DirectChat knows the one it talked to before, with or without their state", async () => {
  const [alice, bob] = [await somebody("alice"), await somebody("bob")];
  const first = await talking({ people: [alice, bob] });
  await first.type("caller", "one");
  for (const people of [[alice, bob], [bob, alice]] as const) {
    const pair = await talking({ people });
    assertEquals(pair.listener.all("secured")[0]?.trust, "known");
    assertEquals(pair.caller.all("secured")[0]?.trust, "known");
    await pair.type("caller", "two");
    await pair.type("listener", "three");
    assertEquals([pair.listener.texts, pair.caller.texts], [["two"], ["three"]]);
  }
  const lost = await somebody("alice");
  const pair = await talking({ people: [{ ...alice, kept: lost.kept }, bob] });
  await pair.type("listener", "I lost everything but my keys");
  assertEquals(pair.caller.texts.length, 1);
});

Deno.test("DirectChat writes on the link's session, whatever an unanswered one of a relay would say", async () => {
  const [alice, bob] = [await somebody("alice"), await somebody("bob")];
  const pair = await DirectPair.of({ people: [alice, bob] });
  const { book } = pair.listener.keys;
  const stored = lvCat(await encodeBundle(bob, pair.caller.keys.book.prekeys), new Uint8Array(0));
  const bundle = await verifyBundle(stored, { expectFingerprint: bob.certificate.fingerprint, nowMs: START_MS });
  const sessions = book.peer(bob.certificate.fingerprint);
  // Of first messages that cross, the one whose key sorts first wins: this one nearly always would.
  do await sessions.startFrom(bundle, { nowMs: START_MS }); while (ephemeralOf(sessions) >= 4);
  await pair.start();
  await pair.type("listener", "hello");
  assertEquals(pair.caller.texts, ["hello"]);
});

function ephemeralOf(sessions: PeerSessions): number {
  return sessions.state.sessions[0]?.ephemeralPublic[0] as number;
}

Deno.test("DirectChat sends nothing to a key whose name belonged to another, until the person lets it", async () => {
  const [alice, bob, other] = [await somebody("alice"), await somebody("bob"), await somebody("bob")];
  await talking({ people: [alice, bob] });
  const pair = await talking({ people: [alice, other] });
  assertEquals(pair.listener.all("secured")[0]?.trust, "changed");
  assertEquals(pair.listener.all("notice").map(({ code }) => code), ["keyChanged"]);
  await pair.type("listener", "a secret for bob");
  assertEquals(pair.listener.all("error").map(({ code }) => code), ["keyChanged"]);
  assertEquals(pair.caller.texts, []);
  await pair.type("caller", "it is me");
  assertEquals(pair.listener.all("message").map(({ trust }) => trust), ["changed"]);
  await pair.type("listener", "/trust bob");
  await pair.type("listener", "welcome back");
  assertEquals(pair.caller.texts, ["welcome back"]);
});

Deno.test("DirectChat at /distrust drops what waits and names it", async () => {
  const { listener: alice } = await talking();
  for (let i = 0; i < 80; i++) await alice.type("x".repeat(16_000));
  const sent = alice.outbox.length;
  await alice.type("/distrust bob");
  assertEquals(alice.outbox.length, sent);
  assertEquals(alice.chat.unsent().length, sent);
  assertEquals(alice.all("error").map(({ code }) => code), Array(80 - sent).fill("keyChanged"));
});

Deno.test("DirectChat at /quit waits for what is on its way, but not for ever", async () => {
  const pair = await talking();
  const { listener: alice } = pair;
  await alice.type("last words");
  await alice.type("/quit");
  assertEquals(alice.hasFinished, false);
  await pair.carry();
  assertEquals(alice.hasFinished, true);

  const { listener: late } = await talking();
  await late.type("nobody takes this");
  await late.type("/quit");
  await late.handle({ kind: "tick", nowMs: START_MS + DIRECT_LEAVE_TIMEOUT_MS - 1 });
  assertEquals(late.hasFinished, false);
  await late.handle({ kind: "tick", nowMs: START_MS + DIRECT_LEAVE_TIMEOUT_MS });
  assertEquals(late.hasFinished, true);
  assertEquals(late.chat.unsent().map(({ text }) => text), ["nobody takes this"]);
});

for (const side of ["listener", "caller"] as const) {
  Deno.test(`DirectChat gives a silent peer ten seconds: ${side}`, async () => {
    const end = (await DirectPair.of())[side];
    await end.handle({ kind: "start", nowMs: START_MS });
    assertEquals(end.wakeAtMs, START_MS + SECURE_TIMEOUT_MS);
    await end.handle({ kind: "tick", nowMs: START_MS + SECURE_TIMEOUT_MS });
    assertEquals([end.hasFinished, end.chat.refusal?.why, end.chat.refusal?.error.code], [
      true,
      "noAnswer",
      "linkLost",
    ]);
    assertEquals(end.events, []);
  });
}

Deno.test("DirectChat points out a clock that is off, once", async () => {
  const pair = await talking();
  const { listener: alice, caller: bob } = pair;
  await bob.type("from the past", START_MS - 600_000);
  await bob.type("again", START_MS - 600_000);
  await pair.carry();
  assertEquals(alice.all("notice").map(({ code }) => code), ["clockSkew"]);
});
