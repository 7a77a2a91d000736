/**
 * Padding, so that a ciphertext tells little about the length of its text (PROTOCOL §0.7):
 * `u32 length || plaintext || zeros`, to the smallest of six sizes that fits.
 * @module
 */

import { AuthError } from "../bytes/errors.ts";
import { type Bytes, concat, u32be } from "../bytes/writer.ts";

/** The sizes that a padded plaintext can have, in bytes. */
export const PADDED_SIZES: readonly number[] = [64, 256, 1_024, 4_096, 16_384, 32_768];
/** The largest padded plaintext. */
export const PADDED_MAX_BYTES = 32_768;

const LENGTH_BYTES = 4;

/**
 * Pads a plaintext.
 * @param plaintext at most 32,764 bytes
 * @returns the smallest padded size that holds it
 * @throws {RangeError} when it is longer
 */
export function pad(plaintext: Bytes): Bytes {
  const size = paddedSizeOf(plaintext.length);
  if (size === undefined) {
    throw new RangeError(`Cannot pad: ${plaintext.length} bytes is above ${PADDED_MAX_BYTES - 4}`);
  }
  const filler = new Uint8Array(size - LENGTH_BYTES - plaintext.length);
  return concat(u32be(plaintext.length), plaintext, filler);
}

/**
 * Takes the padding off; to be called on authenticated bytes alone, or an error would tell a forger about the text.
 * @param padded what {@linkcode pad} returned
 * @returns the plaintext
 * @throws {AuthError} when the size is not the smallest that fits, or the filler is not zero
 */
export function unpad(padded: Bytes): Bytes {
  if (padded.length < LENGTH_BYTES) throw new AuthError("Cannot open: the padding is malformed");
  const view = new DataView(padded.buffer, padded.byteOffset, padded.byteLength);
  const lengthBytes = view.getUint32(0);
  if (paddedSizeOf(lengthBytes) !== padded.length) throw new AuthError("Cannot open: the padding is malformed");
  const end = LENGTH_BYTES + lengthBytes;
  if (padded.subarray(end).some((byte) => byte !== 0)) throw new AuthError("Cannot open: the filler is not zero");
  return padded.slice(LENGTH_BYTES, end);
}

function paddedSizeOf(lengthBytes: number): number | undefined {
  return PADDED_SIZES.find((size) => size >= LENGTH_BYTES + lengthBytes);
}
