// Aim: two people who share a code become one session that both are shown as verified, and whatever else can happen to
// a code has a name, a sentence and an end.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { AGREE_TIMEOUT_MS, CODE_LIFE_MS, WATCHED_MAX } from "../../lib/chat/code_sessions.ts";
import { MAILBOX_LIFE_MS, MAILBOX_REQUESTS_BURST } from "../../lib/relay/mailboxes.ts";
import { codeOf, creates, joins, storyOf, withOtherWords } from "../support/code_sessions.ts";
import { FakeNet } from "../support/fake_net.ts";

Deno.test("two people meet by a code and talk; when one quits the other is told and ends", async () => {
  const net = await FakeNet.create();
  const { client: ben, code } = await creates(net, "ben");
  assertMatch(code, /^[0-9A-Z]{4}(-[a-z]{3,8}){3}$/);
  assertEquals(ben.all("waiting")[0]?.expiresAt, net.nowMs + CODE_LIFE_MS);
  const ada = await joins(net, "ada", code);
  assertEquals(storyOf(ada), ["secured"]);
  assertEquals(storyOf(ben), ["waiting", "peerJoined", "secured"]);
  assertEquals(ben.all("secured"), [
    { type: "secured", with: "ada", fingerprint: ada.fingerprint, trust: "verified", path: "relay" },
  ]);
  assertEquals(ada.all("secured")[0]?.fingerprint, ben.fingerprint);
  await ada.type("hello ben", "r1");
  await ben.type("hello ada");
  await ada.type("bye");
  assertEquals([ada.texts, ben.texts], [["hello ada"], ["hello ben", "bye"]]);
  const [message] = ben.all("message");
  assertEquals([message?.from, message?.trust, message?.place], ["ada", "verified", { to: "ben" }]);
  assertEquals(ada.all("accepted").map(({ place, ref }) => [place, ref]), [
    [{ to: "ben" }, "r1"],
    [{ to: "ben" }, undefined],
  ]);
  await ada.type("/quit");
  assertEquals([ada.hasFinished, ada.finishError], [true, undefined]);
  assertEquals([ben.hasFinished, ben.finishError], [true, undefined]);
  assertEquals(ben.all("notice").at(-1)?.text, "ada left the session");
});

