// Aim: what is remembered of a key comes back whole, has one spelling, and all else is refused.
import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { DecodeError } from "../../lib/bytes/errors.ts";
import { decodePeerRecord, encodePeerRecord, NAMES_PER_KEY_MAX } from "../../lib/chat/peer_record.ts";
import { createCertificate } from "../../lib/e2ee/certificate.ts";
import { generateIdentity } from "../../lib/e2ee/identity.ts";

const identity = await generateIdentity({ life: "lasting", nowMs: 1 });
const certificate = await createCertificate(identity, { handle: "bob", createdMs: 2 });

const records = fc.record({
  certificate: fc.constant(certificate),
  firstSeenMs: fc.maxSafeNat(),
  how: fc.constantFrom("tofu" as const, "accepted" as const, "number" as const, "distrusted" as const, "code" as const),
  names: fc.uniqueArray(fc.string({ unit: "grapheme", minLength: 0, maxLength: 20 }), { maxLength: 20 })
    .map((names) => [...new Set(names.map((name) => name.toWellFormed()))].toSorted()),
});

Deno.test("decodePeerRecord() gives back every field that encodePeerRecord() was given", async () => {
  await fc.assert(fc.asyncProperty(records, async (record) => {
    const bytes = encodePeerRecord(record);
    const decoded = await decodePeerRecord(bytes);
    assertEquals(decoded, record);
    assertEquals(encodePeerRecord(decoded), bytes);
  }));
});

Deno.test("decodePeerRecord() refuses every truncation, and a flipped byte unless it is another record", async () => {
  const bytes = encodePeerRecord({ certificate, firstSeenMs: 5, how: "number", names: ["bob", "robert"] });
  for (let length = 0; length < bytes.length; length++) {
    await assertRejects(() => decodePeerRecord(bytes.slice(0, length)), DecodeError);
  }
  for (let i = 0; i < bytes.length; i++) {
    const flipped = bytes.slice();
    flipped[i] = (flipped[i] as number) ^ 1;
    try {
      assertEquals(encodePeerRecord(await decodePeerRecord(flipped)), flipped, `byte ${i}`);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
    }
  }
});

Deno.test("encodePeerRecord() keeps the first names of a key that has too many", async () => {
  const names = Array.from({ length: NAMES_PER_KEY_MAX + 10 }, (_, i) => `n${String(i).padStart(3, "0")}`);
  const decoded = await decodePeerRecord(encodePeerRecord({ certificate, firstSeenMs: 5, how: "tofu", names }));
  assertEquals(decoded.names, names.slice(0, NAMES_PER_KEY_MAX));
});
