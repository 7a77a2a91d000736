// Aim: whoever had to have ops sent again, because the stream has forgotten some of its events, reads a message by the
// log as it was at the message's place: what happened later in the room takes nothing away from it.
import { assertEquals } from "@std/assert";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";
import { HostileRelay } from "../support/hostile_relay.ts";

/** A room of alice's with bob, carol and dave; bob has the keys of alice and dave, and is away. */
async function stage(kind: "invite" | "open") {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  await alice.type(kind === "invite" ? "/room create den --invite-only" : "/room create den");
  const others: FakeClient[] = [];
  for (const name of ["bob", "carol", "dave"]) {
    const person = await net.join(name);
    await alice.type("/users");
    if (kind === "invite") await alice.type(`/invite ${name}`);
    await person.type("/join den");
    others.push(person);
  }
  const [bob, carol, dave] = others as [FakeClient, FakeClient, FakeClient];
  for (const person of [alice, dave]) await person.type("hello");
  await bob.drop();
  const entered = net.sent.flatMap(({ from, packet: { message } }) =>
    from === alice && message.t === "enter" ? [message.room] : []
  );
  return { net, alice, bob, carol, dave, relay, den: `room/${entered.at(-1)}` };
}

/** Bob comes back, and the stream has forgotten the next events after those that he read. */
async function back(
  { net, bob, relay, den }: Awaited<ReturnType<typeof stage>>,
  { forgotten }: { readonly forgotten: number },
): Promise<FakeClient> {
  const again = await net.link("bob", { identity: bob.identity, certificate: bob.certificate, kept: bob.kept });
  const lost = new Set<string>();
  relay.always(again, "event", (packet) => {
    const { stream, id } = packet.message;
    if (stream === den && lost.size < forgotten) lost.add(id);
    return lost.has(id) ? [] : [packet];
  });
  await net.settle();
  return again;
}

function assertQuiet(client: FakeClient): void {
  assertEquals([client.all("fork"), client.notices, client.all("error")], [[], [], []]);
}

for (const kind of ["invite", "open"] as const) {
  Deno.test(`after a jump in an ${kind} room, messages from before somebody went are read`, async () => {
    const room = await stage(kind);
    const { alice, dave } = room;
    for (const line of ["lost", "one"]) await alice.type(line);
    await dave.type("two");
    await alice.type("three");
    if (kind === "invite") await alice.type("/remove dave");
    else await dave.type("/leave den");
    for (const line of ["four", "five"]) await alice.type(line);
    const bob = await back(room, { forgotten: 1 });
    assertEquals(bob.texts, ["one", "two", "three", "four", "five"]);
    assertEquals(bob.all("gap").map(({ count }) => count), [1]);
    assertQuiet(bob);
    await bob.type("back");
    assertEquals([alice.texts.at(-1), alice.all("fork")], ["back", []]);
  });

  Deno.test(`after a jump in an ${kind} room, keys from before somebody went open what was written with them`, async () => {
    const room = await stage(kind);
    const { alice, carol, dave } = room;
    await alice.type("lost");
    await carol.type("one"); // her first: the key is in his inbox
    if (kind === "invite") await alice.type("/remove dave");
    else await dave.type("/leave den");
    await carol.type("two");
    const bob = await back(room, { forgotten: 1 });
    assertEquals(bob.texts, ["one", "two"]);
    assertQuiet(bob);
  });
}

Deno.test("whoever says yes late reads what was written before somebody was removed, and since", async () => {
  const net = await FakeNet.create();
  const [alice, bob, carol] = [await net.join("alice"), await net.join("bob"), await net.join("carol")];
  await alice.type("/room create den --invite-only");
  for (const name of ["bob", "carol"]) await alice.type(`/invite ${name}`);
  await alice.type("one");
  await alice.type("/remove carol");
  await alice.type("two");
  await bob.type("/join den");
  assertEquals(bob.texts, ["one", "two"]);
  assertQuiet(bob);
  assertEquals([bob.all("gap"), carol.texts], [[], []]);
});

Deno.test("after a jump over a removal nothing of the one who was removed is read", async () => {
  const room = await stage("invite");
  const { alice, dave, relay, net } = room;
  await alice.type("lost");
  net.hold(dave, "toClient");
  await alice.type("/remove dave");
  await alice.type("one");
  const bob = await back(room, { forgotten: 2 });
  assertEquals(bob.texts, ["one"]);
  // A relay that is with dave places what he wrote before he heard of it.
  const before = net.sent.length;
  await dave.type("I am still here");
  const sealed = net.sent.slice(before).flatMap(({ packet: { message, body } }) =>
    message.t === "publish" && message.kind === "message" ? [{ message, body }] : []
  );
  assertEquals(sealed.length, 1);
  for (const { message: { stream, id }, body } of sealed) {
    const from = dave.certificate.fingerprint;
    await relay.insert(bob, { t: "event", stream, at: net.nowMs, from, id, kind: "message" }, body);
  }
  assertEquals([bob.texts, bob.notices], [["one"], ["stranger"]]);
});
