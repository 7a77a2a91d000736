/** Rooms to test with: people who sign ops, and the log of one room as somebody sees it. */

import { encodeHex } from "@std/encoding/hex";
import type { Bytes } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { createCertificate } from "../../lib/e2ee/certificate.ts";
import { type Fingerprint, generateIdentity, type Identity } from "../../lib/e2ee/identity.ts";
import type { Life } from "../../lib/e2ee/life.ts";
import { type AppliedOp, Membership } from "../../lib/e2ee/membership.ts";
import {
  addOp,
  createRoomOp,
  hereOp,
  joinOp,
  leaveOp,
  type OpAuthor,
  type OpContext,
  promoteOp,
  removeOp,
} from "../../lib/e2ee/membership_make.ts";
import { inviteRoomId } from "../../lib/e2ee/room_id.ts";
import type { RemoveReason } from "../../lib/e2ee/membership_op.ts";
import { NOW_MS } from "./_people.ts";

export const MINUTE_MS = 60 * 1_000;
/** Between two placed ops, if nothing else is said. */
export const STEP_MS = 1_000;

/** Somebody who signs ops. */
export interface Author extends OpAuthor {
  readonly identity: Identity;
  readonly who: Fingerprint;
}

const HANDLES = new Map<Fingerprint, string>();

export async function makeAuthor(handle: string, life: Life = "lasting"): Promise<Author> {
  return await authorOf(await generateIdentity({ life, nowMs: NOW_MS }), handle, NOW_MS);
}

/** The same person with another certificate. */
export function renewed(author: Author, createdMs: number): Promise<Author> {
  return authorOf(author.identity, author.certificate.handle, createdMs);
}

async function authorOf(identity: Identity, handle: string, createdMs: number): Promise<Author> {
  const certificate = await createCertificate(identity, { handle, createdMs });
  HANDLES.set(certificate.fingerprint, handle);
  return { identity, sign: identity.sign, certificate, who: certificate.fingerprint };
}

/** One room as one of its members sees it, and the ops that the relay placed there. */
export class Room {
  readonly ops: Bytes[] = [];
  atMs = NOW_MS;

  private constructor(public membership: Membership) {}

  static async open(room: Bytes = secureRandom(32)): Promise<Room> {
    return new Room(await Membership.begin("open", room));
  }

  /** A room whose owner has created it. */
  static async invite(owner: Author): Promise<Room> {
    const op = await createRoomOp(owner, { room: undefined, atMs: NOW_MS });
    const room = new Room(await Membership.begin("invite", await inviteRoomId(op)));
    await room.place(op);
    return room;
  }

  get context(): OpContext {
    return this.membership.context(this.atMs);
  }

  /** Places an op, after some time, and says in one line what became of it. */
  async place(op: Bytes, afterMs = STEP_MS): Promise<string> {
    return describeApplied(await this.apply(op, afterMs));
  }

  async apply(op: Bytes, afterMs = STEP_MS): Promise<AppliedOp> {
    this.atMs += afterMs;
    this.ops.push(op);
    return await this.membership.apply(op, { epoch: this.membership.epoch + 1, atMs: this.atMs });
  }

  async join(...authors: readonly Author[]): Promise<string> {
    let last = "";
    for (const author of authors) last = await this.place(await joinOp(author, this.context));
    return last;
  }

  async add(by: Author, ...authors: readonly Author[]): Promise<string> {
    let last = "";
    for (const { certificate } of authors) last = await this.place(await addOp(by, this.context, certificate));
    return last;
  }

  async leave(author: Author): Promise<string> {
    return await this.place(await leaveOp(author, this.context));
  }

  async remove(by: Author, whom: Author, reason: RemoveReason = "removed", afterMs = STEP_MS): Promise<string> {
    return await this.place(await removeOp(by, this.context, { subject: whom.who, reason }), afterMs);
  }

  async promote(by: Author, whom: Author): Promise<string> {
    return await this.place(await promoteOp(by, this.context, whom.who));
  }

  async here(author: Author, afterMs = STEP_MS): Promise<string> {
    return await this.place(await hereOp(author, this.context), afterMs);
  }

  /** Everybody in the room with their role, in the order in which they came. */
  get people(): string {
    return this.membership.members().map(({ certificate, role }) =>
      role === "member" ? certificate.handle : `${certificate.handle} (${role})`
    ).join(", ");
  }

  get head(): string {
    return encodeHex(this.membership.head);
  }
}

export function describeApplied(applied: AppliedOp): string {
  if (!applied.valid) {
    return `void: ${applied.reason}${applied.actor === undefined ? "" : ` (${nameOf(applied.actor)})`}`;
  }
  const { change } = applied;
  const stranger = applied.rosterFits ? "" : ", another roster";
  switch (change.kind) {
    case "created":
      return `created by ${nameOf(change.by)}${stranger}`;
    case "joined":
    case "promoted":
      return `${change.member.certificate.handle} ${change.kind} by ${nameOf(change.by)}${stranger}`;
    case "left":
      return `${change.member.certificate.handle} left${
        change.newOwner === undefined ? "" : `, ${nameOf(change.newOwner)} owns it`
      }${stranger}`;
    case "removed":
      return `${change.member.certificate.handle} ${change.reason} by ${nameOf(change.by)}${stranger}`;
    case "renewed":
    case "here":
      return `${change.member.certificate.handle} ${change.kind}${stranger}`;
  }
}

function nameOf(who: Fingerprint): string {
  return HANDLES.get(who) ?? who;
}
