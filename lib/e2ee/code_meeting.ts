/**
 * Everything that two people who share a code say to each other before they are one session (PROTOCOL §5): CPace, its
 * tags, and the proofs of both identities. Bytes in, bytes out; how they travel is the caller's business.
 *
 * ```text
 * initiator (joins)                        responder (made the code)
 * begin()         -- opening -->           hear()
 * hear()          <-- answer --            (awaits the tag)
 *                 -- tag, proof -->        hear(), hear()
 * hear()          <-- proof --             (proven)
 * (proven)
 * ```
 *
 * Its law: one object is one try of one code. Whatever does not fit ends it for ever, with a named reason; nothing of
 * what the other said is given out before it is proven.
 * @module
 */

import { AuthError, DecodeError, ProtocolError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import { type DhKeyPair, generateDhKeyPair } from "../crypto/dh.ts";
import { type RandomBytes, secureRandom } from "../crypto/random.ts";
import type { BurnReason, OutsideReason } from "../pake/burn_reason.ts";
import type { PakeRole } from "../pake/code_messages.ts";
import { CodePake, type PakeOutcome } from "../pake/code_pake.ts";
import type { BundleOwner } from "./bundle.ts";
import { PakeSession } from "./pake_session.ts";

/** Why a meeting came to nothing: a reason of the code's, or the other is not who its certificate names. */
export type MeetingFailure = BurnReason | "wrongIdentity";

/** What one of the two brings. */
export interface CodeMeetingOptions {
  /** Which of the two we are. */
  readonly role: PakeRole;
  /** The words, as `codePrs` gives them; secret. */
  readonly prs: Bytes;
  /** Where the two meet, in bytes. */
  readonly mailbox: Bytes;
  /** `rI`, 16 bytes. */
  readonly initiatorSid: Bytes;
  /** `rR`, 16 bytes. */
  readonly responderSid: Bytes;
  /** Where all that is secret comes from. */
  readonly random?: RandomBytes;
}

/** A meeting that came to nothing. */
export class MeetingError extends AuthError {
  /** Its name. */
  readonly reason: MeetingFailure;

  /**
   * Makes the error.
   * @param reason why it came to nothing
   * @param cause what a lower layer threw
   */
  constructor(reason: MeetingFailure, cause?: unknown) {
    super(`Cannot meet by code: ${reason}`, cause === undefined ? {} : { cause });
    this.reason = reason;
  }
}

/** One try of two people to meet. */
export class CodeMeeting {
  readonly #owner: BundleOwner;
  readonly #options: CodeMeetingOptions;
  readonly #ratchet: DhKeyPair;
  readonly #pake: CodePake;
  #session: PakeSession | undefined;

  private constructor(owner: BundleOwner, options: CodeMeetingOptions, ratchet: DhKeyPair) {
    this.#owner = owner;
    this.#options = options;
    this.#ratchet = ratchet;
    this.#pake = new CodePake({
      ...options,
      certificate: owner.certificate.encoded,
      ratchetPublic: ratchet.publicBytes,
    });
  }

  /**
   * Makes a try; nothing is spent yet.
   * @param owner we, with the certificate that we show
   * @param options the code, and where the two meet
   * @returns the try
   */
  static async create(owner: BundleOwner, options: CodeMeetingOptions): Promise<CodeMeeting> {
    return new CodeMeeting(owner, options, await generateDhKeyPair(options.random ?? secureRandom));
  }

  /** The session once both are proven, `undefined` before. */
  get proven(): PakeSession | undefined {
    return this.#session?.phase === "proven" ? this.#session : undefined;
  }

  /** Whether the other was given our tag, by which it knows whether the words are the same, and owes us its own. */
  get awaitsTag(): boolean {
    return this.#pake.phase === "toFinish";
  }

  /**
   * Says the first message; for the initiator.
   * @returns the opening, to send
   */
  begin(): Promise<Bytes> {
    return this.#pake.open();
  }

  /**
   * Takes in the other's next message.
   * @param message as received
   * @param options the time
   * @returns what to send, in order; nothing while more is due
   * @throws {MeetingError} when it does not fit; the try is over, and the code spent
   */
  async hear(message: Bytes, options: { readonly nowMs: number }): Promise<Bytes[]> {
    try {
      return await this.#hear(message, options);
    } catch (error) {
      const isTheirs = error instanceof AuthError || error instanceof DecodeError || error instanceof ProtocolError;
      if (!isTheirs) throw error;
      this.#pake.burn("cancelled");
      this.#session = undefined;
      throw new MeetingError(this.#failure(), error);
    }
  }

  /**
   * Ends the try. Does nothing once both agreed on a key.
   * @param reason what the caller knows
   */
  burn(reason: OutsideReason): void {
    this.#pake.burn(reason);
  }

  async #hear(message: Bytes, options: { readonly nowMs: number }): Promise<Bytes[]> {
    switch (this.#pake.phase) {
      case "toAnswer":
        return [await this.#pake.answer(message)];
      case "toConfirm": {
        const { tag, outcome } = await this.#pake.confirm(message);
        this.#session = await this.#start(outcome);
        return [tag, await this.#session.prove(options)];
      }
      case "toFinish":
        this.#session = await this.#start(await this.#pake.finish(message));
        return [];
      case "agreed":
        return await this.#hearProof(message, options);
      default:
        throw new ProtocolError("Cannot hear: no message is due");
    }
  }

  async #hearProof(message: Bytes, options: { readonly nowMs: number }): Promise<Bytes[]> {
    const session = this.#session;
    if (session === undefined) throw new ProtocolError("Cannot hear: the try is over");
    await session.hear(message, options);
    return session.phase === "toProve" ? [await session.prove(options)] : [];
  }

  #start(outcome: PakeOutcome): Promise<PakeSession> {
    const { role, random } = this.#options;
    const from = { role, outcome, ratchet: this.#ratchet };
    return PakeSession.start(this.#owner, random === undefined ? from : { ...from, random });
  }

  /** What fails once the code agreed is not the code. */
  #failure(): MeetingFailure {
    return this.#pake.phase === "agreed" ? "wrongIdentity" : this.#pake.burnReason ?? "malformed";
  }
}
