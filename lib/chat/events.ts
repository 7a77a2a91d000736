/**
 * What the client has to tell the person, as data: the screen, the plain lines and the JSON lines are three ways to
 * write down the same events.
 * @module
 */

import type { UserErrorCode } from "../bytes/errors.ts";
import type { EventId, Fingerprint, LeftReason } from "../wire/messages.ts";

/**
 * How well a key is known: `new` (first met in this run), `known` (met before, or accepted), `verified` (compared), `changed`
 * (its name belonged to another key, or the person distrusts it: nothing is sent to it until the person lets go).
 */
export type Trust = "new" | "known" | "verified" | "changed";

/** Somebody, as the person sees them. Handles come from peers: clean them before they reach a screen. */
export interface Member {
  /** The name that the certificate carries. */
  readonly handle: string;
  /** What people compare. */
  readonly fingerprint: Fingerprint;
  /** How well the key is known. */
  readonly trust: Trust;
  /** There when the key is held back because the person distrusts it; `trust` is `changed` then. */
  readonly distrusted?: true;
}

/** Somebody who was met, now or in an earlier run. */
export interface Peer extends Member {
  /** When the key was first met, in milliseconds since 1970 (UTC). */
  readonly firstSeen: number;
  /** Whether they are linked to the relay, as far as it said. */
  readonly isHere: boolean;
}

/** Where a message belongs: a room by its name, or a private conversation by the other's handle. */
export type Place = { readonly room: string } | { readonly to: string };

/** Why a notice stands there; stable names for scripts. */
export type NoticeCode =
  | "help"
  | "log"
  | "fingerprint"
  | "nobodyHere"
  | "keyChanged"
  | "keysMissing"
  | "keysRefused"
  | "trusted"
  | "safetyNumber"
  | "verified"
  | "distrusted"
  | "cannotOpen"
  | "stranger"
  | "misplaced"
  | "gap"
  | "clockSkew"
  | "nameMoved"
  | "peerLeft"
  | "away"
  | "sessionSecured"
  | "badCertificate"
  | "reset";

/** Over what a session by code, or a direct link, runs. */
export type SessionPath = "relay" | "direct";

/** One thing to tell the person. Times are milliseconds since 1970, UTC. */
export type ChatEvent =
  /** The link is secured and the room entered; always the first. */
  | {
    readonly type: "ready";
    readonly handle: string;
    readonly fingerprint: Fingerprint;
    readonly relay: { readonly name: string; readonly fingerprint: Fingerprint };
    readonly room: string;
    readonly members: readonly Member[];
  }
  | { readonly type: "joined"; readonly room: string; readonly at: number } & Member
  | {
    readonly type: "left";
    readonly room: string;
    readonly at: number;
    readonly reason: LeftReason;
    readonly handle: string;
    readonly fingerprint: Fingerprint;
  }
  /** A message from somebody else. */
  | {
    readonly type: "message";
    readonly id: EventId;
    readonly place: Place;
    readonly from: string;
    readonly fingerprint: Fingerprint;
    readonly trust: Trust;
    readonly distrusted?: true;
    readonly text: string;
    /** The sender's claim. */
    readonly sentAt: number;
    /** The relay's time. */
    readonly at: number;
  }
  /** One's own message is stored by the relay. */
  | {
    readonly type: "accepted";
    readonly id: EventId;
    readonly place: Place;
    readonly at: number;
    readonly sentAt: number;
    readonly text: string;
    readonly ref?: Ref;
  }
  | {
    readonly type: "users";
    readonly room: string;
    readonly members: readonly Member[];
    /** On this relay, in none of our rooms. */
    readonly elsewhere: readonly Member[];
    readonly ref?: Ref;
  }
  /** Everybody who was ever met. */
  | { readonly type: "peers"; readonly peers: readonly Peer[]; readonly ref?: Ref }
  /** A code was made; the other may come. The code is a secret of the two people. */
  | { readonly type: "waiting"; readonly code: string; readonly expiresAt: number; readonly ref?: Ref }
  /** Somebody is there who may know the code. */
  | { readonly type: "peerJoined" }
  /** How a code came to nothing; an error with a sentence follows. */
  | { readonly type: "wrongCode" }
  | { readonly type: "taken" }
  | { readonly type: "expired" }
  /** A direct link can be opened here; `host` is left out when it is every address of this machine. */
  | {
    readonly type: "listening";
    readonly host?: string;
    readonly port: number;
    readonly fingerprint: Fingerprint;
    /** Whether callers have to give a code. */
    readonly wantsCode?: true;
  }
  /** Nobody is in between, and who is at the other end is proven, as far as `trust` says. */
  | {
    readonly type: "secured";
    readonly with: string;
    readonly fingerprint: Fingerprint;
    readonly trust: Trust;
    readonly distrusted?: true;
    readonly path: SessionPath;
  }
  | { readonly type: "notice"; readonly code: NoticeCode; readonly text: string; readonly ref?: Ref }
  | {
    readonly type: "error";
    readonly code: UserErrorCode;
    readonly message: string;
    readonly hint: string;
    readonly ref?: Ref;
  };

/** What a script puts beside a line to recognise the answer. */
export type Ref = string | number;
