// Aim: the command lines of `sotto session` are a contract like the others, and no code is ever among them.
import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../lib/bytes/errors.ts";
import { type ClientFlags, parseClientFlags } from "../../lib/cli/flags.ts";

const DEFAULTS: ClientFlags = {
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

Deno.test("parseClientFlags() takes session create and session join with an address and the chat's flags", () => {
  assertEquals(parseClientFlags(["session", "create"]), {
    kind: "run",
    flags: { ...DEFAULTS, session: "create" },
  });
  assertEquals(parseClientFlags(["session", "join", "192.0.2.2:5002", "--ephemeral", "--json", "--name", "ada"]), {
    kind: "run",
    flags: {
      ...DEFAULTS,
      host: "192.0.2.2",
      port: 5002,
      ephemeral: true,
      json: true,
      name: "ada",
      session: "join",
    },
  });
});

Deno.test("parseClientFlags() refuses a session in a room, without an action, or with the code in the arguments", () => {
  for (
    const [args, message] of [
      ["session", "Cannot do session alone"],
      ["session begin", 'Cannot take "begin" after session'],
      ["session join --room lobby", "Cannot take --room with session join"],
      ["session join 192.0.2.2 more", 'Cannot take the argument "more"'],
      ["session create --code", "Cannot take --code here"],
    ] as const
  ) {
    const error = assertThrows(() => parseClientFlags(args.split(" ")), UserError);
    assertEquals([error.code, error.message], ["badFlag", message]);
  }
});

Deno.test("parseClientFlags() refuses a code in the command line and never spells it out", () => {
  for (
    const args of [
      ["session", "join", "7KQ2-able-sunset-violin"],
      ["session", "join", "192.0.2.2", "7KQ2-able-sunset-violin"],
      ["session", "join", "7KQ2", "able", "sunset", "violin"],
      ["session", "create", "able-sunset-violin"],
      ["connect", "able-sunset-violin", "--code"],
      ["connect", "127.0.0.1", "Able Sunset Violin", "--code"],
      ["listen", "able.sunset.violin"],
    ]
  ) {
    const error = assertThrows(() => parseClientFlags(args), UserError);
    assertEquals(error.code, "badFlag", args.join(" "));
    assertEquals(/sunset|7KQ2/i.test(`${error.message} ${error.hint}`), false, error.message);
  }
  for (const args of [["session", "join", "my-home-server"], ["connect", "printer.local:9"], ["able-sunset-violin"]]) {
    parseClientFlags(args);
  }
});
