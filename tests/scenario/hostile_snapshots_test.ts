// Aim: a relay can hand out no member who did not join, no other room and no other place; whatever does not fit ends the
// link with it like anything else that is malformed, and nothing that it sends takes memory without end.
import { assert, assertEquals } from "@std/assert";
import { type Bytes, concat } from "../../lib/bytes/writer.ts";
import { SNAPSHOT_MAX_BYTES } from "../../lib/chat/room_snapshot.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { idOf } from "../../lib/e2ee/identity.ts";
import { Membership } from "../../lib/e2ee/membership.ts";
import { decodeMembership, encodeMembership } from "../../lib/e2ee/membership_codec.ts";
import { addOp, hereOp, joinOp } from "../../lib/e2ee/membership_make.ts";
import { contextOf, type MembershipState } from "../../lib/e2ee/membership_state.ts";
import { type Member, rosterHash } from "../../lib/e2ee/roster.ts";
import { decodeSnapshot, encodeSnapshot, SNAPSHOT_PART_BYTES } from "../../lib/wire/bodies.ts";
import type { Fingerprint } from "../../lib/wire/messages.ts";
import { archive, flood, smallNet } from "../support/archived.ts";
import type { FakeClient, FakeNet } from "../support/fake_net.ts";
import { flipped, HostileRelay, makeStranger, type PacketOf } from "../support/hostile_relay.ts";
import { firstRoom, membershipOf, RawMember } from "../support/raw_member.ts";

interface Stage {
  readonly net: FakeNet;
  readonly relay: HostileRelay;
  readonly alice: FakeClient;
  /** A member who helps the relay. */
  readonly eve: RawMember;
  readonly room: Fingerprint;
  /** The honest snapshot, and where it stands. */
  readonly body: Bytes;
  readonly epoch: number;
}

async function stage(): Promise<Stage> {
  const net = await smallNet();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  const room = firstRoom(net);
  const eve = await RawMember.open(net, "eve");
  await eve.say({ t: "enter", room });
  await eve.place(room, joinOp);
  await flood(net, room, 60);
  await eve.place(room, hereOp);
  assertEquals((await archive(net.log)).told, ["snapshotStored"]);
  const { epoch = 0, lengthBytes = 0 } = net.log.snapshots.of(room) ?? {};
  return { net, relay, alice, eve, room, epoch, body: net.log.snapshots.readPart(room, 0, lengthBytes) };
}

/** Hands somebody another snapshot, in honest parts, and lets happen what follows. */
async function hand(
  { net, relay, room, epoch }: Stage,
  body: Bytes,
  to: FakeClient,
  place: number = epoch,
): Promise<FakeClient> {
  relay.always(to, "snapshot", ({ message }) => {
    const parts = Array.from({ length: Math.max(1, Math.ceil(body.length / SNAPSHOT_PART_BYTES)) }, (_, i) => i);
    return parts.map((i) => ({
      message: {
        ...message,
        room,
        epoch: place,
        offset: i * SNAPSHOT_PART_BYTES,
        more: i < parts.length - 1,
      },
      body: body.slice(i * SNAPSHOT_PART_BYTES, (i + 1) * SNAPSHOT_PART_BYTES),
    }));
  });
  await net.settle();
  return to;
}

function assertRefused(victim: FakeClient, what: string): void {
  const name = victim.failure?.name ?? "";
  assert(name === "ProtocolError" || name === "DecodeError", `${what}: ${name}`);
  assertEquals([victim.all("ready"), victim.all("members"), victim.texts], [[], [], []], what);
}

/** A state with other members, and their roster as if it were so. */
async function withMembers(state: MembershipState, members: readonly Member[]): Promise<MembershipState> {
  const all = new Map(members.map((member) => [member.certificate.fingerprint, member]));
  const last = { ...state.places.at(-1) as MembershipState["places"][number], roster: await rosterHash(all) };
  return { ...state, members: all, places: [...state.places.slice(0, -1), last] };
}

Deno.test("a snapshot with a member who did not sign their own join is refused, though a member signed the roster", async () => {
  const world = await stage();
  const { net, room, eve, epoch } = world;
  const state = await decodeMembership(decodeSnapshot(world.body).membership);
  const [first, ...rest] = state.members.values();
  assert(first !== undefined);
  const ghost = await makeStranger("ghost", net.nowMs);
  const ghostAuthor = { sign: ghost.identity.sign, certificate: ghost.certificate };
  const elsewhere = (await Membership.begin("open", secureRandom(32))).context(net.nowMs);
  const here = (await Membership.begin("open", idOf(room))).context(net.nowMs);
  const later = { ...here, seen: { epoch, head: here.seen.head } };
  const real = await joinOp(ghostAuthor, here);
  const admittingOps: Record<string, Bytes> = {
    "signed by nobody": flipped(real, -1),
    "signed by eve": await joinOp({ sign: eve.author.sign, certificate: ghost.certificate }, here),
    "added by eve": await addOp(eve.author, here, ghost.certificate),
    "of another room": await joinOp(ghostAuthor, elsewhere),
    "of a later place": await joinOp(ghostAuthor, later),
  };
  for (const [i, [what, admittingOp]] of Object.entries(admittingOps).entries()) {
    const member: Member = { ...first, certificate: ghost.certificate, admittingOp, joinedEpoch: epoch };
    const forged = await withMembers(state, [first, ...rest, member]);
    const op = await hereOp(eve.author, contextOf(forged, net.nowMs));
    const body = encodeSnapshot({ op, membership: encodeMembership(forged) });
    assertRefused(await hand(world, body, await net.link(`dave${i}`)), what);
  }
});

