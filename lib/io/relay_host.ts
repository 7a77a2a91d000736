/**
 * The relay on real sockets: accepts links, feeds the core, does what it says. The core is synchronous and nothing here
 * waits for a peer, so one slow reader delays nobody.
 *
 * Inputs are gathered for one turn of the event loop and handed over together: what they publish is stored with one wait
 * for the disk, and nobody is told of it before. Nothing is held back to gather more: an idle relay answers at once, and
 * while the disk is waited for the next turn gathers by itself.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import { equalBytes } from "../bytes/equal.ts";
import { type Bytes, utf8 } from "../bytes/writer.ts";
import type { DhKeyPair } from "../crypto/dh.ts";
import { verifyCertificate } from "../e2ee/certificate.ts";
import type { Fingerprint } from "../e2ee/identity.ts";
import { Link, type LinkEnd } from "../link/link.ts";
import type { Remote } from "../link/link_handshake.ts";
import type { Caller, EndReason, RelayEffect, RelayInput } from "../relay/effects.ts";
import { LINKS_MAX } from "../relay/links.ts";
import type { Relay } from "../relay/relay.ts";
import { decodeClientMessage } from "../wire/messages.ts";
import type { RawPacket } from "../wire/packet.ts";
import { nowMs } from "./clock.ts";
import { TcpLink } from "./tcp.ts";
import { WakeTimer } from "./wake_timer.ts";

/** How many sockets are open at once: those that the core takes, and as many again that are still in the handshake. */
export const SOCKETS_MAX: number = 2 * LINKS_MAX;
/** How many callers of one address may be in the handshake: enough for an office behind one address that restarts. */
export const HALF_OPEN_PER_ADDRESS_MAX = 32;
/** How many connections of one address are open at once: an office behind one address, but no relay full of one host. */
export const LINKS_PER_ADDRESS_MAX = 256;
/**
 * How many inputs one turn takes: links are read in between, so that none fills memory; and at most so many packets wait
 * for each other's store. With an event each, below what one publisher may have waiting in an inbox.
 */
export const TURN_MAX_INPUTS = 512;
/** How long a client has to show that it is still there when another comes with its keys. */
const SIGN_OF_LIFE_MS = 1_000;
/** How long links may take to say their last words at the end. */
const SHUTDOWN_GRACE_MS = 2_000;
/** How long accepting pauses after the system refused a connection, such as when file descriptors ran out. */
const ACCEPT_RETRY_MS = 200;

/** What a running relay needs. */
export interface RelayHostOptions {
  /** The core. */
  readonly relay: Relay;
  /** The relay's long-term pair. */
  readonly staticKeyPair: DhKeyPair;
  /** What clients are told that it is called. */
  readonly name: string;
  /** Where it listens. */
  readonly listener: Deno.TcpListener;
  /** Tells whether somebody may link; everybody may without it. After a change call `recheck()`. */
  readonly admits?: (fingerprint: Fingerprint) => boolean;
  /** Gives what callers of a private relay must hold; the same array until it changes, then call `recheck()`. */
  readonly psk?: () => Bytes | undefined;
  /** Another bound on the connections of one address, for tests and measuring. */
  readonly linksPerAddressMax?: number;
  /** Called once when the core can go on no more, such as when its log cannot be read; without it the error surfaces. */
  readonly failed?: (error: unknown) => void;
  /** Called when the bound names changed. */
  readonly namesChanged: () => void;
  /** Takes what happened, never bodies; names only at level debug. */
  readonly log: (level: "info" | "debug", event: string, fields: Readonly<Record<string, string | number>>) => void;
}

interface HostLink {
  readonly tcp: TcpLink<Caller>;
  /** What its caller had to hold. */
  readonly psk: Bytes | undefined;
  /** Whom the core knows it by, as long as it does. */
  caller: Caller | undefined;
}

/** A relay that listens. */
export class RelayHost {
  readonly #options: RelayHostOptions;
  readonly #links = new Map<number, HostLink>();
  readonly #halfOpen = new AddressCount();
  /** Connections of each address, until nothing of them is left. */
  readonly #connections = new AddressCount();
  /** What the next turn takes. */
  #inputs: RelayInput[] = [];
  #isTurnDue = false;
  #isRunning = false;
  #hasFailed = false;
  #isClosing = false;
  #nextLink = 1;
  readonly #timer = new WakeTimer();
  #finished: Promise<void>;

  /**
   * Begins to accept links.
   * @param options core, keys and listener
   */
  constructor(options: RelayHostOptions) {
    this.#options = options;
    this.#finished = this.#accept();
  }

