/**
 * A history in a directory of its own, with entries as the chat tells them.
 */

import type { HistoryEntry } from "../../lib/chat/history_events.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { fingerprintOf } from "../../lib/e2ee/identity.ts";
import { ClientStore } from "../../lib/io/client_store.ts";
import { openDataDir } from "../../lib/io/data_dir.ts";
import type { UnshownEntries } from "../../lib/io/history_log.ts";
import type { HistoryStore, HistoryStoreOptions } from "../../lib/io/history_store.ts";
import { FAST, noPassphrase } from "./_sealed_dir.ts";

/** 2026-01-01T00:00:00Z */
export const NOW = 1_767_225_600_000;
export const DAY = 86_400_000;
export const RELAY = { fingerprint: fingerprintOf(secureRandom(32)), name: "office" };
export const OTHER_RELAY = { fingerprint: fingerprintOf(secureRandom(32)), name: "home" };
export const LOBBY = `room/${fingerprintOf(secureRandom(32))}`;
export const BEN = fingerprintOf(secureRandom(32));
export const WITH_BEN = `inbox/${BEN}`;

/** What the chat changes beside the history: nothing. */
const NOTHING = { sessions: { peers: [] }, peers: [], cursors: [] };

/** Somebody wrote in the lobby. */
export function inLobby(text: string, nowMs = NOW): HistoryEntry {
  return entry(LOBBY, { room: "lobby" }, text, nowMs);
}

/** Ben wrote in private. */
export function fromBen(text: string, nowMs = NOW): HistoryEntry {
  return entry(WITH_BEN, { to: "ada" }, text, nowMs);
}

function entry(stream: string, place: { room: string } | { to: string }, text: string, nowMs: number): HistoryEntry {
  const id = [...secureRandom(16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const who = { from: "ben", fingerprint: BEN, trust: "known" } as const;
  return {
    stream,
    isLasting: true,
    nowMs,
    event: { type: "message", id, place, ...who, text, sentAt: nowMs, at: nowMs },
  };
}

/** An open history and the store that it is in. */
export interface OpenHistory {
  readonly history: HistoryStore;
  /** What is to be shown first. */
  readonly unshown: UnshownEntries;
  /** Keeps entries as a step of the chat would. */
  readonly keep: (...entries: HistoryEntry[]) => Promise<void>;
  /** The same, and all of it was shown. */
  readonly show: (...entries: HistoryEntry[]) => Promise<void>;
  readonly store: ClientStore;
}

/** Opens a history, and closes it as a kill would: nothing is noted at the end. */
export async function withHistory<T>(
  path: string,
  use: (open: OpenHistory) => Promise<T>,
  options: Partial<HistoryStoreOptions> & { readonly relay?: typeof RELAY } = {},
): Promise<T> {
  const { relay = RELAY, nowMs = NOW, ...more } = options;
  const dir = await openDataDir(path, { what: "client" });
  try {
    const store = await ClientStore.open(dir, noPassphrase, FAST);
    try {
      const history = await store.openHistory({ policy: { keeps: true, days: 30 }, nowMs, ...more });
      const unshown = await history.begin(relay, nowMs);
      const keep = (...entries: HistoryEntry[]) => store.commit({ chat: { ...NOTHING, history: entries } });
      const show = async (...entries: HistoryEntry[]) => {
        await keep(...entries);
        history.noteShown(history.last);
        await history.saveShown(false);
      };
      return await use({ history, unshown, keep, show, store });
    } finally {
      await store.close();
    }
  } finally {
    dir.close();
  }
}

/** The texts of entries. */
export function textsOf(entries: readonly { readonly event: HistoryEntry["event"] }[]): string[] {
  return entries.map(({ event }) => event.type === "gap" ? `gap ${event.count}` : event.text);
}

/** The texts of the newest entries of a conversation. */
export async function recent(history: HistoryStore, stream: string, count = 1_000): Promise<string[]> {
  return textsOf((await history.recent(stream, count)).entries);
}
