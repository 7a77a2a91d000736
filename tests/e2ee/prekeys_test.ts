import { assertEquals, assertNotEquals } from "@std/assert";
import { secureRandom } from "../../lib/crypto/random.ts";
import {
  addOneTimePrekey,
  createPrekeyStore,
  findOneTimePrekey,
  findSignedPrekey,
  ONE_TIME_PREKEYS_KEPT,
  ONE_TIME_PREKEYS_REFILL_BELOW,
  refillOneTimePrekeys,
  rotateSignedPrekey,
  withoutOneTimePrekey,
} from "../../lib/e2ee/prekeys.ts";
import { AT, DAY_MS, NOW_MS } from "./_people.ts";

Deno.test("rotateSignedPrekey() replaces a signed prekey that is a day old and keeps the old one for 8 days", async () => {
  const start = await createPrekeyStore(AT);
  const first = start.signed[0];
  const early = await rotateSignedPrekey(start, NOW_MS + DAY_MS - 1);
  assertEquals(early, { store: start, rotated: false });

  const { store, rotated } = await rotateSignedPrekey(start, NOW_MS + DAY_MS);
  assertEquals(rotated, true);
  assertNotEquals(store.signed[0].id, first.id);
  assertEquals(store.signed[0].createdMs, NOW_MS + DAY_MS);
  assertEquals(findSignedPrekey(store, first.id)?.pair, first.pair);
  assertEquals(start.signed, [first], "the old store is as it was");

  const late = await rotateSignedPrekey(store, NOW_MS + 9 * DAY_MS);
  assertEquals(findSignedPrekey(late.store, first.id)?.pair, first.pair);
  const tooLate = await rotateSignedPrekey(late.store, NOW_MS + 9 * DAY_MS + 1);
  assertEquals(tooLate.rotated, false);
  assertEquals(findSignedPrekey(tooLate.store, first.id), undefined);
});

Deno.test("rotateSignedPrekey() replaces a signed prekey of the future, for the clock was set back", async () => {
  const start = await createPrekeyStore(AT);
  const { store, rotated } = await rotateSignedPrekey(start, NOW_MS - DAY_MS);
  assertEquals(rotated, true);
  assertEquals(store.signed[0].createdMs, NOW_MS - DAY_MS);
});

Deno.test("rotateSignedPrekey() keeps a bounded number, whatever the clock does", async () => {
  let store = await createPrekeyStore(AT);
  for (let i = 1; i <= 100; i++) store = (await rotateSignedPrekey(store, NOW_MS - i)).store;
  assertEquals(store.signed.length, 32);
});

Deno.test("refillOneTimePrekeys() fills up to 100 when fewer than 30 are left", async () => {
  const empty = await createPrekeyStore(AT);
  const full = await refillOneTimePrekeys(empty, 0);
  assertEquals(full.fresh.length, ONE_TIME_PREKEYS_KEPT);
  assertEquals(full.store.oneTime, full.fresh);
  const ids = new Set([empty.signed[0].id, ...full.fresh.map((prekey) => prekey.id)]);
  assertEquals(ids.size, ONE_TIME_PREKEYS_KEPT + 1);
  assertEquals((await refillOneTimePrekeys(full.store, ONE_TIME_PREKEYS_REFILL_BELOW)).fresh.length, 0);
  const more = await refillOneTimePrekeys(full.store, ONE_TIME_PREKEYS_REFILL_BELOW - 1);
  assertEquals(more.fresh.length, 71);
  assertEquals(more.store.oneTime.length, 171, "what was handed out may still be used");
});

Deno.test("addOneTimePrekey() bounds live prekeys without pushing published ones out", async () => {
  let { store } = await refillOneTimePrekeys(await createPrekeyStore(AT), 0);
  const published = store.oneTime;
  for (let i = 0; i < 510; i++) store = (await addOneTimePrekey(store, "live", secureRandom)).store;
  assertEquals(store.oneTime.filter((prekey) => prekey.use === "live").length, 500);
  assertEquals(store.oneTime.filter((prekey) => prekey.use === "published"), published);
});

Deno.test("withoutOneTimePrekey() uses one up in the new store alone", async () => {
  const { store, fresh } = await refillOneTimePrekeys(await createPrekeyStore(AT), 29);
  const id = fresh[0]?.id as number;
  const after = withoutOneTimePrekey(store, id);
  assertEquals(findOneTimePrekey(after, id), undefined);
  assertEquals(findOneTimePrekey(store, id), fresh[0]);
  assertEquals(after.oneTime.length, fresh.length - 1);
});

Deno.test("rotateSignedPrekey() forgets no replaced prekey while something may wait that was made with it", async () => {
  const store = await createPrekeyStore({ nowMs: NOW_MS });
  const { store: next } = await rotateSignedPrekey(store, NOW_MS + DAY_MS);
  const later = NOW_MS + 30 * DAY_MS;
  const kept = await rotateSignedPrekey(next, later, { mayForget: false });
  assertEquals(kept.store.signed.map(({ id }) => id), [next.nextId, ...next.signed.map(({ id }) => id)]);
  const gone = await rotateSignedPrekey(kept.store, later);
  assertEquals(gone.store.signed.map(({ id }) => id), kept.store.signed.slice(0, 2).map(({ id }) => id));
});
