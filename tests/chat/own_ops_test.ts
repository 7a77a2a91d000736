// Aim: what we ask of a room ends once, and is told once: done, void for a reason, or refused by the relay. An op that
// the log outran is made again under the newest head, a few times and no more.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import fc from "fast-check";
import type { Bytes } from "../../lib/bytes/writer.ts";
import type { Effects } from "../../lib/chat/effects.ts";
import { type OwnOp, type OwnOpOutcome, OwnOps, TRIES_MAX } from "../../lib/chat/own_ops.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { fingerprintOf } from "../../lib/e2ee/identity.ts";
import { type AppliedOp, Membership } from "../../lib/e2ee/membership.ts";
import { addOp, createRoomOp, hereOp, leaveOp, type OpAuthor, removeOp } from "../../lib/e2ee/membership_make.ts";
import { verifyOp } from "../../lib/e2ee/membership_op.ts";
import type { VoidReason } from "../../lib/e2ee/membership_rules.ts";
import { SEEN_INVITE_MAX } from "../../lib/e2ee/membership_state.ts";
import { inviteRoomId } from "../../lib/e2ee/room_id.ts";
import { type ClientMessage, decodeClientMessage } from "../../lib/wire/messages.ts";
import { decodePacket } from "../../lib/wire/packet.ts";
import { makeStranger } from "../support/hostile_relay.ts";

const NOW_MS = Date.UTC(2026, 0, 1);
const [ADA, BEN, CLEO] = [await person("ada"), await person("ben"), await person("cleo")];

async function person(handle: string): Promise<OpAuthor & { readonly who: string }> {
  const { identity: { sign }, certificate } = await makeStranger(handle, NOW_MS);
  return { sign, certificate, who: certificate.fingerprint };
}

const STREAM = `room/${fingerprintOf(new Uint8Array(32))}`;

type Published = Extract<ClientMessage, { t: "publish" }>;

/** An own op on its way to the relay. */
interface Sent {
  readonly id: string;
  readonly bytes: Bytes;
}

/** A room as the relay orders it, and the ops of one member on their way there. */
class Stage {
  readonly ops: OwnOps;
  readonly sent: Sent[] = [];
  readonly told: OwnOpOutcome[] = [];
  #lastId = 0;

  private constructor(readonly author: OpAuthor, readonly log: Membership) {
    const newEventId = () => (++this.#lastId).toString(16).padStart(32, "0");
    this.ops = new OwnOps({ author, stream: STREAM, newEventId });
  }

  static async open(author: OpAuthor): Promise<Stage> {
    return new Stage(author, await Membership.begin("open", secureRandom(32)));
  }

  /** An invite room of ada's. */
  static async invite(author: OpAuthor, ...members: readonly OpAuthor[]): Promise<Stage> {
    const create = await createRoomOp(ADA, { room: undefined, atMs: NOW_MS });
    const stage = new Stage(author, await Membership.begin("invite", await inviteRoomId(create)));
    await stage.place(create);
    for (const { certificate } of members) await stage.place(await addOp(ADA, stage.context, certificate));
    return stage;
  }

  get context() {
    return this.log.context(NOW_MS);
  }

  /** Asks for an op; what it publishes is on its way. */
  async want(op: OwnOp, ref?: string, tries?: number): Promise<Sent> {
    const effects: Effects = [];
    const options = { nowMs: NOW_MS, effects, ref, ...(tries === undefined ? {} : { tries }) };
    await this.ops.publish(op, this.context, options);
    return this.#take(effects)[0] as Sent;
  }

  /** Places an op of anybody's, and gives ours what it did. */
  async place(bytes: Bytes): Promise<OwnOpOutcome | undefined> {
    const applied = await this.log.apply(bytes, { epoch: this.log.epoch + 1, atMs: NOW_MS + this.log.epoch });
    return await this.tell(bytes, applied);
  }

  async tell(bytes: Bytes, applied: AppliedOp): Promise<OwnOpOutcome | undefined> {
    const effects: Effects = [];
    const outcome = await this.ops.applied(bytes, applied, { nowMs: NOW_MS, effects, context: this.context });
    this.#take(effects);
    if (outcome !== undefined) this.told.push(outcome);
    return outcome;
  }

  /** The reasons and kinds that were told. */
  get outcomes(): string[] {
    return this.told.map((outcome) => outcome.kind === "void" ? outcome.reason : outcome.kind);
  }

  #take(effects: Effects): Sent[] {
    const sent = effects.map((effect) => {
      assert(effect.kind === "send");
      const { message, body } = decodeClientMessage(decodePacket(effect.packet));
      const { t, stream, kind, id } = message as Published;
      assertEquals([t, stream, kind], ["publish", STREAM, "op"]);
      return { id, bytes: body };
    });
    this.sent.push(...sent);
    return sent;
  }
}

