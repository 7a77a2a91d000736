/**
 * Everybody whom the person was shown on this relay, by key: the names, who is in which room, and how well each key is
 * known, which the trust book tells (PROTOCOL 5.3). Those who were met in earlier runs are there from the start, here
 * or gone.
 * @module
 */

import { AuthError, ProtocolError, UserError } from "../bytes/errors.ts";
import type { Certificate } from "../e2ee/certificate.ts";
import { checkHandle } from "../wire/handle.ts";
import type { Fingerprint } from "../wire/messages.ts";
import type { Member, Peer, Trust } from "./events.ts";
import { readFingerprint } from "./fingerprint.ts";
import type { PeerRecord } from "./peer_record.ts";
import { MET_MAX, type NamedKey, type PeerRecordChange, TrustBook } from "./trust_book.ts";

/** How many people a relay may show at once: more than one admits. */
export const PEOPLE_MAX = 10_000;
/** How many people are in memory: all that a store keeps, and those here. Of those gone, who means nothing goes first. */
export const PEOPLE_KNOWN_MAX: number = MET_MAX + PEOPLE_MAX;

/** How far ahead of this clock a certificate may have been made: clocks are wrong by hours, not by days. */
const CERTIFICATE_AHEAD_MAX_MS: number = 24 * 60 * 60 * 1_000;

/** Somebody who was met. */
export interface Person {
  /** What says who it is, the newest that was seen. */
  readonly certificate: Certificate;
  /** The handle folded, as names are compared. */
  readonly folded: string;
  /** The rooms of ours that they are in right now, as the relay says, by id. */
  readonly rooms: ReadonlySet<Fingerprint>;
  /** Whether the relay says that they are linked. */
  readonly isHere: boolean;
}

/** Where and when somebody was met. */
export interface Sighting {
  /** The time now, in milliseconds since 1970 (UTC). */
  readonly nowMs: number;
  /** The room they are in; left out when it is not known. */
  readonly room?: Fingerprint;
  /** Whether they are linked to the relay; being in a room says so too. */
  readonly isHere?: boolean;
}

/** What meeting a certificate did. */
export interface Meeting {
  /** Who it is now. */
  readonly person: Person;
  /** Whether the certificate is newer than the one known: they have another name, or started anew without a past. */
  readonly hasNewCertificate: boolean;
  /** Whether they were not known to be in that room. */
  readonly isNewInRoom: boolean;
}

/** The people of one client on one relay. */
export class People {
  readonly #people = new Map<Fingerprint, Person>();
  readonly #book: TrustBook;

  /**
   * Starts with those who were met before.
   * @param remembered what {@linkcode takeChanges} gave in earlier runs, the last of each key
   */
  constructor(remembered: readonly PeerRecord[] = []) {
    this.#book = new TrustBook(remembered);
    for (const { certificate } of remembered) {
      const folded = checkHandle(certificate.handle).folded;
      this.#people.set(certificate.fingerprint, { certificate, folded, rooms: new Set(), isHere: false });
    }
  }

  /**
   * Tells what a store is to keep that was not told before.
   * @returns one change for each key
   */
  takeChanges(): PeerRecordChange[] {
    return this.#book.takeChanges();
  }

  /**
   * Meets a verified certificate that the relay gave: in a roster, a join, or an answer to `who`. Only so does somebody
   * come by a name, for only the relay sees to it that no two have the same.
   * @param certificate whose signature was verified
   * @param sighting when and where
   * @returns who it is; an older certificate than the one known changes nothing
   * @throws {UserError} `nameInvalid` when its handle is malformed or not in NFC
   * @throws {AuthError} when it is of a later day: it would be the newest for ever
   * @throws {ProtocolError} when more people are here than any honest relay has
   */
  meet(certificate: Certificate, sighting: Sighting): Meeting {
    const { folded, handle } = checkHandle(certificate.handle);
    if (handle !== certificate.handle) throw new UserError("nameInvalid", "The name in the certificate is not in NFC");
    const { fingerprint } = certificate;
    const { room, isHere = false, nowMs } = sighting;
    if (certificate.createdMs > nowMs + CERTIFICATE_AHEAD_MAX_MS) {
      throw new AuthError("Cannot meet certificate: it is from the future");
    }
    const before = this.#people.get(fingerprint);
    if (before === undefined) this.#makeRoom();
    const newest = before?.certificate ?? this.#book.certificate(fingerprint);
    const isNewer = newest === undefined || certificate.createdMs > newest.createdMs;
    const rooms = new Set(before?.rooms);
    if (room !== undefined) rooms.add(room);
    const person: Person = {
      certificate: isNewer ? certificate : newest,
      folded: isNewer ? folded : checkHandle(newest.handle).folded,
      rooms,
      isHere: isHere || rooms.size > 0 || (before?.isHere ?? false),
    };
    const hasNewCertificate = newest !== undefined && isNewer;
    const hasComeBack = hasNewCertificate || (before !== undefined && !before.isHere);
    this.#book.meet(person.certificate, person.folded, { nowMs, hasComeBack });
    this.#people.set(fingerprint, person);
    return { person, hasNewCertificate, isNewInRoom: room !== undefined && before?.rooms.has(room) !== true };
  }

