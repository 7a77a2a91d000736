/**
 * One op of a room's membership log (PROTOCOL 3.11), signed by its actor's `IDs` under the label "op":
 *
 * ```
 * lv(suite 1) | lv(room) | lv(kind 1) | lv(detail) | lv(subject) | lv(actor id 32) | lv(seen) | lv(roster) | lv(at 8)
 *   | signature 64
 *
 * kind          detail                       subject                        signed with the key in
 * 1 create      [random 16 |] grace 16       the actor's certificate        that certificate
 * 2 join        empty                        the actor's certificate        that certificate
 * 3 add         empty                        the new member's certificate   the actor's, from the log
 * 4 leave       empty                        empty: the actor               the actor's, from the log
 * 5 remove      reason 1                     id 32                          the actor's, from the log
 * 6 promote     empty                        id 32                          the actor's, from the log
 * 7 here        empty                        empty: the actor               the actor's, from the log
 *
 * room    32; empty in the create op of an invite room, which alone has the random bytes
 * seen    epoch 8 | head 32; empty in a create op
 * roster  32, the hash of the members at `seen`; empty in a create op
 * grace   of lasting certificates 8 | of ephemeral certificates 8, in ms
 * reason  1 absent, 2 removed
 * ```
 *
 * There is one spelling of an op: what parses encodes to the same bytes again. What an op may do is judged elsewhere.
 * @module
 */

import { AuthError, DecodeError, ProtocolError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat, u64be, u8 } from "../bytes/writer.ts";
import { SHA256_BYTES } from "../crypto/hash.ts";
import { SIGNATURE_BYTES, type SignKeyPair } from "../crypto/sign.ts";
import { type Certificate, CERTIFICATE_MAX_BYTES, verifyCertificate } from "./certificate.ts";
import { type Fingerprint, fingerprintOf, idOf } from "./identity.ts";
import { ROOM_ID_BYTES } from "./room_id.ts";
import { readSuite, signFields, suiteField, verifySigned } from "./signed.ts";

/** How long members of an open room may be silent before they count as absent. */
export interface Grace {
  /** Of those with a lasting certificate, in milliseconds: {@linkcode GRACE_MIN_MS} to {@linkcode GRACE_MAX_MS}. */
  readonly lastingMs: number;
  /** Of those with an ephemeral certificate, likewise. */
  readonly ephemeralMs: number;
}

/** Where in the log an op's actor stood when it signed. */
export interface Seen {
  /** Ops that were placed until then. */
  readonly epoch: number;
  /** The head after the last of them, 32 bytes. */
  readonly head: Bytes;
}

/** What every op but a create op says of where its actor stood. */
export interface PlacedFields {
  /** The newest place in the log that the actor knew. */
  readonly seen: Seen;
  /** The hash of the members there, 32 bytes. */
  readonly roster: Bytes;
}

/** The first op of a room. */
export interface CreateContent {
  /** Which kind. */
  readonly kind: "create";
  /** Whose op it is: the founder. */
  readonly subject: Certificate;
  /** What it says of absence. */
  readonly grace: Grace;
  /** 16 bytes in an invite room, `undefined` in an open one. */
  readonly random: Bytes | undefined;
}

/** What tells the kinds of ops apart; `subject` is whom the op is about, without one its actor. */
export type OpContent =
  | CreateContent
  | PlacedFields & { readonly kind: "join"; readonly subject: Certificate }
  | PlacedFields & { readonly kind: "add"; readonly subject: Certificate }
  | PlacedFields & { readonly kind: "leave" }
  | PlacedFields & { readonly kind: "remove"; readonly subject: Fingerprint; readonly reason: RemoveReason }
  | PlacedFields & { readonly kind: "promote"; readonly subject: Fingerprint }
  | PlacedFields & { readonly kind: "here" };

