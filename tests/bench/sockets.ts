/** A relay process on loopback sockets with real clients' links in this process: accepts a second, and latency. */
import { encodeHex } from "@std/encoding/hex";
import { generateDhKeyPair } from "../../lib/crypto/dh.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { listen } from "../../lib/io/listen.ts";
import { RelayHost } from "../../lib/io/relay_host.ts";
import { TcpLink } from "../../lib/io/tcp.ts";
import { MemoryEventLog } from "../../lib/relay/memory_event_log.ts";
import { NameBook } from "../../lib/relay/names.ts";
import { Relay } from "../../lib/relay/relay.ts";
import { decodeRelayMessage, encodeClientMessage } from "../../lib/wire/messages.ts";
import { measure, report } from "./_measure.ts";
import { callersLink } from "./_callers_link.ts";

const PUBLISHERS = 16;
const EVENTS = 4_000;
const ROOM = "A".repeat(52);

interface Client {
  readonly tcp: TcpLink<true>;
  onAccepted: () => void;
}

/** Prints the table. */
export async function benchSockets(): Promise<void> {
  console.log(
    `Relay on loopback, memory log, ${PUBLISHERS} links, relay and links in one process (a body of 600 bytes):`,
  );
  const listener = listen("127.0.0.1", 0);
  const log = new MemoryEventLog({ generation: encodeHex(secureRandom(16)) });
  const host = new RelayHost({
    relay: new Relay({ log, names: new NameBook() }),
    staticKeyPair: await generateDhKeyPair(),
    name: "bench",
    listener,
    log: () => {},
    namesChanged: () => {},
  });
  const clients = await Promise.all(Array.from({ length: PUBLISHERS }, (_, i) => connect(listener.addr.port, i)));
  const busy = await measure(EVENTS, () => publishAll(clients, EVENTS / PUBLISHERS));
  report(`${PUBLISHERS} publishers, ${PUBLISHERS - 1} readers each: accepted`, busy);
  report("  that is deliveries", {
    perSecond: busy.perSecond * (PUBLISHERS - 1),
    cpuMicros: busy.cpuMicros / (PUBLISHERS - 1),
  });

  const times: number[] = [];
  for (let i = 0; i < 500; i++) {
    const before = performance.now();
    await publish(clients[0] as Client, 1);
    times.push(performance.now() - before);
  }
  times.sort((a, b) => a - b);
  console.log(`  one at a time: accepted after p50 ${times[250]?.toFixed(2)} ms, p99 ${times[495]?.toFixed(2)} ms`);
  for (const { tcp } of clients) tcp.close("quit", "done");
  await Promise.all(clients.map(({ tcp }) => tcp.finished));
  await host.close();
}

async function publishAll(clients: readonly Client[], each: number): Promise<void> {
  await Promise.all(clients.map((client) => publish(client, each)));
}

function publish(client: Client, count: number): Promise<void> {
  const body = secureRandom(600);
  return new Promise((resolve) => {
    let left = count;
    client.onAccepted = () => --left === 0 && resolve();
    for (let i = 0; i < count; i++) {
      const id = encodeHex(secureRandom(16));
      client.tcp.send(encodeClientMessage({ t: "publish", stream: `room/${ROOM}`, kind: "message", id }, body));
    }
  });
}

async function connect(port: number, number: number): Promise<Client> {
  const link = await callersLink(number);
  const subscribed = Promise.withResolvers<void>();
  const client: Client = {
    onAccepted: () => {},
    tcp: new TcpLink(await Deno.connect({ hostname: "127.0.0.1", port }), link, {
      opened: () => {
        client.tcp.send(encodeClientMessage({ t: "enter", room: ROOM }));
        client.tcp.send(encodeClientMessage({ t: "subscribe", stream: `room/${ROOM}`, after: null }));
      },
      packet: (packet) => {
        const { message } = decodeRelayMessage(packet);
        if (message.t === "subscribed") subscribed.resolve();
        if (message.t === "accepted") client.onAccepted();
      },
      ended: (end) => end.kind === "closed" || console.log(`  a link ended: ${end.kind}`),
    }),
  };
  await subscribed.promise;
  return client;
}
