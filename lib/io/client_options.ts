/**
 * What a client is run with.
 * @module
 */

import type { SessionCommand } from "../chat/commands.ts";
import type { ChatState } from "../chat/state.ts";
import type { Certificate } from "../e2ee/certificate.ts";
import type { Identity } from "../e2ee/identity.ts";
import type { WordList } from "../pake/code.ts";
import type { ClientStore } from "./client_store.ts";
import type { KnownRelay, RelayAddress, RelayPolicy } from "./dial.ts";
import type { Front } from "./front.ts";
import type { HistoryLog } from "./history_log.ts";

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
  /** Whether others are told what was read here; they are, without it. */
  readonly receipts?: boolean;
  /** What codes are made of. */
  readonly words: WordList;
  /** Where the last run of this identity stood; nothing at the first, and for one that keeps nothing. */
  readonly state?: ChatState | undefined;
  /** Where changes are kept; nowhere without it. */
  readonly store?: Pick<ClientStore, "commit"> | undefined;
  /** What was told in earlier runs. */
  readonly history: HistoryLog;
  /** Is told which relay was accepted, once the link is secured. */
  readonly linked?: (relay: KnownRelay) => Promise<void>;
  /** Is told that the relay accepted name and certificate. */
  readonly entered?: () => Promise<void>;
  /** Where to show and read. */
  readonly front: Front;
  /** How long a link lives before it is made anew, instead of an hour. */
  readonly testOnlyLinkLifeMs?: number;
  /** Takes what happened to the link, never contents; for `--verbose`. */
  readonly log: (event: string, fields: Readonly<Record<string, string | number>>) => void;
}
