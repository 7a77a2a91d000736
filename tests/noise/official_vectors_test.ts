// Aim: our handshake speaks Noise and not a dialect of it, byte for byte with two independent implementations.
// Origins: cacophony (haskell-cryptography, vectors/cacophony.txt @ 8ee9d41e) and snow (mcginty, tests/vectors/snow.txt
// @ 8ac60f51), both filtered to Noise_XX and Noise_XXpsk3 over 25519_AESGCM_SHA256.
import { assert, assertEquals } from "@std/assert";
import { testWithOfficial } from "../support/vectors.ts";
import { assertVector, type NoiseVector } from "./_play_vector.ts";

testWithOfficial(
  "HandshakeState speaks cacophony's XX and XXpsk3 down to the handshake hash",
  "noise_cacophony.json",
  async (text) => {
    const { vectors } = JSON.parse(text) as { vectors: NoiseVector[] };
    assertEquals(vectors.map((v) => v.protocol_name), [
      "Noise_XX_25519_AESGCM_SHA256",
      "Noise_XXpsk3_25519_AESGCM_SHA256",
    ]);
    for (const vector of vectors) {
      assert(vector.handshake_hash !== undefined && vector.messages.length > 3);
      await assertVector(vector);
    }
  },
);

testWithOfficial("HandshakeState speaks snow's XX", "noise_snow.json", async (text) => {
  const { vectors } = JSON.parse(text) as { vectors: NoiseVector[] };
  assert(vectors.length > 0);
  for (const vector of vectors) {
    assert(vector.messages.length > 3);
    await assertVector(vector);
  }
});
