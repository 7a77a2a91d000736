import { assertEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "../../lib/bytes/errors.ts";
import { PEOPLE_MAX } from "../../lib/chat/people.ts";
import { WHO_INTERVAL_MS, WHO_WAITING_MAX, WhoRequests } from "../../lib/chat/who_requests.ts";

const NOW_MS = 1_750_000_000_000;
const one = [Uint8Array.of(1)];

Deno.test("WhoRequests.start() asks once for all who wait, and take() gives the whole answer to them", () => {
  const who = new WhoRequests();
  assertEquals(who.start(NOW_MS), undefined);
  who.add("a");
  who.add(undefined);
  const number = who.start(NOW_MS);
  assertEquals(number, 1);
  who.add("late");
  assertEquals(who.start(NOW_MS + WHO_INTERVAL_MS), undefined); // one is under way
  assertEquals(who.take({ number: 1, more: true, certificates: one }), undefined);
  const answer = who.take({ number: 1, more: false, certificates: one });
  assertEquals([answer?.refs, answer?.certificates.length], [["a", undefined], 2]);
  assertEquals(who.isEmpty, false);
  assertEquals(who.start(NOW_MS + WHO_INTERVAL_MS), 2);
});

Deno.test("WhoRequests.start() keeps an interval, and nextDueMs() tells its end", () => {
  const who = new WhoRequests();
  who.add(1);
  who.start(NOW_MS);
  who.take({ number: 1, more: false, certificates: [] });
  who.add(2);
  assertEquals(who.start(NOW_MS + WHO_INTERVAL_MS - 1), undefined);
  assertEquals(who.nextDueMs(), NOW_MS + WHO_INTERVAL_MS);
  assertEquals(who.start(NOW_MS + WHO_INTERVAL_MS), 2);
  assertEquals(who.nextDueMs(), undefined);
});

Deno.test("WhoRequests.start() does not wait for a clock that was set back", () => {
  const who = new WhoRequests();
  who.add(1);
  who.start(NOW_MS);
  who.take({ number: 1, more: false, certificates: [] });
  who.add(2);
  assertEquals(who.start(NOW_MS - 3_600_000), 2);
});

Deno.test("WhoRequests.take() refuses an answer that nobody asked for, or to another question", () => {
  const who = new WhoRequests();
  const page = { number: 1, more: false, certificates: [] };
  assertThrows(() => who.take(page), ProtocolError);
  who.add(1);
  who.start(NOW_MS);
  assertThrows(() => who.take({ ...page, number: 2 }), ProtocolError);
  who.take(page);
  assertThrows(() => who.take(page), ProtocolError);
});

Deno.test("WhoRequests.take() refuses an answer without end", () => {
  const who = new WhoRequests();
  who.add(1);
  who.start(NOW_MS);
  const certificates = Array.from({ length: PEOPLE_MAX / 4 }, () => Uint8Array.of(1));
  for (let i = 0; i < 4; i++) who.take({ number: 1, more: true, certificates });
  assertThrows(() => who.take({ number: 1, more: true, certificates: one }), ProtocolError);
});

Deno.test("WhoRequests.isFull counts those who were asked for and those who wait", () => {
  const who = new WhoRequests();
  for (let i = 0; i < WHO_WAITING_MAX; i++) {
    assertEquals(who.isFull, false);
    who.add(i);
    if (i === 10) who.start(NOW_MS);
  }
  assertEquals(who.isFull, true);
  who.take({ number: 1, more: false, certificates: [] });
  assertEquals([who.isFull, who.isEmpty], [false, false]);
});
