import { assertEquals } from "@std/assert";
import { Outgoing, OUTGOING_MAX, type OutgoingLine, PUBLISHED_MAX_BYTES } from "../../lib/chat/outgoing.ts";

function line(id: string, stream = "room/A"): OutgoingLine {
  return {
    kind: "text",
    id,
    place: { room: "lobby" },
    stream,
    room: "A",
    audience: [],
    text: `text ${id}`,
    sentAtMs: 1,
  };
}

/** Takes the next line of a stream and hands it to the relay. */
function publish(lines: Outgoing, stream: string, bytes = 10): string | undefined {
  const next = lines.peek(stream);
  if (next === undefined) return undefined;
  lines.take(stream);
  lines.publish(next, bytes);
  return next.id;
}

Deno.test("Outgoing.peek() gives the lines of a conversation in order", () => {
  const lines = new Outgoing();
  for (const id of ["1", "2", "3"]) lines.add(line(id));
  lines.add(line("4", "inbox/B"));
  assertEquals(lines.waitingStreams, ["room/A", "inbox/B"]);
  assertEquals([publish(lines, "room/A"), publish(lines, "inbox/B"), publish(lines, "room/A")], ["1", "4", "2"]);
  assertEquals(lines.waitingStreams, ["room/A"]);
  assertEquals([publish(lines, "room/A"), publish(lines, "room/A"), publish(lines, "room/Z")], [
    "3",
    undefined,
    undefined,
  ]);
});

Deno.test("Outgoing.unaccepted() lists in the order of writing, wherever the lines are", () => {
  const lines = new Outgoing();
  for (const [id, stream] of [["1", "inbox/B"], ["2", "room/A"], ["3", "inbox/B"], ["4", "room/A"]]) {
    lines.add(line(id as string, stream as string));
  }
  publish(lines, "room/A");
  assertEquals(lines.unaccepted().map(({ id }) => id), ["1", "2", "3", "4"]);
  lines.settle("2");
  assertEquals(lines.unaccepted().map(({ id }) => id), ["1", "3", "4"]);
});

Deno.test("Outgoing.take() alone does not lose a line: it is not settled", () => {
  const lines = new Outgoing();
  lines.add(line("1"));
  lines.take("room/A");
  lines.take("room/A");
  assertEquals([lines.isEmpty, lines.unaccepted().length], [false, 1]);
  lines.settle("1");
  assertEquals(lines.isEmpty, true);
});

Deno.test("Outgoing.published() knows only what is with the relay", () => {
  const lines = new Outgoing();
  lines.add(line("1"));
  assertEquals(lines.published("1"), undefined);
  publish(lines, "room/A");
  assertEquals(lines.published("1")?.id, "1");
  lines.settle("1");
  assertEquals(lines.published("1"), undefined);
  lines.settle("1"); // twice changes nothing
  assertEquals([lines.isEmpty, lines.isRelayBusy], [true, false]);
});

Deno.test("Outgoing.isFull counts waiting and published lines together", () => {
  const lines = new Outgoing();
  for (let i = 0; i < OUTGOING_MAX; i++) {
    assertEquals(lines.isFull(true), false);
    lines.add(line(`${i}`));
    if (i % 2 === 0) publish(lines, "room/A");
  }
  assertEquals(lines.isFull(true), true);
  lines.settle("0");
  assertEquals(lines.isFull(true), false);
});

Deno.test("Outgoing.isRelayBusy is so from the bound on, until something is accepted", () => {
  const lines = new Outgoing();
  for (const id of ["1", "2", "3"]) lines.add(line(id));
  publish(lines, "room/A", PUBLISHED_MAX_BYTES - 1);
  assertEquals(lines.isRelayBusy, false);
  publish(lines, "room/A", 1);
  assertEquals(lines.isRelayBusy, true);
  lines.settle("2");
  assertEquals(lines.isRelayBusy, false);
});
