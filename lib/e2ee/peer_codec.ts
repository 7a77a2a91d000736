/**
 * All that is kept of one peer as bytes, to be stored (PROTOCOL §0.6), and the ids of sessions with peers that are
 * gone. Secret as a whole, and not sealed here:
 *
 * ```
 * peer       version 1 | lv(suite 1) | lv(id 32) | lv(stranger 1) | lv(last used 8) | lv(certificate or empty)
 *                      | lv(sessions: lv(session) || …, see session_codec.ts, the one we write on first, at most 5)
 *                      | lv(ids of dropped sessions, 16 each, oldest first, at most 1,000)
 * forgotten  version 1 | lv(suite 1) | lv(ids of sessions, 16 each, oldest first, at most 10,000)
 * ```
 *
 * Stranger: 1 when the peer wrote first and was never asked for, else 0. There is one spelling: what decodes encodes to
 * the same bytes again.
 * @module
 */

import { decodeHex } from "@std/encoding/hex";
import { equalBytes } from "../bytes/equal.ts";
import { DecodeError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat, lvCat, u64be, u8 } from "../bytes/writer.ts";
import { SHA256_BYTES } from "../crypto/hash.ts";
import { type Certificate, CERTIFICATE_MAX_BYTES, verifyCertificate } from "./certificate.ts";
import { fingerprintOf, idOf } from "./identity.ts";
import type { Session } from "./session.ts";
import { decodeSession, encodeSession, SESSION_ENCODED_MAX_BYTES } from "./session_codec.ts";
import { type PeerSessionsState, RETIRED_PER_PEER_MAX, SESSIONS_PER_PEER_MAX } from "./sessions.ts";
import { readSuite, suiteField } from "./signed.ts";
import { orDamaged, readFlag, readHexItems, readVersion, STATE_VERSION } from "./state_fields.ts";
import { SESSION_ID_BYTES } from "./x3dh.ts";

/** Ids of sessions with forgotten peers that are remembered, so that no old first box begins one a second time. */
export const FORGOTTEN_MAX = 10_000;

const TIME_BYTES = 8;

/** All that is kept of one peer, as plain data. Secret as a whole. */
export interface PeerState extends PeerSessionsState {
  /** Whether the peer wrote first and was never asked for. */
  readonly isStranger: boolean;
}

/**
 * Encodes a peer.
 * @param peer the peer
 * @returns secret bytes
 */
export function encodePeer(peer: PeerState): Bytes {
  return concat(
    u8(STATE_VERSION),
    lvCat(
      suiteField(),
      idOf(peer.fingerprint),
      u8(peer.isStranger ? 1 : 0),
      u64be(peer.lastUsedMs),
      peer.certificate?.encoded ?? new Uint8Array(0),
      lvCat(...peer.sessions.map(encodeSession)),
      decodeHex(peer.retired.join("")),
    ),
  );
}

/**
 * Decodes a peer.
 * @param bytes what {@linkcode encodePeer} gave
 * @returns the peer, its certificate verified
 * @throws {DecodeError} when it is anything else
 */
export async function decodePeer(bytes: Bytes): Promise<PeerState> {
  const reader = new ByteReader(bytes, "peer");
  readVersion(reader, "peer");
  readSuite(reader);
  const id = reader.lvExactly(SHA256_BYTES);
  const isStranger = readFlag(reader);
  const lastUsedMs = new ByteReader(reader.lvExactly(TIME_BYTES), "peer").u64();
  const certificateBytes = reader.lv(CERTIFICATE_MAX_BYTES);
  const sessionsBytes = reader.lv(SESSIONS_PER_PEER_MAX * (4 + SESSION_ENCODED_MAX_BYTES));
  const retired = readHexItems(reader, SESSION_ID_BYTES, RETIRED_PER_PEER_MAX);
  reader.end();

  const certificate = await readCertificate(certificateBytes, id);
  const sessions = await readSessions(sessionsBytes);
  if (sessions.length > 0 && certificate === undefined) {
    throw new DecodeError("Cannot decode peer: there are sessions and no certificate");
  }
  assertDistinct([...sessions.map((session) => session.key), ...retired]);
  return { fingerprint: fingerprintOf(id), isStranger, lastUsedMs, certificate, sessions, retired };
}

/**
 * Encodes the ids of sessions with forgotten peers.
 * @param keys the ids in hexadecimal, oldest first
 * @returns the bytes; no secret
 */
export function encodeForgotten(keys: Iterable<string>): Bytes {
  return concat(u8(STATE_VERSION), lvCat(suiteField(), decodeHex([...keys].join(""))));
}

/**
 * Decodes the ids of sessions with forgotten peers.
 * @param bytes what {@linkcode encodeForgotten} gave
 * @returns the ids in hexadecimal, oldest first
 * @throws {DecodeError} when it is anything else
 */
export function decodeForgotten(bytes: Bytes): string[] {
  const reader = new ByteReader(bytes, "forgotten sessions");
  readVersion(reader, "forgotten sessions");
  readSuite(reader);
  const keys = readHexItems(reader, SESSION_ID_BYTES, FORGOTTEN_MAX);
  reader.end();
  assertDistinct(keys);
  return keys;
}

async function readCertificate(bytes: Bytes, id: Bytes): Promise<Certificate | undefined> {
  if (bytes.length === 0) return undefined;
  const certificate = await orDamaged(() => verifyCertificate(bytes));
  if (!equalBytes(certificate.id, id)) throw new DecodeError("Cannot decode peer: the certificate is another's");
  return certificate;
}

async function readSessions(bytes: Bytes): Promise<Session[]> {
  const reader = new ByteReader(bytes, "sessions");
  const sessions: Session[] = [];
  while (reader.remaining > 0) {
    if (sessions.length === SESSIONS_PER_PEER_MAX) {
      throw new DecodeError(`Cannot decode peer: there are more than ${SESSIONS_PER_PEER_MAX} sessions`);
    }
    sessions.push(await decodeSession(reader.lv(SESSION_ENCODED_MAX_BYTES)));
  }
  return sessions;
}

function assertDistinct(keys: readonly string[]): void {
  if (new Set(keys).size !== keys.length) throw new DecodeError("Cannot decode sessions: an id is there twice");
}
