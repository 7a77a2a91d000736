/**
 * People in rooms on a real relay core, as a plan drives them, and everything that they were shown, noted at the moment
 * when it was. What they should have been shown is told by `_rooms_model_truth.ts`.
 */

import type { Command } from "../../lib/chat/commands.ts";
import type { ChatEvent } from "../../lib/chat/events.ts";
import { decodeRoomRecord } from "../../lib/chat/room_record.ts";
import { generateDhKeyPair } from "../../lib/crypto/dh.ts";
import { fingerprintOf, openRoomId } from "../../lib/e2ee/identity.ts";
import type { EventId, Fingerprint, StreamName } from "../../lib/wire/messages.ts";
import { type FakeClient, FakeNet, START_MS } from "../support/fake_net.ts";
import { drawnFrom, Person } from "./_rooms_model_people.ts";
import type { Plan, Step } from "./_rooms_model_steps.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** Names are free after a month, and the relay forgets after one: a run ends before. */
const RUN_MAX_MS = 25 * DAY_MS;
const OPEN_ROOMS = ["lobby", "garden"] as const;
const INVITE_ROOMS = ["den", "attic"] as const;
/** Ticks that are given one by one while time passes; then it jumps. */
const TICKS_MAX = 24;

const RELAY_PUBLIC = (await generateDhKeyPair(drawnFrom("relay"))).publicBytes;
const OPEN_STREAMS = await Promise.all(OPEN_ROOMS.map(async (name) => {
  const stream: StreamName = `room/${fingerprintOf(await openRoomId(RELAY_PUBLIC, name))}`;
  return [name, stream] as const;
}));

/** A line that somebody wrote. */
export interface Line {
  readonly kind: "text" | "topic";
  readonly text: string;
  readonly by: Person;
  readonly room: string;
  readonly id: EventId;
  /** Whom its author had been shown as members, as far as these had not been shown to be gone. */
  readonly shown: ReadonlySet<Fingerprint>;
  /** Who of them was away, as far as its author had been told. */
  readonly away: ReadonlySet<Fingerprint>;
  /** How many ops the relay had placed in the room by then. */
  readonly epoch: number;
  /** In which life of its author's client. */
  readonly life: number;
}

/** A run. */
export class World {
  readonly people: readonly Person[];
  readonly lines = new Map<EventId, Line>();
  /** By the names of rooms. */
  readonly streams = new Map<string, StreamName>(OPEN_STREAMS);
  readonly history: string[] = [];
  readonly #made = new Set<string>();
  /** Who may manage rooms, as far as they were told to. */
  readonly #managers: Person[] = [];
  #written = 0;

  private constructor(readonly net: FakeNet, cast: readonly number[]) {
    this.people = cast.map((index) => new Person(index));
    net.nowMs = START_MS + MINUTE_MS;
    net.watch = (client, event) => this.#see(client, event);
  }

  /** The early ones come, one after the other, and into the den if there is one. */
  static async begin({ cast, early, den }: Pick<Plan, "cast" | "early" | "den">): Promise<World> {
    const world = new World(await FakeNet.create(RELAY_PUBLIC, 31 * DAY_MS), cast);
    for (const person of world.people.slice(0, early)) await world.#come(person);
    await world.net.settle();
    if (den !== "none") await world.#fillDen(den === "full");
    return world;
  }

  /** Does what a step says, if it makes sense. */
  async take(step: Step): Promise<void> {
    const done = await this.#do(step);
    if (done === undefined) return;
    await this.net.settle(step.settled);
    this.#note(step.settled === Infinity ? done : `${done} (${step.settled} packets arrive)`);
  }

