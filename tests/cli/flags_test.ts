// Aim: the command line is a contract: what is not exactly right is refused with a way out.
import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { UserError } from "../../lib/bytes/errors.ts";
import {
  CLIENT_FLAGS,
  type ClientFlags,
  type IdentityFlags,
  parseClientFlags,
  parseServerFlags,
  type RelaysFlags,
  SERVER_FLAGS,
  type ServerFlags,
} from "../../lib/cli/flags.ts";
import { CLIENT_HELP, SERVER_HELP } from "../../lib/cli/help_text.ts";

const KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRST";

const CLIENT_DEFAULTS: ClientFlags = {
  host: "127.0.0.1",
  port: 5001,
  ephemeral: false,
  keepsHistory: true,
  historyDays: 30,
  trustOnFirstUse: false,
  receipts: true,
  json: false,
  verbose: false,
};
const SERVER_DEFAULTS: ServerFlags = { host: "0.0.0.0", port: 5001, memory: false, verbose: false, json: false };

Deno.test("parseClientFlags() gives the documented defaults", () => {
  assertEquals(parseClientFlags([]), { kind: "run", flags: CLIENT_DEFAULTS });
});

Deno.test("parseServerFlags() gives the documented defaults", () => {
  assertEquals(parseServerFlags([]), { kind: "run", flags: SERVER_DEFAULTS });
});

Deno.test("parseServerFlags() takes every flag, with a space or an equals sign", () => {
  const flags: ServerFlags = {
    host: "::1",
    port: 0,
    name: "attic",
    dataDir: "/tmp/x y",
    nameTtlMs: 1_296_000_000,
    allow: "team.txt",
    memory: true,
    verbose: true,
    json: true,
  };
  const spaced = "--host ::1 --port 0 --name attic --name-ttl 15 --allow team.txt --memory --verbose --json --data-dir"
    .split(" ");
  assertEquals(parseServerFlags([...spaced, "/tmp/x y"]), { kind: "run", flags });
  const equals =
    "--host=::1 --port=0 --name=attic --name-ttl=15 --allow=team.txt --memory --verbose --json --data-dir=/tmp/x y"
      .split(
        / (?=--)/,
      );
  assertEquals(parseServerFlags(equals), { kind: "run", flags });
});

Deno.test("parseServerFlags() takes invite with its own flags alone", () => {
  assertEquals(parseServerFlags(["invite"]), { kind: "invite", flags: { isNew: false } });
  const flags = { isNew: true, dataDir: "x" };
  for (const line of ["invite --new --data-dir x", "--data-dir=x --new invite"]) {
    assertEquals(parseServerFlags(line.split(" ")), { kind: "invite", flags });
  }
  assertEquals(parseServerFlags(["invite", "--help"]), { kind: "help", text: SERVER_HELP });
  const cases: [string, string][] = [
    ["invite more", 'the argument "more"'],
    ["invite --port 1", "--port with invite"],
    ["invite --json", "--json with invite"],
    ["--new", "--new here"],
    ["invit", 'the argument "invit"'],
  ];
  for (const [line, message] of cases) {
    assertEquals(assertThrows(() => parseServerFlags(line.split(" ")), UserError, message).code, "badFlag");
  }
});

Deno.test("parseServerFlags() takes whole and decimal days above 0 and up to ten years", () => {
  const ttlOf = (days: string) => {
    const parsed = parseServerFlags([`--name-ttl=${days}`]);
    assert(parsed.kind === "run");
    return parsed.flags.nameTtlMs;
  };
  assertEquals(["1", "30", "007", "0.5", "3650", "0.000000001"].map(ttlOf), [
    86_400_000,
    2_592_000_000,
    604_800_000,
    43_200_000,
    315_360_000_000,
    1, // rounded up: never no time at all
  ]);
  for (const days of ["0", "0.0", "-1", "3650.1", "3651", "1e3", "0x1e", " 3", "3 ", ".5", "5.", "30d", "∞", "NaN"]) {
    const error = assertThrows(() => ttlOf(days), UserError, `for ${JSON.stringify(days)} days`);
    assertEquals(error.code, "badFlag");
    assertStringIncludes(error.hint, "3650");
  }
});

Deno.test("parseClientFlags() takes every flag", () => {
  const args =
    `--host pc --port 7 --name ada --data-dir=-odd --ephemeral --room #den --relay-key ${KEY} --invite-file i.txt --passphrase-file p.txt --no-receipts --json --verbose`;
  assertEquals(parseClientFlags(args.split(" ")), {
    kind: "run",
    flags: {
      ...CLIENT_DEFAULTS,
      host: "pc",
      port: 7,
      name: "ada",
      dataDir: "-odd",
      passphraseFile: "p.txt",
      ephemeral: true,
      room: "den",
      relayKey: KEY,
      inviteFile: "i.txt",
      receipts: false,
      json: true,
      verbose: true,
    },
  });
});

