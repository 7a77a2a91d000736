/**
 * What `sotto-server` prints for people.
 * @module
 */

import { spellFingerprint } from "../chat/fingerprint.ts";
import { formatAddress } from "./address.ts";
import { isoTime } from "./iso.ts";
import { type SafeText, safeText } from "./safe_text.ts";
import { DEFAULT_PORT } from "./flags.ts";
import { spellWords } from "./words.ts";

/** How the client starts where there is no executable. */
const CHECKOUT_CLIENT = "npx --yes deno@2.9.6 task client";

/** Where a relay listens and who it is. */
export interface Listening {
  /** What it calls itself. */
  readonly name: string;
  /** The address it listens on. */
  readonly host: string;
  /** The port it listens on. */
  readonly port: number;
  /** What clients compare. */
  readonly fingerprint: string;
  /** The same as 24 words, to be read aloud. */
  readonly words: readonly string[];
  /** The machine's addresses on the local network. */
  readonly lan: readonly string[];
  /** Whether callers need an invitation. */
  readonly isPrivate: boolean;
  /** Whether this relay runs from a checkout: its neighbours may then have no executable either. */
  readonly isFromCheckout: boolean;
}

/**
 * Tells where a relay listens, who it is, and what others type to reach it.
 * @param listening where and who
 * @returns the lines
 */
export function startLines(listening: Listening): SafeText[] {
  const { name, host, port, fingerprint, words, isPrivate } = listening;
  // 0.0.0.0 is every IPv4 address alone; an IPv6 one would refuse whoever tries it.
  const lan = host === "0.0.0.0" ? listening.lan.filter((address) => !address.includes(":")) : listening.lan;
  const demand = isPrivate ? "--invite-file FILE" : `--relay-key ${fingerprint}`;
  const isEverywhere = host === "0.0.0.0" || host === "::";
  const reachable = isEverywhere ? (lan.length === 0 ? ["127.0.0.1"] : lan) : [host];
  const first = reachable[0] as string;
  const target = port === DEFAULT_PORT ? (first.includes(":") ? `[${first}]` : first) : formatAddress(first, port);
  return [
    `Relay ${name} listens on ${formatAddress(host, port)}. It sees who talks to whom and when, never what.`,
    ...(isEverywhere && lan.length > 0
      ? [`  addresses    ${lan.map((ip) => formatAddress(ip, port)).join("  ")}`]
      : []),
    `  fingerprint  ${spellFingerprint(fingerprint)}`,
    ...spellWords(words).map((row, i) => `  ${i === 0 ? "in words" : "        "}     ${row}`),
    ...(isPrivate ? ["It is private. FILE holds the invitation, which sotto-server invite prints."] : []),
    "Others on this network type:",
    `  sotto ${target} ${demand}`,
    ...(listening.isFromCheckout ? ["or, in a checkout of Sotto on a machine with Node:"] : []),
    ...(listening.isFromCheckout ? [`  ${CHECKOUT_CLIENT} ${target} ${demand}`] : []),
    "Ctrl-C ends it.",
  ].map((line) => safeText(line));
}

/**
 * Tells what to do with the invitation that was printed.
 * @returns the lines
 */
export function inviteLines(): SafeText[] {
  return [
    "This is the invitation: a secret, which lets in whoever has it. Hand it on in a way that you trust.",
    "Who gets it saves it in a file and starts sotto HOST --invite-file FILE.",
    "A relay that is running takes it up within seconds; whoever is linked without it must come again.",
  ].map((line) => safeText(line));
}

/**
 * Writes down one thing that happened, for an operator.
 * @param atMs when
 * @param event its name
 * @param fields what belongs to it, never bodies
 * @returns such as `2026-01-31T08:05:09.120Z linkOpened link=3`
 */
export function logLine(atMs: number, event: string, fields: Readonly<Record<string, string | number>>): SafeText {
  const pairs = Object.entries(fields).map(([key, value]) =>
    ` ${key}=${/^[\w.:-]*$/.test(String(value)) ? value : JSON.stringify(value)}`
  );
  return safeText(`${isoTime(atMs)} ${event}${pairs.join("")}`);
}
