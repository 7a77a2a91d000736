/**
 * What every way of talking begins and ends with: who the person is, and the front that they see it through.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import type { ExitCode } from "../cli/exit_codes.ts";
import { logLine } from "../cli/relay_lines.ts";
import { checkHandle } from "../wire/handle.ts";
import { nowMs } from "./clock.ts";
import { defaultDataDir } from "./data_dir.ts";
import type { Front } from "./front.ts";
import { JsonFront, PlainFront } from "./line_fronts.ts";
import { openMaskedDevice } from "./masked_prompt.ts";
import { defaultHandle } from "./network.ts";
import { passphraseFileOf, unlockFrom } from "./passphrase.ts";
import { Person } from "./person.ts";
import type { Streams } from "./program.ts";
import { askHandle } from "./questions.ts";
import { onSignals } from "./signals.ts";
import { wantsColor } from "./terminal.ts";
import { TerminalFront } from "./terminal_front.ts";

/** What the command line says about who somebody is. */
export interface CallerFlags {
  /** The handle, not yet checked; asked for without it. */
  readonly name?: string;
  /** Where the identity and all else is kept; by platform convention without it. */
  readonly dataDir?: string;
  /** The file that holds the passphrase of what is kept. */
  readonly passphraseFile?: string;
  /** Whether nothing is read, locked or kept. */
  readonly ephemeral: boolean;
}

/** Somebody, under a name. */
export interface Caller {
  /** Who it is. */
  readonly person: Person;
  /** The name, checked. */
  readonly handle: string;
}

/** How a program is looked at. */
export interface Look {
  /** Whether a person sits at a terminal. */
  readonly isPerson: boolean;
  /** Whether stdin and stdout carry JSON lines. */
  readonly wantsJson: boolean;
  /** Whether to tell more. */
  readonly isVerbose: boolean;
  /** Where it is written. */
  readonly streams: Streams;
  /** One's own handle, where no `ready` tells it. */
  readonly handle?: string;
  /** What is read, standard input without it. */
  readonly input?: ReadableStream<Uint8Array>;
}

/** What a host is made with. */
export interface HostParts {
  /** Where to show and read. */
  readonly front: Front;
  /** Takes what happened to links, never contents. */
  readonly log: (event: string, fields: Readonly<Record<string, string | number>>) => void;
}

/** What can be asked of any host. */
export interface AnyHost {
  /** Whether the chat has begun. */
  readonly hasBeenReady: boolean;
  /** Leaves as `/quit` does. */
  quit(): void;
}

/**
 * Finds out who the person is, and lets go of the data directory at the end.
 * @param flags what the command line says
 * @param isPerson whether somebody can be asked
 * @param use what to do as that person
 * @returns what `use` returns; 0 when they left before anything began
 * @throws {UserError} `nameInvalid`, `dataDirUnusable` or `dataDirBusy`
 */
export async function asCaller(
  flags: CallerFlags,
  isPerson: boolean,
  use: (caller: Caller) => Promise<ExitCode>,
): Promise<ExitCode> {
  if (flags.name !== undefined) checkHandle(flags.name);
  const person = flags.ephemeral ? await Person.nobodyBefore(nowMs()) : await Person.open({
    path: flags.dataDir ?? defaultDataDir("client", Deno.env),
    unlock: unlockFrom({
      file: passphraseFileOf(flags.passphraseFile, Deno.env),
      device: isPerson ? openMaskedDevice(Deno.env) : undefined,
    }),
    nowMs: nowMs(),
  });
  try {
    const handle = handleFor(flags.name ?? person.handle, isPerson);
    return handle === undefined ? 0 : await use({ person, handle });
  } finally {
    await person.close();
  }
}

/**
 * Runs a host with the front that fits, and with the signals that end it.
 * @param look how it is looked at
 * @param make makes the host
 * @param run runs it
 * @returns the exit code
 */
export async function withFront<H extends AnyHost>(
  look: Look,
  make: (parts: HostParts) => H,
  run: (host: H) => Promise<ExitCode>,
): Promise<ExitCode> {
  const { out, err } = look.streams;
  const input = { input: look.input ?? Deno.stdin.readable, out };
  const front: Front = look.wantsJson ? new JsonFront(input) : look.isPerson
    ? new TerminalFront({
      out,
      hasColor: wantsColor(Deno.env),
      ownHandle: look.handle,
      onInterrupt: () => host.quit(),
    })
    : new PlainFront({ ...input, err });
  const log: HostParts["log"] = (event, fields) => {
    if (!look.isVerbose) return;
    const text = logLine(nowMs(), event, fields);
    // A chat screen owns its terminal: what is written beside it would tear the row that is being typed.
    if (look.isPerson && host.hasBeenReady) front.show({ type: "notice", code: "log", text });
    else err.write(text + "\n");
  };
  const host: H = make({ front, log });
  const stop = onSignals(["SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"], () => host.quit());
  try {
    return await run(host);
  } finally {
    await front.close(host.hasBeenReady);
    stop();
  }
}

/** The name that was said, or was used last; else a person is asked, and a script is called what its user is. */
function handleFor(known: string | undefined, isPerson: boolean): string | undefined {
  if (known === undefined && isPerson) return askHandle(defaultHandle(Deno.env));
  const name = known ?? defaultHandle(Deno.env);
  if (name === undefined) {
    throw new UserError("nameInvalid", "There is no name to chat under", "Give one with --name NAME.");
  }
  return checkHandle(name).handle;
}
