// Aim: somebody who comes in by an invitation is told of no gap and of no fork by an honest room, whatever was said there
// before they were added, before they said yes, and between further comings.
import { assertEquals } from "@std/assert";
import { KEY_AWAITED_MS } from "../../lib/chat/room_reading.ts";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";

async function stage() {
  const net = await FakeNet.create();
  const [alice, bob, carol] = [await net.join("alice"), await net.join("bob"), await net.join("carol")];
  await net.join("dave");
  await alice.type("/users");
  await alice.type("/room create den --invite-only");
  await alice.type("/invite bob");
  await bob.type("/join den");
  return { alice, bob, carol };
}

async function talk(lines: readonly string[], ...people: readonly FakeClient[]): Promise<void> {
  for (const [i, line] of lines.entries()) await people[i % people.length]?.type(line);
}

async function assertQuiet(...people: readonly FakeClient[]): Promise<void> {
  await people[0]?.net.advance(KEY_AWAITED_MS + 1);
  for (const person of people) {
    assertEquals(person.notices, [], "nothing waits for a key");
    assertEquals([person.all("fork"), person.all("gap"), person.all("error")], [[], [], []]);
    await person.type("said once");
    assertEquals(person.all("error"), [], "nothing is held back");
  }
}

Deno.test("what was said before somebody was added is no other history to them", async () => {
  const { alice, bob, carol } = await stage();
  await talk(["before", "also before"], alice, bob);
  await alice.type("/invite carol");
  await carol.type("/join den");
  await talk(["one", "two", "three"], bob, alice);
  assertEquals(carol.texts, ["one", "two", "three"]);
  await assertQuiet(alice, bob, carol);
});

Deno.test("what was said before somebody says yes has no gap for them, though others came meanwhile", async () => {
  const { alice, bob, carol } = await stage();
  await alice.type("/invite carol");
  await talk(["one", "two", "three"], bob, alice);
  await alice.type("/invite dave");
  await talk(["four", "five", "six"], bob, alice);
  await carol.type("/join den");
  await talk(["seven", "eight"], alice, bob);
  assertEquals(carol.texts, ["one", "two", "three", "four", "five", "six", "seven", "eight"]);
  await assertQuiet(alice, bob, carol);
});
