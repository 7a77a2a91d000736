// Aim: whoever does not know the words gets one guess and nothing else; every refusal burns the try under its name.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { decodeHex } from "@std/encoding/hex";
import { AuthError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat, utf8 } from "../../lib/bytes/writer.ts";
import { generateDhKeyPair } from "../../lib/crypto/dh.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import type { BurnReason } from "../../lib/pake/burn_reason.ts";
import {
  decodeAnswer,
  decodeAssociated,
  decodeOpening,
  encodeAnswer,
  encodeAssociated,
  encodeOpening,
  type PakeAssociated,
} from "../../lib/pake/code_messages.ts";
import type { CodePake, CodePakeOptions } from "../../lib/pake/code_pake.ts";
import { SMALL_ORDER_U_HEX } from "../support/vectors.ts";
import { creator, joiner, play } from "./_pair.ts";

/** The call throws, and the try is burnt for that reason, for ever. */
async function assertBurns(pake: CodePake, call: () => Promise<unknown>, reason: BurnReason): Promise<void> {
  await assertRejects(call, AuthError, "Cannot agree by code");
  assertEquals([pake.phase, pake.burnReason], ["burnt", reason]);
}

/** Plays until the first refusal: the answer goes out, the initiator refuses it and never sends its tag. */
async function assertNoAgreement(initiator: CodePake, responder: CodePake): Promise<void> {
  const answer = await responder.answer(await initiator.open());
  await assertBurns(initiator, () => initiator.confirm(answer), "wrongCode");
  assertEquals(responder.phase, "toFinish"); // it has given out nothing of what the other said, and waits
  await assertBurns(responder, () => responder.finish(secureRandom(64)), "wrongCode");
}

const DIFFERENT: Readonly<Record<string, Partial<CodePakeOptions>>> = {
  "another word": { prs: utf8("able-sunset-violet") },
  "the words in another order": { prs: utf8("sunset-able-violin") },
  "another mailbox": { mailbox: utf8("7KQ3") },
  "another half of the session id (I)": { initiatorSid: secureRandom(16) },
  "another half of the session id (R)": { responderSid: secureRandom(16) },
};

for (const [what, changes] of Object.entries(DIFFERENT)) {
  Deno.test(`CodePake with ${what} burns on both sides, whoever has it`, async () => {
    await assertNoAgreement(joiner(changes), creator());
    await assertNoAgreement(joiner(), creator(changes));
  });
}

Deno.test("CodePake with the halves of the session id swapped burns on both sides", async () => {
  const [one, other] = [secureRandom(16), secureRandom(16)];
  await assertNoAgreement(
    joiner({ initiatorSid: one, responderSid: other }),
    creator({ initiatorSid: other, responderSid: one }),
  );
});

Deno.test("CodePake gives a joiner with the wrong words nothing to try a second guess with", async () => {
  const responder = creator();
  const guesser = joiner({ prs: utf8("zoo-zoo-zoo") });
  await responder.answer(await guesser.open());
  await assertBurns(responder, () => responder.finish(secureRandom(64)), "wrongCode");
  const second = await joiner().open(); // with the right words now: too late
  await assertRejects(() => responder.answer(second), Error, "it is burnt");
});

Deno.test("CodePake burns on every flipped byte of the opening, on the spot or at the tag", async () => {
  const length = (await joiner().open()).length;
  for (let i = 0; i < length; i++) {
    const [initiator, responder] = [joiner(), creator()];
    const changed = flip(await initiator.open(), i);
    const answer = await responder.answer(changed).catch((error: Error) => error);
    if (answer instanceof Error) {
      assert(answer instanceof AuthError, `byte ${i}: ${answer}`);
      assertEquals(responder.phase, "burnt");
    } else {
      await assertBurns(initiator, () => initiator.confirm(answer), "wrongCode");
    }
  }
});

Deno.test("CodePake burns on every flipped byte of the answer", async () => {
  const length = (await creator().answer(await joiner().open())).length;
  for (let i = 0; i < length; i++) {
    const [initiator, responder] = [joiner(), creator()];
    const answer = await responder.answer(await initiator.open());
    await assertRejects(() => initiator.confirm(flip(answer, i)), AuthError, "Cannot agree by code");
    assertEquals(initiator.phase, "burnt");
    await assertRejects(() => initiator.confirm(answer), Error, "it is burnt"); // the honest one comes too late
  }
});

