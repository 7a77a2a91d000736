/**
 * Calling somebody directly: the connection, the decision between Noise messages 2 and 3 whether to tell who calls, and
 * the words for links that came to nothing.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import { spentCode, wrongCode } from "../chat/direct_words.ts";
import { previewOf } from "../chat/direct_keys.ts";
import { verifyPeer } from "../chat/direct_peer.ts";
import type { Member } from "../chat/events.ts";
import type { PeerRecord } from "../chat/peer_record.ts";
import type { Certificate } from "../e2ee/certificate.ts";
import type { Fingerprint } from "../e2ee/identity.ts";
import type { LinkEnd } from "../link/link.ts";
import type { Remote } from "../link/link_handshake.ts";
import { connect, type RelayAddress } from "./dial.ts";

/** What a caller demands of whoever listens. */
export interface PeerPolicy {
  /** Our certificate. */
  readonly own: Certificate;
  /** Whom the person met before. */
  readonly peers: readonly PeerRecord[];
  /** Whether a code decides: a key that changed is no reason then to tell nothing. */
  readonly hasCode: boolean;
  /** The key that changed and that the person said to go on with all the same. */
  readonly accepted?: Fingerprint;
}

/** Whoever listens has a known name under another key: show who it is, ask, dial again. */
export class ChangedPeerError extends UserError {
  /** Whom the person is asked about. */
  readonly peer: Member;

  /**
   * Makes the error.
   * @param peer who answered
   * @param address where
   */
  constructor(peer: Member, address: RelayAddress) {
    super(
      "keyChanged",
      peer.distrusted
        ? `You distrust the key of ${peer.handle} at ${address.text}; its fingerprint is ${peer.fingerprint}`
        : `THE KEY OF ${peer.handle} AT ${address.text} IS NOT THE ONE YOU KNOW. Somebody may be in the middle. ` +
          `Its fingerprint is ${peer.fingerprint}`,
      "Nothing was told to it, not even who calls. Ask them, in person or by phone; or use a code: --code on both sides.",
    );
    this.peer = peer;
  }
}

/**
 * Opens a connection to whoever listens.
 * @param address where
 * @returns the connection
 * @throws {UserError} `relayUnreachable` when nobody accepts it in time
 */
export async function connectPeer(address: RelayAddress): Promise<Deno.TcpConn> {
  try {
    return await connect(address);
  } catch (cause) {
    if (!(cause instanceof UserError)) throw cause;
    throw new UserError(
      "relayUnreachable",
      `Nobody listens at ${address.text}`,
      "Check the address and the port, and that sotto listen runs there, with --host to be reached from other machines.",
      { cause },
    );
  }
}

/**
 * Decides whether the one who listens may learn who calls.
 * @param remote what the handshake showed
 * @param address where it was called
 * @param policy what is demanded
 * @returns who it is
 * @throws {UserError} `refusedCertificate` when the certificate is not its own; {@linkcode ChangedPeerError} when its
 *   name belonged to another key, or the person distrusts it
 */
export async function judgePeer(remote: Remote, address: RelayAddress, policy: PeerPolicy): Promise<Certificate> {
  const shown = { card: remote.hello.card, staticPublic: remote.staticPublic };
  const peer = await verifyPeer(shown, policy.own);
  const member = previewOf(policy.peers, peer);
  const isFine = member.trust !== "changed" || policy.hasCode || policy.accepted === peer.fingerprint;
  if (!isFine) throw new ChangedPeerError(member, address);
  return peer;
}

/**
 * Says in words why no channel was secured.
 * @param end how the link ended
 * @param tried where it was called, if we called, and whether a code was spent on it
 * @returns the error
 */
export function errorBeforeSecured(
  end: LinkEnd,
  tried: { readonly address?: RelayAddress | undefined; readonly hasSpentCode: boolean },
): UserError {
  if (end.kind === "bye" && end.code === "wrongCode") return wrongCode();
  if (tried.hasSpentCode) return spentCode();
  if (end.kind === "bye") return errorOfBye(end.code, end.message);
  if (end.kind === "refused" && end.error instanceof UserError) return end.error;
  const isHandshake = end.kind !== "closed" && end.stage === "handshake";
  if (isHandshake && tried.address !== undefined) return notListening(tried.address, end);
  return lost(end);
}

/**
 * Says in words why a secured channel is lost.
 * @param end how the link ended
 * @returns the error
 */
export function lost(end: LinkEnd): UserError {
  return new UserError("linkLost", `The direct connection was lost: ${why(end)}`, "Start again on both sides.");
}

function why(end: LinkEnd): string {
  switch (end.kind) {
    case "bye":
      return end.message;
    case "lost":
      return end.cause === "silence" ? "the other side fell silent" : "the line broke";
    case "refused":
      return `the other side said something that makes no sense (${end.error.message})`;
    case "closed":
      return "this client closed it";
  }
}

function notListening(address: RelayAddress, end: LinkEnd): UserError {
  return new UserError(
    "notARelay",
    `What answers at ${address.text} is no Sotto that listens: it is another program, a relay, another version of ` +
      "Sotto, or somebody tampers with the line",
    "Check the port, and that sotto listen of the same release runs there.",
    end.kind === "refused" ? { cause: end.error } : {},
  );
}

function errorOfBye(code: string, message: string): UserError {
  switch (code) {
    case "taken":
      return new UserError("noSession", "The other side talks to somebody else already", "Try again later.");
    case "refusedCertificate":
      return new UserError("refusedCertificate", `The other side refused this client: ${message}`);
    case "wrongVersion":
      return new UserError("wrongVersion", message, "Use the same release of Sotto on both machines.");
    default:
      return new UserError("linkLost", `No channel was secured: ${message}`, "Start again on both sides.");
  }
}