Deno.test("the words of a code never reach the relay, nor do texts", async () => {
  const net = await FakeNet.create();
  const { client: ben, code } = await creates(net, "ben");
  const ada = await joins(net, "ada", code);
  await ada.type("a secret text");
  assertEquals(ben.texts, ["a secret text"]);
  // Without what every header says: some of these words are in the list, too, such as "mail", "message" and "room".
  const seen = net.sent.map(({ packet: { message, body } }) => {
    const values = Object.entries(message).filter(([name]) => name !== "t" && name !== "kind").map(([, value]) =>
      value
    );
    return JSON.stringify(values).replace(/"(room|inbox)\//, "") + new TextDecoder().decode(body);
  });
  for (const word of [...code.split("-").slice(1), "a secret text"]) {
    assert(!seen.some((text) => text.includes(word)), word);
  }
});

Deno.test("inside the chat a code makes a verified peer, and /pm writes to them", async () => {
  const net = await FakeNet.create();
  const ada = await net.join("ada", { room: "one" });
  const ben = await net.join("ben", { room: "two" });
  await ben.type("/session create", "c1");
  assertEquals(ben.all("waiting")[0]?.ref, "c1");
  await ada.type(`/session join ${codeOf(ben).toLowerCase().replaceAll("-", " ")}`);
  assertEquals([ada.all("secured")[0]?.with, ben.all("secured")[0]?.with], ["ben", "ada"]);
  assertStringIncludes(ada.all("notice").at(-1)?.text ?? "", "/pm ben");
  await ada.type("/pm ben hello");
  await ben.type("/pm ada good day");
  assertEquals(ben.all("message").map(({ trust, text }) => [trust, text]), [["verified", "hello"]]);
  assertEquals(ada.all("message").map(({ trust, text }) => [trust, text]), [["verified", "good day"]]);
  await ada.drop("quit");
  assertEquals(ben.all("notice").at(-1)?.code, "peerLeft");
  assert(!ben.hasFinished, "the chat goes on");
});

Deno.test("somebody in a chat and somebody there for the session alone meet as well", async () => {
  const net = await FakeNet.create();
  const carol = await net.join("carol");
  await carol.type("/session create");
  const dan = await joins(net, "dan", codeOf(carol));
  await dan.type("hi");
  await carol.type("/pm dan hi yourself");
  assertEquals([carol.texts, dan.texts], [["hi"], ["hi yourself"]]);
  await carol.drop("lost");
  assertEquals([dan.hasFinished, dan.finishError?.code], [true, "linkLost"]);
});

Deno.test("the same two meet again without a code, verified, on this relay and on another", async () => {
  const net = await FakeNet.create();
  const { client: ben, code } = await creates(net, "ben");
  const ada = await joins(net, "ada", code);
  await ada.type("/quit");
  const again = [await net.restart(ada), await net.restart(ben)] as const;
  await again[0].type("/pm ben again");
  assertEquals(again[1].all("message").map(({ trust, text }) => [trust, text]), [["verified", "again"]]);
  for (const one of again) await one.drop("quit");
  const other = await FakeNet.create();
  other.nowMs = net.nowMs;
  const adaThere = await other.join("ada", { ...ada, kept: again[0].kept });
  const benThere = await other.join("ben", { ...ben, kept: again[1].kept });
  await benThere.type("/pm ada and here");
  assertEquals(adaThere.all("message").map(({ trust, text }) => [trust, text]), [["verified", "and here"]]);
});

Deno.test("a wrong code burns it on both sides: the right one comes too late", async () => {
  const net = await FakeNet.create();
  const { client: ben, code } = await creates(net, "ben");
  const ada = await joins(net, "ada", withOtherWords(code));
  assertEquals(storyOf(ada), ["wrongCode", "finish: noSession"]);
  assertEquals(storyOf(ben), ["waiting", "peerJoined", "wrongCode", "finish: noSession"]);
  assertStringIncludes(ben.finishError?.message ?? "", "somebody guessed");
  const late = await joins(net, "late", code);
  assertEquals(storyOf(late), ["taken", "finish: noSession"]);
});

Deno.test("a third is told that the session is taken, while it runs and after it", async () => {
  const net = await FakeNet.create();
  const { client: ben, code } = await creates(net, "ben");
  const ada = await joins(net, "ada", code);
  assertEquals(storyOf(await joins(net, "carol", code)), ["taken", "finish: noSession"]);
  await ada.type("still ours");
  assertEquals(ben.texts, ["still ours"]);
  await ada.type("/quit");
  const dan = await joins(net, "dan", code);
  assertEquals(storyOf(dan), ["taken", "finish: noSession"]);
  assertStringIncludes(dan.finishError?.message ?? "", "somebody else took it");
});

Deno.test("after ten minutes a code is gone, and whoever comes late hears why", async () => {
  const net = await FakeNet.create();
  const { client: ben, code } = await creates(net, "ben");
  await net.advance(CODE_LIFE_MS - 1_000);
  assertEquals(storyOf(ben), ["waiting"]);
  await net.advance(1_000);
  assertEquals(storyOf(ben), ["waiting", "expired", "finish: noSession"]);
  assertEquals(storyOf(await joins(net, "ada", code)), ["expired", "finish: noSession"]);
  await net.advance(MAILBOX_LIFE_MS);
  const later = await joins(net, "later", code);
  assertEquals(storyOf(later), ["finish: noSession"]);
  assertStringIncludes(later.finishError?.message ?? "", "no session under that code");
});

Deno.test("a client gives its code up in time although the relay says nothing", async () => {
  const net = await FakeNet.create();
  const { client: ben } = await creates(net, "ben");
  net.tamper = () => [];
  await net.advance(CODE_LIFE_MS);
  assertEquals(storyOf(ben), ["waiting", "expired", "finish: noSession"]);
});

Deno.test("a typo is named before anything is sent", async () => {
  const net = await FakeNet.create();
  const ada = await net.join("ada");
  const before = net.sent.length;
  await ada.type("/session join 7KQ2-able-sunst-violin");
  await ada.type("/session join 7KQ2-able-sunset");
  await ada.type("/session join 7KU2-able-sunset-violin");
  assertEquals(ada.all("error").map(({ code, message }) => [code, message]), [
    ["noSession", "Nothing was sent: word 2 is not in the list; did you mean sunset?"],
    ["noSession", "Nothing was sent: a code has four parts, this has 3"],
    ["noSession", "Nothing was sent: a code begins with four letters and digits"],
  ]);
  assertEquals(net.sent.length, before);
});

Deno.test("one session is made at a time; cancel gives it up and the code is nobody's", async () => {
  const net = await FakeNet.create();
  const [ada, ben] = [await net.join("ada"), await net.join("ben")];
  await ben.type("/session cancel");
  assertEquals(ben.all("error").at(-1)?.code, "badLine");
  await ben.type("/session create");
  const code = codeOf(ben);
  await ben.type("/session create");
  assertEquals(ben.all("error").at(-1)?.message, "Nothing was done: a session is being made");
  await ben.type("/session cancel");
  assertEquals(ben.all("error").at(-1)?.code, "noSession");
  await ada.type(`/session join ${code}`);
  assertEquals(ada.all("taken").length, 1);
  await ben.type("/session create");
  await ada.type(`/session join ${codeOf(ben)}`);
  assertEquals(ada.all("secured").length, 1);
});

Deno.test("a mailbox that comes after its session was cancelled is let go", async () => {
  const net = await FakeNet.create();
  const ben = await net.join("ben");
  await ben.enter("/session create");
  await ben.enter("/session cancel");
  await net.settle();
  assertEquals(ben.all("waiting"), []);
  assertEquals(net.sent.at(-1)?.packet.message.t, "leaveMailbox");
});

Deno.test("whoever goes before the words were checked is told of as gone, not as wrong", async () => {
  for (const [reason, text] of [["quit", "the other side left"], ["lost", "connection of the other side"]] as const) {
    const net = await FakeNet.create();
    const { client: ben, code } = await creates(net, "ben");
    const joining = joins(net, "ada", code);
    net.tamper = (packet, to) => packet.message.t === "mail" && to === ben ? [] : [packet]; // before its opening arrives
    const ada = await joining;
    await ada.drop(reason);
    assertEquals(storyOf(ben), ["waiting", "peerJoined", "finish: noSession"]);
    assertStringIncludes(ben.finishError?.message ?? "", text);
  }
});

Deno.test("whoever falls silent costs a minute, and the code is burnt", async () => {
  const net = await FakeNet.create();
  const { client: ben, code } = await creates(net, "ben");
  const ada = await joins(net, "ada", code, { silentFor: ["mail", "mailboxEnded"] });
  await net.advance(AGREE_TIMEOUT_MS - 1);
  assertEquals([storyOf(ada), storyOf(ben)], [[], ["waiting", "peerJoined"]]);
  await net.advance(1);
  assertEquals(storyOf(ada), ["finish: noSession"]);
  assertStringIncludes(ada.finishError?.message ?? "", "did not answer in time");
  assertEquals(storyOf(ben).at(-1), "finish: noSession");
});

Deno.test("a relay that is asked too often says so", async () => {
  const net = await FakeNet.create();
  const ada = await net.join("ada");
  for (let i = 0; i <= MAILBOX_REQUESTS_BURST; i++) await ada.type("/session join 7KQ2-able-sunset-violin");
  assertStringIncludes(ada.all("error")[0]?.message ?? "", "no session under that code");
  assertStringIncludes(ada.all("error").at(-1)?.message ?? "", "too many sessions");
});

Deno.test("a name that belonged to another key moves to the one that was met by a code, and that is told", async () => {
  const net = await FakeNet.create();
  const ada = await net.join("ada");
  const first = await net.join("ben");
  await first.drop("quit");
  await net.advance(120_000); // the name is free on the relay
  const second = await net.join("ben");
  assertEquals(ada.all("joined").at(-1)?.trust, "changed");
  await second.type("/session create");
  await ada.type(`/session join ${codeOf(second)}`);
  assertEquals(ada.all("secured")[0]?.trust, "verified");
  assertEquals(ada.notices.filter((code) => code === "nameMoved").length, 1);
  await ada.type("/pm ben hello");
  assertEquals(second.texts, ["hello"]);
});

Deno.test("a client watches a few sessions and lets the oldest go", async () => {
  const net = await FakeNet.create();
  const ben = await net.join("ben");
  const others = [];
  for (let i = 0; i <= WATCHED_MAX; i++) {
    await ben.type("/session create");
    others.push(await joins(net, `other${i}`, codeOf(ben)));
    await net.advance(60_000); // the relay lets nobody make many at once
  }
  assert(others[0]?.hasFinished);
  assertEquals(others.slice(1).map((other) => other.hasFinished), Array(WATCHED_MAX).fill(false));
});

Deno.test("a session in no room takes the commands that make sense there", async () => {
  const net = await FakeNet.create();
  const { client: ben, code } = await creates(net, "ben");
  const ada = await joins(net, "ada", code);
  await ada.type("/users");
  await ada.type("/session create");
  await ada.command({ kind: "say", text: "to a room", room: "lobby" });
  await net.settle();
  assertEquals(ada.all("error").map((error) => error.code), ["badLine", "badLine", "noSuchRoom"]);
  await ada.type("/verify ben");
  assertEquals(ada.notices, ["safetyNumber"]);
  await ada.type("/distrust ben");
  await ada.type("not sent");
  assertEquals(ada.all("error").at(-1)?.code, "keyChanged");
  assertEquals(ben.texts, []);
});

Deno.test("whoever made the code has kept the session when its proof leaves", async () => {
  const net = await FakeNet.create();
  const { client: ben, code } = await creates(net, "ben");
  const kept: unknown[] = [];
  net.tamper = (packet, to) => {
    const { peers, sessions } = ben.kept.state;
    if (packet.message.t === "mail" && to !== ben) kept.push([peers.map(({ how }) => how), sessions?.peers.length]);
    return [packet];
  };
  const ada = await joins(net, "ada", code);
  assertEquals(kept, [[[], 0], [["code"], 1]]); // at the answer, and at the proof
  assertEquals(ben.kept.state.peers[0]?.certificate.fingerprint, ada.fingerprint);
});

Deno.test("one try is all that a code is good for, whoever types it again, now or after a restart", async () => {
  const net = await FakeNet.create();
  const { code } = await creates(net, "ben");
  const ada = await net.join("ada");
  await ada.type(`/session join ${withOtherWords(code)}`);
  const openings = () => net.sent.filter(({ from, packet }) => from === ada && packet.message.t === "mail").length;
  const sent = openings();
  await ada.type(`/session join ${withOtherWords(code)}`, "again");
  assertEquals(ada.all("error").at(-1)?.code, "noSession");
  assertStringIncludes(ada.all("error").at(-1)?.message ?? "", "used up");
  assertEquals([openings(), ada.all("error").at(-1)?.ref], [sent, "again"]);
  await ada.drop();
  const next = await net.restart(ada);
  await next.type(`/session join ${withOtherWords(code)}`);
  assertStringIncludes(next.all("error")[0]?.message ?? "", "used up");
});

Deno.test("a code does not take back that somebody is distrusted", async () => {
  const net = await FakeNet.create();
  const [ada, ben] = [await net.join("ada"), await net.join("ben")];
  await ada.type("/distrust ben");
  await ben.type("/session create");
  await ada.type(`/session join ${codeOf(ben)}`);
  assertEquals(ada.all("secured").map(({ trust, distrusted }) => [trust, distrusted]), [["changed", true]]);
  assertEquals(ada.notices.includes("distrusted"), true);
  await ada.type("/pm ben hello");
  assertEquals([ada.all("error").at(-1)?.code, ben.texts], ["keyChanged", []]);
});
