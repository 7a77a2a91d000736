// Aim: a store that takes every change holds what the rooms are: nothing of a room that is over, nothing of another relay
// touched.
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DecodeError } from "../../lib/bytes/errors.ts";
import { type Bytes, utf8 } from "../../lib/bytes/writer.ts";
import { encodeRoomRecord, type RoomRecord } from "../../lib/chat/room_record.ts";
import { RoomShelf } from "../../lib/chat/room_shelf.ts";
import type { RoomRowChange, StoredRoomRow } from "../../lib/chat/state.ts";

const RECORD: RoomRecord = {
  name: "den",
  kind: "open",
  state: "in",
  isCurrent: true,
  invitedBy: undefined,
  topic: undefined,
};

/** What a store does: the last value of each row. */
class Store {
  readonly #rows = new Map<string, StoredRoomRow>();

  constructor(rows: readonly StoredRoomRow[] = []) {
    for (const row of rows) this.#rows.set(keyOf(row), row);
  }

  take(changes: readonly RoomRowChange[]): void {
    for (const { value, ...row } of changes) {
      if (value === undefined) this.#rows.delete(keyOf(row));
      else this.#rows.set(keyOf(row), { ...row, value });
    }
  }

  get rows(): StoredRoomRow[] {
    return [...this.#rows.values()];
  }

  of(relay: string): StoredRoomRow[] {
    return this.rows.filter((row) => row.relay === relay).toSorted((a, b) => keyOf(a) < keyOf(b) ? -1 : 1);
  }
}

function keyOf({ relay, room, name }: Omit<StoredRoomRow, "value">): string {
  return JSON.stringify([relay, room, name]);
}

function row(
  relay: string,
  room: string,
  name: string,
  value: Bytes = utf8(`${relay} ${room} ${name}`),
): StoredRoomRow {
  return { relay, room, name, value };
}

function recordRow(relay: string, room: string): StoredRoomRow {
  return row(relay, room, "record", encodeRoomRecord({ ...RECORD, name: room }));
}

Deno.test("RoomShelf.stored() gives the rooms of its relay alone, each with its record and its other rows", () => {
  const rows = [
    recordRow("R", "A"),
    row("R", "A", "members"),
    recordRow("S", "A"),
    row("S", "A", "members"),
    row("R", "A", "chain/1"),
    recordRow("S", "C"),
    recordRow("R", "B"),
  ];
  assertEquals(new RoomShelf("R", rows).stored(), [
    { room: "A", record: { ...RECORD, name: "A" }, rows: [row("R", "A", "members"), row("R", "A", "chain/1")] },
    { room: "B", record: { ...RECORD, name: "B" }, rows: undefined },
  ]);
  assertEquals(new RoomShelf("T", rows).stored(), []);
  assertEquals(new RoomShelf("R", rows).takeChanges(), []); // nothing is written by reading
});

Deno.test("RoomShelf.stored() refuses a room whose record is missing or damaged, unless it is another relay's", () => {
  const bare = [row("R", "A", "members")];
  assertThrows(() => new RoomShelf("R", bare).stored(), DecodeError, "record is missing");
  assertEquals(new RoomShelf("S", bare).stored(), []);
  const damaged = [row("R", "A", "record", utf8("damaged"))];
  assertThrows(() => new RoomShelf("R", damaged).stored(), DecodeError, "Cannot decode");
  assertEquals(new RoomShelf("S", damaged).stored(), []);
});

Deno.test("RoomShelf.forget() deletes every row that there is: stored ones, and those of this run", () => {
  const shelf = new RoomShelf("R", [recordRow("R", "A"), row("R", "A", "members"), recordRow("S", "A")]);
  shelf.put("A", undefined, [{ name: "speaker", value: utf8("1") }, { name: "members", value: undefined }]);
  shelf.put("B", { ...RECORD, name: "B" }, []);
  shelf.forget("A");
  const deleted = (name: string): RoomRowChange => ({ relay: "R", room: "A", name, value: undefined });
  assertEquals(
    shelf.takeChanges().filter(({ room }) => room === "A").toSorted((a, b) => a.name < b.name ? -1 : 1),
    [deleted("members"), deleted("record"), deleted("speaker")],
  );
  shelf.forget("A");
  shelf.forget("Z");
  assertEquals(shelf.takeChanges(), []); // what is gone is not deleted twice
});

Deno.test("RoomShelf.takeChanges() gives each change once, the last of each row", () => {
  const shelf = new RoomShelf("R", []);
  shelf.put("A", RECORD, [{ name: "members", value: utf8("1") }]);
  shelf.put("A", undefined, [{ name: "members", value: utf8("2") }]);
  assertEquals(shelf.takeChanges(), [
    row("R", "A", "record", encodeRoomRecord(RECORD)),
    row("R", "A", "members", utf8("2")),
  ]);
  assertEquals(shelf.takeChanges(), []);
});

const rooms = fc.constantFrom("A", "B", "C");
const names = fc.constantFrom("members", "speaker", "counters", "chain/1", "chain/2", "held/1");
const values = fc.option(fc.uint8Array({ maxLength: 3 }).map((bytes) => new Uint8Array(bytes)), { nil: undefined });
const steps = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant("put" as const),
      room: rooms,
      hasRecord: fc.boolean(),
      rows: fc.array(fc.record({ name: names, value: values }), { maxLength: 4 }),
    }),
    fc.record({ kind: fc.constant("forget" as const), room: rooms }),
    fc.record({ kind: fc.constant("keep" as const) }),
    fc.record({ kind: fc.constant("restart" as const) }),
  ),
  { size: "max", maxLength: 30 },
);
const storedRows = fc.uniqueArray(
  fc.record({ relay: fc.constantFrom("R", "S"), room: rooms, name: fc.oneof(names, fc.constant("record")) }),
  { selector: keyOf, maxLength: 20 },
).map((found) =>
  found.map(({ relay, room, name }) => name === "record" ? recordRow(relay, room) : row(relay, room, name))
);

Deno.test("RoomShelf: whatever is put and forgotten, a store that takes the changes holds just that", () => {
  fc.assert(
    fc.property(storedRows, steps, (before, made) => {
      const store = new Store(before);
      const wanted = new Map(store.of("R").map((one) => [keyOf(one), one]));
      let shelf = new RoomShelf("R", store.rows);
      const keep = () => {
        store.take(shelf.takeChanges());
        assertEquals(store.of("R"), [...wanted.values()].toSorted((a, b) => keyOf(a) < keyOf(b) ? -1 : 1));
      };
      for (const step of made) {
        if (step.kind === "put") {
          const { room, hasRecord, rows } = step;
          const record = hasRecord ? { ...RECORD, name: room } : undefined;
          shelf.put(room, record, rows);
          if (hasRecord) wanted.set(keyOf(recordRow("R", room)), recordRow("R", room));
          for (const { name, value } of rows) {
            const key = keyOf(row("R", room, name));
            if (value === undefined) wanted.delete(key);
            else wanted.set(key, row("R", room, name, value));
          }
        } else if (step.kind === "forget") {
          shelf.forget(step.room);
          for (const [key, one] of wanted) if (one.room === step.room) wanted.delete(key);
        } else {
          keep();
          if (step.kind === "restart") shelf = new RoomShelf("R", store.rows);
        }
      }
      keep();
      assertEquals(store.of("S"), new Store(before).of("S"));
    }),
    { numRuns: 300 },
  );
});
