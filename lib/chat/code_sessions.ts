/**
 * Sessions by code over a relay (PROTOCOL §5): from "make me a code" or "here is a code" to a proven person and a
 * conversation like any other. The relay draws the mailbox and hands opaque messages over; the words stay here.
 *
 * ```text
 * create:  asked ── mailboxCreated ──> waiting ── mailboxPeer ──> agreeing ── proofs ──> secured
 * join:    asked ── mailboxJoined ─────────────────────────────> agreeing ── proofs ──> secured
 * ```
 *
 * Its law: one code, one try. From `agreeing` on, whatever does not end in `secured` burns the code: a wrong message, a
 * peer that goes, a minute of silence. Nobody is introduced, and nothing is sealed for them, before both are proven.
 * @module
 */

import { AuthError, ProtocolError, UserError } from "../bytes/errors.ts";
import type { Mailbox } from "../bytes/mailbox.ts";
import { type Bytes, utf8 } from "../bytes/writer.ts";
import type { RandomBytes } from "../crypto/random.ts";
import type { BundleOwner } from "../e2ee/bundle.ts";
import { CodeMeeting, MeetingError } from "../e2ee/code_meeting.ts";
import type { PakeSession } from "../e2ee/pake_session.ts";
import { codePrs, type CodeWords, formatCode, parseCode, type WordList } from "../pake/code.ts";
import { SID_HALF_BYTES } from "../pake/code_pake.ts";
import { type ClientMessage, encodeClientMessage, type RelayMessage } from "../wire/messages.ts";
import type { SessionCommand } from "./commands.ts";
import type { Ref } from "./events.ts";
import { type BurntCode, BurntCodes } from "./burnt_codes.ts";
import type { Keyring } from "./keyring.ts";
import type { People, Person } from "./people.ts";
import { demandCode, nameMoved, sessionError, type SessionFailure } from "./session_words.ts";
import { notice, type Turn } from "./turn.ts";

/** How long a code waits for somebody: as long as a relay keeps its mailbox. */
export const CODE_LIFE_MS: number = 10 * 60 * 1_000;
/** How long the two may take to agree; they are both there, and it is five short messages. */
export const AGREE_TIMEOUT_MS = 60_000;
/** Secured sessions whose other end is watched; of more, the oldest is a conversation like any other only. */
export const WATCHED_MAX = 8;

/** What a relay says about mailboxes. */
export type MailboxMessage = Extract<
  RelayMessage,
  { t: "mailboxCreated" | "mailboxJoined" | "mailboxRefused" | "mailboxPeer" | "mail" | "mailboxEnded" }
>;

const MAILBOX_KINDS: Readonly<Record<MailboxMessage["t"], true>> = {
  mailboxCreated: true,
  mailboxJoined: true,
  mailboxRefused: true,
  mailboxPeer: true,
  mail: true,
  mailboxEnded: true,
};

/**
 * Tells whether a relay's message is about a mailbox.
 * @param message what it says
 * @returns whether it is
 */
export function isAboutMailbox(message: RelayMessage): message is MailboxMessage {
  return Object.hasOwn(MAILBOX_KINDS, message.t);
}

/** What became of a session; told to whoever owns the conversation. */
export type SessionOutcome =
  | { readonly kind: "secured"; readonly person: Person }
  /** It did not come about. */
  | { readonly kind: "failed"; readonly error: UserError; readonly ref: Ref | undefined }
  /** The other side of a secured one went away. */
  | { readonly kind: "peerGone"; readonly person: Person; readonly isLost: boolean };

/** What `CodeSessions` is made from. */
export interface CodeSessionsOptions {
  /** We. */
  readonly owner: BundleOwner;
  /** Who was shown; whoever is proven is added. */
  readonly people: People;
  /** What takes proven sessions in. */
  readonly keyring: Keyring;
  /** What codes are drawn from and read by. */
  readonly words: WordList;
  /** Where all that is secret comes from. */
  readonly random: RandomBytes;
  /** Codes that were used up in earlier runs. */
  readonly burnt?: readonly BurntCode[] | undefined;
  /** Is told what became of a session, within the turn. */
  readonly told: (outcome: SessionOutcome, turn: Turn) => void;
}

