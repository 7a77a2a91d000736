/**
 * The rules of a room: what a verified op does to its members, or why it is void (PROTOCOL 3.12). Pure; each rule looks at
 * the state before the op alone, so that everybody who was given the same ops in the same order decides alike.
 *
 * Looked at in this order: the room; for a create op whether it is the first; `seen`; whether a valid op on its subject
 * or actor lies between; then the table:
 *
 * ```
 *            open room                               invite room
 * create     anybody, first; sets the grace          the op that the id is made of; its actor becomes owner
 * join       anybody; a member: newer certificate    a member: newer certificate
 * add        nobody                                  owner, admins
 * leave      members                                 members; an owner is followed by `successorOf`
 * remove     absent: members, after the grace        removed: owner, admins; never the owner
 * promote    nobody                                  owner, admins; a member becomes admin
 * here       members                                 nobody
 * ```
 *
 * A remove of oneself with the reason "removed" is a leave. In an open room a create op is on nobody.
 * @module
 */

import { equalBytes } from "../bytes/equal.ts";
import { assertNever } from "../bytes/errors.ts";
import { sha256 } from "../crypto/hash.ts";
import type { Certificate } from "./certificate.ts";
import type { Fingerprint } from "./identity.ts";
import type { Op, RemoveReason, Seen } from "./membership_op.ts";
import {
  graceOf,
  hasPlace,
  type MembershipState,
  type RoomKind,
  SEEN_INVITE_MAX,
  SEEN_OPEN_MAX,
} from "./membership_state.ts";
import { inviteRoomId } from "./room_id.ts";
import { type Member, type Members, type Role, ROSTER_MEMBERS_MAX, successorOf } from "./roster.ts";

/** Where the relay put an op. */
export interface OpPlace {
  /** Its number: one more than that of the op before it. */
  readonly epoch: number;
  /** The relay's time, in milliseconds since 1970 (UTC). */
  readonly atMs: number;
}

/** What a valid op did. */
export type MembershipChange =
  | { readonly kind: "created"; readonly by: Fingerprint }
  | { readonly kind: "joined"; readonly member: Member; readonly by: Fingerprint }
  | { readonly kind: "renewed"; readonly member: Member }
  | { readonly kind: "left"; readonly member: Member; readonly newOwner: Fingerprint | undefined }
  | { readonly kind: "removed"; readonly member: Member; readonly by: Fingerprint; readonly reason: RemoveReason }
  | { readonly kind: "promoted"; readonly member: Member; readonly by: Fingerprint }
  | { readonly kind: "here"; readonly member: Member };

/** Why an op is void. */
export type VoidReason =
  | "malformed" // it does not decode
  | "unknownActor" // its actor is no member
  | "forged" // a signature, a certificate or a key does not fit
  | "otherRoom"
  | "notFirst" // a create op where the room has begun
  | "unknownSeen" // `seen` is no place of this log
  | "oldSeen" // `seen` lies too far back
  | "outdated" // a valid op on its subject or actor lies between `seen` and it
  | "notEntitled" // its actor may not do this here
  | "notMember" // its subject is no member
  | "alreadyMember"
  | "notNewer" // the certificate is not newer than the one that the log has
  | "roomFull"
  | "notAbsent" // its subject was there within the grace
  | "alreadyAdmin";

/** What is to become of the state. */
export type Verdict =
  | {
    readonly valid: true;
    readonly change: MembershipChange;
    /** The members after the op. */
    readonly members: Members;
    /** Whom the op is on; `undefined` for a create op of an open room. */
    readonly subject: Fingerprint | undefined;
  }
  | { readonly valid: false; readonly reason: VoidReason };

/**
 * Judges an op that was verified.
 * @param state the room before it
 * @param op the op
 * @param place where the relay put it
 * @returns what it does, or why it is void
 */
