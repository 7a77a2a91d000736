// Aim: what happens to rooms and their members is told in whole sentences that say who did what where, and no text of
// others can pass for one of them.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { ChatEvent, RoomSummary } from "../../lib/chat/events.ts";
import { spellFingerprint } from "../../lib/chat/fingerprint.ts";
import { helpLines } from "../../lib/chat/commands.ts";
import { renderEvent, type RenderOptions } from "../../lib/cli/render.ts";
import { AT, BOB, EVENTS, inRoom, KEY } from "./_events.ts";

const PLAIN: RenderOptions = { hasColor: false, showsOwn: true, ownHandle: "alice" };
const COLOR: RenderOptions = { ...PLAIN, hasColor: true };
const TIME = "2026-01-01T00:00:00Z";
const COMMANDS = helpLines().flatMap((line) => [...line.matchAll(/^ {2}(\/[a-z]+)/g)].map((match) => match[1]));
const ROOM_TYPES = [
  "joined",
  "left",
  "roomJoined",
  "roomCreated",
  "roomLeft",
  "switched",
  "invited",
  "memberAdded",
  "memberRemoved",
  "memberPromoted",
  "gap",
  "fork",
  "topic",
  "rooms",
  "members",
] as const;

const DEN: RoomSummary = {
  room: "den",
  kind: "invite",
  state: "in",
  isCurrent: true,
  members: 3,
  here: 1,
  topic: "tea",
};