Deno.test("parseClientFlags() takes the relay's address in each documented form", () => {
  const cases: [string[], string, number][] = [
    [["pc"], "pc", 5001],
    [["pc:7"], "pc", 7],
    [["[::1]:5001"], "::1", 5001],
    [["::1"], "::1", 5001],
    [["--host", "::1"], "::1", 5001],
    [["pc", "--port", "007"], "pc", 7],
    [["--json", "pc"], "pc", 5001],
    [["--", "pc"], "pc", 5001],
    [["PC:7", "--host", "pc", "--port", "7"], "PC", 7],
  ];
  for (const [args, host, port] of cases) {
    const parsed = parseClientFlags(args);
    assert(parsed.kind === "run");
    assertEquals([parsed.flags.host, parsed.flags.port], [host, port], args.join(" "));
  }
});

Deno.test("parseClientFlags() gives no room when none is named, so that the one of the last run can be taken", () => {
  const roomOf = (...args: string[]) => {
    const parsed = parseClientFlags(args);
    assert(parsed.kind === "run");
    return "room" in parsed.flags ? parsed.flags.room : "left out";
  };
  assertEquals(roomOf(), "left out");
  assertEquals([roomOf("--room", "den"), roomOf("--room=#den"), roomOf("--room", "##den")], ["den", "den", "#den"]);
});

Deno.test("parseClientFlags() takes numbers as names and rooms as they stand", () => {
  const parsed = parseClientFlags(["--name", "007", "--room", "1e3", "--data-dir", "0x10"]);
  assert(parsed.kind === "run");
  assertEquals([parsed.flags.name, parsed.flags.room, parsed.flags.dataDir], ["007", "1e3", "0x10"]);
});

Deno.test("parseClientFlags() takes a relay key as people copy it, and lets it win over trust on first use", () => {
  const typed = ` ${KEY.toLowerCase().replace(/(.{4})/g, "$1 ").trim().replaceAll(" ", "-")} `;
  const parsed = parseClientFlags(["--trust-on-first-use", "--relay-key", typed]);
  assert(parsed.kind === "run");
  assertEquals([parsed.flags.relayKey, parsed.flags.trustOnFirstUse], [KEY, false]);
  const trusting = parseClientFlags(["--trust-on-first-use"]);
  assert(trusting.kind === "run" && trusting.flags.trustOnFirstUse);
});

Deno.test("parseClientFlags() takes each command about identities with its own flags alone", () => {
  const kept = { dataDir: "d", passphraseFile: "p" };
  const cases: [string, IdentityFlags][] = [
    ["identity", { action: "show", json: false }],
    ["identity show", { action: "show", json: false }],
    ["--json identity show --data-dir d --passphrase-file=p", { action: "show", ...kept, json: true }],
    ["identity export x.id", { action: "export", file: "x.id" }],
    ["identity export --export-passphrase-file q -- -odd", {
      action: "export",
      file: "-odd",
      exportPassphraseFile: "q",
    }],
    ["identity import x.id", { action: "import", file: "x.id", replace: false }],
    ["identity import x.id --replace --export-passphrase-file q --data-dir d --passphrase-file p", {
      action: "import",
      ...kept,
      file: "x.id",
      exportPassphraseFile: "q",
      replace: true,
    }],
    ["identity passphrase", { action: "passphrase" }],
    ["identity passphrase --new-passphrase-file n", { action: "passphrase", newPassphraseFile: "n" }],
  ];
  for (const [line, flags] of cases) {
    assertEquals(parseClientFlags(line.split(" ")), { kind: "identity", flags }, line);
  }
});

Deno.test("parseClientFlags() takes each command about relays, and the address as the chat keeps it", () => {
  const kept = { dataDir: "d", passphraseFile: "p" };
  const cases: [string, RelaysFlags][] = [
    ["relays", { action: "list", json: false }],
    ["relays list --json", { action: "list", json: true }],
    ["relays forget pc", { action: "forget", address: "pc:5001" }],
    ["relays forget PC:7 --data-dir d --passphrase-file p", { action: "forget", ...kept, address: "pc:7" }],
    ["relays forget ::1", { action: "forget", address: "[::1]:5001" }],
    ["relays forget [::1]:5001", { action: "forget", address: "[::1]:5001" }],
    ["relays forget [FE80::A%en0]:07", { action: "forget", address: "[fe80::a%en0]:7" }],
  ];
  for (const [line, flags] of cases) {
    assertEquals(parseClientFlags(line.split(" ")), { kind: "relays", flags }, line);
  }
});

