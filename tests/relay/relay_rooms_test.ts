// Aim: ops get one place each in the one order of their room and are kept for good; a message that missed a departure is
// stale; nobody takes a name or a place in a room by an op that the relay knows to be false.
import { assert, assertEquals } from "@std/assert";
import { type Bytes, concat, lv, u64be, u8 } from "../../lib/bytes/writer.ts";
import type { AppendResult, CommitResult, NewEvent } from "../../lib/relay/event_log.ts";
import { PAGED_REQUESTS_BURST } from "../../lib/relay/links.ts";
import { MemoryEventLog } from "../../lib/relay/memory_event_log.ts";
import { WAITING_OPS_MAX } from "../../lib/relay/op_pages.ts";
import {
  OPS_PER_IDENTITY_BURST,
  OPS_PER_IDENTITY_PER_SECOND,
  OPS_PER_ROOM_BURST,
  OPS_PER_ROOM_PER_SECOND,
} from "../../lib/relay/op_rules.ts";
import { PAGE_MAX_BYTES } from "../../lib/relay/pages.ts";
import { decodeOps, OP_BODY_MAX_BYTES, OP_KIND } from "../../lib/wire/bodies.ts";
import { decodeBase32 } from "@std/encoding/base32";
import type { RelayMessage } from "../../lib/wire/messages.ts";
import {
  certificateOf,
  fingerprintOf,
  GENERATION,
  idOf,
  inboxOf,
  LOBBY,
  LOBBY_STREAM,
  RelayBench,
  START_MS,
} from "./_workbench.ts";

const NOTHING = new Uint8Array(0);

/** What stands for an op: the fields that the relay looks at, and a number that makes it another one. */
function opOf(
  kind: keyof typeof OP_KIND,
  fields: { detail?: Bytes; subject?: Bytes; number?: number } = {},
): Bytes {
  const { detail = NOTHING, subject = NOTHING, number = 0 } = fields;
  return concat(lv(u8(1)), lv(new Uint8Array(32)), lv(u8(OP_KIND[kind])), lv(detail), lv(subject), u64be(number));
}

function idBytes(name: string): Bytes {
  return decodeBase32(`${fingerprintOf(name)}====`);
}

/** A bench on which every op has an id of its own. */
class RoomBench extends RelayBench {
  #ops = 0x10000;

