// Aim: the flags, lines and commands of the history are what the README says, and wrong ones do nothing.
import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../lib/bytes/errors.ts";
import { parseLine } from "../../lib/chat/commands.ts";
import type { ChatEvent } from "../../lib/chat/events.ts";
import { parseClientFlags } from "../../lib/cli/flags.ts";
import { fromJsonLine, toJsonLine } from "../../lib/cli/json_lines.ts";
import { renderEvent } from "../../lib/cli/render.ts";
import { AT, ID, KEY } from "./_events.ts";

function refusal(run: () => unknown): string {
  return assertThrows(run, UserError).code;
}

function flags(...args: string[]): unknown {
  const parsed = parseClientFlags(args);
  return parsed.kind === "run" && [parsed.flags.keepsHistory, parsed.flags.historyDays];
}

Deno.test("parseClientFlags() takes days from 1 to 3,650, or no history", () => {
  assertEquals(flags(), [true, 30]);
  assertEquals(flags("--history-days", "1"), [true, 1]);
  assertEquals(flags("--history-days", "3650"), [true, 3_650]);
  assertEquals(flags("--no-history"), [false, 30]);
  for (const days of ["0", "3651", "-1", "1.5", "a week", "", "1e2", "99999"]) {
    assertEquals(refusal(() => flags("--history-days", days)), "badFlag", days);
  }
  assertEquals(refusal(() => flags("--no-history", "--history-days", "3")), "badFlag");
  assertEquals(refusal(() => flags("relays", "list", "--no-history")), "badFlag");
});

Deno.test("parseLine() reads /history, /search and /forget, and refuses what is none of them", () => {
  assertEquals(parseLine("/history"), { kind: "history", count: 20 });
  assertEquals(parseLine("/history 1000"), { kind: "history", count: 1_000 });
  assertEquals(parseLine("/history 5 #plans"), { kind: "history", count: 5, of: "#plans" });
  assertEquals(parseLine("/history 5 ben"), { kind: "history", count: 5, of: "ben" });
  assertEquals(parseLine(`/history 5 ${KEY.toLowerCase()}`), { kind: "history", count: 5, of: KEY });
  assertEquals(parseLine("/search  two words "), { kind: "search", text: "two words" });
  assertEquals(parseLine("/forget #plans"), { kind: "forget", of: "#plans" });
  const wrong = ["/history -1", "/history abc", "/history 0", "/history 1001", "/history 1.5", "/history 5 two names"];
  for (const line of [...wrong, "/history 5 #", "/search", "/search  ", "/forget", "/forget #", "/forget two names"]) {
    assertEquals(refusal(() => parseLine(line)), "badLine", line);
  }
});

Deno.test("fromJsonLine() reads history, search and forget, and refuses what is none of them", () => {
  const read = (line: object) => fromJsonLine(JSON.stringify(line)).command;
  assertEquals(read({ type: "history" }), { kind: "history", count: 20 });
  assertEquals(read({ type: "history", count: 3, room: "lobby" }), { kind: "history", count: 3, of: "#lobby" });
  assertEquals(read({ type: "history", with: "ben" }), { kind: "history", count: 20, of: "ben" });
  assertEquals(read({ type: "search", text: " a" }), { kind: "search", text: " a" });
  assertEquals(read({ type: "forget", room: "#plans" }), { kind: "forget", of: "#plans" });
  assertEquals(fromJsonLine('{"type":"forget","with":"ben","ref":7}'), {
    command: { kind: "forget", of: "ben" },
    ref: 7,
  });
  assertEquals(read({ type: "command", line: "/history 2", room: "plans" }), {
    kind: "history",
    count: 2,
    of: "#plans",
  });
  const wrong = [
    { type: "history", count: 0 },
    { type: "history", count: 1_001 },
    { type: "history", count: 1.5 },
    { type: "history", count: "5" },
    { type: "history", room: "a", with: "b" },
    { type: "search" },
    { type: "search", text: "  " },
    { type: "forget" },
    { type: "forget", room: "a", with: "b" },
    { type: "command", line: "/history 2 ben", room: "plans" },
    { type: "command", line: "/search x", room: "plans" },
  ];
  for (const line of wrong) assertEquals(refusal(() => read(line)), "badLine", JSON.stringify(line));
});

const MESSAGE = {
  type: "message",
  id: ID,
  place: { room: "lobby" },
  from: "ben",
  fingerprint: KEY,
  trust: "known",
  text: "one\ntwo",
  sentAt: AT,
  at: AT,
} as const;
const OWN = { type: "accepted", id: ID, place: { to: "ben" }, at: AT, sentAt: AT, text: "mine" } as const;

Deno.test("toJsonLine() gives an entry the fields of what it was, and one's own its text", () => {
  const json = (event: ChatEvent) => JSON.parse(toJsonLine(event));
  const at = "2026-01-01T00:00:00.120Z";
  const { type: _, v: __, ...fields } = json(MESSAGE);
  assertEquals(json({ type: "entry", entry: MESSAGE, relay: "home", ref: 3 }), {
    v: 1,
    type: "entry",
    kind: "message",
    ...fields,
    relay: "home",
    ref: 3,
  });
  const own = { v: 1, type: "entry", kind: "own", id: ID, to: "ben", at, sentAt: at, text: "mine" };
  assertEquals(json({ type: "entry", entry: OWN }), own);
  assertEquals(json({ type: "search", count: 1, hasMore: true, damaged: 0, ref: 1 }), {
    v: 1,
    type: "search",
    count: 1,
    damaged: 0,
    more: true,
    ref: 1,
  });
  const again = json({ ...MESSAGE, late: true, again: true });
  assertEquals([again["late"], again["again"]], [true, true]);
});

Deno.test("renderEvent() sets what was kept in, and shows one's own in a pipe too", () => {
  const options = { hasColor: false, showsOwn: false, ownHandle: "ada" };
  const draw = (event: ChatEvent) => renderEvent(event, options).map(String);
  assertEquals(draw({ type: "entry", entry: MESSAGE }), [
    "  2026-01-01T00:00:00Z #lobby ben [known]: one",
    "    | two",
  ]);
  assertEquals(draw({ type: "entry", entry: OWN, relay: "home" }), [
    "  at another relay, home:",
    "  2026-01-01T00:00:00Z (private to ben) ada: mine",
  ]);
  assertEquals(draw({ type: "history", place: { room: "lobby" }, count: 1, damaged: 2 }), [
    "* The last line of #lobby:",
    "! 2 lines are damaged and not shown",
  ]);
  assertEquals(draw({ type: "search", count: 0, hasMore: false, damaged: 0 }), ["* Nothing was found"]);
  assertEquals(draw({ type: "search", count: 50, hasMore: true, damaged: 0 }), [
    "* Found more than 50 lines; these are the newest:",
  ]);
  assertEquals(draw({ type: "forgotten", place: { to: "ben" }, count: 2 }), [
    "* Deleted 2 lines of your conversation with ben from this machine",
  ]);
});
