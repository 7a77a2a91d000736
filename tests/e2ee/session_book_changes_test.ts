// Aim: a client that stores what changed, and nothing else, is after a restart exactly where it was (PROTOCOL §0.6).
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import fc from "fast-check";
import { equalBytes } from "../../lib/bytes/equal.ts";
import { DecodeError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat, utf8 } from "../../lib/bytes/writer.ts";
import { sha256 } from "../../lib/crypto/hash.ts";
import { decodeBox } from "../../lib/e2ee/box.ts";
import { createLiveBundle } from "../../lib/e2ee/bundle.ts";
import { createCertificate } from "../../lib/e2ee/certificate.ts";
import { fingerprintOf } from "../../lib/e2ee/identity.ts";
import { decodeForgotten, decodePeer, encodePeer } from "../../lib/e2ee/peer_codec.ts";
import { type PrekeyStore, refillOneTimePrekeys, rotateSignedPrekey } from "../../lib/e2ee/prekeys.ts";
import { STRANGER_KEEP_MS } from "../../lib/e2ee/peer_ranks.ts";
import { SessionBook, STRANGERS_MAX } from "../../lib/e2ee/session_book.ts";
import { BookStore, restarted } from "./_book_store.ts";
import {
  AT,
  DAY_MS,
  describe,
  firstBox,
  flipped,
  handedBundle,
  hear,
  makePerson,
  NOW_MS,
  type Person,
  say,
  sessionsWith,
  verifiedBundle,
} from "./_people.ts";

type Name = "alice" | "bob" | "carol";

/** What the fuzz can do; numbers choose among what there is. */
type Step =
  | { readonly kind: "start"; readonly from: Name; readonly to: Name; readonly withOneTime: boolean }
  | { readonly kind: "say"; readonly from: Name; readonly to: Name }
  | { readonly kind: "hear"; readonly by: Name; readonly which: number }
  | { readonly kind: "forge"; readonly by: Name; readonly which: number }
  | { readonly kind: "use"; readonly by: Name; readonly of: Name; readonly which: number }
  | { readonly kind: "ask" | "forget"; readonly by: Name; readonly of: Name }
  | { readonly kind: "rotate" | "live" | "refill" | "rename" | "store" | "restart"; readonly by: Name };

const NAMES: readonly Name[] = ["alice", "bob", "carol"];
const IDENTITIES = await Promise.all(NAMES.map(makePerson));

const names = fc.constantFrom(...NAMES);
const twoNames = fc.shuffledSubarray([...NAMES], { minLength: 2, maxLength: 2 }) as fc.Arbitrary<[Name, Name]>;
const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.tuple(twoNames, fc.boolean()).map(([[from, to], withOneTime]): Step => ({
      kind: "start",
      from,
      to,
      withOneTime,
    })),
  },
  { weight: 8, arbitrary: twoNames.map(([from, to]): Step => ({ kind: "say", from, to })) },
  { weight: 8, arbitrary: fc.tuple(names, fc.nat()).map(([by, which]): Step => ({ kind: "hear", by, which })) },
  { weight: 1, arbitrary: fc.tuple(names, fc.nat()).map(([by, which]): Step => ({ kind: "forge", by, which })) },
  {
    weight: 1,
    arbitrary: fc.tuple(twoNames, fc.nat()).map(([[by, of], which]): Step => ({ kind: "use", by, of, which })),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(twoNames, fc.constantFrom("ask" as const, "forget" as const)).map(([[by, of], kind]): Step => ({
      kind,
      by,
      of,
    })),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(
      names,
      fc.constantFrom(
        "rotate" as const,
        "live" as const,
        "refill" as const,
        "rename" as const,
        "store" as const,
        "restart" as const,
      ),
    ).map(([by, kind]): Step => ({ kind, by })),
  },
);

/** Three people with a store each, all boxes that there ever were, and a clock that each step moves. */
class World {
  readonly people: Record<Name, Person>;
  readonly stores: Record<Name, BookStore>;
  readonly boxes: Record<Name, Bytes[]> = { alice: [], bob: [], carol: [] };
  /** Whom each has asked for since it last forgot them: the rest are strangers. */
  readonly asked: Record<Name, Set<string>> = { alice: new Set(), bob: new Set(), carol: new Set() };
  nowMs = NOW_MS;