Deno.test("a snapshot that nobody in it signed, of another place, or of another room, is refused", async () => {
  const world = await stage();
  const { net, room, eve, epoch, body } = world;
  const { op, membership } = decodeSnapshot(body);
  const state = await decodeMembership(membership);
  const stranger = await makeStranger("stranger", net.nowMs);
  const strangers = { sign: stranger.identity.sign, certificate: stranger.certificate };
  const without = await withMembers(state, [...state.members.values()].slice(1));
  const other = await RawMember.open(net, "other");
  const otherRoom = await Membership.begin("open", secureRandom(32));
  const join = await joinOp(other.author, otherRoom.context(net.nowMs));
  await otherRoom.apply(join, { epoch: 1, atMs: net.nowMs });
  const context = contextOf(state, net.nowMs);
  const seen = { ...context.seen, epoch: epoch - 1 };
  const cases: Record<string, readonly [Bytes, number]> = {
    "a stranger's op": [encodeSnapshot({ op: await hereOp(strangers, context), membership }), epoch],
    "no op": [encodeSnapshot({ op: secureRandom(200), membership }), epoch],
    "an op of another place": [
      encodeSnapshot({ op: await hereOp(eve.author, { ...context, seen }), membership }),
      epoch,
    ],
    "a member left out": [encodeSnapshot({ op, membership: encodeMembership(without) }), epoch],
    "another place": [body, epoch + 1],
    "another room": [
      encodeSnapshot({
        op: await hereOp(other.author, otherRoom.context(net.nowMs)),
        membership: otherRoom.encode(),
      }),
      1,
    ],
    "nothing": [new Uint8Array(0), epoch],
    "half": [body.slice(0, body.length / 2), epoch],
    "more behind it": [concat(body, Uint8Array.of(0)), epoch],
    "a flipped byte": [flipped(body, -30), epoch],
  };
  for (const [i, [what, [forged, place]]] of Object.entries(cases).entries()) {
    assertRefused(await hand(world, forged, await net.link(`dave${i}`), place), what);
  }
  const honest = await hand(world, body, await net.link("honest"));
  assertEquals([honest.failure, honest.all("ready").length], [undefined, 1]);
  assertEquals((await membershipOf(net, room)).room, idOf(room));
});

Deno.test("parts that never end, repeat, jump or are short are refused within the bound", async () => {
  type Part = PacketOf<"snapshot">;
  const full = new Uint8Array(SNAPSHOT_PART_BYTES);
  const part = (packet: Part, change: Partial<Part["message"]>, body: Bytes = full): Part => ({
    message: { ...packet.message, ...change },
    body,
  });
  const endless = Math.ceil(SNAPSHOT_MAX_BYTES / SNAPSHOT_PART_BYTES) + 1;
  const cheats: Record<string, (packet: Part) => Part[]> = {
    "never end": (packet) =>
      Array.from({ length: endless }, (_, i) => part(packet, { offset: i * SNAPSHOT_PART_BYTES, more: true })),
    "are short": (packet) => [part(packet, { more: true }, Uint8Array.of(1))],
    "are empty": (packet) => [part(packet, { more: true }, new Uint8Array(0))],
    "jump": (packet) => [part(packet, { offset: 1, more: true })],
    "repeat": (packet) => [part(packet, { more: true }), part(packet, { more: true })],
    "go back": (
      packet,
    ) => [part(packet, { more: true }), part(packet, { epoch: packet.message.epoch - 1, more: true })],
    "change their place": (packet) => [
      part(packet, { more: true }),
      part(packet, { epoch: packet.message.epoch + 1, offset: SNAPSHOT_PART_BYTES, more: true }),
    ],
  };
  for (const [i, [what, cheat]] of Object.entries(cheats).entries()) {
    const { net, relay } = await stage();
    const dave = await net.link(`dave${i}`);
    relay.always(dave, "snapshot", cheat);
    await net.settle();
    assertRefused(dave, what);
  }
});

Deno.test("a snapshot that nobody asked for changes nothing", async () => {
  const { net, relay, alice, room, epoch, body } = await stage();
  const shown = alice.events.length;
  for (const ref of [0, 1, 77]) {
    await relay.say(alice, { t: "snapshot", ref, room, epoch: epoch + 1, offset: 0, more: false }, body);
  }
  assertEquals([alice.failure, alice.events.length], [undefined, shown]);
  const dave = await net.join("dave");
  await dave.type("hello");
  await net.advance(6_000); // eve gives no keys
  assertEquals(alice.texts, ["hello"]);
});

Deno.test("a relay that hands a returning member an older place, or a snapshot for no reason, is refused", async () => {
  const world = await stage();
  const { net, relay, alice, room, body, epoch } = world;
  await alice.drop();
  await flood(net, room, 100);
  const again = await net.link("alice", {
    identity: alice.identity,
    certificate: alice.certificate,
    kept: alice.kept,
  });
  relay.always(again, "ops", ({ message }) => {
    const { ref, room } = message;
    return [{ message: { t: "snapshot", ref, room, epoch, offset: 0, more: false }, body }];
  });
  await net.settle();
  assertEquals(again.failure?.name, "ProtocolError");
});

Deno.test("a snapshot of an invite room is refused: its log cannot be left out", async () => {
  const { net, relay, alice, body } = await stage();
  const bob = await net.join("bob");
  await alice.type("/room create den --invite-only");
  await alice.type("/invite bob");
  relay.always(bob, "ops", ({ message }) => {
    const { ref, room } = message;
    return [{ message: { t: "snapshot", ref, room, epoch: 9, offset: 0, more: false }, body }];
  });
  await bob.type("/join den");
  assert(bob.failure !== undefined);
});
