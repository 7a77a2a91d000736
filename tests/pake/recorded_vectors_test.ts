// Aim: nothing of a session by code changes its bytes, also where the official vectors are not at hand.
// Origin: our own implementation, recorded by tests/vectors/record_pake.ts while the official vectors passed.
import { assert, assertEquals } from "@std/assert";
import { decodeHex, encodeHex } from "@std/encoding/hex";
import { utf8 } from "../../lib/bytes/writer.ts";
import { x25519 } from "../../lib/crypto/dh.ts";
import { decodeAnswer, decodeAssociated, decodeOpening } from "../../lib/pake/code_messages.ts";
import { CodePake } from "../../lib/pake/code_pake.ts";
import { calculateGenerator, confirmationTag, deriveIsk, deriveSidOutput } from "../../lib/pake/cpace.ts";
import { elligator2 } from "../../lib/pake/elligator2.ts";
import recorded from "../vectors/pake.json" with { type: "json" };
import { recordPake } from "../vectors/record_pake.ts";

Deno.test("recordPake() makes tests/vectors/pake.json again, byte for byte", async () => {
  assertEquals<unknown>(await recordPake(), recorded);
});

Deno.test("elligator2() gives the recorded points", () => {
  assert(recorded.elligator2.length > 0);
  for (const { element, u } of recorded.elligator2) assertEquals(encodeHex(elligator2(decodeHex(element))), u);
});

Deno.test("CPace gives the recorded values to both", async () => {
  assert(recorded.cpace.length > 0);
  for (const vector of recorded.cpace) {
    const [sid, ya, yb] = [decodeHex(vector.sid), decodeHex(vector.ya), decodeHex(vector.yb)];
    const g = await calculateGenerator({ prs: decodeHex(vector.prs), ci: decodeHex(vector.ci), sid });
    assertEquals(encodeHex(g), vector.g);
    const initiator = { y: decodeHex(vector.yaPublic), ad: decodeHex(vector.adA) };
    const responder = { y: decodeHex(vector.ybPublic), ad: decodeHex(vector.adB) };
    assertEquals([await x25519(ya, g), await x25519(yb, g)], [initiator.y, responder.y]);
    const shares = { initiator, responder };
    for (const k of [await x25519(ya, responder.y), await x25519(yb, initiator.y)]) {
      assertEquals(encodeHex(await deriveIsk(sid, k, shares)), vector.isk);
    }
    assertEquals(encodeHex(await deriveSidOutput(shares)), vector.sidOutput);
    const isk = decodeHex(vector.isk);
    assertEquals(encodeHex(await confirmationTag(sid, isk, initiator)), vector.ta);
    assertEquals(encodeHex(await confirmationTag(sid, isk, responder)), vector.tb);
  }
});

Deno.test("CodePake answers recorded bytes with the recorded bytes", async () => {
  // The recorded bytes alone, without our writer: a writer and a reader that err alike would pass every other test.
  assert(recorded.code.length > 0);
  for (const vector of recorded.code) {
    const draws = decodeHex(vector.responderDraws);
    let offset = 0;
    const responder = new CodePake({
      role: "responder",
      prs: decodeHex(vector.prs),
      mailbox: decodeHex(vector.mailbox),
      initiatorSid: decodeHex(vector.initiatorSid),
      responderSid: decodeHex(vector.responderSid),
      certificate: utf8("certificate of the responder"),
      ratchetPublic: decodeAssociated(decodeAnswer(decodeHex(vector.answer)).share.ad).ratchetPublic,
      random: (lengthBytes) => draws.slice(offset, offset += lengthBytes),
    });
    assertEquals(encodeHex(await responder.answer(decodeHex(vector.opening))), vector.answer);
    const outcome = await responder.finish(decodeHex(vector.tag));
    assertEquals(encodeHex(outcome.sharedKey), vector.sharedKey);
    assertEquals(encodeHex(outcome.sidOutput), vector.sidOutput);
    assertEquals(outcome.peer, decodeAssociated(decodeOpening(decodeHex(vector.opening)).ad));
    assertEquals(outcome.peer.certificate, utf8("certificate of the initiator"));
  }
});
