/**
 * `sotto`: reads flags, finds out who the person is, calls the relay, and chats until somebody ends it.
 * @module
 */

import { UserError } from "./lib/bytes/errors.ts";
import { formatAddress } from "./lib/cli/address.ts";
import type { ExitCode } from "./lib/cli/exit_codes.ts";
import { type ClientFlags, parseClientFlags } from "./lib/cli/flags.ts";
import { createCertificate } from "./lib/e2ee/certificate.ts";
import { generateIdentity } from "./lib/e2ee/identity.ts";
import { ClientHost, type ClientOptions } from "./lib/io/client_host.ts";
import { loadIdentity } from "./lib/io/client_store.ts";
import { nowMs } from "./lib/io/clock.ts";
import { type DataDir, defaultDataDir, openDataDir } from "./lib/io/data_dir.ts";
import { UnknownRelayError } from "./lib/io/dial.ts";
import type { Front } from "./lib/io/front.ts";
import { JsonFront, PlainFront } from "./lib/io/line_fronts.ts";
import { defaultHandle } from "./lib/io/network.ts";
import { runProgram, type Streams } from "./lib/io/program.ts";
import { askHandle, askRelay } from "./lib/io/questions.ts";
import { onSignals } from "./lib/io/signals.ts";
import { isInteractive, wantsColor } from "./lib/io/terminal.ts";
import { TerminalFront } from "./lib/io/terminal_front.ts";
import { checkHandle, checkRoomName } from "./lib/wire/handle.ts";

if (import.meta.main) await runProgram(main, Deno.args.includes("--json"));

async function main(streams: Streams): Promise<ExitCode> {
  const parsed = parseClientFlags(Deno.args);
  if (parsed.kind !== "run") {
    streams.out.write(`${parsed.text.trimEnd()}\n`);
    return 0;
  }
  const { flags } = parsed;
  const isPerson = !flags.json && isInteractive(Deno.env);
  const handle = flags.name === undefined && isPerson ? askHandle(defaultHandle(Deno.env)) : handleFor(flags);
  if (handle === undefined) return 0; // they left before anything began
  checkRoomName(flags.room);
  const dir = flags.ephemeral
    ? undefined
    : await openDataDir(flags.dataDir ?? defaultDataDir("client", Deno.env), { what: "client" });
  try {
    return await chat(flags, { handle, dir, isPerson }, streams);
  } finally {
    dir?.close();
  }
}

interface Person {
  readonly handle: string;
  readonly dir: DataDir | undefined;
  readonly isPerson: boolean;
}

async function chat(flags: ClientFlags, person: Person, streams: Streams): Promise<ExitCode> {
  const identity = person.dir === undefined
    ? await generateIdentity({ life: "ephemeral", nowMs: nowMs() })
    : await loadIdentity(person.dir);
  const certificate = await createCertificate(identity, { handle: person.handle, createdMs: nowMs() });
  const { host: hostname, port, relayKey, trustOnFirstUse, room: roomName } = flags;
  const address = { hostname, port, text: formatAddress(hostname, port) };
  const call = (key: string | undefined) =>
    connectAndChat({
      identity,
      certificate,
      address,
      policy: { trustOnFirstUse, ...(key === undefined ? {} : { relayKey: key }) },
      roomName,
    }, { isPerson: person.isPerson, wantsJson: flags.json, streams });
  try {
    return await call(relayKey);
  } catch (error) {
    if (!(error instanceof UnknownRelayError) || !person.isPerson) throw error;
    if (!askRelay(error.relay, address.text)) throw error;
    return await call(error.relay.fingerprint); // dialled again with the key that the person accepted
  }
}

async function connectAndChat(
  options: Omit<ClientOptions, "front">,
  look: { readonly isPerson: boolean; readonly wantsJson: boolean; readonly streams: Streams },
): Promise<ExitCode> {
  const { out, err } = look.streams;
  const input = { input: Deno.stdin.readable, out };
  const front: Front = look.wantsJson
    ? new JsonFront(input)
    : look.isPerson
    ? new TerminalFront({ out, hasColor: wantsColor(Deno.env), onInterrupt: () => host.quit() })
    : new PlainFront({ ...input, err });
  const host: ClientHost = new ClientHost({ ...options, front });
  const stop = onSignals(["SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"], () => host.quit());
  try {
    return await host.run();
  } finally {
    await front.close(host.hasBeenReady);
    stop();
  }
}

function handleFor(flags: ClientFlags): string {
  const name = flags.name ?? defaultHandle(Deno.env);
  if (name === undefined) {
    throw new UserError("nameInvalid", "There is no name to chat under", "Give one with --name NAME.");
  }
  return checkHandle(name).handle;
}
