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

/**
 * Computes the hash of the members.
 * @param members who is in the room
 * @returns 32 bytes
 */
export function rosterHash(members: Members): Promise<Bytes> {
  const sorted = [...members.values()].sort((a, b) => compareBytes(a.certificate.id, b.certificate.id));
  // Spelt into one buffer: it is done for each valid op, and a thousand small arrays cost several times as much.
  const start = label("roster");
  const bytes = new Uint8Array(start.length + sorted.length * (ENTRY_LENGTH.length + ENTRY_BYTES));
  bytes.set(start);
  let offset = start.length;
  for (const { certificate, role, admittingHash } of sorted) {
    bytes.set(ENTRY_LENGTH, offset);
    bytes.set(certificate.id, offset + ENTRY_LENGTH.length);
    bytes[offset + ENTRY_LENGTH.length + SHA256_BYTES] = ROLE_BYTES[role];
    bytes.set(admittingHash, offset + ENTRY_LENGTH.length + SHA256_BYTES + 1);
    offset += ENTRY_LENGTH.length + ENTRY_BYTES;
  }
  return sha256(bytes);
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
