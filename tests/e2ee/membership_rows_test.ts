// Aim: whenever a client dies, the rows of a room's log restore to the members that it had, and an op costs a small row.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DecodeError } from "../../lib/bytes/errors.ts";
import { type Bytes, utf8 } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { Membership } from "../../lib/e2ee/membership.ts";
import { joinOp, leaveOp } from "../../lib/e2ee/membership_make.ts";
import { OP_MAX_BYTES } from "../../lib/e2ee/membership_op.ts";
import { decodeKeptOps, encodeKeptOps, MembershipRows, OPS_KEPT_MAX } from "../../lib/e2ee/membership_rows.ts";
import { recodes, refusesOtherLengths } from "./_chains.ts";
import { makeAuthor } from "./_membership.ts";
import { NOW_MS } from "./_people.ts";

/** A log with its rows, and a store that keeps them. */
class Kept {
  readonly store = new Map<string, Bytes>();
  atMs = NOW_MS;

  private constructor(readonly membership: Membership, readonly rows: MembershipRows) {}

  static async begin(): Promise<Kept> {
    const membership = await Membership.begin("open", secureRandom(32));
    const kept = new Kept(membership, new MembershipRows(membership));
    kept.keep();
    return kept;
  }

  async place(op: Bytes): Promise<void> {
    this.atMs++;
    await this.membership.apply(op, { epoch: this.membership.epoch + 1, atMs: this.atMs });
    this.rows.placed(op, this.atMs);
  }

  /** Names of what was written. */
  keep(): string[] {
    const changes = this.rows.takeChanges();
    for (const { name, value } of changes) {
      if (value === undefined) this.store.delete(name);
      else this.store.set(name, value);
    }
    return changes.map(({ name }) => name);
  }

  restored() {
    return MembershipRows.restore(this.store.get("members") as Bytes, this.store.get("ops"));
  }
}

const ada = await makeAuthor("ada");
const ben = await makeAuthor("ben");

Deno.test("MembershipRows.restore() gives the members as they were, whenever the client died", async () => {
  const kept = await Kept.begin();
  await kept.place(await joinOp(ada, kept.membership.context(NOW_MS)));
  kept.keep();
  const whole: number[] = [];
  for (let i = 0; i < 2 * OPS_KEPT_MAX + 5; i++) {
    const context = kept.membership.context(NOW_MS);
    const isJunk = i % 5 === 4;
    await kept.place(isJunk ? utf8("junk") : await (i % 2 === 0 ? joinOp : leaveOp)(ben, context));
    if (i % 7 === 0) continue; // two ops in one transaction
    if (kept.keep().includes("members")) whole.push(i);
    const { membership, rows } = await kept.restored();
    assertEquals(membership.encode(), kept.membership.encode());
    assertEquals(rows.takeChanges(), []);
  }
  assertEquals(whole.length, 2, "only after so many ops all members are written");
});

Deno.test("MembershipRows goes on from what was restored as from what was kept", async () => {
  const kept = await Kept.begin();
  await kept.place(await joinOp(ada, kept.membership.context(NOW_MS)));
  kept.keep();
  const { membership, rows } = await kept.restored();
  const op = await joinOp(ben, membership.context(NOW_MS));
  await membership.apply(op, { epoch: membership.epoch + 1, atMs: kept.atMs + 1 });
  rows.placed(op, kept.atMs + 1);
  await kept.place(op);
  assertEquals(rows.takeChanges(), kept.rows.takeChanges());
});

Deno.test("MembershipRows.restore() reads what was stored without ops", async () => {
  const kept = await Kept.begin();
  await kept.place(await joinOp(ada, kept.membership.context(NOW_MS)));
  const { membership } = await MembershipRows.restore(kept.membership.encode(), undefined);
  assertEquals(membership.encode(), kept.membership.encode());
});

Deno.test("MembershipRows.takeChanges() of a log that begins anew leaves no ops of the one before", async () => {
  const kept = await Kept.begin();
  await kept.place(await joinOp(ada, kept.membership.context(NOW_MS)));
  kept.keep();
  assert(kept.store.has("ops"));
  const anew = await Membership.begin("open", kept.membership.room);
  assertEquals(new MembershipRows(anew).takeChanges(), [
    { name: "members", value: anew.encode() },
    { name: "ops", value: undefined },
  ]);
});

Deno.test("MembershipRows.placed() keeps no op that is too long to be one", async () => {
  const kept = await Kept.begin();
  await kept.place(new Uint8Array(OP_MAX_BYTES + 1));
  assertEquals(kept.keep(), ["members", "ops"]);
  assertEquals((await kept.restored()).membership.encode(), kept.membership.encode());
});

Deno.test("decodeKeptOps() takes what was encoded, and refuses all that would not encode to the same bytes", async () => {
  const honest = encodeKeptOps(7, [{ atMs: 1, op: utf8("one") }, { atMs: 2, op: utf8("") }]);
  const recode = (bytes: Bytes) => encodeKeptOps(7, decodeKeptOps(bytes, 7));
  await refusesOtherLengths(recode, honest);
  await recodes(recode, honest);
});

Deno.test("decodeKeptOps() refuses ops of another place, none, and too many", async () => {
  const ops = (count: number) => Array.from({ length: count }, () => ({ atMs: 1, op: utf8("op") }));
  assertEquals(decodeKeptOps(encodeKeptOps(7, ops(OPS_KEPT_MAX)), 7).length, OPS_KEPT_MAX);
  assertThrows(() => decodeKeptOps(encodeKeptOps(7, ops(1)), 8), DecodeError);
  assertThrows(() => decodeKeptOps(encodeKeptOps(7, ops(0)), 7), DecodeError);
  assertThrows(() => decodeKeptOps(encodeKeptOps(7, ops(OPS_KEPT_MAX + 1)), 7), DecodeError);
  const membership = await Membership.begin("open", secureRandom(32));
  await assertRejects(() => MembershipRows.restore(membership.encode(), encodeKeptOps(1, ops(1))), DecodeError);
});
