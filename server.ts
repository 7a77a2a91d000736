/**
 * `sotto-server`: reads flags, opens the data directory, listens, and runs a relay until a signal ends it.
 * @module
 */

import { encodeHex } from "@std/encoding/hex";
import { UserError } from "./lib/bytes/errors.ts";
import type { ExitCode } from "./lib/cli/exit_codes.ts";
import { parseServerFlags, type ServerFlags } from "./lib/cli/flags.ts";
import { inviteLines, logLine, startLines } from "./lib/cli/relay_lines.ts";
import { fingerprintWords } from "./lib/cli/words.ts";
import { toJsonLine } from "./lib/cli/json_lines.ts";
import { secureRandom } from "./lib/crypto/random.ts";
import { relayFingerprint } from "./lib/e2ee/identity.ts";
import { AllowList } from "./lib/io/allow_list.ts";
import { nowMs } from "./lib/io/clock.ts";
import { defaultDataDir, openDataDir } from "./lib/io/data_dir.ts";
import { inviteOf, RelayInvite } from "./lib/io/invite_store.ts";
import { listen } from "./lib/io/listen.ts";
import { lanAddresses } from "./lib/io/network.ts";
import { ArchiveLoop, RoomArchive } from "./lib/io/room_archive.ts";
import { runProgram, type Streams } from "./lib/io/program.ts";
import { RelayHost } from "./lib/io/relay_host.ts";
import { loadRelayKey, NameStore } from "./lib/io/relay_store.ts";
import { onEverySignal, onSignals } from "./lib/io/signals.ts";
import { SqliteEventLog } from "./lib/io/sqlite_event_log.ts";
import { MemoryEventLog } from "./lib/relay/memory_event_log.ts";
import { NameBook } from "./lib/relay/names.ts";
import { Relay } from "./lib/relay/relay.ts";
import { relayName } from "./lib/cli/relay_name.ts";

if (import.meta.main) await runProgram(main, Deno.args.includes("--json"));

async function main(streams: Streams): Promise<ExitCode> {
  const parsed = parseServerFlags(Deno.args);
  if (parsed.kind === "invite") {
    const path = parsed.flags.dataDir ?? defaultDataDir("relay", Deno.env);
    streams.out.write(`${await inviteOf(path, parsed.flags)}\n`);
    for (const line of inviteLines()) streams.err.write(line + "\n");
    return 0;
  }
  if (parsed.kind !== "run") {
    streams.out.write(`${parsed.text.trimEnd()}\n`);
    return 0;
  }
  return await serve(parsed.flags, streams);
}

type Fields = Readonly<Record<string, string | number>>;

async function serve(flags: ServerFlags, { out, err }: Streams): Promise<ExitCode> {
  const name = relayName(flags.name ?? Deno.hostname(), { isChosen: flags.name !== undefined });
  const dir = await openDataDir(flags.dataDir ?? defaultDataDir("relay", Deno.env), { what: "relay" });
  let events: SqliteEventLog | undefined;
  try {
    const staticKeyPair = await loadRelayKey(dir);
    const fingerprint = await relayFingerprint(staticKeyPair.publicBytes);
    const log = (level: "info" | "debug", event: string, fields: Fields) => {
      if (level === "debug" && !flags.verbose) return;
      if (flags.json) out.write(toJsonLine({ type: "log", level, event, fields }) + "\n");
      else err.write(logLine(nowMs(), event, fields) + "\n");
    };
    const names = new NameBook(flags.nameTtlMs === undefined ? {} : { ttlMs: flags.nameTtlMs });
    const store = new NameStore(dir, names, (error) => log("info", "namesNotSaved", { error: nameOf(error) }));
    await store.load();
    const makeGeneration = () => encodeHex(secureRandom(16));
    if (!flags.memory) events = await SqliteEventLog.open(dir, { makeGeneration });

    const hooks = {
      changed: () => runtime.recheck(),
      log: (event: string, fields: Fields) => log("info", event, fields),
    };
    // Both look at their files for the first time in two seconds: `runtime` is there by then.
    const invite = await RelayInvite.open(dir.path, hooks);
    const allowed = flags.allow === undefined ? undefined : await AllowList.open(flags.allow, hooks);
    // No `await` from here to the host: what reads files again speaks to it.
    const listener = listen(flags.host, flags.port);
    const { hostname: host, port } = listener.addr;
    const eventLog = events ?? new MemoryEventLog({ generation: makeGeneration() });
    const relay = new Relay({ log: eventLog, names, random: secureRandom });
    const failing = Promise.withResolvers<never>();
    const runtime: RelayHost = new RelayHost({
      relay,
      staticKeyPair,
      name,
      listener,
      log,
      psk: () => invite.psk,
      failed: failing.reject,
      namesChanged: () => store.changed(),
      ...(allowed === undefined ? {} : { admits: (fingerprint) => allowed.has(fingerprint) }),
    });
    const told = (event: string, fields: Fields) => log("info", event, fields);
    const archive = new ArchiveLoop(new RoomArchive({ log: eventLog, told }), { failed: failing.reject });
    const listening = {
      name,
      host,
      port,
      fingerprint,
      words: await fingerprintWords(fingerprint),
      lan: lanAddresses(),
      isPrivate: invite.psk !== undefined,
      isFromCheckout: !Deno.build.standalone,
    };
    if (flags.json) out.write(toJsonLine({ type: "listening", host, port, fingerprint }) + "\n");
    else for (const line of startLines(listening)) out.write(line + "\n");

    const stop = onEverySignal("SIGHUP", () => void Promise.all([allowed?.readNow(), invite.readNow()]));
    await Promise.race([ended(), failing.promise]);
    stop();
    await Promise.all([allowed?.close(), invite.close(), archive.close()]);
    await runtime.close();
    await store.close();
    if (!flags.json) out.write("The relay has stopped.\n");
    return 0;
  } finally {
    events?.close();
    dir.close();
  }
}

/** Waits for a signal that ends the relay; a reader of its output that goes away does not. */
function ended(): Promise<void> {
  return new Promise((resolve) => {
    onSignals(["SIGINT", "SIGTERM", "SIGBREAK"], () => resolve());
  });
}

function nameOf(error: unknown): string {
  return error instanceof UserError ? error.code : error instanceof Error ? error.name : "unknown";
}