/** What all ops have. */
export interface OpFrame {
  /** 32 bytes; empty in the create op of an invite room. */
  readonly room: Bytes;
  /** Who signed it. */
  readonly actor: Fingerprint;
  /** When, by the actor's clock: a claim, in milliseconds since 1970 (UTC). */
  readonly atMs: number;
}

/** An op whose signature was verified. */
export type Op = OpFrame & OpContent & {
  /** The op as it travels. */
  readonly encoded: Bytes;
};

/** Why somebody is removed. */
export type RemoveReason = "absent" | "removed";

/** What holds in a room that says nothing of absence: 7 days, and 30 minutes for ephemeral certificates. */
export const DEFAULT_GRACE: Grace = { lastingMs: 7 * 24 * 60 * 60 * 1_000, ephemeralMs: 30 * 60 * 1_000 };
/** The shortest grace: shorter, and a nap or a slow relay would cost a person their place. */
export const GRACE_MIN_MS: number = 5 * 60 * 1_000;
/** The longest: beyond it open rooms would fill with those who are gone. */
export const GRACE_MAX_MS: number = 30 * 24 * 60 * 60 * 1_000;
/** Bytes of the random part of an invite room's create op. */
export const CREATE_RANDOM_BYTES = 16;
/** The longest op, a join or an add: 9 length prefixes, 146 bytes of fixed fields, the certificate, the signature. */
export const OP_MAX_BYTES = 572;

const GRACE_BYTES = 16;
const SEEN_BYTES = 40;
const TIME_BYTES = 8;
const NOTHING = new Uint8Array(0);

const KIND_BYTES = {
  create: 1,
  join: 2,
  add: 3,
  leave: 4,
  remove: 5,
  promote: 6,
  here: 7,
} as const satisfies Record<OpContent["kind"], number>;
const REASON_BYTES = { absent: 1, removed: 2 } as const satisfies Record<RemoveReason, number>;

/**
 * Signs an op.
 * @param pair `IDs` of the actor
 * @param content the kind and what goes with it
 * @param frame room, actor and time
 * @returns the op as it travels
 * @throws {RangeError} when a grace is out of its bounds, or a room, a hash or the random part has a wrong length
 */
export async function signOp(pair: SignKeyPair, content: OpContent, frame: OpFrame): Promise<Bytes> {
  const { room, actor, atMs } = frame;
  const isRoomless = content.kind === "create" && content.random !== undefined;
  assertLength(room, isRoomless ? 0 : ROOM_ID_BYTES);
  return await signFields(pair, "op", [
    suiteField(),
    room,
    u8(KIND_BYTES[content.kind]),
    detailOf(content),
    subjectOf(content),
    idOf(actor),
    ...content.kind === "create" ? [NOTHING, NOTHING] : seenOf(content),
    u64be(atMs),
  ]);
}

/**
 * Decodes an op and verifies it.
 * @param bytes the op, nothing before or after it
 * @param signKeyOf gives `IDs` of a member; asked for the actor of an op that does not carry its certificate
 * @returns the op, all of it covered by the actor's signature
 * @throws {DecodeError} when it is malformed
 * @throws {ProtocolError} when `signKeyOf` does not know the actor
 * @throws {AuthError} when a key, a certificate or the signature does not fit, or an op about oneself names another
 */
export async function verifyOp(
  bytes: Bytes,
  signKeyOf: (actor: Fingerprint) => Bytes | undefined,
): Promise<Op> {
  const parsed = parse(bytes);
  const { kind, frame } = parsed;
  if (kind === "create" || kind === "join") {
    const subject = await verifyCertificate(parsed.subject);
    if (subject.fingerprint !== frame.actor) throw new AuthError("Cannot use op: its actor is not its subject");
    await verifySigned(subject.signPublic, "op", bytes);
    return { ...frame, ...contentOf(parsed, subject), encoded: bytes.slice() };
  }
  const signPublic = signKeyOf(frame.actor);
  if (signPublic === undefined) throw new ProtocolError("Cannot use op: its actor is no member");
  await verifySigned(signPublic, "op", bytes);
  const subject = kind === "add" ? await verifyCertificate(parsed.subject) : undefined;
  return { ...frame, ...contentOf(parsed, subject), encoded: bytes.slice() };
}

