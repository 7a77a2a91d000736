/**
 * Our own ops of a room on their way (PROTOCOL 3.12): what the person asks for, and joining, which we do by ourselves. An
 * op that was void because the log moved on meanwhile is made again under the newest head, a few times.
 * @module
 */

import { assertNever } from "../bytes/errors.ts";
import { equalBytes } from "../bytes/equal.ts";
import type { Bytes } from "../bytes/writer.ts";
import type { Certificate } from "../e2ee/certificate.ts";
import type { AppliedOp } from "../e2ee/membership.ts";
import {
  addOp,
  hereOp,
  joinOp,
  leaveOp,
  type OpAuthor,
  type OpContext,
  promoteOp,
  removeOp,
} from "../e2ee/membership_make.ts";
import type { RemoveReason } from "../e2ee/membership_op.ts";
import type { VoidReason } from "../e2ee/membership_rules.ts";
import { encodeClientMessage, type EventId, type Fingerprint, type StreamName } from "../wire/messages.ts";
import type { RoomRow } from "../e2ee/room_types.ts";
import type { Ref } from "./events.ts";
import { ADDS_ROW, encodeOwnAdds, type OwnAdd } from "./own_adds.ts";
import type { Turn } from "./turn.ts";

/** How often an op that was void is made again: others wrote at the same moment, or a hostile relay plays with us. */
export const TRIES_MAX = 8;

/** What we want of a room. */
export type OwnOp =
  /** The op that begins it, made before, for the id of an invite room follows from it. */
  | { readonly kind: "create"; readonly encoded: Bytes }
  | { readonly kind: "join" | "leave" | "here" }
  | { readonly kind: "add"; readonly subject: Certificate }
  | { readonly kind: "remove"; readonly subject: Fingerprint; readonly reason: RemoveReason }
  | { readonly kind: "promote"; readonly subject: Fingerprint };

/** What became of it: `refused` says why the relay did not place it. */
export type OwnOpOutcome =
  & { readonly op: OwnOp; readonly ref: Ref | undefined }
  & (
    | { readonly kind: "done" }
    | { readonly kind: "void"; readonly reason: VoidReason }
    | { readonly kind: "refused"; readonly code: string; readonly message: string }
  );

/** What ops are made with. */
export interface OwnOpsOptions {
  /** Our keys and certificate. */
  readonly author: OpAuthor;
  /** The stream of the room. */
  readonly stream: StreamName;
  /** Draws the id of an event. */
  readonly newEventId: () => EventId;
}

interface Pending {
  readonly op: OwnOp;
  readonly ref: Ref | undefined;
  readonly bytes: Bytes;
  readonly triesLeft: number;
}

/** Why an op can be made again: it was right for a log that has moved on. */
const OUTRUN: readonly VoidReason[] = ["outdated", "oldSeen", "unknownSeen"];

/** The ops of one client in one room. */
export class OwnOps {
  readonly #options: OwnOpsOptions;
  /** Those of which we do not know yet what they did. */
  readonly #pending = new Map<EventId, Pending>();
  /** Whether those that add somebody are not the ones that {@linkcode takeChanges} gave last. */
  #haveAddsChanged = false;

  /**
   * Starts with what an earlier run did not hear of.
   * @param options who we are, and where
   * @param adds what it kept: they wait for {@linkcode resend}, and are not made again, for their subject may be out by now
   */
  constructor(options: OwnOpsOptions, adds: readonly OwnAdd[] = []) {
    this.#options = options;
    for (const { id, subject, bytes } of adds) {
      this.#pending.set(id, { op: { kind: "add", subject }, ref: undefined, bytes, triesLeft: 0 });
    }
  }

