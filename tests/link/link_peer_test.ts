// Aim: a link between two clients: both show certificates, each is judged before anything of it counts, and both know
// the hash of the handshake.
import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { UserError } from "../../lib/bytes/errors.ts";
import { verifyPeer } from "../../lib/chat/direct_peer.ts";
import { type Certificate, createCertificate } from "../../lib/e2ee/certificate.ts";
import { generateIdentity, type Identity } from "../../lib/e2ee/identity.ts";
import { Link } from "../../lib/link/link.ts";
import type { Remote } from "../../lib/link/link_handshake.ts";
import { LinkPair, START_MS } from "../support/link_pair.ts";

interface Person {
  readonly identity: Identity;
  readonly certificate: Certificate;
}

async function person(handle: string): Promise<Person> {
  const identity = await generateIdentity({ life: "lasting", nowMs: START_MS });
  return { identity, certificate: await createCertificate(identity, { handle, createdMs: START_MS }) };
}

/** One end of a link between clients; `shows` may be somebody else's certificate. */
function end({ identity, certificate }: Person, shows = certificate) {
  return {
    listener: "peer" as const,
    staticKeyPair: identity.noise,
    card: shows.encoded,
    authenticate: async (remote: Remote) => {
      await verifyPeer({ card: remote.hello.card, staticPublic: remote.staticPublic }, certificate);
      return remote;
    },
  };
}

Deno.test("a link between two clients shows each the other's certificate, and both know its hash", async () => {
  const [alice, bob] = [await person("alice"), await person("bob")];
  const pair = await LinkPair.opened({ initiator: end(bob), responder: end(alice) });
  assertEquals(pair.initiator.opened?.hello.card, alice.certificate.encoded);
  assertEquals(pair.responder.opened?.hello.card, bob.certificate.encoded);
  const h = pair.initiator.link.handshakeHash;
  assertEquals(h.length, 32);
  assertEquals(pair.responder.link.handshakeHash, h);
  const other = await LinkPair.opened({ initiator: end(bob), responder: end(alice) });
  assert(other.initiator.link.handshakeHash.some((byte, i) => byte !== h[i]), "every link has another one");
});

Deno.test("Link.handshakeHash throws before the handshake is finished", async () => {
  const bob = await person("bob");
  const link = new Link<Remote>({ role: "initiator", ...end(bob) });
  assertThrows(() => link.handshakeHash, TypeError);
  await link.handle({ kind: "start", nowMs: START_MS });
  assertThrows(() => link.handshakeHash);
});

Deno.test("a listener that shows somebody else's certificate never learns who calls", async () => {
  const [alice, bob, mallory] = [await person("alice"), await person("bob"), await person("mallory")];
  const pair = new LinkPair({ initiator: end(bob), responder: end(mallory, alice.certificate) });
  await pair.start();
  await pair.pump();
  const ended = pair.initiator.end;
  assert(ended?.kind === "refused" && ended.error instanceof UserError);
  assertEquals([ended.error.code, ended.stage], ["refusedCertificate", "handshake"]);
  assertEquals(pair.initiator.written.length, 1, "message 3, which names the caller, was never written");
  assertEquals(pair.responder.opened, undefined);
});

Deno.test("a caller that shows somebody else's certificate is refused by name, and nothing is opened", async () => {
  const [alice, bob, mallory] = [await person("alice"), await person("bob"), await person("mallory")];
  const pair = new LinkPair({ initiator: end(mallory, bob.certificate), responder: end(alice) });
  await pair.start();
  await pair.pump();
  assertEquals(pair.responder.opened, undefined);
  const ended = pair.responder.end;
  assert(ended?.kind === "refused");
  assertInstanceOf(ended.error, UserError);
  const told = pair.initiator.end;
  assertEquals(told?.kind === "bye" && told.code, "refusedCertificate");
});

Deno.test("a client that calls a relay as if it were a client, or a client as if it were a relay, gets nowhere", async () => {
  const [alice, bob] = [await person("alice"), await person("bob")];
  for (const listener of ["relay", "peer"] as const) {
    const initiator = { ...end(bob), listener: listener === "relay" ? "peer" as const : "relay" as const };
    const pair = new LinkPair({ initiator, responder: { ...end(alice), listener } });
    await pair.start();
    await pair.pump();
    const ended = pair.initiator.end;
    assertEquals(ended?.kind === "refused" && ended.error.name, "AuthError");
    assertEquals([pair.initiator.written.length, pair.responder.opened], [1, undefined]);
  }
});
