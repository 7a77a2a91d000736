/**
 * The rules of rooms a second time, told by people's numbers and the whole history instead of hashes and windows, so
 * that tests can compare the two. Nothing is shared with `lib/`.
 */

export const KINDS = ["create", "join", "add", "leave", "absent", "removed", "promote", "here"] as const;

/** One op as a test draws it. */
export interface Step {
  readonly kind: (typeof KINDS)[number];
  /** Who signs, by number. */
  readonly actor: number;
  /** Whom it is about; who signs, for the kinds that are about oneself. */
  readonly subject: number;
  /** Which of the subject's two certificates it carries. */
  readonly certificate: 0 | 1;
  /** How many ops had been placed when it was signed. */
  readonly seen: number;
}

interface Person {
  role: "member" | "admin" | "owner";
  came: number;
  certificate: 0 | 1;
  activeMs: number;
}

/** A room, its people told by number. */
export class Model {
  readonly people = new Map<number, Person>();
  /** For each placed op whom it was on if it was valid, else -1. */
  readonly history: number[] = [];
  #isBegun = false;

  constructor(readonly kind: "open" | "invite", readonly isEphemeral: (who: number) => boolean) {}

  /** Places the create op of an invite room, before anything else. */
  found(owner: number, atMs: number): void {
    this.people.set(owner, { role: "owner", came: -1, certificate: 0, activeMs: atMs });
    this.history.push(owner);
    this.#isBegun = true;
  }

  /** Places junk, which is never valid. */
  junk(): boolean {
    this.history.push(-1);
    return false;
  }

  /** Places an op and tells whether it was valid. */
  step(step: Step, atMs: number): boolean {
    const isValid = this.#isInTime(step) && this.#isAllowed(step, atMs);
    if (isValid) this.#carryOut(step, atMs);
    const isOnNobody = step.kind === "create" && this.kind === "open";
    this.history.push(isValid && !isOnNobody ? step.subject : -1);
    return isValid;
  }

  #isInTime({ kind, seen, actor, subject }: Step): boolean {
    if (kind === "create") return true;
    const between = this.history.slice(seen);
    const isNear = between.length <= (this.kind === "open" ? 1_024 : 16);
    return isNear && !between.includes(actor) && !between.includes(subject);
  }

  #isAllowed(step: Step, atMs: number): boolean {
    const actor = this.people.get(step.actor);
    const subject = this.people.get(step.subject);
    const isOpen = this.kind === "open";
    const manages = !isOpen && (actor?.role === "admin" || actor?.role === "owner");
    switch (step.kind) {
      case "create":
        return isOpen ? !this.#isBegun : false; // the one create op of an invite room stands in front of all
      case "join":
        return actor === undefined ? isOpen : step.certificate > actor.certificate;
      case "add":
        return manages && subject === undefined;
      case "leave":
        return actor !== undefined;
      case "here":
        return isOpen && actor !== undefined;
      case "promote":
        return manages && subject?.role === "member";
      case "removed":
        if (step.actor === step.subject) return actor !== undefined;
        return manages && subject !== undefined && subject.role !== "owner";
      case "absent": {
        if (!isOpen || actor === undefined || subject === undefined || actor === subject) return false;
        const graceMs = this.isEphemeral(step.subject) ? 30 * 60_000 : 7 * 86_400_000;
        return atMs - subject.activeMs > graceMs;
      }
    }
  }

  #carryOut({ kind, actor, subject, certificate }: Step, atMs: number): void {
    this.#isBegun = true;
    const own = this.people.get(actor);
    if (own !== undefined) own.activeMs = atMs;
    const came = this.history.length;
    if (kind === "join" && own !== undefined) own.certificate = certificate;
    else if (kind === "join" || kind === "add") {
      this.people.set(subject, { role: "member", came, certificate, activeMs: atMs });
    } else if (kind === "promote") (this.people.get(subject) as Person).role = "admin";
    else if (kind === "leave" || kind === "absent" || kind === "removed") this.#goes(subject);
  }

  #goes(who: number): void {
    const wasOwner = this.people.get(who)?.role === "owner";
    this.people.delete(who);
    if (!wasOwner) return;
    const rank = ({ role, came }: Person) => came + (role === "admin" ? 0 : 1_000_000);
    const [next] = [...this.people.values()].sort((a, b) => rank(a) - rank(b));
    if (next !== undefined) next.role = "owner";
  }
}
