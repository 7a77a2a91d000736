/**
 * How events look as lines, on a screen and in a pipe. All text of peers and relays passes `safeText` here and nowhere
 * else. A mark in words, not colour alone, says how well a key is known; colour only repeats it.
 * @module
 */

import { assertNever } from "../bytes/errors.ts";
import { spellFingerprint } from "../chat/fingerprint.ts";

import type { ChatEvent, Peer, Place } from "../chat/events.ts";
import { formatAddress } from "./address.ts";
import { renderDelivery, renderReceipt } from "./render_delivery.ts";
import { renderKnowledge } from "./render_knowledge.ts";
import { renderHistory } from "./render_history.ts";
import { dim, type Key, look, mark, name, room, stamp } from "./render_parts.ts";
import { memberNames, renderRoom, renderTopicOf, renderUsers } from "./render_room.ts";
import { safe, safeLines, type SafeText, safeText } from "./safe_text.ts";

/** How lines are drawn. */
export interface RenderOptions {
  /** Whether the reader is a terminal that wants colour. */
  readonly hasColor: boolean;
  /** Whether one's own accepted lines are shown: at a terminal they replace what was typed. */
  readonly showsOwn: boolean;
  /** One's own handle. */
  readonly ownHandle: string;
}

/**
 * Draws an event.
 * @param event what happened
 * @param options how to draw it
 * @returns lines to show, none when there is nothing to see
 */
export function renderEvent(event: ChatEvent, options: RenderOptions): SafeText[] {
  switch (event.type) {
    case "ready":
      return renderReady(event, options);
    case "joined":
    case "left":
    case "roomJoined":
    case "roomCreated":
    case "roomLeft":
    case "switched":
    case "invited":
    case "memberAdded":
    case "memberRemoved":
    case "memberPromoted":
    case "gap":
    case "fork":
    case "topic":
    case "rooms":
    case "members":
      return renderRoom(event, options);
    case "message":
      return renderText(event.text, {
        head: safe`${stamp(event.sentAt)} ${where(event.place)}${who(event.from, event, options)}`,
      });
    case "accepted":
      return options.showsOwn
        ? renderText(event.text, { head: safe`${stamp(event.sentAt)} ${ownWhere(event.place, options)}` })
        : [];
    case "queued":
      return options.showsOwn
        ? renderText(event.text, { head: safe`* Waits: ${ownWhere(event.place, options)}` }).map((line) =>
          dim(line, options)
        )
        : [];
    case "history":
    case "search":
    case "entry":
    case "forgotten":
      return renderHistory(
        event,
        options,
        event.type === "entry" ? renderEvent(event.entry, keptOptions(options)) : [],
      );
    case "delivered":
    case "read":
      return options.showsOwn ? renderReceipt(event, options) : [];
    case "delivery":
      return renderDelivery(event);
    case "serverKnows":
      return renderKnowledge(event);
    case "users":
      return renderUsers(event);
    case "peers":
      return renderPeers(event.peers);
    case "waiting":
      return renderWaiting(event, options);
    case "peerJoined":
      return [dim(safe`* Somebody is there; checking the code`, options)];
    case "wrongCode":
    case "taken":
    case "expired":
      return []; // the error that follows says it in a sentence
    case "listening":
      return renderListening(event, options);
    case "secured":
      return renderSecured(event, options);
    case "notice":
      return safeLines(event.text).map((line, i) =>
        look(i === 0 ? safe`* ${line}` : safe`  ${line}`, "yellow", options)
      );
    case "link":
      return [look(linkWords(event), event.state === "connected" ? "green" : "yellow", options)];
    case "error":
      return renderError(event, options);
    default:
      return assertNever(event);
  }
}

function linkWords(event: Extract<ChatEvent, { type: "link" }>): SafeText {
  if (event.state === "reconnecting") {
    return safe`* No connection since ${stamp(event.since)}: ${
      safeText(event.why)
    }. It is tried again and again; lines wait`;
  }
  const { missed } = event;
  const words = missed === 0
    ? "nothing was missed"
    : `${missed} ${missed === 1 ? "message" : "messages"} while you were away`;
  return safe`* Connected again: ${safeText(words)}`;
}

/** What was kept is shown in a pipe too, whoever wrote it. */
function keptOptions(options: RenderOptions): RenderOptions {
  return { ...options, showsOwn: true, ownHandle: options.ownHandle === "" ? "you" : options.ownHandle };
}

