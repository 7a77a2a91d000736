/**
 * What a client's core is made from.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import type { RandomBytes } from "../crypto/random.ts";
import type { Certificate } from "../e2ee/certificate.ts";
import type { Identity } from "../e2ee/identity.ts";
import type { WordList } from "../pake/code.ts";
import type { Fingerprint } from "../wire/messages.ts";
import type { SessionCommand } from "./commands.ts";
import type { ChatState } from "./state.ts";

/** What a client is and where. */
export interface ChatOptions {
  /** The long-term keys. */
  readonly identity: Identity;
  /** The certificate that the link was opened with. */
  readonly certificate: Certificate;
  /** The relay, as the link proved it. */
  readonly relay: { readonly name: string; readonly fingerprint: Fingerprint; readonly publicBytes: Bytes };
  /** The name of the room to be in at first; without it the one of the last run, or `lobby`. */
  readonly room?: string | undefined;
  /** How the one session by code begins that the client is there for; it is in no room then. */
  readonly session?: SessionCommand | undefined;
  /** Whether people are told what we have read, and we what they have; they are, without it. */
  readonly receipts?: boolean;
  /** What codes are made of. */
  readonly words: WordList;
  /** Where the last run of this identity stood; nothing at the first. */
  readonly state?: ChatState | undefined;
  /** Where keys, nonces and ids come from. */
  readonly random?: RandomBytes;
}
