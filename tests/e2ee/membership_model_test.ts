// Aim: for any placed ops, valid or junk, everybody ends with the same members, and they are those that a plain telling
// of the rules gives; a membership stored and taken up midway goes on as if it had not been.
// More runs: `deno task test:model`.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Bytes, u8 } from "../../lib/bytes/writer.ts";
import { Membership } from "../../lib/e2ee/membership.ts";
import {
  addOp,
  createRoomOp,
  hereOp,
  joinOp,
  leaveOp,
  type OpContext,
  promoteOp,
  removeOp,
} from "../../lib/e2ee/membership_make.ts";
import { checkModel } from "../support/model_runs.ts";
import { flipped, NOW_MS } from "./_people.ts";
import { type Author, makeAuthor, renewed, Room } from "./_membership.ts";
import { KINDS, Model, type Step } from "./_membership_model.ts";

const CROWD = 5;
const isEphemeral = (who: number) => who % 2 === 1;
const FIRST = await Promise.all(
  Array.from({ length: CROWD }, (_, i) => makeAuthor(`p${i}`, isEphemeral(i) ? "ephemeral" : "lasting")),
);
const SECOND = await Promise.all(FIRST.map((author) => renewed(author, NOW_MS + 1)));

/** What the relay places: an op as it was signed, one with a flipped byte, an old one again, or junk. */
type Placed =
  & {
    /** The time since the op before, in milliseconds. */
    readonly afterMs: number;
  }
  & (
    | { readonly kind: "op" | "flipped"; readonly step: Drawn }
    | { readonly kind: "again"; readonly index: number }
    | { readonly kind: "junk" }
  );

/** An op before it is known where it will stand. */
interface Drawn extends Omit<Step, "seen"> {
  /** How many ops before the newest its actor stood, if there are as many. */
  readonly lag: number;
}

const SELF_KINDS: readonly Step["kind"][] = ["create", "join", "leave", "here"];
/** Ops that the kind of room takes are drawn more often, or few would be valid. */
const OFTEN = {
  open: ["join", "join", "absent", "leave", "here"],
  invite: ["add", "add", "add", "promote", "removed"],
} as const;
/** The first, who founds the room, is drawn more often: those who manage an invite room are few. */
const people = fc.oneof(fc.constant(0), fc.nat(CROWD - 1));

function stepsIn(room: Model["kind"]): fc.Arbitrary<Drawn> {
  return fc.record({
    kind: fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...OFTEN[room]) }, fc.constantFrom(...KINDS)),
    actor: people,
    subject: fc.nat(CROWD - 1),
    certificate: fc.constantFrom(0 as const, 1 as const),
    lag: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, fc.nat(3), fc.nat(25)),
  }).map((step) => SELF_KINDS.includes(step.kind) ? { ...step, subject: step.actor } : step);
}

function placingsIn(room: Model["kind"]): fc.Arbitrary<readonly Placed[]> {
  const steps = stepsIn(room);
  const after = fc.constantFrom(1_000, 60_000, 40 * 60_000, 4 * 86_400_000, 8 * 86_400_000);
  const kinds = fc.oneof(
    { weight: 8, arbitrary: fc.record({ kind: fc.constant("op" as const), step: steps }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("flipped" as const), step: steps }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("again" as const), index: fc.nat() }) },
    { weight: 1, arbitrary: fc.constant({ kind: "junk" as const }) },
  );
  const placed = fc.tuple(kinds, after).map(([one, afterMs]): Placed => ({ ...one, afterMs }));
  return fc.array(placed, { minLength: 30, maxLength: 60, size: "max" });
}

function opOf(step: Omit<Step, "seen">, context: OpContext): Promise<Bytes> {
  const actor = (step.kind === "join" && step.certificate === 1 ? SECOND : FIRST)[step.actor] as Author;
  const subject = (step.certificate === 1 ? SECOND : FIRST)[step.subject] as Author;
  switch (step.kind) {
    case "create":
      return createRoomOp(actor, { room: context.room, atMs: context.atMs });
    case "join":
      return joinOp(actor, context);
    case "add":
      return addOp(actor, context, subject.certificate);
    case "leave":
      return leaveOp(actor, context);
    case "absent":
    case "removed":
      return removeOp(actor, context, { subject: subject.who, reason: step.kind });
    case "promote":
      return promoteOp(actor, context, subject.who);
    case "here":
      return hereOp(actor, context);
  }
}

