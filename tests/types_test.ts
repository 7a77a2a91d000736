// Aim: a standard-library import whose types are missing would be `any` and silently switch the type checker off.
import * as assert from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";
import { decodeBase32 } from "@std/encoding/base32";
import { decodeBase64Url } from "@std/encoding/base64url";
import { decodeHex } from "@std/encoding/hex";
import { TextLineStream } from "@std/streams/text-line-stream";
import { closestString } from "@std/text/closest-string";
import fc from "fast-check";
import stringWidth from "string-width";
import * as v from "valibot";

/** `true` for `any` alone: only `any` makes `1 & T` accept 0. */
type IsAny<T> = 0 extends (1 & T) ? true : false;

const probes: {
  assert: IsAny<typeof assert.assertEquals>;
  parseArgs: IsAny<typeof parseArgs>;
  base32: IsAny<typeof decodeBase32>;
  base64url: IsAny<typeof decodeBase64Url>;
  hex: IsAny<typeof decodeHex>;
  lines: IsAny<typeof TextLineStream>;
  closest: IsAny<typeof closestString>;
  fastCheck: IsAny<typeof fc.assert>;
  width: IsAny<typeof stringWidth>;
  valibot: IsAny<typeof v.parse>;
} = {
  assert: false,
  parseArgs: false,
  base32: false,
  base64url: false,
  hex: false,
  lines: false,
  closest: false,
  fastCheck: false,
  width: false,
  valibot: false,
};

Deno.test("imports are typed and really there", () => {
  assert.assertEquals(Object.values(probes).filter((isAny) => isAny), []);
  for (const imported of [parseArgs, decodeBase32, decodeBase64Url, decodeHex, TextLineStream, closestString]) {
    assert.assertEquals(typeof imported, "function");
  }
  assert.assertEquals(typeof fc.assert, "function");
  assert.assertEquals(stringWidth("漢"), 2);
  assert.assertEquals(v.parse(v.string(), "x"), "x");
});