  /**
   * Takes in the certificate that came with somebody's own message. It introduces nobody and renames nobody.
   * @param certificate whose signature was verified
   * @param isPrivate whether the message was: its author is on this relay, in whatever room
   * @returns who it is, `undefined` when the relay never showed them
   */
  hear(certificate: Certificate, isPrivate: boolean): Omit<Meeting, "isNewInRoom"> | undefined {
    const before = this.#people.get(certificate.fingerprint);
    if (before === undefined) return undefined;
    const hasNewCertificate = certificate.createdMs > before.certificate.createdMs;
    const isSameName = certificate.handle === before.certificate.handle;
    const person: Person = {
      ...before,
      certificate: hasNewCertificate && isSameName ? certificate : before.certificate,
      isHere: before.isHere || isPrivate,
    };
    this.#people.set(certificate.fingerprint, person);
    this.#book.renew(person.certificate);
    return { person, hasNewCertificate };
  }

  /**
   * Forgets that somebody is in a room.
   * @param fingerprint who
   * @param room which one
   * @param isLinked whether they are linked to the relay still
   * @returns who it was, `undefined` when they were not there
   */
  leave(fingerprint: Fingerprint, room: Fingerprint, isLinked = false): Person | undefined {
    const person = this.#people.get(fingerprint);
    if (person === undefined || !person.rooms.has(room)) return undefined;
    const rooms = new Set(person.rooms);
    rooms.delete(room);
    this.#people.set(fingerprint, { ...person, rooms, isHere: isLinked || rooms.size > 0 });
    return person;
  }

  /**
   * Forgets who is in a room, for we are in it no more.
   * @param room which one
   */
  leaveRoom(room: Fingerprint): void {
    for (const [fingerprint, person] of this.#people) {
      if (!person.rooms.has(room)) continue;
      const rooms = new Set(person.rooms);
      rooms.delete(room);
      this.#people.set(fingerprint, { ...person, rooms });
    }
  }

