/** Two people whose codes agreed: what both ends of a session by code start from. */

import { utf8 } from "../../lib/bytes/writer.ts";
import { type DhKeyPair, generateDhKeyPair } from "../../lib/crypto/dh.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { PakeSession } from "../../lib/e2ee/pake_session.ts";
import { CodePake, type PakeOutcome } from "../../lib/pake/code_pake.ts";
import { AT, type Person } from "./_people.ts";

/** One end after the code agreed. */
export interface AgreedEnd {
  readonly who: Person;
  readonly outcome: PakeOutcome;
  readonly ratchet: DhKeyPair;
}

/** Both ends after the code agreed. */
export interface Agreed {
  readonly joiner: AgreedEnd;
  readonly creator: AgreedEnd;
}

/** Plays the code's three messages; each shows a certificate, by default the own one. */
export async function agree(
  joiner: Person,
  creator: Person,
  shown: { readonly joiner?: Person; readonly creator?: Person } = {},
): Promise<Agreed> {
  const pairs = { joiner: await generateDhKeyPair(), creator: await generateDhKeyPair() };
  const shared = {
    prs: utf8("able-sunset-violin"),
    mailbox: utf8("7KQ2"),
    initiatorSid: secureRandom(16),
    responderSid: secureRandom(16),
  };
  const initiator = new CodePake({
    role: "initiator",
    ...shared,
    certificate: (shown.joiner ?? joiner).certificate.encoded,
    ratchetPublic: pairs.joiner.publicBytes,
  });
  const responder = new CodePake({
    role: "responder",
    ...shared,
    certificate: (shown.creator ?? creator).certificate.encoded,
    ratchetPublic: pairs.creator.publicBytes,
  });
  const { tag, outcome } = await initiator.confirm(await responder.answer(await initiator.open()));
  return {
    joiner: { who: joiner, outcome, ratchet: pairs.joiner },
    creator: { who: creator, outcome: await responder.finish(tag), ratchet: pairs.creator },
  };
}

/** The two unproven sessions of one agreement. */
export async function sessionsOf({ joiner, creator }: Agreed): Promise<{ joined: PakeSession; created: PakeSession }> {
  return {
    joined: await PakeSession.start(joiner.who, { role: "initiator", ...joiner }),
    created: await PakeSession.start(creator.who, { role: "responder", ...creator }),
  };
}

/** Proves both ends and takes the session into both books. */
export async function meetByCode(joiner: Person, creator: Person): Promise<void> {
  const { joined, created } = await sessionsOf(await agree(joiner, creator));
  await created.hear(await joined.prove(AT), AT);
  await joined.hear(await created.prove(AT), AT);
  joiner.book.adoptCodeSession(joined, AT.nowMs);
  creator.book.adoptCodeSession(created, AT.nowMs);
}