/** The room as the model has it, in the words of `Room.people`. */
function peopleOf(model: Model): string {
  const sorted = [...model.people].sort(([, a], [, b]) => a.came - b.came);
  return sorted.map(([who, { role }]) => role === "member" ? `p${who}` : `p${who} (${role})`).join(", ");
}

let valid = 0;
let replayed = 0;

async function compare(kind: Model["kind"], placings: readonly Placed[]): Promise<void> {
  const room = kind === "open" ? await Room.open() : await Room.invite(FIRST[0] as Author);
  const model = new Model(kind, isEphemeral);
  const contexts = new Map([[room.membership.epoch, room.context]]);
  const steps: (Step | undefined)[] = []; // of each placed op what it says; `undefined` where it says nothing
  const times: number[] = [];
  if (kind === "invite") {
    model.found(0, room.atMs);
    steps.push(undefined);
    times.push(room.atMs);
  }
  for (const one of placings) {
    const { op, step } = await drawn(one, { room, contexts, steps });
    const applied = await room.apply(op, one.afterMs);
    steps.push(step);
    times.push(room.atMs);
    contexts.set(room.membership.epoch, room.context);
    const expected = step === undefined ? model.junk() : model.step(step, room.atMs);
    assertEquals(applied.valid, expected, `${JSON.stringify(step)} ${JSON.stringify(applied)}`);
    assertEquals(room.people, peopleOf(model));
    if (applied.valid) assert(applied.rosterFits);
    if (applied.valid) valid++;
    if (one.kind === "again" && step !== undefined) replayed++;
  }
  await assertTellsTheSame(room, times);
}

/** The bytes of what is to be placed, and what they say if they say anything. */
async function drawn(
  one: Placed,
  { room, contexts, steps }: {
    readonly room: Room;
    readonly contexts: ReadonlyMap<number, OpContext>;
    readonly steps: readonly (Step | undefined)[];
  },
): Promise<{ op: Bytes; step: Step | undefined }> {
  if (one.kind === "junk") return { op: u8(7), step: undefined };
  if (one.kind === "again") {
    const index = one.index % Math.max(1, steps.length);
    return { op: room.ops[index] ?? u8(7), step: steps[index] };
  }
  const { lag, ...said } = one.step;
  const seen = Math.max(Math.min(...contexts.keys()), room.membership.epoch - lag);
  const op = await opOf(said, contexts.get(seen) as OpContext);
  return one.kind === "flipped" ? { op: flipped(op, op.length - 1), step: undefined } : { op, step: { ...said, seen } };
}

/** Somebody else who is given the same ops, and stores and takes up everything midway, ends with the same state. */
async function assertTellsTheSame(room: Room, times: readonly number[]): Promise<void> {
  let other = await Membership.begin(room.membership.kind, room.membership.room);
  for (const [i, op] of room.ops.entries()) {
    await other.apply(op, { epoch: i + 1, atMs: times[i] as number });
    if (i % 13 === 5) {
      const stored = other.encode();
      other = await Membership.decode(stored);
      assertEquals(other.encode(), stored);
    }
  }
  assertEquals([other.head, other.roster], [room.membership.head, room.membership.roster]);
  assertEquals(other.members(), room.membership.members());
  assertEquals(other.encode(), room.membership.encode());
}

for (const kind of ["open", "invite"] as const) {
  Deno.test(`any placed ops give the members that the rules of ${kind} rooms give, to everybody alike`, async (t) => {
    [valid, replayed] = [0, 0];
    const runs = await checkModel(t, fc.asyncProperty(placingsIn(kind), (placings) => compare(kind, placings)), 40);
    if (runs === undefined) return;
    // Or the sequences say little.
    assert(valid > 2 * runs && replayed > runs, `${valid} valid, ${replayed} replayed in ${runs} runs`);
  });
}
