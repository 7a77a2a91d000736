/**
 * What the relay's core is told and what it asks for: the whole conversation between it and its driver. Inputs are
 * handled one at a time; effects are performed in order and never wait for a peer.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import type { ClientMessage, Fingerprint, Packet, RelayMessage, StreamName } from "../wire/messages.ts";
import { encodeRelayMessage } from "../wire/messages.ts";

/** How long an identity is meant to live. */
export type CallerLife = "lasting" | "ephemeral";

/** Who is at the other end of a link, out of the certificate that the handshake verified. */
export interface Caller {
  /** The identity. */
  readonly fingerprint: Fingerprint;
  /** The handle, not checked yet. */
  readonly handle: string;
  /** How long the identity is meant to live. */
  readonly life: CallerLife;
  /** When the certificate was made. */
  readonly createdMs: number;
  /** The certificate itself, opaque here; others verify it. */
  readonly certificate: Bytes;
  /** Where the link comes from; who makes many identities is known by it. Left out where there is no network. */
  readonly address?: string;
}

/** How a link ended: the client said so, the line broke, or it calls again at once for new keys. */
export type EndReason = "quit" | "lost" | "renew";

/** What happened, in the words of the relay. `link` is a number that the driver never uses twice. */
export type RelayInput =
  /** A link is up and its certificate is verified. */
  | { readonly kind: "opened"; readonly link: number; readonly caller: Caller; readonly nowMs: number }
  /** A packet arrived. */
  | { readonly kind: "message"; readonly link: number; readonly packet: Packet<ClientMessage>; readonly nowMs: number }
  /** The link's outbox became empty; told for every link, for by this the relay knows who reads too slowly. */
  | { readonly kind: "drained"; readonly link: number; readonly nowMs: number }
  /** The link is gone, for good or to be made anew; harmless for a link that the relay closed itself. */
  | { readonly kind: "ended"; readonly link: number; readonly reason: EndReason; readonly nowMs: number }
  /** The time asked for by `wakeAt` has come. */
  | { readonly kind: "tick"; readonly nowMs: number }
  /** The relay is to stop: all links are closed, and nothing is taken any more. */
  | { readonly kind: "shutdown"; readonly nowMs: number };

/** Why the relay closes a link; goes to the client in `bye`. */
export type CloseCode =
  | "nameTaken"
  | "nameInvalid"
  | "olderCertificate"
  | "replaced"
  | "relayFull"
  | "protocol"
  | "shutdown";

/** Why an event was not stored; goes to the client in `refused`. */
export type RefusedCode =
  | "tooLong"
  | "offline"
  | "inboxFull"
  | "relayFull"
  | "busy"
  | "notStored"
  | "stale"
  | "badOp"
  | "tooManyOps"
  | "roomFull";

/** The end of a link, with a sentence for the person at the other end. */
export interface Closing {
  /** The stable name of the reason. */
  readonly code: CloseCode;
  /** What happened and what to do, as sentences. */
  readonly message: string;
}

/** What the driver is to do. */
export type RelayEffect =
  /** Puts one encoded packet into the outboxes of these links. */
  | { readonly kind: "send"; readonly links: readonly number[]; readonly packet: Bytes }
  /** Says `bye` with these words and ends the link; the relay has forgotten it already. */
  | { readonly kind: "close"; readonly link: number; readonly code: CloseCode; readonly message: string }
  /** Sends a `tick` at this time; replaces an earlier wish. */
  | { readonly kind: "wakeAt"; readonly atMs: number }
  /** `NameBook.entries()` is worth writing down again. */
  | { readonly kind: "namesChanged" }
  /** A line for the operator. Never holds a body; handles and fingerprints only at `debug`. */
  | {
    readonly kind: "log";
    readonly level: "info" | "debug";
    readonly event: string;
    readonly fields: Readonly<Record<string, string | number>>;
  };

/** Collects the effects of one input, in order. */
export class EffectList {
  /** What was collected. */
  readonly items: RelayEffect[] = [];

  /**
   * Sends a message, encoded once for all.
   * @param links who hears it; nothing happens when there are none
   * @param message what to say
   * @param body the opaque bytes that belong to it
   */
  send(links: readonly number[], message: RelayMessage, body?: Uint8Array): void {
    if (links.length === 0) return;
    this.items.push({ kind: "send", links, packet: encodeRelayMessage(message, body) });
  }

  /**
   * Closes a link.
   * @param link which one
   * @param closing why
   */
  close(link: number, closing: Closing): void {
    this.items.push({ kind: "close", link, code: closing.code, message: closing.message });
  }

  /** Says that the names are worth writing down again. */
  namesChanged(): void {
    this.items.push({ kind: "namesChanged" });
  }

  /**
   * Adds a line for the operator.
   * @param level `debug` as soon as a field tells who somebody is
   * @param event what happened
   * @param fields numbers and short words about it
   */
  log(level: "info" | "debug", event: string, fields: Readonly<Record<string, string | number>>): void {
    this.items.push({ kind: "log", level, event, fields });
  }
}

/**
 * Says that a peer's message was well formed but is not allowed.
 * @param message what was wrong, as a sentence
 * @returns the end of that link
 */
export function notAllowed(message: string): Closing {
  return { code: "protocol", message };
}

/**
 * Tells whose inbox a stream is.
 * @param stream the stream
 * @returns the owner, or `undefined` when the stream is a room's
 */
export function inboxOwner(stream: StreamName): Fingerprint | undefined {
  return stream.startsWith("inbox/") ? stream.slice("inbox/".length) : undefined;
}

/**
 * Tells which room a stream is of.
 * @param stream the stream of a room
 * @returns the room
 */
export function roomOf(stream: StreamName): Fingerprint {
  return stream.slice("room/".length);
}
