/**
 * From an agreed code to a session of the ratchet (PROTOCOL §5), in two messages, each an ordinary ratchet box whose
 * plaintext is a signature and nothing else:
 *
 * ```text
 * initiator (joins)                                          responder (made the code)
 * prove()   -- box: Ed25519_IDs(proof of the initiator) -->  hear()
 * hear()    <-- box: Ed25519_IDs(proof of the responder) --  prove()
 * (proven)                                                   (proven)
 *
 * rk = SK    AD = SHA-256(label("pake ad") || sid_output)    session id = first 16 bytes of
 * proof: see code_keys.ts                                    SHA-256(label("session") || lv_cat(AD))
 * ```
 *
 * The first ratchet pairs are those whose public halves both sides said under the code; the initiator writes first. Who
 * knows a code could show another's certificate: only the signature under the key of that very certificate proves it.
 * Its law: before both signatures are through, the session is in no book, and nothing but them is sealed or opened in
 * it. One object is one try; what fails refuses it for ever, and a call out of turn throws and changes nothing.
 * @module
 */

import { encodeHex } from "@std/encoding/hex";
import { AuthError, DecodeError, ProtocolError } from "../bytes/errors.ts";
import { type Bytes, concat, label, lvCat } from "../bytes/writer.ts";
import type { DhKeyPair } from "../crypto/dh.ts";
import { sha256 } from "../crypto/hash.ts";
import { type RandomBytes, secureRandom } from "../crypto/random.ts";
import { sign, verify } from "../crypto/sign.ts";
import { pakeAssociatedData, pakeIdentityProof } from "../pake/code_keys.ts";
import type { PakeRole } from "../pake/code_messages.ts";
import type { PakeOutcome } from "../pake/code_pake.ts";
import { BOX_MAX_BYTES, decodeBox } from "./box.ts";
import type { BundleOwner } from "./bundle.ts";
import { type Certificate, verifyCertificate } from "./certificate.ts";
import { initiateRatchet, respondRatchet } from "./double_ratchet.ts";
import { openInSession, sealInSession, type Session } from "./session.ts";
import { SESSION_ID_BYTES } from "./x3dh.ts";

/** What a session by code is made from. */
export interface PakeSessionOptions {
  /** Which of the two we are. */
  readonly role: PakeRole;
  /** What both agreed on. */
  readonly outcome: PakeOutcome;
  /** The pair whose public half we said under the code. */
  readonly ratchet: DhKeyPair;
  /** Where salts and ratchet keys come from. */
  readonly random?: RandomBytes;
}

/** The life of a try; `working` while a call awaits `subtle`. */
export type PakeSessionPhase = "toProve" | "toHear" | "working" | "proven" | "refused";

const PHASE_TEXT: Readonly<Record<PakeSessionPhase, string>> = {
  toProve: "our proof comes first",
  toHear: "the other's proof is due",
  working: "another call is running",
  proven: "it is over",
  refused: "it was refused",
};
const OTHER_ROLE = { initiator: "responder", responder: "initiator" } as const satisfies Record<PakeRole, PakeRole>;

/** A session that was agreed by code and is not proven yet, and then the proven one, for a book to take in. */
export class PakeSession {
  readonly #owner: BundleOwner;
  readonly #role: PakeRole;
  readonly #sidOutput: Bytes;
  readonly #peer: Certificate;
  readonly #random: RandomBytes;
  #session: Session;
  #phase: PakeSessionPhase;

  private constructor(owner: BundleOwner, options: PakeSessionOptions, made: { peer: Certificate; session: Session }) {
    const { role, outcome, random = secureRandom } = options;
    this.#owner = owner;
    this.#role = role;
    this.#sidOutput = outcome.sidOutput;
    this.#random = random;
    this.#peer = made.peer;
    this.#session = made.session;
    this.#phase = role === "initiator" ? "toProve" : "toHear";
  }

