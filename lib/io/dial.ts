/**
 * Calling a relay: the connection, and the decision between Noise messages 2 and 3 whether it is the right one.
 * @module
 */

import { AuthError, DecodeError, UserError } from "../bytes/errors.ts";
import { fromUtf8 } from "../bytes/reader.ts";
import type { Bytes } from "../bytes/writer.ts";
import { isoSeconds } from "../cli/iso.ts";
import { RELAY_NAME_MAX_BYTES } from "../cli/relay_name.ts";
import { assertDhPublicKey } from "../crypto/dh.ts";
import type { Certificate } from "../e2ee/certificate.ts";
import { type Fingerprint, type Identity, relayFingerprint } from "../e2ee/identity.ts";
import { Link, type LinkEnd } from "../link/link.ts";
import type { Remote } from "../link/link_handshake.ts";

/** How long the connection itself may take. */
export const CONNECT_TIMEOUT_MS = 5_000;

/** Where a relay is. */
export interface RelayAddress {
  /** A name or an address. */
  readonly hostname: string;
  /** 1 to 65,535. */
  readonly port: number;
  /** Both as a person writes them, such as `[::1]:5001`. */
  readonly text: string;
}

/** What a client demands of a relay. */
export interface RelayPolicy {
  /** The only fingerprint that is accepted. */
  readonly relayKey?: Fingerprint;
  /** The relay that was met at this address before; another one there is refused. */
  readonly pinned?: PinnedRelay;
  /** Whether a relay that is not known is accepted. */
  readonly trustOnFirstUse: boolean;
  /** What an invitation to a private relay gives, 32 bytes; `relayKey` then names the same relay. */
  readonly invitePsk?: Bytes;
}

/** What is known of the relay at an address. */
export interface PinnedRelay {
  /** What people compare. */
  readonly fingerprint: Fingerprint;
  /** When it was met, in milliseconds since 1970 (UTC). */
  readonly firstMetMs: number;
  /** What to type to forget it. */
  readonly forgetCommand: string;
}

/** A relay that was accepted. */
export interface KnownRelay {
  /** What it calls itself. */
  readonly name: string;
  /** What people compare. */
  readonly fingerprint: Fingerprint;
  /** Its static key, 32 bytes. */
  readonly publicBytes: Bytes;
}

/** The relay is not known and nobody said that it may be trusted: show the fingerprint, ask, dial again. */
export class UnknownRelayError extends UserError {
  /** Whom the person is asked about. */
  readonly relay: KnownRelay;

  /**
   * Makes the error.
   * @param relay who answered
   * @param address where
   */
  constructor(relay: KnownRelay, address: RelayAddress) {
    super(
      "relayUnknown",
      `The relay at ${address.text} is not known; its fingerprint is ${relay.fingerprint}`,
      `Compare it with what the relay printed, then start with --relay-key ${relay.fingerprint}` +
        " (or --trust-on-first-use to accept it unseen).",
    );
    this.relay = relay;
  }
}

/**
 * Opens a connection.
 * @param address where
 * @returns the connection
 * @throws {UserError} `relayUnreachable` when nobody accepts it in time
 */