Deno.test("CodePake burns on every flipped byte of the tag, and on a tag of another length", async () => {
  const change: ((tag: Bytes) => Bytes)[] = Array.from({ length: 64 }, (_, i) => (tag: Bytes) => flip(tag, i));
  for (const changed of change) {
    const [initiator, responder] = [joiner(), creator()];
    const { tag } = await initiator.confirm(await responder.answer(await initiator.open()));
    await assertBurns(responder, () => responder.finish(changed(tag)), "wrongCode");
    await assertRejects(() => responder.finish(tag), Error, "it is burnt");
  }
  for (const cut of [(tag: Bytes) => tag.slice(0, 63), (tag: Bytes) => concat(tag, tag), () => new Uint8Array(0)]) {
    const [initiator, responder] = [joiner(), creator()];
    const { tag } = await initiator.confirm(await responder.answer(await initiator.open()));
    await assertBurns(responder, () => responder.finish(cut(tag)), "malformed");
  }
});

Deno.test("CodePake burns on every truncation of its messages", async () => {
  const opening = await joiner().open();
  for (let length = 0; length < opening.length; length++) {
    const responder = creator();
    await assertBurns(responder, () => responder.answer(opening.slice(0, length)), "malformed");
  }
  const answer = await creator().answer(opening);
  for (let length = 0; length < answer.length; length += 7) {
    const initiator = joiner();
    await initiator.open();
    await assertBurns(initiator, () => initiator.confirm(answer.slice(0, length)), "malformed");
  }
});

Deno.test("CodePake gives the creator nothing when the last tag is dropped", async () => {
  const [initiator, responder] = [joiner(), creator()];
  const answer = await responder.answer(await initiator.open());
  const { tag } = await initiator.confirm(answer);
  assertEquals(responder.phase, "toFinish");
  responder.burn("timeout");
  assertEquals(responder.burnReason, "timeout");
  await assertRejects(() => responder.finish(tag), Error, "it is burnt");
});

Deno.test("CodePake refuses shares of small order in every spelling, in the opening and in the answer", async () => {
  for (const hex of SMALL_ORDER_U_HEX) {
    const y = decodeHex(hex);
    const [initiator, responder] = [joiner(), creator()];
    const opening = await initiator.open();
    const weakOpening = encodeOpening({ ...decodeOpening(opening), y });
    const refusing = creator();
    await assertBurns(refusing, () => refusing.answer(weakOpening), "weakKey");
    const { share, tag } = decodeAnswer(await responder.answer(opening));
    const weakAnswer = encodeAnswer({ share: { ...share, y }, tag });
    await assertBurns(initiator, () => initiator.confirm(weakAnswer), "weakKey");
  }
});

Deno.test("CodePake refuses shares that are not canonical, and ratchet keys that no honest party has", async () => {
  const opening = decodeOpening(await joiner().open());
  const spelled = opening.y.slice();
  spelled[31] = (spelled[31] as number) | 0x80;
  const strict = creator();
  await assertBurns(strict, () => strict.answer(encodeOpening({ ...opening, y: spelled })), "weakKey");
  for (const hex of SMALL_ORDER_U_HEX) {
    const ad = changeAssociated(opening.ad, { ratchetPublic: decodeHex(hex) });
    const responder = creator();
    await assertBurns(responder, () => responder.answer(encodeOpening({ ...opening, ad })), "weakKey");
  }
});

Deno.test("CodePake refuses its own share as the answer, in each spelling and in the other role", async () => {
  for (const change of [(y: Bytes) => y, topBit]) {
    const initiator = joiner();
    const { y, ad } = decodeOpening(await initiator.open());
    const disguised = changeAssociated(ad, {
      role: "responder",
      certificate: utf8("somebody else"),
      ratchetPublic: (await generateDhKeyPair()).publicBytes,
      random: secureRandom(16),
    });
    const reflected = encodeAnswer({ share: { y: change(y), ad: disguised }, tag: secureRandom(64) });
    const reason = change === topBit ? "weakKey" : "reflected";
    await assertBurns(initiator, () => initiator.confirm(reflected), reason);
  }
});

Deno.test("CodePake refuses its own role, from whomever", async () => {
  const other = joiner({ certificate: utf8("another"), ratchetPublic: (await generateDhKeyPair()).publicBytes });
  const share = decodeOpening(await other.open());
  const initiator = joiner();
  await initiator.open();
  const answer = encodeAnswer({ share, tag: secureRandom(64) });
  await assertBurns(initiator, () => initiator.confirm(answer), "reflected");

  const { share: ofResponder } = decodeAnswer(await creator().answer(await joiner().open()));
  const responder = creator({ certificate: utf8("another"), ratchetPublic: share.y });
  await assertBurns(responder, () => responder.answer(encodeOpening(ofResponder)), "reflected");
});

