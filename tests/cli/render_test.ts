// Aim: whatever peers and relays put into names and texts, lines carry no control character, and how well a key is
// known stands there in words.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { spellFingerprint } from "../../lib/chat/fingerprint.ts";
import type { ChatEvent, Member, Peer } from "../../lib/chat/events.ts";
import { renderError, renderEvent, type RenderOptions } from "../../lib/cli/render.ts";
import { safeText } from "../../lib/cli/safe_text.ts";
import { AT, EVENT, EVENTS, ID, inRoom, KEY, STEERING, TRUSTS } from "./_events.ts";

const PLAIN: RenderOptions = { hasColor: false, showsOwn: true, ownHandle: "alice" };
const COLOR: RenderOptions = { ...PLAIN, hasColor: true };

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

/** Whether bob's mark stands right behind his name, or behind what he did. */
function namesBobAs(word: string, event: ChatEvent): boolean {
  const lines = renderEvent(event, PLAIN).join("\n");
  const did = ["", " joined #lobby", " to #lobby", " became a member of #lobby"];
  return did.some((deed) => lines.includes(`bob${deed} ${word}`));
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
      { type: "roomJoined", room: "lobby", kind: "open", members: [inRoom(member)], isCurrent: true },
      { type: "memberAdded", room: "lobby", at: AT, by: "carol", ...member },
      { type: "memberAdded", room: "lobby", at: AT, by: "bob", ...member },
      { type: "invited", room: "lobby", by: "bob", fingerprint: KEY, trust },
      { type: "members", room: "lobby", members: [inRoom({ ...member, isHere: false })] },
      { type: "users", room: "lobby", members: [inRoom(member)], elsewhere: [] },
      { type: "users", room: "lobby", members: [], elsewhere: [member] },
      { type: "peers", peers: [{ ...member, firstSeen: AT, isHere: true }] },
      {
        type: "ready",
        handle: "alice",
        fingerprint: KEY,
        relay: { name: "office", fingerprint: KEY },
        room: "lobby",
        members: [inRoom(member)],
      },
    ];
    for (const event of events) {
      assert(namesBobAs(word, event), event.type);
    }
  }
});

Deno.test("renderEvent() says NOT TRUSTED wherever a key is held back because the person distrusts it", () => {
  const member: Member = { handle: "bob", fingerprint: KEY, trust: "changed", distrusted: true };
  const events: ChatEvent[] = [
    message({ trust: "changed", distrusted: true }),
    { type: "joined", room: "lobby", at: AT, ...member },
    { type: "roomJoined", room: "lobby", kind: "open", members: [inRoom(member)], isCurrent: true },
    { type: "memberAdded", room: "lobby", at: AT, by: "carol", ...member },
    { type: "invited", room: "lobby", by: "bob", fingerprint: KEY, trust: "changed", distrusted: true },
    { type: "members", room: "lobby", members: [inRoom(member)] },
    { type: "users", room: "lobby", members: [inRoom(member)], elsewhere: [] },
    { type: "peers", peers: [{ ...member, firstSeen: AT, isHere: false }] },
  ];
  for (const event of events) {
    assert(namesBobAs("[NOT TRUSTED]", event), event.type);
    assert(!renderEvent(event, PLAIN).join("\n").includes("KEY CHANGED"), event.type);
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
  assertEquals(lines.slice(1), [`  your fingerprint is ${spellFingerprint(KEY)}`]);
  assertEquals<string[]>(renderEvent({ ...ready, topic: "tea" }, PLAIN).slice(1), [
    "  topic: tea",
    `  your fingerprint is ${spellFingerprint(KEY)}`,
  ]);
});

Deno.test("renderEvent() names the first of a crowd and counts the others", () => {
  const members = Array.from({ length: 53 }, (_, i) => inRoom({ handle: `p${i}`, trust: "new" }));
  const relay = { name: "office", fingerprint: KEY };
  const ready: ChatEvent = { type: "ready", handle: "alice", fingerprint: KEY, relay, room: "lobby", members };
  assert(renderEvent(ready, PLAIN)[0]?.endsWith("p49 [new], 3 more (/members)."));
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
  const queued: ChatEvent = { ...accepted, type: "queued" };
  assert(renderEvent(queued, PLAIN)[0]?.startsWith("* Waits: "));
  assertEquals(renderEvent(queued, { ...PLAIN, showsOwn: false }), []);
  assertEquals<string[]>(renderEvent({ ...accepted, place: { room: "lobby" } }, PLAIN).slice(0, 1), [
    "2026-01-01T00:00:00Z #lobby alice: mine",
  ]);
});

Deno.test("renderEvent() tells why somebody left", () => {
  const line = (reason: "quit" | "lost" | "removed" | "left") =>
    renderEvent({ type: "left", room: "lobby", at: AT, reason, handle: "bob", fingerprint: KEY }, PLAIN)[0];
  assertEquals<(string | undefined)[]>([line("quit"), line("lost"), line("removed"), line("left")], [
    "2026-01-01T00:00:00Z * bob left #lobby (quit)",
    "2026-01-01T00:00:00Z * bob left #lobby (connection lost)",
    "2026-01-01T00:00:00Z * bob left #lobby (removed)",
    "2026-01-01T00:00:00Z * bob left #lobby (for good)",
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

for (const [type, events] of Object.entries(EVENTS)) {
  Deno.test(`renderEvent() never lets a control or bidi character through: ${type}`, () => {
    fc.assert(fc.property(events, (event: ChatEvent) => {
      for (const line of renderEvent(event, PLAIN)) {
        assert(!STEERING.test(line), JSON.stringify(line));
        assertEquals<string>(safeText(line), line); // pieces that are safe one by one are safe together
      }
    }));
  });
}

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
