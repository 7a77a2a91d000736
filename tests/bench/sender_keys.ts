/** Messages to a room and the handing over of keys, beside bare Ed25519 with AES-GCM, and beside a box for each member. */
import type { Bytes } from "../../lib/bytes/writer.ts";
import { AEAD_NONCE_BYTES, aeadOpen, aeadSeal, importAeadKey } from "../../lib/crypto/aead.ts";
import { generateDhKeyPair } from "../../lib/crypto/dh.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { generateSignKeyPair, sign, verify } from "../../lib/crypto/sign.ts";
import { encodeBox } from "../../lib/e2ee/box.ts";
import { initiateRatchet, ratchetSeal } from "../../lib/e2ee/double_ratchet.ts";
import { encodePlaintext } from "../../lib/e2ee/plaintext.ts";
import type { RatchetState } from "../../lib/e2ee/ratchet_state.ts";
import type { ReceiverChain } from "../../lib/e2ee/receiver_chain.ts";
import { CHAIN_MESSAGES_MAX, SenderChain } from "../../lib/e2ee/sender_chain.ts";
import { acceptSenderKey, encodeSenderKey } from "../../lib/e2ee/sender_key.ts";
import { type Cost, measure, report } from "./_measure.ts";

const MESSAGES = 500;
const MEMBERS = 1_000;
/** How often `measure` calls its work. */
const ROUNDS_AND_WARM_UP = 6;
/** Messages under way at once, as in a page of a catch-up. */
const WINDOW = 50;
const nowMs = Date.UTC(2026, 0, 1);
const [room, head, self, bob] = [secureRandom(32), secureRandom(32), secureRandom(32), secureRandom(32)] as const;
const plaintext = encodePlaintext({
  head: { kind: "text", id: "0".repeat(32), m: 1, tally: [1, "0".repeat(64)], sentAt: nowMs },
  text: "x".repeat(40),
});

/** A lot of chains that are each as long as they may be, and one member who has them. */
interface Lot {
  readonly senders: readonly SenderChain[];
  readonly receivers: readonly ReceiverChain[];
}

function makeSender(random = secureRandom): Promise<SenderChain> {
  return SenderChain.create({ room, sender: self, head, nowMs, random });
}

async function makeLot(): Promise<Lot> {
  const senders = await Promise.all(Array.from({ length: MESSAGES / CHAIN_MESSAGES_MAX }, () => makeSender()));
  const receivers = await Promise.all(
    senders.map(async (one) =>
      acceptSenderKey(encodeSenderKey(await one.handOver(bob)), { peerId: self, selfId: bob })
    ),
  );
  return { senders, receivers };
}

async function inWindows(work: (i: number) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < MESSAGES; from += WINDOW) {
    await Promise.all(Array.from({ length: WINDOW }, (_, i) => work(from + i)));
  }
}

async function oneByOne(work: (i: number) => Promise<unknown>): Promise<void> {
  for (let i = 0; i < MESSAGES; i++) await work(i);
}

function chainOf<T>(chains: readonly T[], i: number): T {
  return chains[Math.floor(i / CHAIN_MESSAGES_MAX)] as T;
}

async function benchBare(): Promise<{ seal: Cost; open: Cost }> {
  const pair = await generateSignKeyPair();
  const key = await importAeadKey(secureRandom(32));
  const sealBare = async () => {
    const nonce = secureRandom(AEAD_NONCE_BYTES);
    const sealed = await aeadSeal(key, plaintext, { nonce, aad: head });
    return { nonce, sealed, signature: await sign(pair, sealed) };
  };
  const ready = await sealBare();
  const seal = await measure(MESSAGES, () => oneByOne(sealBare));
  const open = await measure(MESSAGES, () =>
    oneByOne(async () => {
      await verify(pair.publicBytes, ready.sealed, ready.signature);
      await aeadOpen(key, ready.sealed, { nonce: ready.nonce, aad: head });
    }));
  report("bare AES-256-GCM + Ed25519 sign", seal);
  report("bare Ed25519 verify + AES-256-GCM", open);
  return { seal, open };
}

