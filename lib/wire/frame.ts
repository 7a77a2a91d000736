/**
 * Cuts a byte stream into frame bodies (PROTOCOL 2.1). Does no I/O: feed it what arrived, then take frames until it
 * answers `undefined`.
 *
 *     u32 length (big endian) || body
 *
 * A body is never empty. The length is checked as soon as its four bytes are there, so a hostile one costs nothing.
 * @module
 */

import { DecodeError } from "../bytes/errors.ts";
import { type Bytes, concat, lv } from "../bytes/writer.ts";

/** Bytes of the length in front of a frame. */
export const FRAME_HEAD_BYTES = 4;
/** The longest frame body before both sides are known: no handshake message comes near it. */
export const HANDSHAKE_FRAME_MAX_BYTES = 4096;
/** The longest frame body afterwards: one Noise message (Noise 3). */
export const TRANSPORT_FRAME_MAX_BYTES = 65_535;

/**
 * Puts the length in front of a frame body.
 * @param body 1 to 65,535 bytes
 * @returns the frame
 * @throws {RangeError} when the body is empty or too long
 */
export function encodeFrame(body: Uint8Array): Bytes {
  if (body.length === 0 || body.length > TRANSPORT_FRAME_MAX_BYTES) {
    throw new RangeError(
      `Cannot encode frame: a body of ${body.length} bytes is not 1 to ${TRANSPORT_FRAME_MAX_BYTES}`,
    );
  }
  return lv(body);
}

/** Collects bytes and gives back whole frame bodies; keeps at most one frame and what was pushed last. */
export class FrameDecoder {
  #chunks: Uint8Array[] = [];
  #bufferedBytes = 0;
  #maxBytes: number;

  /**
   * Starts with nothing buffered.
   * @param maxBytes the longest body to accept
   */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether bytes of an unfinished frame are waiting. */
  get isMidFrame(): boolean {
    return this.#bufferedBytes > 0;
  }

  /**
   * Changes the longest body to accept, from the next frame on.
   * @param maxBytes the new bound
   */
  setMaxBytes(maxBytes: number): void {
    this.#maxBytes = maxBytes;
  }

  /**
   * Takes bytes in. Take all frames out before the next call, so that little is ever kept.
   * @param bytes what arrived; kept until it is used up
   */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#chunks.push(bytes);
    this.#bufferedBytes += bytes.length;
  }

  /**
   * Takes the next whole frame body.
   * @returns the body, or `undefined` when more bytes are needed
   * @throws {DecodeError} when the length is zero or above the bound; nothing can be read after that
   */
  next(): Bytes | undefined {
    if (this.#bufferedBytes < FRAME_HEAD_BYTES) return undefined;
    const head = this.#peek(FRAME_HEAD_BYTES);
    const lengthBytes = new DataView(head.buffer).getUint32(0);
    if (lengthBytes === 0) throw new DecodeError("Cannot decode frame: its body is empty");
    if (lengthBytes > this.#maxBytes) {
      throw new DecodeError(`Cannot decode frame: a body of ${lengthBytes} bytes is above ${this.#maxBytes}`);
    }
    if (this.#bufferedBytes < FRAME_HEAD_BYTES + lengthBytes) return undefined;
    return this.#take(FRAME_HEAD_BYTES + lengthBytes).subarray(FRAME_HEAD_BYTES);
  }

  #peek(lengthBytes: number): Bytes {
    const out = new Uint8Array(lengthBytes);
    let filled = 0;
    for (const chunk of this.#chunks) {
      const part = chunk.subarray(0, lengthBytes - filled);
      out.set(part, filled);
      filled += part.length;
      if (filled === lengthBytes) break;
    }
    return out;
  }

  #take(lengthBytes: number): Bytes {
    // One copy a frame, however finely the stream was cut: joining at every push would be quadratic.
    const all = this.#chunks.length === 1 ? this.#chunks[0] as Uint8Array : concat(...this.#chunks);
    const rest = all.subarray(lengthBytes);
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#bufferedBytes = rest.length;
    return new Uint8Array(all.subarray(0, lengthBytes));
  }
}
