/**
 * The members of a room, and the hash of them that ops carry (PROTOCOL 3.11):
 *
 * ```
 * roster  SHA-256(label("roster") || lv_cat(entry, entry, …)), sorted by id
 * entry   id 32 | role 1 | SHA-256 of the admitting op 32
 * ```
 *
 * Roles: 1 member, 2 admin, 3 owner. The admitting op is the one that carries the member's current certificate.
 * @module
 */

import { compareBytes } from "../bytes/equal.ts";
import { DecodeError } from "../bytes/errors.ts";
import { type Bytes, label, u32be } from "../bytes/writer.ts";
import { sha256, SHA256_BYTES } from "../crypto/hash.ts";
import type { Certificate } from "./certificate.ts";
import type { Fingerprint } from "./identity.ts";

/** What somebody may do in an invite room; in an open room everybody is a member. */
export type Role = "member" | "admin" | "owner";

/** Somebody in a room. */
export interface Member {
  /** The certificate that the log has of them. */
  readonly certificate: Certificate;
  /** What they may do. */
  readonly role: Role;
  /** The op that carries this certificate: a create, join or add, whole. */
  readonly admittingOp: Bytes;
  /** Its SHA-256, 32 bytes. */
  readonly admittingHash: Bytes;
  /** The place of the op by which they came; a newer certificate leaves it as it is. */
  readonly joinedEpoch: number;
  /** The relay's time of their last own event, in milliseconds since 1970 (UTC); kept up in open rooms alone. */
  readonly lastActiveMs: number;
}

/** The members by fingerprint, in the order in which they came. */
export type Members = ReadonlyMap<Fingerprint, Member>;

/** The most members of a room: one message needs a key for each, and a relay takes no more. */
export const ROSTER_MEMBERS_MAX = 1_000;

const ENTRY_BYTES = 2 * SHA256_BYTES + 1;
const ENTRY_LENGTH = u32be(ENTRY_BYTES);
/** An entry with its length. */
const SPELT_BYTES = 4 + ENTRY_BYTES;

const ROLE_BYTES = { member: 1, admin: 2, owner: 3 } as const satisfies Record<Role, number>;

/**
 * Encodes a role.
 * @param role the role
 * @returns 1 to 3
 */
export function roleToByte(role: Role): number {
  return ROLE_BYTES[role];
}

/**
 * Decodes a role.
 * @param byte 1 to 3
 * @returns the role
 * @throws {DecodeError} when it is another number
 */
export function roleFromByte(byte: number): Role {
  if (byte === ROLE_BYTES.member) return "member";
  if (byte === ROLE_BYTES.admin) return "admin";
  if (byte === ROLE_BYTES.owner) return "owner";
  throw new DecodeError(`Cannot decode role: ${byte} is unknown`);
}

/** Members by id, and what is hashed of them. */
interface Spelt {
  readonly sorted: readonly Member[];
  readonly bytes: Bytes;
}

/** What was hashed last, by the very members, which never change: each op changes one or two of perhaps a thousand. */
const SPELT = new WeakMap<Members, Spelt>();

/**
 * Computes the hash of the members.
 * @param members who is in the room; never to be changed from now on
 * @param before the members of whom these differ little, if there are such; it only spares work
 * @returns 32 bytes
 */
export function rosterHash(members: Members, before?: Members): Promise<Bytes> {
  const known = before && SPELT.get(before);
  const sorted = known === undefined ? sortedById([...members.values()]) : merged(known.sorted, members);
  const bytes = spell(sorted, known);
  SPELT.set(members, { sorted, bytes });
  return sha256(bytes);
}

function sortedById(members: Member[]): Member[] {
  return members.sort((a, b) => compareBytes(a.certificate.id, b.certificate.id));
}

/** Sorts members most of whom are sorted already. */
function merged(before: readonly Member[], members: Members): Member[] {
  const stayed = new Set<Fingerprint>();
  const sorted: Member[] = [];
  for (const { certificate: { fingerprint } } of before) {
    const member = members.get(fingerprint);
    if (member === undefined) continue;
    sorted.push(member);
    stayed.add(fingerprint);
  }
  if (stayed.size === members.size) return sorted;
  const came = [...members.values()].filter(({ certificate }) => !stayed.has(certificate.fingerprint));
  for (const member of came) {
    const { id } = member.certificate;
    let [from, to] = [0, sorted.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (compareBytes((sorted[middle] as Member).certificate.id, id) < 0) from = middle + 1;
      else to = middle;
    }
    sorted.splice(from, 0, member);
  }
  return sorted;
}

/** Spells entries into one buffer, and copies those that stand before and behind all that is new. */
function spell(sorted: readonly Member[], known: Spelt | undefined): Bytes {
  const start = label("roster");
  const bytes = new Uint8Array(start.length + sorted.length * SPELT_BYTES);
  bytes.set(start);
  const old = known?.sorted ?? [];
  const most = Math.min(old.length, sorted.length);
  let first = 0;
  while (first < most && sorted[first] === old[first]) first++;
  let last = 0;
  while (last < most - first && sorted.at(-1 - last) === old.at(-1 - last)) last++;
  if (known !== undefined) {
    bytes.set(known.bytes.subarray(start.length, start.length + first * SPELT_BYTES), start.length);
    bytes.set(known.bytes.subarray(known.bytes.length - last * SPELT_BYTES), bytes.length - last * SPELT_BYTES);
  }
  for (let i = first; i < sorted.length - last; i++) {
    const { certificate, role, admittingHash } = sorted[i] as Member;
    const offset = start.length + i * SPELT_BYTES;
    bytes.set(ENTRY_LENGTH, offset);
    bytes.set(certificate.id, offset + ENTRY_LENGTH.length);
    bytes[offset + ENTRY_LENGTH.length + SHA256_BYTES] = ROLE_BYTES[role];
    bytes.set(admittingHash, offset + ENTRY_LENGTH.length + SHA256_BYTES + 1);
  }
  return bytes;
}

/**
 * Chooses who follows an owner that leaves: the admin who came first, without one the member who came first.
 * @param members those who stay, in the order in which they came
 * @returns the new owner, `undefined` when nobody stays
 */
export function successorOf(members: Members): Member | undefined {
  const all = [...members.values()];
  return all.find(({ role }) => role === "admin") ?? all[0];
}
