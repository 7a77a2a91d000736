// Aim: the relay holds every body of a conversation and finds in them no word, no name and no room.
import { assert, assertEquals } from "@std/assert";
import { type Bytes, utf8 } from "../../lib/bytes/writer.ts";
import { verifyCertificate } from "../../lib/e2ee/certificate.ts";
import { FakeNet } from "../support/fake_net.ts";

const ROOM = "garden-of-delights";
const TEXTS = [
  "The meeting is moved to Thursday at nine, bring the blue folder",
  "grüße und küsse aus der küche",
  "/etc/passwd is not what I meant",
  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
  "short one",
  "x".repeat(5_000),
];
const WINDOW_BYTES = 8;

/** Whether a run of bytes stands somewhere in another; windows are compared as strings of one char a byte. */
function latin1(bytes: Bytes): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

Deno.test("no body that passes the relay holds a text, any 8 bytes of one, a handle or the room's name", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice-in-the-hall", { room: ROOM });
  const bob = await net.join("bob-the-builder", { room: ROOM });
  const carol = await net.join("carol-of-the-bells", { room: ROOM });
  for (const text of TEXTS) {
    const line = text.startsWith("/") ? `/${text}` : text;
    await alice.type(line);
    await bob.type(`/pm carol-of-the-bells ${text}`);
    await carol.type(line);
  }
  assertEquals(bob.texts.length, 2 * TEXTS.length);
  assertEquals(carol.texts.length, 2 * TEXTS.length);

  const people = [alice, bob, carol];
  const certificates = people.map(({ certificate }) => latin1(certificate.encoded));
  const headers = net.sent.map(({ packet }) => JSON.stringify(packet.message));
  // A certificate carries its handle in the clear, to the relay alone; it stands in bundles and in first messages.
  const bodies = net.bodies.map((body) => certificates.reduce((rest, one) => rest.replaceAll(one, ""), latin1(body)));
  for (const found of [...bodies, ...headers]) {
    for (const word of [ROOM, ...people.map(({ certificate }) => certificate.handle)]) {
      assertEquals(found.includes(word), false);
    }
    for (const text of TEXTS) {
      const bytes = latin1(utf8(text));
      for (let at = 0; at + WINDOW_BYTES <= bytes.length; at += text.length > 1_000 ? 500 : 1) {
        assertEquals(found.includes(bytes.slice(at, at + WINDOW_BYTES)), false);
      }
    }
  }
  assert(net.bodies.length > 3 * TEXTS.length);
  for (const { certificate } of people) await verifyCertificate(certificate.encoded);
});

Deno.test("bodies of texts of one padded size have one length, and no two bodies are alike", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  await alice.type("a");
  await bob.type("b"); // answered: the header of the first message does not come again
  const before = net.sent.length;
  for (const text of ["a", "a", "bb", "c".repeat(60)]) await alice.type(text);
  const bodies = net.sent.slice(before).map(({ packet }) => packet.body);
  assertEquals(new Set(bodies.map((body) => body.length)).size, 1);
  assertEquals(new Set(bodies.map(latin1)).size, bodies.length);
});
