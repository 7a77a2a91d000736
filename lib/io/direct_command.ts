/**
 * `sotto listen` and `sotto connect`: two people without a relay.
 * @module
 */

import { wordlist } from "@scure/bip39/wordlists/english";
import { UserError } from "../bytes/errors.ts";
import { readDirectCode } from "../chat/direct_code.ts";
import { formatAddress } from "../cli/address.ts";
import type { DirectFlags } from "../cli/client_flags.ts";
import type { ExitCode } from "../cli/exit_codes.ts";
import { secureRandom } from "../crypto/random.ts";
import type { Certificate } from "../e2ee/certificate.ts";
import { type CodeWords, WordList } from "../pake/code.ts";
import { asCaller, type Caller, type Look, withFront } from "./caller.ts";
import { nowMs } from "./clock.ts";
import { takeCode } from "./code_source.ts";
import { ChangedPeerError } from "./direct_dial.ts";
import { DirectHost } from "./direct_host.ts";
import { listen } from "./listen.ts";
import type { Streams } from "./program.ts";
import { askChangedPeer } from "./questions.ts";
import { isInteractive } from "./terminal.ts";

/**
 * Runs a direct link from its beginning to its end.
 * @param flags what was asked for
 * @param streams where it is written
 * @returns the exit code
 * @throws {UserError} when no channel was secured
 */
export async function runDirectCommand(flags: DirectFlags, streams: Streams): Promise<ExitCode> {
  const isPerson = !flags.json && isInteractive(Deno.env);
  const look = { isPerson, wantsJson: flags.json, isVerbose: flags.verbose, streams };
  return await asCaller(flags, isPerson, (caller) => {
    return flags.action === "listen" ? waitAs(flags, caller, look) : callAs(flags, caller, look);
  });
}

async function waitAs(flags: DirectFlags, caller: Caller, look: Look): Promise<ExitCode> {
  const certificate = await caller.person.certificateFor(caller.handle, nowMs());
  const words = flags.code ? new WordList(wordlist).draw(secureRandom) : undefined;
  const listener = openPort(flags.host, flags.port);
  return await withFront(
    { ...look, handle: caller.handle },
    (parts) => new DirectHost({ ...optionsOf(caller, certificate), words, ...parts }),
    (host) => host.listen(listener),
  );
}

function openPort(host: string, port: number): Deno.TcpListener {
  try {
    return listen(host, port);
  } catch (error) {
    if (!(error instanceof UserError) || error.code !== "portInUse") throw error;
    throw new UserError(
      "portInUse",
      `Cannot listen on port ${port}: another program has it, or it is not open to you`,
      "Choose another: sotto listen PORT (0 picks a free one).",
      { cause: error },
    );
  }
}

async function callAs(flags: DirectFlags, caller: Caller, look: Look): Promise<ExitCode> {
  const { host: hostname, port } = flags;
  const address = { hostname, port, text: formatAddress(hostname.toLowerCase(), port) };
  const certificate = await caller.person.certificateFor(caller.handle, nowMs());
  const { words, input } = flags.code ? await wordsOf(look) : { words: undefined, input: Deno.stdin.readable };
  if (flags.code && words === undefined) return 0; // they left at the question
  const policy = { own: certificate, peers: caller.person.chatState?.peers ?? [], hasCode: flags.code };
  const call = (accepted: { readonly accepted?: string }) =>
    withFront(
      { ...look, handle: caller.handle, input },
      (parts) => new DirectHost({ ...optionsOf(caller, certificate), words, ...parts }),
      (host) => host.call(address, { ...policy, ...accepted }),
    );
  try {
    return await call({});
  } catch (error) {
    if (!(error instanceof ChangedPeerError) || !look.isPerson) throw error;
    const isAccepted = askChangedPeer(error);
    if (isAccepted === undefined) return 0; // gave up, as with Ctrl-C anywhere
    if (!isAccepted) throw error;
    return await call({ accepted: error.peer.fingerprint }); // dialled again; lines are held until /trust or /verify
  }
}

function optionsOf({ person }: Caller, certificate: Certificate) {
  return {
    identity: person.identity,
    certificate,
    state: person.chatState,
    store: person.store,
    secured: () => person.goesBy(certificate.handle),
  };
}

async function wordsOf(
  look: Look,
): Promise<{ words: CodeWords | undefined; input: ReadableStream<Uint8Array> }> {
  const list = new WordList(wordlist);
  const source = { env: Deno.env, isPerson: look.isPerson, input: Deno.stdin.readable };
  const { code, rest } = await takeCode((text) => readDirectCode(text, list), source);
  if (code === undefined && !look.isPerson) {
    throw new UserError(
      "noSession",
      "There is no code: nothing was sent",
      "Put it into SOTTO_CODE, or make it the first line of standard input.",
    );
  }
  return { words: code, input: rest };
}
