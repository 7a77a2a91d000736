// Aim: whatever is not the honest message is refused, with the error that names whose doing it is.
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { decodeHex, encodeHex } from "@std/encoding/hex";
import fc from "fast-check";
import { AuthError, DecodeError, ProtocolError } from "../../lib/bytes/errors.ts";
import { concat, utf8 } from "../../lib/bytes/writer.ts";
import { DH_BYTES } from "../../lib/crypto/dh.ts";
import { NOISE_MESSAGE_MAX_BYTES } from "../../lib/noise/cipher_state.ts";
import { XX, XX_PSK3 } from "../../lib/noise/patterns.ts";
import { SMALL_ORDER_U_HEX } from "../support/vectors.ts";
import { isRefused, OVERHEAD_BYTES, pairFromNumber, PATTERNS, runUpTo, seed, startEnds } from "./_join.ts";

const EMPTY = new Uint8Array(0);

for (const pattern of PATTERNS) {
  const name = pattern.protocolName;

  for (const index of [0, 1, 2]) {
    Deno.test(`HandshakeState.readMessage() of ${name} refuses message ${index + 1} with any byte flipped`, async () => {
      const { message } = await runUpTo(await startEnds(pattern), index);
      for (let i = 0; i < message.length; i++) {
        for (const mask of [0x01, 0x80]) {
          const forged = message.slice();
          forged[i] = (forged[i] as number) ^ mask;
          if (index === 0) {
            // The first message of XX has no tag; the difference in `h` fails the second one's.
            assert(await isRefused(await startEnds(pattern), index, forged), `byte ${i} ^ ${mask}`);
          } else {
            const { reader } = await runUpTo(await startEnds(pattern), index);
            await assertRejects(() => reader.readMessage(forged), AuthError);
          }
        }
      }
    });

    Deno.test(`HandshakeState.readMessage() of ${name} refuses every truncation of message ${index + 1}`, async () => {
      const { message } = await runUpTo(await startEnds(pattern), index);
      const overhead = OVERHEAD_BYTES[name]?.[index] as number;
      for (let length = 0; length < message.length; length++) {
        if (pattern === XX && index === 0 && length >= overhead) {
          // A cut payload in the clear; the difference in `h` fails the second message.
          assert(await isRefused(await startEnds(pattern), index, message.slice(0, length)), `${length} bytes`);
          continue;
        }
        const { reader } = await runUpTo(await startEnds(pattern), index);
        const due = length < overhead ? DecodeError : AuthError;
        await assertRejects<Error>(() => reader.readMessage(message.slice(0, length)), due);
      }
    });

    Deno.test(`HandshakeState.readMessage() of ${name} refuses message ${index + 1} with a byte more`, async () => {
      const { message } = await runUpTo(await startEnds(pattern), index);
      assert(await isRefused(await startEnds(pattern), index, concat(message, Uint8Array.of(0))));
    });

    Deno.test(`HandshakeState.readMessage() of ${name} refuses random bytes as message ${index + 1}`, async () => {
      const input = fc.uint8Array({ minLength: 0, maxLength: 600, size: "max" });
      await fc.assert(
        fc.asyncProperty(input, async (bytes) => {
          const { message, reader } = await runUpTo(await startEnds(pattern), index);
          const due = OVERHEAD_BYTES[name]?.[index] as number;
          fc.pre(encodeHex(bytes) !== encodeHex(message));
          if (pattern === XX && index === 0 && bytes.length >= due) {
            await reader.readMessage(bytes.slice()); // any 32 bytes are a key, what follows is a clear payload
            return;
          }
          const error = await assertRejects(() => reader.readMessage(bytes.slice()));
          assertInstanceOf<Error>(error, bytes.length < due ? DecodeError : AuthError);
        }),
        { numRuns: 100 },
      );
    });
  }

  Deno.test(`HandshakeState.readMessage() of ${name} refuses 65,536 bytes before it looks at them`, async () => {
    const { responder } = await startEnds(pattern);
    await assertRejects(() => responder.readMessage(new Uint8Array(NOISE_MESSAGE_MAX_BYTES + 1)), DecodeError, "65536");
  });

  Deno.test(`HandshakeState of ${name} refuses an ephemeral key of small order from either side`, async () => {
    for (const hex of SMALL_ORDER_U_HEX) {
      const point = decodeHex(hex);
      const toResponder = await startEnds(pattern);
      const first = (await runUpTo(toResponder, 0)).message;
      if (pattern === XX) {
        await toResponder.responder.readMessage(concat(point, first.slice(DH_BYTES)));
        // Nothing has used the key yet: the first use of it is our own answer, which is never made.
        await assertRejects(() => toResponder.responder.writeMessage(EMPTY), AuthError, "order is small");
        await assertRejects(() => toResponder.responder.writeMessage(EMPTY), ProtocolError, "an earlier step failed");
      } else {
        const forged = concat(point, first.slice(DH_BYTES));
        await assertRejects(() => toResponder.responder.readMessage(forged), AuthError);
      }
      const toInitiator = await startEnds(pattern);
      const second = (await runUpTo(toInitiator, 1)).message;
      const forged = concat(point, second.slice(DH_BYTES));
      await assertRejects(() => toInitiator.initiator.readMessage(forged), AuthError, "order is small");
    }
  });

  Deno.test(`HandshakeState of ${name} refuses a static key of small order from either side`, async () => {
    for (const hex of SMALL_ORDER_U_HEX) {
      const staticKeyPair = { ...await pairFromNumber(9), publicBytes: decodeHex(hex) };
      const evilResponder = await startEnds(pattern, { responder: { staticKeyPair } });
      const second = await runUpTo(evilResponder, 1);
      await assertRejects(() => second.reader.readMessage(second.message), AuthError, "order is small");

      const evilInitiator = await startEnds(pattern, { initiator: { staticKeyPair } });
      const third = await runUpTo(evilInitiator, 2);
      await assertRejects(() => third.reader.readMessage(third.message), AuthError, "order is small");
      assertEquals(third.reader.remoteStatic, undefined);
    }
  });

  Deno.test(`HandshakeState of ${name} refuses a peer that shows a static key it does not hold`, async () => {
    const { publicBytes } = await pairFromNumber(10);
    const { privateBytes } = await pairFromNumber(11);
    const liar = { staticKeyPair: { publicBytes, privateBytes } };
    const second = await runUpTo(await startEnds(pattern, { responder: liar }), 1);
    await assertRejects(() => second.reader.readMessage(second.message), AuthError);
    const third = await runUpTo(await startEnds(pattern, { initiator: liar }), 2);
    await assertRejects(() => third.reader.readMessage(third.message), AuthError);
  });

  Deno.test(`HandshakeState of ${name} fails at the first tag when the prologues differ`, async () => {
    const ends = await startEnds(pattern, { responder: { prologue: utf8("noise tesT") } });
    const index = pattern === XX ? 1 : 0; // a psk pattern has a tag in the first message already
    const { message, reader } = await runUpTo(ends, index);
    await assertRejects(() => reader.readMessage(message), AuthError);
  });
}

Deno.test("HandshakeState of XXpsk3 fails at the third message when the psks differ", async () => {
  const ends = await startEnds(XX_PSK3, { initiator: { psk: await seed(99) } });
  const { message, reader } = await runUpTo(ends, 2);
  await assertRejects(() => reader.readMessage(message), AuthError);
  assertEquals(reader.remoteStatic, undefined, "without the psk nobody learns who called");
});

Deno.test("HandshakeState of XX and of XXpsk3 do not understand each other", async () => {
  const plain = await startEnds(XX);
  const withPsk = await startEnds(XX_PSK3);
  const first = await plain.initiator.writeMessage(utf8("sixteen bytes...")); // long enough to be a tag
  await assertRejects(() => withPsk.responder.readMessage(first), AuthError);
  const crossed = await withPsk.initiator.writeMessage(EMPTY);
  await plain.responder.readMessage(crossed);
  const answer = await plain.responder.writeMessage(EMPTY);
  await assertRejects(() => withPsk.initiator.readMessage(answer), AuthError);
});
