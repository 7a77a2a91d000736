// Aim: a message that waits for its author comes back from the real store as it went in, sealed in every file meanwhile.
import { assert, assertEquals } from "@std/assert";
import type { ChatChanges, ChatState } from "../../lib/chat/state.ts";
import { utf8 } from "../../lib/bytes/writer.ts";
import { ClientStore } from "../../lib/io/client_store.ts";
import { openDataDir } from "../../lib/io/data_dir.ts";
import { FakeNet, Kept } from "../support/fake_net.ts";
import { FAST, inTempDir, noPassphrase } from "./_sealed_dir.ts";

/** Gives back what a store gave, and notes what is to be kept of it. */
class Loaded extends Kept {
  readonly changes: ChatChanges[] = [];

  constructor(readonly loaded?: ChatState) {
    super();
  }

  override get state(): ChatState {
    return this.loaded ?? super.state;
  }

  override commit(changes: ChatChanges): void {
    super.commit(changes);
    this.changes.push(changes);
  }
}

async function keep(path: string, changes: readonly ChatChanges[]): Promise<ChatState> {
  const dir = await openDataDir(path, { what: "client" });
  try {
    const store = await ClientStore.open(dir, noPassphrase, FAST);
    try {
      for (const chat of changes) await store.commit({ chat });
      return await store.load();
    } finally {
      await store.close();
    }
  } finally {
    dir.close();
  }
}

Deno.test("a message that a killed client held comes back from its store, is shown once, and leaves no row", async () => {
  await inTempDir(async (path) => {
    const net = await FakeNet.create();
    const first = new Loaded();
    const alice = await net.join("alice", { kept: first });
    const mallory = await net.join("mallory", { room: "den" });
    await mallory.type("/users");
    net.tamper = (packet, to) => to === alice && packet.message.t === "people" ? [] : [packet];
    await mallory.type("/pm alice Zanzibar");
    await alice.drop();
    assertEquals(alice.texts, []);
    const state = await keep(path, first.changes);
    assertEquals(state.held?.length, 1);
    for (const { name } of Deno.readDirSync(path)) {
      const bytes = await Deno.readFile(`${path}/${name}`);
      assert(!includes(bytes, utf8("Zanzibar")), `${name} shows what was written`);
    }

    const second = new Loaded(state);
    const again = await net.restart(alice, second);
    await net.advance(1_000);
    assertEquals([again.texts, again.notices], [["Zanzibar"], []]);
    assertEquals((await keep(path, second.changes)).held, []);
  });
});

function includes(bytes: Uint8Array, wanted: Uint8Array): boolean {
  return bytes.some((_, start) => wanted.every((byte, i) => bytes[start + i] === byte));
}
