/**
 * Making the ops of a room's membership log (PROTOCOL 3.11). Whether the room takes them is judged by every member when
 * they are placed; nothing is checked here but lengths.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import { type RandomBytes, secureRandom } from "../crypto/random.ts";
import type { SignKeyPair } from "../crypto/sign.ts";
import type { Certificate } from "./certificate.ts";
import type { Fingerprint } from "./identity.ts";
import {
  CREATE_RANDOM_BYTES,
  DEFAULT_GRACE,
  type Grace,
  type RemoveReason,
  type Seen,
  signOp,
} from "./membership_op.ts";

/** Who signs. */
export interface OpAuthor {
  /** `IDs`. */
  readonly sign: SignKeyPair;
  /** The author's current certificate. */
  readonly certificate: Certificate;
}

/** Where an op belongs; made by `Membership.context`. */
export interface OpContext {
  /** The room's id, 32 bytes. */
  readonly room: Bytes;
  /** The newest place in the log that the author knows. */
  readonly seen: Seen;
  /** The hash of the members at that place, 32 bytes. */
  readonly roster: Bytes;
  /** The time now, in milliseconds since 1970 (UTC). */
  readonly atMs: number;
}

/** What a room begins with. */
export interface CreateRoomOptions {
  /** The id of an open room, 32 bytes; `undefined` for an invite room, whose id follows from the op. */
  readonly room: Bytes | undefined;
  /** What it says of absence; of use in open rooms alone. */
  readonly grace?: Grace;
  /** The time now, in milliseconds since 1970 (UTC). */
  readonly atMs: number;
  /** Where the random part of an invite room's op comes from. */
  readonly random?: RandomBytes;
}

/**
 * Makes the op that begins a room: of an invite room it makes the author the owner, in an open room it gives no rights.
 * @param author who founds the room
 * @param options the kind of room and its grace
 * @returns the op
 * @throws {RangeError} when the grace is out of its bounds
 */
export function createRoomOp(author: OpAuthor, options: CreateRoomOptions): Promise<Bytes> {
  const { room, grace = DEFAULT_GRACE, atMs, random = secureRandom } = options;
  const drawn = room === undefined ? random(CREATE_RANDOM_BYTES) : undefined;
  const content = { kind: "create", subject: author.certificate, grace, random: drawn } as const;
  const frame = { room: room ?? new Uint8Array(0), actor: author.certificate.fingerprint, atMs };
  return signOp(author.sign, content, frame);
}

/**
 * Makes the op by which somebody joins an open room, or shows a newer certificate in any room.
 * @param author who joins
 * @param context where
 * @returns the op
 */
export function joinOp(author: OpAuthor, context: OpContext): Promise<Bytes> {
  const { seen, roster } = context;
  return signOp(author.sign, { kind: "join", subject: author.certificate, seen, roster }, frameOf(author, context));
}

/**
 * Makes the op by which the owner or an admin adds a member to an invite room.
 * @param author the owner or an admin
 * @param context where
 * @param subject the certificate of the new member
 * @returns the op
 */
export function addOp(author: OpAuthor, context: OpContext, subject: Certificate): Promise<Bytes> {
  const { seen, roster } = context;
  return signOp(author.sign, { kind: "add", subject, seen, roster }, frameOf(author, context));
}

/**
 * Makes the op by which a member leaves.
 * @param author who leaves
 * @param context where
 * @returns the op
 */
export function leaveOp(author: OpAuthor, context: OpContext): Promise<Bytes> {
  const { seen, roster } = context;
  return signOp(author.sign, { kind: "leave", seen, roster }, frameOf(author, context));
}

/**
 * Makes the op by which a member is removed.
 * @param author a member
 * @param context where
 * @param options whom, and why
 * @returns the op
 */
export function removeOp(
  author: OpAuthor,
  context: OpContext,
  options: { readonly subject: Fingerprint; readonly reason: RemoveReason },
): Promise<Bytes> {
  const { seen, roster } = context;
  return signOp(author.sign, { kind: "remove", ...options, seen, roster }, frameOf(author, context));
}

/**
 * Makes the op by which a member of an invite room becomes an admin.
 * @param author the owner or an admin
 * @param context where
 * @param subject the member
 * @returns the op
 */
export function promoteOp(author: OpAuthor, context: OpContext, subject: Fingerprint): Promise<Bytes> {
  const { seen, roster } = context;
  return signOp(author.sign, { kind: "promote", subject, seen, roster }, frameOf(author, context));
}

/**
 * Makes the op by which a quiet member of an open room says that it is there.
 * @param author who is there
 * @param context where
 * @returns the op
 */
export function hereOp(author: OpAuthor, context: OpContext): Promise<Bytes> {
  const { seen, roster } = context;
  return signOp(author.sign, { kind: "here", seen, roster }, frameOf(author, context));
}

function frameOf(author: OpAuthor, context: OpContext) {
  return { room: context.room, actor: author.certificate.fingerprint, atMs: context.atMs };
}