/**
 * Takes out of a stored op what it said when it was verified. The certificate is verified again, the op is not: who
 * signed an add may have left since.
 * @param bytes an op that admitted somebody: create, join or add
 * @returns its kind, its room and whom it admitted
 * @throws {DecodeError} when it is malformed or admits nobody
 * @throws {AuthError} when a key or the certificate's signature is bad
 */
export async function unsafeAdmission(
  bytes: Bytes,
): Promise<{ kind: "create" | "join" | "add"; room: Bytes; certificate: Certificate }> {
  const { kind, frame, subject } = parse(bytes);
  if (kind !== "create" && kind !== "join" && kind !== "add") {
    throw new DecodeError(`Cannot decode member: the op is of the kind ${kind}, which admits nobody`);
  }
  const certificate = await verifyCertificate(subject);
  return { kind, room: frame.room, certificate };
}

/**
 * Tells which place an op names; it must have been verified before.
 * @param bytes an op
 * @returns its `seen`, `undefined` for a create op
 * @throws {DecodeError} when it is malformed
 */
export function unsafeSeenOf(bytes: Bytes): Seen | undefined {
  const { kind, seen } = parse(bytes);
  return kind === "create" ? undefined : readSeen(seen);
}

/**
 * Encodes what an open room says of absence.
 * @param grace both times
 * @returns 16 bytes
 * @throws {RangeError} when one is out of its bounds
 */
export function encodeGrace(grace: Grace): Bytes {
  for (const ms of [grace.lastingMs, grace.ephemeralMs]) {
    if (ms < GRACE_MIN_MS || ms > GRACE_MAX_MS) throw new RangeError(`Cannot encode grace: ${ms} ms is out of bounds`);
  }
  return concat(u64be(grace.lastingMs), u64be(grace.ephemeralMs));
}

/**
 * Takes what an open room says of absence.
 * @param reader stands before its 16 bytes
 * @returns both times
 * @throws {DecodeError} when too little is left or one is out of its bounds
 */
export function readGrace(reader: ByteReader): Grace {
  const [lastingMs, ephemeralMs] = [reader.u64(), reader.u64()];
  if ([lastingMs, ephemeralMs].some((ms) => ms < GRACE_MIN_MS || ms > GRACE_MAX_MS)) {
    throw new DecodeError("Cannot decode grace: it is out of bounds");
  }
  return { lastingMs, ephemeralMs };
}

/** An op by its fields, nothing of it verified. */
interface ParsedOp {
  readonly kind: OpContent["kind"];
  readonly frame: OpFrame;
  /** A reader of the detail, whose length fits the kind. */
  readonly detail: ByteReader;
  readonly random: Bytes | undefined;
  readonly subject: Bytes;
  readonly seen: Bytes;
  readonly roster: Bytes;
}

function parse(bytes: Bytes): ParsedOp {
  if (bytes.length > OP_MAX_BYTES) {
    throw new DecodeError(`Cannot decode op: ${bytes.length} bytes is above ${OP_MAX_BYTES}`);
  }
  const reader = new ByteReader(bytes, "op");
  readSuite(reader);
  const room = reader.lv(ROOM_ID_BYTES);
  const kind = readKind(reader);
  const isRoomless = kind === "create" && room.length === 0;
  if (!isRoomless && room.length !== ROOM_ID_BYTES) throw new DecodeError("Cannot decode op: it names no room");
  const detail = new ByteReader(reader.lvExactly(detailBytes(kind, isRoomless)), "op");
  const subject = readSubject(reader, kind);
  const actor = fingerprintOf(reader.lvExactly(SHA256_BYTES));
  const seen = reader.lvExactly(kind === "create" ? 0 : SEEN_BYTES);
  const roster = reader.lvExactly(kind === "create" ? 0 : SHA256_BYTES);
  const atMs = new ByteReader(reader.lvExactly(TIME_BYTES), "op").u64();
  reader.take(SIGNATURE_BYTES);
  reader.end();
  const random = isRoomless ? detail.take(CREATE_RANDOM_BYTES) : undefined;
  return { kind, frame: { room, actor, atMs }, detail, random, subject, seen, roster };
}