  /**
   * Ends: accepts nothing more, tells every client, lets last words leave, closes all.
   */
  async close(): Promise<void> {
    if (!this.#isClosing) {
      this.#isClosing = true;
      this.#options.listener.close();
      this.#push({ kind: "shutdown", nowMs: nowMs() });
      this.#runTurn();
      for (const { tcp } of this.#links.values()) tcp.close("shutdown", "the relay was stopped");
      this.#timer.clear();
    }
    await this.#finished;
    const grace = Promise.withResolvers<void>();
    const timer = setTimeout(grace.resolve, SHUTDOWN_GRACE_MS);
    await Promise.race([grace.promise, Promise.all([...this.#links.values()].map(({ tcp }) => tcp.finished))]);
    clearTimeout(timer);
  }

  /** Ends the links of those who may not be here any more. */
  recheck(): void {
    for (const link of this.#links.values()) this.#closeIfUnwanted(link);
  }

  async #accept(): Promise<void> {
    while (!this.#isClosing) {
      try {
        const conn = await this.#options.listener.accept();
        this.#admit(conn);
      } catch (error) {
        if (this.#isClosing || error instanceof Deno.errors.BadResource) return;
        this.#options.log("info", "acceptFailed", { error: error instanceof Error ? error.name : "unknown" });
        await new Promise((resolve) => setTimeout(resolve, ACCEPT_RETRY_MS));
      }
    }
  }

  #admit(conn: Deno.TcpConn): void {
    const address = conn.remoteAddr.hostname;
    const reason = this.#fullBecause(address) ?? prepare(conn);
    if (reason !== undefined) {
      this.#options.log("info", "linkRefused", { reason });
      return conn.close();
    }
    this.#halfOpen.add(address);
    this.#connections.add(address);
    this.#open(conn, address);
  }

  /** Says which bound one more connection of an address would break, if one. */
  #fullBecause(address: string): string | undefined {
    if (this.#halfOpen.of(address) >= HALF_OPEN_PER_ADDRESS_MAX) return "halfOpen";
    const max = this.#options.linksPerAddressMax ?? LINKS_PER_ADDRESS_MAX;
    if (this.#connections.of(address) >= max) return "address";
    return this.#links.size >= SOCKETS_MAX ? "links" : undefined;
  }

  #open(conn: Deno.TcpConn, address: string): void {
    const id = this.#nextLink++;
    let isHalfOpen = true;
    const settle = () => {
      if (!isHalfOpen) return;
      isHalfOpen = false;
      this.#halfOpen.remove(address);
    };
    const psk = this.#options.psk?.();
    const link = new Link<Caller>({
      role: "responder",
      listener: "relay",
      staticKeyPair: this.#options.staticKeyPair,
      card: utf8(this.#options.name),
      ...(psk === undefined ? {} : { psk }),
      authenticate: async (remote) => {
        const caller = await authenticateCaller(remote);
        const refusal = this.#refusalOf(caller);
        if (refusal !== undefined) throw refusal;
        return { ...caller, address };
      },
    });
    // What a caller says before it is let in waits for that, and with it the reading of its line.
    let admission: Promise<void> | undefined;
    const tcp = new TcpLink(conn, link, {
      opened: (caller) => {
        settle();
        admission = this.#opened(id, caller);
      },
      packet: async (packet) => {
        await admission;
        this.#receive(id, packet);
      },
      drained: () => {
        if (this.#links.get(id)?.caller !== undefined) this.#push({ kind: "drained", link: id, nowMs: nowMs() });
      },
      ended: (end) => {
        settle();
        this.#ended(id, end);
      },
    });
    this.#links.set(id, { tcp, psk, caller: undefined });
    tcp.finished.finally(() => {
      this.#links.delete(id);
      this.#connections.remove(address);
    });
  }

  async #opened(id: number, caller: Caller): Promise<void> {
    const entry = this.#links.get(id);
    if (entry === undefined) return;
    if (await this.#isElsewhere(caller)) {
      return entry.tcp.close("alreadyLinked", "another client with these keys is linked and answers");
    }
    if (!entry.tcp.isOpen) return; // it ended meanwhile
    // The rules may have changed between the judgement and now.
    entry.caller = caller;
    if (this.#closeIfUnwanted(entry)) return;
    this.#push({ kind: "opened", link: id, caller, nowMs: nowMs() });
  }

  /** Tells whether an identity is linked by a client that is still there; one whose line is dead is replaced. */
  async #isElsewhere({ fingerprint }: Caller): Promise<boolean> {
    for (const { tcp, caller } of this.#links.values()) {
      if (caller?.fingerprint === fingerprint && await tcp.isAlive(SIGN_OF_LIFE_MS)) return true;
    }
    return false;
  }

  #closeIfUnwanted({ tcp, psk, caller }: HostLink): boolean {
    if (caller === undefined) return false; // judged when its handshake is over
    if (psk !== this.#options.psk?.()) {
      tcp.close("newInvitation", "this relay has a new invitation, ask whoever runs it");
      return true;
    }
    const refusal = this.#refusalOf(caller);
    if (refusal !== undefined) tcp.close(refusal.code, refusal.message);
    return refusal !== undefined;
  }

  /** Says why somebody may not be here, if so. */
  #refusalOf({ fingerprint }: Caller): UserError | undefined {
    if (this.#options.admits?.(fingerprint) !== false) return undefined;
    this.#options.log("info", "callerNotAllowed", {});
    this.#options.log("debug", "notAllowed", { fingerprint });
    return new UserError(
      "refusedCertificate",
      "This relay is for certain people, and you are not on its list. " +
        `Ask whoever runs it to add your fingerprint ${fingerprint}`,
    );
  }

  #receive(link: number, packet: RawPacket): void {
    if (this.#links.get(link)?.caller === undefined) return; // it was not let in, or is over
    this.#push({ kind: "message", link, packet: decodeClientMessage(packet), nowMs: nowMs() });
  }

  #ended(link: number, end: LinkEnd): void {
    this.#options.log("debug", "linkEnded", { link, how: end.kind });
    const entry = this.#links.get(link);
    if (entry?.caller === undefined) return; // the core never heard of it
    entry.caller = undefined;
    this.#push({ kind: "ended", link, reason: reasonOf(end), nowMs: nowMs() });
  }

  /** Keeps an input for the next turn, which begins when all that is waiting now has been read. */
  #push(input: RelayInput): void {
    if (this.#hasFailed) return;
    this.#inputs.push(input);
    if (this.#inputs.length >= TURN_MAX_INPUTS && !this.#isRunning) return this.#runTurn();
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    setImmediate(() => {
      this.#isTurnDue = false;
      this.#runTurn();
    });
  }

  /** Gives the core what waits; what doing its effects brings about is for the next turn. */
  #runTurn(): void {
    if (this.#inputs.length === 0 || this.#hasFailed) return;
    const inputs = this.#inputs;
    this.#inputs = [];
    this.#isRunning = true;
    try {
      for (const effect of this.#options.relay.handleTurn(inputs)) this.#perform(effect);
    } catch (error) {
      if (this.#options.failed === undefined) throw error;
      this.#hasFailed = true;
      this.#options.failed(error);
    } finally {
      this.#isRunning = false;
    }
  }

  #perform(effect: RelayEffect): void {
    switch (effect.kind) {
      case "send":
        for (const link of effect.links) this.#send(link, effect.packet);
        return;
      case "close":
        this.#links.get(effect.link)?.tcp.close(effect.code, effect.message);
        return;
      case "wakeAt":
        if (this.#isClosing) this.#timer.clear();
        else this.#timer.set(effect.atMs, () => this.#push({ kind: "tick", nowMs: nowMs() }));
        return;
      case "namesChanged":
        return this.#options.namesChanged();
      case "log":
        return this.#options.log(effect.level, effect.event, effect.fields);
    }
  }

  #send(link: number, packet: Bytes): void {
    const tcp = this.#links.get(link)?.tcp;
    if (tcp === undefined || tcp.send(packet) || !tcp.isOpen) return;
    // Behind its bound: dropped, and nothing is lost, for it resumes by its cursor.
    tcp.close("tooSlow", "this client did not read fast enough, connect again");
  }
}

/** How many of something each address has; one that has none takes no room. */
class AddressCount {
  readonly #counts = new Map<string, number>();

  of(address: string): number {
    return this.#counts.get(address) ?? 0;
  }

  add(address: string): void {
    this.#counts.set(address, this.of(address) + 1);
  }

  remove(address: string): void {
    const left = this.of(address) - 1;
    if (left <= 0) this.#counts.delete(address);
    else this.#counts.set(address, left);
  }
}

/** Sets up a new connection; says why it cannot be used, if so: a caller may be gone before it is accepted. */
function prepare(conn: Deno.TcpConn): string | undefined {
  try {
    conn.setNoDelay(true);
    return undefined;
  } catch {
    return "gone";
  }
}

/** Says what the end of a link means for those who are left. */
function reasonOf(end: LinkEnd): EndReason {
  if (end.kind === "bye") return end.code === "renew" ? "renew" : "quit";
  return "lost";
}

/** Turns what a caller shows in the handshake into what the core knows it by. */
async function authenticateCaller(remote: Remote): Promise<Caller> {
  const certificate = await verifyCertificate(remote.hello.card);
  // Without this a client could show somebody else's certificate over its own key.
  if (!equalBytes(certificate.noisePublic, remote.staticPublic)) {
    throw new UserError("refusedCertificate", "The certificate belongs to another key than the one that called");
  }
  const { fingerprint, handle, life, createdMs, encoded } = certificate;
  return { fingerprint, handle, life, createdMs, certificate: encoded };
}
