// Aim: whoever sits on the wire can break a link and do nothing else: nothing altered, repeated, moved or invented is
// ever delivered, and no bytes make a link throw.
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import fc from "fast-check";
import { AuthError, DecodeError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat } from "../../lib/bytes/writer.ts";
import type { LinkEnd } from "../../lib/link/link.ts";
import { encodeFrame, TRANSPORT_FRAME_MAX_BYTES } from "../../lib/wire/frame.ts";
import {
  CARDS,
  KEYS,
  LinkPair,
  type LinkPairOptions,
  numbersOf,
  post,
  type Side,
  type Tamper,
} from "../support/link_pair.ts";

const SIDES: readonly Side[] = ["initiator", "responder"];
const PACKETS_EACH_WAY = 6;

function otherOf(side: Side): Side {
  return side === "initiator" ? "responder" : "initiator";
}

/** Says what is wrong with an end that must have been refused. */
function refusal(end: LinkEnd | undefined): Error {
  assert(end?.kind === "refused", `ended as ${end?.kind}`);
  return end.error;
}

/** A whole conversation; then the stream ends. */
async function converse(options: LinkPairOptions = {}): Promise<LinkPair> {
  const pair = await LinkPair.opened(options);
  for (let number = 0; number < PACKETS_EACH_WAY; number++) {
    for (const side of SIDES) pair[side].link.enqueue(post(number, new Uint8Array(number * 10).fill(number)));
    if (number % 2 === 1) await pair.pump();
  }
  await pair.pump();
  await pair.cut();
  return pair;
}

/** What was delivered must be the beginning of what was said, from the one who said it, and the end plain. */
function checkIntact(pair: LinkPair): void {
  for (const side of SIDES) {
    const { delivered, opened, end, effects } = pair[side];
    assertEquals(numbersOf(delivered), delivered.map((_, i) => i));
    assert(delivered.every(({ body }, i) => body.length === i * 10 && body.every((byte) => byte === i)));
    if (opened !== undefined) {
      assertEquals(opened.staticPublic, KEYS[otherOf(side)].publicBytes);
      assertEquals(opened.hello.card, CARDS[otherOf(side)]);
    } else assertEquals(delivered, []);
    assert(end !== undefined, `${side} never ended`);
    assertEquals(effects.filter(({ kind }) => kind === "ended").length, 1);
    assertEquals(effects.at(-1)?.kind, "ended");
  }
}

/** Changes the stream of one side from an offset on, whatever the writes are. */
function tamperAt(side: Side, offset: number, change: (byte: number) => number[]): Tamper {
  let passed = 0;
  return (bytes, from) => {
    if (from !== side) return bytes;
    const at = offset - passed;
    passed += bytes.length;
    if (at < 0 || at >= bytes.length) return bytes;
    return concat(bytes.subarray(0, at), Uint8Array.from(change(bytes[at] as number)), bytes.subarray(at + 1));
  };
}

/** How many bytes each side writes in an honest conversation. */
async function streamBytes(side: Side): Promise<number> {
  return concat(...(await converse())[side].written).length;
}

Deno.test("Link delivers all of an honest conversation", async () => {
  const pair = await converse();
  checkIntact(pair);
  for (const side of SIDES) {
    assertEquals(pair[side].delivered.length, PACKETS_EACH_WAY);
    assertEquals(pair[side].end, { kind: "lost", stage: "open", cause: "ended" });
  }
});

