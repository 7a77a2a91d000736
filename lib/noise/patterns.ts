/**
 * The handshake patterns that Sotto speaks, as data (Noise 7.5, 9.4); `handshake_state.ts` interprets them. Both are
 * over X25519, AES-256-GCM and SHA-256.
 *
 * ```text
 * XX:     -> e                        XXpsk3:  -> e
 *         <- e, ee, s, es                      <- e, ee, s, es
 *         -> s, se                             -> s, se, psk
 * ```
 * @module
 */

/**
 * One step of a message: `e` and `s` carry a public key, `ee`, `es` and `se` mix a Diffie-Hellman result (the first
 * letter names the initiator's key), `psk` mixes the shared secret.
 */
export type Token = "e" | "s" | "ee" | "es" | "se" | "psk";

/** A handshake: the messages in turn, the initiator's first. */
export interface HandshakePattern {
  /** The whole name (Noise 8); both parties hash it first, so that two patterns never understand each other. */
  readonly protocolName: string;
  /** The tokens of each message; the initiator writes the first, third, … */
  readonly messages: readonly (readonly Token[])[];
}

/** Both parties send their static key, encrypted; each learns the other's (Noise 7.5). */
export const XX: HandshakePattern = {
  protocolName: "Noise_XX_25519_AESGCM_SHA256",
  messages: [["e"], ["e", "ee", "s", "es"], ["s", "se"]],
};

/** XX for those alone who hold a shared secret of 32 bytes, which is mixed at the end of the third message (Noise 9.4). */
export const XX_PSK3: HandshakePattern = {
  protocolName: "Noise_XXpsk3_25519_AESGCM_SHA256",
  messages: [["e"], ["e", "ee", "s", "es"], ["s", "se", "psk"]],
};

/**
 * Tells whether a pattern needs a pre-shared key. In such a pattern every `e` is mixed into the key as well (Noise 9.2).
 * @param pattern any pattern
 * @returns whether one of its messages has a `psk` token
 */
export function usesPsk(pattern: HandshakePattern): boolean {
  return pattern.messages.some((tokens) => tokens.includes("psk"));
}
