// Aim: a client's link gets new keys by itself, over real sockets, and nobody notices: not the person, not the others.
import { assert, assertEquals } from "@std/assert";
import type { ChatEvent } from "../../lib/chat/events.ts";
import { generateDhKeyPair } from "../../lib/crypto/dh.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { createCertificate } from "../../lib/e2ee/certificate.ts";
import { generateIdentity } from "../../lib/e2ee/identity.ts";
import { ClientHost } from "../../lib/io/client_host.ts";
import type { Front, FrontInput } from "../../lib/io/front.ts";
import { MemoryHistory } from "../../lib/io/history_memory.ts";
import { LinkLife } from "../../lib/io/link_life.ts";
import { RelayHost } from "../../lib/io/relay_host.ts";
import { MemoryEventLog } from "../../lib/relay/memory_event_log.ts";
import { NameBook } from "../../lib/relay/names.ts";
import { Relay } from "../../lib/relay/relay.ts";
import { WORDS } from "../support/fake_net.ts";

/** Shows into an array, and says what it is told to. */
class TestFront implements Front {
  readonly events: ChatEvent[] = [];
  readonly broken = new Promise<never>(() => {});
  readonly progress = { queuedBytesEver: 0, writtenBytesEver: 0, drain: () => Promise.resolve(true) };
  #given = Promise.withResolvers<string | undefined>();
  #shown = Promise.withResolvers<void>();

  show(event: ChatEvent): void {
    this.events.push(event);
    this.#shown.resolve();
    this.#shown = Promise.withResolvers();
  }

  say(text: string | undefined): void {
    const { resolve } = this.#given;
    this.#given = Promise.withResolvers();
    resolve(text);
  }

  async until(isEnough: () => boolean): Promise<void> {
    while (!isEnough()) await this.#shown.promise;
  }

  async *inputs(): AsyncGenerator<FrontInput, void, undefined> {
    for (let next = this.#given.promise;;) {
      const text = await next;
      next = this.#given.promise;
      if (text === undefined) return;
      yield { kind: "command", command: { kind: "say", text } };
    }
  }

  takeUnread(): string[] {
    return [];
  }

  ready(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

async function start(port: number, handle: string, lifeMs: number) {
  const identity = await generateIdentity({ life: "ephemeral", nowMs: Date.now() });
  const front = new TestFront();
  const log: string[] = [];
  const host = new ClientHost({
    identity,
    certificate: await createCertificate(identity, { handle, createdMs: Date.now() }),
    address: { hostname: "127.0.0.1", port, text: `127.0.0.1:${port}` },
    policy: { trustOnFirstUse: true },
    roomName: "lobby",
    words: WORDS,
    front,
    history: new MemoryHistory({ keeps: true, days: 30 }),
    testOnlyLinkLifeMs: lifeMs,
    log: (event, fields) => log.push([event, fields.code].join(" ").trim()),
  });
  const running = host.run();
  await front.until(() => front.events.some(({ type }) => type === "ready"));
  return { front, running, log };
}

Deno.test("ClientHost.run() makes its link anew again and again, and nobody notices", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const relay = new RelayHost({
    relay: new Relay({
      log: new MemoryEventLog({ generation: "0".repeat(32) }),
      names: new NameBook(),
      random: secureRandom,
    }),
    staticKeyPair: await generateDhKeyPair(),
    name: "test",
    listener,
    namesChanged: () => {},
    log: () => {},
  });
  const { port } = listener.addr as Deno.NetAddr;
  const bob = await start(port, "bob", 3_600_000);
  const alice = await start(port, "alice", 50);
  const renewals = () => alice.log.filter((event) => event === "linkEnded renew").length;
  const texts = Array.from({ length: 40 }, (_, i) => `line ${i}`);
  const heard = () => alice.front.events.flatMap((event) => event.type === "message" ? [event.text] : []);
  for (const text of texts) {
    bob.front.say(text);
    await alice.front.until(() => heard().at(-1) === text);
    if (renewals() < 3) await new Promise((resolve) => setTimeout(resolve, 25));
  }
  alice.front.say("heard you");
  await bob.front.until(() => bob.front.events.some(({ type }) => type === "message"));
  assert(renewals() >= 3, alice.log.join());
  assertEquals(heard(), texts);
  const odd = [...alice.front.events, ...bob.front.events].filter(({ type }) =>
    !["ready", "joined", "accepted", "message"].includes(type)
  );
  assertEquals([odd, alice.front.events.some((event) => event.type === "message" && event.late)], [[], false]);
  assertEquals(bob.front.events.filter(({ type }) => type === "joined").length, 1);
  for (const { front, running } of [alice, bob]) {
    front.say(undefined);
    assertEquals(await running, 0);
  }
  await relay.close();
});

Deno.test("LinkLife asks again later when the link may not be made anew", async () => {
  let asked = 0;
  const done = Promise.withResolvers<void>();
  const life = new LinkLife({
    lateToEnter: () => done.reject(new Error("it was let in")),
    renew: () => {
      if (++asked === 3) done.resolve();
      return asked === 3;
    },
    testOnlyLifeMs: 1,
  });
  life.linked();
  life.entered();
  await done.promise;
  life.ended();
  assertEquals(asked, 3);
});
