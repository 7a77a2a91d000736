/**
 * A room's membership as bytes: stored as a row, and, of an open room, handed to newcomers when old ops are gone
 * (PROTOCOL 3.12). No secret:
 *
 * ```
 * version 1 | lv(suite 1) | lv(kind of room 1) | lv(room 32) | lv(begun 1) | lv(grace 16) | lv(epoch 8)
 *           | lv(places, oldest first, the last one at `epoch`, at most 1,280: head 32 | roster 32 | removal 1)
 *           | lv(touched, lowest epoch first, at most 1,024: id 32 | epoch 8)
 *           | lv(members, in the order in which they came, at most 1,000: lv(member) || …)
 *
 * member    lv(role 1) | lv(joined epoch 8) | lv(last active 8) | lv(admitting op)
 * ```
 *
 * Kind of room: 1 open, 2 invite. There is one spelling: what decodes encodes to the same bytes again.
 * @module
 */

import { equalBytes } from "../bytes/equal.ts";
import { DecodeError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat, lvCat, u64be, u8 } from "../bytes/writer.ts";
import { sha256, SHA256_BYTES } from "../crypto/hash.ts";
import { type Fingerprint, fingerprintOf, idOf } from "./identity.ts";
import { encodeGrace, OP_MAX_BYTES, readGrace, unsafeAdmission } from "./membership_op.ts";
import {
  lastPlace,
  type MembershipState,
  type Place,
  PLACES_KEPT,
  type RoomKind,
  SEEN_OPEN_MAX,
} from "./membership_state.ts";
import { ROOM_ID_BYTES } from "./room_id.ts";
import { type Member, roleFromByte, roleToByte, ROSTER_MEMBERS_MAX, rosterHash } from "./roster.ts";
import { readSuite, suiteField } from "./signed.ts";
import { orDamaged, readFlag, readItems, readVersion, STATE_VERSION } from "./state_fields.ts";

const NUMBER_BYTES = 8;
const GRACE_BYTES = 16;
const PLACE_BYTES = 2 * SHA256_BYTES + 1;
const TOUCHED_BYTES = SHA256_BYTES + NUMBER_BYTES;
const MEMBER_MAX_BYTES = 4 * 4 + 1 + 2 * NUMBER_BYTES + OP_MAX_BYTES;
const MEMBERS_MAX_BYTES = ROSTER_MEMBERS_MAX * (4 + MEMBER_MAX_BYTES);

/** The longest encoded membership, some 720 KiB: a full room with all its places. */
export const MEMBERSHIP_ENCODED_MAX_BYTES: number = 1 + 9 * 4 + 1 + 1 + ROOM_ID_BYTES + 1 + GRACE_BYTES + NUMBER_BYTES +
  PLACES_KEPT * PLACE_BYTES + SEEN_OPEN_MAX * TOUCHED_BYTES + MEMBERS_MAX_BYTES;

const KIND_BYTES = { open: 1, invite: 2 } as const satisfies Record<RoomKind, number>;

/**
 * Encodes a membership.
 * @param state the room
 * @returns at most {@linkcode MEMBERSHIP_ENCODED_MAX_BYTES}
 */
export function encodeMembership(state: MembershipState): Bytes {
  return concat(
    u8(STATE_VERSION),
    lvCat(
      suiteField(),
      u8(KIND_BYTES[state.kind]),
      state.room,
      u8(state.isBegun ? 1 : 0),
      encodeGrace(state.grace),
      u64be(state.epoch),
      concat(...state.places.map(encodePlace)),
      concat(...[...state.touched].map(([who, epoch]) => concat(idOf(who), u64be(epoch)))),
      lvCat(...[...state.members.values()].map(encodeMember)),
    ),
  );
}

/**
 * Decodes a membership. Certificates are verified, admitting ops are not: they were when they were placed, and who takes
 * the bytes from others verifies them as `Membership.fromRoster` does.
 * @param bytes what {@linkcode encodeMembership} gave
 * @returns the room
 * @throws {DecodeError} when it is anything else
 */