  /** Notes that the link is gone: who is here is not known any more. */
  unlink(): void {
    for (const [who, person] of this.#people) this.#people.set(who, { ...person, rooms: new Set(), isHere: false });
  }

  /**
   * Takes in who is linked: those in none of our rooms and not among them are gone.
   * @param linked the keys of all who are linked
   */
  keepHere(linked: ReadonlySet<Fingerprint>): void {
    for (const [fingerprint, person] of this.#people) {
      const isHere = person.rooms.size > 0 || linked.has(fingerprint);
      if (isHere !== person.isHere) this.#people.set(fingerprint, { ...person, isHere });
    }
  }

  /**
   * Finds somebody by key.
   * @param fingerprint who
   * @returns who it is, `undefined` when never met
   */
  get(fingerprint: Fingerprint): Person | undefined {
    return this.#people.get(fingerprint);
  }

  /**
   * Lists those who are linked to the relay.
   * @returns who is there, by handle
   */
  here(): Person[] {
    return this.#sorted((person) => person.isHere);
  }

  /**
   * Lists everybody who was ever met.
   * @returns them with what is known of them, by handle
   */
  everybody(): Peer[] {
    return this.#sorted(() => true).map((person) => {
      const firstSeen = this.#book.firstSeenMs(person.certificate.fingerprint);
      return { ...this.show(person), firstSeen, isHere: person.isHere };
    });
  }

  /**
   * Finds to whom the person wants to write: somebody who is here before somebody who comes back.
   * @param name a handle in any spelling that folds to theirs, or a whole fingerprint
   * @returns the one person of that name
   * @throws {UserError} `noSuchPerson` when nobody of that name is here or will be, or two keys claim it
   */
  resolve(name: string): Person {
    const found = this.#meant(name).filter(canBeReached);
    return onlyOne(found, "Nobody of that name is here", "/users shows who is here, /peers whom you met.");
  }

  /**
   * Finds whose key the person means: somebody who is here before somebody who is gone, for a key stays what it is.
   * @param name a handle in any spelling that folds to theirs, or a whole fingerprint
   * @returns the one person of that name who was ever met
   * @throws {UserError} `noSuchPerson` when nobody of that name was met, or two keys claim it
   */
  resolveMet(name: string): Person {
    return onlyOne(this.#meant(name), "Nobody of that name was met yet", "/peers shows who was.");
  }

  /**
   * Finds the one of some people whom a name means.
   * @param some who may be meant
   * @param name a handle in any spelling that folds to theirs
   * @returns `undefined` when it is the name of none of them, or of several
   */
  among(some: readonly Person[], name: string): Person | undefined {
    const folded = foldedOrNone(name);
    const [only, other] = some.filter((person) => person.folded === folded);
    return other === undefined ? only : undefined;
  }

  /**
   * Tells what to type in a command so that it means one person and no other.
   * @param person who
   * @returns their handle, or their fingerprint when the handle could mean another key
   */
  address(person: Person): string {
    const { handle, fingerprint } = person.certificate;
    const [meant, other] = this.#meant(handle);
    return meant?.certificate.fingerprint === fingerprint && other === undefined ? handle : fingerprint;
  }

  /**
   * Tells how well somebody's key is known.
   * @param person who
   * @returns the mark that every line of theirs carries
   */
  trust(person: Person): Trust {
    return this.#book.trust(keyOf(person));
  }

  /**
   * Tells whether the person distrusted somebody's key.
   * @param person who
   * @returns whether that is why it is held back
   */
  isDistrusted(person: Person): boolean {
    return this.#book.isDistrusted(person.certificate.fingerprint);
  }

  /**
   * Tells whether somebody comes under a name whose owner was verified.
   * @param person who, of either key
   * @returns whether the key that the name belongs to is verified
   */
  hasVerifiedName(person: Person): boolean {
    return this.#book.isVerifiedName(person.folded);
  }

  /**
   * Accepts that a name belongs to this key from now on.
   * @param person who
   */
  accept(person: Person): void {
    this.#book.accept(keyOf(person));
  }

  /**
   * Notes that the two people compared their numbers.
   * @param person who
   */
  verify(person: Person): void {
    this.#book.verify(keyOf(person));
  }

  /**
   * Notes that the person gave somebody a code and their key was proven by it.
   * @param person who
   */
  verifyByCode(person: Person): void {
    this.#book.verifyByCode(keyOf(person));
  }

  /**
   * Takes trust in a key back.
   * @param person who
   */
  distrust(person: Person): void {
    this.#book.distrust(person.certificate.fingerprint);
  }

  /**
   * Tells what the person is shown of somebody.
   * @param person who
   * @returns handle, fingerprint and mark
   */
  show(person: Person): Member {
    const { handle, fingerprint } = person.certificate;
    const trust = this.trust(person);
    return { handle, fingerprint, trust, ...(this.isDistrusted(person) ? { distrusted: true } : {}) };
  }

  /** Those of a name who are here; when none is, those who were. */
  #meant(name: string): Person[] {
    const claimants = this.#claimants(name);
    const here = claimants.filter((person) => person.isHere);
    return here.length > 0 ? here : claimants;
  }

  /** Everybody whom a typed name could mean. */
  #claimants(name: string): Person[] {
    const fingerprint = readFingerprint(name);
    if (fingerprint !== undefined) {
      const person = this.#people.get(fingerprint);
      return person === undefined ? [] : [person];
    }
    const folded = foldedOrNone(name);
    return this.#sorted((person) => person.folded === folded);
  }

  #sorted(isWanted: (person: Person) => boolean): Person[] {
    return [...this.#people.values()].filter(isWanted).toSorted((a, b) => sortKey(a) < sortKey(b) ? -1 : 1);
  }

  /** Drops one who is gone if need be; the pins stay, so that a name cannot be taken over by waiting. */
  #makeRoom(): void {
    if (this.#people.size < PEOPLE_KNOWN_MAX) return;
    let anybodyGone: Fingerprint | undefined;
    for (const [fingerprint, person] of this.#people) {
      if (person.isHere) continue;
      anybodyGone ??= fingerprint;
      if (!this.#book.forget(fingerprint)) continue;
      this.#people.delete(fingerprint);
      return;
    }
    if (anybodyGone === undefined) throw new ProtocolError(`Cannot know more than ${PEOPLE_KNOWN_MAX} people`);
    this.#people.delete(anybodyGone); // what is known of their key stays in the book
  }
}

/**
 * Tells whether somebody gets what is written now: those who are gone and keep nothing do not.
 * @param person who
 * @returns whether they are here, or come back as the same
 */
export function canBeReached({ isHere, certificate: { life } }: Person): boolean {
  return isHere || life === "lasting";
}

function onlyOne([person, other]: readonly Person[], message: string, hint: string): Person {
  if (person === undefined) throw new UserError("noSuchPerson", message, hint);
  if (other === undefined) return person;
  throw new UserError(
    "noSuchPerson",
    "Two people with different keys claim that name",
    "Compare fingerprints (/peers shows them), then write the whole fingerprint in place of the name.",
  );
}

function keyOf({ folded, certificate: { fingerprint } }: Person): NamedKey {
  return { fingerprint, folded };
}

function sortKey(person: Person): string {
  return `${person.folded}/${person.certificate.fingerprint}`;
}

/** What a typed name folds to; nobody has a name that is malformed. */
function foldedOrNone(name: string): string | undefined {
  try {
    return checkHandle(name).folded;
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}