/** The one session that is being made. */
interface Pending {
  readonly role: "initiator" | "responder";
  /** What the relay's answer to our first message carries. */
  readonly request: number;
  readonly words: CodeWords;
  /** The mailbox of the code that was typed; `undefined` for whoever makes the code. */
  readonly wanted: Mailbox | undefined;
  /** Our half of the session id. */
  readonly sid: Bytes;
  readonly ref: Ref | undefined;
  /** Known from the relay's answer on. */
  mailbox: Mailbox | undefined;
  /** There from `agreeing` on. */
  meeting: CodeMeeting | undefined;
  /** When it is given up. */
  dueMs: number;
}

/** The sessions by code of one client on one relay. */
export class CodeSessions {
  readonly #options: CodeSessionsOptions;
  readonly #watched = new Map<Mailbox, Person>();
  readonly #burnt: BurntCodes;
  #pending: Pending | undefined;
  #lastRequest = 0;

  /**
   * Starts with none.
   * @param options who we are and what we share with the chat
   */
  constructor(options: CodeSessionsOptions) {
    this.#options = options;
    this.#burnt = new BurntCodes(options.burnt);
  }

  /**
   * Tells what a store is to keep that was not told before: codes that were used up.
   * @returns the changes
   */
  takeChanges(): BurntCode[] {
    return this.#burnt.takeChanges();
  }

  /**
   * Tells when what is being made is given up.
   * @returns the time, `undefined` when nothing is being made
   */
  nextDueMs(): number | undefined {
    return this.#pending?.dueMs;
  }

  /**
   * Does what the person wants.
   * @param command what
   * @param ref what a script put beside it
   * @param turn time and effects
   * @throws {UserError} `badLine` when another one is being made, or none; `noSession` when the code has a typo
   */
  obey(command: SessionCommand, ref: Ref | undefined, turn: Turn): void {
    switch (command.action) {
      case "create":
        return this.#create(ref, turn);
      case "join":
        return this.#join(command.code, ref, turn);
      case "cancel":
        if (this.#pending === undefined) throw new UserError("badLine", "Nothing was done: no session is being made");
        return this.#fail("cancelled", turn);
    }
  }

  /**
   * Takes in what the relay says about a mailbox. What is about one that is over is dropped: it was on its way.
   * @param message what it says
   * @param body the opaque bytes that came with it
   * @param turn time and effects
   * @throws {ProtocolError} when it is out of order
   */
  async hear(message: MailboxMessage, body: Bytes, turn: Turn): Promise<void> {
    switch (message.t) {
      case "mailboxCreated":
        return this.#created(message, turn);
      case "mailboxJoined":
        return await this.#joined(message, body, turn);
      case "mailboxRefused":
        if (this.#pending?.request === message.ref && this.#pending.mailbox === undefined) {
          this.#fail(message.code, turn);
        }
        return;
      case "mailboxPeer":
        return await this.#peerCame(message.mailbox, body, turn);
      case "mail":
        return await this.#mail(message.mailbox, body, turn);
      case "mailboxEnded":
        return this.#ended(message, turn);
    }
  }

  /**
   * Gives up what took too long.
   * @param turn time and effects
   */
  expire(turn: Turn): void {
    const pending = this.#pending;
    if (pending === undefined || turn.nowMs < pending.dueMs) return;
    this.#fail(pending.meeting === undefined && pending.mailbox !== undefined ? "expired" : "timeout", turn);
  }

  #create(ref: Ref | undefined, turn: Turn): void {
    const { words, random } = this.#options;
    const pending = this.#begin({ role: "responder", words: words.draw(random), wanted: undefined, ref }, turn);
    send({ t: "createMailbox", ref: pending.request }, turn, pending.sid);
  }