/** Every reason there is: a new one does not compile before it stands here. */
const IS_OUTRUN: Readonly<Record<VoidReason, boolean>> = {
  outdated: true,
  oldSeen: true,
  unknownSeen: true,
  malformed: false,
  unknownActor: false,
  forged: false,
  otherRoom: false,
  notFirst: false,
  notEntitled: false,
  notMember: false,
  alreadyMember: false,
  notNewer: false,
  roomFull: false,
  notAbsent: false,
  alreadyAdmin: false,
};

Deno.test("OwnOps.publish() publishes an op that is signed by us and names the newest place", async () => {
  const stage = await Stage.invite(ADA, BEN);
  const { certificate } = CLEO;
  const [room, seen] = [stage.log.room, { epoch: 2, head: stage.log.head }];
  const wanted: readonly [OwnOp, object][] = [
    [{ kind: "join" }, { subject: ADA.certificate }],
    [{ kind: "leave" }, {}],
    [{ kind: "here" }, {}],
    [{ kind: "add", subject: certificate }, { subject: certificate }],
    [{ kind: "remove", subject: BEN.who, reason: "absent" }, { subject: BEN.who, reason: "absent" }],
    [{ kind: "promote", subject: BEN.who }, { subject: BEN.who }],
  ];
  for (const [op, fields] of wanted) {
    const { id, bytes } = await stage.want(op);
    const { encoded, ...made } = await verifyOp(bytes, (who) => who === ADA.who ? ADA.sign.publicBytes : undefined);
    const frame = { kind: op.kind, room, actor: ADA.who, atMs: NOW_MS, seen, roster: stage.log.roster };
    assertEquals([made as object, encoded], [{ ...frame, ...fields }, bytes]);
    assertEquals([stage.ops.find(id), stage.ops.has(op.kind)], [bytes, true]);
  }
  const encoded = await createRoomOp(ADA, { room, atMs: NOW_MS });
  assertEquals((await stage.want({ kind: "create", encoded })).bytes, encoded); // as it was made before
  assertEquals(new Set(stage.sent.map(({ id }) => id)).size, 7);
});

Deno.test("OwnOps.applied() tells an op that was valid once, with what stood beside its line", async () => {
  const stage = await Stage.invite(ADA);
  assertEquals([stage.ops.isEmpty, stage.ops.has("add")], [true, false]);
  const op = { kind: "add", subject: BEN.certificate } as const;
  const { id, bytes } = await stage.want(op, "r1");
  assertEquals([stage.ops.isEmpty, stage.ops.has("add"), stage.ops.has("remove")], [false, true, false]);
  assertEquals(await stage.place(bytes), { kind: "done", op, ref: "r1" });
  assertEquals([stage.ops.isEmpty, stage.ops.has("add"), stage.ops.find(id)], [true, false, undefined]);
  assertEquals(await stage.place(bytes), undefined); // the relay places the same bytes again
  assertEquals([stage.outcomes, stage.sent.length], [["done"], 1]);
});

Deno.test("OwnOps.applied() finds an op by its bytes, in whatever order ops are placed, and takes no other for it", async () => {
  const stage = await Stage.open(ADA);
  await stage.place((await stage.want({ kind: "join" })).bytes);
  const first = await stage.want({ kind: "here" }, "first");
  const second = await stage.want({ kind: "leave" }, "second");
  const alike = await hereOp(ADA, stage.log.context(NOW_MS + 1)); // another device of ours may have made it
  const valid = await (await Stage.open(ADA)).log.apply(alike, { epoch: 1, atMs: NOW_MS });
  assertEquals(await stage.tell(alike, valid), undefined);
  assertEquals([stage.ops.find(first.id), stage.ops.find(second.id)], [first.bytes, second.bytes]);
  assertEquals((await stage.place(second.bytes.slice()))?.ref, "second");
  assertEquals([stage.ops.find(first.id), stage.ops.find(second.id)], [first.bytes, undefined]);
  assertEquals(await stage.place(first.bytes.slice()), {
    kind: "void",
    reason: "unknownActor",
    op: { kind: "here" },
    ref: "first",
  });
});

