/**
 * A large open room where people come and go all the time: what its keys cost a member who speaks and one who only reads,
 * beside all else that the room costs them, and beside a copy of each line for each member. Log, sessions, keys, packets
 * and rows are real and the clock is virtual. The link's own seal, the disk and the screen are left out.
 */
import process from "node:process";
import { encodeHex } from "@std/encoding/hex";
import { type Bytes, utf8 } from "../../lib/bytes/writer.ts";
import { decodeContent, encodeContent } from "../../lib/chat/content.ts";
import type { Effects } from "../../lib/chat/effects.ts";
import { KeyHandover } from "../../lib/chat/key_handover.ts";
import { Keyring } from "../../lib/chat/keyring.ts";
import { People } from "../../lib/chat/people.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { createCertificate } from "../../lib/e2ee/certificate.ts";
import { type Fingerprint, fingerprintOf, generateIdentity } from "../../lib/e2ee/identity.ts";
import { Membership } from "../../lib/e2ee/membership.ts";
import { joinOp, leaveOp } from "../../lib/e2ee/membership_make.ts";
import { Room } from "../../lib/e2ee/room.ts";
import { RoomSpeaker } from "../../lib/e2ee/room_speaker.ts";
import { deriveRowKeys, rowId, sealRow } from "../../lib/e2ee/sealed_row.ts";
import { ROOM_OPS_MAX } from "../../lib/relay/event_log.ts";
import { decodeMany, encodeMany } from "../../lib/wire/bodies.ts";
import { decodeClientMessage, encodeClientMessage, encodeRelayMessage } from "../../lib/wire/messages.ts";
import { decodePacket } from "../../lib/wire/packet.ts";
import { measure } from "./_measure.ts";

const MEMBERS = 300;
const SPEAKERS = 20;
/** Five a second: in turn a member leaves and somebody joins. */
const OP_EVERY_MS = 200;
/** The speakers take turns, so that each says a line every five seconds. */
const LINE_EVERY_MS = 250;
const TICK_MS = 50;
const MINUTE_MS = 60_000;
/** The minutes that count, with a new chain of each speaker in each; one before them warms up and begins sessions. */
const MINUTES = 3;
const START_MS = Date.UTC(2026, 0, 1);
const TEXT = "x".repeat(40);
const ROW_KEYS = await deriveRowKeys(secureRandom(32));

/** A member's work. Parts never run at once, so that CPU time of the process meanwhile is theirs. */
const NAMES = {
  ops: "joins, leaves judged",
  keysOut: "keys handed out",
  sessions: "sessions begun",
  keysIn: "keys taken",
  linesOut: "lines written",
  linesIn: "lines read",
} as const;
type Part = keyof typeof NAMES;
const PARTS = Object.keys(NAMES) as Part[];
/** In microseconds and bytes; `kept` is what a client that keeps its state seals for its disk. */
type Measure = "count" | "chains" | "cpu" | "sent" | "received" | "keptCpu" | "kept";

/** What a member's work costs. */
class Costs {
  readonly #sums = new Map<string, number>();

  add(part: Part, more: Partial<Record<Measure, number>>): void {
    for (const [what, value] of Object.entries(more)) {
      this.#sums.set(`${part} ${what}`, (this.#sums.get(`${part} ${what}`) ?? 0) + value);
    }
  }

  async time<T>(part: Part, work: () => T | Promise<T>, what: Measure = "cpu"): Promise<T> {
    const before = process.cpuUsage();
    const result = await work();
    const { user, system } = process.cpuUsage(before);
    this.add(part, { [what]: user + system });
    return result;
  }

