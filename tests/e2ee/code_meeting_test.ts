// Aim: the whole agreement of two who share a code, as bytes in and bytes out: it ends proven on both sides, or with a
// named reason, and never in between.
import { assertEquals, assertRejects } from "@std/assert";
import type { Bytes } from "../../lib/bytes/writer.ts";
import { utf8 } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { CodeMeeting, type CodeMeetingOptions, MeetingError } from "../../lib/e2ee/code_meeting.ts";
import { AT, flipped, hear, makePerson, type Person, say } from "./_people.ts";

const SIDS = { initiatorSid: secureRandom(16), responderSid: secureRandom(16) };
const PLACE = { prs: utf8("able-sunset-violin"), mailbox: utf8("7KQ2"), ...SIDS };

function joins(who: Person, changes: Partial<CodeMeetingOptions> = {}): Promise<CodeMeeting> {
  return CodeMeeting.create(who, { role: "initiator", ...PLACE, ...changes });
}

function creates(who: Person, changes: Partial<CodeMeetingOptions> = {}): Promise<CodeMeeting> {
  return CodeMeeting.create(who, { role: "responder", ...PLACE, ...changes });
}

/** Carries everything back and forth, changed on the way if wanted; gives how many messages passed. */
async function carry(
  joiner: CodeMeeting,
  creator: CodeMeeting,
  change: (message: Bytes, index: number) => Bytes = (message) => message,
): Promise<number> {
  let count = 0;
  let waiting = [await joiner.begin()];
  for (let [to, other] = [creator, joiner]; waiting.length > 0; [to, other] = [other, to]) {
    const replies: Bytes[] = [];
    for (const message of waiting) replies.push(...await to.hear(change(message, count++), AT));
    waiting = replies;
  }
  return count;
}

async function reasonOf(step: () => Promise<unknown>): Promise<string> {
  return (await assertRejects(step, MeetingError)).reason;
}

const ada = await makePerson("ada");
const ben = await makePerson("ben");

Deno.test("CodeMeeting: five messages, and both are proven to each other", async () => {
  const [joiner, creator] = [await joins(ada), await creates(ben)];
  assertEquals([joiner.proven, creator.proven, creator.awaitsTag], [undefined, undefined, false]);
  assertEquals(await carry(joiner, creator), 5);
  assertEquals(joiner.proven?.result().peer.handle, "ben");
  assertEquals(creator.proven?.result().peer.handle, "ada");
  const [first, second] = [await makePerson("first"), await makePerson("second")];
  const pair = [await joins(first), await creates(second)] as const;
  await carry(...pair);
  for (const [who, { proven }] of [[first, pair[0]], [second, pair[1]]] as const) {
    if (proven !== undefined) who.book.adoptCodeSession(proven, AT.nowMs);
  }
  assertEquals(await hear(second, await say(first, second, "hi")), "first: hi");
});

for (
  const [what, changes] of [
    ["words", { prs: utf8("able-sunset-violet") }],
    ["mailbox", { mailbox: utf8("7KQ3") }],
    ["half of the joiner", { initiatorSid: secureRandom(16) }],
    ["half of the creator", { responderSid: secureRandom(16) }],
  ] as const
) {
  Deno.test(`CodeMeeting with another ${what} is refused by the joiner, and nothing more is sent`, async () => {
    const [joiner, creator] = [await joins(ada), await creates(ben, changes)];
    const [answer] = await creator.hear(await joiner.begin(), AT);
    assertEquals(creator.awaitsTag, true);
    assertEquals(await reasonOf(() => joiner.hear(answer as Bytes, AT)), "wrongCode");
    assertEquals([joiner.proven, creator.proven], [undefined, undefined]);
    assertEquals(await reasonOf(() => creator.hear(new Uint8Array(64), AT)), "wrongCode");
  });
}

Deno.test("CodeMeeting: any byte of any message changed brings it to nothing, with a reason", async () => {
  const [joiner, creator] = [await joins(ada), await creates(ben)];
  const lengths: number[] = [];
  await carry(joiner, creator, (message) => {
    lengths.push(message.length);
    return message;
  });
  assertEquals(lengths.length, 5);
  for (const [index, length] of lengths.entries()) {
    for (let place = 0; place < length; place += 23) {
      const pair = [await joins(ada), await creates(ben)] as const;
      await reasonOf(() => carry(...pair, (message, at) => at === index ? flipped(message, place) : message));
      assertEquals(index === 4 ? pair[0].proven : pair[1].proven, undefined, `message ${index}, byte ${place}`);
    }
  }
});

Deno.test("CodeMeeting.hear() after a refusal, or out of turn, is refused", async () => {
  const [joiner, creator] = [await joins(ada), await creates(ben)];
  assertEquals(await reasonOf(() => joiner.hear(new Uint8Array(9), AT)), "cancelled");
  assertEquals(await reasonOf(() => creator.hear(new Uint8Array(9), AT)), "malformed");
  assertEquals(await reasonOf(() => creator.hear(new Uint8Array(9), AT)), "malformed");
});

Deno.test("CodeMeeting.burn() names what the caller knows", async () => {
  const [joiner, creator] = [await joins(ada), await creates(ben)];
  const [answer] = await creator.hear(await joiner.begin(), AT);
  joiner.burn("timeout");
  assertEquals(await reasonOf(() => joiner.hear(answer as Bytes, AT)), "timeout");
});

Deno.test("CodeMeeting: a sixth message is refused, and what was proven is gone", async () => {
  const [joiner, creator] = [await joins(ada), await creates(ben)];
  await carry(joiner, creator);
  assertEquals(await reasonOf(() => joiner.hear(new Uint8Array(100), AT)), "wrongIdentity");
  assertEquals(joiner.proven, undefined);
});