  /**
   * Gives the row that is to be stored: those that add somebody, who was told to come.
   * @returns the row if it changed since the last call
   */
  takeChanges(): RoomRow[] {
    if (!this.#haveAddsChanged) return [];
    this.#haveAddsChanged = false;
    const adds = [...this.#pending].flatMap(([id, { op, bytes }]) =>
      op.kind === "add" ? [{ id, subject: op.subject, bytes }] : []
    );
    return [{ name: ADDS_ROW, value: encodeOwnAdds(adds) }];
  }

  /** Whether nothing is under way. */
  get isEmpty(): boolean {
    return this.#pending.size === 0;
  }

  /**
   * Tells whether one of a kind is under way.
   * @param kind which
   * @returns whether its place is awaited
   */
  has(kind: OwnOp["kind"]): boolean {
    return [...this.#pending.values()].some(({ op }) => op.kind === kind);
  }

  /**
   * Finds an op of ours that the relay has placed.
   * @param id its event's id
   * @returns the op, `undefined` when it is none of ours, or was seen in the log before
   */
  find(id: EventId): Bytes | undefined {
    return this.#pending.get(id)?.bytes;
  }

  /**
   * Makes an op and publishes it.
   * @param op what we want
   * @param context the newest place in the log
   * @param options time and effects, what a script put beside its line, how often it may be made, and whether it waits
   * for {@linkcode resend}
   */
  async publish(
    op: OwnOp,
    context: OpContext,
    options: Turn & { readonly ref?: Ref | undefined; readonly tries?: number; readonly isHeld?: boolean },
  ): Promise<void> {
    const { stream, newEventId } = this.#options;
    const id = newEventId();
    const bytes = await this.#make(op, context);
    this.#pending.set(id, { op, ref: options.ref, bytes, triesLeft: (options.tries ?? TRIES_MAX) - 1 });
    this.#haveAddsChanged ||= op.kind === "add";
    if (options.isHeld) return;
    const packet = encodeClientMessage({ t: "publish", stream, kind: "op", id }, bytes);
    options.effects.push({ kind: "send", packet });
  }

  /**
   * Takes in what became of a placed op, of whoever it is.
   * @param bytes the op
   * @param applied what it did
   * @param options the newest place in the log, time and effects
   * @returns what became of it if it was ours, `undefined` as well when it is made once more
   */
  async applied(
    bytes: Bytes,
    applied: AppliedOp,
    options: Turn & { readonly context: OpContext },
  ): Promise<OwnOpOutcome | undefined> {
    for (const [id, pending] of this.#pending) {
      if (!equalBytes(pending.bytes, bytes)) continue;
      const { op, ref, triesLeft } = pending;
      this.#end(id, op);
      if (applied.valid) return { kind: "done", op, ref };
      if (!OUTRUN.includes(applied.reason) || triesLeft === 0 || op.kind === "create") {
        return { kind: "void", reason: applied.reason, op, ref };
      }
      const { context, ...turn } = options;
      await this.publish(op, context, { ...turn, ref, tries: triesLeft });
      return undefined;
    }
    return undefined;
  }

  /**
   * Takes in that the relay did not place an op.
   * @param id its event's id
   * @param answer why: a code and a sentence of the relay's
   * @returns what became of it; `undefined` when it is none of ours
   */
  refused(id: EventId, { code, message }: { readonly code: string; readonly message: string }):
    | OwnOpOutcome
    | undefined {
    const pending = this.#pending.get(id);
    if (pending === undefined) return undefined;
    this.#end(id, pending.op);
    return { kind: "refused", code, message, op: pending.op, ref: pending.ref };
  }

  /**
   * Publishes what was held, and again what no answer came to before a link was lost; the relay places each but once.
   * @param turn time and effects
   */
  resend(turn: Turn): void {
    const { stream } = this.#options;
    for (const [id, { bytes }] of this.#pending) {
      const packet = encodeClientMessage({ t: "publish", stream, kind: "op", id }, bytes);
      turn.effects.push({ kind: "send", packet });
    }
  }

  /** Forgets what is under way: the log is another. */
  restart(): void {
    for (const [id, { op }] of this.#pending) this.#end(id, op);
  }

  #end(id: EventId, op: OwnOp): void {
    this.#pending.delete(id);
    this.#haveAddsChanged ||= op.kind === "add";
  }

  #make(op: OwnOp, context: OpContext): Promise<Bytes> {
    const { author } = this.#options;
    switch (op.kind) {
      case "create":
        return Promise.resolve(op.encoded);
      case "join":
        return joinOp(author, context);
      case "leave":
        return leaveOp(author, context);
      case "here":
        return hereOp(author, context);
      case "add":
        return addOp(author, context, op.subject);
      case "remove":
        return removeOp(author, context, { subject: op.subject, reason: op.reason });
      case "promote":
        return promoteOp(author, context, op.subject);
      default:
        return assertNever(op);
    }
  }
}
