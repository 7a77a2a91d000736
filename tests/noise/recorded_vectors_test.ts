// Aim: the wire format does not move, also where the official vectors are not at hand.
// Origin: our own implementation, recorded by tests/vectors/record.ts while the official vectors passed.
import { assertEquals } from "@std/assert";
import { decodeHex, encodeHex } from "@std/encoding/hex";
import { dhKeyPairFrom, generateDhKeyPair } from "../../lib/crypto/dh.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { HandshakeState } from "../../lib/noise/handshake_state.ts";
import { XX } from "../../lib/noise/patterns.ts";
import recorded from "../vectors/noise.json" with { type: "json" };
import { recordNoise } from "../vectors/record.ts";
import { assertVector, fixedRandom } from "./_play_vector.ts";

for (const vector of recorded.vectors) {
  const payloadBytes = (vector.messages[0]?.payload.length ?? 0) / 2;
  Deno.test(`HandshakeState plays the recorded ${vector.protocol_name} with payloads of ${payloadBytes} bytes`, async () => {
    await assertVector(vector);
  });
}

Deno.test("recordNoise() makes tests/vectors/noise.json again, byte for byte", async () => {
  assertEquals(await recordNoise(), recorded);
});

Deno.test("HandshakeState answers recorded bytes with the recorded bytes", async () => {
  // The recorded bytes alone, without our writer: a writer and a reader that err alike would pass every other test.
  const vector = recorded.vectors.find((v) =>
    v.protocol_name === XX.protocolName && v.messages[0]?.payload.length === 2
  );
  if (vector === undefined) throw new TypeError("Cannot find the recorded vector");
  const responder = await HandshakeState.create({
    pattern: XX,
    role: "responder",
    prologue: decodeHex(vector.resp_prologue),
    staticKeyPair: await dhKeyPairFrom(decodeHex(vector.resp_static)),
    random: fixedRandom(decodeHex(vector.resp_ephemeral)),
  });
  const [first, second, third, fourth, fifth] = vector.messages.map(({ ciphertext }) => decodeHex(ciphertext));
  await responder.readMessage(first as Uint8Array<ArrayBuffer>);
  const answer = await responder.writeMessage(decodeHex(vector.messages[1]?.payload as string));
  assertEquals(answer, second);
  await responder.readMessage(third as Uint8Array<ArrayBuffer>);
  assertEquals(encodeHex(responder.handshakeHash), vector.handshake_hash);
  const { sending, receiving } = await responder.split();
  const empty = new Uint8Array(0);
  const payload = (i: number) => decodeHex(vector.messages[i]?.payload as string);
  assertEquals(await sending.encryptWithAd(empty, payload(3)), fourth);
  assertEquals(await receiving.decryptWithAd(empty, fifth as Uint8Array<ArrayBuffer>), payload(4));
});

Deno.test("HandshakeState of a stranger cannot read a recorded handshake", async () => {
  const [vector] = recorded.vectors;
  const initiator = await HandshakeState.create({
    pattern: XX,
    role: "initiator",
    prologue: decodeHex(vector?.init_prologue as string),
    staticKeyPair: await generateDhKeyPair(),
    random: secureRandom,
  });
  await initiator.writeMessage(new Uint8Array(0));
  const refused = await initiator.readMessage(decodeHex(vector?.messages[1]?.ciphertext as string)).then(
    () => "read",
    (error: Error) => error.name,
  );
  assertEquals(refused, "AuthError");
});
