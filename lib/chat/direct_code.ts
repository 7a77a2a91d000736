/**
 * A code on a direct link (PROTOCOL §5): CPace runs inside the link, with the hash h of its handshake as the mailbox. Who
 * stands between two links has two different h, and neither run agrees. What the two say of themselves under the code is
 * what the link has proved already: the certificate, and in place of a ratchet key the static key of the handshake.
 *
 * The words alone are the code, `able-sunset-violin`: there is nothing to meet at. Its law: one object is one try, and
 * who sent a share must call it spent unless both agreed.
 * @module
 */

import { decodeHex, encodeHex } from "@std/encoding/hex";
import { equalBytes } from "../bytes/equal.ts";
import { AuthError, ProtocolError, UserError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import type { RandomBytes } from "../crypto/random.ts";
import type { Certificate } from "../e2ee/certificate.ts";
import { codePrs, type CodeWords, MAILBOX_CHARS, parseCode, type WordList } from "../pake/code.ts";
import { CodePake, type PakeOutcome, SID_HALF_BYTES } from "../pake/code_pake.ts";
import type { Packet } from "../wire/messages.ts";
import { type DirectMessage, encodeDirectMessage } from "./direct_messages.ts";

/** Which end of a direct link: who listens made the code. */
export type DirectSide = "listener" | "caller";

/** What a try is made from. */
export interface DirectCodeOptions {
  /** Which end we are. */
  readonly side: DirectSide;
  /** The words; secret. */
  readonly words: CodeWords;
  /** h of the link, 32 bytes. */
  readonly handshakeHash: Bytes;
  /** Our certificate. */
  readonly own: Certificate;
  /** The other's, as the link proved it. */
  readonly peer: Certificate;
  /** Where scalars and halves of the session id come from. */
  readonly random: RandomBytes;
}

/** What a message brought about. */
export interface CodeStep {
  /** What to send, if anything. */
  readonly reply?: Bytes;
  /** Whether the other is proven to know the words. */
  readonly hasAgreed: boolean;
}

/** One try to agree by a code on one link. */
export class DirectCode {
  readonly #options: DirectCodeOptions;
  readonly #ownSid: Bytes;
  #pake: CodePake | undefined;

  /**
   * Starts a try; nothing is spent yet.
   * @param options the words and the link
   */
  constructor(options: DirectCodeOptions) {
    this.#options = options;
    this.#ownSid = options.random(SID_HALF_BYTES);
  }

  /** Whether a share of ours has left: from then on the words are spent, unless both agree. */
  get hasSentShare(): boolean {
    return this.#pake !== undefined;
  }

  /**
   * Gives what a listener says first.
   * @returns the packet
   */
  demand(): Bytes {
    return encodeDirectMessage({ t: "code", sid: encodeHex(this.#ownSid) });
  }

  /**
   * Takes in the other's next message.
   * @param packet what it said
   * @returns what to send, and whether both agreed
   * @throws {ProtocolError} when it is not its turn
   * @throws {AuthError} when it does not know the words, or is not who the link proved
   */
  async hear({ message, body }: Packet<DirectMessage>): Promise<CodeStep> {
    const isListener = this.#options.side === "listener";
    switch (message.t) {
      case "code":
        if (isListener) break;
        return { reply: await this.#open(decodeHex(message.sid)), hasAgreed: false };
      case "opening":
        if (!isListener) break;
        return { reply: await this.#answer(decodeHex(message.sid), body), hasAgreed: false };
      case "answer": {
        if (isListener || this.#pake === undefined) break;
        const { tag, outcome } = await this.#pake.confirm(body);
        this.#assertPeer(outcome);
        return { reply: encodeDirectMessage({ t: "tag" }, tag), hasAgreed: true };
      }
      case "tag":
        if (!isListener || this.#pake === undefined) break;
        this.#assertPeer(await this.#pake.finish(body));
        return { hasAgreed: true };
    }
    throw new ProtocolError("Cannot agree by code: another message is due");
  }

  async #open(theirSid: Bytes): Promise<Bytes> {
    const pake = this.#begin("initiator", { initiatorSid: this.#ownSid, responderSid: theirSid });
    return encodeDirectMessage({ t: "opening", sid: encodeHex(this.#ownSid) }, await pake.open());
  }

  async #answer(theirSid: Bytes, opening: Bytes): Promise<Bytes> {
    const pake = this.#begin("responder", { initiatorSid: theirSid, responderSid: this.#ownSid });
    return encodeDirectMessage({ t: "answer" }, await pake.answer(opening));
  }

  #begin(
    role: "initiator" | "responder",
    sids: { readonly initiatorSid: Bytes; readonly responderSid: Bytes },
  ): CodePake {
    if (this.#pake !== undefined) throw new ProtocolError("Cannot agree by code twice");
    const { words, handshakeHash, own, random } = this.#options;
    const card = { certificate: own.encoded, ratchetPublic: own.noisePublic };
    this.#pake = new CodePake({ role, prs: codePrs(words), mailbox: handshakeHash, ...sids, ...card, random });
    return this.#pake;
  }

  /** Whoever knows the words must be the one at the other end of this very link. */
  #assertPeer({ peer }: PakeOutcome): void {
    const { encoded, noisePublic } = this.#options.peer;
    if (equalBytes(peer.certificate, encoded) && equalBytes(peer.ratchetPublic, noisePublic)) return;
    throw new AuthError("Cannot agree by code: the certificate is not the one that the link has proved");
  }
}

/** Stands where the code of a relay names a mailbox. */
const NO_MAILBOX = "0".repeat(MAILBOX_CHARS);

/**
 * Reads the words as people type them.
 * @param text what was typed; never quoted in an error
 * @param list the words there are
 * @returns the words
 * @throws {UserError} `noSession`, which says what is wrong; nothing was tried with them
 */
export function readDirectCode(text: string, list: WordList): CodeWords {
  const parsed = parseCode(`${NO_MAILBOX} ${text}`, list);
  switch (parsed.kind) {
    case "code":
      return parsed.code.words;
    case "unknownWord":
      throw new UserError(
        "noSession",
        `That is no code: its word number ${parsed.place} is not in the list`,
        `Perhaps it is "${parsed.suggestion}". Nothing was tried, so the code still counts.`,
      );
    default:
      throw new UserError(
        "noSession",
        "That is no code: three words are expected, as able-sunset-violin",
        "Nothing was tried, so the code still counts.",
      );
  }
}

/**
 * Writes the words as they are read aloud.
 * @param words the words
 * @returns such as `able-sunset-violin`; secret
 */
export function spellDirectCode(words: CodeWords): string {
  return words.join("-");
}