export async function decodeMembership(bytes: Bytes): Promise<MembershipState> {
  const reader = new ByteReader(bytes, "membership");
  readVersion(reader, "membership");
  readSuite(reader);
  const kind = readKind(reader);
  const room = reader.lvExactly(ROOM_ID_BYTES);
  const isBegun = readFlag(reader);
  const grace = readGrace(new ByteReader(reader.lvExactly(GRACE_BYTES), "membership"));
  const epoch = readNumber(reader);
  const places = readItems(reader, PLACE_BYTES, PLACES_KEPT).map(readPlace);
  const touched = readTouched(reader, epoch);
  const membersBytes = reader.lv(MEMBERS_MAX_BYTES);
  reader.end();

  if (places.length === 0 || places.length > epoch + 1) throw damaged("the number of places does not fit");
  const members = await readMembers(membersBytes);
  const state = { kind, room, isBegun, grace, epoch, places, touched, members };
  assertConsistent(state);
  if (!equalBytes(lastPlace(state).roster, await rosterHash(members))) throw damaged("the members are not its roster");
  return state;
}

function encodePlace({ head, roster, isRemoval }: Place): Bytes {
  return concat(head, roster, u8(isRemoval ? 1 : 0));
}

function readPlace(reader: ByteReader): Place {
  const [head, roster] = [reader.take(SHA256_BYTES), reader.take(SHA256_BYTES)];
  const flag = reader.u8();
  if (flag > 1) throw damaged(`flag ${flag} is neither 0 nor 1`);
  return { head, roster, isRemoval: flag === 1 };
}

function readTouched(reader: ByteReader, epoch: number): Map<Fingerprint, number> {
  const touched = new Map<Fingerprint, number>();
  let before = 0;
  for (const item of readItems(reader, TOUCHED_BYTES, SEEN_OPEN_MAX)) {
    const who = fingerprintOf(item.take(SHA256_BYTES));
    const at = item.u64();
    if (at <= before || at > epoch || touched.has(who)) throw damaged("the order of its last subjects does not fit");
    touched.set(who, at);
    before = at;
  }
  return touched;
}

function encodeMember(member: Member): Bytes {
  const { role, joinedEpoch, lastActiveMs, admittingOp } = member;
  return lvCat(u8(roleToByte(role)), u64be(joinedEpoch), u64be(lastActiveMs), admittingOp);
}

async function readMembers(bytes: Bytes): Promise<Map<Fingerprint, Member>> {
  const reader = new ByteReader(bytes, "members");
  const members = new Map<Fingerprint, Member>();
  while (reader.remaining > 0) {
    if (members.size === ROSTER_MEMBERS_MAX) throw damaged(`there are more than ${ROSTER_MEMBERS_MAX} members`);
    const member = await readMember(reader.lv(MEMBER_MAX_BYTES));
    const { fingerprint } = member.certificate;
    if (members.has(fingerprint)) throw damaged("a member is there twice");
    members.set(fingerprint, member);
  }
  return members;
}

async function readMember(bytes: Bytes): Promise<Member> {
  const reader = new ByteReader(bytes, "member");
  const role = roleFromByte(reader.lvExactly(1)[0] as number);
  const joinedEpoch = readNumber(reader);
  const lastActiveMs = readNumber(reader);
  const admittingOp = reader.lv(OP_MAX_BYTES);
  reader.end();
  const { certificate } = await orDamaged(() => unsafeAdmission(admittingOp));
  return { certificate, role, admittingOp, admittingHash: await sha256(admittingOp), joinedEpoch, lastActiveMs };
}

/** What the rules keep true of every state. */
function assertConsistent({ kind, isBegun, epoch, touched, members }: MembershipState): void {
  const all = [...members.values()];
  if (!isBegun && (all.length > 0 || touched.size > 0)) throw damaged("there are members before the first valid op");
  let before = 0;
  for (const { joinedEpoch } of all) {
    if (joinedEpoch <= before || joinedEpoch > epoch) throw damaged("the order of its members does not fit");
    before = joinedEpoch;
  }
  const owners = all.filter(({ role }) => role === "owner").length;
  const fits = kind === "open" ? all.every(({ role }) => role === "member") : owners === Math.min(1, all.length);
  if (!fits) throw damaged("the roles of its members do not fit");
}

function readKind(reader: ByteReader): RoomKind {
  const byte = reader.lvExactly(1)[0];
  if (byte === KIND_BYTES.open) return "open";
  if (byte === KIND_BYTES.invite) return "invite";
  throw damaged(`kind of room ${byte} is unknown`);
}

function readNumber(reader: ByteReader): number {
  return new ByteReader(reader.lvExactly(NUMBER_BYTES), "membership").u64();
}

function damaged(what: string): DecodeError {
  return new DecodeError(`Cannot decode membership: ${what}`);
}
