// Aim: what cannot be done about a room is refused before anything is sent: in a sentence, with a code for scripts, the
// `ref` of the line, and a hint whose commands exist.
import { assert, assertEquals } from "@std/assert";
import type { UserErrorCode } from "../../lib/bytes/errors.ts";
import { type Command, helpLines } from "../../lib/chat/commands.ts";
import { TOPIC_MAX_CHARS } from "../../lib/chat/content.ts";
import { ROOMS_MAX } from "../../lib/chat/rooms.ts";
import { type FakeClient, FakeNet, NAME_TTL_MS } from "../support/fake_net.ts";
import { HostileRelay } from "../support/hostile_relay.ts";

const COMMANDS = helpLines().flatMap((line) => [...line.matchAll(/^ {2}(\/[a-z]+)/g)].map((match) => match[1]));
const NAME_HINT = 'Use 1 to 32 letters or digits of one script, and "_", "-" or ".".';
const NO_ROOM = ["badLine", "Nothing was done: you are in no room", "/join <room> goes into one."] as const;
const NOT_IN = ["noSuchRoom", "Nothing was done: you are not in that room", "/rooms shows your rooms."] as const;
const NOT_YOURS = [
  "notDone",
  "Nothing was done: that is for the owner and the admins of #den",
  "/members shows who they are.",
] as const;
const OPEN = [
  "badLine",
  "Nothing was done: nobody rules in #lobby, for it is open",
  "Use /distrust to send them nothing. /room create <name> --invite-only makes a room with admins.",
] as const;
const HIDDEN = ["nameInvalid", 'A room name cannot hold "/".', NAME_HINT] as const;

/**
 * Alice owns #den, where bob is a member; dan was invited and has not said yes; carol knows nothing of it. Gus is gone
 * and keeps nothing. All are, or were, in the lobby.
 */
async function stage() {
  const net = await FakeNet.create();
  const [alice, bob, carol, dan] = [
    await net.join("alice"),
    await net.join("bob"),
    await net.join("carol"),
    await net.join("dan"),
  ];
  await (await net.join("gus", { life: "ephemeral" })).drop();
  await alice.type("/room create den --invite-only");
  await alice.type("/invite bob");
  await bob.type("/join den");
  await alice.type("/invite dan");
  return { net, alice, bob, carol, dan };
}
type Stage = Awaited<ReturnType<typeof stage>>;
type Who = Exclude<keyof Stage, "net">;

/** Gives a line or a command, and what is told at once; nothing may be sent before somebody refuses. */
async function refusal(client: FakeClient, given: string | Command): Promise<string[]> {
  const { net } = client;
  const [told, sent] = [client.events.length, net.sent.length];
  if (typeof given === "string") await client.enter(given, "r1");
  else await client.command(given, "r1");
  const [error, ...more] = client.events.slice(told);
  assert(error?.type === "error", JSON.stringify(error));
  assertEquals([error.ref, more, net.sent.length - sent], ["r1", [], 0]);
  for (const [name] of error.hint.matchAll(/(?<![\w/])\/[a-z]+/g)) assert(COMMANDS.includes(name), name);
  return [error.code, error.message, error.hint];
}

type Row = readonly [who: Who, given: string | Command, told: readonly [UserErrorCode, string, string]];

