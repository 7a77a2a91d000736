// Aim: two clients exchange 10,000 messages, in order, none lost, none twice, while a third joins and leaves. Both write
// as fast as they are read; nothing is measured.

import { assertEquals, assertGreater } from "@std/assert";
import { Stage, type StagedRelay } from "../support/e2e_stage.ts";
import type { JsonLine, Process } from "../support/process.ts";

const MESSAGES_EACH = 5_000;
/** A visit begins with each so many messages: a third program that starts all the time would only slow the two. */
const VISIT_EVERY = 500;

Deno.test("two clients exchange 10,000 messages while a third joins and leaves", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const [alice, bob] = await stage.clients(relay, "alice", "bob");
  const visits = new Visits();
  const third = visit(stage, relay, visits);
  const [fromBob, fromAlice] = await Promise.all([talk(alice, "alice", () => visits.due()), talk(bob, "bob")]);
  visits.end();
  const count = await third;

  // By the ids, which both sides must agree on: a copy under another id would be seen.
  assertEquals(fromAlice.heard, fromBob.accepted, "bob heard what alice sent");
  assertEquals(fromBob.heard, fromAlice.accepted, "alice heard what bob sent");
  assertGreater(count, 1);
  for (const client of [alice, bob]) {
    await client.closeInput();
    assertEquals((await client.exit()).code, 0);
    // On a very slow machine the third one's keys may come late; that is told, and holds up nobody.
    const odd = client.printedJson.filter(({ type, code }) =>
      type === "error" || (type === "notice" && code !== "keysMissing")
    );
    assertEquals(odd, []);
  }
});

/** Sends all of one side and hears all of the other. */
async function talk(
  client: Process,
  name: string,
  manyHeard = () => {},
): Promise<{ accepted: string[]; heard: string[] }> {
  const sending = (async () => {
    for (let i = 0; i < MESSAGES_EACH; i++) await client.send({ type: "say", text: `${name} ${i}`, ref: i });
  })();
  const accepted: string[] = [];
  const heard: string[] = [];
  while (accepted.length < MESSAGES_EACH || heard.length < MESSAGES_EACH) {
    const line: JsonLine = JSON.parse(await client.nextLine((text) => /"type":"(accepted|message|error)"/.test(text)));
    if (line["type"] === "accepted") {
      assertEquals(line["ref"], accepted.length);
      accepted.push(line["id"]);
    } else {
      assertEquals(line["type"], "message", JSON.stringify(line));
      if (line["from"] === "third") continue;
      assertEquals(line["text"].split(" ")[1], String(heard.length));
      heard.push(line["id"]);
      if (heard.length % VISIT_EVERY === 0) manyHeard();
    }
  }
  await sending;
  return { accepted, heard };
}

/** When the third one comes. */
class Visits {
  #isOver = false;
  #due = Promise.withResolvers<void>();

  /** Lets the next visit begin. */
  due(): void {
    this.#due.resolve();
  }

  /** Lets no further visit begin. */
  end(): void {
    this.#isOver = true;
    this.#due.resolve();
  }

  /** Waits for the next visit; tells whether there is one. */
  async next(): Promise<boolean> {
    await this.#due.promise;
    this.#due = Promise.withResolvers<void>();
    return !this.#isOver;
  }
}

/** Comes, says a word, hears one, and goes, again and again, by every way out. */
async function visit(stage: Stage, relay: StagedRelay, visits: Visits): Promise<number> {
  const dataDir = await stage.directory();
  let count = 0;
  while (await visits.next()) {
    const { process } = await stage.client(relay, "third", { dataDir });
    await process.send({ type: "say", text: `visit ${count}` });
    await process.next("accepted");
    if (count % 2 === 0) await process.closeInput();
    else process.signal("SIGKILL");
    await process.exit();
    count++;
  }
  return count;
}
