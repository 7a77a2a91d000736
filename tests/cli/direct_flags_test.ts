// Aim: the command lines of `sotto listen` and `sotto connect` are a contract like the others.
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { UserError } from "../../lib/bytes/errors.ts";
import { type DirectFlags, parseClientFlags } from "../../lib/cli/flags.ts";

const NONE = { ephemeral: false, code: false, json: false, verbose: false } as const;
const LISTEN = { action: "listen", host: "127.0.0.1", port: 12345, ...NONE } as const;
const CONNECT = { action: "connect", host: "ada.lan", port: 12345, ...NONE } as const;

Deno.test("parseClientFlags() takes listen and connect with the flags of both", () => {
  const cases: readonly [string, DirectFlags][] = [
    ["listen", LISTEN],
    ["listen 0", { ...LISTEN, port: 0 }],
    ["listen 65535 --host 0.0.0.0 --code", { ...LISTEN, port: 65535, host: "0.0.0.0", code: true }],
    ["listen --host [::1]", { ...LISTEN, host: "::1" }],
    ["connect ada.lan", CONNECT],
    ["connect ada.lan:7 --json --verbose", { ...CONNECT, port: 7, json: true, verbose: true }],
    ["connect [::1]:7 --ephemeral", { ...CONNECT, host: "::1", port: 7, ephemeral: true }],
    ["--code connect ada.lan --name ben --data-dir d --passphrase-file p", {
      ...CONNECT,
      code: true,
      name: "ben",
      dataDir: "d",
      passphraseFile: "p",
    }],
  ];
  for (const [line, flags] of cases) {
    assertEquals(parseClientFlags(line.split(" ")), { kind: "direct", flags }, line);
  }
});

Deno.test("parseClientFlags() refuses what listen and connect do not take, and says what they take", () => {
  const cases: readonly [string, string, string][] = [
    ["listen x", 'the port "x"', "from 0 to 65535"],
    ["listen 65536", 'the port "65536"', "from 0 to 65535"],
    ["listen 1 2", 'the argument "2"', "--help"],
    ["listen --host a:1", "a port in --host", "--host a"],
    ["connect", "connect without HOST[:PORT]", "Write sotto connect HOST[:PORT]."],
    ["connect a b", 'the argument "b"', "--help"],
    ["connect a:0", 'the port "0"', "from 1 to 65535"],
    ["connect http://a", "as a host", "Leave out http://"],
    ["connect a --host b", "--host with connect", "--code, --json and --verbose alone."],
    ["listen --code=able-sunset-violin", "a value for --code", "Write --code alone."],
    ["--code", "--code here", "sotto listen and connect"],
    ["ada.lan --code", "--code here", "sotto listen and connect"],
    ["identity show --code", "--code with identity show", "It takes"],
  ];
  for (
    const flag of ["--port 1", "--room x", "--relay-key x", "--invite-file x", "--trust-on-first-use", "--replace"]
  ) {
    for (const command of ["listen", "connect a"]) {
      const name = flag.split(" ")[0] as string;
      refused(`${command} ${flag}`, `${name} with ${command.split(" ")[0]}`, "--ephemeral, --code");
    }
  }
  for (const [line, message, hint] of cases) refused(line, message, hint);
});

function refused(line: string, message: string, hint: string): void {
  const error = assertThrows(() => parseClientFlags(line.split(" ")), UserError);
  assertEquals(error.code, "badFlag", line);
  assertStringIncludes(error.message, message, line);
  assertStringIncludes(error.hint, hint, line);
  assert(!`${error.message}${error.hint}`.includes("violin"), "a code is never repeated");
}
