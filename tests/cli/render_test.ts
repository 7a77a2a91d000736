// Aim: whatever peers and relays put into names and texts, lines carry no control character, and how well a key is
// known stands there in words.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { spellFingerprint } from "../../lib/chat/fingerprint.ts";
import type { ChatEvent, Member, Peer, Trust } from "../../lib/chat/events.ts";
import { renderError, renderEvent, type RenderOptions } from "../../lib/cli/render.ts";

const KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSA";
const AT = 1_767_225_600_120;
const ID = "0123456789abcdef0123456789abcdef";
const PLAIN: RenderOptions = { hasColor: false, showsOwn: true, ownHandle: "alice" };
const COLOR: RenderOptions = { ...PLAIN, hasColor: true };
const TRUSTS: readonly Trust[] = ["new", "known", "verified", "changed"];
/** What must never reach a screen: controls, bidi controls, line separators. */
// deno-lint-ignore no-control-regex
const STEERING = /[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

function message(changes: Partial<Extract<ChatEvent, { type: "message" }>> = {}): ChatEvent {
  return {
    type: "message",
    id: ID,
    place: { room: "lobby" },
    from: "bob",
    fingerprint: KEY,
    trust: "known",
    text: "hi",
    sentAt: AT,
    at: AT + 5,
    ...changes,
  };
}

Deno.test("renderEvent() shows the sender's time, the room, the sender with its mark, and the text", () => {
  assertEquals<string[]>(renderEvent(message(), PLAIN), ["2026-01-01T00:00:00Z #lobby bob [known]: hi"]);
  assertEquals<string[]>(renderEvent(message({ place: { to: "alice" }, trust: "changed" }), PLAIN), [
    "2026-01-01T00:00:00Z (private) bob [KEY CHANGED]: hi",
  ]);
});

Deno.test("renderEvent() marks further lines of a message, so that none can pass for another message", () => {
  const text = "one\n2026-01-01T00:00:00Z #lobby carol [verified]: I did it";
  assertEquals<string[]>(renderEvent(message({ text }), PLAIN), [
    "2026-01-01T00:00:00Z #lobby bob [known]: one",
    "  | 2026-01-01T00:00:00Z #lobby carol [verified]: I did it",
  ]);
});

Deno.test("renderEvent() tells how well a key is known in words, wherever somebody is named", () => {
  for (const trust of TRUSTS) {
    const member: Member = { handle: "bob", fingerprint: KEY, trust };
    const word = trust === "changed" ? "[KEY CHANGED]" : `[${trust}]`;
    const events: ChatEvent[] = [
      message({ trust }),
      { type: "joined", room: "lobby", at: AT, ...member },
      { type: "users", room: "lobby", members: [member], elsewhere: [] },
      { type: "users", room: "lobby", members: [], elsewhere: [member] },
      { type: "peers", peers: [{ ...member, firstSeen: AT, isHere: true }] },
      {
        type: "ready",
        handle: "alice",
        fingerprint: KEY,
        relay: { name: "office", fingerprint: KEY },
        room: "lobby",
        members: [member],
      },
    ];
    for (const event of events) {
      const lines = renderEvent(event, PLAIN).join("\n").replace(" joined #lobby", "");
      assert(lines.includes(`bob ${word}`), event.type);
    }
  }
});

Deno.test("renderEvent() says NOT TRUSTED wherever a key is held back because the person distrusts it", () => {
  const member: Member = { handle: "bob", fingerprint: KEY, trust: "changed", distrusted: true };
  const events: ChatEvent[] = [
    message({ trust: "changed", distrusted: true }),
    { type: "joined", room: "lobby", at: AT, ...member },
    { type: "users", room: "lobby", members: [member], elsewhere: [] },
    { type: "peers", peers: [{ ...member, firstSeen: AT, isHere: false }] },
  ];
  for (const event of events) {
    const lines = renderEvent(event, PLAIN).join("\n").replace(" joined #lobby", "");
    assert(lines.includes("bob [NOT TRUSTED]"), event.type);
    assert(!lines.includes("KEY CHANGED"), event.type);
  }
});

Deno.test("renderEvent() lists who was met with mark, presence, first sight and fingerprint", () => {
  const bob: Peer = { handle: "bob", fingerprint: KEY, trust: "verified", firstSeen: AT, isHere: true };
  const carol: Peer = { ...bob, handle: "carol", trust: "new", isHere: false };
  assertEquals<string[]>(renderEvent({ type: "peers", peers: [bob, carol] }, PLAIN), [
    "* Met so far: 2",
    "  bob [verified] here, first seen 2026-01-01T00:00:00Z",
    `    ${spellFingerprint(KEY)}`,
    "  carol [new] gone, first seen 2026-01-01T00:00:00Z",
    `    ${spellFingerprint(KEY)}`,
  ]);
  assertEquals<string[]>(renderEvent({ type: "peers", peers: [] }, PLAIN), ["* Met so far: nobody"]);
});

Deno.test("renderEvent() says at first: secured, which relay and fingerprint, who you are, who is here", () => {
  const ready: ChatEvent = {
    type: "ready",
    handle: "alice",
    fingerprint: KEY,
    relay: { name: "office", fingerprint: KEY.replace("A", "B") },
    room: "lobby",
    members: [],
  };
  const lines: string[] = renderEvent(ready, PLAIN);
  const relayKey = spellFingerprint(KEY.replace("A", "B"));
  assertEquals(lines[0], `Secured with relay office (${relayKey}): you are alice, in #lobby with nobody yet.`);
  assertEquals(lines[1], `  your fingerprint is ${spellFingerprint(KEY)}`);
});

Deno.test("renderEvent() names the first of a crowd and counts the others", () => {
  const members: Member[] = Array.from({ length: 53 }, (_, i) => ({ handle: `p${i}`, fingerprint: KEY, trust: "new" }));
  const relay = { name: "office", fingerprint: KEY };
  const ready: ChatEvent = { type: "ready", handle: "alice", fingerprint: KEY, relay, room: "lobby", members };
  assert(renderEvent(ready, PLAIN)[0]?.endsWith("p49 [new], 3 more (/users)."));
});

Deno.test("renderEvent() shows one's own lines only where they are wanted", () => {
  const accepted: ChatEvent = {
    type: "accepted",
    id: ID,
    place: { to: "bob" },
    at: AT,
    sentAt: AT,
    text: "mine\ntoo",
  };
  assertEquals<string[]>(renderEvent(accepted, PLAIN), [
    "2026-01-01T00:00:00Z (private to bob) alice: mine",
    "  | too",
  ]);
  assertEquals(renderEvent(accepted, { ...PLAIN, showsOwn: false }), []);
  assertEquals<string[]>(renderEvent({ ...accepted, place: { room: "lobby" } }, PLAIN).slice(0, 1), [
    "2026-01-01T00:00:00Z #lobby alice: mine",
  ]);
});

Deno.test("renderEvent() tells why somebody left", () => {
  const line = (reason: "quit" | "lost" | "removed") =>
    renderEvent({ type: "left", room: "lobby", at: AT, reason, handle: "bob", fingerprint: KEY }, PLAIN)[0];
  assertEquals<(string | undefined)[]>([line("quit"), line("lost"), line("removed")], [
    "2026-01-01T00:00:00Z * bob left #lobby (quit)",
    "2026-01-01T00:00:00Z * bob left #lobby (connection lost)",
    "2026-01-01T00:00:00Z * bob left #lobby (removed)",
  ]);
});

Deno.test("renderError() gives the message and, if there is one, the hint", () => {
  assertEquals<string[]>(renderError({ message: "Nothing was sent", hint: "Try again." }, PLAIN), [
    "! Nothing was sent",
    "  Try again.",
  ]);
  assertEquals<string[]>(renderError({ message: "a\nb", hint: "" }, PLAIN), ["! a⏎b"]);
});

Deno.test("renderEvent() cuts names that are too long for a line", () => {
  const [line = ""] = renderEvent(message({ from: "b".repeat(500) }), PLAIN);
  assert(line.includes(`${"b".repeat(39)}…`) && !line.includes("b".repeat(40)));
});

/** Text as an attacker writes it: escape sequences and bidi controls beside everything else. */
const TEXT = fc.array(
  fc.oneof(
    fc.string({ unit: "binary", maxLength: 8 }),
    fc.constantFrom(
      "\x1b[2J",
      "\x1b]0;title\x07",
      "\x9b31m",
      "\r",
      "\n",
      "\x08",
      "\u202e",
      "\u2066",
      "\u2028",
      "\x00",
      "\x7f",
    ),
  ),
  { maxLength: 12 },
).map((parts) => parts.join(""));
const TRUST = fc.constantFrom(...TRUSTS);
const MEMBER = fc.record({ handle: TEXT, fingerprint: fc.constant(KEY), trust: TRUST });
const PLACE = fc.oneof(fc.record({ room: TEXT }), fc.record({ to: TEXT }));
const TIME = fc.maxSafeNat();
const EVENT: fc.Arbitrary<ChatEvent> = fc.oneof(
  fc.record({
    type: fc.constant("ready" as const),
    handle: TEXT,
    fingerprint: TEXT,
    relay: fc.record({ name: TEXT, fingerprint: TEXT }),
    room: TEXT,
    members: fc.array(MEMBER, { maxLength: 3 }),
  }),
  fc.tuple(fc.record({ type: fc.constant("joined" as const), room: TEXT, at: TIME }), MEMBER)
    .map(([event, member]) => ({ ...event, ...member })),
  fc.record({
    type: fc.constant("left" as const),
    room: TEXT,
    at: TIME,
    reason: fc.constantFrom("quit" as const, "lost" as const, "removed" as const),
    handle: TEXT,
    fingerprint: TEXT,
  }),
  fc.record({
    type: fc.constant("message" as const),
    id: fc.constant(ID),
    place: PLACE,
    from: TEXT,
    fingerprint: fc.constant(KEY),
    trust: TRUST,
    text: TEXT,
    sentAt: TIME,
    at: TIME,
  }),
  fc.record({
    type: fc.constant("accepted" as const),
    id: fc.constant(ID),
    place: PLACE,
    at: TIME,
    sentAt: TIME,
    text: TEXT,
  }),
  fc.record({
    type: fc.constant("users" as const),
    room: TEXT,
    members: fc.array(MEMBER, { maxLength: 3 }),
    elsewhere: fc.array(MEMBER, { maxLength: 3 }),
  }),
  fc.record({
    type: fc.constant("peers" as const),
    peers: fc.array(
      fc.record({
        handle: TEXT,
        fingerprint: fc.constant(KEY),
        trust: TRUST,
        firstSeen: TIME,
        isHere: fc.boolean(),
      }),
      { maxLength: 3 },
    ),
  }),
  fc.record({ type: fc.constant("notice" as const), code: fc.constant("gap" as const), text: TEXT }),
  fc.record({ type: fc.constant("error" as const), code: fc.constant("unsent" as const), message: TEXT, hint: TEXT }),
);

Deno.test("renderEvent() never lets a control or bidi character through", () => {
  fc.assert(
    fc.property(EVENT, (event) => {
      for (const line of renderEvent(event, PLAIN)) assert(!STEERING.test(line), JSON.stringify(line));
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("renderEvent() adds nothing but the six looks when colour is wanted", () => {
  fc.assert(
    fc.property(EVENT, (event) => {
      const colored = renderEvent(event, COLOR).map((line) =>
        // deno-lint-ignore no-control-regex
        line.replace(/\x1b\[(?:0|1|2|31|32|33|36)m/g, "")
      );
      assertEquals<string[]>(colored, renderEvent(event, PLAIN));
    }),
    { numRuns: 500 },
  );
  assert(renderEvent(message(), COLOR)[0]?.includes("\x1b[36mbob"));
});

Deno.test("renderEvent() shows the code of a session and what came of it", () => {
  const key = { fingerprint: KEY, trust: "verified" } as const;
  assertEquals<string[]>(renderEvent({ type: "waiting", code: "7KQ2-able-sunset-violin", expiresAt: AT }, PLAIN), [
    "The code is 7KQ2-able-sunset-violin",
    "  Tell it to one person, in person or by phone. It works once, until 2026-01-01T00:00:00Z.",
  ]);
  assertEquals<string[]>(renderEvent({ type: "peerJoined" }, PLAIN), ["* Somebody is there; checking the code"]);
  assertEquals<string[]>(renderEvent({ type: "secured", with: "bob", ...key, path: "relay" }, PLAIN), [
    "Secured with bob [verified], through the relay, which cannot read it.",
    `  the fingerprint of bob is ${spellFingerprint(KEY)}`,
  ]);
  for (const type of ["wrongCode", "taken", "expired"] as const) {
    assertEquals(renderEvent({ type }, PLAIN), [], "the error that follows says it");
  }
});
