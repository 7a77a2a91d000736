// Aim: CPace as the draft has it, to the byte, and no weak point gets through.
// Origin of the official vectors: cfrg/draft-irtf-cfrg-cpace testvectors.json @ 8fb4056e (G_25519, X25519_points).
import { assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { decodeHex, encodeHex } from "@std/encoding/hex";
import fc from "fast-check";
import { AuthError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat, utf8 } from "../../lib/bytes/writer.ts";
import { x25519 } from "../../lib/crypto/dh.ts";
import { sha512 } from "../../lib/crypto/hash.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import {
  calculateGenerator,
  confirmationTag,
  cpaceLvCat,
  deriveIsk,
  deriveSidOutput,
  generatorString,
  sampleScalar,
  transcriptIr,
} from "../../lib/pake/cpace.ts";
import { SMALL_ORDER_U_HEX, testWithOfficial } from "../support/vectors.ts";

const FILE = "cpace_x25519_sha512.json";
const P = 2n ** 255n - 19n;

interface CpaceFile {
  readonly G_25519: Readonly<Record<string, string>>;
  readonly X25519_points: Readonly<Record<string, string>>;
}

function readRun(text: string): Record<string, Bytes> {
  const entries = Object.entries((JSON.parse(text) as CpaceFile).G_25519);
  return Object.fromEntries(entries.map(([name, hex]) => [name, decodeHex(hex)]));
}

testWithOfficial(
  "CPace gives every value of the official run, from the generator to sid_output",
  FILE,
  async (text) => {
    const run = readRun(text) as Record<
      "PRS" | "CI" | "sid" | "g" | "ya" | "ADa" | "Ya" | "yb" | "ADb" | "Yb" | "K" | "ISK_IR" | "sid_output_ir",
      Bytes
    >;
    const g = await calculateGenerator({ prs: run.PRS, ci: run.CI, sid: run.sid });
    assertEquals(g, run.g);
    assertEquals(await x25519(run.ya, g), run.Ya);
    assertEquals(await x25519(run.yb, g), run.Yb);
    assertEquals(await x25519(run.ya, run.Yb), run.K);
    assertEquals(await x25519(run.yb, run.Ya), run.K);
    const shares = { initiator: { y: run.Ya, ad: run.ADa }, responder: { y: run.Yb, ad: run.ADb } };
    assertEquals(await deriveIsk(run.sid, run.K, shares), run.ISK_IR);
    assertEquals(await deriveSidOutput(shares), run.sid_output_ir);
  },
);

testWithOfficial("x25519() follows every official point, weak and not canonical", FILE, async (text) => {
  const points = Object.entries((JSON.parse(text) as CpaceFile).X25519_points);
  assertEquals(points.length, 12);
  const refused: string[] = [];
  for (const [name, hex] of points) {
    const point = decodeHex(hex);
    const scalar = secureRandom(32);
    if (SMALL_ORDER_U_HEX.includes(hex.toLowerCase())) {
      await assertRejects(() => x25519(scalar, point), AuthError, "order is small");
      refused.push(name.replace("Invalid ", ""));
    } else {
      // Such a point is weak only for who forgets to clear the top bit; it is what its canonical spelling is.
      assertEquals(await x25519(scalar, point), await x25519(scalar, canonical(point)), name);
      assertNotEquals(canonical(point), point, name);
    }
  }
  // The draft: u0, u1, u2, u3, u4, u5 and u7 must abort.
  assertEquals(refused, ["Y0", "Y1", "Y2", "Y3", "Y4", "Y5", "Y7"]);
});

Deno.test("x25519() refuses every small order in each spelling, and points of 0, 31 and 33 bytes", async () => {
  for (const hex of SMALL_ORDER_U_HEX) {
    await assertRejects(() => x25519(secureRandom(32), decodeHex(hex)), AuthError, "order is small");
  }
  for (const lengthBytes of [0, 31, 33]) {
    const wrong = new Uint8Array(lengthBytes).fill(9);
    await assertRejects(() => x25519(secureRandom(32), wrong), AuthError, `${lengthBytes} bytes`);
    await assertRejects(() => x25519(wrong, new Uint8Array(32).fill(9)), RangeError, `${lengthBytes} bytes`);
  }
});

Deno.test("cpaceLvCat() writes lengths in LEB128", () => {
  const prefixOf = (lengthBytes: number) => encodeHex(cpaceLvCat(new Uint8Array(lengthBytes)).slice(0, -lengthBytes));
  assertEquals(encodeHex(cpaceLvCat()), "");
  assertEquals(encodeHex(cpaceLvCat(utf8("ab"), utf8(""), utf8("c"))), "02616200" + "0163");
  assertEquals([1, 127, 128, 129, 255, 256].map(prefixOf), ["01", "7f", "8001", "8101", "ff01", "8002"]);
  assertEquals([16_383, 16_384, 2_097_151, 2_097_152].map(prefixOf), ["ff7f", "808001", "ffff7f", "80808001"]);
});