Deno.test("parseClientFlags() refuses what a command does not take, and says what it takes", () => {
  const cases: [string, string, string][] = [
    ["identity shwo", '"shwo" after identity', "show, export FILE, import FILE or passphrase"],
    ["identity 5001", '"5001" after identity', "--host identity"],
    ["relays forgt pc", '"forgt" after relays', "list or forget"],
    ["identity show x", 'the argument "x"', "--help"],
    ["identity passphrase x", 'the argument "x"', "--help"],
    ["identity export", "identity export without FILE", "Write sotto identity export FILE."],
    ["identity export ", "identity export without FILE", "Write sotto identity export FILE."],
    ["identity import", "identity import without FILE", "Write sotto identity import FILE."],
    ["identity export a b", 'the argument "b"', "--help"],
    ["relays list x", 'the argument "x"', "--help"],
    ["relays forget", "relays forget without HOST[:PORT]", "Write sotto relays forget HOST[:PORT]."],
    ["relays forget a b", 'the argument "b"', "--help"],
    ["relays forget http://x", "as a host", "Leave out"],
    ["relays forget pc:0", 'the port "0"', "whole number"],
    ["identity show --port 1", "--port with identity show", "--data-dir, --passphrase-file and --json alone."],
    ["identity show --ephemeral", "--ephemeral with identity show", "It takes"],
    ["identity show --replace", "--replace with identity show", "It takes"],
    [
      "identity export x --json",
      "--json with identity export",
      "--passphrase-file and --export-passphrase-file alone.",
    ],
    ["identity export x --replace", "--replace with identity export", "It takes"],
    ["identity export x --new-passphrase-file n", "--new-passphrase-file with identity export", "It takes"],
    ["identity import x --name ada", "--name with identity import", "--replace alone."],
    ["identity passphrase --export-passphrase-file n", "--export-passphrase-file with identity passphrase", "It takes"],
    ["relays list --verbose", "--verbose with relays list", "--data-dir, --passphrase-file and --json alone."],
    ["relays forget pc --json", "--json with relays forget", "--data-dir and --passphrase-file alone."],
    ["pc --replace", "--replace here", "sotto identity import."],
    ["--new-passphrase-file n", "--new-passphrase-file here", "sotto identity passphrase."],
    ["pc --export-passphrase-file n", "--export-passphrase-file here", "sotto identity export and import."],
    ["identity export --passphrase-file", "--passphrase-file without a value", "Write"],
  ];
  for (const [line, message, hint] of cases) {
    const error = assertThrows(() => parseClientFlags(line.split(" ")), UserError, message);
    assertEquals(error.code, "badFlag");
    assertStringIncludes(error.hint, hint, line);
  }
});

Deno.test("parseClientFlags() gives help and version beside a command too, and calls a relay of its name", () => {
  assertEquals(parseClientFlags(["identity", "export", "--help"]), { kind: "help", text: CLIENT_HELP });
  assertEquals(parseClientFlags(["relays", "--version"]).kind, "version");
  for (const args of [["--host", "identity"], ["identity:5001"]]) {
    const parsed = parseClientFlags(args);
    assert(parsed.kind === "run");
    assertEquals(parsed.flags.host, "identity");
  }
});

/** Each refused command line, a piece of the message and a piece of the hint. */
const REFUSED: readonly (readonly [string, string, string])[] = [
  ["--bogus", "the unknown flag --bogus", "See --help"],
  ["--prot 5002", "--prot", "Did you mean --port?"],
  ["--nmae=x", "--nmae", "Did you mean --name?"],
  ["--data x", "--data", "Did you mean --data-dir?"],
  ["--JSON", "--JSON", "Did you mean --json?"],
  ["--no-json", "--no-json", "See --help"],
  ["-p 5002", "-p", "See --help"],
  ["---json", "---json", "Did you mean --json?"],
  ["--__proto__=1", "--__proto__", "See --help"],
  ["--constructor", "--constructor", "See --help"],
  ["--host.x y", "--host.x", "See --help"],
  ["--port", "--port without a value", "Write --port VALUE"],
  ["--port=", "--port without a value", "Write --port VALUE"],
  ["--name --json", "--name without a value", "--name=VALUE"],
  ["--name -- x", "--name without a value", "--name=VALUE"],
  ["--port abc", 'the port "abc"', "whole number"],
  ["--port -1", "--port without a value", "--port=VALUE"],
  ["--port=-1", 'the port "-1"', "whole number"],
  ["--port 65536", 'the port "65536"', "65535"],
  ["--port 1 --port 2", "--port twice", "once"],
  ["--json --json", "--json twice", "once"],
  ["--json=yes", "a value for --json", "Write --json alone."],
  ["--json=", "a value for --json", "Write --json alone."],
  ["--help=no", "a value for --help", "Write --help alone."],
  ["--host a:1", "a port in --host", "--host a --port 1"],
  ["--host http://x", "as a host", "Leave out http://"],
];

