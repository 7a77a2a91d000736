/** The relay's core alone: fan-out that encodes once, beside encoding for each reader. */
import { encodeHex } from "@std/encoding/hex";
import { encodeBase32 } from "@std/encoding/base32";
import { secureRandom } from "../../lib/crypto/random.ts";
import { MemoryEventLog } from "../../lib/relay/memory_event_log.ts";
import { NameBook } from "../../lib/relay/names.ts";
import { Relay } from "../../lib/relay/relay.ts";
import { encodeRelayMessage } from "../../lib/wire/messages.ts";
import { measure, report } from "./_measure.ts";

const nowMs = Date.UTC(2026, 0, 1);
const EVENTS = 1_000;

function id32(): string {
  return encodeBase32(secureRandom(32)).replace(/=+$/, "");
}

/** Prints the table. */
export async function benchRelay(): Promise<void> {
  console.log("Relay core, one delivery to one reader (a body of 600 bytes):");
  const body = secureRandom(600);
  for (const readers of [2, 10, 100, 1_000]) {
    const relay = new Relay({
      log: new MemoryEventLog({ generation: encodeHex(secureRandom(16)) }),
      names: new NameBook(),
    });
    const room = id32();
    for (let link = 1; link <= readers + 1; link++) {
      const caller = {
        fingerprint: id32(),
        handle: `p${link}`,
        life: "lasting",
        createdMs: nowMs,
        certificate: secureRandom(250),
      } as const;
      relay.handle({ kind: "opened", link, caller, nowMs });
      const none = new Uint8Array(0);
      relay.handle({ kind: "message", link, packet: { message: { t: "enter", room }, body: none }, nowMs });
      const subscribe = { t: "subscribe", stream: `room/${room}`, after: null } as const;
      relay.handle({ kind: "message", link, packet: { message: subscribe, body: none }, nowMs });
    }
    const events = Math.max(50, Math.ceil(EVENTS / readers) * 2);
    let deliveries = 0;
    const cost = await measure(events * readers, () => {
      for (let i = 0; i < events; i++) {
        const message = {
          t: "publish",
          stream: `room/${room}`,
          kind: "message",
          id: encodeHex(secureRandom(16)),
        } as const;
        for (const effect of relay.handle({ kind: "message", link: 1, packet: { message, body }, nowMs })) {
          if (effect.kind === "send") deliveries += effect.links.length;
        }
      }
    });
    const naive = await measure(events * readers, () => {
      const message = {
        t: "event",
        stream: `room/${room}`,
        seq: 1,
        at: nowMs,
        from: room,
        kind: "message",
        id: "0".repeat(32),
      } as const;
      for (let i = 0; i < events * readers; i++) encodeRelayMessage(message, body);
    });
    report(
      `${readers} readers`,
      cost,
      `encoding for each: ${naive.cpuMicros.toFixed(1)} µs, ${(naive.cpuMicros / cost.cpuMicros).toFixed(1)} ×`,
    );
    if (deliveries === 0) throw new Error("nothing was delivered");
  }
  console.log();
}