  /** Lets go on what was held back, brings everybody back who can, and lets each room be spoken in once more. */
  async finish(): Promise<void> {
    this.#note("in the end");
    await this.#flowAll();
    await this.#pass(15_000);
    for (const person of this.people) {
      if (person.isLinked || person.isGone || person.lives === 0) continue;
      await this.#come(person);
      await this.net.settle();
    }
    await this.#pass(2 * MINUTE_MS);
    for (const room of this.streams.keys()) {
      const there = this.people.filter((person) => person.isHere && person.shown.has(room));
      for (const person of new Set([there[0], there.at(-1)])) {
        const number = [...person?.shown.keys() ?? []].toReversed().indexOf(room);
        if (person !== undefined) this.#note(await this.#say(person, number) ?? "");
        await this.net.settle();
      }
    }
    await this.#pass(MINUTE_MS);
    for (const person of this.people) if (person.isHere) await this.#ask(person);
  }

  /** Gives the person of a fingerprint. */
  of(fingerprint: Fingerprint): Person | undefined {
    return this.people.find(({ certificate }) => certificate.fingerprint === fingerprint);
  }

  async #do(step: Step): Promise<string | undefined> {
    const { kind, who, whom, room: number } = step;
    const person = pick(this.people, who) as Person;
    const { handle, client } = person;
    const room = pick([...person.shown.keys()], number);
    switch (kind) {
      case "come":
        if (person.isLinked || person.isGone) return undefined;
        return await this.#come(person);
      case "lose":
        if (!person.isLinked || !person.isHere || client === undefined) return undefined;
        return await this.#cut(person, client);
      case "say": {
        // Who sees an old room speaks more often than others.
        const slow = this.people.filter((one) => one.isSlow && one.isHere);
        return await this.#say(whom % 2 === 0 ? person : pick(slow, who) ?? person, number);
      }
      case "join": {
        const open = [...OPEN_ROOMS, ...person.invitedTo].filter((name) => !person.shown.has(name));
        return await this.#command(person, "join", pick(open, number));
      }
      case "topic": {
        if (room === undefined || !person.isHere) return undefined;
        await this.#write(person, { kind: "topic", text: `about ${++this.#written}`, room });
        return `${handle} gives #${room} another topic`;
      }
      case "leave":
        return await this.#command(person, "leave", pick([...person.shown.keys(), ...person.invitedTo], number));
      case "create":
        return await this.#create(person);
      case "invite":
      case "remove":
      case "promote":
        // Mostly somebody who may.
        return await this.#manage(room === "lobby" ? person : pick(this.#managers, who) ?? person, step);
      case "crash":
        if (!person.isRunning) return undefined;
        if (person.isLinked) client?.cut();
        person.isCut = false;
        person.isReady = false;
        return `${handle} crashes`;
      case "quit":
        if (!person.isHere || !person.isLinked) return undefined;
        person.isQuitting = true;
        await client?.command({ kind: "quit" });
        return `${handle} quits`;
      case "slow":
      case "stuck":
        if (!person.isLinked || client === undefined) return undefined;
        this.net.hold(client, kind === "slow" ? "toClient" : "toRelay");
        person.isSlow ||= kind === "slow";
        return `${handle} is ${kind}: what ${kind === "slow" ? "the relay" : "the client"} says waits`;
      case "flow":
        if (!person.isLinked || client === undefined) return undefined;
        this.net.release(client);
        person.isSlow = false;
        return `${handle} flows`;
      case "minutes":
        await this.#pass([3, 7, 12, 40][number] as number * MINUTE_MS);
        return "minutes pass";
      case "hour":
        return await this.#passLong(3 * HOUR_MS);
      case "days":
        return await this.#passLong((whom % 2 === 0 ? 2 : 8) * DAY_MS);
    }
  }

  async #come(person: Person): Promise<string> {
    const { handle, identity, certificate, kept } = person;
    if (person.isCut && person.client !== undefined) {
      await this.net.relink(person.client);
      person.isCut = false;
      Object.assign(person.cuts.at(-1) ?? {}, { until: this.#heads() });
      return `${handle} is linked again`;
    }
    person.lives++;
    person.isQuitting = false;
    person.isReady = false;
    person.isSlow = false;
    person.shown.clear();
    person.away.clear();
    const random = drawnFrom(`${handle} ${person.lives}`);
    person.client = await this.net.link(handle, { identity, certificate, kept, random });
    return `${handle} ${person.lives > 1 ? "comes back" : "comes"}`;
  }

  async #cut(person: Person, client: FakeClient): Promise<string> {
    person.isCut = true;
    person.isSlow = false;
    person.cuts.push({ from: this.#heads() });
    client.cut();
    await this.net.give(client, { kind: "unlinked", why: "the line broke", nowMs: this.net.nowMs });
    return `${person.handle} loses the line`;
  }

  /** How far each room is at the relay. */
  #heads(): ReadonlyMap<string, number> {
    return new Map([...this.streams].map(([room, stream]) => [room, this.net.log.head(stream)]));
  }

  async #say(by: Person, number: number): Promise<string | undefined> {
    const room = pick([...by.shown.keys()].toReversed(), number);
    if (room === undefined || !by.isHere || by.client?.chat.takesInput !== true) return undefined;
    const text = `line ${++this.#written}`;
    await this.#write(by, { kind: "say", text, room });
    return `${by.handle} says ${text} in #${room}`;
  }

  /** Writes, and notes every line that this makes: a topic may be said again for somebody who came. */
  async #write(by: Person, command: Extract<Command, { kind: "say" | "topic" }> & { room: string }): Promise<void> {
    const { client, lives: life } = by;
    const { room } = command;
    const [shown, away] = [new Set(by.shown.get(room)), new Set(by.away)];
    const { epoch } = this.#stand(room);
    await client?.command(command, command.text);
    for (const { id, kind, text } of client?.chat.unsent() ?? []) {
      if (kind === "invitation" || this.lines.has(id)) continue;
      this.lines.set(id, { kind, text, by, room, id, shown, away, epoch, life });
    }
  }

  async #manage(person: Person, { kind, whom, room: number }: Step): Promise<string | undefined> {
    const rooms = [...person.shown.keys()].filter((name) => !isOpen(name));
    const subject = pick(this.people.filter((other) => other !== person), whom) as Person;
    const command = kind as "invite" | "remove" | "promote";
    const done = await this.#command(person, command, pick(rooms, number), subject.handle);
    if (done !== undefined && kind === "promote") this.#managers.push(subject);
    return done;
  }

  async #command(
    person: Person,
    kind: "join" | "leave" | "invite" | "remove" | "promote",
    room: string | undefined,
    name?: string,
  ): Promise<string | undefined> {
    if (room === undefined || !person.isHere) return undefined;
    const command = { kind, room, ...(name === undefined ? {} : { name }) } as Command;
    if (kind === "join") person.joins.set(room, (person.joins.get(room) ?? 0) + 1);
    await person.client?.command(command);
    return `${person.handle} ${kind}s ${name === undefined ? "" : `${name} in `}#${room}`;
  }

  async #create(person: Person): Promise<string | undefined> {
    const name = INVITE_ROOMS.find((free) => !this.#made.has(free));
    if (name === undefined || !person.isHere) return undefined;
    this.#made.add(name);
    this.#managers.push(person);
    await person.client?.command({ kind: "create", name, isInviteOnly: true });
    for (const { room, name: row, value } of person.kept.state.rooms ?? []) {
      if (row === "record" && decodeRoomRecord(value).name === name) this.streams.set(name, `room/${room}`);
    }
    return `${person.handle} creates #${name}`;
  }

  async #fillDen(isAccepted: boolean): Promise<void> {
    const [founder, ...others] = this.people.filter((person) => person.isHere);
    const name = founder && await this.#create(founder);
    if (founder === undefined || name === undefined) return;
    await this.net.settle();
    for (const other of others) {
      await this.#command(founder, "invite", INVITE_ROOMS[0], other.handle);
      await this.net.settle();
      if (isAccepted) await this.#command(other, "join", INVITE_ROOMS[0]);
      await this.net.settle();
    }
    const invited = others.map(({ handle }) => handle).join(", ");
    const answer = isAccepted ? "who come" : "who have not answered";
    this.#note(invited === "" ? name : `${name} and invites ${invited}, ${answer}`);
  }

  async #ask(person: Person): Promise<void> {
    await person.client?.command({ kind: "rooms" });
    for (const room of [...person.shown.keys()]) await person.client?.command({ kind: "members", room });
  }

  async #flowAll(): Promise<void> {
    for (const person of this.people) {
      if (person.client !== undefined) this.net.release(person.client);
      person.isSlow = false;
    }
    await this.net.settle();
  }

  /** Nobody's line is held up for so long: it would have broken. */
  async #passLong(ms: number): Promise<string | undefined> {
    if (this.net.nowMs + ms > START_MS + RUN_MAX_MS) return undefined;
    await this.#flowAll();
    await this.#pass(ms);
    return `${ms / HOUR_MS} hours pass`;
  }

  /** Lets time pass; whoever asked for a tick gets it when it is due, and the relay has its say in time. */
  async #pass(ms: number): Promise<void> {
    const untilMs = this.net.nowMs + ms;
    await this.#advance(2_001); // a question to somebody who does not answer is answered by the relay
    if (ms >= DAY_MS) await this.#advance(ms - HOUR_MS); // machines sleep at night
    for (let ticks = 0; ticks < TICKS_MAX; ticks++) {
      const due = this.people.map(({ isRunning, client }) => isRunning ? client?.wakeAtMs ?? Infinity : Infinity);
      const nextMs = Math.min(...due);
      if (nextMs >= untilMs) break;
      await this.#advance(Math.max(1, nextMs - this.net.nowMs));
    }
    await this.#advance(Math.max(1, untilMs - this.net.nowMs));
  }

  /** The clock goes on for those without a line too. */
  async #advance(ms: number): Promise<void> {
    await this.net.advance(ms);
    const { nowMs } = this.net;
    for (const { isCut, client } of this.people) {
      if (!isCut || client?.wakeAtMs === undefined || client.wakeAtMs > nowMs) continue;
      client.wakeAtMs = undefined;
      await this.net.give(client, { kind: "tick", nowMs });
    }
  }

  #see(client: FakeClient, event: ChatEvent): void {
    const person = this.people.find((one) => one.client === client);
    if (person === undefined) return;
    const room = roomOf(event);
    person.see(event, { nowMs: this.net.nowMs, room, ...this.#stand(room) });
  }

  /** Where a room stands at the relay. */
  #stand(room: string | undefined): { readonly seq: number; readonly epoch: number } {
    const stream = room === undefined ? undefined : this.streams.get(room);
    if (stream === undefined) return { seq: 0, epoch: 0 };
    return { seq: this.net.log.head(stream), epoch: this.net.log.epoch(stream.slice("room/".length)) };
  }

  #note(what: string): void {
    const passed = new Date(this.net.nowMs - START_MS).toISOString().slice(8, 19).replace("T", " ");
    const day = String(Number(passed.slice(0, 2)) - 1).padStart(2);
    if (what !== "") this.history.push(`day ${day}${passed.slice(2)}  ${what}`);
  }
}

/** Whether anybody may come into a room. */
export function isOpen(room: string): boolean {
  return (OPEN_ROOMS as readonly string[]).includes(room);
}

function roomOf(event: ChatEvent): string | undefined {
  if ("place" in event) return "room" in event.place ? event.place.room : undefined;
  return "room" in event && event.type !== "users" ? event.room : undefined;
}

function pick<T>(from: readonly T[], number: number): T | undefined {
  return from[number % from.length];
}
