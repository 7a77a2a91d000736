/**
 * Everybody whom the person was shown on this relay, by key: the names, who is in which room, and how well each key is
 * known. Trust belongs to the key, never to the name: a known name under another key is `changed` until the person
 * accepts it (PROTOCOL 5.3). Pins live as long as the client runs; the store of a later issue takes their place.
 * @module
 */

import { ProtocolError, UserError } from "../bytes/errors.ts";
import type { Certificate } from "../e2ee/certificate.ts";
import { checkHandle } from "../wire/handle.ts";
import type { Fingerprint } from "../wire/messages.ts";
import type { Member, Trust } from "./events.ts";

/** How many people are remembered; a relay admits fewer at once, and the first met of those gone are dropped. */
export const PEOPLE_MAX = 10_000;
/** How many names are pinned: more than a relay binds. A pin is never dropped, or waiting would free the name. */
const PINS_MAX = 20_000;

/** Somebody who was met. */
export interface Person {
  /** What says who it is, the newest that was seen. */
  readonly certificate: Certificate;
  /** The handle folded, as names are compared. */
  readonly folded: string;
  /** The rooms that both of us are in, by id. */
  readonly rooms: ReadonlySet<Fingerprint>;
  /** Whether the relay says that they are linked. */
  readonly isHere: boolean;
}

/** What meeting a certificate did. */
export interface Meeting {
  /** Who it is now. */
  readonly person: Person;
  /** Whether their client started anew since: what it kept in memory is gone. */
  readonly hasRestarted: boolean;
  /** Whether they were not known to be in that room. */
  readonly isNewInRoom: boolean;
}

/** The people of one client on one relay. */
export class People {
  readonly #people = new Map<Fingerprint, Person>();
  /** Which key a folded name belongs to, as far as the person accepted. */
  readonly #pins = new Map<string, Fingerprint>();
  /** Keys that were met before they came back, or that were accepted. */
  readonly #known = new Set<Fingerprint>();

  /**
   * Meets a verified certificate: from a roster, a join, an answer to `who`, or a first message.
   * @param certificate whose signature was verified
   * @param where the room they are in; left out when it is not known
   * @returns who it is; an older certificate than the one known changes nothing
   * @throws {UserError} `nameInvalid` when its handle is malformed or not in NFC
   * @throws {ProtocolError} when there are too many people: no honest relay has so many
   */
  meet(certificate: Certificate, where: { readonly room?: Fingerprint; readonly isHere?: boolean } = {}): Meeting {
    const { folded, handle } = checkHandle(certificate.handle);
    if (handle !== certificate.handle) throw new UserError("nameInvalid", "The name in the certificate is not in NFC");
    const { fingerprint } = certificate;
    const before = this.#people.get(fingerprint);
    if (before === undefined) this.#makeRoom();
    const isNewer = before === undefined || certificate.createdMs > before.certificate.createdMs;
    const rooms = new Set(before?.rooms);
    if (where.room !== undefined) rooms.add(where.room);
    const person: Person = {
      certificate: isNewer ? certificate : before.certificate,
      folded: isNewer ? folded : before.folded,
      rooms,
      isHere: (where.isHere ?? false) || rooms.size > 0 || (before?.isHere ?? false),
    };
    this.#people.set(fingerprint, person);
    if (before !== undefined && isNewer) this.#known.add(fingerprint);
    if (!this.#pins.has(person.folded)) this.#pins.set(person.folded, fingerprint);
    const isNewInRoom = where.room !== undefined && before?.rooms.has(where.room) !== true;
    return { person, hasRestarted: before !== undefined && isNewer, isNewInRoom };
  }

  /**
   * Forgets that somebody is in a room.
   * @param fingerprint who
   * @param room which one
   * @returns who it was, `undefined` when they were not there
   */
  leave(fingerprint: Fingerprint, room: Fingerprint): Person | undefined {
    const person = this.#people.get(fingerprint);
    if (person === undefined || !person.rooms.has(room)) return undefined;
    const rooms = new Set(person.rooms);
    rooms.delete(room);
    this.#people.set(fingerprint, { ...person, rooms, isHere: false });
    return person;
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
   * Lists those in a room.
   * @param room which one
   * @returns who is there, by handle
   */
  inRoom(room: Fingerprint): Person[] {
    return this.#sorted((person) => person.rooms.has(room));
  }

  /**
   * Lists those who are linked to the relay but in none of our rooms.
   * @returns who is there, by handle
   */
  elsewhere(): Person[] {
    return this.#sorted((person) => person.isHere && person.rooms.size === 0);
  }

  /**
   * Finds somebody by the name that the person typed.
   * @param name a handle in any spelling that folds to theirs
   * @returns the one person of that name who is here
   * @throws {UserError} `noSuchPerson` when nobody of that name is here, or two keys claim it
   */
  resolve(name: string): Person {
    const folded = foldedOrNone(name);
    const found = this.#sorted((person) => person.isHere && person.folded === folded);
    const [person, other] = found;
    if (person === undefined) {
      throw new UserError("noSuchPerson", "Nobody of that name is here", "/users shows who is here.");
    }
    if (other !== undefined) {
      throw new UserError(
        "noSuchPerson",
        "Two people with different keys claim that name",
        "Compare fingerprints with /users before you write to either.",
      );
    }
    return person;
  }

  /**
   * Tells how well somebody's key is known.
   * @param person who
   * @returns the mark that every line of theirs carries
   */
  trust(person: Person): Trust {
    if (this.#pins.get(person.folded) !== person.certificate.fingerprint) return "changed";
    return this.#known.has(person.certificate.fingerprint) ? "known" : "new";
  }

  /**
   * Accepts that a name belongs to this key from now on.
   * @param person who
   */
  accept(person: Person): void {
    this.#pins.set(person.folded, person.certificate.fingerprint);
    this.#known.add(person.certificate.fingerprint);
  }

  /**
   * Tells what the person is shown of somebody.
   * @param person who
   * @returns handle, fingerprint and mark
   */
  show(person: Person): Member {
    const { handle, fingerprint } = person.certificate;
    return { handle, fingerprint, trust: this.trust(person) };
  }

  #sorted(isWanted: (person: Person) => boolean): Person[] {
    return [...this.#people.values()].filter(isWanted).toSorted((a, b) => sortKey(a) < sortKey(b) ? -1 : 1);
  }

  /** Drops one who is gone if need be; the pins stay, so that a name cannot be taken over by waiting. */
  #makeRoom(): void {
    if (this.#pins.size >= PINS_MAX) throw new ProtocolError(`Cannot remember more than ${PINS_MAX} names`);
    if (this.#people.size < PEOPLE_MAX) return;
    for (const [fingerprint, person] of this.#people) {
      if (person.isHere) continue;
      this.#people.delete(fingerprint);
      return;
    }
    throw new ProtocolError(`Cannot remember more than ${PEOPLE_MAX} people`);
  }
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