for (const side of SIDES) {
  const changes: Readonly<Record<string, (mask: number) => (byte: number) => number[]>> = {
    "is flipped": (mask) => (byte) => [byte ^ mask],
    "is left out": () => () => [],
    "is doubled": () => (byte) => [byte, byte],
    "is put in": (mask) => (byte) => [mask, byte],
  };
  for (const [what, change] of Object.entries(changes)) {
    Deno.test(`Link ends and delivers nothing altered when any byte of the ${side} ${what}`, async () => {
      const total = await streamBytes(side);
      await fc.assert(
        fc.asyncProperty(fc.nat(total - 1), fc.integer({ min: 1, max: 255 }), async (offset, mask) => {
          const pair = await converse({ tamper: tamperAt(side, offset, change(mask)) });
          checkIntact(pair);
          if (what === "is flipped") {
            // The damage stops all that would have come after it.
            assert(pair[otherOf(side)].delivered.length < PACKETS_EACH_WAY);
          }
        }),
        { numRuns: 60 },
      );
    });
  }

  Deno.test(`Link ends as lost and delivers nothing cut when the stream of the ${side} ends anywhere`, async () => {
    const total = await streamBytes(side);
    await fc.assert(
      fc.asyncProperty(fc.nat(total - 1), async (offset) => {
        let passed = 0;
        const pair = await converse({
          tamper: (bytes, from) => {
            if (from !== side) return bytes;
            const left = Math.max(0, offset - passed);
            passed += bytes.length;
            return bytes.subarray(0, left);
          },
        });
        checkIntact(pair);
        assertEquals(pair[otherOf(side)].end?.kind, "lost");
      }),
      { numRuns: 60 },
    );
  });

  Deno.test(`Link of the ${otherOf(side)} refuses a record that comes twice`, async () => {
    const pair = await LinkPair.opened();
    pair[side].link.enqueue(post(0));
    const record = concat(...await pair[side].pull());
    await pair.feed(otherOf(side), concat(record, record));
    assertInstanceOf(refusal(pair[otherOf(side)].end), AuthError);
    assertEquals(numbersOf(pair[otherOf(side)].delivered), [0]);
  });

  Deno.test(`Link of the ${otherOf(side)} refuses records that come in another order, or with one left out`, async () => {
    const pair = await LinkPair.opened();
    const records: Bytes[] = [];
    for (const number of [0, 1, 2]) {
      pair[side].link.enqueue(post(number));
      records.push(...await pair[side].pull());
    }
    await pair.feed(otherOf(side), records[0] as Bytes);
    await pair.feed(otherOf(side), records[2] as Bytes);
    await pair.feed(otherOf(side), records[1] as Bytes);
    assertInstanceOf(refusal(pair[otherOf(side)].end), AuthError);
    assertEquals(numbersOf(pair[otherOf(side)].delivered), [0]);
  });

  Deno.test(`Link of the ${side} refuses its own records when they come back`, async () => {
    const pair = await LinkPair.opened();
    pair[side].link.enqueue(post(0));
    await pair.feed(side, concat(...await pair[side].pull()));
    assertInstanceOf(refusal(pair[side].end), AuthError);
    assertEquals(pair[side].delivered, []);
  });

  Deno.test(`Link of the ${side} refuses records of an earlier link between the same two`, async () => {
    const [earlier, later] = [await LinkPair.opened(), await LinkPair.opened()];
    earlier[otherOf(side)].link.enqueue(post(0));
    await later.feed(side, concat(...await earlier[otherOf(side)].pull()));
    assertInstanceOf(refusal(later[side].end), AuthError);
  });

  Deno.test(`Link of the ${side} tells a forger nothing and writes no more`, async () => {
    const pair = await LinkPair.opened();
    pair[side].link.enqueue(post(0));
    await pair.feed(side, encodeFrame(new Uint8Array(100)));
    assertInstanceOf(refusal(pair[side].end), AuthError);
    assertEquals(await pair[side].pull(), []);
  });

  const headOf = (lengthBytes: number) =>
    Uint8Array.of(lengthBytes >>> 24, lengthBytes >>> 16, lengthBytes >>> 8, lengthBytes);
  for (const lengthBytes of [0, TRANSPORT_FRAME_MAX_BYTES + 1, 0xffffffff]) {
    Deno.test(`Link of the ${side} refuses a record of ${lengthBytes} bytes at its head`, async () => {
      const pair = await LinkPair.opened();
      await pair.feed(side, headOf(lengthBytes));
      assertInstanceOf(refusal(pair[side].end), DecodeError);
    });
  }

  Deno.test(`Link of the ${side} refuses a record that has no room for a tag`, async () => {
    const pair = await LinkPair.opened();
    await pair.feed(side, encodeFrame(new Uint8Array(15)));
    assertInstanceOf(refusal(pair[side].end), DecodeError);
  });

  Deno.test(`Link of the ${side} takes any garbage in the handshake without throwing`, async () => {
    const chunks = fc.array(fc.uint8Array({ maxLength: 120, size: "max" }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(chunks, fc.boolean(), async (chunks, isFramed) => {
        const pair = new LinkPair();
        await pair.start();
        for (const chunk of chunks) {
          if (chunk.length > 0) await pair.feed(side, isFramed ? encodeFrame(chunk) : chunk);
        }
        await pair.cut();
        assertEquals(pair[side].opened, undefined);
        assert(pair[side].end?.kind === "refused" || pair[side].end?.kind === "lost");
      }),
      { numRuns: 150 },
    );
  });

  Deno.test(`Link of the ${side} takes any garbage after the handshake without throwing`, async () => {
    const chunks = fc.array(fc.uint8Array({ maxLength: 120, size: "max" }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(chunks, fc.boolean(), async (chunks, isFramed) => {
        const pair = await LinkPair.opened();
        for (const chunk of chunks) {
          if (chunk.length > 0) await pair.feed(side, isFramed ? encodeFrame(chunk) : chunk);
        }
        await pair.cut();
        assertEquals(pair[side].delivered, []);
        assert(pair[side].end?.kind === "refused" || pair[side].end?.kind === "lost");
      }),
      { numRuns: 60 },
    );
  });
}

Deno.test("Link refuses its own handshake when it is sent back", async () => {
  const pair = new LinkPair();
  await pair.start();
  const [first] = await pair.initiator.pull();
  await pair.feed("initiator", first as Bytes);
  refusal(pair.initiator.end);
});
