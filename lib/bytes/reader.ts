/**
 * Reading byte structures back: every length is checked before anything is cut, and trailing bytes are refused.
 * @module
 */

import { DecodeError } from "./errors.ts";
import { type Bytes, U64_MAX } from "./writer.ts";

/**
 * Decodes UTF-8 strictly.
 * @param bytes the encoded text
 * @returns the text, a byte order mark included
 * @throws {DecodeError} when the bytes are not UTF-8
 */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new DecodeError("Cannot decode text: it is not UTF-8");
  }
}

/** Reads fields from the front of a byte array, in order. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #what: string;
  #offset = 0;

  /**
   * Starts at the first byte.
   * @param bytes what to read; not copied until a field is taken
   * @param what the name of the structure, for error messages
   */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
  }

  /** How many bytes are left. */
  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  /**
   * Takes a one-byte number.
   * @returns 0 to 255
   * @throws {DecodeError} when nothing is left
   */
  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  /**
   * Takes a two-byte number.
   * @returns 0 to 65,535
   * @throws {DecodeError} when too little is left
   */
  u16(): number {
    return this.#view.getUint16(this.#advance(2));
  }

  /**
   * Takes a four-byte number.
   * @returns 0 to 2^32 - 1
   * @throws {DecodeError} when too little is left
   */
  u32(): number {
    return this.#view.getUint32(this.#advance(4));
  }

  /**
   * Takes an eight-byte number.
   * @returns 0 to 2^53 - 1
   * @throws {DecodeError} when too little is left or the number is larger
   */
  u64(): number {
    const value = this.#view.getBigUint64(this.#advance(8));
    if (value > BigInt(U64_MAX)) throw new DecodeError(`Cannot decode ${this.#what}: a number is above 2^53 - 1`);
    return Number(value);
  }

  /**
   * Takes a field of a known length.
   * @param lengthBytes how many bytes
   * @returns a copy of them
   * @throws {DecodeError} when too little is left
   * @throws {RangeError} when the length is not a whole number from 0 up: a negative one would read backwards
   */
  take(lengthBytes: number): Bytes {
    if (!Number.isSafeInteger(lengthBytes) || lengthBytes < 0) {
      throw new RangeError(`Cannot take bytes: ${lengthBytes} is not a whole number from 0 up`);
    }
    const start = this.#advance(lengthBytes);
    return new Uint8Array(this.#bytes.subarray(start, start + lengthBytes));
  }

  /**
   * Takes a length-prefixed field, `u32be length || x`.
   * @param maxBytes the longest that is allowed
   * @returns a copy of the field
   * @throws {DecodeError} when it is longer than that, or than what is left
   */
  lv(maxBytes: number): Bytes {
    const lengthBytes = this.u32();
    if (lengthBytes > maxBytes) {
      throw new DecodeError(`Cannot decode ${this.#what}: a field of ${lengthBytes} bytes is above ${maxBytes}`);
    }
    return this.take(lengthBytes);
  }

  /**
   * Takes a length-prefixed field that must have one length.
   * @param lengthBytes that length
   * @returns a copy of the field
   * @throws {DecodeError} when it has another
   */
  lvExactly(lengthBytes: number): Bytes {
    const found = this.u32();
    if (found !== lengthBytes) {
      throw new DecodeError(`Cannot decode ${this.#what}: a field has ${found} bytes, not ${lengthBytes}`);
    }
    return this.take(lengthBytes);
  }

  /**
   * Takes everything that is left.
   * @returns a copy of it, perhaps empty
   */
  rest(): Bytes {
    return this.take(this.remaining);
  }

  /**
   * Says that the structure ends here.
   * @throws {DecodeError} when bytes are left
   */
  end(): void {
    if (this.remaining !== 0) {
      throw new DecodeError(`Cannot decode ${this.#what}: ${this.remaining} bytes follow its end`);
    }
  }

  #advance(lengthBytes: number): number {
    if (lengthBytes > this.remaining) {
      throw new DecodeError(
        `Cannot decode ${this.#what}: ${lengthBytes} bytes are due, ${this.remaining} are left`,
      );
    }
    const start = this.#offset;
    this.#offset += lengthBytes;
    return start;
  }
}
