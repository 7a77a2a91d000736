/**
 * A client on real sockets: one link, one chat core, one front. Whatever happens, from the network, the keyboard, the
 * clock or a signal, goes through one queue of turns into the core; its effects are done before the next turn.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import { Mutex } from "../crypto/mutex.ts";
import { Chat } from "../chat/chat.ts";
import type { SessionCommand } from "../chat/commands.ts";
import type { ChatEffect, ChatInput } from "../chat/effects.ts";
import type { ChatState } from "../chat/state.ts";
import type { ChatEvent } from "../chat/events.ts";
import type { OutgoingLine } from "../chat/outgoing.ts";
import { type ExitCode, exitCodeFor } from "../cli/exit_codes.ts";
import type { Certificate } from "../e2ee/certificate.ts";
import type { Identity } from "../e2ee/identity.ts";
import { Link, type LinkEnd } from "../link/link.ts";
import type { WordList } from "../pake/code.ts";
import { decodeRelayMessage } from "../wire/messages.ts";
import type { ClientStore } from "./client_store.ts";
import { nowMs, steadyMs } from "./clock.ts";
import { CommitQueue } from "./commit_queue.ts";
import {
  connect,
  errorOfEnd,
  judgeRelay,
  type KnownRelay,
  pinRelay,
  type RelayAddress,
  type RelayPolicy,
} from "./dial.ts";
import type { Front, FrontInput } from "./front.ts";
import { TcpLink } from "./tcp.ts";

/** Who calls, whom, and what for. */
export interface ClientOptions {
  /** The long-term keys. */
  readonly identity: Identity;
  /** Our certificate. */
  readonly certificate: Certificate;
  /** Where the relay is. */
  readonly address: RelayAddress;
  /** Which relay is accepted. */
  readonly policy: RelayPolicy;
  /** The name of the room to be in at first; the one of the last run, or `lobby`, without. */
  readonly roomName: string | undefined;
  /** How the one session by code begins that the client is there for, in no room. */
  readonly session?: SessionCommand | undefined;
  /** What codes are made of. */
  readonly words: WordList;
  /** Where the last run of this identity stood; nothing at the first, and for one that keeps nothing. */
  readonly state?: ChatState | undefined;
  /** Where changes are kept; nowhere without it. */
  readonly store?: Pick<ClientStore, "commit"> | undefined;
  /** Is told which relay was accepted, once the link is secured. */
  readonly linked?: (relay: KnownRelay) => Promise<void>;
  /** Is told that the relay accepted name and certificate. */
  readonly entered?: () => Promise<void>;
  /** Where to show and read. */
  readonly front: Front;
  /** Takes what happened to the link, never contents; for `--verbose`. */
  readonly log: (event: string, fields: Readonly<Record<string, string | number>>) => void;
}

/** How long a relay may take from the handshake until the room is entered. */
const ENTER_TIMEOUT_MS = 10_000;
/** A second wish to leave after this long means: now, whatever is pending. */
const QUIT_AGAIN_MS = 1_000;

