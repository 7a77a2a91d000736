// Aim: a person at a terminal is shown few receipts, and the one that says it of all before it.
import { assertEquals } from "@std/assert";
import type { ChatEvent } from "../../lib/chat/events.ts";
import { DELIVERED_LATE_MS, ReceiptMarks } from "../../lib/cli/receipt_marks.ts";
import { renderEvent } from "../../lib/cli/render.ts";
import { AT, KEY } from "./_events.ts";

const ID = (i: number) => i.toString(16).padStart(32, "0");

function accepted(i: number, to = "bob"): ChatEvent {
  return { type: "accepted", id: ID(i), place: { to }, at: AT, sentAt: AT, text: "hi" };
}

function receipt(type: "delivered" | "read", i: number, at = AT): ChatEvent {
  return { type, id: ID(i), by: "bob", fingerprint: KEY, trust: "known", at };
}

Deno.test("ReceiptMarks.take() lets pass that the last line of a conversation was read, and of no other", () => {
  const marks = new ReceiptMarks();
  for (const event of [accepted(1), accepted(2), accepted(3, "carol")]) assertEquals(marks.take(event), true);
  assertEquals([1, 2, 3, 4].map((i) => marks.take(receipt("read", i))), [false, true, true, false]);
});

Deno.test("ReceiptMarks.take() lets pass that a line was delivered when that took a while", () => {
  const marks = new ReceiptMarks();
  marks.take(accepted(1));
  assertEquals(marks.take(receipt("delivered", 1, AT + DELIVERED_LATE_MS - 1)), false);
  assertEquals(marks.take(receipt("delivered", 1, AT + DELIVERED_LATE_MS)), true);
});

Deno.test("renderEvent() draws receipts as one short line at a terminal, and not in a pipe", () => {
  const options = { hasColor: false, showsOwn: true, ownHandle: "alice" };
  assertEquals(renderEvent(receipt("read", 1), options).map(String), ["  read by bob 2026-01-01T00:00:00Z"]);
  assertEquals(renderEvent(receipt("delivered", 1), options).map(String), [
    "  delivered to bob 2026-01-01T00:00:00Z",
  ]);
  for (const type of ["read", "delivered"] as const) {
    assertEquals(renderEvent(receipt(type, 1), { ...options, showsOwn: false }), []);
  }
});

Deno.test("renderEvent() draws a line for each conversation of /delivery", () => {
  const options = { hasColor: false, showsOwn: true, ownHandle: "alice" };
  const counts = { sent: 6, accepted: 5, delivered: 4, read: 3, missing: 2, duplicates: 1 };
  const conversations = [
    { place: { room: "lobby" }, isOwnInbox: false, ...counts },
    { place: { to: "bob" }, isOwnInbox: false, ...counts },
    { place: { to: "alice" }, isOwnInbox: true, ...counts },
  ];
  assertEquals(renderEvent({ type: "delivery", since: AT, conversations }, options).map(String), [
    "* Since 2026-01-01T00:00:00Z, when this began:",
    "  #lobby: 6 sent, 5 accepted, 2 missing, 1 dropped that came again",
    "  bob: 6 sent, 5 accepted, 4 delivered, 3 read",
    "  written to you: 2 missing, 1 dropped that came again",
  ]);
  assertEquals(renderEvent({ type: "delivery", since: AT, conversations: [] }, options).map(String), [
    "* Nothing was sent, and nothing is missing, since 2026-01-01T00:00:00Z",
  ]);
});