const LINES: readonly (readonly [what: string, event: ChatEvent, lines: readonly string[]])[] = [
  [
    "a room that one is in",
    { type: "roomJoined", room: "den", kind: "open", members: [], isCurrent: true },
    ["* You are in #den with nobody yet"],
  ],
  [
    "an invite-only room, its members and its topic",
    {
      type: "roomJoined",
      room: "den",
      kind: "invite",
      members: [inRoom({ handle: "carol", isHere: false, trust: "verified" }), inRoom()],
      isCurrent: true,
      topic: "tea and cake",
    },
    [
      "* You are in #den (by invitation only) with bob [known], carol [verified] (away)",
      "  topic: tea and cake",
    ],
  ],
  ["a room that one made", { type: "roomCreated", room: "den", kind: "open" }, ["* You made #den"]],
  [
    "an invite-only room that one made, and how to fill it",
    { type: "roomCreated", room: "den", kind: "invite" },
    ["* You made #den, by invitation only: /invite <name> adds somebody"],
  ],
  [
    "a room that one left, and where lines go now",
    { type: "roomLeft", room: "den", reason: "left", current: "lobby" },
    ["* You left #den; you write to #lobby"],
  ],
  [
    "that one is in no room",
    { type: "roomLeft", room: "den", reason: "left" },
    ["* You left #den; you are in no room now"],
  ],
  [
    "an invitation that was declined",
    { type: "roomLeft", room: "den", reason: "declined", current: "lobby" },
    ["* You said no to #den; you write to #lobby"],
  ],
  [
    "who removed one",
    { type: "roomLeft", room: "den", reason: "removed", by: "bob", current: "lobby" },
    ["* bob removed you from #den; you write to #lobby"],
  ],
  [
    "that one was removed while one was away",
    { type: "roomLeft", room: "den", reason: "removed", current: "lobby" },
    ["* You are not a member of #den; you write to #lobby"],
  ],
  [
    "a room that went with the relay's log",
    { type: "roomLeft", room: "den", reason: "lost" },
    ["* #den is gone: the relay does not have it any more; you are in no room now"],
  ],
  ["where lines go", { type: "switched", room: "den" }, ["* You write to #den now"]],
  [
    "an invitation, and both answers",
    { type: "invited", room: "den", by: "bob", fingerprint: KEY, trust: "new" },
    ["* bob [new] invites you to #den", "  /join den goes in, /leave den says no."],
  ],
  [
    "who was added by whom",
    { type: "memberAdded", room: "den", at: AT, by: "carol", ...BOB },
    [`${TIME} * carol added bob to #den [known]`],
  ],
  [
    "who became a member by themselves",
    { type: "memberAdded", room: "lobby", at: AT, by: "bob", ...BOB },
    [`${TIME} * bob became a member of #lobby [known]`],
  ],
  [
    "who was removed by whom",
    { type: "memberRemoved", room: "den", at: AT, by: "carol", reason: "removed", ...BOB },
    [`${TIME} * carol removed bob from #den`],
  ],
  [
    "who was away too long",
    { type: "memberRemoved", room: "lobby", at: AT, by: "carol", reason: "absent", ...BOB },
    [`${TIME} * bob was away too long and is no member of #lobby any more`],
  ],
  [
    "who became an admin by whom",
    { type: "memberPromoted", room: "den", at: AT, by: "carol", ...BOB },
    [`${TIME} * carol made bob an admin of #den`],
  ],
  [
    "one message that is missing in a room",
    { type: "gap", place: { room: "den" }, from: "bob", count: 1 },
    ["* 1 message from bob in #den is missing"],
  ],
  [
    "messages that are missing, of whomever",
    { type: "gap", place: { room: "den" }, count: 2 },
    ["* 2 messages in #den are missing"],
  ],
  [
    "private messages that are missing",
    { type: "gap", place: { to: "alice" }, count: 12 },
    ["* 12 messages to you are missing"],
  ],
  [
    "another history",
    { type: "fork", room: "den", from: "bob" },
    ["! bob sees another history of #den: bob or the relay is wrong. Ask them in person."],
  ],
  ["a topic that was asked for", { type: "topic", room: "den", topic: "tea" }, ["* The topic of #den: tea"]],
  ["that there is no topic", { type: "topic", room: "den", topic: "" }, ["* #den has no topic"]],
  [
    "who says what a room is about",
    { type: "topic", room: "den", topic: "tea", by: "bob" },
    ["* bob says what #den is about: tea"],
  ],
  [
    "who took a topic away",
    { type: "topic", room: "den", topic: "", by: "bob" },
    ["* #den has no topic any more (bob)"],
  ],
  ["that one is in no room, asked for", { type: "rooms", rooms: [] }, [
    "* You are in no room; /join <room> goes into one",
  ]],
  [
    "one's rooms, the current one marked, with their topics",
    {
      type: "rooms",
      rooms: [
        { ...DEN, room: "lobby", kind: "open", isCurrent: false, topic: "" },
        DEN,
        { ...DEN, room: "attic", state: "entering", isCurrent: false, topic: "" },
        { ...DEN, room: "cellar", state: "invited", isCurrent: false, members: 0, here: 0, topic: "wine" },
      ],
    },
    [
      "* Your rooms: 4",
      "  #lobby 3 others, 1 of them here",
      "> #den by invitation, 3 others, 1 of them here",
      "      tea",
      "  #attic by invitation, on the way in",
      "  #cellar invited: /join goes in, /leave says no",
      "      wine",
    ],
  ],
  [
    "the members of a room, what they may do and who is away",
    {
      type: "members",
      room: "den",
      members: [
        inRoom({ handle: "ada", role: "owner", trust: "verified" }),
        inRoom({ handle: "ben", role: "admin", isHere: false }),
        inRoom({ isHere: false, distrusted: true }),
      ],
    },
    [
      "* In #den with you: 3, 2 of them away",
      "  ada [verified] owner",
      `    ${spellFingerprint(KEY)}`,
      "  ben [known] admin, away",
      `    ${spellFingerprint(KEY)}`,
      "  bob [NOT TRUSTED] away",
      `    ${spellFingerprint(KEY)}`,
    ],
  ],
  ["that nobody else is in a room", { type: "members", room: "den", members: [] }, ["* In #den with you: nobody"]],
  [
    "who is on the relay, for a client in a room",
    { type: "users", room: "lobby", members: [inRoom()], elsewhere: [{ ...BOB, handle: "carol" }] },
    [
      "* In #lobby with you: 1",
      "  bob [known]",
      `    ${spellFingerprint(KEY)}`,
      "* Elsewhere on this relay: 1",
      "  carol [known]",
      `    ${spellFingerprint(KEY)}`,
    ],
  ],
  [
    "who is on the relay, for a client in no room",
    { type: "users", room: "", members: [], elsewhere: [] },
    ["* Elsewhere on this relay: 0"],
  ],
];

