// Aim: when the line breaks nothing is lost, repeated or reordered: what was written waits, what came meanwhile is read,
// and the person is told of both ends of the outage.
import { assertEquals } from "@std/assert";
import { FakeNet } from "../support/fake_net.ts";

const texts = (count: number, name: string) => Array.from({ length: count }, (_, i) => `${name} ${i}`);

Deno.test("lines that are written without a link arrive once it is back, in their order", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await alice.type("before");
  await net.unlink(alice);
  for (const text of texts(20, "line")) await alice.type(text);
  await alice.type("/pm bob in private");
  assertEquals([bob.texts, alice.chat.unsent().length], [["before"], 21]);
  assertEquals(alice.notices, []); // nobody knows who is here
  assertEquals(alice.all("queued").map(({ text }) => text), [...texts(20, "line"), "in private"]);
  await net.relink(alice);
  assertEquals(bob.texts.filter((text) => text !== "in private"), ["before", ...texts(20, "line")]);
  assertEquals(bob.texts.filter((text) => text === "in private").length, 1);
  assertEquals([alice.chat.unsent(), alice.all("error"), alice.all("accepted").length], [[], [], 22]);
  const accepted = new Set(alice.all("accepted").map(({ id }) => id));
  assertEquals(alice.all("queued").filter(({ id }) => !accepted.has(id)), []);
  await bob.type("heard you");
  assertEquals(alice.texts, ["heard you"]);
});

Deno.test("what came meanwhile is read late, then the person is told that the link is back", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await bob.type("before");
  await net.unlink(alice);
  await bob.type("one");
  await bob.type("/pm alice two");
  const carol = await net.join("carol");
  await carol.type("three");
  await net.relink(alice);
  assertEquals(alice.all("message").map(({ text, late }) => [text, late]).toSorted(), [
    ["before", undefined],
    ["one", true],
    ["three", true],
    ["two", true],
  ]);
  assertEquals(alice.all("link").map((event) => event.state === "connected" ? event.missed : event.why), [
    "the line broke",
    3,
  ]);
  assertEquals(alice.all("ready").length, 1);
  await carol.type("now");
  assertEquals(alice.all("message").at(-1)?.late, undefined);
  assertEquals([alice.notices, alice.all("gap"), alice.all("fork")], [[], [], []]);
});

for (const lost of ["the line on its way", "its answer"] as const) {
  Deno.test(`a line whose link is lost with ${lost} arrives once`, async () => {
    const net = await FakeNet.create();
    const [alice, bob] = [await net.join("alice"), await net.join("bob")];
    await alice.type("first");
    if (lost === "its answer") net.tamper = (packet, to) => to === alice ? [] : [packet];
    else net.hold(alice, "toRelay");
    await alice.type("second");
    await alice.type("/pm bob third");
    await net.unlink(alice);
    net.tamper = (packet) => [packet];
    await alice.type("fourth");
    await net.relink(alice);
    assertEquals(bob.texts.toSorted(), ["first", "fourth", "second", "third"]);
    assertEquals(alice.all("accepted").map(({ text }) => text).toSorted(), ["first", "fourth", "second", "third"]);
    assertEquals([bob.notices, bob.all("gap"), bob.all("fork"), alice.all("fork")], [[], [], [], []]);
    await bob.type("all here");
    assertEquals([alice.texts, alice.all("fork"), bob.all("fork")], [["all here"], [], []]);
  });
}

Deno.test("without a link what needs the relay is refused, and what does not is answered", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  await net.unlink(alice);
  for (const line of ["/users", "/join den", "/leave", "/invite bob", "/topic new", "/room create x"]) {
    await alice.type(line);
  }
  assertEquals(alice.all("error").map(({ code }) => code), Array(6).fill("notDone"));
  await alice.type("/rooms");
  await alice.type("/members");
  assertEquals([alice.all("rooms").length, alice.all("members").length], [1, 1]);
  assertEquals(alice.hasFinished, false);
  await alice.type("/quit");
  assertEquals(alice.hasFinished, true);
});

Deno.test("/quit without a link waits for lines that are not sent, and then leaves", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await net.unlink(alice);
  await alice.type("last words");
  await alice.type("/quit");
  assertEquals(alice.hasFinished, false);
  await net.relink(alice);
  assertEquals([alice.hasFinished, bob.texts], [true, ["last words"]]);
});

Deno.test("whoever was removed meanwhile is told on return, and reads nothing of what came after", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await alice.type("/room create den --invite-only");
  await alice.type("/invite bob");
  await bob.type("/join den");
  await net.unlink(bob);
  await alice.type("still for bob");
  await alice.type("/remove bob");
  await alice.type("not for bob");
  await net.relink(bob);
  assertEquals(bob.texts, ["still for bob"]);
  assertEquals(bob.all("roomLeft").map(({ room, reason, by }) => [room, reason, by]), [["den", "removed", "alice"]]);
});

Deno.test("links that come and go lose nothing and repeat nothing", async () => {
  const net = await FakeNet.create();
  const people = [await net.join("alice"), await net.join("bob"), await net.join("carol")];
  const written: string[] = [];
  for (let round = 0; round < 12; round++) {
    const [away] = people.splice(round % 3, 1);
    if (away === undefined) continue;
    await net.unlink(away);
    for (const person of [...people, away]) {
      const text = `${person.certificate.handle} ${round}`;
      written.push(text);
      await person.type(text);
    }
    await net.relink(away);
    people.splice(round % 3, 0, away);
  }
  for (const person of people) {
    const others = written.filter((text) => !text.startsWith(person.certificate.handle));
    assertEquals(person.texts.toSorted(), others.toSorted());
    assertEquals([person.all("gap"), person.all("fork"), person.notices], [[], [], []]);
  }
});

Deno.test("a link that is made anew for fresh keys is unnoticed by both sides, and nothing is late", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await bob.type("before");
  const [beforeAlice, beforeBob] = [alice.events.length, bob.events.length];
  await net.renew(alice);
  await bob.type("meanwhile");
  await alice.type("written meanwhile");
  await net.relink(alice);
  await bob.type("after");
  const kinds = ({ events }: typeof alice, from: number) => events.slice(from).map(({ type }) => type).toSorted();
  assertEquals(kinds(alice, beforeAlice), ["accepted", "message", "message"]);
  assertEquals(kinds(bob, beforeBob), ["accepted", "accepted", "message"]);
  assertEquals(alice.all("message").map(({ text, late }) => [text, late]), [
    ["before", undefined],
    ["meanwhile", undefined],
    ["after", undefined],
  ]);
});

Deno.test("a link that should be made anew and cannot be is told as lost, once", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await net.renew(alice);
  await net.give(alice, { kind: "unlinked", why: "the connection was refused", nowMs: net.nowMs });
  await net.give(alice, { kind: "unlinked", why: "the connection was refused", nowMs: net.nowMs });
  await bob.type("meanwhile");
  await net.relink(alice);
  assertEquals(alice.all("link").map((event) => event.state === "connected" ? event.missed : event.why), [
    "the connection was refused",
    1,
  ]);
  assertEquals(alice.all("message").map(({ text, late }) => [text, late]), [["meanwhile", true]]);
});
