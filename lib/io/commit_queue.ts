/**
 * Keeps before it does (PROTOCOL §0.6): the effects of turns wait until what the turns changed is on the disk. While one
 * transaction is being written, what comes meanwhile gathers for the next, and so do turns of packets that arrived
 * together: a busy client pays for a few large transactions instead of one for each packet.
 * @module
 */

import type { ChatEffect } from "../chat/effects.ts";
import type { ChatChanges } from "../chat/state.ts";

/** Effects that may wait for a transaction; at this many no input is taken until they are done. */
export const EFFECTS_WAITING_MAX = 512;

/** What a queue works with. */
export interface CommitQueueOptions {
  /**
   * Takes what has changed, between two turns: no turn that has begun is half in it.
   * @param atOnce called once, in one step, when no turn runs
   * @returns what `atOnce` returned
   */
  readonly betweenTurns: <T>(atOnce: () => T) => Promise<T>;
  /** Gives what has changed since the last call. */
  readonly takeChanges: () => ChatChanges | undefined;
  /** Writes changes, all or none. */
  readonly commit: (changes: ChatChanges) => Promise<void>;
  /** Does an effect; the next one waits for it when it takes a while. */
  readonly perform: (effect: ChatEffect) => void | Promise<void>;
  /** Is told once that a transaction failed: nothing more is done from then on. */
  readonly failed: (error: unknown) => void;
}

/** The effects of one client on their way to be done. */
export class CommitQueue {
  readonly #options: CommitQueueOptions;
  #waiting: ChatEffect[] = [];
  #running: Promise<void> | undefined;
  #hasFailed = false;
  /** Whether a turn has ended since changes were taken last. */
  #isDirty = false;
  /** Whether another turn follows the last at once, so that one transaction will do for both. */
  #isMoreComing = false;

  /**
   * Starts with nothing waiting.
   * @param options where changes come from and go to
   */
  constructor(options: CommitQueueOptions) {
    this.#options = options;
  }

  /**
   * Takes the effects of one turn, in order; to be called within the turn.
   * @param effects what is to be done once the turn's changes are kept
   * @param isMoreComing whether another turn follows at once, which will be added as well: this one waits for it. If it
   *   does not come after all, the next turn or {@linkcode settled} sees to this one
   */
  add(effects: readonly ChatEffect[], isMoreComing = false): void {
    if (this.#hasFailed) return this.#performAnswers(effects);
    this.#waiting.push(...effects);
    this.#isDirty = true;
    this.#isMoreComing = isMoreComing;
    this.#runIfDue();
  }

  /** Waits while too much is waiting; never to be called within a turn. */
  async ready(): Promise<void> {
    if (this.#waiting.length >= EFFECTS_WAITING_MAX) await this.#running;
  }

  /** Waits until everything that was added is kept and done, or can never be. */
  async settled(): Promise<void> {
    this.#isMoreComing = false;
    this.#runIfDue();
    await this.#running;
  }

  get #isDue(): boolean {
    return this.#isDirty && !this.#hasFailed && (!this.#isMoreComing || this.#waiting.length >= EFFECTS_WAITING_MAX);
  }

  #runIfDue(): void {
    if (this.#isDue) this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    const { betweenTurns, takeChanges, failed } = this.#options;
    try {
      do {
        const { changes, effects } = await betweenTurns(() => {
          const taken = { changes: takeChanges(), effects: this.#waiting };
          this.#waiting = [];
          this.#isDirty = false;
          return taken;
        });
        await this.#keepAndDo(changes, effects);
      } while (this.#isDue);
    } catch (error) {
      this.#hasFailed = true;
      this.#performAnswers(this.#waiting.splice(0));
      failed(error);
    } finally {
      this.#running = undefined; // in the step that saw nothing waiting: what is added from now on starts anew
    }
  }

  async #keepAndDo(changes: ChatChanges | undefined, effects: readonly ChatEffect[]): Promise<void> {
    const { commit, perform } = this.#options;
    try {
      if (changes !== undefined) await commit(changes);
    } catch (error) {
      this.#performAnswers(effects);
      throw error;
    }
    for (const effect of effects) {
      const done = perform(effect);
      if (done !== undefined) await done;
    }
  }

  /** The relay has, or has not, these lines, whatever this machine keeps: of each line something is heard. */
  #performAnswers(effects: readonly ChatEffect[]): void {
    for (const effect of effects) if (isAnswer(effect)) void this.#options.perform(effect);
  }
}

function isAnswer(effect: ChatEffect): boolean {
  return effect.kind === "show" && (effect.event.type === "accepted" || effect.event.type === "error");
}
