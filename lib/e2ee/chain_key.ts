/**
 * The symmetric chain under the Double Ratchet and under the sender keys of rooms (PROTOCOL 3.6, 3.14):
 * `mk = HMAC(ck, 1)`, `ck' = HMAC(ck, 2)`. Nobody gets from `ck'` back to `ck`, or to the message keys before it.
 * @module
 */

import { ProtocolError } from "../bytes/errors.ts";
import { type Bytes, u8 } from "../bytes/writer.ts";
import { hmacSha256Both } from "../crypto/kdf.ts";
import { SKIP_MAX_PER_JUMP } from "./skipped_keys.ts";

/** Bytes of a chain key. */
export const CHAIN_KEY_BYTES = 32;

const MESSAGE_KEY_INPUT = u8(1);
const CHAIN_KEY_INPUT = u8(2);

/** Where a chain stands. */
export interface ChainPosition {
  /** `ck`, 32 bytes, secret. */
  readonly chainKey: Bytes;
  /** The number of the next message. */
  readonly n: number;
}

/**
 * Takes one step (`KDF_CK`).
 * @param chainKey 32 bytes, secret
 * @returns the key of the message that is due, and the chain key after it
 */
export async function stepChain(chainKey: Bytes): Promise<{ messageKey: Bytes; chainKey: Bytes }> {
  const [messageKey, next] = await hmacSha256Both(chainKey, MESSAGE_KEY_INPUT, CHAIN_KEY_INPUT);
  return { messageKey, chainKey: next };
}

/**
 * Walks a chain to where one message is due.
 * @param from where it stands
 * @param until the number of that message; below `from.n` there is nothing to walk
 * @returns where it stands then, and the keys that were passed over, in order
 * @throws {ProtocolError} when that are more than 1,000; before any work
 */
export async function walkChain(
  from: ChainPosition,
  until: number,
): Promise<{ chain: ChainPosition; passed: { readonly n: number; readonly messageKey: Bytes }[] }> {
  assertJump(from.n, until);
  const passed: { readonly n: number; readonly messageKey: Bytes }[] = [];
  let { chainKey } = from;
  for (let n = from.n; n < until; n++) {
    const step = await stepChain(chainKey);
    passed.push({ n, messageKey: step.messageKey });
    chainKey = step.chainKey;
  }
  return { chain: { chainKey, n: Math.max(from.n, until) }, passed };
}

/**
 * Refuses a jump that would cost too much.
 * @param from the number that is due
 * @param to the number that came
 * @throws {ProtocolError} when more than 1,000 lie between
 */
export function assertJump(from: number, to: number): void {
  if (to - from > SKIP_MAX_PER_JUMP) {
    throw new ProtocolError(`Cannot open: it skips ${to - from} messages, more than ${SKIP_MAX_PER_JUMP}`);
  }
}