  /** Publishes an op, and gives its id. */
  op(link: number, body: Bytes, id = idOf(++this.#ops)): string {
    this.say(link, { t: "publish", stream: LOBBY_STREAM, kind: "op", id }, body);
    return id;
  }

  /** Publishes a message of an epoch, and gives what its author hears. */
  messageOf(link: number, epoch: number, slack: number, id = idOf(++this.#ops)): string[] {
    this.take(link);
    this.say(link, { t: "publish", stream: LOBBY_STREAM, kind: "message", id, epoch, slack }, Uint8Array.of(1));
    return told(this.heard(link));
  }

  /** Asks for ops and reads all pages. */
  opsAfter(link: number, after: number): { page: Extract<RelayMessage, { t: "ops" }>; ops: readonly Bytes[] }[] {
    this.take(link);
    this.say(link, { t: "getOps", ref: 9, room: LOBBY, after });
    return this.drainAll(link).flatMap(({ message, body }) =>
      message.t === "ops" ? [{ page: message, ops: decodeOps(body).map(({ op }) => op) }] : []
    );
  }
}

function told(messages: readonly RelayMessage[]): string[] {
  return messages.flatMap((said) => {
    if (said.t === "refused") return [said.code];
    if (said.t === "accepted") return [`accepted ${said.seq}/${said.epoch ?? "-"}`];
    if (said.t === "event") return [`${said.kind} ${said.seq}/${said.kind === "op" ? said.epoch : "-"}`];
    return [];
  });
}

Deno.test("Relay.handle() gives ops and messages one order, and ops their number in it", () => {
  const bench = new RoomBench();
  const [alice, bob] = [bench.join("alice"), bench.join("bob")];
  bench.take(alice);
  const op = opOf("here");
  bench.publish(alice, LOBBY_STREAM);
  const id = bench.op(alice, op);
  bench.publish(alice, LOBBY_STREAM);
  bench.op(alice, op);
  assertEquals(told(bench.heard(alice)), ["accepted 1/-", "accepted 2/1", "accepted 3/-", "accepted 4/2"]);
  const heard = bench.take(bob);
  assertEquals(told(heard.map(({ message }) => message)), ["message 1/-", "op 2/1", "message 3/-", "op 4/2"]);
  const from = fingerprintOf("alice");
  const event = { t: "event", stream: LOBBY_STREAM, seq: 2, at: START_MS, from, id, kind: "op", epoch: 1 } as const;
  assertEquals(heard[1], { message: event, body: op });
  const late = bench.open("late");
  bench.say(late, { t: "enter", room: LOBBY });
  bench.say(late, { t: "subscribe", stream: LOBBY_STREAM, after: { generation: GENERATION, seq: 0 } });
  const again = told(bench.drainAll(late).map(({ message }) => message));
  assertEquals(again, ["message 1/-", "op 2/1", "message 3/-", "op 4/2"]);
});

Deno.test("Relay.handle() answers a repeated op with its first place and number, and keeps it once", () => {
  const bench = new RoomBench();
  const alice = bench.join("alice");
  const id = bench.op(alice, opOf("here"));
  bench.op(alice, opOf("here", { number: 1 }));
  bench.take(alice);
  bench.op(alice, opOf("leave"), id);
  assertEquals(told(bench.heard(alice)), ["accepted 1/1"]);
  assertEquals([bench.log.epoch(LOBBY), bench.log.departure(LOBBY, 0)], [2, 0]);
});

Deno.test("Relay.handle() places what is no op, and refuses an empty one and one that is too long", () => {
  const bench = new RoomBench();
  const alice = bench.join("alice");
  bench.take(alice);
  for (const length of [0, 1, OP_BODY_MAX_BYTES, OP_BODY_MAX_BYTES + 1]) bench.op(alice, new Uint8Array(length));
  assertEquals(told(bench.heard(alice)), ["badOp", "accepted 1/1", "accepted 2/2", "tooLong"]);
});

Deno.test("Relay.handle() closes a link that publishes an op to a room that it has not entered", () => {
  const bench = new RoomBench();
  const stranger = bench.open("stranger");
  bench.op(stranger, opOf("here"));
  assertEquals([bench.closed.get(stranger)?.code, bench.log.epoch(LOBBY)], ["protocol", 0]);
});

Deno.test("Relay.handle() refuses a create or join that does not carry the very certificate of its publisher", () => {
  const bench = new RoomBench();
  const alice = bench.join("alice");
  bench.take(alice);
  const own = certificateOf("alice");
  const others = [certificateOf("bob"), own.slice(1), concat(own, u8(0)), own.map((byte, i) => i ? byte : byte ^ 1)];
  for (const kind of ["create", "join"] as const) {
    for (const subject of [NOTHING, ...others]) bench.op(alice, opOf(kind, { subject }));
    bench.op(alice, opOf(kind, { subject: own }).subarray(0, 60).slice());
    assertEquals(told(bench.heard(alice)), Array(6).fill("badOp"));
    bench.op(alice, opOf(kind, { subject: own }));
    assertEquals(told(bench.heard(alice)).length, 1);
  }
  bench.op(alice, opOf("add", { subject: certificateOf("bob") }));
  assertEquals(told(bench.heard(alice)), ["accepted 3/3"], "whom an op adds, its author says");
});

Deno.test("Relay.handle() refuses to remove somebody as absent who is linked, and nobody else", () => {
  const bench = new RoomBench();
  const [alice, bob] = [bench.join("alice"), bench.join("bob")];
  bench.take(alice);
  const removal = (reason: number, name = "bob") => opOf("remove", { detail: u8(reason), subject: idBytes(name) });
  bench.op(alice, removal(1));
  bench.op(alice, removal(2));
  bench.op(alice, removal(1, "carol"));
  bench.end(bob);
  bench.op(alice, removal(1));
  assertEquals(told(bench.heard(alice)), ["badOp", "accepted 1/1", "accepted 2/2", "accepted 3/3"]);
});

Deno.test("Relay.handle() answers stale when more departures came than a message allows for", () => {
  const bench = new RoomBench();
  const alice = bench.join("alice");
  bench.op(alice, opOf("here"));
  assertEquals(bench.messageOf(alice, 0, 0), ["accepted 2/-"], "who joined or is here makes nothing stale");
  bench.op(alice, opOf("leave"));
  bench.op(alice, opOf("remove", { detail: u8(2), subject: idBytes("bob") }));
  bench.op(alice, opOf("here"));
  const cases = [[1, 0, "stale"], [1, 1, "stale"], [1, 2, "ok"], [2, 0, "stale"], [2, 1, "ok"], [3, 0, "ok"], [
    0,
    64,
    "ok",
  ]] as const;
  for (const [epoch, slack, expected] of cases) {
    const [answer] = bench.messageOf(alice, epoch, slack);
    assertEquals(answer === "stale" ? "stale" : "ok", expected, `${epoch} ${slack}`);
  }
  bench.take(alice);
  bench.publish(alice, LOBBY_STREAM);
  assertEquals(told(bench.heard(alice)).length, 1, "a message that tells no epoch is placed");
});

Deno.test("Relay.handle() answers a repeat with its place even when it would be stale now", () => {
  const bench = new RoomBench();
  const alice = bench.join("alice");
  assertEquals(bench.messageOf(alice, 0, 0, idOf(77)), ["accepted 1/-"]);
  bench.op(alice, opOf("leave"));
  assertEquals(bench.messageOf(alice, 0, 0, idOf(77)), ["accepted 1/-"]);
  assertEquals(bench.messageOf(alice, 0, 0, idOf(78)), ["stale"]);
  assertEquals(bench.messageOf(alice, 1, 0, idOf(78)), ["accepted 3/-"], "sealed again, under the same id");
});

Deno.test("Relay.handle() closes a link whose message is of an epoch to come, or of an epoch in an inbox", () => {
  for (const stream of [LOBBY_STREAM, inboxOf("alice")]) {
    const bench = new RoomBench();
    const alice = bench.join("alice");
    bench.say(alice, { t: "publish", stream, kind: "message", id: idOf(1), epoch: 1, slack: 0 }, Uint8Array.of(1));
    assertEquals([bench.closed.get(alice)?.code, bench.log.head(stream)], ["protocol", 0]);
  }
});

Deno.test("Relay.handleTurn() counts a message's epoch with the ops of the same turn", () => {
  const bench = new RoomBench();
  const [alice, bob] = [bench.join("alice"), bench.join("bob")];
  for (const link of [alice, bob]) bench.take(link);
  const said = (link: number, id: number, epoch?: number, body = Uint8Array.of(1)) => {
    const rest = { t: "publish", stream: LOBBY_STREAM, id: idOf(id) } as const;
    const message = epoch === undefined
      ? { ...rest, kind: "op" } as const
      : { ...rest, kind: "message", epoch, slack: 0 } as const;
    return { kind: "message", link, packet: { message, body }, nowMs: START_MS } as const;
  };
  bench.turn([said(alice, 1, undefined, opOf("leave")), said(bob, 2, 0), said(bob, 3, 1)]);
  assertEquals(told(bench.heard(bob)), ["op 1/1", "stale", "accepted 2/-"]);
});

Deno.test("Relay.handle() bounds the ops of an identity, whatever the room and however often it links", () => {
  const bench = new RoomBench();
  let alice = bench.join("alice");
  for (let number = 0; number < OPS_PER_IDENTITY_BURST; number++) bench.op(alice, opOf("here", { number }));
  bench.take(alice);
  const id = bench.op(alice, opOf("here"));
  bench.end(alice);
  alice = bench.join("alice");
  const other = fingerprintOf("other");
  bench.say(alice, { t: "enter", room: other });
  bench.take(alice);
  bench.say(alice, { t: "publish", stream: `room/${other}`, kind: "op", id: idOf(1) }, opOf("here"));
  assertEquals(told(bench.heard(alice)), ["tooManyOps"]);
  const bob = bench.join("bob");
  bench.op(bob, opOf("here"));
  assertEquals(told(bench.heard(bob)).length, 1, "nobody else is held up");
  bench.pass(1000 / OPS_PER_IDENTITY_PER_SECOND);
  bench.take(alice);
  bench.op(alice, opOf("here"), id);
  bench.op(alice, opOf("here"));
  const answers = told(bench.heard(alice));
  assertEquals([answers[0]?.startsWith("accepted"), answers[1]], [true, "tooManyOps"]);
});

Deno.test("Relay.handle() takes who exits out of the room: the others hear it, and nothing of its stream arrives any more", () => {
  const bench = new RoomBench();
  const [alice, bob] = [bench.join("alice"), bench.join("bob")];
  const last = bench.op(alice, opOf("leave"));
  bench.take(alice);
  bench.take(bob);
  bench.say(alice, { t: "exit", room: LOBBY });
  assertEquals(bench.heard(bob).map((said) => said.t === "left" ? [said.who, said.reason] : said.t), [
    [fingerprintOf("alice"), "left"],
  ]);
  bench.publish(bob, LOBBY_STREAM);
  assertEquals(bench.heard(alice), []);
  bench.say(alice, { t: "exit", room: LOBBY }); // twice is no more than once
  assertEquals(bench.heard(bob).map((said) => said.t), ["accepted"]);
  bench.say(alice, { t: "enter", room: LOBBY });
  assertEquals(bench.heard(bob).map((said) => said.t), ["joined"]);
  bench.say(alice, { t: "exit", room: LOBBY });
  bench.say(alice, { t: "publish", stream: LOBBY_STREAM, kind: "op", id: last }, opOf("leave"));
  assertEquals(bench.closed.get(alice)?.code, "protocol");
});

Deno.test("Relay.handle() places what was published before an exit in the same turn", () => {
  const bench = new RoomBench();
  const [alice, bob] = [bench.join("alice"), bench.join("bob")];
  bench.take(alice);
  bench.take(bob);
  const op = { t: "publish", stream: LOBBY_STREAM, kind: "op", id: idOf(0x777) } as const;
  const say = (message: typeof op | { t: "exit"; room: string }, body: Bytes) =>
    ({ kind: "message", link: alice, packet: { message, body }, nowMs: bench.nowMs }) as const;
  bench.turn([say(op, opOf("leave")), say({ t: "exit", room: LOBBY }, NOTHING)]);
  assertEquals(bench.heard(alice).map((said) => said.t), ["accepted"]);
  assertEquals(bench.heard(bob).map((said) => said.t), ["event", "left"]);
});

Deno.test("Relay.handle() bounds the ops of a room, whoever writes them", () => {
  const bench = new RoomBench();
  const links: number[] = [];
  let placed = 0;
  for (let person = 0; placed < OPS_PER_ROOM_BURST; person++) {
    const link = bench.open(`p${person}`);
    links.push(link);
    bench.say(link, { t: "enter", room: LOBBY });
    for (let i = 0; i < OPS_PER_IDENTITY_BURST && placed < OPS_PER_ROOM_BURST; i++, placed++) {
      bench.op(link, opOf("here", { number: placed }));
    }
  }
  const late = bench.join("late");
  bench.op(late, opOf("here"));
  assertEquals(told(bench.heard(late)), ["tooManyOps"]);
  bench.pass(1000 / OPS_PER_ROOM_PER_SECOND);
  bench.op(late, opOf("here"));
  assertEquals(told(bench.heard(late)), [`accepted ${placed + 1}/${placed + 1}`]);
});

Deno.test("Relay.handle() answers roomFull beyond the ops of a room and the bytes of all, and takes messages on", () => {
  const byRoom = new RoomBench({ limits: { roomOps: 2 } });
  const byBytes = new RoomBench({ limits: { opBytes: 2 * (512 + opOf("here").length) } });
  for (const bench of [byRoom, byBytes]) {
    const alice = bench.join("alice");
    bench.take(alice);
    for (let number = 0; number < 3; number++) bench.op(alice, opOf("here", { number }));
    bench.publish(alice, LOBBY_STREAM);
    assertEquals(told(bench.heard(alice)), ["accepted 1/1", "accepted 2/2", "roomFull", "accepted 3/-"]);
    assertEquals(bench.log.epoch(LOBBY), 2);
  }
});

Deno.test("Relay.handle() gives all ops after a place, in pages, although their stream has trimmed them", () => {
  const bench = new RoomBench({ limits: { streamEvents: 3 } });
  const alice = bench.join("alice");
  const count = 200;
  const large = (number: number) => concat(opOf("here", { number }), new Uint8Array(1000));
  for (let number = 1; number <= count; number++) bench.op(alice, large(number));
  assertEquals(bench.log.oldest(LOBBY_STREAM), count - 2);
  const pages = bench.opsAfter(alice, 0);
  assertEquals(pages.flatMap(({ ops }) => ops), Array.from({ length: count }, (_, i) => large(i + 1)));
  let first = 1;
  for (const { page, ops } of pages) {
    assert(ops.length > 20 && ops.length * (large(1).length + 12) <= PAGE_MAX_BYTES || !page.more);
    const more = page !== pages.at(-1)?.page;
    assertEquals(page, { t: "ops", ref: 9, room: LOBBY, first, more, epoch: count });
    first += ops.length;
  }
  assertEquals(bench.opsAfter(alice, count - 1).map(({ page, ops }) => [page.first, ops.length]), [[count, 1]]);
  for (const after of [count, count + 5]) {
    const [answer, ...others] = bench.opsAfter(alice, after);
    assertEquals(answer, {
      page: { t: "ops", ref: 9, room: LOBBY, first: count + 1, more: false, epoch: count },
      ops: [],
    });
    assertEquals(others, []);
  }
});

Deno.test("Relay.handle() sends pages of ops only as the link drains", () => {
  const bench = new RoomBench();
  const alice = bench.join("alice");
  for (let i = 0; i < 250; i++) bench.op(alice, concat(opOf("here"), new Uint8Array(1900)));
  bench.take(alice);
  bench.say(alice, { t: "getOps", ref: 1, room: LOBBY, after: 0 });
  const first = bench.take(alice);
  assert(first.length > 1 && first.reduce((sum, { body }) => sum + body.length, 0) <= 256 * 1024 + PAGE_MAX_BYTES);
  assert(bench.relay.isWaitingForDrain(alice));
  bench.say(alice, { t: "getOps", ref: 2, room: LOBBY, after: 249 });
  assertEquals(bench.take(alice), []);
  const rest = bench.drainAll(alice).map(({ message }) => message.t === "ops" && [message.ref, message.more]);
  assertEquals(rest.filter((page) => page && !page[1]), [[2, false], [1, false]], "a short answer is not held up");
});

Deno.test("Relay.handle() gives ops to those who have entered the room alone, and counts the requests", () => {
  const bench = new RoomBench();
  const stranger = bench.open("stranger");
  bench.say(stranger, { t: "getOps", ref: 1, room: LOBBY, after: 0 });
  assertEquals(bench.closed.get(stranger)?.code, "protocol");
  const alice = bench.join("alice");
  for (let i = 0; i < PAGED_REQUESTS_BURST - 3; i++) {
    bench.say(alice, { t: "getOps", ref: i, room: LOBBY, after: 0 });
    bench.drain(alice);
  }
  assertEquals(bench.closed.get(alice), undefined);
  bench.say(alice, { t: "getOps", ref: 1, room: LOBBY, after: 0 });
  assertEquals(bench.closed.get(alice)?.code, "protocol");
  const bob = bench.join("bob");
  for (let i = 0; i <= WAITING_OPS_MAX + 1; i++) {
    assertEquals(bench.closed.get(bob), undefined, `${i}`);
    bench.say(bob, { t: "getOps", ref: i, room: LOBBY, after: 0 });
  }
  assertEquals(bench.closed.get(bob)?.code, "protocol");
});

/** A log whose commits fail while it is told to; what was appended is then undone as in a file. */
class FailingLog extends MemoryEventLog {
  isFailing = false;

  constructor() {
    super({ generation: GENERATION });
  }

  override append(event: NewEvent): AppendResult {
    return this.isFailing ? { kind: "failed" } : super.append(event);
  }

  override commit(): CommitResult {
    return this.isFailing ? { kind: "failed", reason: "diskFull" } : super.commit();
  }
}

Deno.test("Relay.handle() tells nobody of an op that is not stored", () => {
  const log = new FailingLog();
  const bench = new RoomBench({ log });
  const [alice, bob] = [bench.join("alice"), bench.join("bob")];
  bench.take(alice);
  log.isFailing = true;
  const id = bench.op(alice, opOf("leave"));
  assertEquals([told(bench.heard(alice)), told(bench.heard(bob))], [["notStored"], []]);
  log.isFailing = false;
  bench.op(alice, opOf("leave"), id);
  assertEquals([told(bench.heard(alice)), told(bench.heard(bob))], [["accepted 1/1"], ["op 1/1"]]);
});
