/**
 * Runs before a program of Sotto, in its process, and is no part of it (`deno run --preload`): notes under which key and
 * IV it seals, and lets its clock jump. What is noted is SHA-256(key || IV) in hexadecimal and a line end, before the
 * program gets its ciphertext; keys themselves are noted nowhere.
 *
 * It is told by the variable `SOTTO_FAULTS`, as JSON: `seals` is a directory for its notes, `clock` a file that holds by
 * how many milliseconds the clock is wrong.
 * @module
 */

import { createHash } from "node:crypto";

const { seals, clock } = JSON.parse(Deno.env.get("SOTTO_FAULTS") ?? "{}");
/** How often the file of the clock is read. */
const LOOK_AT_CLOCK_MS = 50;
/** Notes in one file: 65 bytes each, so that a limit for the files of a program need not stop them. */
const NOTES_PER_FILE = 1_000;

function watchSeals(): void {
  const notes = new Notes();
  const { subtle } = crypto;
  const importKey = subtle.importKey.bind(subtle) as (...args: unknown[]) => Promise<CryptoKey>;
  const encrypt = subtle.encrypt.bind(subtle);
  const rawKeys = new WeakMap<CryptoKey, Uint8Array>();
  const watched = {
    async importKey(...args: unknown[]): Promise<CryptoKey> {
      const [format, bytes, algorithm] = args;
      if (nameOf(algorithm) !== "AES-GCM") return await importKey(...args);
      if (format !== "raw") return unwatched(`a key as ${format}`);
      const raw = bytesOf(bytes as BufferSource); // a copy: whoever imports may clear it
      const key = await importKey(...args);
      rawKeys.set(key, raw);
      return key;
    },
    encrypt(algorithm: AesGcmParams, key: CryptoKey, plaintext: BufferSource): Promise<ArrayBuffer> {
      const raw = rawKeys.get(key);
      if (nameOf(algorithm) !== "AES-GCM" || raw === undefined) return unwatched("a cipher or a key");
      const iv = bytesOf(algorithm.iv);
      notes.add(createHash("sha256").update(raw).update(iv).digest("hex"));
      return encrypt({ ...algorithm, iv }, key, plaintext); // what was noted is what is used
    },
    deriveKey: () => unwatched("deriveKey"),
    generateKey: () => unwatched("generateKey"),
    unwrapKey: () => unwatched("unwrapKey"),
    wrapKey: () => unwatched("wrapKey"),
  };
  for (const [name, value] of Object.entries(watched)) {
    Object.defineProperty(subtle, name, { value, configurable: true, writable: true });
  }
}

/** A way to seal that nothing would be noted of: the program fails by it, so that somebody looks here. */
function unwatched(what: string): never {
  throw new Error(`Cannot watch ${what}: teach tests/faults/_watched.ts`);
}

function nameOf(algorithm: unknown): unknown {
  return typeof algorithm === "string" ? algorithm : (algorithm as { readonly name: string }).name;
}

function bytesOf(source: BufferSource): Uint8Array<ArrayBuffer> {
  const view = source instanceof ArrayBuffer
    ? new Uint8Array(source)
    : new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  return new Uint8Array(view);
}

function bendClock(path: string): void {
  const now = Date.now;
  let lookedAtMs = -Infinity;
  let wrongByMs = 0;
  Date.now = () => {
    if (performance.now() - lookedAtMs > LOOK_AT_CLOCK_MS) {
      wrongByMs = Number(Deno.readTextFileSync(path));
      lookedAtMs = performance.now();
    }
    return now() + wrongByMs;
  };
}

/** Where seals are noted. */
class Notes {
  readonly #name = `${seals}/${crypto.randomUUID()}`;
  #file: Deno.FsFile | undefined;
  #count = 0;

  add(hash: string): void {
    if (this.#count++ % NOTES_PER_FILE === 0) {
      this.#file?.close();
      this.#file = Deno.openSync(`${this.#name}.${this.#count}`, { append: true, create: true });
    }
    const line = new TextEncoder().encode(hash + "\n");
    if (this.#file?.writeSync(line) !== line.length) throw new Error("Cannot note a seal");
  }
}

watchSeals();
bendClock(clock);