  /**
   * Makes the session of an outcome.
   * @param owner we, with the certificate that we said under the code
   * @param options the role, the outcome and our first ratchet pair
   * @returns a session that waits for the proofs
   * @throws {DecodeError} when the peer's certificate is malformed
   * @throws {AuthError} when it is not valid or is our own, or the peer's ratchet key has a small order
   */
  static async start(owner: BundleOwner, options: PakeSessionOptions): Promise<PakeSession> {
    const { role, outcome, ratchet } = options;
    const peer = await verifyCertificate(outcome.peer.certificate);
    if (peer.fingerprint === owner.certificate.fingerprint) {
      throw new AuthError("Cannot start session: the other shows a certificate of our own");
    }
    const ad = await pakeAssociatedData(outcome.sidOutput);
    const id = (await sha256(concat(label("session"), lvCat(ad)))).slice(0, SESSION_ID_BYTES);
    const start = { rootKey: outcome.sharedKey, ad, sessionId: id };
    const session: Session = {
      id,
      key: encodeHex(id),
      startedBy: role === "initiator" ? "us" : "peer",
      ephemeralPublic: new Uint8Array(0),
      x3dhBytes: new Uint8Array(0),
      isAnswered: true, // both have it: nobody needs a header to make it from
      ratchet: role === "initiator"
        ? await initiateRatchet(start, ratchet, outcome.peer.ratchetPublic)
        : respondRatchet(start, ratchet),
      boxHashes: [],
    };
    return new PakeSession(owner, options, { peer, session });
  }

  /** Where it stands. */
  get phase(): PakeSessionPhase {
    return this.#phase;
  }

  /**
   * Seals our proof.
   * @param options the time
   * @returns a box, to send; after the responder's the session is to be in a book, and kept, before it leaves
   * @throws {ProtocolError} when it is not the time; nothing has changed then
   */
  async prove(options: { readonly nowMs: number }): Promise<Bytes> {
    this.#demand("toProve", "prove");
    return await this.#work(this.#role === "initiator" ? "toHear" : "proven", async () => {
      const proof = await sign(this.#owner.identity.sign, pakeIdentityProof(this.#role, this.#sidOutput));
      const { session, box } = await sealInSession(this.#session, proof, { ...options, random: this.#random });
      this.#session = session;
      return box;
    });
  }

  /**
   * Opens the other's proof and verifies it.
   * @param bytes a box, as received
   * @param options the time
   * @throws {ProtocolError} when it is not the time; nothing has changed then
   * @throws {AuthError} when it is no box of this session, or the signature is not that of the certificate's owner in
   * the other's role; the session is refused
   */
  async hear(bytes: Bytes, options: { readonly nowMs: number }): Promise<void> {
    this.#demand("toHear", "hear");
    await this.#work(this.#role === "initiator" ? "proven" : "toProve", async () => {
      if (bytes.length > BOX_MAX_BYTES) throw new DecodeError(`Cannot decode box: ${bytes.length} bytes`);
      const openOptions = { ...options, random: this.#random, boxHash: await sha256(bytes) };
      const opened = await openInSession(this.#session, decodeBox(bytes), openOptions);
      if (opened.kind !== "opened") throw new AuthError("Cannot open: the box was opened before");
      const expected = pakeIdentityProof(OTHER_ROLE[this.#role], this.#sidOutput);
      await verify(this.#peer.signPublic, expected, opened.plaintext);
      this.#session = opened.session;
    });
  }

  /**
   * Gives what a book takes in; called by the book alone.
   * @returns the session, and who it is with, proven
   * @throws {TypeError} before both proofs are through
   */
  result(): { readonly session: Session; readonly peer: Certificate } {
    if (this.#phase !== "proven") throw new TypeError(`Cannot take session: ${PHASE_TEXT[this.#phase]}`);
    return { session: this.#session, peer: this.#peer };
  }

  #demand(due: PakeSessionPhase, action: string): void {
    if (this.#phase !== due) throw new ProtocolError(`Cannot ${action}: ${PHASE_TEXT[this.#phase]}`);
  }

  /** Runs one step: no call may come between, and a failure refuses the session. */
  async #work<T>(next: PakeSessionPhase, step: () => Promise<T>): Promise<T> {
    this.#phase = "working";
    try {
      const result = await step();
      this.#phase = next;
      return result;
    } catch (error) {
      this.#phase = "refused";
      if (!(error instanceof DecodeError || error instanceof ProtocolError)) throw error;
      throw new AuthError("Cannot hear: the proof is no box of this session", { cause: error });
    }
  }
}