const ROWS: readonly Row[] = [
  ["carol", "/switch den", NOT_IN],
  ["carol", "/leave den", NOT_IN],
  ["carol", { kind: "members", room: "den" }, NOT_IN],
  ["carol", { kind: "topic", room: "#den" }, NOT_IN],
  ["carol", { kind: "invite", name: "bob", room: "den" }, NOT_IN],
  ["carol", { kind: "remove", name: "bob", room: "den" }, NOT_IN],
  ["carol", { kind: "promote", name: "bob", room: "den" }, NOT_IN],
  ["carol", { kind: "say", text: "hello", room: "den" }, NOT_IN],
  ["carol", "/join a/b", HIDDEN],
  ["carol", "/switch a/b", HIDDEN],
  ["carol", "/leave a/b", HIDDEN],
  ["carol", "/room create a/b", HIDDEN],
  ["carol", "/room create a/b --invite-only", HIDDEN],
  ["carol", { kind: "members", room: "a/b" }, HIDDEN],
  ["carol", "/join #", ["nameInvalid", "A room name cannot be empty.", NAME_HINT]],
  ["carol", { kind: "topic", room: "" }, ["nameInvalid", "A room name cannot be empty.", NAME_HINT]],
  ["alice", "/room create den", ["badLine", "Nothing was done: you have a room #den", "/rooms shows your rooms."]],
  ["alice", "/room create #DEN", ["badLine", "Nothing was done: you have a room #den", "/rooms shows your rooms."]],
  ["dan", "/room create den", ["badLine", "Nothing was done: you have a room #den", "/rooms shows your rooms."]],
  [
    "carol",
    "/room create lobby --invite-only",
    ["badLine", "Nothing was done: you have a room #lobby", "/rooms shows your rooms."],
  ],
  [
    "carol",
    "/invite bob",
    [
      "badLine",
      "Nothing was done: anybody can come into #lobby",
      "Tell them to type /join lobby. /room create <name> --invite-only makes another kind.",
    ],
  ],
  ["carol", "/remove bob", OPEN],
  ["carol", "/promote bob", OPEN],
  ["carol", "/remove nobody", OPEN],
  ["bob", "/invite carol", NOT_YOURS],
  ["bob", "/remove alice", NOT_YOURS],
  ["bob", "/promote bob", NOT_YOURS],
  ["bob", "/remove nobody", NOT_YOURS],
  [
    "alice",
    "/invite zoe",
    ["noSuchPerson", "Nobody of that name is here", "/users shows who is here, /peers whom you met."],
  ],
  [
    "alice",
    "/invite gus",
    ["noSuchPerson", "Nobody of that name is here", "/users shows who is here, /peers whom you met."],
  ],
  ["alice", "/invite bob", ["badLine", "Nothing was done: bob is a member already", "/members shows who is."]],
  ["alice", "/invite dan", ["badLine", "Nothing was done: dan is a member already", "/members shows who is."]],
  ["alice", "/remove zoe", ["noSuchPerson", "Nobody of that name was met yet", "/peers shows who was."]],
  ["alice", "/promote zoe", ["noSuchPerson", "Nobody of that name was met yet", "/peers shows who was."]],
  ["alice", "/remove carol", ["noSuchPerson", "Nobody of that name is in #den", "/members shows who is."]],
  ["alice", "/promote gus", ["noSuchPerson", "Nobody of that name is in #den", "/members shows who is."]],
  [
    "alice",
    `/topic ${"x".repeat(TOPIC_MAX_CHARS + 1)}`,
    ["tooLong", "Nothing was done: the topic is longer than 512 characters", "Shorten it."],
  ],
  ...["/switch den", { kind: "members", room: "den" }, { kind: "invite", name: "bob", room: "den" }, {
    kind: "say",
    text: "x",
    room: "den",
  }].map((given): Row => [
    "dan",
    given as string | Command,
    [
      "noSuchRoom",
      "Nothing was done: you are invited to #den and not in it",
      "/join den goes in, /leave den says no.",
    ],
  ]),
];

Deno.test("RoomCommands.obey() refuses what is known to be in vain, and sends nothing", async () => {
  const people = await stage();
  for (const [who, given, told] of ROWS) {
    assertEquals(await refusal(people[who], given), [...told], `${who}: ${JSON.stringify(given)}`);
  }
  // Nothing of it changed anything.
  await people.alice.type("/members");
  const members = people.alice.all("members").at(-1)?.members.map(({ handle, role }) => `${handle} ${role}`);
  assertEquals(members, ["bob member", "dan member"]);
  await people.carol.type("/rooms");
  assertEquals(people.carol.all("rooms").at(-1)?.rooms.map(({ room }) => room), ["lobby"]);
});

