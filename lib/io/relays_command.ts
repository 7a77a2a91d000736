/**
 * `sotto relays`: tells which relays are known on this machine, and forgets one.
 * @module
 */

import { assertNever, UserError } from "../bytes/errors.ts";
import { spellFingerprint } from "../chat/fingerprint.ts";
import type { ExitCode } from "../cli/exit_codes.ts";
import type { RelaysFlags } from "../cli/flags.ts";
import { isoSeconds, isoTime } from "../cli/iso.ts";
import { toJsonLine } from "../cli/json_lines.ts";
import { safe, safeText } from "../cli/safe_text.ts";
import type { ClientState } from "./client_store.ts";
import { type OpenKept, type StoreCommandOptions, tell, withKept } from "./kept.ts";
import type { Streams } from "./program.ts";

/**
 * Runs `sotto relays`.
 * @param flags what it was told
 * @param streams where lines go
 * @param options stands in for terminal and environment
 * @returns the exit code
 * @throws {UserError} `dataDirUnusable` or `dataDirBusy`; then nothing was changed
 */
export async function runRelaysCommand(
  flags: RelaysFlags,
  streams: Streams,
  options: StoreCommandOptions = {},
): Promise<ExitCode> {
  return await withKept(flags, options, async (kept): Promise<ExitCode> => {
    switch (flags.action) {
      case "list":
        list(kept.state.relays, flags.json, streams);
        return 0;
      case "forget":
        await forget(flags.address, kept);
        tell(streams.out, [safe`The relay at ${safeText(flags.address)} is forgotten: it will be met anew.`]);
        return 0;
      default:
        return assertNever(flags);
    }
  });
}

function list(relays: ClientState["relays"], wantsJson: boolean, { out, err }: Streams): void {
  if (wantsJson) {
    for (const { address, name, fingerprint, firstMetMs } of relays) {
      out.write(toJsonLine({ type: "relay", address, name, fingerprint, firstMet: isoTime(firstMetMs) }) + "\n");
    }
    return;
  }
  // Not on standard output: a script counts lines there.
  if (relays.length === 0) tell(err, [safe`You know no relay yet.`]);
  tell(
    out,
    relays.map(({ address, name, fingerprint, firstMetMs }) => {
      const who = safe`${safeText(address)}  ${safeText(name)}  ${safeText(spellFingerprint(fingerprint))}`;
      return safe`${who}  first met ${safeText(isoSeconds(firstMetMs))}`;
    }),
  );
}

async function forget(address: string, { store, state }: OpenKept): Promise<void> {
  if (!state.relays.some((relay) => relay.address === address)) {
    throw new UserError(
      "dataDirUnusable",
      `Cannot forget ${address}: no relay was met there`,
      "See sotto relays for those that you know.",
    );
  }
  await store.commit({ relays: [{ address, pin: undefined }] });
}
