/** Two parties of a handshake, joined by hand; every key comes from a counter, so that a run repeats exactly. */

import { type Bytes, concat, u64be, utf8 } from "../../lib/bytes/writer.ts";
import { type DhKeyPair, dhKeyPairFrom } from "../../lib/crypto/dh.ts";
import { sha256 } from "../../lib/crypto/hash.ts";
import { type HandshakeOptions, HandshakeState } from "../../lib/noise/handshake_state.ts";
import { type HandshakePattern, usesPsk, XX, XX_PSK3 } from "../../lib/noise/patterns.ts";
import { fixedRandom } from "./_play_vector.ts";

/** Every pattern that tests must hold for. */
export const PATTERNS: readonly HandshakePattern[] = [XX, XX_PSK3];

/** Payloads of a plausible length, the first two short and the third longer. */
export const PAYLOADS: readonly Bytes[] = [utf8("hi"), utf8("relay name"), utf8("a certificate would stand here")];

/** How many bytes each message has around its payload: Noise 7.5, plus a tag on the first one in a psk pattern. */
export const OVERHEAD_BYTES: Readonly<Record<string, readonly number[]>> = {
  [XX.protocolName]: [32, 96, 64],
  [XX_PSK3.protocolName]: [48, 96, 64],
};

const NO_AD = new Uint8Array(0);
const INITIATOR_STATIC = await pairFromNumber(1);
const INITIATOR_EPHEMERAL = await seed(2);
const RESPONDER_STATIC = await pairFromNumber(3);
const RESPONDER_EPHEMERAL = await seed(4);
const PSK = await seed(5);

/** Makes 32 fixed bytes for a number. */
export async function seed(number: number): Promise<Bytes> {
  return await sha256(concat(utf8("noise test seed"), u64be(number)));
}

/** Makes a fixed key pair for a number. */
export async function pairFromNumber(number: number): Promise<DhKeyPair> {
  return await dhKeyPairFrom(await seed(number));
}

/** What the initiator brings, unless a test says otherwise. */
export function initiatorOptions(pattern: HandshakePattern, other: Partial<HandshakeOptions> = {}): HandshakeOptions {
  return {
    pattern,
    role: "initiator",
    prologue: utf8("noise test"),
    staticKeyPair: INITIATOR_STATIC,
    ...(usesPsk(pattern) ? { psk: PSK } : {}),
    random: fixedRandom(INITIATOR_EPHEMERAL),
    ...other,
  };
}

/** What the responder brings, unless a test says otherwise. */
export function responderOptions(pattern: HandshakePattern, other: Partial<HandshakeOptions> = {}): HandshakeOptions {
  return {
    ...initiatorOptions(pattern),
    role: "responder",
    staticKeyPair: RESPONDER_STATIC,
    random: fixedRandom(RESPONDER_EPHEMERAL),
    ...other,
  };
}

/** The two ends of a handshake. */
export interface Ends {
  readonly initiator: HandshakeState;
  readonly responder: HandshakeState;
}

/** Starts both ends. */
export async function startEnds(
  pattern: HandshakePattern,
  other: { initiator?: Partial<HandshakeOptions>; responder?: Partial<HandshakeOptions> } = {},
): Promise<Ends> {
  return {
    initiator: await HandshakeState.create(initiatorOptions(pattern, other.initiator)),
    responder: await HandshakeState.create(responderOptions(pattern, other.responder)),
  };
}

/**
 * Carries whole messages until the one at `stopAt` has been written.
 * @returns that message and the end that must read it
 */
export async function runUpTo(ends: Ends, stopAt: number): Promise<{ message: Bytes; reader: HandshakeState }> {
  for (let i = 0;; i++) {
    const [writer, reader] = i % 2 === 0 ? [ends.initiator, ends.responder] : [ends.responder, ends.initiator];
    const message = await writer.writeMessage(PAYLOADS[i] as Bytes);
    if (i === stopAt) return { message, reader };
    await reader.readMessage(message);
  }
}

/** Finishes a handshake. */
export async function finish(ends: Ends): Promise<void> {
  const { message, reader } = await runUpTo(ends, 2);
  await reader.readMessage(message);
}

/** Whether the peer notices that something was off: by refusing the message, or with its very next answer. */
export async function isRefused(ends: Ends, index: number, message: Bytes): Promise<boolean> {
  const { reader } = await runUpTo(ends, index);
  const other = reader === ends.initiator ? ends.responder : ends.initiator;
  try {
    await reader.readMessage(message);
  } catch {
    return true;
  }
  if (reader.isFinished) return false;
  try {
    await other.readMessage(await reader.writeMessage(NO_AD));
  } catch {
    return true;
  }
  return false;
}