Deno.test("RoomCommands.obey() says in no room how to get into one", async () => {
  const { carol } = await stage();
  await carol.type("/leave");
  const lines = [
    "/leave",
    "/members",
    "/topic",
    "/topic tea",
    "/topic none",
    "/invite bob",
    "/remove bob",
    "/promote bob",
  ];
  for (const given of [...lines, "hello"]) assertEquals(await refusal(carol, given), [...NO_ROOM], given);
  await carol.type("/rooms");
  assertEquals(carol.all("rooms").at(-1)?.rooms, []);
  await carol.type("/join lobby");
  assertEquals(carol.all("roomJoined").map(({ room, isCurrent }) => [room, isCurrent]), [["lobby", true]]);
});

Deno.test("RoomCommands.obey() invites nobody whose key is held back", async () => {
  const { net, alice, carol } = await stage();
  await carol.drop();
  await net.advance(NAME_TTL_MS + 1);
  await net.join("carol"); // with other keys
  assertEquals(await refusal(alice, "/invite carol"), [
    "keyChanged",
    "Nothing was sent: the key of carol changed",
    "Compare numbers with /verify carol, or accept the key with /trust carol.",
  ]);
  await alice.type("/distrust dan");
  await alice.type("/remove dan"); // who is distrusted can be removed all the same
  assertEquals(alice.all("memberRemoved").map(({ handle }) => handle), ["dan"]);
  assertEquals(await refusal(alice, "/invite dan"), [
    "keyChanged",
    "Nothing was sent: you distrust the key of dan",
    "Compare numbers with /verify dan, or accept the key with /trust dan.",
  ]);
});

Deno.test("RoomCommands.obey() opens no room beyond what a relay lets one link be in", async () => {
  const { alice } = await stage();
  for (let i = 2; i < ROOMS_MAX; i++) await alice.type(`/join x${i}`);
  const told = ["badLine", `Nothing was done: you are in ${ROOMS_MAX} rooms`, "/leave one of them first."];
  for (const line of ["/join more", "/room create more", "/room create more --invite-only"]) {
    assertEquals(await refusal(alice, line), told, line);
  }
  await alice.type("/join x2"); // one of them can be gone to
  assertEquals(alice.all("switched").at(-1)?.room, "x2");
  await alice.type("/leave");
  await alice.type("/join more");
  assertEquals(alice.all("roomJoined").at(-1)?.room, "more");
});

Deno.test("RoomCommands.obey() is for no client that is there for one session by code", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice", { session: { kind: "session", action: "create" } });
  const { code } = alice.all("waiting")[0] as { code: string };
  await net.join("bob", { session: { kind: "session", action: "join", code } });
  assertEquals(alice.all("secured").length, 1);
  const told = ["badLine", "There are no rooms here: this is a session of two people", "Use /peers."];
  for (
    const line of ["/rooms", "/join den", "/switch den", "/leave", "/members", "/topic", "/room create den", "/users"]
      .concat(["/invite bob", "/remove bob", "/promote bob"])
  ) assertEquals(await refusal(alice, line), told, line);
});

Deno.test("RoomCommands.obey() tells what the members judge otherwise, once the relay has placed it", async () => {
  const { alice, bob } = await stage();
  await alice.type("/promote bob");
  await alice.type("/promote bob", "again");
  await bob.type("/remove alice", "owner");
  const told = [...alice.all("error"), ...bob.all("error")].map(({ code, message, ref }) => [code, message, ref]);
  assertEquals(told, [
    ["notDone", "Nothing was done in #den: they are an admin already", "again"],
    ["notDone", "Nothing was done in #den: that is for its owner and admins, and nobody removes the owner", "owner"],
  ]);
});

