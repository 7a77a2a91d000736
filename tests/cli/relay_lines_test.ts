import { assert, assertEquals } from "@std/assert";
import { fingerprintWords } from "../../lib/cli/words.ts";
import { logLine, startLines } from "../../lib/cli/relay_lines.ts";

const FINGERPRINT = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSA";
const LISTENING = {
  name: "office",
  host: "0.0.0.0",
  port: 5001,
  fingerprint: FINGERPRINT,
  words: await fingerprintWords(FINGERPRINT),
  lan: ["192.168.1.7"],
  isPrivate: false,
  isFromCheckout: false,
};

/** The line that others are told to type. */
function toType(listening: typeof LISTENING): string | undefined {
  return startLines(listening).find((line) => line.startsWith("  sotto "));
}

Deno.test("startLines() tells where, who, and what others type", () => {
  const lines: string[] = startLines(LISTENING);
  assert(lines[0]?.startsWith("Relay office listens on 0.0.0.0:5001."));
  assert(lines.includes("  addresses    192.168.1.7:5001"));
  assert(lines.some((line) => line.replaceAll(" ", "").includes(FINGERPRINT)));
  const spelled = lines.map((line) => line.replace("in words", "").trim()).join(" ").split(/ +/).join(" ");
  assert(spelled.includes(LISTENING.words.join(" ")));
  assertEquals(toType(LISTENING), `  sotto 192.168.1.7 --relay-key ${FINGERPRINT}`);
});

Deno.test("startLines() names the port when it is another, and brackets IPv6", () => {
  assertEquals(toType({ ...LISTENING, port: 5002 }), `  sotto 192.168.1.7:5002 --relay-key ${FINGERPRINT}`);
  assertEquals(toType({ ...LISTENING, host: "::", lan: ["fd00::7"] }), `  sotto [fd00::7] --relay-key ${FINGERPRINT}`);
  assertEquals(toType({ ...LISTENING, host: "::1", port: 9 }), `  sotto [::1]:9 --relay-key ${FINGERPRINT}`);
});

Deno.test("startLines() has something to type on a machine without a network, and for one address alone", () => {
  assertEquals(toType({ ...LISTENING, lan: [] }), `  sotto 127.0.0.1 --relay-key ${FINGERPRINT}`);
  assertEquals(startLines({ ...LISTENING, lan: [] }).some((line) => line.includes("addresses")), false);
  assertEquals(toType({ ...LISTENING, host: "10.0.0.2" }), `  sotto 10.0.0.2 --relay-key ${FINGERPRINT}`);
});

Deno.test("logLine() is one line of plain text whatever stands in the fields", () => {
  const line: string = logLine(0, "linkOpened", { link: 3, address: "[::1]:9", odd: "a b\n\x1b[31mc=d" });
  assertEquals(line.split(" ").slice(0, 3), ["1970-01-01T00:00:00.000Z", "linkOpened", "link=3"]);
  // deno-lint-ignore no-control-regex
  assertEquals(/[\x00-\x1f\x7f-\x9f]/.test(line), false);
});

Deno.test("startLines() tells a relay from a checkout how neighbours without an executable start", () => {
  const lines: string[] = startLines({ ...LISTENING, isFromCheckout: true });
  assert(lines.includes(`  npx --yes deno@2.9.6 task client 192.168.1.7 --relay-key ${FINGERPRINT}`));
  assert(!startLines(LISTENING).some((line) => line.includes("npx")));
});

Deno.test("startLines() of a checkout tells how to start where there is no executable", () => {
  const lines: string[] = startLines({ ...LISTENING, isFromCheckout: true });
  const client = lines.find((line) => line.includes("npx --yes deno@"));
  assertEquals(client?.endsWith(`task client 192.168.1.7 --relay-key ${FINGERPRINT}`), true);
});

Deno.test("startLines() of a private relay asks for the invitation instead of the fingerprint", () => {
  const lines: string[] = startLines({ ...LISTENING, isPrivate: true, isFromCheckout: true });
  const typed = lines.filter((line) => /sotto \d|task client/.test(line));
  assertEquals(typed.map((line) => [line.includes("--invite-file FILE"), line.includes("--relay-key")]), [
    [true, false],
    [true, false],
  ]);
});

Deno.test("startLines() leaves IPv6 addresses out where nothing listens on them", () => {
  const lines: string[] = startLines({ ...LISTENING, lan: ["192.168.1.7", "fd00::7"] });
  assert(!lines.some((line) => line.includes("fd00")));
});
