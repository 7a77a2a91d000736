// Aim: an op that adds somebody outlives its client: published again as it was, and not made anew, for they may have been
// removed meanwhile.
import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { DecodeError } from "../../lib/bytes/errors.ts";
import type { Effects } from "../../lib/chat/effects.ts";
import { ADDS_ROW, decodeOwnAdds, encodeOwnAdds, type OwnAdd } from "../../lib/chat/own_adds.ts";
import { OwnOps } from "../../lib/chat/own_ops.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { fingerprintOf } from "../../lib/e2ee/identity.ts";
import { Membership } from "../../lib/e2ee/membership.ts";
import { addOp, createRoomOp, type OpAuthor, promoteOp, removeOp } from "../../lib/e2ee/membership_make.ts";
import { inviteRoomId } from "../../lib/e2ee/room_id.ts";
import { decodeClientMessage } from "../../lib/wire/messages.ts";
import { decodePacket } from "../../lib/wire/packet.ts";
import { makeStranger } from "../support/hostile_relay.ts";

const NOW_MS = Date.UTC(2026, 0, 1);
const STREAM = `room/${fingerprintOf(new Uint8Array(32))}`;
const [ADA, BEN, CLEO] = [await person("ada"), await person("ben"), await person("cleo")];

async function person(handle: string): Promise<OpAuthor> {
  const { identity: { sign }, certificate } = await makeStranger(handle, NOW_MS);
  return { sign, certificate };
}

/** Ada's room, of which ben is an admin, and her op that adds cleo. */
async function stage() {
  const create = await createRoomOp(ADA, { room: undefined, atMs: NOW_MS });
  const log = await Membership.begin("invite", await inviteRoomId(create));
  const place = (op: typeof create) => log.apply(op, { epoch: log.epoch + 1, atMs: NOW_MS });
  await place(create);
  await place(await addOp(ADA, log.context(NOW_MS), BEN.certificate));
  await place(await promoteOp(ADA, log.context(NOW_MS), BEN.certificate.fingerprint));
  const before = new OwnOps({ author: ADA, stream: STREAM, newEventId: () => "ab".repeat(16) });
  await before.publish({ kind: "add", subject: CLEO.certificate }, log.context(NOW_MS), { nowMs: NOW_MS, effects: [] });
  return { log, place, before };
}

/** What a later run has of them. */
async function restart(before: OwnOps): Promise<OwnOps> {
  const [row] = before.takeChanges();
  const adds = row?.value === undefined ? [] : await decodeOwnAdds(row.value);
  return new OwnOps({ author: ADA, stream: STREAM, newEventId: () => "cd".repeat(16) }, adds);
}

Deno.test("OwnOps.takeChanges() gives those that add somebody until their place is known", async () => {
  const { log, place, before } = await stage();
  const context = log.context(NOW_MS);
  const turn = { nowMs: NOW_MS, effects: [] };
  const op = before.find("ab".repeat(16)) ?? new Uint8Array(0);
  const add = { id: "ab".repeat(16), subject: CLEO.certificate, bytes: op };
  assertEquals(before.takeChanges(), [{ name: ADDS_ROW, value: encodeOwnAdds([add]) }]);
  assertEquals(before.takeChanges(), []);
  await before.applied(op, await place(op), { ...turn, context });
  assertEquals(before.takeChanges(), [{ name: ADDS_ROW, value: undefined }]);
  await before.publish({ kind: "here" }, context, turn);
  assertEquals(before.takeChanges(), []);
});

Deno.test("OwnOps.takeChanges() forgets those that the relay refused, and all in another log", async () => {
  for (const end of ["refused", "restart"] as const) {
    const { before } = await stage();
    before.takeChanges();
    if (end === "refused") before.refused("ab".repeat(16), { code: "roomFull", message: "" });
    else before.restart();
    assertEquals(before.takeChanges(), [{ name: ADDS_ROW, value: undefined }]);
  }
});

Deno.test("OwnOps.resend() publishes what an earlier run added under the same id, and it counts once", async () => {
  const { log, place, before } = await stage();
  const op = before.find("ab".repeat(16)) ?? new Uint8Array(0);
  const after = await restart(before);
  const effects: Effects = [];
  after.resend({ nowMs: NOW_MS, effects });
  const sent = effects.flatMap((effect) =>
    effect.kind === "send" ? [decodeClientMessage(decodePacket(effect.packet))] : []
  );
  const publish = { t: "publish", stream: STREAM, kind: "op", id: "ab".repeat(16) };
  assertEquals(sent.map(({ message, body }): unknown => [message, body]), [[publish, op]]);
  const outcome = await after.applied(op, await place(op), { nowMs: NOW_MS, effects, context: log.context(NOW_MS) });
  assertEquals([outcome?.kind, after.isEmpty], ["done", true]);
});

Deno.test("OwnOps.applied() makes nothing of an earlier run anew: whoever was removed meanwhile stays out", async () => {
  const { log, place, before } = await stage();
  const op = before.find("ab".repeat(16)) ?? new Uint8Array(0);
  const after = await restart(before);
  await place(await addOp(BEN, log.context(NOW_MS), CLEO.certificate));
  const { fingerprint: subject } = CLEO.certificate;
  await place(await removeOp(BEN, log.context(NOW_MS), { subject, reason: "removed" }));
  const effects: Effects = [];
  const outcome = await after.applied(op, await place(op), { nowMs: NOW_MS, effects, context: log.context(NOW_MS) });
  assertEquals([outcome?.kind === "void" && outcome.reason, effects, after.isEmpty], ["outdated", [], true]);
  assertEquals(log.memberOf(subject), undefined);
});

const ADDS: fc.Arbitrary<OwnAdd[]> = fc.uniqueArray(
  fc.record({
    id: fc.stringMatching(/^[0-9a-f]{32}$/),
    subject: fc.constantFrom(ADA.certificate, BEN.certificate, CLEO.certificate),
    bytes: fc.uint8Array({ maxLength: 50 }).map((bytes) => new Uint8Array(bytes)),
  }),
  { selector: ({ id }) => id, minLength: 1, maxLength: 4 },
);

Deno.test("decodeOwnAdds() gives back what encodeOwnAdds() took, and there is no row for none", async () => {
  assertEquals(encodeOwnAdds([]), undefined);
  await fc.assert(fc.asyncProperty(ADDS, async (adds) => {
    assertEquals(await decodeOwnAdds(encodeOwnAdds(adds) ?? secureRandom(1)), adds);
  }));
});

Deno.test("decodeOwnAdds() refuses every cut, one op twice, and takes nothing altered that encodes to other bytes", async () => {
  await fc.assert(
    fc.asyncProperty(ADDS, fc.nat(), fc.integer({ min: 1, max: 255 }), async (adds, at, mask) => {
      const encoded = encodeOwnAdds(adds) ?? secureRandom(1);
      for (let length = 0; length < encoded.length; length += 41) {
        await assertRejects(() => decodeOwnAdds(encoded.slice(0, length)), DecodeError);
      }
      const twice = encodeOwnAdds([...adds, ...adds]) ?? secureRandom(1);
      await assertRejects(() => decodeOwnAdds(twice), DecodeError);
      const index = at % encoded.length;
      encoded[index] = (encoded[index] as number) ^ mask;
      try {
        assertEquals(encodeOwnAdds(await decodeOwnAdds(encoded)), encoded);
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
      }
    }),
    { numRuns: 300 },
  );
});