export async function judgeOp(state: MembershipState, op: Op, place: OpPlace): Promise<Verdict> {
  if (op.kind === "create") return await judgeCreate(state, op, place);
  if (!equalBytes(op.room, state.room)) return isVoid("otherRoom");
  const subject = subjectOf(op);
  const misplaced = judgeSeen(state, op.seen, [subject, op.actor]);
  if (misplaced !== undefined) return isVoid(misplaced);
  switch (op.kind) {
    case "join":
      return await judgeJoin(state, op, place);
    case "add":
      return await judgeAdd(state, op, place);
    case "leave":
      return judgeLeave(state, subject);
    case "remove":
      return judgeRemove(state, op, place);
    case "promote":
      return judgePromote(state, op);
    case "here":
      return judgeHere(state, subject, place);
    default:
      return assertNever(op);
  }
}

/**
 * Tells whether somebody may be removed for absence.
 * @param state the room
 * @param member one of its members
 * @param atMs the relay's time, in milliseconds since 1970 (UTC)
 * @returns whether the last own event is older than the grace; never in an invite room
 */
export function isAbsent(state: MembershipState, member: Member, atMs: number): boolean {
  return state.kind === "open" && atMs - member.lastActiveMs > graceOf(state, member);
}

/**
 * Notes an own event of a member.
 * @param members the members
 * @param who whose event; nobody's if not a member
 * @param atMs the relay's time of it, in milliseconds since 1970 (UTC)
 * @returns the members, a new map if anything changed
 */
export function withActivity(members: Members, who: Fingerprint, atMs: number): Members {
  const member = members.get(who);
  if (member === undefined || member.lastActiveMs >= atMs) return members;
  return new Map(members).set(who, { ...member, lastActiveMs: atMs });
}

/** Whom an op is about. */
function subjectOf(op: Op): Fingerprint {
  if (!("subject" in op)) return op.actor;
  return typeof op.subject === "string" ? op.subject : op.subject.fingerprint;
}

/** What is wrong with the place that an op names, if anything. */
function judgeSeen(state: MembershipState, seen: Seen, people: readonly Fingerprint[]): VoidReason | undefined {
  if (seen.epoch > state.epoch) return "unknownSeen";
  if (state.epoch - seen.epoch > seenMax(state.kind)) return "oldSeen";
  if (!hasPlace(state, seen)) return "unknownSeen";
  // Every valid op is on its subject, so that the same bytes placed again are outdated by the first time.
  return people.some((who) => (state.touched.get(who) ?? 0) > seen.epoch) ? "outdated" : undefined;
}

/**
 * Tells how far back `seen` may lie.
 * @param kind the kind of room
 * @returns how many ops may lie between the place that an op names and the op
 */
export function seenMax(kind: RoomKind): number {
  return kind === "open" ? SEEN_OPEN_MAX : SEEN_INVITE_MAX;
}

async function judgeCreate(state: MembershipState, op: Op & { kind: "create" }, place: OpPlace): Promise<Verdict> {
  if (state.kind === "open") {
    if (!equalBytes(op.room, state.room)) return isVoid("otherRoom");
    if (state.isBegun) return isVoid("notFirst");
    const change = { kind: "created", by: op.actor } as const;
    return { valid: true, change, members: state.members, subject: undefined };
  }
  if (!equalBytes(await inviteRoomId(op.encoded), state.room)) return isVoid("otherRoom");
  if (state.isBegun) return isVoid("notFirst");
  const owner = await admit(op.subject, op, { role: "owner", place });
  return applied(state, { kind: "created", by: op.actor }, owner);
}

async function judgeJoin(state: MembershipState, op: Op & { kind: "join" }, place: OpPlace): Promise<Verdict> {
  const before = state.members.get(op.actor);
  if (before !== undefined) {
    if (op.subject.createdMs <= before.certificate.createdMs) return isVoid("notNewer");
    const renewed = await admit(op.subject, op, { role: before.role, place });
    const lastActiveMs = Math.max(before.lastActiveMs, place.atMs);
    const member = { ...renewed, joinedEpoch: before.joinedEpoch, lastActiveMs };
    return applied(state, { kind: "renewed", member }, member);
  }
  if (state.kind === "invite") return isVoid("notEntitled");
  if (state.members.size >= ROSTER_MEMBERS_MAX) return isVoid("roomFull");
  const member = await admit(op.subject, op, { role: "member", place });
  return applied(state, { kind: "joined", member, by: op.actor }, member);
}

