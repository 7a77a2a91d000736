/**
 * The whole world of layers L0 to L4. The core check (`deno task core-check`) compiles them with this file instead of
 * Deno's own types, so that naming `Deno`, `console`, a socket or a timer there is a compile error.
 */

/** Text to UTF-8 bytes. */
declare class TextEncoder {
  /** Encodes. */
  encode(text?: string): Uint8Array<ArrayBuffer>;
}

/** UTF-8 bytes to text. */
declare class TextDecoder {
  /** Chooses how strict to be. */
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  /** Decodes. */
  decode(bytes?: Uint8Array): string;
}

/** A key that only `crypto.subtle` can use. */
interface CryptoKey {
  /** Which half of a pair, or a secret. */
  readonly type: string;
}

/** What of a JSON Web Key is read. */
interface JsonWebKey {
  /** The public key. */
  x?: string;
  /** The private key. */
  d?: string;
}

/** Randomness, and the primitives of WebCrypto. */
declare const crypto: {
  getRandomValues<T extends Uint8Array<ArrayBuffer>>(array: T): T;
  readonly subtle: {
    importKey(
      format: "raw" | "pkcs8",
      key: Uint8Array<ArrayBuffer>,
      algorithm: string | { name: string; hash?: string },
      extractable: boolean,
      usages: readonly string[],
    ): Promise<CryptoKey>;
    encrypt(algorithm: object, key: CryptoKey, data: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer>;
    decrypt(algorithm: object, key: CryptoKey, data: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer>;
    sign(algorithm: string, key: CryptoKey, data: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer>;
    verify(
      algorithm: string,
      key: CryptoKey,
      signature: Uint8Array<ArrayBuffer>,
      data: Uint8Array<ArrayBuffer>,
    ): Promise<boolean>;
    exportKey(format: "jwk", key: CryptoKey): Promise<JsonWebKey>;
    digest(algorithm: string, data: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer>;
    deriveBits(algorithm: object, key: CryptoKey, length: number): Promise<ArrayBuffer>;
  };
};

/** Named by the ambient types of `@std/streams`; no core uses it. */
declare class TransformStream<I, O> {
  /** Where results come out. */
  readonly readable: I;
  /** Where input goes in. */
  readonly writable: O;
}
