// Aim: a connection that is not taken is closed and counts nowhere, and one that is counts until nothing of it is left.
import { assertEquals } from "@std/assert";
import { UserError } from "../../lib/bytes/errors.ts";
import { generateDhKeyPair } from "../../lib/crypto/dh.ts";
import { HALF_OPEN_PER_ADDRESS_MAX, RelayHost } from "../../lib/io/relay_host.ts";
import { MemoryEventLog } from "../../lib/relay/memory_event_log.ts";
import { NameBook } from "../../lib/relay/names.ts";
import { Relay } from "../../lib/relay/relay.ts";

/** A connection whose peer says nothing; closed, it reads as ended. */
class SilentConn {
  readonly remoteAddr: { readonly hostname: string };
  readonly #end = Promise.withResolvers<null>();
  isClosed = false;

  constructor(hostname: string, readonly isGone = false) {
    this.remoteAddr = { hostname };
  }

  setNoDelay(): void {
    if (this.isGone) throw new Deno.errors.NotConnected("Transport endpoint is not connected");
  }

  read(): Promise<null> {
    return this.#end.promise;
  }

  write(bytes: Uint8Array): Promise<number> {
    return Promise.resolve(bytes.length);
  }

  closeWrite(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    this.isClosed = true;
    this.#end.resolve(null);
  }
}

/** A listener that accepts what it is given. */
class FakeListener {
  #next = Promise.withResolvers<unknown>();

  accept(): Promise<unknown> {
    return this.#next.promise;
  }

  close(): void {
    this.#next.reject(new Deno.errors.BadResource("closed"));
  }

  /** Lets a connection in, and waits until the host has decided. */
  async give(conn: SilentConn): Promise<SilentConn> {
    const { resolve } = this.#next;
    this.#next = Promise.withResolvers();
    resolve(conn);
    await settled();
    return conn;
  }
}

function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

async function startHost(linksPerAddressMax?: number) {
  const listener = new FakeListener();
  const events: string[] = [];
  const host = new RelayHost({
    relay: new Relay({ log: new MemoryEventLog({ generation: "0".repeat(32) }), names: new NameBook() }),
    staticKeyPair: await generateDhKeyPair(),
    name: "test",
    listener: listener as unknown as Deno.TcpListener,
    ...(linksPerAddressMax === undefined ? {} : { linksPerAddressMax }),
    namesChanged: () => {},
    log: (level, event, fields) => level === "info" && events.push([event, fields.reason].join(" ").trim()),
  });
  return { host, listener, events };
}

Deno.test("RelayHost closes a connection that cannot be set up, and its place stays free", async () => {
  const { host, listener, events } = await startHost();
  for (let count = 0; count < 2 * HALF_OPEN_PER_ADDRESS_MAX; count++) {
    assertEquals((await listener.give(new SilentConn("192.0.2.1", true))).isClosed, true);
  }
  assertEquals(new Set(events), new Set(["linkRefused gone"]));
  const conn = await listener.give(new SilentConn("192.0.2.1"));
  assertEquals(conn.isClosed, false);
  conn.close();
  await host.close();
});

Deno.test("RelayHost refuses one address more connections than its bound, until one of them is over", async () => {
  const { host, listener, events } = await startHost(2);
  const first = await listener.give(new SilentConn("192.0.2.1"));
  const second = await listener.give(new SilentConn("192.0.2.1"));
  const third = await listener.give(new SilentConn("192.0.2.1"));
  const other = await listener.give(new SilentConn("192.0.2.2"));
  assertEquals([first, second, third, other].map((conn) => conn.isClosed), [false, false, true, false]);
  assertEquals(events, ["linkRefused address"]);
  first.close();
  await settled();
  const fourth = await listener.give(new SilentConn("192.0.2.1"));
  assertEquals(fourth.isClosed, false);
  for (const conn of [second, other, fourth]) conn.close();
  await host.close();
});

Deno.test("RelayHost refuses one address more unfinished handshakes than their bound", async () => {
  const { host, listener, events } = await startHost();
  const conns: SilentConn[] = [];
  for (let count = 0; count <= HALF_OPEN_PER_ADDRESS_MAX; count++) {
    conns.push(await listener.give(new SilentConn("192.0.2.1")));
  }
  assertEquals(conns.map((conn) => conn.isClosed), conns.map((_, index) => index === HALF_OPEN_PER_ADDRESS_MAX));
  assertEquals(events, ["linkRefused halfOpen"]);
  for (const conn of conns) conn.close();
  await host.close();
});

Deno.test("RelayHost gives its owner an error that the core cannot go on from, once", async () => {
  class BrokenRelay extends Relay {
    override handleTurn(): never {
      throw new UserError("dataDirUnusable", "The log is damaged", "Restore it.");
    }
  }
  const failures: unknown[] = [];
  const host = new RelayHost({
    relay: new BrokenRelay({ log: new MemoryEventLog({ generation: "0".repeat(32) }), names: new NameBook() }),
    staticKeyPair: await generateDhKeyPair(),
    name: "test",
    listener: new FakeListener() as unknown as Deno.TcpListener,
    namesChanged: () => {},
    failed: (error) => failures.push(error),
    log: () => {},
  });
  await host.close();
  await host.close();
  assertEquals(failures.map((error) => error instanceof UserError && error.code), ["dataDirUnusable"]);
});
