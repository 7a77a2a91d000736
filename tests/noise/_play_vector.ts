/** Plays a Noise vector, official or recorded, through both roles: what one writes the other must read. */

import { assertEquals } from "@std/assert";
import { decodeHex, encodeHex } from "@std/encoding/hex";
import type { Bytes } from "../../lib/bytes/writer.ts";
import { dhKeyPairFrom } from "../../lib/crypto/dh.ts";
import type { RandomBytes } from "../../lib/crypto/random.ts";
import { type HandshakeRole, HandshakeState } from "../../lib/noise/handshake_state.ts";
import { type HandshakePattern, XX, XX_PSK3 } from "../../lib/noise/patterns.ts";

/** The fields that cacophony, snow and our own recordings share; all bytes in hex. */
export interface NoiseVector {
  readonly protocol_name: string;
  readonly init_prologue: string;
  readonly init_psks?: readonly string[];
  readonly init_static: string;
  readonly init_ephemeral: string;
  readonly resp_prologue: string;
  readonly resp_psks?: readonly string[];
  readonly resp_static: string;
  readonly resp_ephemeral: string;
  readonly handshake_hash?: string;
  readonly messages: readonly { readonly payload: string; readonly ciphertext: string }[];
}

/** What plays out of the inputs of a vector. */
export interface Played {
  readonly handshakeHash: string;
  readonly ciphertexts: string[];
}

const NO_AD = new Uint8Array(0);

/** Gives prepared bytes instead of random ones. */
export function fixedRandom(bytes: Bytes): RandomBytes {
  return (lengthBytes) => {
    assertEquals(lengthBytes, bytes.length, "the draw has another length than the prepared bytes");
    return bytes.slice();
  };
}

/** Runs both roles over the payloads; fails unless each side reads what the other wrote and both agree at the end. */
export async function playVector(vector: NoiseVector): Promise<Played> {
  const pattern = patternOf(vector.protocol_name);
  const initiator = await start(vector, pattern, "initiator");
  const responder = await start(vector, pattern, "responder");
  const ciphertexts: string[] = [];
  const count = pattern.messages.length;

  for (const [i, { payload }] of vector.messages.slice(0, count).entries()) {
    const [writer, reader] = i % 2 === 0 ? [initiator, responder] : [responder, initiator];
    const message = await writer.writeMessage(decodeHex(payload));
    assertEquals(encodeHex(await reader.readMessage(message)), payload);
    ciphertexts.push(encodeHex(message));
  }
  assertEquals(initiator.handshakeHash, responder.handshakeHash);
  assertEquals(initiator.remoteStatic, (await dhKeyPairFrom(decodeHex(vector.resp_static))).publicBytes);
  assertEquals(responder.remoteStatic, (await dhKeyPairFrom(decodeHex(vector.init_static))).publicBytes);

  const ofInitiator = await initiator.split();
  const ofResponder = await responder.split();
  for (const [i, { payload }] of vector.messages.slice(count).entries()) {
    // The turns go on after the handshake, the responder's being next.
    const [writer, reader] = (i + count) % 2 === 0 ? [ofInitiator, ofResponder] : [ofResponder, ofInitiator];
    const message = await writer.sending.encryptWithAd(NO_AD, decodeHex(payload));
    assertEquals(encodeHex(await reader.receiving.decryptWithAd(NO_AD, message)), payload);
    ciphertexts.push(encodeHex(message));
  }
  return { handshakeHash: encodeHex(initiator.handshakeHash), ciphertexts };
}

/** Plays a vector and compares every byte that it names. */
export async function assertVector(vector: NoiseVector): Promise<void> {
  const played = await playVector(vector);
  assertEquals(played.ciphertexts, vector.messages.map(({ ciphertext }) => ciphertext));
  if (vector.handshake_hash !== undefined) assertEquals(played.handshakeHash, vector.handshake_hash);
}

function patternOf(protocolName: string): HandshakePattern {
  const pattern = [XX, XX_PSK3].find((known) => known.protocolName === protocolName);
  if (pattern === undefined) throw new TypeError(`Cannot play vector: ${protocolName} is unknown`);
  return pattern;
}

async function start(vector: NoiseVector, pattern: HandshakePattern, role: HandshakeRole): Promise<HandshakeState> {
  const isInitiator = role === "initiator";
  const psk = (isInitiator ? vector.init_psks : vector.resp_psks)?.[0];
  return await HandshakeState.create({
    pattern,
    role,
    prologue: decodeHex(isInitiator ? vector.init_prologue : vector.resp_prologue),
    staticKeyPair: await dhKeyPairFrom(decodeHex(isInitiator ? vector.init_static : vector.resp_static)),
    ...(psk === undefined ? {} : { psk: decodeHex(psk) }),
    random: fixedRandom(decodeHex(isInitiator ? vector.init_ephemeral : vector.resp_ephemeral)),
  });
}
