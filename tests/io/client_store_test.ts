// Aim: what was committed is there after the next start, what is damaged is refused and left alone, and another identity
// never goes on with the ratchets of the one before.
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { UserError } from "../../lib/bytes/errors.ts";
import { utf8 } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { createCertificate } from "../../lib/e2ee/certificate.ts";
import { encodeIdentity, fingerprintOf, generateIdentity } from "../../lib/e2ee/identity.ts";
import { encodeForgotten } from "../../lib/e2ee/peer_codec.ts";
import { createPrekeyStore } from "../../lib/e2ee/prekeys.ts";
import { encodePrekeyStore } from "../../lib/e2ee/prekeys_codec.ts";
import { type ClientState, ClientStore } from "../../lib/io/client_store.ts";
import { type DataDir, openDataDir } from "../../lib/io/data_dir.ts";
import { FAST, inTempDir, noPassphrase, passphrase, tamper, withStore } from "./_sealed_dir.ts";

const NOW = 1_700_000_000_000;
const alice = await generateIdentity({ life: "lasting", nowMs: NOW });
const bob = await generateIdentity({ life: "lasting", nowMs: NOW });
const certificate = await createCertificate(alice, { handle: "alice", createdMs: NOW });
const peer = await createCertificate(bob, { handle: "bob", createdMs: NOW });
const relay = fingerprintOf(secureRandom(32));
const cursor = { relay, stream: `inbox/${certificate.fingerprint}`, generation: "ab".repeat(16), seq: 7, at: NOW };
const record = { certificate: peer, firstSeenMs: NOW, how: "number" as const, names: ["bob"] };
const sessions = {
  prekeys: encodePrekeyStore(await createPrekeyStore({ nowMs: NOW })),
  forgotten: encodeForgotten(["00".repeat(16)]),
  peers: [{ fingerprint: peer.fingerprint, encoded: utf8("opaque here") }],
};
const receipt = { peer: peer.fingerprint, id: "ab".repeat(16), value: utf8("opaque too") };
const held = { relay, box: "cd".repeat(32), value: utf8("opaque as well") };
const pin = { fingerprint: relay, name: "stage", firstMetMs: NOW };

async function withClient<T>(path: string, use: (store: ClientStore, dir: DataDir) => Promise<T>): Promise<T> {
  const dir = await openDataDir(path, { what: "client" });
  try {
    const store = await ClientStore.open(dir, noPassphrase, FAST);
    try {
      return await use(store, dir);
    } finally {
      await store.close();
    }
  } finally {
    dir.close();
  }
}

function load(path: string): Promise<ClientState> {
  return withClient(path, (store) => store.load());
}

async function fill(path: string): Promise<void> {
  await withClient(path, async (store) => {
    await store.commit({ identity: alice, certificate, name: "alice", relays: [{ address: "127.0.0.1:5001", pin }] });
    const peers = [{ fingerprint: peer.fingerprint, record }];
    const codes = [{ code: "7KQ2-able-sunset-violin", untilMs: NOW }, { code: "gone", untilMs: 0 }];
    const gone = { ...receipt, id: "00".repeat(16), value: undefined };
    const kept = { receipts: [receipt, gone], held: [held, { ...held, box: "00".repeat(32), value: undefined }] };
    await store.commit({ chat: { sessions, peers, cursors: [cursor], codes, ...kept } });
  });
}

Deno.test("ClientStore.load() of a new directory gives nobody and nothing", async () => {
  await inTempDir(async (path) => {
    assertEquals(await load(path), {
      identity: undefined,
      certificate: undefined,
      codes: [],
      name: undefined,
      relays: [],
      rooms: [],
      outbox: [],
      receipts: [],
      held: [],
      sessions: undefined,
      peers: [],
      cursors: [],
    });
  });
});

Deno.test("ClientStore.load() gives what was committed before the process ended", async () => {
  await inTempDir(async (path) => {
    await fill(path);
    const state = await load(path);
    assertEquals(await encodeIdentity(state.identity!), await encodeIdentity(alice));
    assertEquals([state.certificate, state.name], [certificate, "alice"]);
    assertEquals(state.relays, [{ address: "127.0.0.1:5001", ...pin }]);
    const { prekeys, forgotten } = sessions;
    assertEquals(state.sessions, { prekeys, forgotten, peers: [utf8("opaque here")] });
    assertEquals([state.peers, state.cursors], [[record], [cursor]]);
    assertEquals([state.receipts, state.held], [[receipt], [held]]);
    assertEquals(state.codes, [{ code: "7KQ2-able-sunset-violin", untilMs: NOW }]);
  });
});

