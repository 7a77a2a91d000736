// Aim: what a host does beside the core: it keeps before it says, expires with its code, and goes when it is asked to.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { UserError } from "../../lib/bytes/errors.ts";
import type { ChatEvent } from "../../lib/chat/events.ts";
import type { ChatChanges } from "../../lib/chat/state.ts";
import { type Certificate, createCertificate } from "../../lib/e2ee/certificate.ts";
import { generateIdentity } from "../../lib/e2ee/identity.ts";
import { DirectHost, type DirectHostOptions } from "../../lib/io/direct_host.ts";
import { takeCode } from "../../lib/io/code_source.ts";
import type { Front, FrontInput } from "../../lib/io/front.ts";
import { WORDS } from "../chat/_direct_pair.ts";

const NOW_MS = 1_750_000_000_000;

/** Sees what is shown, and says what it was given. */
class SilentFront implements Front {
  readonly events: ChatEvent[] = [];
  readonly broken = new Promise<never>(() => {});
  readonly progress = { queuedBytesEver: 0, writtenBytesEver: 0, drain: () => Promise.resolve(true) };
  readonly #seen: (() => void)[] = [];
  readonly #lines: readonly string[];
  constructor(lines: readonly string[] = []) {
    this.#lines = lines;
  }
  show(event: ChatEvent): void {
    this.events.push(event);
    for (const resolve of this.#seen.splice(0)) resolve();
  }
  /** Waits until an event of that type was shown. */
  async has(type: ChatEvent["type"]): Promise<void> {
    while (!this.events.some((event) => event.type === type)) {
      await new Promise<void>((resolve) => this.#seen.push(resolve));
    }
  }
  async *inputs(): AsyncGenerator<FrontInput, void, undefined> {
    for (const text of this.#lines) yield { kind: "command", command: { kind: "say", text } };
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

async function hostOf(
  options: Partial<DirectHostOptions>,
  lines: readonly string[] = [],
): Promise<{ host: DirectHost; front: SilentFront; certificate: Certificate }> {
  const identity = await generateIdentity({ life: "ephemeral", nowMs: NOW_MS });
  const certificate = await createCertificate(identity, { handle: "alice", createdMs: NOW_MS });
  const front = new SilentFront(lines);
  return { host: new DirectHost({ identity, certificate, front, log: () => {}, ...options }), front, certificate };
}

Deno.test("DirectHost.listen() ends when nobody came with the code in time, and says so", async () => {
  const { host, front } = await hostOf({ words: WORDS, testOnlyCodeLifeMs: 0 });
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const error = await assertRejects(() => host.listen(listener), UserError);
  assertEquals(error.code, "noSession");
  assertEquals(front.events.map(({ type }) => type), ["listening", "waiting", "expired"]);
  const [, waiting] = front.events;
  assert(waiting?.type === "waiting" && waiting.code === "able-sunset-violin");
  await assertRejects(() => listener.accept(), Deno.errors.BadResource);
});

Deno.test("DirectHost.listen() leaves with 0 when it is asked to while it waits", async () => {
  const { host, front } = await hostOf({});
  const running = host.listen(Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  host.quit();
  assertEquals([await running, host.hasBeenReady], [0, false]);
  assertEquals(front.events.map(({ type }) => type), ["listening"]);
});

/** Commits that wait until they are let through. */
class SlowStore {
  readonly done: ChatChanges[] = [];
  isHeld = false;
  #release = Promise.withResolvers<void>();
  #asked = Promise.withResolvers<void>();

  async commit({ chat }: { readonly chat?: ChatChanges }): Promise<void> {
    this.#asked.resolve();
    if (this.isHeld) await this.#release.promise;
    if (chat !== undefined) this.done.push(chat);
  }

  hold(): Promise<void> {
    this.isHeld = true;
    this.#asked = Promise.withResolvers<void>();
    return this.#asked.promise;
  }

  release(): void {
    this.isHeld = false;
    this.#release.resolve();
  }
}

function addressOf(listener: Deno.TcpListener) {
  const { hostname, port } = listener.addr;
  return { hostname, port, text: `${hostname}:${port}` };
}

Deno.test("DirectHost says that it took a message only when that is kept", async () => {
  const store = new SlowStore();
  const bob = await hostOf({ store });
  const gate = Promise.withResolvers<void>();
  const alice = await hostOf({}, ["keep this"]);
  const inputs = alice.front.inputs.bind(alice.front);
  alice.front.inputs = async function* () {
    await gate.promise;
    yield* inputs();
    await bob.front.has("message");
    await alice.front.has("accepted");
  };
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const listening = bob.host.listen(listener);
  // Bob leaves when alice does, not at the end of an input that is none.
  bob.front.inputs = async function* () {
    yield { kind: "command", command: { kind: "nothing" } };
    await alice.front.has("accepted");
  };
  const calling = alice.host.call(addressOf(listener), { own: alice.certificate, peers: [], hasCode: false });
  await Promise.all([alice.front.has("secured"), bob.front.has("secured")]);
  const asked = store.hold();
  gate.resolve();
  await asked; // what opening the message changed is on its way to the disk
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(bob.front.events.map(({ type }) => type), ["listening", "secured"]);
  assertEquals(alice.front.events.map(({ type }) => type), ["secured"]);
  store.release();
  await alice.front.has("accepted");
  assertEquals([await calling, await listening], [0, 0]);
  assert(store.done.some(({ sessions }) => sessions.peers.length > 0));
});

Deno.test("DirectHost ends when nothing can be kept, and nothing of that turn leaves", async () => {
  const failing = new UserError("dataDirUnusable", "The disk is full");
  const bob = await hostOf({ store: { commit: () => Promise.reject(failing) } });
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const listening = assertRejects(() => bob.host.listen(listener), UserError, "The disk is full");
  const alice = await hostOf({});
  const call = alice.host.call(addressOf(listener), { own: alice.certificate, peers: [], hasCode: false });
  const error = await assertRejects(() => call, UserError);
  assertEquals(error.code, "linkLost");
  await listening;
  assertEquals(alice.front.events, []);
});

Deno.test("takeCode() takes the variable before standard input, and leaves that alone", async () => {
  const source = { env: { get: () => "from the environment" }, isPerson: false, input: streamOf("one\ntwo\n") };
  const { code, rest } = await takeCode((text) => text, source);
  assertEquals([code, await textOf(rest)], ["from the environment", "one\ntwo\n"]);
});

Deno.test("takeCode() goes without a variable that it may not read", async () => {
  const env = {
    get: (): never => {
      throw new Deno.errors.NotCapable("no");
    },
  };
  const { code } = await takeCode((text) => text, { env, isPerson: false, input: streamOf("the code\n") });
  assertEquals(code, "the code");
});

for (const stepBytes of [1, 2, 3, 100]) {
  Deno.test(`takeCode() takes the first line and leaves the rest, in pieces of ${stepBytes}`, async () => {
    const cases = { "code\r\nrest\nand more": "rest\nand more", "code": "", "code\n": "", "code\nx": "x" };
    for (const [text, left] of Object.entries(cases)) {
      const { code, rest } = await takeCode((line) => line.trim(), {
        env: { get: () => undefined },
        isPerson: false,
        input: streamOf(text, stepBytes),
      });
      assertEquals([code, await textOf(rest)], ["code", left]);
    }
  });
}

Deno.test("takeCode() gives none when the first line is empty, and refuses one that is longer than any code", async () => {
  const env = { get: () => undefined };
  assertEquals((await takeCode((line) => line, { env, isPerson: false, input: streamOf("\n") })).code, undefined);
  const long = { env, isPerson: false, input: streamOf("x".repeat(5_000)) };
  assertEquals((await assertRejects(() => takeCode((line) => line, long), UserError)).code, "noSession");
});

function streamOf(text: string, stepBytes = 100): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  let at = 0;
  return new ReadableStream<Uint8Array>({
    pull: (controller) => {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at + stepBytes));
      at += stepBytes;
    },
  });
}

async function textOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  return await new Response(stream).text();
}
