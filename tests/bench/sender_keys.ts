/** Messages to a room and the handing over of keys, beside bare Ed25519 with AES-GCM, and beside a box for each member. */
import type { Bytes } from "../../lib/bytes/writer.ts";
import { AEAD_NONCE_BYTES, aeadOpen, aeadSeal, importAeadKey } from "../../lib/crypto/aead.ts";
import { generateDhKeyPair } from "../../lib/crypto/dh.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { sha256 } from "../../lib/crypto/hash.ts";
import { hkdf, hmacSha256Both } from "../../lib/crypto/kdf.ts";
import { generateSignKeyPair, sign, signatureCheck, verify } from "../../lib/crypto/sign.ts";
import { encodeBox } from "../../lib/e2ee/box.ts";
import { createCertificate } from "../../lib/e2ee/certificate.ts";
import { initiateRatchet, ratchetSeal } from "../../lib/e2ee/double_ratchet.ts";
import { generateIdentity } from "../../lib/e2ee/identity.ts";
import { encodePlaintext } from "../../lib/e2ee/plaintext.ts";
import type { RatchetState } from "../../lib/e2ee/ratchet_state.ts";
import type { ReceiverChain } from "../../lib/e2ee/receiver_chain.ts";
import { sealInSession, type Session, startSession } from "../../lib/e2ee/session.ts";
import { CHAIN_MESSAGES_MAX, SenderChain } from "../../lib/e2ee/sender_chain.ts";
import { acceptSenderKey, encodeSenderKey } from "../../lib/e2ee/sender_key.ts";
import { type Cost, measureBest, report } from "./_measure.ts";

const MESSAGES = 2_000;
/** Messages that one core is to seal, and to open, in a second. */
const ASKED_PER_SECOND = 4_000;
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
  const seal = await measureBest(MESSAGES, () => oneByOne(sealBare));
  const open = await measureBest(MESSAGES, () =>
    oneByOne(async () => {
      await verify(pair.publicBytes, ready.sealed, ready.signature);
      await aeadOpen(key, ready.sealed, { nonce: ready.nonce, aad: head });
    }));
  report("bare AES-256-GCM + Ed25519 sign", seal);
  report("bare Ed25519 verify + AES-256-GCM", open);
  return { seal, open };
}

/** The calls of `crypto.subtle` that the protocol asks for, with nothing around them: less cannot be had. */
async function benchCalls(): Promise<void> {
  const pair = await generateSignKeyPair();
  const check = signatureCheck(pair.publicBytes);
  const [chainKey, salt, both, nonce] = [secureRandom(32), secureRandom(16), secureRandom(480), new Uint8Array(12)];
  const signature = await sign(pair, both);
  const keyOf = async () => {
    const [messageKey] = await hmacSha256Both(chainKey, room, head);
    const keys = await hkdf(messageKey, { salt, info: head, lengthBytes: 64 });
    return await importAeadKey(keys.subarray(0, 32));
  };
  const sealed = await aeadSeal(await keyOf(), secureRandom(256), { nonce, aad: head });
  const sealing = async () => {
    await aeadSeal(await keyOf(), plaintext, { nonce, aad: head });
    await sign(pair, both);
  };
  const opening = async () => {
    await check(both, signature);
    await aeadOpen(await keyOf(), sealed, { nonce, aad: head });
    await sha256(both);
  };
  for (const [name, calls] of [["seal + sign", sealing], ["verify + open", opening]] as const) {
    const cost = await measureBest(MESSAGES, () => inWindows(calls));
    report(`the calls of ${name} alone, ${WINDOW} at once`, cost, perCore(cost));
  }
}

async function benchMessages(): Promise<void> {
  const bare = await benchBare();
  await benchCalls();
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
    const seal = await measureBest(MESSAGES, sealAll);
    report(`seal + sign, ${name}`, seal, besides(seal, bare.seal));

    // What is opened must be new each time: lots for all rounds are made before the clock starts.
    const lots: Awaited<ReturnType<typeof sealAll>>[] = [];
    for (let round = 0; round < ROUNDS_AND_WARM_UP; round++) lots.push(await sealAll());
    const open = await measureBest(MESSAGES, async () => {
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

/** Sessions of one speaker with all members: answered, or begun by the speaker with members who never wrote to them. */
async function makeSessions(isAnswered: boolean): Promise<Session[]> {
  const person = async (handle: string) => {
    const identity = await generateIdentity({ life: "lasting", nowMs });
    return { identity, certificate: await createCertificate(identity, { handle, createdMs: nowMs }) };
  };
  const [speaker, reader] = [await person("speaker"), await person("reader")];
  const { certificate } = reader;
  const signedPrekey = { id: 1, createdMs: nowMs, publicBytes: (await generateDhKeyPair()).publicBytes };
  const sessions: Session[] = [];
  for (let id = 1; id <= MEMBERS; id++) {
    const oneTimePrekey = { id, publicBytes: (await generateDhKeyPair()).publicBytes };
    const begun = await startSession(speaker, { certificate, signedPrekey, oneTimePrekey });
    sessions.push({ ...begun, isAnswered });
  }
  return sessions;
}

async function benchRotation(): Promise<void> {
  for (const [whose, isAnswered] of [["who have answered", true], ["who never have", false]] as const) {
    const sessions = await makeSessions(isAnswered);
    let bytes = 0;
    const handTo = async (chain: SenderChain, i: number) => {
      const key = encodeSenderKey(await chain.handOver(secureRandom(32)));
      const { session, box } = await sealInSession(sessions[i] as Session, key, { nowMs });
      sessions[i] = session;
      bytes += box.length;
    };
    const rotate = async (window: number) => {
      bytes = 0;
      const chain = await makeSender();
      for (let from = 0; from < MEMBERS; from += window) {
        await Promise.all(Array.from({ length: window }, (_, i) => handTo(chain, from + i)));
      }
    };
    for (const [name, window] of [["one by one", 1], [`${WINDOW} at once`, WINDOW]] as const) {
      const cost = await measureBest(MEMBERS, () => rotate(window));
      const cpuMs = Math.round(cost.cpuMicros * MEMBERS / 1_000);
      const all = `all: ${cpuMs} ms CPU (asked: under 300), ${Math.round(bytes / 1_000)} KB (asked: under 600)`;
      report(`a new chain for ${MEMBERS} ${whose}, ${name}`, cost, all);
    }
  }
}

function besides(cost: Cost, bare: Cost): string {
  const asked = ASKED_PER_SECOND.toLocaleString("en-US");
  return `${perCore(cost)} (asked: ${asked}), ${(cost.cpuMicros / bare.cpuMicros).toFixed(1)} × bare`;
}

function perCore(cost: Cost): string {
  return `${Math.round(1_000_000 / cost.cpuMicros).toLocaleString("en-US")}/s a core`;
}

/** Prints the table. */
export async function benchSenderKeys(): Promise<void> {
  console.log(
    `A room (a line of 40 characters, ${plaintext.length} bytes with its head; of each the best of five rounds):`,
  );
  await benchMessages();
  await countSeals();
  await benchRotation();
  console.log();
}
