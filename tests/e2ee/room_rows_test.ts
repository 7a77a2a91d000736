// Aim: every row of a room comes back whole and has one spelling; all else is refused with an error of ours.
import { assertEquals, assertRejects } from "@std/assert";
import { DecodeError } from "../../lib/bytes/errors.ts";
import { type Bytes, utf8 } from "../../lib/bytes/writer.ts";
import { Room } from "../../lib/e2ee/room.ts";
import {
  decodeHeldMessage,
  decodeKnownChain,
  decodeLateKey,
  encodeHeldMessage,
  encodeKnownChain,
  encodeLateKey,
} from "../../lib/e2ee/room_rows.ts";
import { RoomSpeaker } from "../../lib/e2ee/room_speaker.ts";
import { recodes, refusesOtherLengths } from "./_chains.ts";
import { World } from "./_room_world.ts";

const world = await World.open("ada", "ben");
const [ada, ben] = [world.of("ada"), world.of("ben")];
await ada.say("one");
const letter = ben.inbox[0]?.key as Bytes;
await ben.catchUp();
await ada.seal("skipped");
await ada.say("two");
await world.settle();
const message = (await ada.seal("three")).message;
const membership = ada.room.membership as Parameters<typeof RoomSpeaker.decode>[1]["membership"];
const { certificate } = ada.author;
const chain = [...ben.rows].find(([name]) => name.startsWith("chain/"))?.[1] as Bytes;

const CODECS: readonly {
  readonly name: string;
  readonly honest: Bytes;
  readonly recode: (b: Bytes) => Promise<Bytes>;
}[] = [
  { name: "decodeKnownChain()", honest: chain, recode: async (b) => encodeKnownChain(await decodeKnownChain(b)) },
  {
    name: "decodeHeldMessage()",
    honest: encodeHeldMessage({ seq: 7, atMs: 8, headEpoch: 9, sinceMs: 10, certificate, message }),
    recode: async (b) => encodeHeldMessage(await decodeHeldMessage(b)),
  },
  {
    name: "decodeLateKey()",
    honest: encodeLateKey({ peer: ada.who, sinceMs: 5, key: letter }),
    recode: async (b) => encodeLateKey(await decodeLateKey(b)),
  },
  {
    name: "RoomSpeaker.decode()",
    honest: ada.rows.get("speaker") as Bytes,
    recode: async (b) => (await RoomSpeaker.decode(b, { membership, self: ada.who })).encode(),
  },
];

for (const { name, honest, recode } of CODECS) {
  Deno.test(`${name} takes what was encoded, and refuses all that would not encode to the same bytes`, async () => {
    await refusesOtherLengths(recode, honest);
    await recodes(recode, honest);
  });
}

Deno.test("Room.restore() refuses rows that are missing, damaged or of no known kind", async () => {
  const rows = [...ben.rows].map(([name, value]) => ({ name, value }));
  const restored = await Room.restore(rows, { self: ben.who });
  assertEquals(restored.takeChanges(), []);
  for (const missing of ["members", "speaker", "counters"]) {
    await assertRejects(
      () => Room.restore(rows.filter(({ name }) => name !== missing), { self: ben.who }),
      DecodeError,
    );
  }
  const odd = [...rows, { name: "other/1", value: utf8("x") }];
  await assertRejects(() => Room.restore(odd, { self: ben.who }), DecodeError);
  for (const { name } of rows) {
    const cut = rows.map((row) => row.name === name ? { name, value: row.value.slice(0, -1) } : row);
    await assertRejects(() => Room.restore(cut, { self: ben.who }), DecodeError);
  }
});