  constructor(people: readonly Person[]) {
    this.people = Object.fromEntries(NAMES.map((name, i) => [name, people[i]])) as Record<Name, Person>;
    this.stores = { alice: new BookStore(), bob: new BookStore(), carol: new BookStore() };
  }

  static async create(): Promise<World> {
    return new World(
      await Promise.all(IDENTITIES.map(async ({ identity, certificate }) => {
        const { book } = await makePerson("prekeys alone");
        return { identity, certificate, book: new SessionBook({ identity, certificate, prekeys: book.prekeys }) };
      })),
    );
  }

  async run(step: Step): Promise<void> {
    this.nowMs += 60_000;
    const at = { nowMs: this.nowMs };
    switch (step.kind) {
      case "start": {
        const bundle = await verifiedBundle(this.people[step.to], step.withOneTime);
        await this.#with(step.from, step.to).startFrom(bundle, at);
        return;
      }
      case "say":
        if (!this.people[step.from].book.hasSessionWith(this.#fingerprint(step.to))) return;
        this.boxes[step.to].push(await this.#with(step.from, step.to).seal(utf8(`at ${this.nowMs}`), at));
        return;
      case "hear":
      case "forge": {
        const box = pick(this.boxes[step.by], step.which);
        if (box === undefined) return;
        const index = step.which % box.length;
        await this.people[step.by].book.open(step.kind === "hear" ? box : flipped(box, index), at);
        return;
      }
      case "use": {
        const box = pick(this.boxes[step.by], step.which);
        if (box === undefined) return;
        const sessions = this.#with(step.by, step.of);
        const { sessionId } = decodeBox(box).header;
        if (sessions.state.sessions.some((session) => session.key === encodeHex(sessionId))) {
          sessions.useSession(sessionId);
        }
        return;
      }
      case "ask":
        this.#with(step.by, step.of);
        return;
      case "forget":
        this.asked[step.by].delete(this.#fingerprint(step.of));
        await this.people[step.by].book.forgetPeer(this.#fingerprint(step.of));
        return;
      case "rename": {
        const person = this.people[step.by];
        const certificate = await createCertificate(person.identity, { handle: step.by, createdMs: this.nowMs });
        person.book.renewCertificate(certificate);
        this.people[step.by] = { ...person, certificate };
        return;
      }
      case "store":
        this.stores[step.by].commit(this.people[step.by].book.takeChanges());
        return;
      case "restart":
        // Whoever was asked for and never had a session is not stored: they are strangers again.
        for (const asked of this.asked[step.by]) {
          if (this.people[step.by].book.sessionsWith(asked)?.isEmpty === true) this.asked[step.by].delete(asked);
        }
        this.people[step.by] = await restarted(this.people[step.by], this.stores[step.by]);
        return;
      default:
        await this.#changePrekeys(step.kind, step.by);
    }
  }

  async #changePrekeys(kind: "rotate" | "live" | "refill", by: Name): Promise<void> {
    const { book } = this.people[by];
    const request = { requesterId: new Uint8Array(32), nonce: new Uint8Array(16) };
    await book.updatePrekeys<{ store: PrekeyStore }>((store) => {
      if (kind === "live") return createLiveBundle(book.owner, store, request);
      if (kind === "refill") return refillOneTimePrekeys(store, 25 + store.oneTime.length);
      // A clock that was set back: due at once, and never too far ahead for those who start sessions.
      return rotateSignedPrekey(store, store.signed[0].createdMs - 1);
    });
  }

  #with(name: Name, peer: Name) {
    const fingerprint = this.#fingerprint(peer);
    this.asked[name].add(fingerprint);
    return this.people[name].book.peer(fingerprint);
  }

  #fingerprint(name: Name): string {
    return this.people[name].certificate.fingerprint;
  }
}

function pick<T>(all: readonly T[], which: number): T | undefined {
  return all[which % Math.max(1, all.length)];
}

/** Everything that two books can be asked for is the same; every box that there ever was is answered alike. */
async function assertSame(original: Person, restored: Person, boxes: readonly Bytes[], at: { nowMs: number }) {
  assertEquals(restored.book.prekeys, original.book.prekeys);
  // Now and then at once, so that a box finds the states in which it leaves the books, not those that `peer` made.
  for (const box of boxes) {
    const [expected, found] = [await original.book.open(box, at), await restored.book.open(box, at)];
    assertEquals(found, expected);
  }
  for (const { certificate } of IDENTITIES) {
    const { fingerprint } = certificate;
    const [expected, found] = [original.book.peer(fingerprint).state, restored.book.peer(fingerprint).state];
    assertEquals(found.sessions.map(publicParts), expected.sessions.map(publicParts));
    assertEquals({ ...found, sessions: [] }, { ...expected, sessions: [] });
  }
}

/** What two copies of a session still share after both made fresh ratchet keys. */
function publicParts(session: ReturnType<typeof sessionsWith>["state"]["sessions"][number]) {
  const { key, startedBy, isAnswered, boxHashes, x3dhBytes, ratchet } = session;
  const { receiving, oldPublics, skipped, previousN } = ratchet;
  return { key, startedBy, isAnswered, boxHashes, x3dhBytes, receiving, oldPublics, skipped, previousN };
}

Deno.test("SessionBook.restore() gives, from all changes, the book that made them, whatever it did", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 5, maxLength: 60, size: "max" }), async (list) => {
      const world = await World.create();
      for (const step of list) await world.run(step);
      for (const name of NAMES) {
        const [original, store] = [world.people[name], world.stores[name]];
        const restored = await restarted(original, store);
        for (const encoded of store.peers.values()) {
          const peer = await decodePeer(encoded);
          assertEquals(peer.isStranger, !world.asked[name].has(peer.fingerprint));
          const { isStranger: _, ...stored } = peer;
          if (!peer.isStranger) assertEquals(original.book.peer(peer.fingerprint).state, stored);
          assertEquals(encodePeer(peer), encoded);
        }
        assertEquals(original.book.takeChanges(), { peers: [] }, "reading changes nothing");
        assertEquals(restored.book.takeChanges(), { peers: [] }, "what was restored is stored");
        await assertSame(original, restored, world.boxes[name], { nowMs: world.nowMs });
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("SessionBook.restore() gives a book that opens, seals and refuses as before", async () => {
  const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
  const first = await firstBox(alice, bob, "first");
  const later = await say(alice, bob, "later");
  assertEquals(await hear(bob, first), "alice: first");
  const answer = await say(bob, alice, "answer");

  const [alice2, bob2] = [await restarted(alice), await restarted(bob)];
  assertEquals(sessionsWith(alice2, bob).isAnswered, false);
  assertEquals(decodeBox(await say(alice2, bob, "with the header again")).kind, "initial");
  assertEquals(await hear(bob2, first), "repeat");
  assertEquals(await hear(bob2, flipped(first, first.length - 1)), "unopenable: used");
  assertEquals(await hear(bob2, later), "alice: later");
  assertEquals(await hear(alice2, answer), "bob: answer");
  const next = await say(alice2, bob, "next");
  assertEquals(decodeBox(next).kind, "ratchet");
  assertEquals(decodeBox(next).header.sessionId, decodeBox(first).header.sessionId, "the same session");
  assertEquals(await hear(bob2, next), "alice: next");
  assertEquals(await hear(alice2, await say(bob2, alice, "all is well")), "bob: all is well");
});

Deno.test("SessionBook.restore() keeps a used prekey used, a forgotten peer forgotten and a stranger a stranger", async () => {
  const [alice, bob, carol] = [await makePerson("alice"), await makePerson("bob"), await makePerson("carol")];
  const store = new BookStore();
  const first = await firstBox(alice, bob, "first");
  assertEquals(await hear(bob, first), "alice: first");
  const bob2 = await restarted(bob, store);
  assertEquals(bob2.book.prekeys.oneTime, []);
  const [row] = store.peers.values();
  assertEquals((await decodePeer(row as Bytes)).isStranger, true);

  sessionsWith(bob2, alice);
  const carols = await firstBox(carol, bob2, "hello", false);
  assertEquals(await hear(bob2, carols), "carol: hello");
  await bob2.book.forgetPeer(carol.certificate.fingerprint);
  const bob3 = await restarted(bob2, store);
  assertEquals([...store.peers.keys()], [alice.certificate.fingerprint]);
  assertEquals((await decodePeer(store.peers.get(alice.certificate.fingerprint) as Bytes)).isStranger, false);
  assertEquals(await hear(bob3, carols), "unopenable: retired");
  assertEquals(bob3.book.hasSessionWith(carol.certificate.fingerprint), false);
});

Deno.test("SessionBook.restore() keeps sessions retired that a bound dropped", async () => {
  const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
  const boxes: Bytes[] = [];
  for (let i = 0; i < 6; i++) boxes.push(await firstBox(alice, bob, `session ${i}`, false));
  for (const box of boxes) await hear(bob, box);
  const bob2 = await restarted(bob);
  assertEquals(await hear(bob2, boxes[0] as Bytes), "unopenable: retired");
  assertEquals(await hear(bob2, boxes[1] as Bytes), "repeat");
});

Deno.test("SessionBook.takeChanges() gives everything once, then only what changed", async () => {
  const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
  const start = alice.book.takeChanges();
  assert(start.prekeys !== undefined && start.forgotten !== undefined);
  assertEquals(start.peers, []);
  assertEquals(decodeForgotten(start.forgotten), []);
  assertEquals(alice.book.takeChanges(), { peers: [] });

  const changed = () => {
    const { peers, prekeys, forgotten } = alice.book.takeChanges();
    const names = peers.map(({ fingerprint, encoded }) => {
      assertEquals(fingerprint, bob.certificate.fingerprint);
      return encoded === undefined ? "deleted" : "peer";
    });
    return [...names, ...prekeys === undefined ? [] : ["prekeys"], ...forgotten === undefined ? [] : ["forgotten"]];
  };
  const first = await firstBox(alice, bob, "first");
  assertEquals(changed(), ["peer"]);
  sessionsWith(alice, bob);
  assertEquals(changed(), [], "asking again changes nothing");
  await hear(bob, first);
  const answer = await say(bob, alice, "answer");
  await hear(alice, flipped(answer, answer.length - 1));
  assertEquals(changed(), [], "a forged box changes nothing");
  await hear(alice, answer);
  assertEquals(changed(), ["peer"]);
  await hear(alice, answer);
  assertEquals(changed(), [], "nor does a repeat");
  sessionsWith(alice, bob).useSession(decodeBox(answer).header.sessionId);
  assertEquals(changed(), ["peer"]);
  const another = await firstBox(bob, alice, "another session");
  assertEquals(changed(), ["prekeys"], "alice made a one-time prekey for it");
  await hear(alice, another);
  assertEquals(changed(), ["peer", "prekeys"], "which is gone with the session that it made");
  await alice.book.updatePrekeys((store) => refillOneTimePrekeys(store, 100));
  assertEquals(changed(), [], "nor a refill that is not due");
  await alice.book.updatePrekeys(() => Promise.reject(new TypeError("no"))).catch(() => {});
  assertEquals(changed(), []);
  await alice.book.updatePrekeys((store) => refillOneTimePrekeys(store, 29));
  assertEquals(changed(), ["prekeys"]);
  await alice.book.forgetPeer(bob.certificate.fingerprint);
  assertEquals(changed(), ["deleted", "forgotten"]);
  await alice.book.forgetPeer(bob.certificate.fingerprint);
  assertEquals(changed(), []);
});

Deno.test("SessionBook.takeChanges() never gives a deletion without the ids that it leaves behind", async () => {
  const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
  const first = await firstBox(alice, bob, "first", false);
  assertEquals(await hear(bob, first), "alice: first");
  const store = new BookStore();
  // A session is beginning while bob forgets, and the changes are taken while forgetting waits for it.
  const starting = sessionsWith(bob, alice).startFrom(await verifiedBundle(alice), AT);
  const sealing = say(bob, alice, "on the new one");
  const forgetting = bob.book.forgetPeer(alice.certificate.fingerprint);
  const early = await restarted(bob, store);
  assertEquals(await hear(early, first), "unopenable: retired");
  const [box] = await Promise.all([sealing, starting, forgetting]);
  const late = await restarted(bob, store);
  assertEquals(store.peers.size, 0);
  assertEquals(await hear(late, first), "unopenable: retired");
  const ids = [first, box].map((one) => encodeHex(decodeBox(one).header.sessionId));
  assertEquals(decodeForgotten(store.forgotten as Bytes), ids);
});

Deno.test("SessionBook.takeChanges() gives the deletion of a stranger that made room", async () => {
  const bob = await makePerson("bob");
  const ids = Array.from({ length: STRANGERS_MAX }, (_, i) => concat(new Uint8Array(30), Uint8Array.of(i >> 8, i)));
  const rows = ids.map((id, i) =>
    encodePeer({
      fingerprint: fingerprintOf(id),
      isStranger: true,
      lastUsedMs: i === 7 ? NOW_MS - STRANGER_KEEP_MS : NOW_MS,
      certificate: undefined,
      sessions: [],
      retired: [],
    })
  );
  const store = new BookStore();
  store.commit(bob.book.takeChanges());
  for (const [i, row] of rows.entries()) store.peers.set(fingerprintOf(ids[i] as Bytes), row);
  const bob2 = await store.restore(bob);
  const [alice, carol] = [await makePerson("alice"), await makePerson("carol")];
  assertEquals(await hear(bob2, await firstBox(alice, bob2, "hello", false)), "alice: hello");
  assertEquals(await hear(bob2, await firstBox(carol, bob2, "hello", false)), "unopenable: full");
  const { peers } = bob2.book.takeChanges();
  const gone = peers.filter(({ encoded }) => encoded === undefined).map(({ fingerprint }) => fingerprint);
  assertEquals(gone, [fingerprintOf(ids[7] as Bytes)]);
  assertEquals(peers.length, 2);
});

Deno.test("SessionBook.takeChanges() holds the state of every box that seal() and open() have given, at any moment", async () => {
  const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
  const stores = { alice: new BookStore(), bob: new BookStore() };
  const { fingerprint } = bob.certificate;
  const store = (person: Person, name: keyof typeof stores) => stores[name].commit(person.book.takeChanges());
  let isOver = false;
  // Somebody stores at every turn of the event loop, whatever is under way.
  const always = (async () => {
    for (; !isOver; await Promise.resolve()) {
      store(alice, "alice");
      store(bob, "bob");
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  })();
  const sealed = async (text: string): Promise<Bytes> => {
    const box = await say(alice, bob, text);
    store(alice, "alice");
    const { sessions } = await decodePeer(stores.alice.peers.get(fingerprint) as Bytes);
    const { header } = decodeBox(box);
    const session = sessions.find((one) => one.key === encodeHex(header.sessionId));
    const sending = session?.ratchet.sending;
    assert(sending !== undefined);
    const isSameChain = equalBytes(session?.ratchet.own.publicBytes as Bytes, header.ratchetPublic);
    assert(!isSameChain || sending.n > header.n, "the number of a box that left is never given again");
    return box;
  };
  const opened = async (box: Bytes): Promise<string> => {
    const heard = await hear(bob, box);
    store(bob, "bob");
    const bob2 = await stores.bob.restore(bob);
    assertEquals(await hear(bob2, box), "repeat", "what was shown once is never shown again");
    return heard;
  };
  await sessionsWith(alice, bob).startFrom(await verifiedBundle(bob), AT);
  for (let round = 0; round < 6; round++) {
    const texts = Array.from({ length: 8 }, (_, i) => `${round}.${i}`);
    const boxes = await Promise.all(texts.map(sealed));
    assertEquals(await Promise.all(boxes.map(opened)), texts.map((text) => `alice: ${text}`));
    const answers = await Promise.all([say(bob, alice, "b1"), say(bob, alice, "b2")]);
    const [heard] = await Promise.all([
      Promise.all(answers.map((box) => hear(alice, box))),
      Promise.all(["x", "y"].map(sealed)),
      bob.book.updatePrekeys((prekeys) => rotateSignedPrekey(prekeys, NOW_MS + round * DAY_MS)),
    ]);
    assertEquals(heard, ["bob: b1", "bob: b2"]);
  }
  isOver = true;
  await always;
  const [alice2, bob2] = [await restarted(alice, stores.alice), await restarted(bob, stores.bob)];
  assertEquals(bob2.book.prekeys, bob.book.prekeys);
  assertEquals(sessionsWith(alice2, bob).state, sessionsWith(alice, bob).state);
  assertEquals(sessionsWith(bob2, alice).state, sessionsWith(bob, alice).state);
});

Deno.test("SessionBook.restore() of an old copy never uses a key twice, and a new session mends it", async () => {
  const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
  assertEquals(await hear(bob, await firstBox(alice, bob, "first")), "alice: first");
  assertEquals(await hear(alice, await say(bob, alice, "answer")), "bob: answer");
  const backup = new BookStore();
  backup.commit(alice.book.takeChanges());
  const old = backup.copy();

  using recorder = recordSeals();
  const texts = ["one", "two", "three"];
  const boxes: Bytes[] = [];
  for (const text of texts) boxes.push(await say(alice, bob, text));
  for (let copies = 0; copies < 5; copies++) {
    const rolledBack = await old.restore(alice);
    for (const text of texts) boxes.push(await say(rolledBack, bob, text));
  }
  assertEquals(new Set(boxes.map((box) => decodeBox(box).header.n)), new Set([0, 1, 2]), "numbers do repeat");
  assertEquals(recorder.uses.length, 18);
  assertEquals(new Set(await Promise.all(recorder.uses)).size, 18, "(key, iv) does not, even for the same text");

  for (const [i, box] of boxes.entries()) {
    assertEquals(await hear(bob, box), i < 3 ? `alice: ${texts[i]}` : "unopenable: used");
  }
  const rolledBack = await old.restore(alice);
  await sessionsWith(rolledBack, bob).startFrom(await verifiedBundle(bob), AT);
  assertEquals(await hear(bob, await say(rolledBack, bob, "anew")), "alice: anew");
  assertEquals(await hear(rolledBack, await say(bob, alice, "good")), "bob: good");
});

Deno.test("SessionBook.restore() refuses damage and parts that do not belong together", async () => {
  const [alice, bob, carol] = [await makePerson("alice"), await makePerson("bob"), await makePerson("carol")];
  await firstBox(alice, bob, "hello");
  const store = new BookStore();
  store.commit(alice.book.takeChanges());
  const [row] = [...store.peers.values()] as [Bytes];
  const { identity, certificate } = alice;
  const { prekeys, forgotten } = store as { prekeys: Bytes; forgotten: Bytes };
  const stored = { identity, certificate, prekeys, forgotten, peers: [row] };
  await SessionBook.restore(stored);
  const peer = await decodePeer(row);
  const stranger = { fingerprint: carol.certificate.fingerprint, certificate: carol.certificate };
  const bad = [
    { ...stored, prekeys: prekeys.slice(1) },
    { ...stored, forgotten: prekeys },
    { ...stored, peers: [row, row] },
    { ...stored, peers: [row, encodePeer({ ...peer, ...stranger })] },
    { ...stored, peers: [new Uint8Array(0)] },
  ];
  for (const one of bad) await assertRejects(() => SessionBook.restore(one), DecodeError);
});

Deno.test("SessionBook.restore() takes a newer certificate of ours", async () => {
  const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
  await firstBox(alice, bob, "hello");
  const certificate = await createCertificate(alice.identity, { handle: "alice2", createdMs: NOW_MS + 1 });
  const alice2 = await restarted({ ...alice, certificate }, withChanges(alice));
  assertEquals(describe(await bob.book.open(await firstBox(alice2, bob, "anew"), AT)), "alice2: anew");
  assertNotEquals(await handedBundle(alice2), await handedBundle(alice));
});

function withChanges(person: Person): BookStore {
  const store = new BookStore();
  store.commit(person.book.takeChanges());
  return store;
}

/** Writes down SHA-256(key || iv) of every AES-GCM encryption, until it is disposed of. */
function recordSeals() {
  const { subtle } = crypto;
  const original = { importKey: subtle.importKey, encrypt: subtle.encrypt };
  const rawKeys = new WeakMap<CryptoKey, Bytes>();
  const uses: Promise<string>[] = [];
  const patch = {
    async importKey(...args: Parameters<typeof subtle.importKey>) {
      const key = await original.importKey.apply(subtle, args);
      if (args[0] === "raw") rawKeys.set(key, new Uint8Array(args[1] as Bytes));
      return key;
    },
    encrypt(...args: Parameters<typeof subtle.encrypt>) {
      const [{ iv }, key] = args as unknown as [{ iv: Bytes }, CryptoKey];
      uses.push(sha256(concat(rawKeys.get(key) as Bytes, iv)).then(encodeHex));
      return original.encrypt.apply(subtle, args);
    },
  };
  Object.assign(subtle, patch);
  return { uses, [Symbol.dispose]: () => void Object.assign(subtle, original) };
}