Deno.test("cpaceLvCat() gives no two lists of fields the same bytes", () => {
  const field = fc.uint8Array({ maxLength: 200 }).map((bytes) => new Uint8Array(bytes));
  fc.assert(fc.property(fc.array(field, { maxLength: 6 }), (fields) => {
    assertEquals(splitLvCat(cpaceLvCat(...fields)), fields);
  }));
});

Deno.test("generatorString() fills the first hash block whatever the length of the secret", () => {
  const [ci, sid] = [utf8("channel"), secureRandom(16)];
  for (const lengthBytes of [1, 8, 30, 100, 116, 117, 118, 127, 128, 300]) {
    const prs = new Uint8Array(lengthBytes).fill(0x70);
    const fields = splitLvCat(generatorString({ prs, ci, sid }));
    assertEquals([fields.length, fields[0], fields[1], fields[3], fields[4]], [5, utf8("CPace255"), prs, ci, sid]);
    assertEquals(fields[2]?.every((byte) => byte === 0), true);
    const beforeCi = cpaceLvCat(...fields.slice(0, 3)).length;
    // 9 bytes of DSI, 1 of the zeros' own length: above 117 bytes of secret there is nothing to fill.
    if (lengthBytes <= 117) assertEquals(beforeCi, 128);
    else assertEquals(fields[2]?.length, 0);
  }
});

Deno.test("calculateGenerator() differs by the secret, the channel and the session id, and by nothing moved between them", async () => {
  const inputs = { prs: utf8("one"), ci: utf8("two"), sid: utf8("three") };
  const generators = await Promise.all([
    inputs,
    { ...inputs, prs: utf8("onE") },
    { ...inputs, ci: utf8("twO") },
    { ...inputs, sid: utf8("threE") },
    { ...inputs, prs: utf8("onet"), ci: utf8("wo") },
    { ...inputs, ci: utf8("twot"), sid: utf8("hree") },
    { ...inputs, ci: utf8("three"), sid: utf8("two") },
  ].map(calculateGenerator));
  assertEquals(new Set(generators.map((g) => encodeHex(g))).size, generators.length);
});

Deno.test("confirmationTag() is HMAC-SHA512 under a key of the session over what its party sent", async () => {
  const [sid, isk, y, ad] = [secureRandom(32), secureRandom(64), secureRandom(32), secureRandom(200)];
  const key = concat(await sha512(concat(utf8("CPaceMac"), sid, isk)), new Uint8Array(64));
  const sent = concat(Uint8Array.of(32), y, Uint8Array.of(0xc8, 1), ad);
  // RFC 2104, with nothing but the hash.
  const inner = await sha512(concat(key.map((byte) => byte ^ 0x36), sent));
  const outer = await sha512(concat(key.map((byte) => byte ^ 0x5c), inner));
  assertEquals(await confirmationTag(sid, isk, { y, ad }), outer);
});

Deno.test("transcriptIr() keeps the roles apart", () => {
  const [one, other] = [{ y: utf8("Ya"), ad: utf8("ADa") }, { y: utf8("Yb"), ad: utf8("ADb") }];
  assertEquals(encodeHex(transcriptIr({ initiator: one, responder: other })), "0259610341446102596203414462");
  assertEquals(encodeHex(transcriptIr({ initiator: other, responder: one })), "0259620341446202596103414461");
});

Deno.test("sampleScalar() draws 32 bytes from the given source", () => {
  assertEquals(sampleScalar((lengthBytes) => new Uint8Array(lengthBytes).fill(7)), new Uint8Array(32).fill(7));
});

/** A reader of LEB128 fields, written for this test alone: nothing of ours reads them. */
function splitLvCat(bytes: Bytes): Bytes[] {
  const fields: Bytes[] = [];
  for (let at = 0; at < bytes.length;) {
    let lengthBytes = 0;
    for (let shift = 0;; shift += 7) {
      const byte = bytes[at++] as number;
      lengthBytes += (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    fields.push(bytes.slice(at, at += lengthBytes));
  }
  return fields;
}

/** decodeUCoordinate of RFC 7748 §5, and back. */
function canonical(point: Bytes): Bytes {
  const u = (BigInt(`0x${encodeHex(point.toReversed())}`) & (2n ** 255n - 1n)) % P;
  return decodeHex(u.toString(16).padStart(64, "0")).reverse();
}
