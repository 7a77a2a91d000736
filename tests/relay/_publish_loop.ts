/**
 * A process for the tests to kill, or to starve: a relay's core on a log in a file, with people who publish in turns until it ends. It
 * prints `place id` for each `accepted` of a turn, when the core has let it go, and `refused code id` for what is not
 * stored. After three turns of that it ends.
 *
 *     deno run … _publish_loop.ts DIRECTORY
 */
import { openDataDir } from "../../lib/io/data_dir.ts";
import { SqliteEventLog } from "../../lib/io/sqlite_event_log.ts";
import type { RelayInput } from "../../lib/relay/effects.ts";
import { NameBook } from "../../lib/relay/names.ts";
import { Relay } from "../../lib/relay/relay.ts";
import { decodeRelayMessage } from "../../lib/wire/messages.ts";
import { decodePacket } from "../../lib/wire/packet.ts";
import { callerOf, GENERATION, idOf, LOBBY, LOBBY_STREAM } from "./_workbench.ts";

/** How many people publish in each turn. */
const PEOPLE = 16;
/** More than any test needs: a test that waits in vain fails instead of hanging. */
const TURNS_MAX = 2_000;
const NOTHING = new Uint8Array(0);

const [path] = Deno.args as [string];
const dir = await openDataDir(path, { what: "relay" });
// Small bounds: so it is killed while it clears away, too.
const limits = { streamEvents: 200, streamIds: 1_000_000, totalBytes: Infinity };
const log = await SqliteEventLog.open(dir, { makeGeneration: () => GENERATION, limits });
const relay = new Relay({ log, names: new NameBook() });
const nowMs = 1_800_000_000_000;

for (let link = 1; link <= PEOPLE; link++) {
  relay.handle({ kind: "opened", link, caller: callerOf(`p${link}`), nowMs });
  const packet = { message: { t: "enter", room: LOBBY }, body: NOTHING } as const;
  relay.handle({ kind: "message", link, packet, nowMs });
}
let refusedTurns = 0;
let count = log.head(LOBBY_STREAM);
for (let turn = 0; turn < TURNS_MAX && refusedTurns < 3; turn++) {
  const inputs = Array.from({ length: PEOPLE }, (_, index): RelayInput => {
    const message = { t: "publish", stream: LOBBY_STREAM, kind: "message", id: idOf(++count) } as const;
    return { kind: "message", link: index + 1, packet: { message, body: new Uint8Array(300) }, nowMs };
  });
  let lines = "";
  for (const effect of relay.handleTurn(inputs)) {
    if (effect.kind !== "send") continue;
    const { message } = decodeRelayMessage(decodePacket(effect.packet));
    if (message.t === "accepted") lines += `${message.seq} ${message.id}\n`;
    if (message.t === "refused") lines += `refused ${message.code} ${message.id}\n`;
  }
  if (lines.includes("refused")) refusedTurns++;
  Deno.stdout.writeSync(new TextEncoder().encode(lines));
}
log.close();
