// Aim: an honest handshake ends the same on both sides; anything else ends it for ever, with the right error.
import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import fc from "fast-check";
import { AuthError, ProtocolError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat, utf8 } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { NOISE_MESSAGE_MAX_BYTES } from "../../lib/noise/cipher_state.ts";
import { HandshakeState } from "../../lib/noise/handshake_state.ts";
import { XX, XX_PSK3 } from "../../lib/noise/patterns.ts";
import {
  finish,
  initiatorOptions,
  OVERHEAD_BYTES,
  PATTERNS,
  PAYLOADS,
  responderOptions,
  runUpTo,
  startEnds,
} from "./_join.ts";

const EMPTY = new Uint8Array(0);

for (const pattern of PATTERNS) {
  const name = pattern.protocolName;

  Deno.test(`HandshakeState of ${name} agrees on hash, static keys and both directions`, async () => {
    const ends = await startEnds(pattern);
    assertEquals(ends.initiator.isFinished, false);
    await finish(ends);
    assert(ends.initiator.isFinished && ends.responder.isFinished);
    assertEquals(ends.initiator.handshakeHash, ends.responder.handshakeHash);
    assertEquals(ends.initiator.remoteStatic, responderOptions(pattern).staticKeyPair.publicBytes);
    assertEquals(ends.responder.remoteStatic, initiatorOptions(pattern).staticKeyPair.publicBytes);

    const [ofInitiator, ofResponder] = [await ends.initiator.split(), await ends.responder.split()];
    const there = await ofInitiator.sending.encryptWithAd(EMPTY, utf8("there"));
    const back = await ofResponder.sending.encryptWithAd(EMPTY, utf8("there"));
    assertNotEquals(there, back, "the two directions must not share a key");
    assertEquals(await ofResponder.receiving.decryptWithAd(EMPTY, there), utf8("there"));
    assertEquals(await ofInitiator.receiving.decryptWithAd(EMPTY, back), utf8("there"));
  });

  Deno.test(`HandshakeState of ${name} does not read its own messages back`, async () => {
    const ends = await startEnds(pattern);
    await finish(ends);
    const { sending, receiving } = await ends.initiator.split();
    await assertRejects(
      async () => receiving.decryptWithAd(EMPTY, await sending.encryptWithAd(EMPTY, EMPTY)),
      AuthError,
    );
  });

  Deno.test(`HandshakeState.writeMessage() of ${name} adds what the pattern says and no more`, async () => {
    for (const [i, overhead] of (OVERHEAD_BYTES[name] ?? []).entries()) {
      const { message } = await runUpTo(await startEnds(pattern), i);
      assertEquals(message.length, overhead + (PAYLOADS[i] as Bytes).length);
    }
  });

  Deno.test(`HandshakeState.writeMessage() of ${name} takes the longest payload and refuses one byte more`, async () => {
    for (const [i, overhead] of (OVERHEAD_BYTES[name] ?? []).entries()) {
      const ends = await startEnds(pattern);
      if (i > 0) {
        const { message, reader } = await runUpTo(ends, i - 1);
        await reader.readMessage(message);
      }
      const [writer, reader] = i % 2 === 0 ? [ends.initiator, ends.responder] : [ends.responder, ends.initiator];
      const longest = new Uint8Array(NOISE_MESSAGE_MAX_BYTES - overhead);
      await assertRejects(() => writer.writeMessage(concat(longest, Uint8Array.of(0))), RangeError, "65536");
      const message = await writer.writeMessage(longest); // a refused payload has changed nothing
      assertEquals(message.length, NOISE_MESSAGE_MAX_BYTES);
      assertEquals(await reader.readMessage(message), longest);
    }
  });

  Deno.test(`HandshakeState of ${name} is closed for ever by a read that fails`, async () => {
    for (const index of [1, 2]) {
      const ends = await startEnds(pattern);
      const { message, reader } = await runUpTo(ends, index);
      const forged = message.slice();
      forged[message.length - 1] = (forged.at(-1) as number) ^ 1;
      await assertRejects(() => reader.readMessage(forged), AuthError);
      await assertRejects(() => reader.readMessage(message), ProtocolError, "an earlier step failed");
      await assertRejects(() => reader.writeMessage(EMPTY), ProtocolError, "an earlier step failed");
      await assertRejects(() => reader.split(), ProtocolError, "an earlier step failed");
      assertThrows(() => reader.handshakeHash, ProtocolError);
      assertEquals(reader.isFinished, false);
      assertEquals(reader.remoteStatic, undefined, "a key out of a refused message must not be seen");
    }
  });

  Deno.test(`HandshakeState of ${name} refuses calls out of turn and goes on unharmed`, async () => {
    const ends = await startEnds(pattern);
    const { initiator, responder } = ends;
    await assertRejects(() => initiator.readMessage(new Uint8Array(200)), ProtocolError, "our turn");
    await assertRejects(() => responder.writeMessage(EMPTY), ProtocolError, "the peer's turn");
    await assertRejects(() => initiator.split(), ProtocolError, "our turn");
    assertThrows(() => initiator.handshakeHash, ProtocolError, "not finished");
    await finish(ends);
    for (const end of [initiator, responder]) {
      await assertRejects(() => end.writeMessage(EMPTY), ProtocolError, "finished");
      await assertRejects(() => end.readMessage(EMPTY), ProtocolError, "finished");
      await end.split();
      await assertRejects(() => end.split(), ProtocolError, "is split");
      assert(end.isFinished && end.handshakeHash.length === 32);
    }
  });

  Deno.test(`HandshakeState of ${name} never lets two calls overlap`, async () => {
    const ends = await startEnds(pattern);
    const first = ends.initiator.writeMessage(EMPTY);
    await assertRejects(() => ends.initiator.writeMessage(EMPTY), ProtocolError, "another call is running");
    await assertRejects(() => ends.initiator.readMessage(EMPTY), ProtocolError, "another call is running");
    await ends.responder.readMessage(await first);
  });

  Deno.test(`HandshakeState.split() of ${name} gives its keys to one of two overlapping calls`, async () => {
    const ends = await startEnds(pattern);
    await finish(ends);
    const results = await Promise.allSettled([ends.initiator.split(), ends.initiator.split()]);
    assertEquals(results.map(({ status }) => status), ["fulfilled", "rejected"]);
  });

  Deno.test(`HandshakeState.remoteStatic of ${name} is known to the initiator between messages 2 and 3`, async () => {
    const ends = await startEnds(pattern);
    const { message } = await runUpTo(ends, 1);
    assertEquals(ends.initiator.remoteStatic, undefined);
    await ends.initiator.readMessage(message);
    assertEquals(ends.initiator.remoteStatic, responderOptions(pattern).staticKeyPair.publicBytes);
    assertEquals(ends.responder.remoteStatic, undefined);
  });

  Deno.test(`HandshakeState of ${name} never shows a static key or a later payload in the clear`, async () => {
    for (const index of [1, 2]) {
      const hex = encodeHex((await runUpTo(await startEnds(pattern), index)).message);
      for (const options of [initiatorOptions(pattern), responderOptions(pattern)]) {
        assert(!hex.includes(encodeHex(options.staticKeyPair.publicBytes)));
      }
      assert(!hex.includes(encodeHex(PAYLOADS[index] as Bytes)));
    }
  });

  Deno.test(`HandshakeState of ${name} carries any payloads and never makes the same hash twice`, async () => {
    const payload = fc.uint8Array({ maxLength: 2_000, size: "max" });
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.tuple(payload, payload, payload), async (payloads) => {
        const fresh = { random: secureRandom };
        const { initiator, responder } = await startEnds(pattern, { initiator: fresh, responder: fresh });
        for (const [i, bytes] of payloads.entries()) {
          const [writer, reader] = i % 2 === 0 ? [initiator, responder] : [responder, initiator];
          const message = await writer.writeMessage(bytes.slice());
          assertEquals(await reader.readMessage(message), bytes.slice());
        }
        assertEquals(initiator.handshakeHash, responder.handshakeHash);
        const hash = encodeHex(initiator.handshakeHash);
        assert(!seen.has(hash));
        seen.add(hash);
      }),
      { numRuns: 30 },
    );
  });
}

Deno.test("HandshakeState of XXpsk3 does not start without its psk, nor XX with one", async () => {
  for (const lengthBytes of [0, 31, 33]) {
    const options = initiatorOptions(XX_PSK3, { psk: new Uint8Array(lengthBytes) });
    await assertRejects(() => HandshakeState.create(options), RangeError, `the psk has ${lengthBytes} bytes, not 32`);
  }
  const { psk: _none, ...without } = initiatorOptions(XX_PSK3);
  await assertRejects(() => HandshakeState.create(without), RangeError, "the psk has 0 bytes");
  const tooMuch = initiatorOptions(XX, { psk: new Uint8Array(32) });
  await assertRejects(() => HandshakeState.create(tooMuch), RangeError, "not 0");
});