function readKind(reader: ByteReader): OpContent["kind"] {
  const byte = reader.lvExactly(1)[0];
  const found = Object.entries(KIND_BYTES).find(([, value]) => value === byte);
  if (found === undefined) throw new DecodeError(`Cannot decode op: kind ${byte} is unknown`);
  return found[0] as OpContent["kind"];
}

function detailBytes(kind: OpContent["kind"], isRoomless: boolean): number {
  if (kind === "create") return GRACE_BYTES + (isRoomless ? CREATE_RANDOM_BYTES : 0);
  return kind === "remove" ? 1 : 0;
}

function readSubject(reader: ByteReader, kind: OpContent["kind"]): Bytes {
  if (kind === "leave" || kind === "here") return reader.lvExactly(0);
  return kind === "remove" || kind === "promote" ? reader.lvExactly(SHA256_BYTES) : reader.lv(CERTIFICATE_MAX_BYTES);
}

/** Everything is read here that can still be malformed, in bytes whose signature was verified. */
function contentOf(parsed: ParsedOp, certificate: Certificate | undefined): OpContent {
  const { kind, detail, random } = parsed;
  if (kind === "create") return { kind, subject: admitted(certificate), grace: readGrace(detail), random };
  const placed = { seen: readSeen(parsed.seen), roster: parsed.roster };
  if (kind === "join" || kind === "add") return { kind, subject: admitted(certificate), ...placed };
  if (kind === "leave" || kind === "here") return { kind, ...placed };
  const subject = fingerprintOf(parsed.subject);
  return kind === "remove" ? { kind, subject, reason: readReason(detail), ...placed } : { kind, subject, ...placed };
}

function admitted(certificate: Certificate | undefined): Certificate {
  if (certificate === undefined) throw new TypeError("Cannot read op: its certificate was not verified");
  return certificate;
}

function readSeen(bytes: Bytes): Seen {
  const reader = new ByteReader(bytes, "op");
  return { epoch: reader.u64(), head: reader.rest() };
}

function readReason(reader: ByteReader): RemoveReason {
  const byte = reader.u8();
  if (byte === REASON_BYTES.absent) return "absent";
  if (byte === REASON_BYTES.removed) return "removed";
  throw new DecodeError(`Cannot decode op: reason ${byte} is unknown`);
}

function detailOf(content: OpContent): Bytes {
  if (content.kind === "remove") return u8(REASON_BYTES[content.reason]);
  if (content.kind !== "create") return NOTHING;
  const { random = NOTHING, grace } = content;
  if (content.random !== undefined) assertLength(random, CREATE_RANDOM_BYTES);
  return concat(random, encodeGrace(grace));
}

function subjectOf(content: OpContent): Bytes {
  if (!("subject" in content)) return NOTHING;
  return typeof content.subject === "string" ? idOf(content.subject) : content.subject.encoded;
}

function seenOf({ seen, roster }: PlacedFields): Bytes[] {
  assertLength(seen.head, SHA256_BYTES);
  assertLength(roster, SHA256_BYTES);
  return [concat(u64be(seen.epoch), seen.head), roster];
}

function assertLength(bytes: Bytes, lengthBytes: number): void {
  if (bytes.length === lengthBytes) return;
  throw new RangeError(`Cannot sign op: a field has ${bytes.length} bytes, not ${lengthBytes}`);
}
