/**
 * `sotto`: reads flags, finds out who the person is, calls the relay, and chats until somebody ends it.
 * @module
 */

import { wordlist } from "@scure/bip39/wordlists/english";
import { assertNever, UserError } from "./lib/bytes/errors.ts";
import { formatAddress } from "./lib/cli/address.ts";
import type { ExitCode } from "./lib/cli/exit_codes.ts";
import { type ClientFlags, parseClientFlags } from "./lib/cli/flags.ts";
import { decodeInvite, type Invite } from "./lib/cli/invite.ts";
import { safe } from "./lib/cli/safe_text.ts";
import { asCaller, type Caller, withFront } from "./lib/io/caller.ts";
import { ClientHost } from "./lib/io/client_host.ts";
import { nowMs } from "./lib/io/clock.ts";
import { assertOneKey, type KnownRelay, type RelayPolicy, UnknownRelayError } from "./lib/io/dial.ts";
import { runDirectCommand } from "./lib/io/direct_command.ts";
import { runIdentityCommand } from "./lib/io/identity_command.ts";
import { givenInvite } from "./lib/io/invite_source.ts";
import { openMaskedDevice } from "./lib/io/masked_prompt.ts";
import { askPassphrase, passphraseFileOf } from "./lib/io/passphrase.ts";
import { runProgram, type Streams } from "./lib/io/program.ts";
import { askRelay } from "./lib/io/questions.ts";
import { runRelaysCommand } from "./lib/io/relays_command.ts";
import { type SessionStart, startSession } from "./lib/io/session_start.ts";
import { isInteractive } from "./lib/io/terminal.ts";
import { invitePsk } from "./lib/link/invite_psk.ts";
import { WordList } from "./lib/pake/code.ts";
import { checkRoomName } from "./lib/wire/handle.ts";

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
    case "direct":
      return await runDirectCommand(parsed.flags, streams);
    case "run":
      return await run(parsed.flags, streams);
    default:
      return assertNever(parsed);
  }
}

async function run(flags: ClientFlags, streams: Streams): Promise<ExitCode> {
  const invite = await givenInvite(flags.inviteFile, Deno.env);
  const isPerson = !flags.json && isInteractive(Deno.env);
  if (flags.room !== undefined) checkRoomName(flags.room);
  const words = new WordList(wordlist);
  const source = { env: Deno.env, isPerson, input: Deno.stdin.readable };
  const start = flags.session === undefined ? undefined : await startSession(flags.session, words, source);
  if (start !== undefined && start.command === undefined) return 0; // they left at the question
  return await asCaller(flags, isPerson, (who) => chat(flags, { ...who, isPerson, invite, words, start }, streams));
}

interface ChatCaller extends Caller {
  readonly isPerson: boolean;
  readonly invite: Invite | undefined;
  readonly words: WordList;
  readonly start: SessionStart | undefined;
}

async function chat(flags: ClientFlags, caller: ChatCaller, streams: Streams): Promise<ExitCode> {
  const { person, isPerson, words, start } = caller;
  let certificate = await person.certificateFor(caller.handle, nowMs());
  const { host: hostname, port, relayKey, room } = flags;
  const address = { hostname, port, text: formatAddress(hostname.toLowerCase(), port) };
  const pinned = person.pinnedRelay(address.text, flags.dataDir);
  const callOnce = async (key: string | undefined, invite: Invite | undefined) => {
    const policy = { ...await policyOf({ trustOnFirstUse: flags.trustOnFirstUse, key, invite }), ...pinned };
    assertOneKey(policy, address);
    const options = {
      identity: person.identity,
      certificate,
      address,
      policy,
      roomName: room,
      session: start?.command,
      receipts: flags.receipts,
      words,
      state: person.chatState,
      store: person.store,
      history,
      linked: (relay: KnownRelay) => person.pin(address.text, relay, nowMs()),
      entered: () => person.goesBy(certificate.handle),
    };
    const look = { isPerson, wantsJson: flags.json, isVerbose: flags.verbose, streams, handle: caller.handle };
    return await withFront(
      start === undefined ? look : { ...look, input: start.input },
      (parts) => new ClientHost({ ...options, ...parts }),
      (host) => host.run(),
    );
  };
  const policy = { keeps: flags.keepsHistory, days: flags.historyDays };
  const history = await person.history(policy, nowMs());
  const call = async (key: string | undefined, invite: Invite | undefined) => {
    try {
      return await callOnce(key, invite);
    } catch (error) {
      if (!(error instanceof UserError && error.code === "olderCertificate")) throw error;
      // This identity was elsewhere meanwhile: the newest certificate counts, so ours must be.
      certificate = await person.freshCertificate(caller.handle, nowMs());
      return await callOnce(key, invite);
    }
  };
  if (passphraseFileOf(flags.passphraseFile, Deno.env) !== undefined && person.isKept && !person.hasPassphrase) {
    streams.err.write("Note: no passphrase protects this data directory; sotto identity passphrase sets one.\n");
  }
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