const ALARM: SafeText = safe`!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!`;

/**
 * Draws what went wrong.
 * @param error what happened and what to do
 * @param options how to draw it
 * @returns one line, or two with a hint; framed when a relay is not the one it should be
 */
export function renderError(
  error: { readonly code?: string; readonly message: string; readonly hint: string },
  options: Pick<RenderOptions, "hasColor">,
): SafeText[] {
  // What says that somebody may be in the middle must not drown between other lines.
  const frame = error.code === "relayChanged" ? [look(ALARM, "red", options)] : [];
  const lines = [...frame, look(safe`! ${safeText(error.message)}`, "red", options)];
  if (error.hint !== "") lines.push(safe`  ${safeText(error.hint)}`);
  return [...lines, ...frame];
}

function renderReady(event: Extract<ChatEvent, { type: "ready" }>, options: RenderOptions): SafeText[] {
  const { relay, members } = event;
  const secured = safe`Secured with relay ${name(relay.name)} (${safeText(spellFingerprint(relay.fingerprint))})`;
  const others = memberNames(members);
  return [
    look(safe`${secured}: you are ${name(event.handle)}, in ${room(event.room)} with ${others}.`, "green", options),
    ...renderTopicOf(event),
    dim(safe`  your fingerprint is ${safeText(spellFingerprint(event.fingerprint))}`, options),
  ];
}

function renderWaiting(event: Extract<ChatEvent, { type: "waiting" }>, options: RenderOptions): SafeText[] {
  return [
    look(safe`The code is ${safeText(event.code)}`, "bold", options),
    safe`  Tell it to one person, in person or by phone. It works once, until ${stamp(event.expiresAt)}.`,
  ];
}

function renderListening(event: Extract<ChatEvent, { type: "listening" }>, options: RenderOptions): SafeText[] {
  const { host, port, wantsCode } = event;
  const where = host === undefined ? safe`port ${port}` : safeText(formatAddress(host, port));
  // An address that means every one of this machine's is none that others could call.
  const isAny = host === undefined || host === "0.0.0.0" || host === "::";
  const typed = safe`${isAny ? safe`HOST:${port}` : where}${safeText(wantsCode ? " --code" : "")}`;
  return [
    look(safe`Waiting for one person at ${where}`, "bold", options),
    dim(safe`  they type: sotto connect ${typed}`, options),
    dim(safe`  your fingerprint is ${safeText(spellFingerprint(event.fingerprint))}`, options),
  ];
}

function renderSecured(event: Extract<ChatEvent, { type: "secured" }>, options: RenderOptions): SafeText[] {
  const path = event.path === "direct" ? "directly, without a relay" : "through the relay, which cannot read it";
  return [
    look(safe`Secured with ${name(event.with)} ${mark(event)}, ${safeText(path)}.`, "green", options),
    dim(safe`  the fingerprint of ${name(event.with)} is ${safeText(spellFingerprint(event.fingerprint))}`, options),
  ];
}

function renderPeers(peers: readonly Peer[]): SafeText[] {
  return [
    safe`* Met so far: ${peers.length === 0 ? safeText("nobody") : peers.length}`,
    ...peers.flatMap((peer) => [
      safe`  ${name(peer.handle)} ${mark(peer)} ${safeText(peer.isHere ? "here" : "gone")}, first seen ${
        stamp(peer.firstSeen)
      }`,
      safe`    ${safeText(spellFingerprint(peer.fingerprint))}`,
    ]),
  ];
}

function renderText(text: string, { head }: { readonly head: SafeText }): SafeText[] {
  return safeLines(text).map((line, i) => i === 0 ? safe`${head}: ${line}` : safe`  | ${line}`);
}

function where(place: Place): SafeText {
  return "room" in place ? safe`${room(place.room)} ` : safeText("(private) ");
}

function ownWhere(place: Place, options: RenderOptions): SafeText {
  const own = look(name(options.ownHandle), "bold", options);
  return "room" in place ? safe`${room(place.room)} ${own}` : safe`(private to ${name(place.to)}) ${own}`;
}

function who(handle: string, key: Key, options: RenderOptions): SafeText {
  return safe`${look(name(handle), key.trust === "changed" ? "red" : "cyan", options)} ${mark(key)}`;
}
