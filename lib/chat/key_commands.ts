/**
 * The commands about keys: who was met, fingerprints, safety numbers, and what the person says about a key. Its law:
 * `verified` is given to the very key whose number was shown last under that name, never to one that came meanwhile.
 * @module
 */

import { assertNever, UserError } from "../bytes/errors.ts";
import type { Certificate } from "../e2ee/certificate.ts";
import { joinSafetyHalves, safetyHalf, spellSafetyNumber } from "../e2ee/safety_number.ts";
import type { Fingerprint } from "../wire/messages.ts";
import type { KeyCommand } from "./commands.ts";
import type { NoticeCode, Ref } from "./events.ts";
import { spellFingerprint } from "./fingerprint.ts";
import type { People, Person } from "./people.ts";
import type { Turn } from "./turn.ts";

/** The answers of one client about keys. */
export class KeyCommands {
  readonly #people: People;
  readonly #own: Certificate;
  /** Our half of every safety number, once it was computed. */
  #ownHalf: Promise<string> | undefined;
  /** Whose number was shown last, by folded name. */
  readonly #shown = new Map<string, Fingerprint>();

  /**
   * Starts with no number shown.
   * @param people who was met
   * @param own our certificate
   */
  constructor(people: People, own: Certificate) {
    this.#people = people;
    this.#own = own;
  }

  /**
   * Does what a command asks.
   * @param command what the person wants
   * @param ref what a script put beside it
   * @param turn time and effects
   * @throws {UserError} when the name means nobody or more than one, or no number was shown to compare
   */
  async obey(command: KeyCommand, ref: Ref | undefined, turn: Turn): Promise<void> {
    switch (command.kind) {
      case "peers":
        turn.effects.push({
          kind: "show",
          event: { type: "peers", peers: this.#people.everybody(), ...(ref === undefined ? {} : { ref }) },
        });
        return;
      case "fingerprint":
        return answer("fingerprint", this.#fingerprint(command.name), { ref, turn });
      case "verify": {
        const person = this.#people.resolveMet(command.name);
        return command.hasCompared
          ? answer("verified", this.#verify(person), { ref, turn })
          : answer("safetyNumber", await this.#safetyNumber(person), { ref, turn });
      }
      case "trust":
        return answer("trusted", this.#trust(this.#people.resolveMet(command.name)), { ref, turn });
      case "distrust":
        return answer("distrusted", this.#distrust(this.#people.resolveMet(command.name)), { ref, turn });
      default:
        assertNever(command);
    }
  }

  #fingerprint(name: string | undefined): string[] {
    if (name === undefined) return [`You are ${this.#own.handle}`, spellFingerprint(this.#own.fingerprint)];
    const person = this.#people.resolveMet(name);
    return [`${handleOf(person)} is`, printOf(person)];
  }

  /** The certificate's keys are those of every session with that fingerprint: it is a hash of them. */
  async #safetyNumber(person: Person): Promise<string[]> {
    const { certificate, folded } = person;
    this.#ownHalf ??= safetyHalf(this.#own);
    const digits = joinSafetyHalves(await this.#ownHalf, await safetyHalf(certificate));
    this.#shown.set(folded, certificate.fingerprint);
    const handle = handleOf(person);
    const name = this.#people.address(person);
    const trust = this.#people.trust(person);
    return [
      `The safety number of you and ${handle}:`,
      ...spellSafetyNumber(digits),
      `${handle} types /verify ${this.#own.handle} and sees the same number, or it is not them.`,
      "Compare it in person or by phone, not in this chat.",
      `All 60 digits the same: type /verify ${name} yes. Any other: type /distrust ${name}.`,
      ...(trust === "verified" ? ["You have verified this key already."] : []),
      ...(trust === "changed" ? ["This key is held back: nothing is sent to it."] : []),
    ];
  }

  #verify(person: Person): string[] {
    const { folded, certificate: { fingerprint } } = person;
    if (this.#shown.get(folded) !== fingerprint) {
      throw new UserError(
        "noSuchPerson",
        `Nothing was verified: the number of ${handleOf(person)}'s key was not shown yet`,
        `Type /verify ${this.#people.address(person)} first, and compare what it shows.`,
      );
    }
    this.#shown.delete(folded);
    this.#people.verify(person);
    return [`${handleOf(person)} is verified: you compared the number of this key`, printOf(person)];
  }

  #trust(person: Person): string[] {
    this.#people.accept(person);
    const isVerified = this.#people.trust(person) === "verified";
    return isVerified
      ? [`${handleOf(person)} is verified already; the fingerprint of their key is`, printOf(person)]
      : [`The key of ${handleOf(person)} is accepted, not verified; its fingerprint is`, printOf(person)];
  }

  #distrust(person: Person): string[] {
    this.#shown.delete(person.folded); // a comparison that went wrong is not to be confirmed by a slip
    this.#people.distrust(person);
    const name = this.#people.address(person);
    return [
      `Nothing is sent to ${handleOf(person)} any more; what they write is marked. /trust ${name} or`,
      `/verify ${name} takes this back. The fingerprint of their key is`,
      printOf(person),
    ];
  }
}

function answer(
  code: NoticeCode,
  lines: readonly string[],
  { ref, turn }: { readonly ref: Ref | undefined; readonly turn: Turn },
): void {
  const refField = ref === undefined ? {} : { ref };
  turn.effects.push({ kind: "show", event: { type: "notice", code, text: lines.join("\n"), ...refField } });
}

function handleOf(person: Person): string {
  return person.certificate.handle;
}

function printOf(person: Person): string {
  return spellFingerprint(person.certificate.fingerprint);
}
