/**
 * The life of a link as a table: forgetting a state does not compile, an unlisted step throws.
 *
 *     handshaking -> [greeting ->] open -> closing -> closed
 *
 * @module
 */

/** Where a link is in its life. */
export type LinkState = "handshaking" | "greeting" | "open" | "closing" | "closed";

/** What moves a link on. */
export type LinkTrigger =
  /** The listener of a private link has shown its key; it has yet to accept our invitation and say who it is. */
  | "proved"
  /** The handshake is finished and the other side is authenticated. */
  | "authenticated"
  /** We end the link: what waits is still sent, then `bye`. */
  | "close"
  /** The last of it was handed to the socket. */
  | "drained"
  /** It ended: the peer said `bye`, the line broke, or something was wrong. */
  | "end";

const TRANSITIONS = {
  // Closing during the handshake sends nothing: there is no key yet under which a `bye` could be said.
  handshaking: { proved: "greeting", authenticated: "open", close: "closed", end: "closed" },
  greeting: { authenticated: "open", close: "closing", end: "closed" },
  open: { close: "closing", end: "closed" },
  closing: { close: "closing", drained: "closed", end: "closed" },
  closed: { close: "closed", drained: "closed", end: "closed" },
} as const satisfies Record<LinkState, Partial<Record<LinkTrigger, LinkState>>>;

/**
 * Takes one step.
 * @param state where the link is
 * @param trigger what happened
 * @returns where it is now
 * @throws {TypeError} when that cannot happen there: a bug of ours, whatever the peer did
 */
export function nextLinkState(state: LinkState, trigger: LinkTrigger): LinkState {
  const next = (TRANSITIONS[state] as Partial<Record<LinkTrigger, LinkState>>)[trigger];
  if (next === undefined) throw new TypeError(`Cannot move link: ${trigger} is not possible while ${state}`);
  return next;
}
