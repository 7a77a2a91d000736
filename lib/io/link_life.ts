/**
 * How long a client waits for a link, and how long one lives: who is not let in gives up, and after about an hour it is made anew, so that what was said before stays closed to
 * whoever learns its keys later (PROTOCOL 2.5). While something hangs on the link that would be lost, it is asked again.
 * @module
 */

/** How long a relay may take from the handshake until the room is entered. */
const ENTER_TIMEOUT_MS = 10_000;
/** How long a link lives, give or take a tenth: clients that linked together must not all call at once. */
export const LINK_LIFE_MS = 60 * 60 * 1_000;
/** When it is asked again whether the link may be made anew. */
const ASK_AGAIN_MS = 60_000;

/** What a `LinkLife` is made from. */
export interface LinkLifeOptions {
  /** The relay has not let us in. */
  readonly lateToEnter: () => void;
  /** Makes the link anew; says `false` when it may not now. */
  readonly renew: () => boolean;
  /** Another life than an hour, in milliseconds. */
  readonly testOnlyLifeMs?: number | undefined;
}

/** The life of one link after another. */
export class LinkLife {
  readonly #options: LinkLifeOptions;
  readonly #lifeMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Waits for the first link.
   * @param options what happens when the time is up
   */
  constructor(options: LinkLifeOptions) {
    this.#options = options;
    this.#lifeMs = options.testOnlyLifeMs ?? LINK_LIFE_MS;
  }

  /** The handshake is over; the link's own pings would keep a relay alive for ever that never lets anybody in. */
  linked(): void {
    this.#wait(ENTER_TIMEOUT_MS, this.#options.lateToEnter);
  }

  /** The relay let us in. */
  entered(): void {
    this.#wait(this.#lifeMs * (0.9 + Math.random() / 5), () => this.#renew());
  }

  /** The link is over. */
  ended(): void {
    clearTimeout(this.#timer);
  }

  #renew(): void {
    if (!this.#options.renew()) this.#wait(Math.min(ASK_AGAIN_MS, this.#lifeMs), () => this.#renew());
  }

  #wait(ms: number, then: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(then, ms);
  }
}
