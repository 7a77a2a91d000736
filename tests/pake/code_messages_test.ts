// Aim: the messages of a session by code have one spelling each; everything else is a DecodeError.
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DecodeError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat, lvCat, u32be, u8, utf8 } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { CERTIFICATE_MAX_BYTES } from "../../lib/e2ee/certificate.ts";
import {
  decodeAnswer,
  decodeAssociated,
  decodeOpening,
  encodeAnswer,
  encodeAssociated,
  encodeOpening,
  PAKE_AD_MAX_BYTES,
  PAKE_CERTIFICATE_MAX_BYTES,
  type PakeAssociated,
} from "../../lib/pake/code_messages.ts";

const fields: PakeAssociated = {
  role: "initiator",
  certificate: utf8("a certificate"),
  ratchetPublic: secureRandom(32),
  random: secureRandom(16),
};
const ad = encodeAssociated(fields);
const share = { y: secureRandom(32), ad };

const CODECS: readonly { name: string; honest: Bytes; recode: (bytes: Bytes) => Bytes }[] = [
  { name: "decodeAssociated()", honest: ad, recode: (bytes) => encodeAssociated(decodeAssociated(bytes)) },
  { name: "decodeOpening()", honest: encodeOpening(share), recode: (bytes) => encodeOpening(decodeOpening(bytes)) },
  {
    name: "decodeAnswer()",
    honest: encodeAnswer({ share, tag: secureRandom(64) }),
    recode: (bytes) => encodeAnswer(decodeAnswer(bytes)),
  },
];

for (const { name, honest, recode } of CODECS) {
  Deno.test(`${name} refuses every truncation and every byte more`, () => {
    assertEquals(recode(honest), honest);
    for (let length = 0; length < honest.length; length++) {
      assertThrows(() => recode(honest.slice(0, length)), DecodeError);
    }
    for (const byte of [0, 1, 0xff]) assertThrows(() => recode(concat(honest, u8(byte))), DecodeError);
  });

  Deno.test(`${name} refuses any bytes with a DecodeError, or they encode to themselves`, () => {
    const random = fc.uint8Array({ maxLength: honest.length + 40, size: "max" }).map((bytes) => new Uint8Array(bytes));
    const edits = fc.array(fc.tuple(fc.nat(honest.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
    const edited = edits.map((list) => {
      const copy = honest.slice();
      for (const [index, value] of list) copy[index] = value;
      return copy;
    });
    const spliced = fc.tuple(fc.nat(honest.length), fc.nat(honest.length), random).map(([from, to, middle]) =>
      concat(honest.slice(0, from), middle, honest.slice(to))
    );
    fc.assert(
      fc.property(fc.oneof(random, edited, spliced), (bytes) => {
        try {
          assertEquals(recode(bytes), bytes);
        } catch (error) {
          if (!(error instanceof DecodeError)) throw error;
        }
      }),
      { numRuns: 400 },
    );
  });
}

Deno.test("encodeAssociated() keeps every field, for both roles and at both ends of the lengths", () => {
  const lengths = [1, CERTIFICATE_MAX_BYTES, PAKE_CERTIFICATE_MAX_BYTES];
  for (const role of ["initiator", "responder"] as const) {
    for (const lengthBytes of lengths) {
      const given = { ...fields, role, certificate: secureRandom(lengthBytes) };
      const bytes = encodeAssociated(given);
      assertEquals(decodeAssociated(bytes), given);
      assertEquals(bytes.length <= PAKE_AD_MAX_BYTES, true);
    }
  }
  assertEquals(encodeAssociated({ ...fields, certificate: secureRandom(1_024) }).length, PAKE_AD_MAX_BYTES);
});

Deno.test("encodeAssociated() refuses fields of another length", () => {
  for (const lengthBytes of [0, PAKE_CERTIFICATE_MAX_BYTES + 1]) {
    assertThrows(() => encodeAssociated({ ...fields, certificate: new Uint8Array(lengthBytes) }), RangeError);
  }
  for (const lengthBytes of [0, 31, 33]) {
    assertThrows(() => encodeAssociated({ ...fields, ratchetPublic: new Uint8Array(lengthBytes) }), RangeError);
  }
  for (const lengthBytes of [0, 15, 17]) {
    assertThrows(() => encodeAssociated({ ...fields, random: new Uint8Array(lengthBytes) }), RangeError);
  }
});

Deno.test("decodeAssociated() refuses every role but 1 and 2, and fields of another length", () => {
  const { certificate, ratchetPublic, random } = fields;
  for (let role = 0; role < 256; role++) {
    const bytes = lvCat(u8(role), certificate, ratchetPublic, random);
    if (role === 1 || role === 2) assertEquals(decodeAssociated(bytes).certificate, certificate);
    else assertThrows(() => decodeAssociated(bytes), DecodeError, "role");
  }
  const wrong = [
    lvCat(new Uint8Array(0), certificate, ratchetPublic, random),
    lvCat(Uint8Array.of(1, 1), certificate, ratchetPublic, random),
    lvCat(u8(1), new Uint8Array(0), ratchetPublic, random),
    lvCat(u8(1), new Uint8Array(PAKE_CERTIFICATE_MAX_BYTES + 1), ratchetPublic, random),
    lvCat(u8(1), certificate, ratchetPublic.slice(1), random),
    lvCat(u8(1), certificate, concat(ratchetPublic, u8(0)), random),
    lvCat(u8(1), certificate, ratchetPublic, random.slice(1)),
    lvCat(u8(1), certificate, ratchetPublic, concat(random, u8(0))),
  ];
  for (const bytes of wrong) assertThrows(() => decodeAssociated(bytes), DecodeError);
});

Deno.test("decodeOpening() and decodeAnswer() refuse a length above the bound before they read so far", () => {
  const claimed = concat(lvCat(share.y), u32be(0xffffffff));
  assertThrows(() => decodeOpening(claimed), DecodeError, `above ${PAKE_AD_MAX_BYTES}`);
  assertThrows(() => decodeAnswer(claimed), DecodeError, `above ${PAKE_AD_MAX_BYTES}`);
  for (const lengthBytes of [0, 31, 33]) {
    assertThrows(() => decodeOpening(lvCat(new Uint8Array(lengthBytes), ad)), DecodeError, `${lengthBytes} bytes`);
  }
  for (const lengthBytes of [0, 63, 65]) {
    assertThrows(() => decodeAnswer(lvCat(share.y, ad, new Uint8Array(lengthBytes))), DecodeError);
  }
});