Deno.test("OwnOps.applied() makes an op again that the log outran: in each of the three ways", async () => {
  for (const way of ["outdated", "oldSeen", "unknownSeen"] as const) {
    const stage = way === "outdated" ? await Stage.open(ADA) : await Stage.invite(ADA, BEN);
    if (way === "outdated") await stage.place((await stage.want({ kind: "join" })).bytes);
    const op: OwnOp = way === "outdated" ? { kind: "here" } : { kind: "promote", subject: BEN.who };
    const other = await Stage.invite(ADA, BEN);
    const context = way === "unknownSeen" ? { ...stage.context, seen: other.context.seen } : stage.context;
    const effects: Effects = [];
    await stage.ops.publish(op, context, { nowMs: NOW_MS, effects, ref: "r" });
    const [effect] = effects;
    assert(effect?.kind === "send");
    const { message, body } = decodeClientMessage(decodePacket(effect.packet));
    if (way === "outdated") await stage.place(await hereOp(ADA, stage.log.context(NOW_MS + 1)));
    if (way === "oldSeen") { for (let i = 0; i <= SEEN_INVITE_MAX; i++) await stage.place(secureRandom(8)); }
    const before = stage.sent.length;
    const applied = await stage.log.apply(body, { epoch: stage.log.epoch + 1, atMs: NOW_MS });
    assertEquals(applied.valid || applied.reason, way);
    assertEquals(await stage.tell(body, applied), undefined, way);
    assertEquals(stage.sent.length, before + 1);
    const again = stage.sent.at(-1) as Sent;
    assert(again.id !== (message as Published).id); // the relay has placed an event of that id
    assertEquals(await stage.place(again.bytes), { kind: "done", op, ref: "r" }, way);
    assert(stage.ops.isEmpty);
  }
});

Deno.test("OwnOps.applied() makes an op TRIES_MAX times at most, and then tells why it is void", async () => {
  const stage = await Stage.open(ADA);
  await stage.place((await stage.want({ kind: "join" })).bytes);
  await stage.want({ kind: "here" }, "r");
  for (let i = 1; i <= TRIES_MAX; i++) {
    assertEquals(stage.told.length, 1); // of the join
    const { bytes } = stage.sent.at(-1) as Sent;
    await stage.place(await hereOp(ADA, stage.log.context(NOW_MS + i))); // somebody is always faster
    await stage.place(bytes);
  }
  assertEquals(stage.sent.length, 1 + TRIES_MAX);
  assertEquals(stage.told.at(-1), { kind: "void", reason: "outdated", op: { kind: "here" }, ref: "r" });
  assert(stage.ops.isEmpty);
  // One that was given fewer tries ends sooner.
  await stage.want({ kind: "here" }, "s", 1);
  const { bytes } = stage.sent.at(-1) as Sent;
  await stage.place(await hereOp(ADA, stage.log.context(NOW_MS + 99)));
  assertEquals((await stage.place(bytes))?.ref, "s");
});

for (const [reason, isOutrun] of Object.entries(IS_OUTRUN) as [VoidReason, boolean][]) {
  Deno.test(`OwnOps.applied() ${isOutrun ? "makes again" : "tells"} what is void: ${reason}`, async () => {
    const stage = await Stage.open(ADA);
    const applied: AppliedOp = { valid: false, reason, actor: ADA.who };
    const { bytes } = await stage.want({ kind: "join" }, "r");
    const outcome = await stage.tell(bytes, applied);
    assertEquals(outcome, isOutrun ? undefined : { kind: "void", reason, op: { kind: "join" }, ref: "r" });
    assertEquals([stage.sent.length, stage.ops.isEmpty], isOutrun ? [2, false] : [1, true]);
    // A create op is what the room's id is made of: another one would be another room.
    const create = await stage.want({ kind: "create", encoded: secureRandom(40) }, "c");
    const said = await stage.tell(create.bytes, applied);
    assertEquals([said?.kind, said?.ref], ["void", "c"]);
  });
}

Deno.test("OwnOps.applied() tells real ops that are void for good", async () => {
  const stage = await Stage.invite(BEN, BEN, CLEO);
  const cases: readonly [OwnOp, VoidReason][] = [
    [{ kind: "promote", subject: CLEO.who }, "notEntitled"],
    [{ kind: "remove", subject: ADA.who, reason: "removed" }, "notEntitled"],
    [{ kind: "here" }, "notEntitled"],
    [{ kind: "join" }, "notNewer"],
    [{ kind: "create", encoded: await createRoomOp(BEN, { room: undefined, atMs: NOW_MS }) }, "otherRoom"],
  ];
  for (const [op, reason] of cases) {
    const { bytes } = await stage.want(op);
    assertEquals(await stage.place(bytes), { kind: "void", reason, op, ref: undefined });
  }
  assertEquals([stage.sent.length, stage.ops.isEmpty], [cases.length, true]);
});

