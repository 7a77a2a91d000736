/**
 * A session by code (PROTOCOL §5): two who know the same words agree on a key and on who said what. Does no I/O.
 *
 * ```text
 * initiator (joins)                          responder (made the code)
 * open()            -- opening: Ya, ADa -->  answer()
 * confirm()         <-- answer: Yb, ADb, Tb
 * (agreed)          -- tag: Ta          -->  finish()   (agreed)
 *
 * PRS = the words      CI names the mailbox (code_keys.ts)      sid = rI 16 || rR 16
 * ```
 *
 * The two random halves of `sid` are exchanged before: the responder's with the news that a code waits, the initiator's
 * when it joins. Its law: one object is one try. Whatever fails burns it for ever, with a named reason, and nothing of
 * what the other said is given out before its tag verifies. A call out of turn, or while another one runs, throws and
 * changes nothing. Who sent a share and then hears nothing must call `burn()`, and never use the code again.
 * @module
 */

import { equalBytes } from "../bytes/equal.ts";
import { ProtocolError } from "../bytes/errors.ts";
import { type Bytes, concat } from "../bytes/writer.ts";
import { assertDhPublicKey, x25519 } from "../crypto/dh.ts";
import { type RandomBytes, secureRandom } from "../crypto/random.ts";
import { type BurnReason, burntError, type OutsideReason, reasonOf, Refusal } from "./burn_reason.ts";
import { pakeChannel, pakeSharedKey } from "./code_keys.ts";
import {
  decodeAnswer,
  decodeAssociated,
  decodeOpening,
  encodeAnswer,
  encodeAssociated,
  encodeOpening,
  PAKE_RANDOM_BYTES,
  type PakeAssociated,
  type PakeRole,
} from "./code_messages.ts";
import {
  calculateGenerator,
  confirmationTag,
  type CpaceInputs,
  type CpaceShare,
  type CpaceShares,
  deriveIsk,
  deriveSidOutput,
  sampleScalar,
} from "./cpace.ts";

/** Bytes of each half of the session id. */
export const SID_HALF_BYTES = 16;

/** What one party brings. */
export interface CodePakeOptions {
  /** Which of the two we are. */
  readonly role: PakeRole;
  /** `PRS`, the bytes of the words, secret. */
  readonly prs: Bytes;
  /** Names the meeting place, the same for both, not empty: the mailbox as UTF-8, or the hash of a link. */
  readonly mailbox: Bytes;
  /** `rI`, 16 bytes that the initiator drew. */
  readonly initiatorSid: Bytes;
  /** `rR`, 16 bytes that the responder drew. */
  readonly responderSid: Bytes;
  /** Our certificate, 1 to 1,024 bytes. */
  readonly certificate: Bytes;
  /** The public key of our first ratchet pair, 32 bytes. */
  readonly ratchetPublic: Bytes;
  /** Where the scalar and the random field come from. */
  readonly random?: RandomBytes;
}

/** What both have once they agreed. */
export interface PakeOutcome {
  /** `SK`, 32 bytes, secret. */
  readonly sharedKey: Bytes;
  /** `sid_output`, 64 bytes, public: names this run and no other. */
  readonly sidOutput: Bytes;
  /** What the other said of itself: who knows the code said it, but the certificate is not yet proven to be theirs. */
  readonly peer: PakeAssociated;
}

/** What the initiator has after the answer. */
export interface PakeConfirmed {
  /** `Ta`, 64 bytes to send. */
  readonly tag: Bytes;
  /** The outcome; whether the other has it too, only its next message tells. */
  readonly outcome: PakeOutcome;
}

/** The life of a try; `working` while a call awaits `subtle`. */
export type CodePakePhase = "toOpen" | "toConfirm" | "toAnswer" | "toFinish" | "working" | "agreed" | "burnt";

const PHASE_TEXT: Readonly<Record<CodePakePhase, string>> = {
  toOpen: "the opening comes first",
  toConfirm: "the answer is due",
  toAnswer: "the opening is due",
  toFinish: "the tag is due",
  working: "another call is running",
  agreed: "it is over",
  burnt: "it is burnt",
};

/** What we sent, and what the other's message will be combined with; secret. */
interface OwnShare {
  readonly scalar: Bytes;
  readonly share: CpaceShare;
}