export async function connect(address: RelayAddress): Promise<Deno.TcpConn> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Deno.errors.TimedOut("it did not answer")), CONNECT_TIMEOUT_MS);
  const connecting = Deno.connect({ hostname: address.hostname, port: address.port });
  try {
    const conn = await Promise.race([connecting, late.promise]);
    conn.setNoDelay(true);
    return conn;
  } catch (cause) {
    connecting.then((conn) => conn.close(), () => {}); // it came too late
    throw new UserError(
      "relayUnreachable",
      `No relay answers at ${address.text}: ${reasonOf(cause)}`,
      "Check the address and the port, and that sotto-server runs there and no firewall is in between.",
      { cause },
    );
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Makes the caller's end of a link.
 * @param caller whose keys and certificate
 * @param address where the relay is
 * @param policy which relay is accepted
 * @returns a link that has not begun
 */
export function linkTo(
  { identity, certificate }: { readonly identity: Identity; readonly certificate: Certificate },
  address: RelayAddress,
  policy: RelayPolicy,
): Link<KnownRelay> {
  return new Link<KnownRelay>({
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
}

/**
 * Decides whether a relay is the right one, before it learns who calls.
 * @param remote what it showed in the handshake
 * @param address where it was called
 * @param policy what is demanded
 * @returns who it is
 * @throws {UserError} `relayChanged` when it is another than demanded; {@linkcode UnknownRelayError} when nobody said
 */
export async function judgeRelay(remote: Remote, address: RelayAddress, policy: RelayPolicy): Promise<KnownRelay> {
  const card = remote.hello.card;
  if (card.length > RELAY_NAME_MAX_BYTES) throw new DecodeError("Cannot decode relay card: the name is too long");
  const fingerprint = await pinRelay(remote.staticPublic, address, policy);
  const relay = { name: fromUtf8(card), fingerprint, publicBytes: remote.staticPublic };
  if (card.length === 0 && policy.invitePsk === undefined) {
    throw new UserError(
      "notInvited",
      `The relay at ${address.text} is private: it lets in only who has its invitation`,
      "Ask whoever runs it for one, save it in a file, and start with --invite-file FILE.",
    );
  }
  const isKnown = policy.relayKey !== undefined || policy.pinned !== undefined;
  if (!isKnown && !policy.trustOnFirstUse) throw new UnknownRelayError(relay, address);
  return relay;
}

/**
 * Checks the key of a relay against the one that was demanded, before it learns who calls.
 * @param staticPublic its static key
 * @param address where it was called
 * @param policy what is demanded
 * @returns its fingerprint
 * @throws {UserError} `relayChanged` when it is another than demanded
 */
export async function pinRelay(
  staticPublic: Bytes,
  address: RelayAddress,
  policy: RelayPolicy,
): Promise<Fingerprint> {
  assertDhPublicKey(staticPublic); // one key, one spelling, one fingerprint
  const fingerprint = await relayFingerprint(staticPublic);
  const { relayKey, pinned, invitePsk } = policy;
  if (relayKey !== undefined && relayKey !== fingerprint) {
    const source = invitePsk === undefined ? "you gave" : "the invitation says";
    throw new UserError(
      "relayChanged",
      `THE RELAY AT ${address.text} IS NOT THE ONE YOU NAMED. Somebody may be in the middle. ` +
        `It has the fingerprint ${fingerprint}, ${source} ${relayKey}`,
      "Nothing was told to it. Ask whoever runs the relay for its fingerprint, in person or by phone.",
    );
  }
  if (pinned !== undefined && pinned.fingerprint !== fingerprint) throw changedError(pinned, fingerprint, address);
  return fingerprint;
}

/**
 * Refuses to call a relay under two keys: the one that was met at its address, and another that the person names.
 * @param policy what is demanded
 * @param address where it is to be called
 * @throws {UserError} `relayChanged` when both are there and differ
 */
export function assertOneKey({ relayKey, pinned }: RelayPolicy, address: RelayAddress): void {
  if (relayKey === undefined || pinned === undefined || relayKey === pinned.fingerprint) return;
  throw new UserError(
    "relayChanged",
    `The relay at ${address.text} is known under another key: since ${isoSeconds(pinned.firstMetMs)} it has had the ` +
      `fingerprint ${pinned.fingerprint}, not ${relayKey}`,
    `Nothing was called. If the new key is right, for whoever runs the relay says so: ${pinned.forgetCommand}`,
  );
}

function changedError(pinned: PinnedRelay, found: Fingerprint, address: RelayAddress): UserError {
  return new UserError(
    "relayChanged",
    `THE KEY OF THE RELAY AT ${address.text} HAS CHANGED. SOMEBODY MAY BE IN THE MIDDLE, to learn who you are and ` +
      `whom you write to. Since ${isoSeconds(pinned.firstMetMs)} its fingerprint has been ${pinned.fingerprint}, ` +
      `what answers now has ${found}`,
    "Nothing was told to it. Ask whoever runs the relay, in person or by phone, whether its key changed. " +
      `Only if so: ${pinned.forgetCommand}`,
  );
}

/**
 * Says in words a person can act on why a link ended.
 * @param end how it ended
 * @param address where the relay is
 * @param policy what was demanded
 * @returns the error
 */
export function errorOfEnd(end: LinkEnd, address: RelayAddress, policy: RelayPolicy): UserError {
  if (policy.invitePsk !== undefined && end.kind !== "bye" && end.kind !== "closed") {
    const error = errorOfInvited(end, address);
    if (error !== undefined) return error;
  }
  switch (end.kind) {
    case "bye":
      return errorOfBye(end.code, end.message);
    case "lost":
      return end.stage !== "handshake"
        ? lost(end.cause === "silence" ? "the relay fell silent" : "the line broke")
        : end.cause === "silence"
        ? tooSlow(address)
        : notARelay(address);
    case "refused":
      return end.stage === "open"
        ? lost(`the relay said something that makes no sense (${end.error.message})`)
        : errorOfHandshake(end.error, address);
    case "closed":
      return lost("this client closed it");
  }
}

/** What only a caller with an invitation meets: a listener that does not understand it, or one that does not take it. */
function errorOfInvited(end: LinkEnd & { kind: "lost" | "refused" }, address: RelayAddress): UserError | undefined {
  if (end.stage === "greeting" && end.kind === "lost" && end.cause === "ended") {
    return new UserError(
      "notInvited",
      `The relay at ${address.text} does not take this invitation: it was replaced, or somebody tampers with the line`,
      "Ask whoever runs the relay for the invitation that counts now.",
    );
  }
  const isOurs = end.kind === "refused" && end.error instanceof UserError;
  if (end.stage !== "handshake" || isOurs || (end.kind === "lost" && end.cause === "silence")) return undefined;
  return new UserError(
    "notARelay",
    `What answers at ${address.text} takes no invitations: it is another version of Sotto, a relay that is open to ` +
      "all, or no relay of Sotto",
    "Check the address, and that the invitation is for this relay. An open one is called without an invitation.",
    end.kind === "refused" ? { cause: end.error } : {},
  );
}

function errorOfHandshake(error: Error, address: RelayAddress): UserError {
  if (error instanceof UserError) return error;
  if (error instanceof AuthError) {
    return new UserError(
      "wrongVersion",
      `What answers at ${address.text} speaks another version of Sotto, or somebody tampers with the line`,
      "Use the same release of Sotto on both machines.",
      { cause: error },
    );
  }
  return notARelay(address, error);
}

function tooSlow(address: RelayAddress): UserError {
  return new UserError(
    "relayUnreachable",
    `What answers at ${address.text} said nothing that a relay says for too long`,
    "The relay or the network may be overloaded: try again. If it stays so, check the address and the port.",
  );
}

function notARelay(address: RelayAddress, cause?: Error): UserError {
  return new UserError(
    "notARelay",
    `What answers at ${address.text} is not a Sotto relay`,
    "Check the port: another program seems to listen there.",
    cause === undefined ? {} : { cause },
  );
}

function errorOfBye(code: string, message: string): UserError {
  switch (code) {
    case "nameTaken":
    case "nameInvalid":
      return new UserError(code, message, "Choose another with --name.");
    case "alreadyLinked":
      return new UserError(
        "alreadyLinked",
        `The relay refused this client: ${message}`,
        "End the other client. If this data directory is a copy, start as somebody else: another --data-dir, or --ephemeral.",
      );
    case "refusedCertificate":
      return new UserError(
        "refusedCertificate",
        `The relay refused this client: ${message}`,
        "Ask whoever runs the relay, and check the clock of this machine.",
      );
    case "olderCertificate":
      return new UserError(
        "olderCertificate",
        `The relay refused this client: ${message}`,
        "Another machine has the same identity and a clock that is ahead. Set the clocks, and use one of them at a time.",
      );
    case "wrongVersion":
      return new UserError("wrongVersion", message, "Use the same release of Sotto on both machines.");
    default:
      return lost(message);
  }
}

function lost(why: string): UserError {
  return new UserError("linkLost", `The connection to the relay was lost: ${why}`, "Start the client again to go on.");
}

function reasonOf(cause: unknown): string {
  if (cause instanceof Deno.errors.ConnectionRefused) return "the connection was refused";
  if (cause instanceof Deno.errors.TimedOut) return "there was no answer";
  return "it cannot be reached";
}