Deno.test("OwnOps.refused() tells what the relay did not place once, and knows no other ids", async () => {
  const stage = await Stage.invite(ADA, BEN);
  const op = { kind: "promote", subject: BEN.who } as const;
  const { id, bytes } = await stage.want(op, "r");
  const answer = { code: "tooManyOps", message: "slowly" };
  assertEquals(stage.ops.refused(encodeHex(secureRandom(16)), answer), undefined);
  assertEquals(stage.ops.refused(id, answer), { kind: "refused", ...answer, op, ref: "r" });
  assertEquals(stage.ops.refused(id, answer), undefined);
  assertEquals([stage.ops.isEmpty, stage.ops.find(id)], [true, undefined]);
  assertEquals(await stage.place(bytes), undefined); // a relay that places it all the same: it is not ours any more
});

Deno.test("OwnOps.restart() forgets what is under way: nothing of the old log is told or made again", async () => {
  const stage = await Stage.invite(ADA, BEN);
  const { id, bytes } = await stage.want({ kind: "promote", subject: BEN.who }, "r");
  await stage.place(await removeOp(ADA, stage.context, { subject: BEN.who, reason: "removed" }));
  stage.ops.restart();
  assertEquals([stage.ops.isEmpty, stage.ops.has("promote"), stage.ops.find(id)], [true, false, undefined]);
  assertEquals(await stage.place(bytes), undefined);
  assertEquals(stage.ops.refused(id, { code: "x", message: "x" }), undefined);
  assertEquals(stage.sent.length, 1);
  const next = await stage.want({ kind: "add", subject: BEN.certificate });
  assertEquals((await stage.place(next.bytes))?.kind, "done");
});

Deno.test("OwnOps.publish() keeps nothing of an op that cannot be made", async () => {
  const stage = await Stage.invite(ADA);
  await assertRejects(() => stage.want({ kind: "remove", subject: "no fingerprint", reason: "removed" }));
  assert(stage.ops.isEmpty);
});

Deno.test("OwnOps: whatever others place in between, each op of ours ends once, within its tries", async () => {
  const people = [BEN, CLEO, await person("dan")];
  const at = fc.nat(people.length - 1);
  const step = fc.oneof(
    fc.record({ kind: fc.constantFrom("add", "remove", "promote"), at }),
    fc.record({ kind: fc.constantFrom("theirs", "leaves", "junk", "refuse"), at }),
    fc.record({ kind: fc.constant("place"), at: fc.nat(5) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { size: "max", maxLength: 25 }), async (steps) => {
      const stage = await Stage.invite(ADA, people[0] as OpAuthor);
      const onWay: Sent[] = [];
      let asked = 0;
      let refused = 0;
      const known = () => onWay.push(...stage.sent.splice(0));
      /** One of those on their way; of two that were made alike at one moment the relay answers the first first. */
      const take = (i: number): Sent => {
        const wanted = encodeHex((onWay[i % onWay.length] as Sent).bytes);
        const first = onWay.findIndex(({ bytes }) => encodeHex(bytes) === wanted);
        return onWay.splice(first, 1)[0] as Sent;
      };
      const placeAt = async (i: number) => {
        await stage.place(take(i).bytes);
        known();
      };
      for (const { kind, at: i } of steps) {
        const { certificate, who, ...author } = people[i % people.length] as typeof BEN;
        const isIn = stage.log.memberOf(who) !== undefined;
        if (kind === "add") await stage.want({ kind, subject: certificate }, `r${++asked}`);
        else if (kind === "promote") await stage.want({ kind, subject: who }, `r${++asked}`);
        else if (kind === "remove") await stage.want({ kind, subject: who, reason: "removed" }, `r${++asked}`);
        else if (kind === "theirs") await stage.place(await addOp(ADA, stage.log.context(NOW_MS + 7), certificate));
        else if (kind === "leaves" && isIn) await stage.place(await leaveOp({ ...author, certificate }, stage.context));
        else if (kind === "junk") await stage.place(secureRandom(8));
        else if (kind === "place" && onWay.length > 0) await placeAt(i);
        else if (kind === "refuse" && onWay.length > 0) {
          if (stage.ops.refused(take(i).id, { code: "x", message: "x" }) !== undefined) refused++;
        }
        known();
      }
      for (let i = 0; onWay.length > 0; i++) {
        assert(i <= asked * TRIES_MAX);
        await placeAt(0);
      }
      assertEquals(stage.ops.isEmpty, true);
      const refs = stage.told.map(({ ref }) => ref);
      assertEquals([refs.length + refused, new Set(refs).size], [asked, refs.length]);
    }),
    { numRuns: 60 },
  );
});
