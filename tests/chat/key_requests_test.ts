import { assertEquals } from "@std/assert";
import { KEY_REQUEST_TIMEOUT_MS, KEY_RETRY_AFTER_MS, KeyRequests } from "../../lib/chat/key_requests.ts";

const NOW_MS = 1_750_000_000_000;
const nonce = new Uint8Array(16);

Deno.test("KeyRequests.start() numbers requests and settle() ends the one that is named, once", () => {
  const requests = new KeyRequests();
  const first = requests.start("A", { nonce, nowMs: NOW_MS });
  const second = requests.start("B", { nonce, nowMs: NOW_MS });
  assertEquals([first.ref, second.ref], [1, 2]);
  assertEquals([requests.isPending("A"), requests.isPending("C")], [true, false]);
  assertEquals(requests.settle(2)?.of, "B");
  assertEquals(requests.settle(2), undefined);
  assertEquals(requests.settle(99), undefined);
  assertEquals([requests.isPending("A"), requests.isPending("B")], [true, false]);
});

Deno.test("KeyRequests.expire() gives up after 5 s and leaves out for 30 s", () => {
  const requests = new KeyRequests();
  requests.start("A", { nonce, nowMs: NOW_MS });
  requests.start("B", { nonce, nowMs: NOW_MS + 1 });
  assertEquals(requests.nextDueMs(), NOW_MS + KEY_REQUEST_TIMEOUT_MS);
  assertEquals(requests.expire(NOW_MS + KEY_REQUEST_TIMEOUT_MS - 1), []);
  assertEquals(requests.expire(NOW_MS + KEY_REQUEST_TIMEOUT_MS), ["A"]);
  assertEquals([requests.isPending("A"), requests.isPending("B")], [false, true]);
  const failedMs = NOW_MS + KEY_REQUEST_TIMEOUT_MS;
  assertEquals(requests.hasFailed("A", failedMs), true);
  assertEquals(requests.hasFailed("A", failedMs + KEY_RETRY_AFTER_MS - 1), true);
  assertEquals(requests.hasFailed("A", failedMs + KEY_RETRY_AFTER_MS), false);
  assertEquals(requests.hasFailed("B", failedMs), false);
});

Deno.test("KeyRequests.settle() forgets an earlier failure", () => {
  const requests = new KeyRequests();
  requests.fail("A", NOW_MS);
  const { ref } = requests.start("A", { nonce, nowMs: NOW_MS });
  requests.settle(ref);
  assertEquals(requests.hasFailed("A", NOW_MS), false);
});

Deno.test("KeyRequests.forget() ends a request, so that its answer is nobody's", () => {
  const requests = new KeyRequests();
  const { ref } = requests.start("A", { nonce, nowMs: NOW_MS });
  requests.fail("A", NOW_MS);
  requests.forget("A");
  assertEquals([requests.isPending("A"), requests.hasFailed("A", NOW_MS)], [false, false]);
  assertEquals([requests.settle(ref), requests.nextDueMs()], [undefined, undefined]);
});

Deno.test("KeyRequests does not wait an hour when the clock was set back by one", () => {
  const requests = new KeyRequests();
  requests.start("A", { nonce, nowMs: NOW_MS });
  requests.fail("B", NOW_MS);
  const earlierMs = NOW_MS - 3_600_000;
  assertEquals(requests.hasFailed("B", earlierMs), false);
  assertEquals(requests.expire(earlierMs), ["A"]);
});