/** A client from its call to its end. */
export class ClientHost {
  readonly #options: ClientOptions;
  readonly #turns = new Mutex();
  readonly #commits: CommitQueue;
  readonly #over = Promise.withResolvers<LinkEnd>();
  readonly #ready = Promise.withResolvers<void>();
  #tcp: TcpLink<KnownRelay> | undefined;
  #chat: Chat | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
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
  #enterTimer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Makes a client that has not called yet.
   * @param options who calls, whom, and what for
   */
  constructor(options: ClientOptions) {
    this.#options = options;
    const { store } = options;
    this.#commits = new CommitQueue({
      betweenTurns: (atOnce) => this.#turns.run(() => Promise.resolve(atOnce())),
      takeChanges: () => store === undefined ? undefined : this.#chat?.takeChanges(),
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
   * Calls the relay and chats until somebody ends it.
   * @returns the exit code
   * @throws {UserError} when the chat did not begin: nothing was shown yet
   */
  async run(): Promise<ExitCode> {
    const { log } = this.#options;
    log("calling", { address: this.#options.address.text });
    const conn = await connect(this.#options.address);
    if (this.#wantsToLeave) {
      conn.close();
      return 0; // a signal came while the relay was called
    }
    const { identity, certificate, address, policy, front } = this.#options;
    const link = new Link<KnownRelay>({
      role: "initiator",
      listener: "relay",
      staticKeyPair: identity.noise,
      card: certificate.encoded,
      authenticate: (remote) => judgeRelay(remote, address, policy),
      ...(policy.invitePsk === undefined ? {} : {
        psk: policy.invitePsk,
        pin: async (staticPublic) => void await pinRelay(staticPublic, address, policy),
      }),
    });
    this.#tcp = new TcpLink(conn, link, {
      opened: (relay) => {
        log("linked", { relay: relay.fingerprint });
        // The link's own pings would keep a relay alive for ever that never lets anybody in.
        this.#enterTimer = setTimeout(() => this.#giveUpEntering(), ENTER_TIMEOUT_MS);
        this.#watch(this.#turns.run(() => this.#begin(relay)));
      },
      packet: async (packet) => {
        await this.#turn(() => ({ kind: "packet", packet: decodeRelayMessage(packet), nowMs: nowMs() }));
        await this.#outputReady();
      },
      ended: (end) => this.#end(end),
    });
    front.broken.then(() => this.quit());
    this.#watch(this.#readInput());
    const end = await this.#over.promise;
    log("linkEnded", describeEnd(end));
    await this.#tcp.finished;
    await this.#turns.run(() => Promise.resolve()); // the turn that was under way
    await this.#commits.settled();
    clearTimeout(this.#timer);
    clearTimeout(this.#enterTimer);
    return this.#farewell(end);
  }

  /** Leaves as `/quit` does: what is pending is sent first. Whoever asks again after a second leaves at once. */
  quit(): void {
    this.#wantsToLeave = true;
    this.#quitAtMs ??= steadyMs();
    if (steadyMs() - this.#quitAtMs >= QUIT_AGAIN_MS) return this.#tcp?.close("quit", "the client ends");
    if (this.#chat === undefined || !this.#hasBeenReady) this.#tcp?.close("quit", "the client ends");
    else this.#watch(this.#turn(() => ({ kind: "command", command: { kind: "quit" }, nowMs: nowMs() })));
  }

  #giveUpEntering(): void {
    this.#end({ kind: "lost", stage: "open", cause: "silence" }); // before the link says that we closed it
    this.#tcp?.close("quit", "the relay does not answer");
  }

  /** Lets work run on that nobody waits for; a bug of ours that surfaces in it ends the program with a name. */
  #watch(work: Promise<void>): void {
    work.catch((error) => this.#over.reject(error));
  }

  /** Nothing may leave that is not kept: the chat ends here, and the error says why. */
  #cannotKeep(error: unknown): void {
    if (!(error instanceof UserError)) return this.#over.reject(error);
    this.#storeError = error;
    this.#end({ kind: "closed" });
    this.#tcp?.close("quit", "the client ends");
  }

  async #begin(relay: KnownRelay): Promise<void> {
    const { identity, certificate, roomName, session, words, state, linked } = this.#options;
    await linked?.(relay);
    const whatFor = { room: roomName, session, words };
    this.#chat = await Chat.create({ identity, certificate, relay, ...whatFor, state }, nowMs());
  }

  /** The link is over, and with it all that waits for room: a reader that never reads must not keep this alive. */
  #end(end: LinkEnd): void {
    this.#isOver = true;
    this.#over.resolve(end);
    this.#resumeInput();
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
      if (this.#isOver) resolve();
      else this.#options.front.ready().then(resolve);
    });
  }

  /** One turn of the core; turns never overlap. Its effects are done once its changes are kept. */
  async #turn(input: () => ChatInput): Promise<void> {
    await this.#turns.run(async () => {
      this.#commits.add(await this.#chat?.handle(input()) ?? []);
      if (this.#chat?.takesInput === true) this.#resumeInput();
    });
    await this.#commits.ready();
  }

  #perform(effect: ChatEffect): void {
    switch (effect.kind) {
      case "send":
        if (this.#tcp?.send(effect.packet) === false && this.#tcp.isOpen) {
          this.#tcp.close("tooSlow", "the relay does not read");
        }
        return;
      case "show":
        this.#options.front.show(effect.event);
        if (effect.event.type !== this.#readyType) return;
        this.#hasBeenReady = true;
        this.#ready.resolve();
        if (this.#wantsToLeave) this.quit();
        return;
      case "entered":
        this.#hasEntered = true;
        clearTimeout(this.#enterTimer);
        return this.#watch((this.#options.entered?.() ?? Promise.resolve()).catch((error) => this.#cannotKeep(error)));
      case "wakeAt":
        clearTimeout(this.#timer);
        this.#timer = setTimeout(
          () => this.#watch(this.#turn(() => ({ kind: "tick", nowMs: nowMs() }))),
          Math.max(0, effect.atMs - nowMs()),
        );
        return;
      case "finish":
        this.#hasFinished = true;
        this.#finishError = effect.error;
        this.#tcp?.close("quit", "the client ends");
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
    if (input.kind === "command") {
      return this.#turn(() => ({ kind: "command", command: input.command, nowMs: nowMs(), ...ref }));
    }
    this.#options.front.show(eventOf(input.error, ref));
    return Promise.resolve();
  }

  #farewell(end: LinkEnd): ExitCode {
    const unsent = this.#chat?.unsent() ?? [];
    const { front, address, policy } = this.#options;
    const hasLeft = this.#hasFinished || (this.#wantsToLeave && end.kind === "closed");
    if (hasLeft && this.#storeError === undefined && this.#finishError === undefined) {
      for (const line of unsent) front.show(unsentEvent(line));
      return unsent.length === 0 ? 0 : exitCodeFor("unsent");
    }
    const error = this.#storeError ?? this.#finishError ?? errorOfEnd(end, address, policy);
    if (!this.#hasBeenReady) throw this.#hasEntered ? withoutSession(error) : error;
    for (const line of unsent) front.show(unsentEvent(line));
    for (const text of front.takeUnread()) front.show(eventOf(new UserError("unsent", `Not sent: ${text}`), {}));
    front.show(eventOf(error, {}));
    return exitCodeFor(error.code);
  }
}

/** The relay was there and is gone, before the two were one session. */
function withoutSession(error: UserError): UserError {
  if (error.code === "olderCertificate") return withoutSession(new UserError("linkLost", error.message));
  if (error.code !== "linkLost") return error;
  return new UserError("noSession", `The session did not come about: ${error.message}`, error.hint, { cause: error });
}

/**
 * Names a line that was written and not accepted.
 * @param line the line
 * @returns what to show of it
 */
export function unsentEvent(line: OutgoingLine): ChatEvent {
  const where = "room" in line.place ? `#${line.place.room}` : line.place.to;
  const error = new UserError("unsent", `Not sent to ${where}: ${line.text}`, "");
  return eventOf(error, line.ref === undefined ? {} : { ref: line.ref });
}

/**
 * Makes an event of an error.
 * @param error what went wrong
 * @param ref what a script put beside the line that it is about, if any
 * @returns what to show
 */
export function eventOf(error: UserError, ref: Pick<FrontInput, "ref">): ChatEvent {
  const { code, message, hint } = error;
  return { type: "error", code, message, hint, ...ref };
}

/**
 * Says for the log how a link ended.
 * @param end how
 * @returns fields without contents
 */
export function describeEnd(end: LinkEnd): Record<string, string> {
  switch (end.kind) {
    case "bye":
      return { how: "bye", code: end.code };
    case "lost":
      return { how: "lost", stage: end.stage, cause: end.cause };
    case "refused":
      return { how: "refused", stage: end.stage, error: end.error.name };
    case "closed":
      return { how: "closed" };
  }
}
