/** Sealing and opening between two people, beside bare AES-GCM of the same length. */
import { AEAD_NONCE_BYTES, aeadSeal, importAeadKey } from "../../lib/crypto/aead.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { encodeBundle, verifyBundle } from "../../lib/e2ee/bundle.ts";
import { createCertificate } from "../../lib/e2ee/certificate.ts";
import { generateIdentity } from "../../lib/e2ee/identity.ts";
import { encodePlaintext } from "../../lib/e2ee/plaintext.ts";
import { createPrekeyStore } from "../../lib/e2ee/prekeys.ts";
import { SessionBook } from "../../lib/e2ee/session_book.ts";
import { lv } from "../../lib/bytes/writer.ts";
import { concat } from "../../lib/bytes/writer.ts";
import { measure, report } from "./_measure.ts";

const MESSAGES = 500;
const nowMs = Date.UTC(2026, 0, 1);

async function person(handle: string): Promise<SessionBook> {
  const identity = await generateIdentity({ life: "lasting", nowMs });
  const certificate = await createCertificate(identity, { handle, createdMs: nowMs });
  return new SessionBook({ identity, certificate, prekeys: await createPrekeyStore({ nowMs }) });
}

async function meet(alice: SessionBook, bob: SessionBook): Promise<void> {
  const expectFingerprint = bob.owner.certificate.fingerprint;
  const bytes = concat(lv(await encodeBundle(bob.owner, bob.prekeys)), lv(new Uint8Array(0)));
  await alice.peer(expectFingerprint).startFrom(await verifyBundle(bytes, { expectFingerprint, nowMs }), { nowMs });
}

/** Prints the table. */
export async function benchE2ee(): Promise<void> {
  console.log("Two people (a line of 40 characters):");
  const plaintext = encodePlaintext({
    head: { kind: "text", id: "0".repeat(32), room: null, sentAt: nowMs },
    text: "x".repeat(40),
  });
  const key = await importAeadKey(secureRandom(32));
  const bare = await measure(MESSAGES, async () => {
    for (let i = 0; i < MESSAGES; i++) {
      await aeadSeal(key, plaintext, { nonce: secureRandom(AEAD_NONCE_BYTES), aad: plaintext });
    }
  });
  report("bare AES-256-GCM", bare);

  const alice = await person("alice");
  const bob = await person("bob");
  await meet(alice, bob);
  const peer = alice.peer(bob.owner.certificate.fingerprint);
  let boxes: Awaited<ReturnType<typeof peer.seal>>[] = [];
  const sealed = await measure(MESSAGES, async () => {
    boxes = [];
    for (let i = 0; i < MESSAGES; i++) boxes.push(await peer.seal(plaintext, { nowMs }));
    for (const box of boxes) await bob.open(box, { nowMs });
  });
  report("Double Ratchet: seal + open", sealed, `${(sealed.cpuMicros / bare.cpuMicros).toFixed(1)} × bare AES-GCM`);

  const first = await measure(20, async () => {
    for (let i = 0; i < 20; i++) {
      const stranger = await person("carol");
      await meet(stranger, bob);
      await bob.open(await stranger.peer(bob.owner.certificate.fingerprint).seal(plaintext, { nowMs }), { nowMs });
    }
  });
  report("a new person: keys, X3DH, first message", first);
  console.log();
}
