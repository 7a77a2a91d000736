/** A link in memory: packets that wait together share a record, beside one record for each. */
import { generateDhKeyPair } from "../../lib/crypto/dh.ts";
import { Link, type LinkEffect } from "../../lib/link/link.ts";
import { encodePacket } from "../../lib/wire/packet.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { measure, report } from "./_measure.ts";

const PACKETS = 2_000;

/** Prints the table. */
export async function benchLink(): Promise<void> {
  console.log("Link, one packet of 700 bytes sealed, carried and opened:");
  const packet = encodePacket({ t: "event" }, secureRandom(680));
  const single = await measure(PACKETS, () => carry(packet, 1));
  report("one packet a record", single);
  for (const together of [10, 80]) {
    const packed = await measure(PACKETS, () => carry(packet, together));
    report(
      `${together} packets waiting together`,
      packed,
      `${(single.cpuMicros / packed.cpuMicros).toFixed(1)} × cheaper`,
    );
  }
  console.log();
}

async function carry(packet: Uint8Array, together: number): Promise<void> {
  const [a, b] = await pair();
  let arrived = 0;
  for (let sent = 0; sent < PACKETS; sent += together) {
    for (let i = 0; i < together; i++) a.enqueue(packet);
    for (let next = a.nextWrite(); next !== undefined; next = a.nextWrite()) {
      const effects = await b.handle({ kind: "received", bytes: await next, nowMs: 0 });
      arrived += effects.filter((effect: LinkEffect<true>) => effect.kind === "deliver").length;
    }
  }
  if (arrived < PACKETS) throw new Error(`${arrived} of ${PACKETS} packets arrived`);
}

async function pair(): Promise<[Link<true>, Link<true>]> {
  const make = async (role: "initiator" | "responder") =>
    new Link<true>({
      role,
      listener: "relay",
      staticKeyPair: await generateDhKeyPair(),
      card: new Uint8Array(1),
      authenticate: () => Promise.resolve(true as const),
    });
  const a = await make("initiator");
  const b = await make("responder");
  await a.handle({ kind: "start", nowMs: 0 });
  await b.handle({ kind: "start", nowMs: 0 });
  while (a.state !== "open" || b.state !== "open") {
    for (const [from, to] of [[a, b], [b, a]] as const) {
      for (let next = from.nextWrite(); next !== undefined; next = from.nextWrite()) {
        await to.handle({ kind: "received", bytes: await next, nowMs: 0 });
      }
    }
  }
  return [a, b];
}
