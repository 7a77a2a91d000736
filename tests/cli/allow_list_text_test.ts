import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseAllowList } from "../../lib/cli/allow_list_text.ts";
import { fingerprintOf } from "../../lib/e2ee/identity.ts";

const ADA = "LVOLTFMZ7FENWMB5SZ5TPWGXQEPWLVY2ZBJWAFOH5W3RW5GPGPCA";
const BEN = ADA.replace("LVOL", "BENB");

function list(...fingerprints: string[]) {
  return { kind: "list", fingerprints: new Set(fingerprints) } as const;
}

Deno.test("parseAllowList() takes fingerprints as people write them", () => {
  const grouped = ADA.replace(/(.{4})(?=.)/g, "$1 ");
  for (
    const line of [ADA, ADA.toLowerCase(), grouped, grouped.replaceAll(" ", "-"), `\t ${grouped} `, `${ADA} # ada`]
  ) {
    for (const end of ["", "\n", "\r\n", "\n\n# end\n"]) assertEquals(parseAllowList(line + end), list(ADA), line);
  }
  assertEquals(parseAllowList(`\uFEFF# the office\n\n  \n${ADA}\n#${BEN}\n${BEN} #\n${grouped}\n`), list(ADA, BEN));
});

Deno.test("parseAllowList() takes an empty list: nobody may link", () => {
  for (const text of ["", "\n\n", "# nobody", "\uFEFF", " \r\n\t# x # y"]) assertEquals(parseAllowList(text), list());
});

Deno.test("parseAllowList() names the first line that is no fingerprint", () => {
  const wrong = [
    ADA.slice(1),
    `${ADA}A`,
    ADA.replace("L", "1"),
    ADA.replace("L", "İ"),
    ADA.replace("L", "ı"),
    ADA.slice(0, 51) + "B", // bits that no fingerprint has
    `${ADA} ada`,
    `${ADA} ${BEN}`,
    "-".repeat(3) + "x",
  ];
  for (const line of wrong) {
    assertEquals(parseAllowList(`# list\n${ADA}\n${line}\nalso wrong\n`), { kind: "malformed", line: 3 }, line);
  }
});

Deno.test("parseAllowList() finds whatever was written down, however it is spelled", () => {
  const entry = fc.record({
    fingerprint: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((id) => fingerprintOf(new Uint8Array(id))),
    isLower: fc.boolean(),
    gap: fc.constantFrom("", " ", "-", " - ", "\t"),
    every: fc.integer({ min: 1, max: 60 }),
    tail: fc.oneof(fc.constant(""), fc.string().map((text) => `#${text.replaceAll("\n", "")}`)),
    end: fc.constantFrom("\n", "\r\n", "\n\n# —\n"),
  });
  fc.assert(fc.property(fc.array(entry, { maxLength: 20 }), (entries) => {
    const text = entries.map(({ fingerprint, isLower, gap, every, tail, end }) => {
      const spelled = fingerprint.replace(new RegExp(`.{${every}}`, "g"), `$&${gap}`);
      return (isLower ? spelled.toLowerCase() : spelled) + tail + end;
    }).join("");
    assertEquals(parseAllowList(text), list(...entries.map(({ fingerprint }) => fingerprint)));
  }));
});

Deno.test("parseAllowList() takes any text without a throw", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", size: "max", maxLength: 500 }), (text) => {
    const parsed = parseAllowList(text);
    if (parsed.kind === "malformed") assertEquals(parsed.line > 0 && parsed.line <= text.split("\n").length, true);
    else for (const one of parsed.fingerprints) assertEquals(/^[A-Z2-7]{52}$/.test(one), true);
  }));
});
