/**
 * Who runs this client, for one run: the identity with what was kept of it, or one that is forgotten at the end.
 * @module
 */

import type { ChatState } from "../chat/state.ts";
import { type Certificate, createCertificate } from "../e2ee/certificate.ts";
import { generateIdentity, type Identity } from "../e2ee/identity.ts";
import { type ClientState, ClientStore } from "./client_store.ts";
import { type DataDir, openDataDir } from "./data_dir.ts";
import type { KnownRelay, RelayPolicy } from "./dial.ts";
import type { HistoryLog, HistoryPolicy } from "./history_log.ts";
import { MemoryHistory } from "./history_memory.ts";
import { shellQuoted } from "./private_file.ts";
import type { Unlock } from "./sealed_key.ts";

/** How often what was replaced or deleted is wiped from the store's log (PROTOCOL §7). */
const TRUNCATE_EVERY_MS = 3_600_000;

/** Where somebody is kept. */
export interface OpenPersonOptions {
  /** The data directory. */
  readonly path: string;
  /** Gives the passphrase, if there is one. */
  readonly unlock: Unlock;
  /** The time now, in milliseconds since 1970 (UTC). */
  readonly nowMs: number;
}

interface Kept {
  readonly dir: DataDir;
  readonly store: ClientStore;
  readonly state: ClientState;
}

/** Somebody, with or without a past. */
export class Person {
  /** The long-term keys. */
  readonly identity: Identity;
  readonly #kept: Kept | undefined;
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  #certificate: Certificate | undefined;

  private constructor(identity: Identity, kept: Kept | undefined) {
    this.identity = identity;
    this.#kept = kept;
    this.#certificate = kept?.state.certificate;
    if (kept === undefined) return;
    // A log that cannot be emptied now is emptied at the next start.
    this.#timer = setInterval(() => kept.store.truncateLog().catch(() => {}), TRUNCATE_EVERY_MS);
    Deno.unrefTimer(this.#timer);
  }

  /**
   * Makes somebody new of whom nothing is read or kept.
   * @param nowMs the time now
   * @returns somebody with an ephemeral identity
   */
  static async nobodyBefore(nowMs: number): Promise<Person> {
    return new Person(await generateIdentity({ life: "ephemeral", nowMs }), undefined);
  }

  /**
   * Opens what is kept of somebody; at the first start somebody new is made and kept.
   * @param options where
   * @returns the person, whose directory no other process can use until `close()`
   * @throws {UserError} `dataDirUnusable` or `dataDirBusy`; nothing is overwritten
   */
  static async open(options: OpenPersonOptions): Promise<Person> {
    const dir = await openDataDir(options.path, { what: "client" });
    try {
      const store = await ClientStore.open(dir, options.unlock);
      try {
        const state = await store.load();
        const identity = state.identity ?? await generateIdentity({ life: "lasting", nowMs: options.nowMs });
        if (state.identity === undefined) await store.commit({ identity });
        return new Person(identity, { dir, store, state });
      } catch (error) {
        await store.close();
        throw error;
      }
    } catch (error) {
      dir.close();
      throw error;
    }
  }

  /** The name under which a relay accepted it last; `undefined` before that. */
  get handle(): string | undefined {
    return this.#kept?.state.name ?? this.#certificate?.handle;
  }

  /** Where the last chat stood. */
  get chatState(): ChatState | undefined {
    return this.#kept?.state;
  }

  /** Whether anything of them is kept. */
  get isKept(): boolean {
    return this.#kept !== undefined;
  }

  /** Whether a passphrase protects what is kept. */
  get hasPassphrase(): boolean {
    return this.#kept?.store.protection === "passphrase";
  }

  /** Where changes are kept; `undefined` for somebody who keeps nothing. */
  get store(): ClientStore | undefined {
    return this.#kept?.store;
  }

  /**
   * Opens what was told in earlier runs; of somebody who keeps nothing, a memory that begins empty.
   * @param policy how long it is kept, and whether
   * @param nowMs the time now
   * @returns the history
   */
  async history(policy: HistoryPolicy, nowMs: number): Promise<HistoryLog> {
    return await this.#kept?.store.openHistory({ policy, nowMs }) ?? new MemoryHistory(policy);
  }

  /**
   * Gives a certificate, kept before anybody sees it: the newest one, if the name is the same, for a newer one tells
   * others that sessions may have been lost.
   * @param handle the name, checked
   * @param nowMs the time now
   * @returns the certificate
   */
  async certificateFor(handle: string, nowMs: number): Promise<Certificate> {
    return this.#certificate?.handle === handle ? this.#certificate : await this.freshCertificate(handle, nowMs);
  }

  /**
   * Makes a certificate that is newer than all before, and keeps it.
   * @param handle the name, checked
   * @param nowMs the time now
   * @returns the certificate
   */
  async freshCertificate(handle: string, nowMs: number): Promise<Certificate> {
    // Of several of one identity the newest counts, whatever the clock did in between.
    const createdMs = Math.max(nowMs, (this.#certificate?.createdMs ?? 0) + 1);
    const certificate = await createCertificate(this.identity, { handle, createdMs });
    await this.#kept?.store.commit({ certificate });
    this.#certificate = certificate;
    return certificate;
  }

  /**
   * Remembers a name under which somebody accepted us.
   * @param name the handle of the certificate in use
   */
  async goesBy(name: string): Promise<void> {
    if (this.#kept?.state.name !== name) await this.#kept?.store.commit({ name });
  }

  /**
   * Tells which relay was met at an address before.
   * @param address `HOST:PORT` as it is dialled
   * @param dataDir what `--data-dir` said, for the command that forgets it
   * @returns what a policy demands because of it
   */
  pinnedRelay(address: string, dataDir: string | undefined): Pick<RelayPolicy, "pinned"> {
    const pin = this.#pinAt(address);
    if (pin === undefined) return {};
    const where = dataDir === undefined ? "" : ` --data-dir ${shellQuoted(dataDir)}`;
    const { fingerprint, firstMetMs } = pin;
    return { pinned: { fingerprint, firstMetMs, forgetCommand: `sotto relays forget ${address}${where}` } };
  }

  /**
   * Remembers which relay answers at an address, if none was known there.
   * @param address `HOST:PORT` as it was dialled
   * @param relay the one that was accepted
   * @param nowMs the time now
   */
  async pin(address: string, relay: KnownRelay, nowMs: number): Promise<void> {
    if (this.#kept === undefined || this.#pinAt(address) !== undefined) return;
    const { fingerprint, name } = relay;
    await this.#kept.store.commit({ relays: [{ address, pin: { fingerprint, name, firstMetMs: nowMs } }] });
  }

  /** Lets go of the directory, after what is being written. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#kept?.store.close();
    this.#kept?.dir.close();
  }

  #pinAt(address: string): ClientState["relays"][number] | undefined {
    return this.#kept?.state.relays.find((relay) => relay.address === address);
  }
}
