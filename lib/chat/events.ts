/**
 * What the client has to tell the person, as data: the screen, the plain lines and the JSON lines are three ways to
 * write down the same events.
 * @module
 */

import type { UserErrorCode } from "../bytes/errors.ts";
import type { RemoveReason } from "../e2ee/membership_op.ts";
import type { RoomKind } from "../e2ee/membership_state.ts";
import type { Role } from "../e2ee/roster.ts";
import type { About } from "../wire/about.ts";
import type { EventId, Fingerprint, LeftReason, StreamName } from "../wire/messages.ts";
import type { ConversationCounts } from "./delivery.ts";
import type { HistoryEvent } from "./history_events.ts";

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

/** Somebody in a room of ours. */
export interface RoomMember extends Member {
  /** What they may do in a room that people are invited to; `member` in an open one. */
  readonly role: Role;
  /** Whether they are there now; who is away reads later what is written. */
  readonly isHere: boolean;
}

/** A room of ours, or one that we were invited to. */
export interface RoomSummary {
  /** What it is called here. */
  readonly room: string;
  /** How people come in. */
  readonly kind: RoomKind;
  /** `entering` until we are a member. */
  readonly state: "in" | "entering" | "invited";
  /** Whether lines go there that name no room. */
  readonly isCurrent: boolean;
  /** How many are in it beside us. */
  readonly members: number;
  /** How many of them are linked to the relay now. */
  readonly here: number;
  /** What it is about; empty when nobody said so. */
  readonly topic: string;
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
  | "clockSkew"
  | "nameMoved"
  | "peerLeft"
  | "away"
  | "roomInvitation"
  | "rejoined"
  | "skipped"
  | "outbox"
  | "unshown"
  | "historyDamaged"
  | "role"
  | "sessionSecured"
  | "badCertificate"
  | "reset";

/** What a member did in a room. */
export interface ByMember {
  /** Where. */
  readonly room: string;
  /** When the relay placed it. */
  readonly at: number;
  /** By whom; one's own handle for what one did oneself. */
  readonly by: string;
  /** What a script put beside its line, when this client asked for it. */
  readonly ref?: Ref;
}

/** Over what a session by code, or a direct link, runs. */
export type SessionPath = "relay" | "direct";

/** What is told by a later run than the one that kept it. */
export interface Unshown {
  /** There when it is of an earlier run. */
  readonly late?: true;
  /** There when that run may have shown it: who has its id has it. */
  readonly again?: true;
}

/**
 * A private text of one's own is kept by its reader's client (`delivered`), or was seen by its reader (`read`), as that
 * client says; each is told once.
 */
export interface ReceiptEvent<T extends "delivered" | "read"> extends Omit<Member, "handle"> {
  /** Which of the two. */
  readonly type: T;
  /** The id that `accepted` carried. */
  readonly id: EventId;
  /** Who says so. */
  readonly by: string;
  /** The relay's time of it. */
  readonly at: number;
}

/** One thing to tell the person. Times are milliseconds since 1970, UTC. */
export type ChatEvent =
  /** The link is secured and the room entered; always the first. */
  | {
    readonly type: "ready";
    readonly handle: string;
    readonly fingerprint: Fingerprint;
    readonly relay: { readonly name: string; readonly fingerprint: Fingerprint };
    /** The room that lines go to. */
    readonly room: string;
    readonly members: readonly RoomMember[];
    /** What it is about; left out when nobody said so. */
    readonly topic?: string;
  }
  | { readonly type: "joined"; readonly room: string; readonly at: number } & Member
  | {
    readonly type: "left";
    readonly room: string;
    readonly at: number;
    /** `left`: for good; after the others they come back, and read what was written meanwhile. */
    readonly reason: LeftReason;
    readonly handle: string;
    readonly fingerprint: Fingerprint;
  }
  /** We are in a further room than that of `ready`. */
  | {
    readonly type: "roomJoined";
    readonly room: string;
    readonly kind: RoomKind;
    readonly members: readonly RoomMember[];
    readonly topic?: string;
    readonly isCurrent: boolean;
    readonly ref?: Ref;
  }
  /** A room was made by us; `roomJoined` follows. */
  | { readonly type: "roomCreated"; readonly room: string; readonly kind: RoomKind; readonly ref?: Ref }
  /** We are in a room no more; `removed` by a member, or `lost` with the relay's log. */
  | {
    readonly type: "roomLeft";
    readonly room: string;
    readonly reason: "left" | "declined" | "removed" | "lost";
    readonly by?: string;
    /** Where lines go now; left out when nowhere. */
    readonly current?: string;
    readonly ref?: Ref;
  }
  /** Lines go to another room from now on. */
  | { readonly type: "switched"; readonly room: string; readonly ref?: Ref }
  /** Somebody wants us in a room. */
  | ({ readonly type: "invited"; readonly room: string; readonly by: string } & Omit<Member, "handle">)
  /** Somebody became a member without being there, or by another's doing; `ref` is there when we asked for it. */
  | ({ readonly type: "memberAdded" } & ByMember & Member)
  /** Somebody was taken out of a room: by a member, or because they were away too long. */
  | ({ readonly type: "memberRemoved"; readonly reason: RemoveReason } & ByMember & Member)
  | ({ readonly type: "memberPromoted" } & ByMember & Member)
  /** Messages are missing; of one author when `from` is there. */
  | ({ readonly type: "gap"; readonly place: Place; readonly from?: string; readonly count: number } & Unshown & {
    /** Made here, so that who is told of it again can tell. */
    readonly id?: EventId;
  })
  /** A member was told another history of a room than we were: they or the relay are wrong. */
  | { readonly type: "fork"; readonly room: string; readonly from: string }
  /** What a room is about; `by` is left out when it is told because we asked. */
  | { readonly type: "topic"; readonly room: string; readonly topic: string; readonly by?: string; readonly ref?: Ref }
  | { readonly type: "rooms"; readonly rooms: readonly RoomSummary[]; readonly ref?: Ref }
  | { readonly type: "members"; readonly room: string; readonly members: readonly RoomMember[]; readonly ref?: Ref }
  /** A message from somebody else. */
  | Pick<Unshown, "again"> & {
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
    /** There when it was written before we began to listen: no reason to ring. */
    readonly late?: true;
  }
  /** The link to the relay was lost, or is there again. */
  | { readonly type: "link"; readonly state: "reconnecting"; readonly since: number; readonly why: string }
  | {
    readonly type: "link";
    readonly state: "connected";
    /** Since when. */
    readonly since: number;
    /** How many messages came meanwhile. */
    readonly missed: number;
  }
  /** One's own message waits until there is a link again; `accepted` has the same id then. */
  | {
    readonly type: "queued";
    readonly id: EventId;
    readonly place: Place;
    readonly sentAt: number;
    readonly text: string;
    readonly ref?: Ref;
  }
  /** One's own message is stored by the relay. */
  | Unshown & {
    readonly type: "accepted";
    readonly id: EventId;
    readonly place: Place;
    readonly at: number;
    readonly sentAt: number;
    readonly text: string;
    readonly ref?: Ref;
  }
  | HistoryEvent
  | ReceiptEvent<"delivered">
  | ReceiptEvent<"read">
  /** What became of messages since the client started. */
  | {
    readonly type: "delivery";
    readonly since: number;
    readonly conversations: readonly ConversationCounts[];
    readonly ref?: Ref;
  }
  /** What the relay says that it holds about us. */
  | {
    readonly type: "serverKnows";
    /** Since when we are linked. */
    readonly linkedAt: number;
    readonly about: About;
    /** What the streams in it are called here, as far as we know. */
    readonly places: Readonly<Record<StreamName, Place>>;
    readonly ref?: Ref;
  }
  | {
    readonly type: "users";
    /** The current room, empty in none. */
    readonly room: string;
    readonly members: readonly RoomMember[];
    /** On this relay, and not in that room. */
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
  | {
    readonly type: "notice";
    readonly code: NoticeCode;
    readonly text: string;
    /** The room that it is about, if it is about one. */
    readonly room?: string;
    readonly ref?: Ref;
  }
  | {
    readonly type: "error";
    readonly code: UserErrorCode;
    readonly message: string;
    readonly hint: string;
    /** The room that it is about, if it is about one. */
    readonly room?: string;
    readonly ref?: Ref;
  };

/** What a script puts beside a line to recognise the answer. */
export type Ref = string | number;
