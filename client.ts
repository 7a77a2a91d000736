/**
 * `sotto`: reads flags, finds out who the person is, calls the relay, and chats until somebody ends it.
 * @module
 */

import { assertNever, UserError } from "./lib/bytes/errors.ts";
import { formatAddress } from "./lib/cli/address.ts";
import type { ExitCode } from "./lib/cli/exit_codes.ts";
import { type ClientFlags, parseClientFlags } from "./lib/cli/flags.ts";
import { logLine } from "./lib/cli/relay_lines.ts";
import { decodeInvite, type Invite } from "./lib/cli/invite.ts";
import { safe } from "./lib/cli/safe_text.ts";
import { ClientHost, type ClientOptions } from "./lib/io/client_host.ts";
import { nowMs } from "./lib/io/clock.ts";
import { defaultDataDir } from "./lib/io/data_dir.ts";
import { assertOneKey, type RelayPolicy, UnknownRelayError } from "./lib/io/dial.ts";
import type { Front } from "./lib/io/front.ts";
import { runIdentityCommand } from "./lib/io/identity_command.ts";
import { givenInvite } from "./lib/io/invite_source.ts";
import { JsonFront, PlainFront } from "./lib/io/line_fronts.ts";
import { openMaskedDevice } from "./lib/io/masked_prompt.ts";
import { defaultHandle } from "./lib/io/network.ts";
import { askPassphrase, passphraseFileOf, unlockFrom } from "./lib/io/passphrase.ts";
import { Person } from "./lib/io/person.ts";
import { runProgram, type Streams } from "./lib/io/program.ts";
import { askHandle, askRelay } from "./lib/io/questions.ts";
import { runRelaysCommand } from "./lib/io/relays_command.ts";
import { onSignals } from "./lib/io/signals.ts";
import { isInteractive, wantsColor } from "./lib/io/terminal.ts";
import { TerminalFront } from "./lib/io/terminal_front.ts";
import { invitePsk } from "./lib/link/invite_psk.ts";
import { checkHandle, checkRoomName } from "./lib/wire/handle.ts";

if (import.meta.main) await runProgram(main, Deno.args.includes("--json"));

async function main(streams: Streams): Promise<ExitCode> {
  const parsed = parseClientFlags(Deno.args);
  switch (parsed.kind) {
    case "help":
    case "version":
      streams.out.write(`${parsed.text.trimEnd()}\n`);
      return 0;
    case "identity":
      return await runIdentityCommand(parsed.flags, streams);
    case "relays":
      return await runRelaysCommand(parsed.flags, streams);
    case "run":
      return await run(parsed.flags, streams);
    default:
      return assertNever(parsed);
  }
}

async function run(flags: ClientFlags, streams: Streams): Promise<ExitCode> {
  const invite = await givenInvite(flags.inviteFile, Deno.env);
  const isPerson = !flags.json && isInteractive(Deno.env);
  checkRoomName(flags.room);
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
    if (handle === undefined) return 0; // they left before anything began
    return await chat(flags, { person, handle, isPerson, invite }, streams);
  } finally {
    await person.close();
  }
}

interface Caller {
  readonly person: Person;
  readonly handle: string;
  readonly isPerson: boolean;
  readonly invite: Invite | undefined;
}

async function chat(flags: ClientFlags, caller: Caller, streams: Streams): Promise<ExitCode> {
  const { person, isPerson } = caller;
  const certificate = await person.certificateFor(caller.handle, nowMs());
  const { host: hostname, port, relayKey, room: roomName } = flags;
  const address = { hostname, port, text: formatAddress(hostname.toLowerCase(), port) };
  const pinned = person.pinnedRelay(address.text, flags.dataDir);
  const call = async (key: string | undefined, invite: Invite | undefined) => {
    const policy = { ...await policyOf({ trustOnFirstUse: flags.trustOnFirstUse, key, invite }), ...pinned };
    assertOneKey(policy, address);
    return await connectAndChat({
      identity: person.identity,
      certificate,
      address,
      policy,
      roomName,
      state: person.chatState,
      store: person.store,
      linked: (relay) => person.pin(address.text, relay, nowMs()),
      entered: () => person.use(certificate),
    }, { isPerson, wantsJson: flags.json, isVerbose: flags.verbose, streams });
  };
  try {
    return await call(relayKey, caller.invite);
  } catch (error) {
    if (!isPerson) throw error;
    if (error instanceof UnknownRelayError) {
      const isRight = await askRelay(error.relay, address.text);
      if (isRight === undefined) return 0; // gave up, as with Ctrl-C anywhere
      if (isRight) return await call(error.relay.fingerprint, undefined); // dialled again with the accepted key
    }
    const isUninvited = error instanceof UserError && error.code === "notInvited" && caller.invite === undefined;
    const invite = isUninvited ? await askInvite() : undefined;
    if (invite === undefined) throw error;
    return await call(relayKey, invite);
  }
}

/** An invitation names its relay: no other is talked to, whatever else was said. */
async function policyOf(
  { trustOnFirstUse, key, invite }: {
    readonly trustOnFirstUse: boolean;
    readonly key: string | undefined;
    readonly invite: Invite | undefined;
  },
): Promise<RelayPolicy> {
  if (invite === undefined) return { trustOnFirstUse, ...(key === undefined ? {} : { relayKey: key }) };
  if (key !== undefined && key !== invite.fingerprint) {
    throw new UserError(
      "badFlag",
      "Cannot choose between --relay-key and the invitation: they name different relays",
      "Leave --relay-key out, or ask for an invitation to that relay.",
    );
  }
  return { trustOnFirstUse: false, relayKey: invite.fingerprint, invitePsk: await invitePsk(invite.token) };
}

/** Asks for the invitation that a private relay demands; it is a secret and not shown. */
async function askInvite(): Promise<Invite | undefined> {
  const device = openMaskedDevice(Deno.env);
  const typed = device && await askPassphrase(device, safe`This relay is private. Invitation: `);
  return typed === undefined || typed === "" ? undefined : await decodeInvite(typed);
}

async function connectAndChat(
  options: Omit<ClientOptions, "front" | "log">,
  look: {
    readonly isPerson: boolean;
    readonly wantsJson: boolean;
    readonly isVerbose: boolean;
    readonly streams: Streams;
  },
): Promise<ExitCode> {
  const { out, err } = look.streams;
  const input = { input: Deno.stdin.readable, out };
  const front: Front = look.wantsJson
    ? new JsonFront(input)
    : look.isPerson
    ? new TerminalFront({ out, hasColor: wantsColor(Deno.env), onInterrupt: () => host.quit() })
    : new PlainFront({ ...input, err });
  const log: ClientOptions["log"] = (event, fields) => {
    if (!look.isVerbose) return;
    const text = logLine(nowMs(), event, fields);
    // A chat screen owns its terminal: what is written beside it would tear the row that is being typed.
    if (look.isPerson && host.hasBeenReady) front.show({ type: "notice", code: "log", text });
    else err.write(text + "\n");
  };
  const host: ClientHost = new ClientHost({ ...options, front, log });
  const stop = onSignals(["SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"], () => host.quit());
  try {
    return await host.run();
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
