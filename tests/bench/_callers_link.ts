/**
 * A bare caller for measurements: a link to a relay whose key nobody checks, with an identity of its own.
 */
import { createCertificate } from "../../lib/e2ee/certificate.ts";
import { generateIdentity } from "../../lib/e2ee/identity.ts";
import { Link } from "../../lib/link/link.ts";

/** Makes the caller's end of a link, not begun, under the name `bench<number>`. */
export async function callersLink(number: number): Promise<Link<true>> {
  const nowMs = Date.now();
  const identity = await generateIdentity({ life: "ephemeral", nowMs });
  const certificate = await createCertificate(identity, { handle: `bench${number}`, createdMs: nowMs });
  return new Link<true>({
    role: "initiator",
    listener: "relay",
    staticKeyPair: identity.noise,
    card: certificate.encoded,
    authenticate: () => Promise.resolve(true as const),
  });
}