async function benchMessages(): Promise<void> {
  const bare = await benchBare();
  const ways = [["one by one", oneByOne], [`${WINDOW} at once`, inWindows]] as const;
  for (const [name, run] of ways) {
    const sealAll = async () => {
      const { senders, receivers } = await makeLot();
      const messages: Bytes[] = [];
      await run(async (i) => {
        messages[i] = await chainOf(senders, i).seal({ head, plaintext });
      });
      return { receivers, messages };
    };
    const seal = await measure(MESSAGES, sealAll);
    report(`seal + sign, ${name}`, seal, besides(seal, bare.seal));

    // What is opened must be new each time: lots for all rounds are made before the clock starts.
    const lots: Awaited<ReturnType<typeof sealAll>>[] = [];
    for (let round = 0; round < ROUNDS_AND_WARM_UP; round++) lots.push(await sealAll());
    const open = await measure(MESSAGES, async () => {
      const { receivers, messages } = lots.pop() as (typeof lots)[number];
      await run((i) => chainOf(receivers, i).open(messages[i] as Bytes, { nowMs }));
    });
    report(`verify + open, ${name}`, open, besides(open, bare.open));
  }
}

/** Every seal draws one salt, so that salts count seals. */
async function countSeals(): Promise<void> {
  const box = await boxBytes();
  for (const members of [2, 10, 100, MEMBERS]) {
    let draws = 0;
    const chain = await makeSender((lengthBytes) => {
      draws++;
      return secureRandom(lengthBytes);
    });
    for (let i = 1; i < members; i++) encodeSenderKey(await chain.handOver(secureRandom(32)));
    draws = 0;
    const { length } = await chain.seal({ head, plaintext });
    const pairwise = `${members - 1} boxes of ${box} bytes`;
    console.log(
      `  ${`one message to ${members} members`.padEnd(46)} ${draws} seal, ${length} bytes   (pairwise: ${pairwise})`,
    );
  }
}

async function boxBytes(): Promise<number> {
  const { message } = await ratchetSeal(await makeSession(), plaintext, { nowMs });
  return encodeBox(undefined, message).length;
}

async function makeSession(): Promise<RatchetState> {
  const start = { rootKey: secureRandom(32), ad: secureRandom(32), sessionId: secureRandom(16) };
  return await initiateRatchet(start, await generateDhKeyPair(), (await generateDhKeyPair()).publicBytes);
}

async function benchRotation(): Promise<void> {
  const sessions: RatchetState[] = [];
  for (let i = 0; i < MEMBERS; i++) sessions.push(await makeSession());
  let bytes = 0;
  const handTo = async (chain: SenderChain, i: number) => {
    const key = encodeSenderKey(await chain.handOver(secureRandom(32)));
    const { state, message } = await ratchetSeal(sessions[i] as RatchetState, key, { nowMs });
    sessions[i] = state;
    bytes += encodeBox(undefined, message).length;
  };
  const rotate = async (window: number) => {
    bytes = 0;
    const chain = await makeSender();
    for (let from = 0; from < MEMBERS; from += window) {
      await Promise.all(Array.from({ length: window }, (_, i) => handTo(chain, from + i)));
    }
  };
  for (const [name, window] of [["one by one", 1], [`${WINDOW} at once`, WINDOW]] as const) {
    const cost = await measure(MEMBERS, () => rotate(window));
    const cpuMs = Math.round(cost.cpuMicros * MEMBERS / 1_000);
    const all = `all: ${cpuMs} ms CPU, ${Math.round(MEMBERS / cost.perSecond * 1_000)} ms, ${bytes / 1_000} KB`;
    report(`a new chain for ${MEMBERS} members, ${name}`, cost, all);
  }
}

function besides(cost: Cost, bare: Cost): string {
  return `${(cost.cpuMicros / bare.cpuMicros).toFixed(1)} × bare`;
}

/** Prints the table. */
export async function benchSenderKeys(): Promise<void> {
  console.log(`A room (a line of 40 characters, ${plaintext.length} bytes with its head):`);
  await benchMessages();
  await countSeals();
  await benchRotation();
  console.log();
}
