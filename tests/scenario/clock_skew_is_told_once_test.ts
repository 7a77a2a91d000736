// Aim: a sender's time is a claim; one that is far off is pointed out, once for each person.
import { assertEquals } from "@std/assert";
import { parseLine } from "../../lib/chat/commands.ts";
import { CLOCK_SKEW_MAX_MS } from "../../lib/chat/showing.ts";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";

async function typeAt(client: FakeClient, line: string, skewMs: number): Promise<void> {
  const nowMs = client.net.nowMs + skewMs;
  await client.net.give(client, { kind: "command", command: parseLine(line), nowMs });
  await client.net.settle();
}

for (const sign of [-1, 1]) {
  Deno.test(`a clock that is ${sign < 0 ? "behind" : "ahead"} is pointed out once`, async () => {
    const net = await FakeNet.create();
    const alice = await net.join("alice");
    const bob = await net.join("bob");
    await typeAt(bob, "within", sign * CLOCK_SKEW_MAX_MS);
    assertEquals(alice.notices, []);
    await typeAt(bob, "beyond", sign * (CLOCK_SKEW_MAX_MS + 60_000));
    await typeAt(bob, "still beyond", sign * (CLOCK_SKEW_MAX_MS + 60_000));
    assertEquals(alice.notices, ["clockSkew"]);
    assertEquals(alice.all("notice")[0]?.text, "The clock of bob and this one differ by 6 minutes");
    const [message] = alice.all("message");
    assertEquals(message?.sentAt, net.nowMs + sign * CLOCK_SKEW_MAX_MS);
    assertEquals(message?.at, net.nowMs);
  });
}