Deno.test("ClientStore.commit() replaces and removes rows", async () => {
  await inTempDir(async (path) => {
    await fill(path);
    await withClient(path, (store) =>
      store.commit({
        relays: [{ address: "127.0.0.1:5001", pin: undefined }, { address: "[::1]:5001", pin }],
        chat: {
          sessions: { peers: [{ fingerprint: peer.fingerprint, encoded: undefined }] },
          peers: [{ fingerprint: peer.fingerprint, record: undefined }],
          cursors: [{ ...cursor, seq: 8 }],
          receipts: [{ ...receipt, value: undefined }],
          held: [{ ...held, value: undefined }],
        },
      }));
    const state = await load(path);
    assertEquals([state.relays.map(({ address }) => address), state.sessions?.peers], [["[::1]:5001"], []]);
    assertEquals([state.peers, state.cursors.map(({ seq }) => seq)], [[], [8]]);
    assertEquals([state.receipts, state.held], [[], []]);
  });
});

Deno.test("ClientStore.commit() of another identity drops what was the former one's, and keeps people and relays", async () => {
  await inTempDir(async (path) => {
    await fill(path);
    await withClient(path, (store) => store.commit({ identity: bob }));
    const state = await load(path);
    assertEquals(await encodeIdentity(state.identity!), await encodeIdentity(bob));
    assertEquals([state.certificate, state.name, state.sessions, state.cursors], [undefined, undefined, undefined, []]);
    assertEquals([state.receipts, state.held], [[], []]);
    assertEquals([state.peers.length, state.relays.length], [1, 1]);
    await withClient(path, (store) => store.commit({ identity: bob, certificate: peer }));
    await withClient(path, (store) => store.commit({ identity: bob }));
    assertEquals((await load(path)).certificate, peer, "the same identity again changes nothing");
  });
});

Deno.test("ClientStore.load() takes over the key file of an earlier release and removes it", async () => {
  await inTempDir(async (path) => {
    const dir = await openDataDir(path, { what: "client" });
    await dir.writeSecret("identity.key", await encodeIdentity(alice));
    dir.close();
    for (let start = 0; start < 2; start++) {
      assertEquals(await encodeIdentity((await load(path)).identity!), await encodeIdentity(alice));
      assertEquals([...Deno.readDirSync(path)].some(({ name }) => name === "identity.key"), false);
    }
    await withClient(path, (_, own) => encodeIdentity(bob).then((key) => own.writeSecret("identity.key", key)));
    const error = await assertRejects(() => load(path), UserError);
    assertEquals(error.code, "dataDirUnusable");
    assertStringIncludes(error.hint, "sotto identity import");
    assert([...Deno.readDirSync(path)].some(({ name }) => name === "identity.key"), "it is left alone");
  });
});

Deno.test("ClientStore.load() refuses rows that are no state, and leaves them alone", async () => {
  for (
    const [table, key] of [["identity", "identity"], ["relays", "x:1"], ["peers", "x"], ["cursors", "x"], [
      "receipts",
      "x",
    ], ["held", `${relay}/${"CD".repeat(32)}`]] as const
  ) {
    await inTempDir(async (path) => {
      await withStore(
        path,
        noPassphrase,
        (store) => store.commit([{ table, key: utf8(key), value: utf8("nonsense") }]),
      );
      const error = await assertRejects(() => load(path), UserError);
      assertEquals(error.code, "dataDirUnusable");
      await assertRejects(() => load(path), UserError);
    });
  }
});

Deno.test("ClientStore.load() refuses a row that somebody moved to another place", async () => {
  await inTempDir(async (path) => {
    await fill(path);
    tamper(path, "UPDATE rows SET tbl = 'sessions' WHERE tbl = 'peers'");
    assertEquals((await assertRejects(() => load(path), UserError)).code, "dataDirUnusable");
  });
});

Deno.test("ClientStore.changePassphrase() makes the next start ask", async () => {
  await inTempDir(async (path) => {
    await fill(path);
    const secret = await passphrase("correct horse")({ kind: "create", failures: 0 });
    await withClient(path, async (store) => {
      assertEquals(store.protection, "keyFile");
      await store.changePassphrase(secret);
      assertEquals(store.protection, "passphrase");
    });
    assertEquals((await assertRejects(() => load(path), UserError)).code, "dataDirUnusable");
  });
});