Deno.test("CodePake refuses its own opening as an opening when one program plays both roles", async () => {
  const fields = { certificate: utf8("mine"), ratchetPublic: (await generateDhKeyPair()).publicBytes };
  const [initiator, responder] = [joiner(fields), creator(fields)];
  const opening = await initiator.open();
  await assertBurns(responder, () => responder.answer(opening), "reflected");
});

Deno.test("CodePake refuses an answer with one field of its own", async () => {
  for (const field of ["certificate", "ratchetPublic", "random"] as const) {
    const [initiator, responder] = [joiner(), creator()];
    const opening = await initiator.open();
    const own = decodeAssociated(decodeOpening(opening).ad);
    const { share, tag } = decodeAnswer(await responder.answer(opening));
    const ad = changeAssociated(share.ad, { [field]: own[field] });
    const changed = encodeAnswer({ share: { ...share, ad }, tag });
    await assertBurns(initiator, () => initiator.confirm(changed), "reflected");
  }
});

Deno.test("CodePake burns when somebody between changes what either said", async () => {
  const other = (await generateDhKeyPair()).publicBytes;
  const changes = [{ certificate: utf8("forged") }, { ratchetPublic: other }, { random: secureRandom(16) }];
  for (const change of changes) {
    const [initiator, responder] = [joiner(), creator()];
    const { y, ad } = decodeOpening(await initiator.open());
    const answer = await responder.answer(encodeOpening({ y, ad: changeAssociated(ad, change) }));
    await assertBurns(initiator, () => initiator.confirm(answer), "wrongCode");

    const [again, honest] = [joiner(), creator()];
    const { share, tag } = decodeAnswer(await honest.answer(await again.open()));
    const changed = encodeAnswer({ share: { ...share, ad: changeAssociated(share.ad, change) }, tag });
    await assertBurns(again, () => again.confirm(changed), "wrongCode");
  }
});

Deno.test("CodePake takes no message of another run of the same code", async () => {
  const before = await play(joiner(), creator());
  const initiator = joiner();
  await initiator.open();
  await assertBurns(initiator, () => initiator.confirm(before.answer), "wrongCode");
  const responder = creator();
  await responder.answer(before.opening); // a replayed opening gets an answer, which its owner could use alone
  await assertBurns(responder, () => responder.finish(before.tag), "wrongCode");
});

Deno.test("CodePake refuses the responder's own tag as the initiator's", async () => {
  const [initiator, responder] = [joiner(), creator()];
  const { tag } = decodeAnswer(await responder.answer(await initiator.open()));
  await assertBurns(responder, () => responder.finish(tag), "wrongCode");
});

Deno.test("CodePake against somebody between with own shares burns on both sides", async () => {
  const [initiator, responder] = [joiner(), creator()];
  const wrong = { prs: utf8("guess-guess-guess") };
  const towardsInitiator = creator(wrong);
  const towardsResponder = joiner(wrong);
  const fake = await towardsInitiator.answer(await initiator.open());
  await assertBurns(initiator, () => initiator.confirm(fake), "wrongCode");
  await responder.answer(await towardsResponder.open());
  await assertBurns(responder, () => responder.finish(secureRandom(64)), "wrongCode");
});

Deno.test("CodePake never tells words, keys or what was said in its errors", async () => {
  const [initiator, responder] = [joiner(), creator({ prs: utf8("zoo-zoo-zoo") })];
  const answer = await responder.answer(await initiator.open());
  const error = await assertRejects(() => initiator.confirm(answer), AuthError);
  assertEquals(error.message, "Cannot agree by code: the tag does not verify");
  assertEquals(error.cause, undefined);
  assertEquals(JSON.stringify(initiator), "{}"); // nothing to be printed by accident
});

function flip(bytes: Bytes, index: number): Bytes {
  const copy = bytes.slice();
  copy[index] = (copy[index] as number) ^ 1;
  return copy;
}

function topBit(y: Bytes): Bytes {
  const copy = y.slice();
  copy[31] = (copy[31] as number) | 0x80;
  return copy;
}

function changeAssociated(ad: Bytes, change: Partial<PakeAssociated>): Bytes {
  return encodeAssociated({ ...decodeAssociated(ad), ...change });
}