Deno.test("RoomCommands.obey() answers with the ref of the line", async () => {
  const { alice, bob, dan } = await stage();
  await alice.type("/rooms", "1");
  await alice.type("/switch lobby", "2");
  await alice.type("/join den", "3");
  await alice.type("/members", "4");
  await alice.type("/topic tea", "5");
  await alice.type("/topic", "6");
  await alice.type("/room create attic", "7");
  await alice.type("/leave", "8");
  await bob.type("/leave den", "9");
  await dan.type("/leave den", "10");
  const answers = [alice, bob, dan].flatMap(({ events }) =>
    events.flatMap((event) => "ref" in event && event.ref !== undefined ? [`${event.ref} ${event.type}`] : [])
  );
  assertEquals(answers, [
    "1 rooms",
    "2 switched",
    "3 switched",
    "4 members",
    "5 topic",
    "6 topic",
    "7 roomCreated",
    "7 roomJoined",
    "8 roomLeft",
    "9 roomLeft",
    "10 roomLeft",
  ]);
  assertEquals([bob, dan].map((client) => client.all("roomLeft").at(-1)?.reason), ["left", "declined"]);
});

Deno.test("RoomCommands.obey() takes a room with its #, whatever the command", async () => {
  const { alice, bob } = await stage();
  for (const kind of ["members", "topic"] as const) await alice.command({ kind, room: "#den" });
  assertEquals([alice.all("members").at(-1)?.room, alice.all("topic").at(-1)?.room], ["den", "den"]);
  await bob.command({ kind: "leave", room: "#den" });
  await bob.net.settle();
  assertEquals([bob.all("error"), bob.all("roomLeft").at(-1)?.room], [[], "den"]);
});

Deno.test("RoomCommands.obey() means the one in the room by a name that several people have", async () => {
  const { net, alice, bob } = await stage();
  await bob.drop();
  await net.advance(NAME_TTL_MS + 1);
  await net.join("bob"); // somebody else, in the lobby and not in #den
  await alice.type("/promote bob");
  await alice.type("/remove bob");
  assertEquals(alice.all("error").map(({ message }) => message), []);
  assertEquals(alice.all("memberRemoved").map(({ fingerprint }) => fingerprint), [bob.fingerprint]);
});

Deno.test("RoomCommands.obey() leaves for good: a room on its way in takes no line before the leave can be signed", async () => {
  const { net, alice, bob: before } = await stage();
  const relay = new HostileRelay(net);
  await before.drop();
  const bob = await net.link("bob", { identity: before.identity, certificate: before.certificate, kept: before.kept });
  // #den is where bob writes to; of the lobby nothing is heard yet.
  relay.always(bob, "subscribed", (packet) => bob.all("ready").length > 0 ? [] : [packet]);
  await net.settle();
  assertEquals([bob.all("ready").map(({ room }) => room), bob.chat.takesInput], [["den"], false]);
  const late = relay.last(bob, "subscribed");
  await relay.say(bob, late.message, late.body);
  assertEquals([bob.all("roomJoined").map(({ room }) => room), bob.chat.takesInput], [["lobby"], true]);
  await bob.type("/leave lobby");
  await alice.type("/switch lobby");
  await alice.type("/members");
  assertEquals(bob.all("roomLeft").map(({ room, reason }) => [room, reason]), [["lobby", "left"]]);
  assertEquals(alice.all("members").at(-1)?.members.map(({ handle }) => handle), ["carol", "dan", "gus"]);
});

Deno.test("RoomCommands.obey() lists one current room, and remembers it, when another one was named at the start", async () => {
  const { net, bob } = await stage();
  await bob.drop();
  const { identity, certificate, kept } = bob;
  const again = await net.join("bob", { identity, certificate, kept, room: "lobby" });
  await again.type("/rooms");
  assertEquals(again.all("rooms")[0]?.rooms.map(({ room, isCurrent }) => [room, isCurrent]), [
    ["lobby", true],
    ["den", false],
  ]);
});

Deno.test("RoomCommands.obey() is content with an open room that somebody else began at the same moment", async () => {
  const { net, alice, bob } = await stage();
  for (const client of [alice, bob]) await client.enter("/room create tea");
  await net.settle();
  for (const client of [alice, bob]) {
    assertEquals([client.all("error"), client.all("roomJoined").at(-1)?.room], [[], "tea"]);
  }
});
