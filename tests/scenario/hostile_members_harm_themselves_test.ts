// Aim: a member of a room who breaks the rules of its messages is refused or shown, once, and costs nobody else a message:
// the others go on talking, and nothing of theirs is called into question.
import { assertEquals } from "@std/assert";
import type { Bytes } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { idOf } from "../../lib/e2ee/identity.ts";
import { HELD_PER_SENDER_MAX } from "../../lib/e2ee/room_listener.ts";
import { parseRoomMessage, ROOM_N_MAX } from "../../lib/e2ee/room_message.ts";
import { SenderChain } from "../../lib/e2ee/sender_chain.ts";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";
import { HostileRelay } from "../support/hostile_relay.ts";
import { firstRoom } from "../support/raw_member.ts";
import { RawSpeaker } from "../support/raw_speaker.ts";

interface Stage {
  readonly net: FakeNet;
  readonly alice: FakeClient;
  readonly bob: FakeClient;
  readonly mallory: RawSpeaker;
  /** A chain of hers that both have. */
  readonly chain: SenderChain;
}

async function stage(): Promise<Stage> {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  const mallory = await RawSpeaker.join(net, "mallory", firstRoom(net));
  const chain = await mallory.chain();
  for (const reader of [alice, bob]) await mallory.hand(chain, reader);
  await alice.type("hello");
  await bob.type("hello");
  await mallory.say(chain, "m1", { m: 1 });
  assertEquals([alice.texts, bob.texts], [["hello", "m1"], ["hello", "m1"]]);
  return { net, alice, bob, mallory, chain };
}

/** What somebody was told beside texts of others. */
function told({ events }: FakeClient): unknown[] {
  return events.flatMap((event): unknown[] => {
    if (event.type === "gap") return [["gap", event.from, event.count]];
    if (event.type === "fork") return [["fork", event.from]];
    if (event.type === "notice") return [[event.code, event.text.includes("bob") ? "bob" : ""]];
    return event.type === "error" ? [[event.code]] : [];
  });
}

/** Both were told just that, still hear each other, and also mallory if she keeps to the rules. */
async function goOn({ alice, bob, mallory, net }: Stage, expected: unknown[], ownTexts: string[]): Promise<void> {
  for (const reader of [alice, bob]) assertEquals(told(reader), expected, reader.certificate.handle);
  await alice.type("alice goes on");
  await net.advance(61_000); // whoever rotates may do so
  await bob.type("bob goes on");
  await alice.type("and on");
  assertEquals(alice.texts.slice(1), ["m1", ...ownTexts, "bob goes on"]);
  assertEquals(bob.texts.slice(1), ["m1", ...ownTexts, "alice goes on", "and on"]);
  const chain = await mallory.chain();
  for (const reader of [alice, bob]) await mallory.hand(chain, reader);
  await mallory.say(chain, "honest again", { m: 2 });
  for (const reader of [alice, bob]) {
    assertEquals([told(reader), reader.texts.at(-1)], [expected, "honest again"], reader.certificate.handle);
    assertEquals([reader.failure, reader.closed], [undefined, undefined]);
  }
}

Deno.test("a member who invents a head is shown once, and none of it is read", async () => {
  const room = await stage();
  const { mallory, chain } = room;
  for (const text of ["a", "b", "c"]) await mallory.say(chain, text, { m: 2, head: secureRandom(32) });
  await goOn(room, [["fork", "mallory"]], []);
});

Deno.test("a member who begins another chain under a used key id is heard on the first alone", async () => {
  const room = await stage();
  const { alice, bob, mallory, chain } = room;
  const other = await mallory.chain(chain.state.keyId);
  for (const reader of [alice, bob]) await mallory.hand(other, reader);
  await mallory.say(other, "on the second", { m: 2 });
  await mallory.say(chain, "on the first", { m: 2 });
  await goOn(room, [["cannotOpen", ""]], ["on the first"]);
});

Deno.test("a member who gives two readers two chains under one key id is refused by one of them at a time", async () => {
  const room = await stage();
  const { alice, bob, mallory } = room;
  const first = await mallory.chain();
  const second = await mallory.chain(first.state.keyId);
  await mallory.hand(first, alice);
  await mallory.hand(second, bob);
  await mallory.say(first, "for alice", { m: 2 });
  await mallory.say(second, "for bob", { m: 2 });
  assertEquals([alice.texts.at(-1), bob.texts.at(-1)], ["for alice", "for bob"]);
  for (const reader of [alice, bob]) assertEquals(told(reader), [["cannotOpen", ""]]);
  await bob.type("bob goes on");
  await alice.type("alice goes on");
  assertEquals([alice.texts.at(-1), bob.texts.at(-1)], ["bob goes on", "alice goes on"]);
});

/** The key id that somebody speaks under now. */
function keyIdOf({ net }: Stage, who: FakeClient): Bytes {
  const spoken = net.sent.findLast(({ from, packet: { message } }) =>
    from === who && message.t === "publish" && message.kind === "message" && message.stream.startsWith("room/")
  );
  return parseRoomMessage(spoken?.packet.body ?? new Uint8Array(0)).header.keyId;
}