for (const [what, event, lines] of LINES) {
  Deno.test(`renderRoom() tells ${what}`, () => {
    assertEquals<readonly string[]>(renderEvent(event, PLAIN), lines);
    for (const [name] of lines.join("\n").matchAll(/(?<=^|[\s:])\/[a-z]+/g)) assert(COMMANDS.includes(name), name);
  });
}

Deno.test("renderRoom() tells every type of event about rooms", () => {
  const told = new Set<string>(LINES.map(([, { type }]) => type));
  assertEquals(ROOM_TYPES.filter((type) => !told.has(type)), ["joined", "left"]); // tests/cli/render_test.ts
});

Deno.test("renderRoom() gives every event about rooms at least one line, which names the room", () => {
  for (const type of ROOM_TYPES) {
    if (type === "rooms" || type === "gap") continue;
    fc.assert(fc.property(EVENTS[type], (event) => {
      const lines = renderEvent({ ...event, room: "theden" } as ChatEvent, PLAIN);
      assert(lines[0]?.includes("#theden"), JSON.stringify(lines));
    }));
  }
});

Deno.test("memberNames() names those who are here first, and counts those beyond 50", () => {
  const members = Array.from({ length: 60 }, (_, i) => inRoom({ handle: `p${i}`, isHere: i >= 8 }));
  const [line = ""] = renderEvent({ type: "roomJoined", room: "den", kind: "open", members, isCurrent: true }, PLAIN);
  assert(line.startsWith("* You are in #den with p8 [known], p9 [known], "), line);
  assert(line.endsWith("p57 [known], 10 more (/members)"), line);
  const few = members.slice(0, 50);
  const [all = ""] = renderEvent(
    { type: "roomJoined", room: "den", kind: "open", members: few, isCurrent: true },
    PLAIN,
  );
  assert(
    all.endsWith(
      ", p0 [known] (away), p1 [known] (away), p2 [known] (away), p3 [known] (away), " +
        "p4 [known] (away), p5 [known] (away), p6 [known] (away), p7 [known] (away)",
    ),
    all,
  );
});

Deno.test("renderRoom() keeps a topic in its line, and cuts it: it cannot pass for a message or for one of ours", () => {
  const topic = `tea\n${TIME} #den carol [verified]: I did it`;
  const events: readonly ChatEvent[] = [
    { type: "topic", room: "den", topic },
    { type: "topic", room: "den", topic, by: "bob" },
    { type: "roomJoined", room: "den", kind: "open", members: [], isCurrent: true, topic },
    { type: "rooms", rooms: [{ ...DEN, topic }] },
  ];
  for (const event of events) {
    const lines: readonly string[] = renderEvent(event, PLAIN);
    assert(lines.every((line) => !line.startsWith(TIME)), lines.join("\n"));
    assert(lines.at(-1)?.endsWith(`tea⏎${TIME} #den carol [verified]: I did it`));
  }
  const [line = ""] = renderEvent({ type: "topic", room: "den", topic: "x".repeat(5_000) }, PLAIN);
  assertEquals(line.length, "* The topic of #den: ".length + 512);
});

Deno.test("renderRoom() alarms in red at another history, and warns in yellow at what is lost", () => {
  const looksOf = (event: ChatEvent) => renderEvent(event, COLOR).map((line) => line.slice(0, 5));
  const red = "\x1b[31m";
  const yellow = "\x1b[33m";
  assertEquals(looksOf({ type: "fork", room: "den", from: "bob" }), [red]);
  assertEquals(looksOf({ type: "gap", place: { room: "den" }, count: 1 }), [yellow]);
  assertEquals(looksOf({ type: "roomLeft", room: "den", reason: "removed" }), [yellow]);
  assertEquals(
    looksOf({ type: "memberRemoved", room: "den", at: AT, by: "carol", reason: "removed", ...BOB }),
    [yellow],
  );
  assertEquals(looksOf({ type: "invited", room: "den", by: "bob", fingerprint: KEY, trust: "new" })[0], yellow);
});