Deno.test("parseServerFlags() and parseClientFlags() refuse each malformed line with exit code 2 and a hint", () => {
  for (const parse of [parseServerFlags, parseClientFlags]) {
    for (const [line, message, hint] of REFUSED) {
      const error = assertThrows(() => parse(line.split(" ")), UserError, message);
      assertEquals(error.code, "badFlag");
      assertStringIncludes(error.hint, hint, line);
    }
  }
});

Deno.test("parseServerFlags() refuses an argument that is no flag", () => {
  assertThrows(() => parseServerFlags(["5001"]), UserError, 'the argument "5001"');
  assertThrows(() => parseServerFlags(["--json", "true"]), UserError, 'the argument "true"');
  assertThrows(() => parseServerFlags(["--", "--json"]), UserError, 'the argument "--json"');
  assertThrows(() => parseServerFlags([""]), UserError, 'the argument ""');
});

Deno.test("parseClientFlags() refuses what is wrong for a client", () => {
  const cases: [string[], string][] = [
    [["a", "b"], 'the argument "b"'],
    [[""], "as a host"],
    [["--port", "0"], 'the port "0"'],
    [["a", "--host", "b"], "choose between a:5001 and b:5001"],
    [["a:1", "--port", "2"], "choose between a:1 and a:2"],
    [["[::1]:1", "--host", "::2"], "choose between [::1]:1 and [::2]:1"],
    [["--relay-key", KEY.slice(1)], "it has 51 characters"],
    [["--relay-key", KEY + "A"], "it has 53 characters"],
    [["--relay-key", KEY.replace("A", "1")], "others than A to Z and 2 to 7"],
    [["--room", "#"], "a room without a name"],
    [["--name", ""], "--name without a value"],
  ];
  for (const [args, message] of cases) {
    assertEquals(assertThrows(() => parseClientFlags(args), UserError, message).code, "badFlag");
  }
});

Deno.test("parseClientFlags() does not repeat a relay key that it refuses", () => {
  const error = assertThrows(() => parseClientFlags(["--relay-key", "WRONGKEY"]), UserError);
  assert(!`${error.message}${error.hint}`.includes("WRONGKEY"));
});

Deno.test("parseServerFlags() and parseClientFlags() prefer help to version to running", () => {
  for (
    const [parse, help, name] of [[parseServerFlags, SERVER_HELP, "sotto-server"], [
      parseClientFlags,
      CLIENT_HELP,
      "sotto",
    ]] as const
  ) {
    for (const args of [["--help"], ["-h"], ["x", "--version", "--help"]]) {
      assertEquals(parse(args), { kind: "help", text: help });
    }
    const version = parse(["--version", "--json"]);
    assert(version.kind === "version");
    assertMatch(version.text, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+$`));
  }
});

Deno.test("parseClientFlags() and parseServerFlags() throw nothing but UserError, for any arguments", () => {
  const piece = fc.oneof(
    fc.constantFrom("--", "-", "--host", "--port", "--json", "--name", "pc", "5001", "--help", "-h", "="),
    fc.constantFrom("identity", "relays", "show", "export", "import", "forget", "--replace", "--passphrase-file"),
    fc.string({ unit: "binary", maxLength: 8 }),
    fc.string({ maxLength: 6 }).map((text) => `--${text}`),
  );
  fc.assert(
    fc.property(fc.array(piece, { size: "max", maxLength: 8 }), (args) => {
      for (const parse of [parseServerFlags, parseClientFlags]) {
        try {
          parse(args);
        } catch (error) {
          if (!(error instanceof UserError && error.code === "badFlag")) throw error;
        }
      }
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("CLIENT_HELP and SERVER_HELP name every flag and fit 80 columns", () => {
  for (const [help, flags] of [[CLIENT_HELP, CLIENT_FLAGS], [SERVER_HELP, SERVER_FLAGS]] as const) {
    for (const flag of Object.keys(flags)) assertMatch(help, new RegExp(`^  (-h, )?--${flag}\\b`, "m"));
    for (const line of help.split("\n")) assert(line.length <= 80, line);
    assertStringIncludes(help, "Exit codes:");
  }
});
