// Aim: over a real relay core, a room is joined by its log, keys go out once, the absent catch up, and no missing op, new
// log or lost packet wedges it.
import { assert, assertEquals } from "@std/assert";
import { RoomNet } from "./_room_net.ts";

Deno.test("RoomChannel: members join by the log, and keys go out before the first message alone", async () => {
  const net = new RoomNet();
  const [ada, ben, cleo] = [await net.join("ada"), await net.join("ben"), await net.join("cleo")];
  for (const text of ["one", "two", "three"]) await ada.say(text);
  await ben.say("four");
  assertEquals(cleo.texts, ["ada: one", "ada: two", "ada: three", "ben: four"]);
  assertEquals([ada.texts, ben.texts.length], [["ben: four"], 3]);
  assertEquals(net.sent.filter(({ from, t }) => from === ada && t === "publishMany").length, 1);
  assertEquals(ada.seen.filter((line) => /^[+-]/.test(line)), ["+ ben", "+ cleo"]);
});

Deno.test("RoomChannel: a newcomer reads what is written after they were shown, and nothing before", async () => {
  const net = new RoomNet();
  const ada = await net.join("ada");
  await ada.say("to nobody");
  const ben = await net.join("ben");
  await ada.say("to ben");
  const cleo = await net.join("cleo");
  await ada.say("to both");
  assertEquals([ben.texts, cleo.texts], [["ada: to ben", "ada: to both"], ["ada: to both"]]);
  assertEquals([ben.seen, cleo.seen].flat().filter((line) => line.startsWith("!")), []);
});

Deno.test("RoomChannel: one who was away reads everything on return, keys that came meanwhile included", async () => {
  const net = new RoomNet();
  const [ada, ben] = [await net.join("ada"), await net.join("ben")];
  await ben.say("hello");
  await ada.say("one");
  await net.drop(ben);
  net.nowMs += 25 * 3_600_000; // ada's chain is a day old: the next message is on a new one
  await ada.say("two");
  const cleo = await net.join("cleo");
  await cleo.say("three");
  const again = await net.start(ben.kept);
  assertEquals([...ben.texts, ...again.texts], ["ada: one", "ada: two", "cleo: three"]);
  assertEquals(again.seen.filter((line) => line.startsWith("!")), []);
  await again.say("back");
  assertEquals([ada.texts.at(-1), cleo.texts.at(-1)], ["ben: back", "ben: back"]);
  assert(again.seen.includes("+ cleo"));
});

Deno.test("RoomChannel: ops that are missing in the stream are fetched before anything else is taken", async () => {
  const net = new RoomNet();
  const [ada, ben] = [await net.join("ada"), await net.join("ben")];
  await ada.say("one");
  net.drops = ({ message }, to) => to === ben && message.t === "event" && message.kind === "op";
  const cleo = await net.join("cleo");
  net.drops = () => false;
  await net.join("dan"); // its op shows ben that one is missing
  await cleo.say("two");
  await ada.say("three");
  assertEquals(ben.texts, ["ada: one", "cleo: two", "ada: three"]);
  assertEquals(ben.seen.filter((line) => line.startsWith("+")), ["+ ada", "+ cleo", "+ dan"]);
});

Deno.test("RoomChannel: a message that is overtaken by too many departures is sealed again, in order", async () => {
  const net = new RoomNet();
  const [ada, ben] = [await net.join("ada"), await net.join("ben")];
  await ada.say("one");
  const hold = ada.act.bind(ada);
  // Ada hears nothing of 65 comings and goings.
  const missed: Parameters<typeof ada.hear>[0][] = [];
  net.drops = (packet, to) => to === ada && missed.push(packet) > 0;
  const guest = await net.join("guest");
  for (let i = 0; i < 65; i++) {
    await guest.act((turn) => guest.channel.change({ kind: "leave" }, turn));
    await net.settle();
    net.nowMs += 12_000; // within what the relay takes of one identity
    if (i < 64) await guest.comeBack();
  }
  await ada.say("two");
  net.drops = () => false;
  for (const packet of missed) await hold((turn) => ada.hear(packet, turn));
  await net.settle();
  assertEquals(ada.seen.filter((line) => line === "! stale").length, 1);
  assertEquals(ben.texts, ["ada: one", "ada: two"]);
});

Deno.test("RoomChannel: a relay that starts a new log is joined afresh, with one line, and numbers go on", async () => {
  const net = new RoomNet();
  const [ada, ben] = [await net.join("ada"), await net.join("ben")];
  await ada.say("one");
  net.forget();
  const [ada2, ben2] = [await net.start(ada.kept), await net.start(ben.kept)];
  await ada2.say("two");
  await ben2.say("three");
  assertEquals([ben2.texts, ada2.texts], [["ada: two"], ["ben: three"]]);
  assertEquals([ada2, ben2].map(({ seen }) => seen.filter((line) => line.startsWith("!"))), [["! reset"], ["! reset"]]);
});

Deno.test("RoomChannel.change() to leave ends what the one who left can read", async () => {
  const net = new RoomNet();
  const [ada, ben, cleo] = [await net.join("ada"), await net.join("ben"), await net.join("cleo")];
  await ada.say("one");
  await cleo.act((turn) => cleo.channel.change({ kind: "leave" }, turn));
  await net.settle();
  net.nowMs += 60_000;
  await ada.say("two");
  assertEquals([ben.texts, cleo.texts], [["ada: one", "ada: two"], ["ada: one"]]);
  assertEquals(ada.seen.at(-1), "- cleo");
  assertEquals(ada.others().map(({ handle }) => handle), ["ben"]);
});
