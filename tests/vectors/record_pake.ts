/**
 * Records our own vectors of sessions by code, from fixed inputs and with the implementation under test:
 * `deno run --allow-read --allow-write tests/vectors/record_pake.ts`
 *
 * As with `record.ts`: record again only for a deliberate change of the protocol, and only while the official vectors
 * pass.
 */

import { encodeHex } from "@std/encoding/hex";
import { type Bytes, concat, utf8 } from "../../lib/bytes/writer.ts";
import { dhKeyPairFrom, x25519 } from "../../lib/crypto/dh.ts";
import { sha512 } from "../../lib/crypto/hash.ts";
import { calculateGenerator, confirmationTag, deriveIsk, deriveSidOutput } from "../../lib/pake/cpace.ts";
import { pakeAssociatedData, pakeIdentityProof } from "../../lib/pake/code_keys.ts";
import { CodePake } from "../../lib/pake/code_pake.ts";
import { elligator2 } from "../../lib/pake/elligator2.ts";

/** One value, in hex or as plain text, by its name. */
type Fields = Readonly<Record<string, string>>;

/** What `pake.json` holds; all bytes in hex. */
export interface PakeFile {
  readonly origin: string;
  readonly elligator2: readonly Fields[];
  readonly cpace: readonly Fields[];
  readonly code: readonly Fields[];
}

/**
 * Runs the map, CPace and whole sessions by code over fixed inputs.
 * @returns the content of `pake.json`
 */
export async function recordPake(): Promise<PakeFile> {
  return {
    origin: "Sotto's own implementation, by tests/vectors/record_pake.ts",
    elligator2: await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map(recordMap)),
    cpace: await Promise.all([1, 20, 117, 130].map(recordCpace)),
    code: await Promise.all(["7KQ2", "0000"].map(playCode)),
  };
}

async function recordMap(number: number): Promise<Fields> {
  const element = await input(`element ${number}`, 32);
  return hex({ element, u: elligator2(element) });
}

/** Lengths around those at which the padding ends and the length prefix grows. */
async function recordCpace(lengthBytes: number): Promise<Fields> {
  const use = (name: string, bytes: number) => input(`cpace ${lengthBytes} ${name}`, bytes);
  const [prs, ci, sid] = [await use("PRS", lengthBytes), await use("CI", lengthBytes), await use("sid", 32)];
  const [ya, yb] = [await use("ya", 32), await use("yb", 32)];
  const [adA, adB] = [await use("ADa", lengthBytes), await use("ADb", 200 - lengthBytes)];
  const g = await calculateGenerator({ prs, ci, sid });
  const shares = { initiator: { y: await x25519(ya, g), ad: adA }, responder: { y: await x25519(yb, g), ad: adB } };
  const isk = await deriveIsk(sid, await x25519(ya, shares.responder.y), shares);
  const inputs = { prs, ci, sid, ya, adA, yb, adB };
  const sidOutput = await deriveSidOutput(shares);
  const tags = {
    ta: await confirmationTag(sid, isk, shares.initiator),
    tb: await confirmationTag(sid, isk, shares.responder),
  };
  return hex({ ...inputs, g, yaPublic: shares.initiator.y, ybPublic: shares.responder.y, isk, sidOutput, ...tags });
}

/**
 * Plays a whole session by code with fixed randomness.
 * @param mailbox where they meet
 * @returns what each drew, what went over the wire, what both got
 */
export async function playCode(mailbox: string): Promise<Fields> {
  const use = (name: string, bytes: number) => input(`code ${mailbox} ${name}`, bytes);
  const shared = {
    prs: utf8("able-sunset-violin"),
    mailbox: utf8(mailbox),
    initiatorSid: await use("rI", 16),
    responderSid: await use("rR", 16),
  };
  const drawn = { initiatorDraws: await use("I draws", 48), responderDraws: await use("R draws", 48) };
  const keys = {
    initiator: await dhKeyPairFrom(await use("I", 32)),
    responder: await dhKeyPairFrom(await use("R", 32)),
  };
  const party = (role: "initiator" | "responder", draws: Bytes) =>
    new CodePake({
      role,
      ...shared,
      certificate: utf8(`certificate of the ${role}`),
      ratchetPublic: keys[role].publicBytes,
      random: from(draws),
    });
  const [initiator, responder] = [party("initiator", drawn.initiatorDraws), party("responder", drawn.responderDraws)];
  const opening = await initiator.open();
  const answer = await responder.answer(opening);
  const { tag, outcome } = await initiator.confirm(answer);
  const { sharedKey, sidOutput } = await responder.finish(tag);
  if (encodeHex(sharedKey) !== encodeHex(outcome.sharedKey)) throw new Error("Cannot record: the keys differ");
  const derived = {
    ad: await pakeAssociatedData(sidOutput),
    initiatorProof: pakeIdentityProof("initiator", sidOutput),
    responderProof: pakeIdentityProof("responder", sidOutput),
  };
  return hex({ ...shared, ...drawn, opening, answer, tag, sharedKey, sidOutput, ...derived });
}

/** Gives fixed bytes in order: 16 for the associated data, then 32 for the scalar. */
function from(bytes: Bytes): (lengthBytes: number) => Bytes {
  let offset = 0;
  return (lengthBytes) => bytes.slice(offset, offset += lengthBytes);
}

/** Makes fixed bytes for a use, up to 256. */
async function input(use: string, lengthBytes: number): Promise<Bytes> {
  const blocks = await Promise.all([0, 1, 2, 3].map((number) => sha512(utf8(`${use} ${number}`))));
  return concat(...blocks).slice(0, lengthBytes);
}

function hex(fields: Readonly<Record<string, Bytes>>): Fields {
  return Object.fromEntries(Object.entries(fields).map(([name, bytes]) => [name, encodeHex(bytes)]));
}

if (import.meta.main) {
  const file = new URL("pake.json", import.meta.url);
  await Deno.writeTextFile(file, JSON.stringify(await recordPake(), null, 2) + "\n");
  console.log("Wrote tests/vectors/pake.json");
}
