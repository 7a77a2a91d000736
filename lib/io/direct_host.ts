/**
 * A client on a direct link, on either end: real sockets around `DirectChat`, as `ClientHost` is around `Chat`. The
 * caller has one link. The listener takes calls until one of them is secured, serves that one and ends with it; whoever
 * does not come so far has not used its place up, but for one who tried the code.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import { CODE_LIFE_MS } from "../chat/code_sessions.ts";
import { DirectChat, type DirectInput } from "../chat/direct.ts";
import { type DirectSide, spellDirectCode } from "../chat/direct_code.ts";
import { DirectKeys } from "../chat/direct_keys.ts";
import { decodeDirectMessage } from "../chat/direct_messages.ts";
import { verifyPeer } from "../chat/direct_peer.ts";
import type { ChatEffect } from "../chat/effects.ts";
import type { ChatState } from "../chat/state.ts";
import { type ExitCode, exitCodeFor } from "../cli/exit_codes.ts";
import { Mutex } from "../crypto/mutex.ts";
import type { Certificate } from "../e2ee/certificate.ts";
import type { Identity } from "../e2ee/identity.ts";
import { Link, type LinkEnd } from "../link/link.ts";
import type { Remote } from "../link/link_handshake.ts";
import type { CodeWords } from "../pake/code.ts";
import { describeEnd, eventOf, unsentEvent } from "./link_ends.ts";
import type { ClientStore } from "./client_store.ts";
import { nowMs, steadyMs } from "./clock.ts";
import { CommitQueue } from "./commit_queue.ts";
import type { RelayAddress } from "./dial.ts";
import { acceptCalls } from "./direct_door.ts";
import { connectPeer, errorBeforeSecured, judgePeer, lost, type PeerPolicy } from "./direct_dial.ts";
import type { Front, FrontInput } from "./front.ts";
import { TcpLink } from "./tcp.ts";
import { WakeTimer } from "./wake_timer.ts";

/** Connections that a listener has beside the one it serves: most of them are half open, and gone in five seconds. */
export const CALLERS_MAX = 16;
/** A second wish to leave after this long means: now, whatever is pending. */
const QUIT_AGAIN_MS = 1_000;

/** Who is on this end. */
export interface DirectHostOptions {
  /** The long-term keys. */
  readonly identity: Identity;
  /** Our certificate. */
  readonly certificate: Certificate;
  /** The words that both must know, if a code is wanted; secret. */
  readonly words?: CodeWords | undefined;
  /** Where the last run of this identity stood; nothing at the first, and for one that keeps nothing. */
  readonly state?: ChatState | undefined;
  /** Where changes are kept; nowhere without it. */
  readonly store?: Pick<ClientStore, "commit"> | undefined;
  /** Is told that the other side has met our certificate. */
  readonly secured?: () => Promise<void>;
  /** Where to show and read. */
  readonly front: Front;
  /** Takes what happened to links, never contents; for `--verbose`. */
  readonly log: (event: string, fields: Readonly<Record<string, string | number>>) => void;
  /** Stands in for `CODE_LIFE_MS`, so that a test can reach it. */
  readonly testOnlyCodeLifeMs?: number;
}

/** A link whose handshake is finished. */
interface Attempt {
  readonly peer: Certificate;
  readonly tcp: TcpLink<Certificate>;
  readonly chat: DirectChat;
}

/** How it all ended. */
type Outcome =
  | { readonly kind: "left" }
  | { readonly kind: "peerLeft" }
  | { readonly kind: "failed"; readonly error: UserError };

/** One end of a direct link, from its first call to its end. */
export class DirectHost {
  readonly #options: DirectHostOptions;
  readonly #turns = new Mutex();
  readonly #commits: CommitQueue;
  readonly #over = Promise.withResolvers<Outcome>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #links = new Set<TcpLink<Certificate>>();
  #keys: DirectKeys | undefined;
  /** The one link that is, or may become, the secured one. */
  #attempt: Attempt | undefined;
  #address: RelayAddress | undefined;
  readonly #timer = new WakeTimer();
  #codeTimer: ReturnType<typeof setTimeout> | undefined;
  #resumeInput: () => void = () => {};
  #resumeOutput: () => void = () => {};
  #isOver = false;
  #hasExpired = false;
  #hasBeenReady = false;
  #hasFinished = false;
  #quitAtMs: number | undefined;

