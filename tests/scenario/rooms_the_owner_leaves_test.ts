// Aim: a room that people are invited to always has somebody who rules in it: when its owner leaves, the admin who came
// first follows, else the member who did; they are told, also if they were away, and nobody else is.
import { assertEquals } from "@std/assert";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";

async function stage() {
  const net = await FakeNet.create();
  const [alice, bob, carol] = [await net.join("alice"), await net.join("bob"), await net.join("carol")];
  await alice.type("/room create den --invite-only");
  for (const person of [bob, carol]) {
    await alice.type(`/invite ${person.certificate.handle}`);
    await person.type("/join den");
  }
  return { net, alice, bob, carol };
}

function roleWords({ events }: FakeClient): string[] {
  return events.flatMap((event) => event.type === "notice" && event.code === "role" ? [event.text] : []);
}

async function roles(asking: FakeClient): Promise<string[]> {
  await asking.type("/members");
  return asking.all("members").at(-1)?.members.map(({ handle, role }) => `${handle} ${role}`) ?? [];
}

const ADMIN = "You are an admin of #den now";
const OWNER = "You own #den now: its owner left";

Deno.test("the owner leaves and the member who came first is told to be the next, and can do what an owner can", async () => {
  const { net, alice, bob, carol } = await stage();
  await net.join("dave");
  await alice.type("/leave den");
  assertEquals([roleWords(bob), roleWords(carol), roleWords(alice)], [[OWNER], [], []]);
  assertEquals(await roles(carol), ["bob owner"]);
  await bob.type("/invite dave");
  await bob.type("/remove carol");
  assertEquals([await roles(bob), bob.all("error")], [["dave member"], []]);
});

Deno.test("an admin follows before whoever came earlier", async () => {
  const { alice, bob, carol } = await stage();
  await alice.type("/promote carol");
  await alice.type("/leave den");
  assertEquals([roleWords(bob), roleWords(carol)], [[], [ADMIN, OWNER]]);
  assertEquals(await roles(bob), ["carol owner"]);
});

Deno.test("one who was away when the owner left is told on return", async () => {
  const { net, alice, bob } = await stage();
  await bob.drop();
  await alice.type("/leave den");
  const again = await net.restart(bob);
  assertEquals([again.all("ready").map(({ room }) => room), roleWords(again)], [["den"], [OWNER]]);
  await again.drop();
  assertEquals(roleWords(await net.restart(again)), [], "once");
});

Deno.test("the owner who comes back by invitation is a member like any other", async () => {
  const { alice, bob } = await stage();
  await alice.type("/leave den");
  await bob.type("/invite alice");
  await alice.type("/join den");
  assertEquals(await roles(bob), ["alice member", "carol member"]);
  await alice.type("/remove carol", "r1");
  assertEquals(alice.all("error").map(({ code, ref }) => [code, ref]), [["notDone", "r1"]]);
});
