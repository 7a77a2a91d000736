// Aim: whoever was away reads what was written on chain after chain, and nobody fills a reader's memory with chains.

import { assertEquals } from "@std/assert";
import {
  CHAINS_AHEAD_MAX,
  CHAINS_PER_SENDER_MAX,
  CHAINS_WAITING_MAX,
  type KeptChain,
  surplusOfRoom,
  surplusOfSender,
} from "../../lib/e2ee/kept_chains.ts";
import { CHAIN_MAX_AGE_MS } from "../../lib/e2ee/sender_chain.ts";
import { World } from "./_room_world.ts";

const AWAY_CHAINS = 3 * CHAINS_PER_SENDER_MAX;

Deno.test("Room: one who was away reads everything, though all keys come before the first message", async () => {
  for (const world of [await World.open("ada", "ben"), await World.invite("ada", "ben")]) {
    const [ada, ben] = [world.of("ada"), world.of("ben")];
    const texts: string[] = [];
    for (let i = 0; i < AWAY_CHAINS; i++) {
      await ada.say(`text ${i}`);
      texts.push(`ada: text ${i}`);
      world.nowMs += CHAIN_MAX_AGE_MS;
    }
    assertEquals(ben.inbox.length, AWAY_CHAINS);
    await ben.readInbox();
    ben.keep();
    await ben.restart();
    await ben.catchUp();
    assertEquals(ben.seen, texts);
    // Those that were spoken on before are gone, but for the last.
    assertEquals([...ben.rows.keys()].filter((name) => name.startsWith("chain/")).length, CHAINS_PER_SENDER_MAX);
  }
});

Deno.test("surplusOfSender() keeps what is ahead, and of what is behind the last", () => {
  const chains = (...used: readonly boolean[]) => used.map((isUsed, i): KeptChain => ({ name: `c${i}`, isUsed }));
  const waiting = (count: number) => Array.from({ length: count }, () => false);
  assertEquals(surplusOfSender(chains(...waiting(CHAINS_AHEAD_MAX))), []);
  assertEquals(surplusOfSender(chains(...waiting(CHAINS_AHEAD_MAX + 2))), ["c0", "c1"]);
  assertEquals(surplusOfSender(chains(...waiting(CHAINS_PER_SENDER_MAX), true)), ["c0"]);
  assertEquals(surplusOfSender(chains(true, ...waiting(CHAINS_AHEAD_MAX))), []);
  assertEquals(surplusOfSender(chains(true, ...waiting(CHAINS_AHEAD_MAX + 1))), ["c1"]);
});

Deno.test("surplusOfRoom() takes from whoever has most, and leaves the keys of others alone", () => {
  const chain = (who: string, i: number): KeptChain => ({ name: `${who}/${i}`, isUsed: false });
  const senderOf = (name: string) => name.split("/")[0] as string;
  const honest = chain("ada", 0);
  const flood = Array.from({ length: CHAINS_WAITING_MAX }, (_, i) => chain(i % 2 === 0 ? "mallory" : "mallet", i));
  assertEquals(surplusOfRoom([honest, ...flood.slice(1)], senderOf), undefined);
  assertEquals(surplusOfRoom([honest, ...flood], senderOf), "mallory/0");
  assertEquals(surplusOfRoom([honest, ...flood.slice(1), { ...chain("ben", 0), isUsed: true }], senderOf), undefined);
});