Deno.test("a member who hands out and speaks on another's chain is refused, and the other is read as ever", async () => {
  const room = await stage();
  const { alice, bob, mallory, chain } = room;
  const [sender, keyId] = [idOf(bob.certificate.fingerprint), keyIdOf(room, bob)];
  await mallory.hand(chain, alice, { sender, keyId });
  await mallory.hand(chain, alice, { sender });
  await mallory.publish(await mallory.forge(chain, { sender, keyId, n: 1 }));
  const forBob = told(bob);
  assertEquals([told(alice), forBob], [[["cannotOpen", "bob"]], []]); // his own are not judged by himself
  await bob.type("bob goes on");
  await alice.type("alice goes on");
  assertEquals([alice.texts.at(-1), bob.texts.at(-1)], ["bob goes on", "alice goes on"]);
  assertEquals(told(alice).length, 1);
});

Deno.test("a member who writes in another's name under keys that never come takes no place from the other", async () => {
  const room = await stage();
  const { net, alice, bob, mallory, chain } = room;
  const sender = idOf(bob.certificate.fingerprint);
  for (let i = 0; i <= HELD_PER_SENDER_MAX; i++) {
    await mallory.publish(await mallory.forge(chain, { sender, keyId: secureRandom(16) }));
  }
  const before = told(alice).length;
  // Bob's key is late: what he writes waits for it, and is read.
  await net.advance(25 * 60 * 60_000);
  const late: (() => void)[] = [];
  net.tamper = (packet, to) => {
    const isKey = to === alice && packet.message.t === "event" && packet.message.stream === alice.inbox;
    if (!isKey || late.length > 0) return [packet];
    late.push(() => net.inject(alice, packet));
    return [];
  };
  for (const line of ["one", "two"]) await bob.type(line);
  late[0]?.();
  await net.settle();
  assertEquals(alice.texts.slice(-2), ["one", "two"]);
  assertEquals(told(alice).length, before);
  assertEquals(told(alice).filter((one) => String(one).includes("bob")), []);
});

Deno.test("a member who counts falsely is the only one of whom messages are missing", async () => {
  const room = await stage();
  const { mallory, chain } = room;
  await mallory.say(chain, "far ahead", { m: 1_000 });
  await mallory.say(chain, "back", { m: 1 });
  await mallory.say(chain, "the same", { m: 1_000 });
  await goOn(room, [["gap", "mallory", 998]], ["far ahead", "back", "the same"]);
});

Deno.test("a member who claims to have read something else is shown once, and nobody else is", async () => {
  const room = await stage();
  const { mallory, chain } = room;
  for (const m of [2, 3]) await mallory.say(chain, `m${m}`, { m, tally: { count: 1, digest: secureRandom(32) } });
  await goOn(room, [["fork", "mallory"]], ["m2", "m3"]);
});

Deno.test("a member who claims to have read more than there is misses it alone, and is told of once", async () => {
  const room = await stage();
  const { mallory, chain } = room;
  for (const m of [2, 3]) {
    await mallory.say(chain, `m${m}`, { m, tally: { count: 1_001 + m, digest: secureRandom(32) } });
  }
  await goOn(room, [["gap", "mallory", 1_000]], ["m2", "m3"]);
});

Deno.test("a member who claims to have read more than there is keeps no others from finding out that they differ", async () => {
  const room = await stage();
  const { net, alice, bob, mallory, chain } = room;
  await mallory.say(chain, "m2", { m: 2, tally: { count: 1_003, digest: secureRandom(32) } });
  // The relay is with her: in one place bob hears another message than alice.
  const other = await mallory.seal(new SenderChain(chain.state), "no", { m: 3 });
  new HostileRelay(net).once(bob, "event", ({ message }) => [{ message, body: other }]);
  await mallory.say(chain, "yes", { m: 3 });
  assertEquals([alice.texts.at(-1), bob.texts.at(-1)], ["yes", "no"]);
  await bob.type("bob goes on");
  await alice.type("alice goes on");
  assertEquals(told(alice), [["gap", "mallory", 1_000], ["fork", "bob"]]);
  assertEquals(told(bob), [["gap", "mallory", 1_000], ["fork", "alice"]]);
});

Deno.test("a member who uses a number twice is heard once, and the same bytes again say nothing", async () => {
  const room = await stage();
  const { mallory, chain } = room;
  const { state } = chain;
  const first = await mallory.say(chain, "first", { m: 2 });
  await mallory.say(new SenderChain(state), "second", { m: 3 });
  await mallory.publish(first);
  await goOn(room, [["cannotOpen", ""]], ["first"]);
});

Deno.test("a member who jumps far ahead in a chain is refused, and is heard where the chain stood", async () => {
  const room = await stage();
  const { mallory, chain } = room;
  for (const n of [ROOM_N_MAX, 5_000]) await mallory.publish(await mallory.forge(chain, { n }));
  await mallory.say(chain, "where it stood", { m: 2 });
  await goOn(room, [["cannotOpen", ""], ["cannotOpen", ""]], ["where it stood"]);
});