/** The responder's state between its answer and the tag; secret. */
interface Awaited {
  readonly tag: Bytes;
  readonly outcome: PakeOutcome;
}

/** One try to agree by a code. */
export class CodePake {
  readonly #sid: Bytes;
  readonly #associated: PakeAssociated;
  readonly #random: RandomBytes;
  #inputs: CpaceInputs | undefined;
  #own: OwnShare | undefined;
  #awaited: Awaited | undefined;
  #phase: CodePakePhase;
  #reason: BurnReason | undefined;

  /**
   * Starts a try.
   * @param options what we bring
   * @throws {RangeError} when a field has another length than it must, or the words or the mailbox are empty
   */
  constructor(options: CodePakeOptions) {
    const { role, prs, mailbox, initiatorSid, responderSid, certificate, ratchetPublic } = options;
    if (initiatorSid.length !== SID_HALF_BYTES || responderSid.length !== SID_HALF_BYTES) {
      throw new RangeError(
        `Cannot start: session ids of ${initiatorSid.length} and ${responderSid.length} bytes, not ${SID_HALF_BYTES}`,
      );
    }
    if (prs.length === 0 || mailbox.length === 0) {
      throw new RangeError("Cannot start: the words or the mailbox are empty");
    }
    this.#random = options.random ?? secureRandom;
    this.#sid = concat(initiatorSid, responderSid);
    this.#inputs = { prs: prs.slice(), ci: pakeChannel(mailbox), sid: this.#sid };
    this.#associated = {
      role,
      certificate: certificate.slice(),
      ratchetPublic: ratchetPublic.slice(),
      random: this.#random(PAKE_RANDOM_BYTES),
    };
    encodeAssociated(this.#associated); // a wrong length is a bug of ours: it must not wait for the first message
    this.#phase = role === "initiator" ? "toOpen" : "toAnswer";
  }

  /** Where the try stands. */
  get phase(): CodePakePhase {
    return this.#phase;
  }

  /** Why it is burnt, `undefined` while it is not. */
  get burnReason(): BurnReason | undefined {
    return this.#reason;
  }