  /** Of one minute. */
  of(what: Measure, ...parts: readonly Part[]): number {
    return parts.reduce((sum, part) => sum + (this.#sums.get(`${part} ${what}`) ?? 0), 0) / MINUTES;
  }
}

/** Somebody with a client. */
type Person = Awaited<ReturnType<typeof makePerson>>;
/** A speaker of whom only that is done which those done in full hear; its log is the relay's. */
type Voice = Person & { readonly speaker: RoomSpeaker };

async function makePerson(handle: string) {
  const identity = await generateIdentity({ life: "lasting", nowMs: START_MS });
  const certificate = await createCertificate(identity, { handle, createdMs: START_MS });
  const keyring = await Keyring.create({ identity, certificate }, { nowMs: START_MS, random: secureRandom });
  const who = certificate.fingerprint;
  return { who, author: { sign: identity.sign, certificate }, keyring, people: new People() };
}

/** A member whose work is done in full. */
class Member {
  costs = new Costs();
  readonly handover: KeyHandover;
  readonly who: Fingerprint;
  #ref = 0;

  constructor(readonly person: Person, readonly room: Room) {
    this.who = person.who;
    this.handover = new KeyHandover({ ...person, room: () => room, nextRef: () => ++this.#ref });
  }

  async takeOp(op: Bytes, place: { epoch: number; atMs: number }): Promise<void> {
    await this.costs.time("ops", async () => {
      const { applied } = await this.room.placeOp(op, { ...place, nowMs: place.atMs });
      if (!applied.valid || !applied.rosterFits) throw new TypeError("Cannot measure: an op is void");
      if (applied.change.kind !== "joined") return;
      const { certificate } = applied.change.member;
      this.person.keyring.expect(certificate.fingerprint);
      this.person.people.meet(certificate, { nowMs: place.atMs });
    });
    await this.keep("ops");
  }

  async takeKey(box: Bytes, from: Fingerprint, nowMs: number): Promise<void> {
    await this.costs.time("keysIn", async () => {
      const opened = await this.person.keyring.open(box, nowMs);
      if (opened.kind !== "opened") throw new TypeError(`Cannot measure: a box is ${opened.kind}`);
      const { kind } = await this.room.key(opened.plaintext, from, nowMs);
      if (kind !== "taken") throw new TypeError(`Cannot measure: a key is ${kind}`);
    });
    await this.keep("keysIn");
  }

  async takeLine(line: Bytes, place: { seq: number; nowMs: number }): Promise<void> {
    await this.costs.time("linesIn", async () => {
      const heard = await this.room.message(line, { ...place, atMs: place.nowMs });
      if (heard.kind !== "opened") throw new TypeError(`Cannot measure: a line is ${heard.kind}`);
      const content = decodeContent(heard.message.plaintext);
      const verdict = "claims" in content ? this.room.check(heard.message, content.claims) : undefined;
      if (verdict?.missing !== 0 || verdict.tally.kind !== "same") {
        throw new TypeError("Cannot measure: a line is lost");
      }
    });
    await this.keep("linesIn");
  }

  /** Seals a line, which the relay places next; those who are to read it have our chain. */
  async write(nowMs: number): Promise<Bytes> {
    const line = await this.costs.time("linesOut", async () => {
      const [id, claims, stream] = [newId(), this.room.claims(), streamOf(this.room.membership)];
      const plaintext = encodeContent({ kind: "text", id, sentAtMs: nowMs, text: TEXT, claims });
      const { message, epoch, slack } = await this.room.seal(plaintext);
      const packet = encodeClientMessage({ t: "publish", stream, kind: "message", id, epoch, slack }, message);
      this.costs.add("linesOut", { count: 1, sent: packet.length });
      await this.room.placed(message);
      return message;
    });
    await this.keep("linesOut");
    return line;
  }

  /** Seals what has changed as a client does that keeps its state. */
  async keep(part: Part): Promise<void> {
    const seal = async (name: string, value: Bytes) => {
      const key = utf8(name);
      const place = { table: "rooms", id: await rowId(ROW_KEYS, "rooms", key), schema: 1 };
      this.costs.add(part, { kept: (await sealRow(ROW_KEYS, place, { key, value })).length });
    };
    await this.costs.time(part, async () => {
      for (const { name, value } of this.room.takeChanges()) if (value !== undefined) await seal(name, value);
      const { peers } = this.person.keyring.takeChanges();
      for (const { fingerprint, encoded } of peers) if (encoded !== undefined) await seal(fingerprint, encoded);
    }, "keptCpu");
  }
}

/** The room, its relay, and the time. */
class BusyRoom {
  readonly inFull: readonly Member[];
  readonly #byKey = new Map<Fingerprint, Person>();
  readonly #voices: Voice[] = [];
  readonly #leavers: Person[] = [];
  #comings = 0;
  #seq = 0;

  private constructor(readonly log: Membership, readonly speaker: Member, readonly reader: Member) {
    this.inFull = [speaker, reader];
  }

  static async of(): Promise<BusyRoom> {
    const log = await Membership.begin("open", secureRandom(32));
    const member = async (person: Person) =>
      new Member(person, await Room.begin("open", log.room, { self: person.who }));
    const [speaker, reader] = [await member(await makePerson("first")), await member(await makePerson("second"))];
    const room = new BusyRoom(log, speaker, reader);
    for (const { person } of room.inFull) await room.#join(START_MS, person);
    for (let i = room.inFull.length; i < MEMBERS; i++) {
      const person = await room.#join(START_MS);
      if (i > SPEAKERS) room.#leavers.push(person);
      else room.#voices.push({ ...person, speaker: new RoomSpeaker({ membership: log, self: person.who }) });
    }
    return room;
  }

  /** Lets the minutes pass; only those after the first count. */
  async run(): Promise<void> {
    for (let ms = 0; ms < (1 + MINUTES) * MINUTE_MS; ms += TICK_MS) {
      if (ms === MINUTE_MS) this.inFull.forEach((member) => member.costs = new Costs());
      if (ms % OP_EVERY_MS === 0) await this.#comeOrGo(START_MS + ms);
      if (ms % LINE_EVERY_MS === 0) await this.#say((ms / LINE_EVERY_MS) % SPEAKERS, START_MS + ms);
    }
  }

  /** The members by key. */
  get members(): Fingerprint[] {
    return this.log.members().map(({ certificate }) => certificate.fingerprint);
  }

  async #comeOrGo(nowMs: number): Promise<void> {
    if (this.#comings++ % 2 === 1) return void this.#leavers.push(await this.#join(nowMs));
    const index = (this.#comings * 7_919) % this.#leavers.length; // anybody, and the same in every run
    const [person] = this.#leavers.splice(index, 1) as [Person];
    await this.#place(await leaveOp(person.author, this.log.context(nowMs)), nowMs);
  }

  async #join(nowMs: number, known?: Person): Promise<Person> {
    const person = known ?? await makePerson(`p${this.#byKey.size}`);
    this.#byKey.set(person.who, person);
    await this.#place(await joinOp(person.author, this.log.context(nowMs)), nowMs);
    return person;
  }

  async #place(op: Bytes, atMs: number): Promise<void> {
    const epoch = this.log.epoch + 1;
    await this.log.apply(op, { epoch, atMs });
    const event = { ...this.#event(streamOf(this.log), this.speaker.who, atMs), kind: "op", epoch } as const;
    for (const member of this.inFull) {
      member.costs.add("ops", { count: 1, received: encodeRelayMessage(event, op).length });
      await member.takeOp(op, { epoch, atMs });
    }
  }

  async #say(turn: number, nowMs: number): Promise<void> {
    const voice = this.#voices[turn - 1];
    const line = voice === undefined ? await this.#sayInFull(nowMs) : await this.#sayOf(voice, nowMs);
    const { who } = voice ?? this.speaker;
    const event = { ...this.#event(streamOf(this.log), who, nowMs), kind: "message" } as const;
    for (const member of this.inFull.filter((one) => one.who !== who)) {
      member.costs.add("linesIn", { count: 1, received: encodeRelayMessage(event, line).length });
      await member.takeLine(line, { seq: this.#seq, nowMs });
    }
  }

  async #sayInFull(nowMs: number): Promise<Bytes> {
    const { speaker, speaker: { costs, room: { keyId } }, members } = this;
    for (let mayLeave = false; !mayLeave;) {
      const turn = { nowMs, effects: [] };
      mayLeave = await costs.time("keysOut", () => speaker.handover.prepare(new Set(members), turn));
      for (const sent of sentIn(turn.effects)) await this.#carry(sent, nowMs);
    }
    if (speaker.room.keyId !== keyId) costs.add("keysOut", { chains: 1 });
    await speaker.keep("keysOut");
    return await speaker.write(nowMs);
  }

  async #sayOf(voice: Voice, nowMs: number): Promise<Bytes> {
    const { who, keyring, speaker } = voice;
    for (const to of await speaker.prepare(new Set(this.inFull.map((member) => member.who)), nowMs)) {
      const effects: Effects = [];
      if (!keyring.hasSession(to)) keyring.request(to, { nowMs, effects });
      for (const sent of sentIn(effects)) await this.#bringKeys(sent, voice, { nowMs });
      await this.#deliver(await keyring.seal(to, await speaker.handOver(to), nowMs), { to, from: who, nowMs });
      speaker.handed(to, speaker.keyId ?? "");
    }
    const claims = { m: speaker.nextM(), tally: this.speaker.room.claims(1).tally }; // all have read the same
    return await speaker.seal(encodeContent({ kind: "text", id: newId(), sentAtMs: nowMs, text: TEXT, claims }));
  }

  /** Does with a packet of the speaker what a relay does, and brings what it answers. */
  async #carry(sent: Sent, nowMs: number): Promise<void> {
    const { who, person, costs, handover } = this.speaker;
    const { message, body, packet } = sent;
    if (message.t !== "publishMany") return await this.#bringKeys(sent, person, { nowMs, costs });
    const items = decodeMany(body);
    for (const { to, box } of items) await this.#deliver(box, { to, from: who, nowMs });
    const received = encodeRelayMessage({ t: "acceptedMany", ref: message.ref }).length;
    costs.add("keysOut", { count: items.length, sent: packet.length, received });
    const turn = { nowMs, effects: [] };
    await costs.time(
      "keysOut",
      () => handover.answered({ t: "acceptedMany", ref: message.ref }, new Uint8Array(0), turn),
    );
  }

  /** Brings a box to a member done in full, or to a speaker, who will write in the session that it begins. */
  async #deliver(box: Bytes, way: { to: Fingerprint; from: Fingerprint; nowMs: number }): Promise<void> {
    const { to, from, nowMs } = way;
    await this.#voices.find(({ who }) => who === to)?.keyring.open(box, nowMs);
    const member = this.inFull.find(({ who }) => who === to);
    if (member === undefined) return;
    const event = { ...this.#event(`inbox/${to}`, from, nowMs), kind: "message" } as const;
    member.costs.add("keysIn", { count: 1, received: encodeRelayMessage(event, box).length });
    await member.takeKey(box, from, nowMs);
  }

  /** Brings somebody the fresh keys that they ask for by a `getBundle`. */
  async #bringKeys({ message, packet }: Sent, to: Person, way: { nowMs: number; costs?: Costs }): Promise<void> {
    if (message.t !== "getBundle") throw new TypeError(`Cannot measure: ${message.t} is no request for keys`);
    const { nowMs, costs = new Costs() } = way;
    const { ref, of, nonce } = message;
    const turn = { nowMs, effects: [], people: to.people };
    await this.#byKey.get(of)?.keyring.answer({ t: "bundleWanted", ref, by: to.who, nonce }, turn);
    const [{ body }] = sentIn(turn.effects.splice(0)) as [Sent];
    const header = { t: "bundle", ref, kind: "live" } as const;
    costs.add("sessions", { count: 1, sent: packet.length, received: encodeRelayMessage(header, body).length });
    await costs.time("sessions", () => to.keyring.answered(header, body, turn));
  }

  #event(stream: string, from: Fingerprint, at: number) {
    return { t: "event", stream, seq: ++this.#seq, at, from, id: newId() } as const;
  }
}

function streamOf({ room }: { readonly room: Bytes }): string {
  return `room/${fingerprintOf(room)}`;
}

function newId(): string {
  return encodeHex(secureRandom(16));
}

type Sent = ReturnType<typeof sentIn>[number];

function sentIn(effects: Effects) {
  return effects.map((effect) => {
    if (effect.kind !== "send") throw new TypeError("Cannot measure: somebody was left out");
    return { packet: effect.packet, ...decodeClientMessage(decodePacket(effect.packet)) };
  });
}

function printMember(name: string, { costs }: Member): void {
  const row = (title: string, ...parts: readonly Part[]) => {
    const of = (...whats: Measure[]) => whats.reduce((sum, what) => sum + costs.of(what, ...parts), 0);
    const share = (...whats: Measure[]) =>
      100 * of(...whats) / whats.reduce((sum, what) => sum + costs.of(what, ...PARTS), 0);
    const bytes = [of("sent") / 1_000, of("received") / 1_000, share("sent", "received")];
    const cells = [of("count"), of("cpu") / 1_000, share("cpu"), ...bytes, of("keptCpu") / 1_000, of("kept") / 1_000];
    const spelt = cells.map((cell) => cell.toFixed(cell < 1_000 ? 1 : 0).padStart(10));
    if (of("count") > 0) console.log(`    ${title.padEnd(24)}${spelt.join("")}`);
  };
  const heads = ["count", "CPU ms", "in %", "KB sent", "received", "in %", "kept, ms", "kept, KB"];
  console.log(`  ${name.padEnd(26)}${heads.map((head) => head.padStart(10)).join("")}`);
  for (const part of PARTS) row(NAMES[part], part);
  row("all of it", ...PARTS);
  row("of that, keys", "keysOut", "sessions", "keysIn");
}

/** What the same lines would cost as a copy for each member, without the sessions that newcomers need either way. */
async function printBeside({ speaker: { person: { keyring }, costs }, members }: BusyRoom): Promise<void> {
  const nowMs = START_MS + (1 + MINUTES) * MINUTE_MS;
  const plaintext = encodeContent({ kind: "text", id: newId(), sentAtMs: nowMs, text: TEXT, room: null });
  const peers = members.filter((who) => keyring.hasSession(who));
  let sizes: number[] = [];
  const { cpuMicros } = await measure(peers.length, async () => {
    const boxes = await Promise.all(peers.map((who) => keyring.seal(who, plaintext, nowMs)));
    sizes = boxes.map((box, i) => encodeMany([{ to: peers[i] as Fingerprint, id: newId(), box }]).length);
  });
  const ours = (what: Measure) => costs.of(what, "keysOut", "linesOut");
  const copies = costs.of("count", "linesOut") * (MEMBERS - 1);
  const [cpu, sent] = [copies * cpuMicros, copies * sizes.reduce((sum, size) => sum + size) / sizes.length];
  const [timesCpu, timesSent] = [(cpu / ours("cpu")).toFixed(1), (sent / ours("sent")).toFixed(1)];
  const [keys, chains] = [SPEAKERS * costs.of("count", "keysOut"), costs.of("chains", "keysOut")];
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
  const copied = `${copies} boxes, ${(cpu / 1_000).toFixed(0)} ms CPU, ${(sent / 1_000).toFixed(0)} KB sent`;
  console.log(`    ${chains} new chain; all ${SPEAKERS} speakers do the same: ${keys} keys for the relay`);
  console.log(`    a key or a copy: ${least} bytes, ${most} until its reader has written to the speaker`);
  console.log(`    a copy for each member: ${copied}, ${timesCpu} × and ${timesSent} × keys and lines`);
}

function printLog({ reader: { costs } }: BusyRoom): void {
  const each = (what: Measure) => costs.of(what, "ops") / costs.of("count", "ops");
  const [minutes, cpuS] = [ROOM_OPS_MAX * OP_EVERY_MS / MINUTE_MS, ROOM_OPS_MAX * each("cpu") / 1_000_000];
  const kept = `${each("keptCpu").toFixed(0)} µs and ${(each("kept") / 1_000).toFixed(0)} KB to keep`;
  console.log(`  an op: ${each("cpu").toFixed(0)} µs CPU to judge, ${each("received").toFixed(0)} bytes; ${kept}`);
  console.log(
    `  a relay keeps ${ROOM_OPS_MAX} ops of a room: ${minutes.toFixed(0)} minutes, ` +
      `${cpuS.toFixed(0)} s CPU to join without a snapshot`,
  );
}

/** Prints the tables. */
export async function benchBusyRoom(): Promise<void> {
  const [ops, lines] = [1_000 / OP_EVERY_MS, MINUTE_MS / LINE_EVERY_MS / SPEAKERS];
  console.log(
    `An open room of ${MEMBERS}, ${ops} joins or leaves a second (who joins was never there), ${SPEAKERS} speakers with ` +
      `${lines} lines\nof ${TEXT.length} characters a minute. One speaker and one reader are done in full. Each number is ` +
      `of one minute, the\nmean of ${MINUTES} on a virtual clock; 60,000 ms CPU are a core:`,
  );
  const room = await BusyRoom.of();
  await room.run();
  printMember("a speaker", room.speaker);
  await printBeside(room);
  printMember("a reader", room.reader);
  printLog(room);
  console.log();
}
