/**
 * The stay in one room, from going in until it is over: to which part each of the relay's words belongs, when we are in,
 * and what becomes of what we asked for.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import type { Fingerprint, RelayMessage } from "../wire/messages.ts";
import type { Ref } from "./events.ts";
import type { OwnOpOutcome } from "./own_ops.ts";
import type { EventHead } from "./receiving.ts";
import type { PlacedOp } from "./room_news.ts";
import { outcomeError } from "./room_outcomes.ts";
import { skipLost } from "./room_lost.ts";
import type { RoomPlace } from "./room_place.ts";
import type { RoomStayOptions } from "./room_stay_options.ts";
import { tellError } from "./session_place.ts";
import { notice, refFieldOf, type Turn } from "./turn.ts";

/** How long somebody who accepted an invitation waits for the op that adds them. */
export const ADD_TIMEOUT_MS = 10_000;

/** What the relay says about rooms. */
export type RoomMessage = Extract<
  RelayMessage,
  { t: "roster" | "joined" | "left" | "subscribed" | "reset" | "event" | "ops" | "snapshot" }
>;

/** How a room is gone into. */
export interface RoomEntrance {
  /** The op that begins it, for one that we make. */
  readonly create?: Bytes;
  /** What a script put beside its line. */
  readonly ref?: Ref | undefined;
  /** The life of the relay's log. */
  readonly generation: string;
}

/** One stay in one room. */
export class RoomStay {
  readonly #options: RoomStayOptions;
  #entrance: RoomEntrance = { generation: "" };
  /** Until when the op that adds us is waited for. */
  #addDueMs: number | undefined;
  /** Whether we said yes and nobody has added us: whenever somebody does, we come in. */
  #isWaiting = false;
  /** Who removed us, if that is the last that the log says of us. */
  #removedBy: Fingerprint | undefined;
  /** That we go out, and what a script put beside its line; `isDeclined` when we were never in. */
  #exit: { readonly ref?: Ref | undefined; readonly isDeclined: boolean } | undefined;

  /**
   * Makes a stay that has not begun.
   * @param options the room
   */
  constructor(options: RoomStayOptions) {
    this.#options = options;
  }

  /** The room. */
  get place(): RoomPlace {
    return this.#options.place;
  }