async function judgeAdd(state: MembershipState, op: Op & { kind: "add" }, place: OpPlace): Promise<Verdict> {
  if (!mayManage(state, op.actor)) return isVoid("notEntitled");
  if (state.members.has(op.subject.fingerprint)) return isVoid("alreadyMember");
  if (state.members.size >= ROSTER_MEMBERS_MAX) return isVoid("roomFull");
  const member = await admit(op.subject, op, { role: "member", place });
  return applied(state, { kind: "joined", member, by: op.actor }, member);
}

function judgeLeave(state: MembershipState, who: Fingerprint): Verdict {
  const member = state.members.get(who);
  if (member === undefined) return isVoid("notMember");
  const members = new Map(state.members);
  members.delete(who);
  const next = member.role === "owner" ? successorOf(members) : undefined;
  const newOwner = next?.certificate.fingerprint;
  if (next !== undefined && newOwner !== undefined) members.set(newOwner, { ...next, role: "owner" });
  return { valid: true, change: { kind: "left", member, newOwner }, members, subject: who };
}

function judgeRemove(state: MembershipState, op: Op & { kind: "remove" }, place: OpPlace): Verdict {
  const { actor, subject, reason } = op;
  if (subject === actor && reason === "removed") return judgeLeave(state, actor);
  const isAllowed = reason === "absent" ? state.kind === "open" : mayManage(state, actor);
  if (!isAllowed) return isVoid("notEntitled");
  const member = state.members.get(subject);
  if (member === undefined) return isVoid("notMember");
  if (member.role === "owner") return isVoid("notEntitled");
  // Who says it of themselves has just shown the contrary.
  if (reason === "absent" && (subject === actor || !isAbsent(state, member, place.atMs))) return isVoid("notAbsent");
  const members = new Map(withActivity(state.members, actor, place.atMs));
  members.delete(subject);
  return { valid: true, change: { kind: "removed", member, by: actor, reason }, members, subject };
}

function judgePromote(state: MembershipState, op: Op & { kind: "promote" }): Verdict {
  if (!mayManage(state, op.actor)) return isVoid("notEntitled");
  const before = state.members.get(op.subject);
  if (before === undefined) return isVoid("notMember");
  if (before.role !== "member") return isVoid("alreadyAdmin");
  const member: Member = { ...before, role: "admin" };
  return applied(state, { kind: "promoted", member, by: op.actor }, member);
}

function judgeHere(state: MembershipState, who: Fingerprint, place: OpPlace): Verdict {
  if (state.kind === "invite") return isVoid("notEntitled");
  const members = withActivity(state.members, who, place.atMs);
  const member = members.get(who);
  return member === undefined
    ? isVoid("notMember")
    : { valid: true, change: { kind: "here", member }, members, subject: who };
}

/** The owner and the admins manage who is in an invite room; in an open room nobody is either. */
function mayManage(state: MembershipState, who: Fingerprint): boolean {
  const role = state.members.get(who)?.role;
  return role === "owner" || role === "admin";
}

async function admit(
  certificate: Certificate,
  op: Op,
  { role, place }: { readonly role: Role; readonly place: OpPlace },
): Promise<Member> {
  return {
    certificate,
    role,
    admittingOp: op.encoded,
    admittingHash: await sha256(op.encoded),
    joinedEpoch: place.epoch,
    lastActiveMs: place.atMs,
  };
}

function applied(state: MembershipState, change: MembershipChange, member: Member): Verdict {
  const subject = member.certificate.fingerprint;
  // Setting a key that is there keeps its place in the order.
  return { valid: true, change, members: new Map(state.members).set(subject, member), subject };
}

function isVoid(reason: VoidReason): Verdict {
  return { valid: false, reason };
}
