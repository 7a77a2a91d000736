/**
 * Signals of the operating system, each platform's own selection, with the echoes taken out: `deno task` and npx can
 * deliver one Ctrl-C twice.
 * @module
 */

import { steadyMs } from "./clock.ts";

/** The signals that Sotto knows; a platform may lack some. */
export type SignalName = "SIGINT" | "SIGTERM" | "SIGHUP" | "SIGBREAK" | "SIGWINCH" | "SIGCONT";

/** Where signals come from and what time it is; tests bring their own. */
export interface SignalSource {
  /** Adds a listener; throws a TypeError for a signal that the platform lacks. */
  readonly add: (name: SignalName, listener: () => void) => void;
  /** Removes it again. */
  readonly remove: (name: SignalName, listener: () => void) => void;
  /** A clock that never jumps, in milliseconds. */
  readonly steadyMs: () => number;
}

/** A second of the same signal within this time is an echo of the first, not a person pressing twice. */
export const SIGNAL_ECHO_MS = 1_000;

const SYSTEM: SignalSource = {
  add: (name, listener) => Deno.addSignalListener(name, listener),
  remove: (name, listener) => Deno.removeSignalListener(name, listener),
  steadyMs,
};

/**
 * Listens for signals, where the platform has them. While it does, they no longer end the process by themselves.
 * @param names which ones
 * @param handler called with the name; repeats of one signal within `SIGNAL_ECHO_MS` call it once
 * @param source where signals come from
 * @returns stops listening; calling it again does nothing
 */
export function onSignals(
  names: readonly SignalName[],
  handler: (name: SignalName) => void,
  source: SignalSource = SYSTEM,
): () => void {
  const listening = names.flatMap((name) => {
    let countedMs = -Infinity;
    const listener = (): void => {
      const atMs = source.steadyMs();
      if (atMs - countedMs < SIGNAL_ECHO_MS) return;
      countedMs = atMs;
      handler(name);
    };
    return listen(name, listener, source) ? [{ name, listener }] : [];
  });
  return () => {
    for (const { name, listener } of listening.splice(0)) source.remove(name, listener);
  };
}

/**
 * Listens for signals that tell of a state and come in bursts, as SIGWINCH does while a window is dragged: each counts.
 * @param name which one
 * @param handler called for each
 * @param source where signals come from
 * @returns stops listening; calling it again does nothing
 */
export function onEverySignal(name: SignalName, handler: () => void, source: SignalSource = SYSTEM): () => void {
  let isListening = listen(name, handler, source);
  return () => {
    if (isListening) source.remove(name, handler);
    isListening = false;
  };
}

function listen(name: SignalName, listener: () => void, source: SignalSource): boolean {
  try {
    source.add(name, listener);
    return true;
  } catch (error) {
    // Windows has no SIGTERM and Linux no SIGBREAK: not having one is what there is to know.
    if (error instanceof TypeError) return false;
    throw error;
  }
}
