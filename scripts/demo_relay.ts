/**
 * The relay of the demo: the real one, on a log that also tells what it was given to store. Prints JSON lines: first
 * `listening` as `sotto-server --json` does, then one `stored` for each event.
 * @module
 */

import { encodeHex } from "@std/encoding/hex";
import { generateDhKeyPair } from "../lib/crypto/dh.ts";
import { secureRandom } from "../lib/crypto/random.ts";
import { relayFingerprint } from "../lib/e2ee/identity.ts";
import { listen } from "../lib/io/listen.ts";
import { RelayHost } from "../lib/io/relay_host.ts";
import { onSignals } from "../lib/io/signals.ts";
import type { AppendResult, NewEvent } from "../lib/relay/event_log.ts";
import { MemoryEventLog } from "../lib/relay/memory_event_log.ts";
import { NameBook } from "../lib/relay/names.ts";
import { Relay } from "../lib/relay/relay.ts";

/** An event log that tells what goes into it. */
class TellingEventLog extends MemoryEventLog {
  override append(event: NewEvent): AppendResult {
    const result = super.append(event);
    const { stream, id, body } = event;
    console.log(JSON.stringify({ type: "stored", stream, id, hex: encodeHex(body) }));
    return result;
  }
}

const staticKeyPair = await generateDhKeyPair();
const listener = listen("127.0.0.1", 0);
const relay = new Relay({
  log: new TellingEventLog({ generation: encodeHex(secureRandom(16)) }),
  names: new NameBook(),
});
const host = new RelayHost({ relay, staticKeyPair, name: "demo", listener, log: () => {}, namesChanged: () => {} });
const fingerprint = await relayFingerprint(staticKeyPair.publicBytes);
console.log(JSON.stringify({ type: "listening", port: listener.addr.port, fingerprint }));
await new Promise<void>((resolve) => onSignals(["SIGINT", "SIGTERM"], () => resolve()));
await host.close();
Deno.exit(0);