  #join(typed: string, ref: Ref | undefined, turn: Turn): void {
    const code = demandCode(parseCode(typed, this.#options.words));
    const { mailbox, words } = code;
    if (this.#burnt.isBurnt(formatCode(code), turn.nowMs)) {
      throw new UserError(
        "noSession",
        "Nothing was tried: that code is used up, for one try was made with it",
        "Ask for a new one.",
      );
    }
    const pending = this.#begin({ role: "initiator", words, wanted: mailbox, ref }, turn);
    send({ t: "joinMailbox", ref: pending.request, mailbox }, turn, pending.sid);
  }

  #begin(how: Pick<Pending, "role" | "words" | "wanted" | "ref">, turn: Turn): Pending {
    if (this.#pending !== undefined) {
      throw new UserError("badLine", "Nothing was done: a session is being made", "/session cancel gives it up.");
    }
    this.#pending = {
      ...how,
      request: ++this.#lastRequest,
      sid: this.#options.random(SID_HALF_BYTES),
      mailbox: undefined,
      meeting: undefined,
      dueMs: turn.nowMs + AGREE_TIMEOUT_MS,
    };
    return this.#pending;
  }

  #created({ ref, mailbox }: Extract<MailboxMessage, { t: "mailboxCreated" }>, turn: Turn): void {
    const pending = this.#awaiting("responder", ref);
    if (pending === undefined) return send({ t: "leaveMailbox", mailbox }, turn); // cancelled meanwhile
    pending.mailbox = mailbox;
    pending.dueMs = turn.nowMs + CODE_LIFE_MS;
    const code = formatCode({ mailbox, words: pending.words });
    const refField = pending.ref === undefined ? {} : { ref: pending.ref };
    turn.effects.push({ kind: "show", event: { type: "waiting", code, expiresAt: pending.dueMs, ...refField } });
  }

  async #joined(
    { ref, mailbox }: Extract<MailboxMessage, { t: "mailboxJoined" }>,
    body: Bytes,
    turn: Turn,
  ): Promise<void> {
    const pending = this.#awaiting("initiator", ref);
    if (pending === undefined) return send({ t: "leaveMailbox", mailbox }, turn);
    if (pending.wanted !== mailbox) throw new ProtocolError("Cannot join another mailbox than the code names");
    pending.mailbox = mailbox;
    // Kept before our share leaves: whatever becomes of this try, there is no second one.
    this.#burnt.burn(formatCode({ mailbox, words: pending.words }), turn.nowMs);
    const meeting = await this.#meet(pending, { initiatorSid: pending.sid, responderSid: helloOf(body) }, turn);
    send({ t: "mail", mailbox }, turn, await meeting.begin());
  }

  async #peerCame(mailbox: Mailbox, body: Bytes, turn: Turn): Promise<void> {
    const pending = this.#pending;
    if (pending?.mailbox !== mailbox) return;
    if (pending.meeting !== undefined) throw new ProtocolError("Cannot meet two by one code");
    turn.effects.push({ kind: "show", event: { type: "peerJoined" } });
    await this.#meet(pending, { initiatorSid: helloOf(body), responderSid: pending.sid }, turn);
  }

  async #meet(
    pending: Pending,
    sids: { readonly initiatorSid: Bytes; readonly responderSid: Bytes },
    turn: Turn,
  ): Promise<CodeMeeting> {
    const { owner, random } = this.#options;
    const { role, words, mailbox } = pending;
    pending.dueMs = turn.nowMs + AGREE_TIMEOUT_MS;
    const place = { prs: codePrs(words), mailbox: utf8(mailbox as Mailbox) };
    pending.meeting = await CodeMeeting.create(owner, { role, ...place, ...sids, random });
    return pending.meeting;
  }

  async #mail(mailbox: Mailbox, body: Bytes, turn: Turn): Promise<void> {
    const pending = this.#pending;
    const meeting = pending?.meeting;
    if (pending?.mailbox !== mailbox || meeting === undefined) return;
    try {
      const replies = await meeting.hear(body, turn);
      if (meeting.proven !== undefined) this.#secure(meeting.proven, mailbox, turn);
      for (const reply of replies) send({ t: "mail", mailbox }, turn, reply);
    } catch (error) {
      if (!(error instanceof MeetingError)) throw error;
      this.#fail(error.reason, turn);
    }
  }

  /** Takes the proven person in; what is sent after this leaves once it is kept. */
  #secure(session: PakeSession, mailbox: Mailbox, turn: Turn): void {
    const { people, keyring } = this.#options;
    const { peer } = session.result();
    let person: Person;
    try {
      person = people.meet(peer, { nowMs: turn.nowMs, isHere: true }).person;
    } catch (error) {
      if (!(error instanceof UserError || error instanceof AuthError)) throw error;
      throw new MeetingError("wrongIdentity", error); // a handle or a time that no relay would let pass
    }
    keyring.adoptCode(session, turn.nowMs);
    const isTakenOver = people.trust(person) === "changed" && !people.isDistrusted(person);
    // A code does not take back what the person said of a key.
    if (!people.isDistrusted(person)) people.verifyByCode(person);
    this.#pending = undefined;
    this.#watch(mailbox, person, turn);
    const { handle, ...key } = people.show(person);
    turn.effects.push({ kind: "show", event: { type: "secured", with: handle, ...key, path: "relay" } });
    if (isTakenOver) notice(turn, "nameMoved", nameMoved(handle));
    if (key.distrusted) notice(turn, "distrusted", `You distrust the key of ${handle}: nothing is sent to them`);
    this.#options.told({ kind: "secured", person }, turn);
  }

  /** Whether no mailbox is open, so that nothing is lost with the link. */
  get isIdle(): boolean {
    return this.#pending === undefined && this.#watched.size === 0;
  }

  /**
   * Notes that the link is gone, and with it every mailbox: what was not agreed on yet has failed.
   * @param turn time and effects
   */
  unlink(turn: Turn): void {
    this.#watched.clear();
    if (this.#pending === undefined) return;
    this.#pending = { ...this.#pending, mailbox: undefined };
    this.#fail("lineBroken", turn);
  }

  #watch(mailbox: Mailbox, person: Person, turn: Turn): void {
    this.#watched.set(mailbox, person);
    for (const oldest of this.#watched.keys()) {
      if (this.#watched.size <= WATCHED_MAX) break;
      this.#watched.delete(oldest);
      send({ t: "leaveMailbox", mailbox: oldest }, turn);
    }
  }

  #ended({ mailbox, reason }: Extract<MailboxMessage, { t: "mailboxEnded" }>, turn: Turn): void {
    const person = this.#watched.get(mailbox);
    if (person !== undefined) {
      this.#watched.delete(mailbox);
      return this.#options.told({ kind: "peerGone", person, isLost: reason === "lost" }, turn);
    }
    const pending = this.#pending;
    if (pending?.mailbox !== mailbox) return;
    if (reason === "expired") return this.#fail("expired", turn);
    // Whoever leaves with our tag in hand and does not show theirs typed other words, or guessed.
    if (pending.meeting?.awaitsTag === true) return this.#fail(reason === "left" ? "wrongCode" : "lineBroken", turn);
    this.#fail(reason === "left" ? "peerLeft" : "peerLost", turn);
  }

  #fail(why: SessionFailure, turn: Turn): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    pending.meeting?.burn(why === "timeout" ? "timeout" : why === "cancelled" ? "cancelled" : "lineBroken");
    if (pending.mailbox !== undefined) send({ t: "leaveMailbox", mailbox: pending.mailbox }, turn);
    if (why === "wrongCode" || why === "taken" || why === "expired") {
      turn.effects.push({ kind: "show", event: { type: why } });
    }
    this.#options.told({ kind: "failed", error: sessionError(why), ref: pending.ref }, turn);
  }

  /** What waits for the relay's answer to a request; one of another role or number was given up. */
  #awaiting(role: Pending["role"], request: number): Pending | undefined {
    const pending = this.#pending;
    return pending?.role === role && pending.request === request && pending.mailbox === undefined ? pending : undefined;
  }
}

function helloOf(body: Bytes): Bytes {
  if (body.length !== SID_HALF_BYTES) throw new ProtocolError("Cannot meet: half of the session id is missing");
  return body;
}

function send(message: ClientMessage, turn: Turn, body?: Bytes): void {
  turn.effects.push({ kind: "send", packet: encodeClientMessage(message, body) });
}
