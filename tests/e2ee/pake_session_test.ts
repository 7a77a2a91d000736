// Aim: a session by code is proven by both identities before a book has it, and is like any other from then on.
import { assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { AuthError, DecodeError, ProtocolError } from "../../lib/bytes/errors.ts";
import { type Bytes, utf8 } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { sign } from "../../lib/crypto/sign.ts";
import { decodeBox } from "../../lib/e2ee/box.ts";
import { PakeSession } from "../../lib/e2ee/pake_session.ts";
import { initiateRatchet } from "../../lib/e2ee/double_ratchet.ts";
import { openInSession, sealInSession, type Session } from "../../lib/e2ee/session.ts";
import { decodeSession, encodeSession } from "../../lib/e2ee/session_codec.ts";
import { sha256 } from "../../lib/crypto/hash.ts";
import { pakeAssociatedData, pakeIdentityProof } from "../../lib/pake/code_keys.ts";
import { BookStore, restarted } from "./_book_store.ts";
import { agree, type Agreed, meetByCode, sessionsOf } from "./_code_session.ts";
import { AT, firstBox, flipped, hear, makePerson, type Person, say, sessionsWith } from "./_people.ts";

/** A box of the joiner's unproven session that holds what an attacker at its place would seal. */
async function boxOfJoiner({ joiner }: Agreed, plaintext: Bytes): Promise<Bytes> {
  const { outcome, ratchet } = joiner;
  const ad = await pakeAssociatedData(outcome.sidOutput);
  const real = await PakeSession.start(joiner.who, { role: "initiator", ...joiner });
  const sessionId = decodeBox(await real.prove(AT)).header.sessionId;
  const start = { rootKey: outcome.sharedKey, ad, sessionId };
  const session: Session = {
    id: sessionId,
    key: "",
    startedBy: "us",
    ephemeralPublic: new Uint8Array(0),
    x3dhBytes: new Uint8Array(0),
    isAnswered: true,
    ratchet: await initiateRatchet(start, ratchet, outcome.peer.ratchetPublic),
    boxHashes: [],
  };
  return (await sealInSession(session, plaintext, AT)).box;
}

Deno.test("PakeSession lets two who agreed by a code talk both ways, without a header of X3DH", async () => {
  const [ada, ben] = [await makePerson("ada"), await makePerson("ben")];
  await meetByCode(ada, ben);
  const first = await say(ben, ada, "from the creator");
  assertEquals(decodeBox(first).kind, "ratchet");
  assertEquals(await hear(ada, first), "ben: from the creator");
  assertEquals(await hear(ben, await say(ada, ben, "from the joiner")), "ada: from the joiner");
  assertEquals(await hear(ada, first), "repeat");
});

Deno.test("PakeSession: messages are opened in whatever order they come", async () => {
  const [ada, ben] = [await makePerson("ada"), await makePerson("ben")];
  await meetByCode(ada, ben);
  const boxes = [await say(ada, ben, "1"), await say(ada, ben, "2"), await say(ada, ben, "3")] as const;
  assertEquals(
    [await hear(ben, boxes[2]), await hear(ben, boxes[0]), await hear(ben, boxes[1])],
    ["ada: 3", "ada: 1", "ada: 2"],
  );
});

Deno.test("SessionBook.adoptCodeSession() is in the changes, and a restored book goes on", async () => {
  const [ada, ben] = [await makePerson("ada"), await makePerson("ben")];
  const stores = { ada: new BookStore(), ben: new BookStore() };
  stores.ada.commit(ada.book.takeChanges());
  stores.ben.commit(ben.book.takeChanges());
  await meetByCode(ada, ben);
  const [ada2, ben2] = [await restarted(ada, stores.ada), await restarted(ben, stores.ben)];
  assertEquals(ada2.book.takeChanges().peers, []);
  assertEquals(await hear(ben2, await say(ada2, ben2, "again")), "ada: again");
  const answer = await say(ben2, ada2, "yes");
  assertEquals(decodeBox(answer).kind, "ratchet");
  assertEquals(await hear(ada2, answer), "ben: yes");
});

Deno.test("SessionBook.adoptCodeSession() puts the session before an older one, whose boxes still open", async () => {
  const [ada, ben] = [await makePerson("ada"), await makePerson("ben")];
  const old = await firstBox(ada, ben, "by keys");
  await meetByCode(ada, ben);
  assertEquals(decodeBox(await say(ada, ben, "by code")).kind, "ratchet");
  assertEquals(await hear(ben, old), "ada: by keys");
});

Deno.test("SessionBook.adoptCodeSession() takes nothing unproven, and nothing twice", async () => {
  const [ada, ben] = [await makePerson("ada"), await makePerson("ben")];
  const { joined, created } = await sessionsOf(await agree(ada, ben));
  assertThrows(() => ada.book.adoptCodeSession(joined, AT.nowMs), TypeError);
  await created.hear(await joined.prove(AT), AT);
  assertThrows(() => ada.book.adoptCodeSession(joined, AT.nowMs), TypeError);
  assertThrows(() => ben.book.adoptCodeSession(created, AT.nowMs), TypeError); // has not proven itself
  await created.prove(AT);
  assertEquals(ben.book.adoptCodeSession(created, AT.nowMs).handle, "ada");
  assertThrows(() => ben.book.adoptCodeSession(created, AT.nowMs), TypeError);
  await ben.book.forgetPeer(ada.certificate.fingerprint);
  assertThrows(() => ben.book.adoptCodeSession(created, AT.nowMs), TypeError);
});

Deno.test("PakeSession.hear() refuses every flipped byte of a proof, and is over then", async () => {
  const [ada, ben] = [await makePerson("ada"), await makePerson("ben")];
  const agreed = await agree(ada, ben);
  const proof = await (await sessionsOf(agreed)).joined.prove(AT);
  for (let i = 0; i < proof.length; i++) {
    const created = await PakeSession.start(ben, { role: "responder", ...agreed.creator });
    await assertRejects(() => created.hear(flipped(proof, i), AT), AuthError);
    assertEquals(created.phase, "refused");
    await assertRejects(() => created.hear(proof, AT), ProtocolError);
  }
});

Deno.test("PakeSession.hear() refuses every truncation of a proof", async () => {
  const [ada, ben] = [await makePerson("ada"), await makePerson("ben")];
  const agreed = await agree(ada, ben);
  const proof = await (await sessionsOf(agreed)).joined.prove(AT);
  for (let length = 0; length < proof.length; length++) {
    const created = await PakeSession.start(ben, { role: "responder", ...agreed.creator });
    await assertRejects(() => created.hear(proof.slice(0, length), AT), AuthError);
  }
});

Deno.test("PakeSession.hear() refuses a box of another agreement", async () => {
  const [ada, ben] = [await makePerson("ada"), await makePerson("ben")];
  const { created } = await sessionsOf(await agree(ada, ben));
  const other = await sessionsOf(await agree(ada, ben));
  await assertRejects(async () => created.hear(await other.joined.prove(AT), AT), AuthError);
});

Deno.test("PakeSession.hear() refuses our own proof that comes back", async () => {
  const [ada, ben] = [await makePerson("ada"), await makePerson("ben")];
  const { joined } = await sessionsOf(await agree(ada, ben));
  const proof = await joined.prove(AT);
  await assertRejects(() => joined.hear(proof, AT), AuthError);
});

Deno.test("PakeSession.hear() refuses a signature of the wrong role, another agreement, or anybody else", async () => {
  const [ada, ben, mallory] = [await makePerson("ada"), await makePerson("ben"), await makePerson("mallory")];
  const agreed = await agree(ada, ben);
  const { sidOutput } = agreed.joiner.outcome;
  const wrong: Record<string, Bytes> = {
    "wrong role": await sign(ada.identity.sign, pakeIdentityProof("responder", sidOutput)),
    "another transcript": await sign(ada.identity.sign, pakeIdentityProof("initiator", secureRandom(64))),
    "another identity": await sign(mallory.identity.sign, pakeIdentityProof("initiator", sidOutput)),
    "text": utf8("hello"),
    "empty": new Uint8Array(0),
    "too long": new Uint8Array(65),
  };
  for (const [what, plaintext] of Object.entries(wrong)) {
    const created = await PakeSession.start(ben, { role: "responder", ...agreed.creator });
    await assertRejects(async () => created.hear(await boxOfJoiner(agreed, plaintext), AT), AuthError);
    assertEquals(created.phase, "refused", what);
  }
  const right = await sign(ada.identity.sign, pakeIdentityProof("initiator", sidOutput));
  const created = await PakeSession.start(ben, { role: "responder", ...agreed.creator });
  await created.hear(await boxOfJoiner(agreed, right), AT); // or the refusals above would prove nothing
  assertEquals(created.phase, "toProve");
});

Deno.test("PakeSession: whoever knows the code and shows another's certificate is refused", async () => {
  const [ada, ben, mallory] = [await makePerson("ada"), await makePerson("ben"), await makePerson("mallory")];
  const joining = await sessionsOf(await agree(mallory, ben, { joiner: ada }));
  await assertRejects(async () => joining.created.hear(await joining.joined.prove(AT), AT), AuthError);
  const creating = await sessionsOf(await agree(ada, mallory, { creator: ben }));
  await creating.created.hear(await creating.joined.prove(AT), AT);
  await assertRejects(async () => creating.joined.hear(await creating.created.prove(AT), AT), AuthError);
});

Deno.test("PakeSession.start() refuses a certificate that is malformed, not valid, or our own", async () => {
  const [ada, ben] = [await makePerson("ada"), await makePerson("ben")];
  const { creator } = await agree(ada, ben);
  const showing = (certificate: Bytes) => ({
    role: "responder" as const,
    ...creator,
    outcome: { ...creator.outcome, peer: { ...creator.outcome.peer, certificate } },
  });
  const { encoded } = ada.certificate;
  await assertRejects(() => PakeSession.start(ben, showing(encoded.slice(1))), DecodeError);
  await assertRejects(() => PakeSession.start(ben, showing(flipped(encoded, encoded.length - 1))), AuthError);
  await assertRejects(() => PakeSession.start(ben, showing(ben.certificate.encoded)), AuthError);
});

Deno.test("PakeSession: a call out of turn, or while another runs, throws and changes nothing", async () => {
  const [ada, ben] = [await makePerson("ada"), await makePerson("ben")];
  const { joined, created } = await sessionsOf(await agree(ada, ben));
  await assertRejects(() => created.prove(AT), ProtocolError);
  await assertRejects(() => joined.hear(new Uint8Array(100), AT), ProtocolError);
  const proving = joined.prove(AT);
  await assertRejects(() => joined.prove(AT), ProtocolError);
  await created.hear(await proving, AT);
  const answer = await created.prove(AT);
  await assertRejects(() => created.prove(AT), ProtocolError);
  await joined.hear(answer, AT);
  await assertRejects(() => joined.hear(answer, AT), ProtocolError);
  assertEquals([joined.phase, created.phase], ["proven", "proven"]);
});

Deno.test("A session by code of another agreement opens nothing", async () => {
  const [ada, ben, carol] = [await makePerson("ada"), await makePerson("ben"), await makePerson("carol")];
  await meetByCode(ada, ben);
  await meetByCode(carol, ben);
  const box = await say(ada, ben, "for ben");
  const stranger = carol.book.takeChanges();
  assertEquals(await hear(carol, box), "unopenable: unknownSession");
  assertEquals(stranger.peers.length, 1);
  const { state } = sessionsWith(carol, ben);
  const options = { ...AT, boxHash: await sha256(box) };
  await assertRejects(() => openInSession(state.sessions[0] as Session, decodeBox(box), options), AuthError);
});

Deno.test("decodeSession() takes a session by code in one spelling: no header, answered", async () => {
  const [ada, ben] = [await makePerson("ada"), await makePerson("ben")];
  await meetByCode(ada, ben);
  const session = await sessionOf(ada, ben);
  const bytes = encodeSession(session);
  assertEquals(encodeSession(await decodeSession(bytes)), bytes);
  const unanswered = encodeSession({ ...session, isAnswered: false });
  assertNotEquals(unanswered, bytes);
  await assertRejects(() => decodeSession(unanswered), DecodeError);
});

function sessionOf(ada: Person, ben: Person): Promise<Session> {
  return Promise.resolve(sessionsWith(ada, ben).state.sessions[0] as Session);
}
