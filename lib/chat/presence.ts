/**
 * Who is on the relay: those whom it names are met here, and the answers to `/users`. Who is in which room is for
 * `room_place.ts` to say.
 * @module
 */

import { AuthError, DecodeError, UserError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import type { Bytes } from "../bytes/writer.ts";
import { CERTIFICATE_MAX_BYTES, verifyCertificate } from "../e2ee/certificate.ts";
import { encodeClientMessage, type Fingerprint, type RelayMessage } from "../wire/messages.ts";
import type { Member, Ref, RoomMember } from "./events.ts";
import type { Keyring } from "./keyring.ts";
import type { Meeting, People, Person } from "./people.ts";
import { type About, notice, type Turn } from "./turn.ts";
import { WhoRequests } from "./who_requests.ts";

/** What `Presence` is made from. */
export interface PresenceOptions {
  /** Ourselves, whom no list shows. */
  readonly own: Fingerprint;
  /** Who was shown. */
  readonly people: People;
  /** Gives the room that the person is in, `undefined` in none. */
  readonly current: () => { readonly name: string; readonly members: readonly RoomMember[] } | undefined;
  /** Who begins a new session with somebody whose client may have lost the old ones. */
  readonly keyring: Keyring;
}

/** Those on one client's relay. */
export class Presence {
  readonly #options: PresenceOptions;
  readonly #who = new WhoRequests();

  /**
   * Starts with nobody.
   * @param options who we are and where
   */
  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  /** Those who asked and were not answered. */
  get questions(): Pick<WhoRequests, "isEmpty" | "isFull"> {
    return this.#who;
  }

  /**
   * Notes that somebody wants to know who is linked to the relay.
   * @param ref what comes back with the answer
   */
  ask(ref: Ref | undefined): void {
    this.#who.add(ref);
  }

  /** Notes that the link is gone: nobody is here as far as we know, and questions are asked again. */
  unlink(): void {
    this.#who.unlink();
    this.#options.people.unlink();
  }

  /** Notes that the client itself wants to know it: somebody wrote whom the relay never showed. */
  want(): void {
    this.#who.want();
  }

  /**
   * Asks what somebody wants to know, as soon as it is time.
   * @param turn time and effects
   */
  askNext(turn: Turn): void {
    const ref = this.#who.start(turn.nowMs);
    if (ref !== undefined) turn.effects.push({ kind: "send", packet: encodeClientMessage({ t: "who", ref }) });
  }

  /**
   * Takes in a page of an answer; people count as here once the last page was shown.
   * @param message which question, and whether more follow
   * @param body certificates
   * @param turn time and effects
   * @throws {DecodeError} when the page is malformed
   * @throws {ProtocolError} when nobody asked
   */
  async answered(message: Extract<RelayMessage, { t: "people" }>, body: Bytes, turn: Turn): Promise<void> {
    const { ref: number, more } = message;
    const answer = this.#who.take({ number, more, certificates: cutCertificates(body) });
    if (answer === undefined) return;
    const { people } = this.#options;
    const linked = new Set<Fingerprint>();
    for (const certificate of answer.certificates) {
      const meeting = await this.meet(certificate, turn, { isHere: true });
      if (meeting !== undefined) linked.add(meeting.person.certificate.fingerprint);
    }
    people.keepHere(linked);
    const { name: room, members } = this.#options.current() ?? { name: "", members: [] };
    const inRoom = new Set(members.map(({ fingerprint }) => fingerprint));
    const elsewhere = people.here().filter(({ certificate: { fingerprint } }) => !inRoom.has(fingerprint))
      .map((person) => people.show(person));
    for (const ref of answer.refs) {
      const refField = ref === undefined ? {} : { ref };
      turn.effects.push({ kind: "show", event: { type: "users", room, members, elsewhere, ...refField } });
    }
  }

  /**
   * Tells when the next question may be asked.
   * @returns the time, `undefined` when none waits
   */
  nextDueMs(): number | undefined {
    return this.#who.nextDueMs();
  }

  /**
   * Meets a certificate that the relay gave; one that is not what it seems is told and its owner left out.
   * @param bytes the certificate
   * @param turn time and effects
   * @param where the room they are in, or that they are linked
   * @returns who it is, `undefined` when it is us, or not valid
   */
  async meet(
    bytes: Bytes,
    turn: Turn,
    where: { readonly room?: Fingerprint; readonly isHere?: boolean },
  ): Promise<Meeting | undefined> {
    const { own, people, keyring } = this.#options;
    let meeting: Meeting;
    try {
      const certificate = await verifyCertificate(bytes);
      if (certificate.fingerprint === own) return undefined;
      meeting = people.meet(certificate, { ...where, nowMs: turn.nowMs });
    } catch (error) {
      // A UserError is a handle that is malformed.
      if (!(error instanceof AuthError || error instanceof DecodeError || error instanceof UserError)) throw error;
      notice(
        turn,
        "badCertificate",
        "The relay showed somebody whose certificate is not valid; nothing is sent to them",
      );
      return undefined;
    }
    keyring.renew(meeting.person.certificate);
    return meeting;
  }
}

/**
 * Cuts a page of certificates.
 * @param body the page
 * @returns each of them, not verified
 * @throws {DecodeError} when the page is malformed
 */
export function cutCertificates(body: Bytes): Bytes[] {
  const reader = new ByteReader(body, "certificates");
  const certificates: Bytes[] = [];
  while (reader.remaining > 0) certificates.push(reader.lv(CERTIFICATE_MAX_BYTES));
  return certificates;
}

/**
 * Warns that a name has another key than before.
 * @param people who was met
 * @param person who comes under that name
 * @returns a sentence, with what to type
 */
export function changedWarning(people: People, person: Person): string {
  const name = people.address(person);
  return `The key of ${person.certificate.handle} CHANGED: somebody else may be using the name. Nothing is sent to them ` +
    "until you " +
    (people.hasVerifiedName(person)
      ? `compare numbers again (/verify ${name}): you had verified another key. /trust ${name} accepts it unverified`
      : `compare numbers (/verify ${name}) or accept the new key unseen with /trust ${name}`);
}

/**
 * Warns of somebody whose key changed.
 * @param people who was met
 * @param member who
 * @param turn time and effects
 * @param about the room in which they are met
 */
export function warnIfChanged(people: People, member: Member, turn: Turn, about: About): void {
  if (member.trust !== "changed" || member.distrusted) return; // whoever distrusts a key needs no telling
  const person = people.get(member.fingerprint);
  if (person !== undefined) notice(turn, "keyChanged", changedWarning(people, person), about);
}
