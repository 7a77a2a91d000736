// Aim: two who know the same words agree, step by step, and no step can be taken twice or out of turn.
import { assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { AuthError, ProtocolError } from "../../lib/bytes/errors.ts";
import { concat, label, lvCat, u8, utf8 } from "../../lib/bytes/writer.ts";
import { sha256 } from "../../lib/crypto/hash.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { pakeAssociatedData, pakeChannel, pakeIdentityProof } from "../../lib/pake/code_keys.ts";
import { CodePake } from "../../lib/pake/code_pake.ts";
import { creator, joiner, play } from "./_pair.ts";

Deno.test("CodePake gives both one key, one name of the run and what the other said", async () => {
  const [initiator, responder] = [joiner(), creator()];
  const { joined, created } = await play(initiator, responder);
  assertEquals(joined.sharedKey, created.sharedKey);
  assertEquals(joined.sidOutput, created.sidOutput);
  assertEquals([joined.sharedKey.length, joined.sidOutput.length], [32, 64]);
  assertEquals([joined.peer.role, created.peer.role], ["responder", "initiator"]);
  assertEquals(joined.peer.certificate, utf8("the creator's certificate"));
  assertEquals(created.peer.certificate, utf8("the joiner's certificate"));
  assertEquals([initiator.phase, responder.phase], ["agreed", "agreed"]);
  assertEquals([initiator.burnReason, responder.burnReason], [undefined, undefined]);
});

Deno.test("CodePake never gives one key, name or message twice, with the same words too", async () => {
  const runs = await Promise.all(Array.from({ length: 8 }, () => play(joiner(), creator())));
  for (const field of ["opening", "answer", "tag"] as const) {
    assertEquals(new Set(runs.map((run) => encodeHex(run[field]))).size, runs.length);
  }
  for (const field of ["sharedKey", "sidOutput"] as const) {
    assertEquals(new Set(runs.map((run) => encodeHex(run.joined[field]))).size, runs.length);
  }
});

Deno.test("CodePake takes the hash of a link for a mailbox, and certificates of the longest length", async () => {
  const mailbox = secureRandom(32);
  const [one, other] = [secureRandom(1_024), secureRandom(1_024)];
  const { joined, created } = await play(
    joiner({ mailbox, certificate: one }),
    creator({ mailbox, certificate: other }),
  );
  assertEquals([joined.peer.certificate, created.peer.certificate], [other, one]);
});

Deno.test("CodePake is not changed by what the caller does to its bytes afterwards", async () => {
  const options = { prs: utf8("able-sunset-violin"), mailbox: utf8("7KQ2"), certificate: utf8("mine") };
  const initiator = joiner(options);
  for (const bytes of Object.values(options)) bytes.fill(0);
  const { created } = await play(initiator, creator());
  assertEquals(created.peer.certificate, utf8("mine"));
});

Deno.test("CodePake refuses every call that is not due and is unchanged by it", async () => {
  const calls = {
    open: (pake: CodePake) => pake.open(),
    answer: (pake: CodePake) => pake.answer(new Uint8Array(0)),
    confirm: (pake: CodePake) => pake.confirm(new Uint8Array(0)),
    finish: (pake: CodePake) => pake.finish(new Uint8Array(0)),
  };
  const refuseAllBut = async (pake: CodePake, due: keyof typeof calls | undefined) => {
    const phase = pake.phase;
    for (const [name, call] of Object.entries(calls)) {
      if (name !== due) await assertRejects(() => call(pake), ProtocolError, `Cannot ${name}`);
    }
    assertEquals(pake.phase, phase);
  };
  const [initiator, responder] = [joiner(), creator()];
  await refuseAllBut(initiator, "open");
  await refuseAllBut(responder, "answer");
  const opening = await initiator.open();
  await refuseAllBut(initiator, "confirm");
  const answer = await responder.answer(opening);
  await refuseAllBut(responder, "finish");
  const { tag } = await initiator.confirm(answer);
  await refuseAllBut(initiator, undefined);
  await responder.finish(tag);
  await refuseAllBut(responder, undefined);
  const burnt = joiner();
  burnt.burn("cancelled");
  await refuseAllBut(burnt, undefined);
});

Deno.test("CodePake lets one of two overlapping calls in", async () => {
  const [initiator, responder] = [joiner(), creator()];
  const settle = async (calls: readonly Promise<unknown>[]) =>
    (await Promise.allSettled(calls)).map((result) =>
      result.status === "fulfilled" ? "done" : (result.reason as Error).name
    );
  assertEquals(await settle([initiator.open(), initiator.open()]), ["done", "ProtocolError"]);
  const opening = await joiner().open();
  assertEquals(await settle([responder.answer(opening), responder.answer(opening)]), ["done", "ProtocolError"]);
  assertEquals([initiator.phase, responder.phase], ["toConfirm", "toFinish"]);
});

Deno.test("CodePake.burn() ends a try in any phase but the last, and keeps the first reason", async () => {
  for (const reason of ["timeout", "lineBroken", "cancelled"] as const) {
    const [initiator, responder] = [joiner(), creator()];
    await responder.answer(await initiator.open());
    for (const pake of [joiner(), creator(), initiator, responder]) {
      pake.burn(reason);
      pake.burn("cancelled");
      assertEquals([pake.phase, pake.burnReason], ["burnt", reason]);
    }
  }
  const [initiator, responder] = [joiner(), creator()];
  await play(initiator, responder);
  initiator.burn("lineBroken");
  assertEquals([initiator.phase, initiator.burnReason], ["agreed", undefined]);
});

Deno.test("CodePake.burn() while a call runs wins: the call gives out nothing", async () => {
  const prepare = async (due: "open" | "answer" | "confirm" | "finish") => {
    const [initiator, responder] = [joiner(), creator()];
    if (due === "open") return { pake: initiator, start: () => initiator.open() };
    const opening = await initiator.open();
    if (due === "answer") return { pake: responder, start: () => responder.answer(opening) };
    const answer = await responder.answer(opening);
    if (due === "confirm") return { pake: initiator, start: () => initiator.confirm(answer) };
    const { tag } = await initiator.confirm(answer);
    return { pake: responder, start: () => responder.finish(tag) };
  };
  for (const due of ["open", "answer", "confirm", "finish"] as const) {
    const { pake, start } = await prepare(due);
    const call: Promise<unknown> = start();
    assertEquals(pake.phase, "working");
    pake.burn("timeout");
    await assertRejects(() => call, AuthError, "no answer came in time");
    assertEquals([pake.phase, pake.burnReason], ["burnt", "timeout"]);
  }
});

Deno.test("new CodePake() refuses fields of another length, no words and no mailbox", () => {
  for (const lengthBytes of [0, 15, 17]) {
    assertThrows(() => joiner({ initiatorSid: new Uint8Array(lengthBytes) }), RangeError);
    assertThrows(() => joiner({ responderSid: new Uint8Array(lengthBytes) }), RangeError);
  }
  for (const lengthBytes of [0, 31, 33]) {
    assertThrows(() => joiner({ ratchetPublic: new Uint8Array(lengthBytes) }), RangeError);
  }
  for (const lengthBytes of [0, 1_025]) {
    assertThrows(() => joiner({ certificate: new Uint8Array(lengthBytes) }), RangeError);
  }
  assertThrows(() => joiner({ prs: new Uint8Array(0) }), RangeError);
  assertThrows(() => joiner({ mailbox: new Uint8Array(0) }), RangeError);
});

Deno.test("CodePake burns and lets a bug of ours surface", async () => {
  const initiator = joiner({ random: (lengthBytes) => new Uint8Array(lengthBytes === 32 ? 31 : lengthBytes) });
  await assertRejects(() => initiator.open(), RangeError, "31 bytes");
  assertEquals(initiator.burnReason, "failed");
});

Deno.test("pakeAssociatedData(), pakeIdentityProof() and pakeChannel() have the bytes of PROTOCOL §5", async () => {
  const sidOutput = secureRandom(64);
  assertEquals(await pakeAssociatedData(sidOutput), await sha256(concat(label("pake ad"), sidOutput)));
  assertEquals(pakeIdentityProof("initiator", sidOutput), concat(label("pake id"), lvCat(u8(1), sidOutput)));
  assertEquals(pakeIdentityProof("responder", sidOutput), concat(label("pake id"), lvCat(u8(2), sidOutput)));
  assertNotEquals(pakeIdentityProof("responder", sidOutput), pakeIdentityProof("initiator", sidOutput));
  assertEquals(pakeChannel(utf8("7KQ2")), concat(u8(13), utf8("sotto/1 pake\0"), u8(4), utf8("7KQ2")));
});
