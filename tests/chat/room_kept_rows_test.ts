// Aim: after a room has begun anew, a store that takes every change has just what was written since.
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { utf8 } from "../../lib/bytes/writer.ts";
import { RoomKeptRows } from "../../lib/chat/room_kept_rows.ts";
import type { RoomRow } from "../../lib/e2ee/room_types.ts";

const name = fc.constantFrom("members", "ops", "speaker", "chain/1", "chain/2", "held/1", "late/1");
const changes = fc.uniqueArray(
  fc.record({ name, value: fc.constantFrom(utf8("1"), undefined) }),
  { selector: (row) => row.name, maxLength: 5 },
);

Deno.test("RoomKeptRows.take() deletes what is of a former life and not written again, once", () => {
  const kept = new RoomKeptRows(["members", "chain/1"]);
  const value = utf8("1");
  assertEquals(kept.take([{ name: "held/1", value }]), [{ name: "held/1", value }]);
  kept.beginAnew();
  assertEquals(kept.take([{ name: "members", value }, { name: "ops", value: undefined }]), [
    { name: "chain/1", value: undefined },
    { name: "held/1", value: undefined },
    { name: "members", value },
    { name: "ops", value: undefined },
  ]);
  assertEquals(kept.take([]), []);
});

Deno.test("RoomKeptRows: a store that takes every change has what was written since the room began anew", () => {
  const steps = fc.array(fc.oneof(changes, fc.constant("anew" as const)), { maxLength: 20 });
  fc.assert(fc.property(fc.uniqueArray(name), steps, (stored, made) => {
    const kept = new RoomKeptRows(stored);
    const store = new Set<string>(stored);
    let wanted = new Set<string>(stored);
    const take = (rows: readonly RoomRow[]) => {
      for (const row of kept.take(rows)) row.value === undefined ? store.delete(row.name) : store.add(row.name);
      for (const row of rows) row.value === undefined ? wanted.delete(row.name) : wanted.add(row.name);
      assertEquals([...store].toSorted(), [...wanted].toSorted());
    };
    for (const step of made) {
      if (step !== "anew") {
        take(step);
        continue;
      }
      kept.beginAnew();
      wanted = new Set();
    }
    take([]);
  }));
});