  /**
   * Makes an end that has no link.
   * @param options who is on it
   */
  constructor(options: DirectHostOptions) {
    this.#options = options;
    const { store } = options;
    this.#commits = new CommitQueue({
      betweenTurns: (atOnce) => this.#turns.run(() => Promise.resolve(atOnce())),
      takeChanges: () => store === undefined ? undefined : this.#keys?.takeChanges(),
      commit: (chat) => store === undefined ? Promise.resolve() : store.commit({ chat }),
      perform: (effect) => this.#perform(effect),
      failed: (error) => this.#cannotKeep(error),
    });
  }

  /** Whether a channel was secured. */
  get hasBeenReady(): boolean {
    return this.#hasBeenReady;
  }

  /**
   * Calls somebody and talks until somebody ends it.
   * @param address where they listen
   * @param policy whom we tell who we are
   * @returns the exit code
   * @throws {UserError} when no channel was secured
   */
  async call(address: RelayAddress, policy: PeerPolicy): Promise<ExitCode> {
    await this.#openKeys();
    this.#address = address;
    this.#options.log("calling", { address: address.text });
    const conn = await connectPeer(address);
    if (this.#quitAtMs === undefined) this.#join(conn, "caller", (remote) => judgePeer(remote, address, policy));
    else conn.close(); // a signal came meanwhile
    return await this.#runToEnd();
  }

  /**
   * Waits for somebody and talks until somebody ends it.
   * @param listener an open port; closed at the end
   * @returns the exit code
   * @throws {UserError} when the code was spent or expired before a channel was secured
   */
  async listen(listener: Deno.TcpListener): Promise<ExitCode> {
    await this.#openKeys();
    const { certificate, front, words, testOnlyCodeLifeMs = CODE_LIFE_MS } = this.#options;
    const { hostname: host, port } = listener.addr;
    const { fingerprint } = certificate;
    front.show({ type: "listening", host, port, fingerprint, ...(words === undefined ? {} : { wantsCode: true }) });
    if (words !== undefined) {
      front.show({ type: "waiting", code: spellDirectCode(words), expiresAt: nowMs() + testOnlyCodeLifeMs });
      this.#codeTimer = setTimeout(() => this.#expire(), testOnlyCodeLifeMs);
    }
    this.#watch(acceptCalls(listener, {
      isOver: () => this.#isOver,
      isFull: () => this.#links.size > CALLERS_MAX,
      take: (conn) =>
        this.#join(
          conn,
          "listener",
          ({ hello, staticPublic }) => verifyPeer({ card: hello.card, staticPublic }, certificate),
        ),
      log: this.#options.log,
    }));
    try {
      return await this.#runToEnd();
    } finally {
      listener.close();
    }
  }

  /** Leaves as `/quit` does: what is pending is sent first. Whoever asks again after a second leaves at once. */
  quit(): void {
    this.#quitAtMs ??= steadyMs();
    const attempt = this.#attempt;
    if (attempt === undefined) return this.#end({ kind: "left" });
    const isAgain = steadyMs() - this.#quitAtMs >= QUIT_AGAIN_MS;
    if (isAgain || !this.#hasBeenReady) return attempt.tcp.close("quit", "the client ends");
    this.#watch(this.#turn(attempt.tcp, () => ({ kind: "command", command: { kind: "quit" }, nowMs: nowMs() })));
  }

  get #isListener(): boolean {
    return this.#address === undefined;
  }

  async #openKeys(): Promise<void> {
    const { identity, certificate, state } = this.#options;
    this.#keys = await DirectKeys.open({ identity, certificate }, { nowMs: nowMs(), state });
  }

  #join(conn: Deno.TcpConn, side: DirectSide, authenticate: (remote: Remote) => Promise<Certificate>): void {
    const { identity, certificate } = this.#options;
    const link = new Link<Certificate>({
      role: side === "caller" ? "initiator" : "responder",
      listener: "peer",
      staticKeyPair: identity.noise,
      card: certificate.encoded,
      authenticate,
    });
    const tcp: TcpLink<Certificate> = new TcpLink(conn, link, {
      opened: (peer) => this.#opened(tcp, side, { peer, handshakeHash: link.handshakeHash }),
      packet: async (packet) => {
        await this.#turn(tcp, () => ({ kind: "packet", packet: decodeDirectMessage(packet), nowMs: nowMs() }));
        await this.#outputReady();
      },
      ended: (end) => this.#watch(this.#ended(tcp, end)),
    });
    this.#links.add(tcp);
    tcp.finished.finally(() => this.#links.delete(tcp));
  }

  #opened(
    tcp: TcpLink<Certificate>,
    side: DirectSide,
    proved: Pick<ConstructorParameters<typeof DirectChat>[0], "peer" | "handshakeHash">,
  ): void {
    const keys = this.#keys;
    this.#options.log("linked", { peer: proved.peer.fingerprint });
    if (keys === undefined || this.#attempt !== undefined || this.#isOver || this.#hasExpired) {
      return tcp.close("taken", "whoever listens here talks to somebody else");
    }
    const { peer } = proved;
    this.#attempt = { tcp, peer, chat: new DirectChat({ side, keys, words: this.#options.words, ...proved }) };
    this.#watch(this.#turn(tcp, () => ({ kind: "start", nowMs: nowMs() })));
  }

  async #ended(tcp: TcpLink<Certificate>, end: LinkEnd): Promise<void> {
    this.#options.log("linkEnded", describeEnd(end));
    const attempt = this.#attempt;
    if (attempt?.tcp !== tcp) {
      if (!this.#isListener) this.#fail(errorBeforeSecured(end, { address: this.#address, hasSpentCode: false }));
      return;
    }
    // What the link brought about is kept and done before anybody else may come.
    await this.#turns.run(() => Promise.resolve());
    await this.#commits.settled();
    this.#timer.clear();
    const { chat } = attempt;
    if (!chat.isSecured) return this.#endUnsecured(attempt, end);
    if (this.#hasFinished || (this.#quitAtMs !== undefined && end.kind === "closed")) {
      return this.#end({ kind: "left" });
    }
    if (end.kind === "bye" && end.code === "quit") return this.#end({ kind: "peerLeft" });
    this.#fail(lost(end));
  }

  #endUnsecured({ chat }: Attempt, end: LinkEnd): void {
    if (this.#quitAtMs !== undefined) return this.#end({ kind: "left" });
    const { hasSpentCode } = chat;
    if (this.#isListener && !hasSpentCode) {
      this.#attempt = undefined; // the place is free again
      if (this.#hasExpired) this.#expire();
      return;
    }
    if (end.kind === "bye" && end.code === "wrongCode") this.#options.front.show({ type: "wrongCode" });
    if (end.kind === "bye" && end.code === "taken") this.#options.front.show({ type: "taken" });
    this.#fail(chat.refusal?.error ?? errorBeforeSecured(end, { address: this.#address, hasSpentCode }));
  }

  #expire(): void {
    this.#hasExpired = true;
    if (this.#hasBeenReady || this.#attempt !== undefined) return; // whoever is trying it may finish
    this.#options.front.show({ type: "expired" });
    this.#fail(new UserError("noSession", "Nobody came with the code in time: it has expired", "Listen again."));
  }

  /** Lets work run on that nobody waits for; a bug of ours that surfaces in it ends the program with a name. */
  #watch(work: Promise<void>): void {
    work.catch((error) => this.#over.reject(error));
  }

  /** Nothing may leave that is not kept: the link ends here, and the error says why. */
  #cannotKeep(error: unknown): void {
    if (!(error instanceof UserError)) return this.#over.reject(error);
    this.#fail(error);
  }

  #fail(error: UserError): void {
    this.#end({ kind: "failed", error });
  }

  /** It is over, and with it all that waits for room: a reader that never reads must not keep this alive. */
  #end(outcome: Outcome): void {
    this.#isOver = true;
    this.#over.resolve(outcome);
    this.#resumeInput();
    this.#resumeOutput();
  }

  async #runToEnd(): Promise<ExitCode> {
    this.#options.front.broken.then(() => this.quit());
    this.#watch(this.#readInput());
    const outcome = await this.#over.promise;
    const links = [...this.#links];
    for (const tcp of links) tcp.close("quit", "the client ends");
    await Promise.all(links.map((tcp) => tcp.finished));
    await this.#turns.run(() => Promise.resolve()); // the turn that was under way
    await this.#commits.settled();
    this.#timer.clear();
    clearTimeout(this.#codeTimer);
    return this.#farewell(outcome);
  }

  /** Waits while too much is on its way: the pipe waits, not this program's memory. */
  #inputReady(): Promise<void> {
    if (this.#isOver || this.#attempt?.chat.takesInput === true) return Promise.resolve();
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

  /** One turn of the core of a link, if that is still the one; turns never overlap. */
  async #turn(tcp: TcpLink<Certificate>, input: () => DirectInput): Promise<void> {
    await this.#turns.run(async () => {
      const attempt = this.#attempt;
      if (attempt?.tcp !== tcp) return;
      this.#commits.add(await attempt.chat.handle(input()));
      if (attempt.chat.takesInput) this.#resumeInput();
    });
    await this.#commits.ready();
  }

  #perform(effect: ChatEffect): void {
    const attempt = this.#attempt;
    if (attempt === undefined) return;
    const { tcp, chat } = attempt;
    switch (effect.kind) {
      case "send":
        if (!tcp.send(effect.packet) && tcp.isOpen) tcp.close("tooSlow", "the other side does not read");
        return;
      case "show":
        this.#options.front.show(effect.event);
        if (effect.event.type !== "secured") return;
        this.#hasBeenReady = true;
        this.#watch(this.#options.secured?.() ?? Promise.resolve());
        this.#ready.resolve();
        if (this.#quitAtMs !== undefined) this.quit();
        return;
      case "wakeAt":
        return this.#timer.set(
          effect.atMs,
          () => this.#watch(this.#turn(tcp, () => ({ kind: "tick", nowMs: nowMs() }))),
        );
      case "finish":
        this.#hasFinished = chat.refusal === undefined;
        tcp.close(chat.refusal?.why ?? "quit", chat.refusal?.bye ?? "the other side left");
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

  async #takeInput(input: FrontInput): Promise<void> {
    const ref = input.ref === undefined ? {} : { ref: input.ref };
    const tcp = this.#attempt?.tcp;
    if (input.kind === "badLine") return this.#options.front.show(eventOf(input.error, ref));
    if (tcp === undefined) return;
    await this.#turn(tcp, () => ({ kind: "command", command: input.command, nowMs: nowMs(), ...ref }));
  }

  #farewell(outcome: Outcome): ExitCode {
    const { front } = this.#options;
    const { chat, peer } = this.#attempt ?? {};
    if (outcome.kind === "failed" && !this.#hasBeenReady) throw outcome.error;
    if (outcome.kind === "peerLeft") {
      front.show({ type: "notice", code: "peerLeft", text: `${peer?.handle ?? "The other side"} has left` });
    }
    const unsent = chat?.unsent() ?? [];
    for (const line of unsent) front.show(unsentEvent(line));
    if (outcome.kind !== "left") {
      for (const text of front.takeUnread()) front.show(eventOf(new UserError("unsent", `Not sent: ${text}`), {}));
    }
    if (outcome.kind !== "failed") return unsent.length === 0 ? 0 : exitCodeFor("unsent");
    front.show(eventOf(outcome.error, {}));
    return exitCodeFor(outcome.error.code);
  }
}
