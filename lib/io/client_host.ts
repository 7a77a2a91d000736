/**
 * A client on real sockets: one link, one chat core, one front. Whatever happens, from the network, the keyboard, the
 * clock or a signal, goes through one queue of turns into the core; its effects are done before the next turn.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import { Mutex } from "../crypto/mutex.ts";
import { Chat } from "../chat/chat.ts";
import type { ChatEffect, ChatInput } from "../chat/effects.ts";
import type { ChatEvent } from "../chat/events.ts";
import { type ExitCode, exitCodeFor } from "../cli/exit_codes.ts";
import type { LinkEnd } from "../link/link.ts";
import { Arrivals } from "./arrivals.ts";
import type { ClientOptions } from "./client_options.ts";
import { nowMs, steadyMs } from "./clock.ts";
import { CommitQueue } from "./commit_queue.ts";
import { connect, errorOfEnd, type KnownRelay, linkTo, type RelayPolicy } from "./dial.ts";
import type { FrontInput } from "./front.ts";
import { HistoryDesk } from "./history_desk.ts";
import {
  describeEnd,
  eventOf,
  isRenewal,
  keptEvent,
  mayBeTriedAgain,
  orUnreachable,
  reasonIn,
  RENEWAL,
  unsentEvent,
  withoutSession,
} from "./link_ends.ts";
import { LinkLife } from "./link_life.ts";
import { Reconnect } from "./reconnect.ts";
import { TcpLink } from "./tcp.ts";
import { WakeTimer } from "./wake_timer.ts";

/** A second wish to leave after this long means: now, whatever is pending. */
const QUIT_AGAIN_MS = 1_000;

/** A client from its call to its end. */
export class ClientHost {
  readonly #options: ClientOptions;
  readonly #turns = new Mutex();
  readonly #commits: CommitQueue;
  readonly #life: LinkLife;
  readonly #history: HistoryDesk;
  /** Settled when nothing more is shown or read. */
  readonly #over = Promise.withResolvers<void>();
  /** Rejected by a bug of ours, which ends the program with a name. */
  readonly #failed = Promise.withResolvers<never>();
  #linkOver = Promise.withResolvers<LinkEnd>();
  #isLinkOver = false;
  /** Whether the relay has let us in over the link that there is. */
  #isLinked = false;
  /** Whether it had over the one that ended last. */
  #wasLinked = false;
  #reconnect: Reconnect | undefined;
  #relay: KnownRelay | undefined;
  #mustEnd = false;
  readonly #ready = Promise.withResolvers<void>();
  #tcp: TcpLink<KnownRelay> | undefined;
  readonly #arrivals = new Arrivals();
  #chat: Chat | undefined;
  readonly #timer = new WakeTimer();
  #resumeInput: () => void = () => {};
  #resumeOutput: () => void = () => {};
  #isOver = false;
  #hasBeenReady = false;
  #hasEntered = false;
  #finishError: UserError | undefined;
  #wantsToLeave = false;
  #hasFinished = false;
  #quitAtMs: number | undefined;
  #storeError: UserError | undefined;

