// What the tests of sessions by code share: two ends with fixed inputs, and one run of the three messages.
import { type Bytes, utf8 } from "../../lib/bytes/writer.ts";
import { generateDhKeyPair } from "../../lib/crypto/dh.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { CodePake, type CodePakeOptions, type PakeOutcome } from "../../lib/pake/code_pake.ts";

/** The ratchet keys are made once: nothing here depends on their values. */
const JOINER_RATCHET = (await generateDhKeyPair()).publicBytes;
const CREATOR_RATCHET = (await generateDhKeyPair()).publicBytes;

const SHARED = {
  prs: utf8("able-sunset-violin"),
  mailbox: utf8("7KQ2"),
  initiatorSid: secureRandom(16),
  responderSid: secureRandom(16),
};

/** The joiner's side of a run. */
export function joiner(changes: Partial<CodePakeOptions> = {}): CodePake {
  const own = { certificate: utf8("the joiner's certificate"), ratchetPublic: JOINER_RATCHET };
  return new CodePake({ role: "initiator", ...SHARED, ...own, ...changes });
}

/** The creator's side of a run. */
export function creator(changes: Partial<CodePakeOptions> = {}): CodePake {
  const own = { certificate: utf8("the creator's certificate"), ratchetPublic: CREATOR_RATCHET };
  return new CodePake({ role: "responder", ...SHARED, ...own, ...changes });
}

/** What went over the wire, and what both got. */
export interface Run {
  readonly opening: Bytes;
  readonly answer: Bytes;
  readonly tag: Bytes;
  readonly joined: PakeOutcome;
  readonly created: PakeOutcome;
}

/** Plays the three messages in order. */
export async function play(initiator: CodePake, responder: CodePake): Promise<Run> {
  const opening = await initiator.open();
  const answer = await responder.answer(opening);
  const { tag, outcome } = await initiator.confirm(answer);
  return { opening, answer, tag, joined: outcome, created: await responder.finish(tag) };
}
