/** People to test with: keys, a certificate, prekeys and a session book each. */

import { ByteReader } from "../../lib/bytes/reader.ts";
import { type Bytes, lvCat, utf8 } from "../../lib/bytes/writer.ts";
import {
  encodeBundle,
  encodeOneTimePrekeys,
  ONE_TIME_PREKEY_BYTES,
  type VerifiedBundle,
  verifyBundle,
} from "../../lib/e2ee/bundle.ts";
import { type Certificate, createCertificate } from "../../lib/e2ee/certificate.ts";
import { generateIdentity, type Identity } from "../../lib/e2ee/identity.ts";
import type { Opened } from "../../lib/e2ee/opened.ts";
import { addOneTimePrekey, createPrekeyStore } from "../../lib/e2ee/prekeys.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { SessionBook } from "../../lib/e2ee/session_book.ts";
import type { PeerSessions } from "../../lib/e2ee/sessions.ts";

/** The clock of all tests, moved by hand. */
export const NOW_MS = 1_750_000_000_000;
export const AT = { nowMs: NOW_MS } as const;
export const DAY_MS = 24 * 60 * 60 * 1_000;

export interface Person {
  readonly identity: Identity;
  readonly certificate: Certificate;
  readonly book: SessionBook;
}

export async function makePerson(handle: string): Promise<Person> {
  const identity = await generateIdentity({ life: "lasting", nowMs: NOW_MS });
  const certificate = await createCertificate(identity, { handle, createdMs: NOW_MS });
  const prekeys = await createPrekeyStore(AT);
  return { identity, certificate, book: new SessionBook({ identity, certificate, prekeys }) };
}

/** What a relay would hand out: the owner's bundle, with a fresh one-time prekey or none. */
export async function handedBundle(owner: Person, withOneTime = true): Promise<Bytes> {
  const bundle = await encodeBundle(owner, owner.book.prekeys);
  return lvCat(bundle, withOneTime ? await oneTimeOf(owner) : new Uint8Array(0));
}

/** Makes one one-time prekey, keeps its private half in the owner's book, and gives the opaque blob. */
export async function oneTimeOf(owner: Person): Promise<Bytes> {
  const { prekey } = await owner.book.updatePrekeys((store) => addOneTimePrekey(store, "published", secureRandom));
  const list = await encodeOneTimePrekeys(owner, [prekey]);
  return new ByteReader(list, "list").lv(ONE_TIME_PREKEY_BYTES);
}

export async function verifiedBundle(owner: Person, withOneTime = true): Promise<VerifiedBundle> {
  const expectFingerprint = owner.certificate.fingerprint;
  return await verifyBundle(await handedBundle(owner, withOneTime), { expectFingerprint, ...AT });
}

/** The sessions that `owner` has with `peer`. */
export function sessionsWith(owner: Person, peer: Person): PeerSessions {
  return owner.book.peer(peer.certificate.fingerprint);
}

/** Begins a session and seals its first box. */
export async function firstBox(from: Person, to: Person, text: string, withOneTime = true): Promise<Bytes> {
  await sessionsWith(from, to).startFrom(await verifiedBundle(to, withOneTime), AT);
  return await say(from, to, text);
}

export function say(from: Person, to: Person, text: string): Promise<Bytes> {
  return sessionsWith(from, to).seal(utf8(text), AT);
}

/** Opens a box and says in one line what became of it, so that tests compare strings. */
export async function hear(who: Person, box: Bytes): Promise<string> {
  return describe(await who.book.open(box, AT));
}

export function describe(opened: Opened): string {
  switch (opened.kind) {
    case "opened":
      return `${opened.peer.handle}: ${new TextDecoder().decode(opened.plaintext)}`;
    case "repeat":
      return "repeat";
    case "unopenable":
      return `unopenable: ${opened.reason}`;
  }
}

/** A copy with one byte changed. */
export function flipped(bytes: Bytes, index: number, mask = 1): Bytes {
  const copy = bytes.slice();
  copy[index] = (copy[index] as number) ^ mask;
  return copy;
}