  /**
   * Makes a client that has not called yet.
   * @param options who calls, whom, and what for
   */
  constructor(options: ClientOptions) {
    this.#options = options;
    const { store, history, front } = options;
    this.#life = new LinkLife({
      lateToEnter: () => this.#giveUpEntering(),
      renew: () => this.#renew(),
      testOnlyLifeMs: options.testOnlyLinkLifeMs,
    });
    this.#history = new HistoryDesk({ log: history, front, nowMs, failed: (error) => this.#cannotKeep(error) });
    this.#commits = new CommitQueue({
      betweenTurns: (atOnce) => this.#turns.run(() => Promise.resolve(atOnce())),
      takeChanges: () => {
        this.#history.note();
        return store === undefined ? this.#history.remember(this.#chat?.takeHistory()) : this.#chat?.takeChanges();
      },
      commit: (chat) => store === undefined ? Promise.resolve() : store.commit({ chat }),
      perform: (effect) => this.#perform(effect),
      failed: (error) => this.#cannotKeep(error),
    });
  }

  /** The event with which the conversation begins, from which on lines are read. */
  get #readyType(): ChatEvent["type"] {
    return this.#options.session === undefined ? "ready" : "secured";
  }

  /** Whether the chat has begun. */
  get hasBeenReady(): boolean {
    return this.#hasBeenReady;
  }

  /**
   * Calls the relay and chats until somebody ends it. A link that is lost after the chat has begun is replaced by
   * another, as often as it takes.
   * @returns the exit code
   * @throws {UserError} when the chat did not begin: nothing was shown yet
   */
  async run(): Promise<ExitCode> {
    const { log, front } = this.#options;
    front.broken.then(() => this.quit());
    this.#watch(this.#readInput());
    let end = await this.#call();
    while (this.#goesOn(end)) end = await this.#callAgain(end);
    this.#isOver = true;
    this.#over.resolve();
    this.#resumeInput();
    this.#resumeOutput();
    log("ended", {});
    this.#history.leave(this.#mustEnd);
    await this.#turns.run(() => Promise.resolve()); // the turn that was under way
    await this.#commits.settled();
    await this.#history.close(this.#storeError === undefined);
    this.#timer.clear();
    return this.#farewell(end);
  }

  /** One link, from the call until it is over. */
  async #call(): Promise<LinkEnd> {
    const { log, address } = this.#options;
    log("calling", { address: address.text });
    const conn = await connect(address);
    if (this.#hasToEnd) {
      conn.close();
      return { kind: "closed" }; // a signal came while the relay was called
    }
    const link = linkTo(this.#options, address, this.#policy);
    this.#linkOver = Promise.withResolvers();
    this.#isLinkOver = false;
    this.#isLinked = false;
    this.#tcp = new TcpLink(conn, link, {
      opened: (relay) => {
        log("linked", { relay: relay.fingerprint });
        this.#life.linked();
        this.#watch(this.#turns.run(() => this.#begin(relay)));
      },
      arrived: (packets) => this.#arrivals.take(packets),
      packet: async () => {
        await this.#turn(() => this.#arrivals.next(nowMs()));
        // Between lots alone: what waits for the rest of its lot must not wait for whoever reads.
        if (!this.#arrivals.isMoreComing) await this.#outputReady();
      },
      ended: (end) => this.#end(end),
    });
    const end = await Promise.race([this.#linkOver.promise, this.#failed.promise]);
    log("linkEnded", describeEnd(end));
    this.#life.ended();
    await this.#tcp.finished;
    this.#arrivals.take([]); // what had no turn when the link ended has none
    // The chat may have begun in what is not yet kept and shown: such a link is replaced.
    await this.#turns.run(() => Promise.resolve());
    await this.#commits.settled();
    return end;
  }

  /** Calls until there is a link again, and until that is over; or until the person has left. */
  async #callAgain(before: LinkEnd): Promise<LinkEnd> {
    this.#reconnect = new Reconnect();
    let isQuiet = isRenewal(before);
    let error = errorOfEnd(before, this.#options.address, this.#options.policy);
    for (;;) {
      // After each call that came to nothing as well: the relay may have welcomed us, and not let us in.
      await this.#unlinked(error, isQuiet);
      if (!isQuiet) await Promise.race([this.#reconnect.next(), this.#failed.promise]);
      isQuiet = false; // what was to take a moment is an outage if it fails
      if (this.#hasToEnd) return before;
      const end = await this.#call().catch(orUnreachable);
      // One that came to nothing is a call like any other; one that was entered ends this outage.
      if (!(end instanceof UserError) && (this.#wasLinked || !this.#goesOn(end))) return end;
      error = end instanceof UserError ? end : errorOfEnd(end, this.#options.address, this.#policy);
    }
  }

  #unlinked(error: UserError, isRenewal: boolean): Promise<void> {
    return this.#turn(() => ({ kind: "unlinked", why: reasonIn(error.message), isRenewal, nowMs: nowMs() }));
  }

  /** Ends the link to make it anew, if nothing is lost by that. */
  #renew(): boolean {
    if (this.#chat?.mayRenew !== true || this.#isLinkOver) return false;
    this.#end(RENEWAL);
    this.#tcp?.close("renew", "new keys are due");
    return true;
  }

  /** Which relay is accepted: after the first link that one and no other. */
  get #policy(): RelayPolicy {
    const { policy } = this.#options;
    const relayKey = this.#relay?.fingerprint;
    return relayKey === undefined ? policy : { ...policy, relayKey };
  }

  /** Whether nobody waits for the relay any more. */
  get #hasToEnd(): boolean {
    return this.#hasFinished || this.#mustEnd || this.#storeError !== undefined ||
      (this.#wantsToLeave && !this.#hasBeenReady);
  }

  /** Whether another link is tried after one that is over. */
  #goesOn(end: LinkEnd): boolean {
    if (this.#hasToEnd || !this.#hasBeenReady || this.#options.session !== undefined) return false;
    return mayBeTriedAgain(end, errorOfEnd(end, this.#options.address, this.#policy));
  }

  /** Leaves as `/quit` does: what is pending is sent first. Whoever asks again after a second leaves at once. */
  quit(): void {
    this.#wantsToLeave = true;
    this.#quitAtMs ??= steadyMs();
    this.#mustEnd = steadyMs() - this.#quitAtMs >= QUIT_AGAIN_MS;
    if (this.#mustEnd) this.#history.leave(true);
    if (this.#mustEnd || this.#chat === undefined || !this.#hasBeenReady) this.#closeNow();
    else this.#watch(this.#turn(() => ({ kind: "command", command: { kind: "quit" }, nowMs: nowMs() })));
  }

  #closeNow(): void {
    this.#tcp?.close("quit", "the client ends");
    this.#reconnect?.poke();
  }

  #giveUpEntering(): void {
    this.#end({ kind: "lost", stage: "open", cause: "silence" }); // before the link says that we closed it
    this.#tcp?.close("quit", "the relay does not answer");
  }

  /** Lets work run on that nobody waits for; a bug of ours that surfaces in it ends the program with a name. */
  #watch(work: Promise<void>): void {
    work.catch((error) => this.#failed.reject(error));
  }

  /** Nothing may leave that is not kept: the chat ends here, and the error says why. */
  #cannotKeep(error: unknown): void {
    if (!(error instanceof UserError)) return this.#failed.reject(error);
    this.#storeError = error;
    this.#end({ kind: "closed" });
    this.#closeNow();
  }

  async #begin(relay: KnownRelay): Promise<void> {
    const { identity, certificate, roomName, session, words, receipts = true, state, linked } = this.#options;
    if (this.#chat !== undefined) return; // it goes on over another link
    await linked?.(relay);
    this.#relay = relay;
    await this.#history.begin(relay);
    const whatFor = { room: roomName, session, words, receipts };
    this.#chat = await Chat.create({ identity, certificate, relay, ...whatFor, state }, nowMs());
  }

  /** The link is over, and with it all that waits for room: a reader that never reads must not keep this alive. */
  #end(end: LinkEnd): void {
    if (this.#isLinkOver) return;
    this.#isLinkOver = true;
    this.#wasLinked = this.#isLinked;
    this.#isLinked = false;
    this.#linkOver.resolve(end);
    this.#resumeOutput();
  }

  /** Waits while too much is on its way: the pipe waits, not this program's memory. */
  #inputReady(): Promise<void> {
    if (this.#isOver || this.#chat?.takesInput === true) return Promise.resolve();
    return new Promise((resolve) => this.#resumeInput = resolve);
  }

  #outputReady(): Promise<void> {
    // Not a race with `#over`: a promise that is never settled keeps all that ever waited for it.
    return new Promise((resolve) => {
      this.#resumeOutput = resolve;
      if (this.#isLinkOver) resolve();
      else this.#options.front.ready().then(resolve);
    });
  }

  /** One turn of the core; turns never overlap. Its effects are done once its changes are kept. */
  async #turn(input: () => ChatInput): Promise<void> {
    await this.#turns.run(async () => {
      this.#commits.add(await this.#chat?.handle(input()) ?? [], this.#arrivals.isMoreComing);
      if (this.#chat?.takesInput === true) this.#resumeInput();
    });
    await this.#commits.ready();
  }

  #perform(effect: ChatEffect): void | Promise<void> {
    switch (effect.kind) {
      case "send":
        if (this.#tcp?.send(effect.packet) === false && this.#tcp.isOpen) {
          this.#tcp.close("tooSlow", "the relay does not read");
        }
        return;
      case "show":
        if (effect.entry === undefined) this.#options.front.show(effect.event);
        else this.#history.showEntry(effect.event, effect.entry);
        if (effect.event.type !== this.#readyType) return;
        this.#hasBeenReady = true;
        this.#ready.resolve();
        if (this.#wantsToLeave) this.quit();
        return this.#history.showUnshown();
      case "ask":
        return this.#history.ask(effect.query, effect.ref);
      case "entered":
        this.#isLinked = true;
        this.#life.entered();
        if (this.#hasEntered) return;
        this.#hasEntered = true;
        return this.#watch((this.#options.entered?.() ?? Promise.resolve()).catch((error) => this.#cannotKeep(error)));
      case "wakeAt":
        return this.#timer.set(effect.atMs, () => this.#watch(this.#turn(() => ({ kind: "tick", nowMs: nowMs() }))));
      case "finish":
        this.#hasFinished = true;
        this.#finishError = effect.error;
        this.#closeNow();
    }
  }

  async #readInput(): Promise<void> {
    await Promise.race([this.#ready.promise, this.#over.promise]);
    if (this.#isOver) return;
    for await (const input of this.#options.front.inputs()) {
      await this.#takeInput(input);
      await this.#inputReady();
      if (this.#isOver) return; // what stands behind a /quit is not read
    }
    this.quit();
  }

  #takeInput(input: FrontInput): Promise<void> {
    const ref = input.ref === undefined ? {} : { ref: input.ref };
    this.#reconnect?.poke(); // somebody is there who wants to be heard
    if (input.kind === "command") {
      return this.#turn(() => ({ kind: "command", command: input.command, nowMs: nowMs(), ...ref }));
    }
    this.#options.front.show(eventOf(input.error, ref));
    return Promise.resolve();
  }

  #farewell(end: LinkEnd): ExitCode {
    const lines = this.#chat?.unsent() ?? [];
    const { front, address, policy, store } = this.#options;
    const isKept = store !== undefined && this.#storeError === undefined;
    if (isKept && lines.length > 0) front.show(keptEvent(lines.length));
    const unsent = isKept ? [] : lines;
    const hasLeft = this.#hasFinished || (this.#wantsToLeave && end.kind === "closed");
    const isCutOff = !this.#isLinked && this.#hasBeenReady && lines.length > 0;
    if (hasLeft && !isCutOff && this.#storeError === undefined && this.#finishError === undefined) {
      for (const line of unsent) front.show(unsentEvent(line));
      return lines.length === 0 ? 0 : exitCodeFor("unsent");
    }
    const error = this.#storeError ?? this.#finishError ?? errorOfEnd(end, address, policy);
    if (!this.#hasBeenReady) throw this.#hasEntered ? withoutSession(error) : error;
    for (const line of unsent) front.show(unsentEvent(line));
    for (const text of front.takeUnread()) front.show(eventOf(new UserError("unsent", `Not sent: ${text}`), {}));
    front.show(eventOf(error, {}));
    return exitCodeFor(error.code);
  }
}