  /**
   * Goes in.
   * @param entrance how
   * @param turn time and effects
   */
  begin(entrance: RoomEntrance, turn: Turn): void {
    const { place } = this.#options;
    const receiving = this.#options.receiving();
    const { stream } = place.channel;
    const { create } = this.#entrance;
    this.#entrance = create === undefined ? entrance : { create, ...entrance };
    if (place.record.state === "invited") {
      receiving.readFromStart(stream, entrance.generation); // what was written since we were added is for us
      this.#addDueMs = turn.nowMs + ADD_TIMEOUT_MS;
    }
    place.phase = "entering";
    if (!this.#isWaiting) place.channel.start(receiving.cursor(stream), turn);
    this.#isWaiting = false;
  }

  /** Whether something that we asked of the room is on its way. */
  get isBusy(): boolean {
    return this.#options.place.channel.isBusy || this.#exit !== undefined;
  }

  /**
   * Goes out for good, once what was written there is sent. Who was added and says no is a member until they leave, so
   * that takes going in, without hearing anything.
   * @param entrance the life of the relay's log, and what a script put beside its line
   * @param turn time and effects
   */
  async leave(entrance: Omit<RoomEntrance, "create">, turn: Turn): Promise<void> {
    const { place, dropped } = this.#options;
    const { ref } = entrance;
    switch (place.phase) {
      case "invited":
        this.#exit = { ref, isDeclined: true };
        this.#addDueMs = turn.nowMs + ADD_TIMEOUT_MS;
        place.phase = "leaving";
        if (this.#isWaiting) return await this.proceed(turn);
        return place.channel.start(null, turn);
      case "in":
        this.#exit = { ref, isDeclined: false };
        place.phase = "leaving";
        return await this.proceed(turn);
      case "idle":
      case "entering":
        return await dropped({ reason: "left", ...refFieldOf(ref) }, turn);
      case "leaving":
      case "gone":
        return;
    }
  }

  /**
   * Notes that the link is gone.
   * @param turn time and effects
   */
  unlink(turn: Turn): void {
    const { place } = this.#options;
    if ((place.phase === "invited" && !this.#isWaiting) || place.phase === "gone") return;
    this.#isWaiting = false;
    place.unlink();
    if (this.#exit?.isDeclined) {
      tellError(
        new UserError("notDone", `You did not say no to #${place.name} yet`, "Try again.", { room: place.name }),
        this.#exit.ref,
        turn,
      );
      this.#exit = undefined;
      place.phase = "invited";
    }
    if (this.#addDueMs !== undefined) this.#addDueMs = Infinity; // begins anew with the next link
  }

  /**
   * Goes out as soon as that can be.
   * @param turn time and effects
   */
  async proceed(turn: Turn): Promise<void> {
    const { place: { channel }, isSent } = this.#options;
    if (this.#exit === undefined || channel.isBusy || !channel.isReady || !isSent()) return;
    await channel.change({ kind: "leave" }, { ...turn, ref: this.#exit.ref });
  }

  /**
   * Takes in what the relay says about the room.
   * @param message what it says
   * @param body the opaque bytes that came with it
   * @param turn time and effects
   */
  async hear(message: RoomMessage, body: Bytes, turn: Turn): Promise<void> {
    await this.#hear(message, body, turn);
    await this.#settle(turn);
  }

  /**
   * Takes in that an event of ours was placed.
   * @param message where
   * @param sealed what was published, if it was a message
   * @param turn time and effects
   */
  async accepted(
    message: Extract<RelayMessage, { t: "accepted" }>,
    sealed: Bytes | undefined,
    turn: Turn,
  ): Promise<void> {
    const { channel } = this.#options.place;
    if (!channel.following.isOn || this.#resyncs(message, turn)) return; // our own events come again, in their places
    const op = channel.ownOp(message.id);
    if (op !== undefined && message.epoch !== undefined) {
      const placed = await channel.op({ epoch: message.epoch, atMs: message.at }, op, turn);
      if (placed === undefined) return;
      this.#advance(message, turn);
      await this.#placed(placed, turn);
    } else if (message.epoch !== undefined && message.epoch <= channel.membership.epoch) {
      this.#advance(message, turn); // known before from the log
    } else if (sealed !== undefined && this.#advance(message, turn)) {
      await channel.said.placed(sealed);
    }
    await this.#settle(turn);
  }

  /**
   * Takes in that the relay did not place an event of ours.
   * @param message its id, and why
   * @param turn time and effects
   * @returns whether it was an op of this room
   */
  async refused(message: Extract<RelayMessage, { t: "refused" }>, turn: Turn): Promise<boolean> {
    const outcome = this.#options.place.channel.refused(message.id, message);
    if (outcome === undefined) return false;
    await this.#concluded(outcome, turn);
    await this.#settle(turn);
    return true;
  }

  /**
   * Does what is due.
   * @param turn time and effects
   */
  async tick(turn: Turn): Promise<void> {
    const { place, absence, dropped } = this.#options;
    if (place.phase === "in") await absence.tick(turn);
    const isLate = this.#addDueMs !== undefined && turn.nowMs >= this.#addDueMs;
    if (!isLate) return;
    if (this.#exit !== undefined) return await dropped({ reason: "declined", ...refFieldOf(this.#exit.ref) }, turn);
    if (place.phase === "entering") await this.#notAdded(turn);
  }

  /** Nobody answered our yes: we stay where we hear of it, or know that we were removed before. */
  async #notAdded(turn: Turn): Promise<void> {
    const { place, dropped, hasBegun, waits } = this.#options;
    this.#addDueMs = undefined;
    const by = this.#removedBy === undefined ? {} : { by: place.nameOf(this.#removedBy) };
    if (this.#removedBy !== undefined || !hasBegun() || !place.channel.following.isOn) {
      return await dropped({ reason: "removed", ...by, ...this.#refField }, turn);
    }
    this.#isWaiting = true;
    place.phase = "invited";
    const hint = `You come in when somebody does. /leave ${place.name} says no.`;
    const why = `You are not in #${place.name} yet: nobody there has added you`;
    tellError(new UserError("notDone", why, hint, { room: place.name }), this.#entrance.ref, turn);
    waits(turn);
  }

  /**
   * Tells when that is.
   * @param nowMs the time now
   * @returns the time
   */
  nextDueMs(nowMs: number): number {
    const { place, absence } = this.#options;
    if (place.phase === "in") return absence.nextDueMs(nowMs);
    return place.phase === "entering" || place.phase === "leaving" ? this.#addDueMs ?? Infinity : Infinity;
  }

  async #hear(message: RoomMessage, body: Bytes, turn: Turn): Promise<void> {
    const { place, dropped } = this.#options;
    const { channel } = place;
    const receiving = this.#options.receiving();
    switch (message.t) {
      case "roster":
        return await place.roster(message, body, turn);
      case "joined":
        return await place.joined(message.at, body, turn);
      case "left":
        return place.left(message, turn);
      case "subscribed":
        receiving.begin(message.stream, message);
        if (skipLost({ receiving, place }, message, turn)) return;
        place.missed(this.#caughtUp(message), turn);
        await this.#create(turn);
        return await channel.subscribed(turn);
      case "reset":
        receiving.beginAnew(message.stream, message);
        if (!await channel.reset(turn)) return await dropped({ reason: "lost" }, turn);
        if (place.phase === "in") place.phase = "entering";
        return;
      case "ops": {
        const cursor = receiving.cursor(channel.stream);
        for (const placed of await channel.ops(message, body, { ...turn, cursor })) await this.#placed(placed, turn);
        return;
      }
      case "snapshot":
        if (await place.snapshot(message, body, turn)) receiving.forget(channel.stream);
        return;
      case "event":
        return await this.#event(message, body, turn);
    }
  }

  async #event(message: Extract<RelayMessage, { t: "event" }>, body: Bytes, turn: Turn): Promise<void> {
    const { place } = this.#options;
    if (!place.channel.following.isOn) return;
    if (!this.#options.receiving().isNew(message)) return place.read([{ kind: "repeat" }], turn);
    if (this.#resyncs(message, turn)) return;
    if (message.kind === "op") {
      const placed = await place.channel.op({ epoch: message.epoch, atMs: message.at }, body, turn);
      if (placed === undefined) return;
      this.#advance(message, turn);
      return await this.#placed(placed, turn);
    }
    this.#advance(message, turn);
    await this.#options.echoed(message, turn);
    if (this.#exit?.isDeclined) return;
    place.read([await place.channel.message(message, body, turn.nowMs)], turn);
  }

  /** Ops may be among the places that are left out before an event: without them it would be misjudged. */
  #resyncs(head: Pick<EventHead, "stream" | "seq">, turn: Turn): boolean {
    return this.#options.receiving().missingBefore(head) > 0 && this.#options.place.channel.resync(turn);
  }

  #advance(head: Pick<EventHead, "stream" | "seq" | "at"> & { readonly epoch?: number }, turn: Turn): boolean {
    const missing = this.#options.receiving().advance(head);
    if (missing === undefined) return false;
    const told = this.#options.place.channel.following.took(missing, head.epoch);
    this.#options.place.missed(told + this.#caughtUp(head), turn);
    return true;
  }

  /** How many messages turn out to be missing if all of the stream was read. */
  #caughtUp({ stream }: Pick<EventHead, "stream">): number {
    const { channel } = this.#options.place;
    if (!this.#options.receiving().hasCaughtUp(stream)) return 0;
    channel.said.caughtUp();
    return channel.following.holes.caughtUp();
  }

  async #placed(placed: PlacedOp, turn: Turn): Promise<void> {
    const { place, dropped } = this.#options;
    if (!this.#exit?.isDeclined) place.placed(placed, turn);
    if (placed.own !== undefined) await this.#concluded(placed.own, turn);
    const { news } = placed;
    if (news.kind !== "none" && news.person === undefined) {
      this.#removedBy = news.kind === "removed" ? news.by : undefined;
    }
    if (placed.hasLeft) return await dropped({ reason: "left" }, turn);
    if (news.kind !== "removed" || news.person !== undefined || place.phase === "gone") return;
    if (place.channel.kind === "open") {
      return notice(turn, "rejoined", `You were away from #${place.name} for long: you join it anew`, {
        room: place.name,
      });
    }
    // What the log tells of the past is settled once all of it is known.
    const isIn = place.phase === "in" || (place.phase === "leaving" && !this.#exit?.isDeclined);
    if (isIn && !place.channel.isMember) {
      await dropped({ reason: "removed", by: place.nameOf(news.by) }, turn);
    }
  }

  async #concluded(outcome: OwnOpOutcome, turn: Turn): Promise<void> {
    const { place, dropped, failed } = this.#options;
    const { op, ref } = outcome;
    const refField = ref === undefined ? {} : { ref };
    if (op.kind === "leave" && this.#exit !== undefined) {
      const isOut = outcome.kind === "done" || !place.channel.isMember;
      const reason = this.#exit.isDeclined ? "declined" : "left";
      if (isOut) return await dropped({ reason, ...refField }, turn);
      place.phase = this.#exit.isDeclined ? "invited" : "in";
      this.#exit = undefined;
      this.#addDueMs = undefined;
    }
    if (outcome.kind === "done") {
      if (op.kind !== "create") return;
      const event = { type: "roomCreated", room: place.name, kind: place.channel.kind, ...refField } as const;
      turn.effects.push({ kind: "show", event });
      return;
    }
    if (op.kind === "join" && place.channel.isMember) return; // it only showed our newest certificate
    // Somebody else began the open room at the same moment, which is as good: we join it.
    if (op.kind === "create" && outcome.kind === "void" && place.channel.kind === "open") return;
    const error = outcomeError(outcome, place.name);
    if (error === undefined) return;
    const isEntrance = place.phase === "entering" && (op.kind === "join" || op.kind === "create");
    if (isEntrance && !this.#options.hasBegun()) return failed(error);
    tellError(error, ref, turn);
    if (isEntrance) await dropped({ reason: "lost" }, turn);
  }

  /** Says that we are in, or that we are not any more. */
  async #settle(turn: Turn): Promise<void> {
    const { place, hasBegun, dropped } = this.#options;
    await this.proceed(turn);
    const isComing = place.phase === "entering" || (place.phase === "invited" && this.#isWaiting);
    if (!isComing || !place.channel.following.isOn) return;
    if (place.channel.isReady) {
      place.phase = "in";
      this.#addDueMs = undefined;
      this.#isWaiting = false;
      if (place.record.state !== "in") place.update({ state: "in" });
      if (hasBegun() && !place.isShown) place.tellIn(this.#options.isCurrent(), this.#entrance.ref, turn);
      if (this.#exit === undefined) return;
      place.phase = "leaving"; // what was begun before a link was lost
      await this.proceed(turn);
      return;
    }
    const isAwaited = place.channel.isBusy || this.#addDueMs !== undefined || this.#isWaiting;
    if (place.channel.kind === "invite" && !isAwaited) await dropped({ reason: "removed", ...this.#refField }, turn);
  }

  async #create(turn: Turn): Promise<void> {
    const { create, ...entrance } = this.#entrance;
    this.#entrance = entrance;
    const { channel } = this.#options.place;
    // An open room that others began is as good.
    if (create === undefined || channel.membership.epoch > 0) return;
    await channel.change({ kind: "create", encoded: create }, { ...turn, ref: entrance.ref });
  }

  get #refField(): { readonly ref?: Ref } {
    return refFieldOf(this.#entrance.ref);
  }
}