  /**
   * The initiator starts. From here on a try that does not come to its end has spent the code.
   * @returns the opening, to send
   * @throws {ProtocolError} when it is not the time; nothing has changed then
   * @throws {AuthError} when it was burnt meanwhile
   */
  async open(): Promise<Bytes> {
    this.#demand("toOpen", "open");
    return await this.#work("toConfirm", async () => {
      this.#own = await this.#makeShare();
      return encodeOpening(this.#own.share);
    });
  }

  /**
   * The responder answers an opening. From here on a try that does not come to its end has spent the code.
   * @param opening as received
   * @returns the answer, to send; it tells nothing of what the other said
   * @throws {ProtocolError} when it is not the time; nothing has changed then
   * @throws {AuthError} when the opening is refused; the try is burnt, `burnReason` tells why
   */
  async answer(opening: Bytes): Promise<Bytes> {
    this.#demand("toAnswer", "answer");
    return await this.#work("toFinish", async () => {
      const theirs = decodeOpening(opening);
      const peer = this.#readAssociated(theirs);
      const own = await this.#makeShare();
      const shares = { initiator: theirs, responder: own.share };
      const { isk, outcome } = await this.#agree(own, theirs, { shares, peer });
      this.#awaited = { tag: await confirmationTag(this.#sid, isk, theirs), outcome };
      return encodeAnswer({ share: own.share, tag: await confirmationTag(this.#sid, isk, own.share) });
    });
  }

  /**
   * The initiator reads the answer and verifies the responder's tag.
   * @param answer as received
   * @returns our tag, to send, and the outcome
   * @throws {ProtocolError} when it is not the time; nothing has changed then
   * @throws {AuthError} when the answer is refused; the try is burnt, `burnReason` tells why
   */
  async confirm(answer: Bytes): Promise<PakeConfirmed> {
    this.#demand("toConfirm", "confirm");
    const own = present(this.#own);
    return await this.#work("agreed", async () => {
      const { share: theirs, tag } = decodeAnswer(answer);
      if (equalBytes(theirs.y, own.share.y)) throw new Refusal("reflected");
      const peer = this.#readAssociated(theirs);
      const shares = { initiator: own.share, responder: theirs };
      const { isk, outcome } = await this.#agree(own, theirs, { shares, peer });
      if (!equalBytes(tag, await confirmationTag(this.#sid, isk, theirs))) throw new Refusal("wrongCode");
      return { tag: await confirmationTag(this.#sid, isk, own.share), outcome };
    });
  }

  /**
   * The responder verifies the initiator's tag.
   * @param tag as received
   * @returns the outcome
   * @throws {ProtocolError} when it is not the time; nothing has changed then
   * @throws {AuthError} when the tag is refused; the try is burnt, `burnReason` tells why
   */
  async finish(tag: Bytes): Promise<PakeOutcome> {
    this.#demand("toFinish", "finish");
    const awaited = present(this.#awaited);
    return await this.#work("agreed", () => {
      if (tag.length !== awaited.tag.length) throw new Refusal("malformed");
      if (!equalBytes(tag, awaited.tag)) throw new Refusal("wrongCode");
      return Promise.resolve(awaited.outcome);
    });
  }

  /**
   * Ends the try, also while a call runs, which then throws. Does nothing once it is over.
   * @param reason what the caller knows
   */
  burn(reason: OutsideReason): void {
    if (this.#phase !== "agreed" && this.#phase !== "burnt") this.#burn(reason);
  }

  #demand(due: CodePakePhase, action: string): void {
    if (this.#phase !== due) throw new ProtocolError(`Cannot ${action}: ${PHASE_TEXT[this.#phase]}`);
  }

  /** Runs one step from start to end: no call may come between, and a failure burns the try. */
  async #work<T>(next: CodePakePhase, step: () => Promise<T>): Promise<T> {
    this.#phase = "working";
    let result: T;
    try {
      result = await step();
    } catch (cause) {
      const found = reasonOf(cause);
      const reason = this.#reason ?? found; // burnt from outside meanwhile, it keeps that reason
      this.#burn(reason);
      if (found === "failed") throw cause;
      throw burntError(reason, cause);
    }
    if (this.#reason !== undefined) {
      this.#forget(); // the step went on after the burn and may have left its secrets
      throw burntError(this.#reason);
    }
    this.#phase = next;
    if (next === "agreed") this.#forget();
    return result;
  }

  #burn(reason: BurnReason): void {
    this.#phase = "burnt";
    this.#reason = reason;
    this.#forget();
  }

  /** What is not held cannot be used again. */
  #forget(): void {
    this.#inputs = undefined;
    this.#own = undefined;
    this.#awaited = undefined;
  }

  async #makeShare(): Promise<OwnShare> {
    const inputs = present(this.#inputs);
    this.#inputs = undefined; // one share a try: the words are not needed again
    const scalar = sampleScalar(this.#random);
    const y = await x25519(scalar, await calculateGenerator(inputs));
    return { scalar, share: { y, ad: encodeAssociated(this.#associated) } };
  }

  /** Checks all that can be checked before the tag. */
  #readAssociated(theirs: CpaceShare): PakeAssociated {
    // Other spellings of a share are computed by X25519; honest parties send none, and ours could come back as one.
    assertDhPublicKey(theirs.y);
    const peer = decodeAssociated(theirs.ad);
    const own = this.#associated;
    const isOurs = peer.role === own.role || equalBytes(peer.certificate, own.certificate) ||
      equalBytes(peer.ratchetPublic, own.ratchetPublic) || equalBytes(peer.random, own.random);
    if (isOurs) throw new Refusal("reflected");
    assertDhPublicKey(peer.ratchetPublic);
    return peer;
  }

  async #agree(
    own: OwnShare,
    theirs: CpaceShare,
    { shares, peer }: { readonly shares: CpaceShares; readonly peer: PakeAssociated },
  ): Promise<{ isk: Bytes; outcome: PakeOutcome }> {
    const isk = await deriveIsk(this.#sid, await x25519(own.scalar, theirs.y), shares);
    const sidOutput = await deriveSidOutput(shares);
    return { isk, outcome: { sharedKey: await pakeSharedKey(isk, sidOutput), sidOutput, peer } };
  }
}

/** A value that the phase guarantees; its absence is a bug of ours. */
function present<T>(value: T | undefined): T {
  if (value === undefined) throw new TypeError("Cannot continue: the try has forgotten what its phase needs");
  return value;
}
