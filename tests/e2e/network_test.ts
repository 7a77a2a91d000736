// Aim: what somebody on the network between client and relay sees, and what they can do. They see sizes and times: no
// name, no room, no word. Cutting the stream anywhere changes nothing; altering a single bit ends the link.

import { assert, assertEquals, assertGreater } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { clientArgs, Stage } from "../support/e2e_stage.ts";
import { type Direction, RecordingProxy } from "../support/proxy.ts";

const DIRECTIONS: readonly Direction[] = ["toRelay", "toClient"];

Deno.test("a recording proxy sees no handle, no room name and no word of any message", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const proxy = stage.own(new RecordingProxy(relay.port));
  const secret = {
    alice: "Wilhelmina",
    bob: "Bartholomew",
    room: "greenhouse",
    say: "the zeppelin departs at dawn",
    pm: "bring marmalade",
    long: "ultramarine ".repeat(600),
  };
  const options = { port: proxy.port, flags: ["--room", secret.room] };
  const { process: alice } = await stage.client(relay, secret.alice, options);
  const { process: bob } = await stage.client(relay, secret.bob, options);
  await alice.next("joined");
  for (const text of [secret.say, secret.long]) {
    await alice.send({ type: "say", text });
    assertEquals((await bob.next("message"))["text"], text);
  }
  await bob.send({ type: "pm", to: secret.alice, text: secret.pm });
  assertEquals((await alice.next("message"))["text"], secret.pm);
  await alice.send({ type: "command", line: "/users" });
  await alice.next("users");
  await alice.closeInput();
  await alice.exit();
  await bob.next("left");

  const words = Object.values(secret).flatMap((text) => [...new Set(text.split(" "))])
    .concat("lobby", "stage", "message", "publish", "welcome");
  for (const direction of DIRECTIONS) {
    const seen = proxy.recorded(direction);
    assertGreater(seen.length, secret.long.length, "it did pass through the proxy");
    for (const word of words) assertUnseen(seen, word);
  }
});

Deno.test("a proxy that is told would see it: the search finds what is there", () => {
  const text = "so it is: the zeppelin departs";
  const utf16 = new Uint8Array(Uint16Array.from(text, (char) => char.charCodeAt(0)).buffer);
  for (const seen of [text, text.toUpperCase(), btoa(text), btoa("x" + text), btoa("xx" + text), encodeHex(text)]) {
    assert(spellings("zeppelin").some((found) => fold(new TextEncoder().encode(seen)).includes(found)), seen);
  }
  assert(spellings("zeppelin").some((found) => fold(utf16).includes(found)));
});

Deno.test("chat works through a proxy that cuts the stream into single bytes", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const proxy = stage.own(new RecordingProxy(relay.port, { pieceBytes: 1 }));
  const [alice, bob] = await stage.clients({ ...relay, port: proxy.port }, "alice", "bob");
  const texts = ["one", "ä".repeat(500), "three"];
  for (const text of texts) await alice.send({ type: "say", text });
  for (const text of texts) assertEquals((await bob.next("message"))["text"], text);
  await bob.send({ type: "pm", to: "alice", text: "back" });
  assertEquals((await alice.next("message"))["text"], "back");
  await alice.closeInput();
  assertEquals((await alice.exit()).code, 0);
  assertEquals((await bob.next("left"))["reason"], "left");
});

Deno.test("a link that breaks between the relay's welcome and the rooms is replaced like any other", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const [bob] = await stage.clients(relay, "bob");
  const proxy = stage.own(new RecordingProxy(relay.port));
  const { process: alice } = await stage.client(relay, "alice", { port: proxy.port });
  await bob.next("joined");
  proxy.breaksAtPiece = 3; // two of the handshake, and the first word of a client that was welcomed
  proxy.cut();
  await alice.next("link", ({ state }) => state === "reconnecting");
  for (let looks = 0; proxy.broken < 2; looks++) {
    assert(looks < 3_000, "it calls again");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  proxy.breaksAtPiece = undefined;
  await alice.next("link", ({ state }) => state === "connected");
  await alice.send({ type: "say", text: "back" });
  assertEquals((await bob.next("message"))["text"], "back");
  assertEquals(alice.printedJson.filter(({ type }) => type === "link" || type === "error").length, 2);
});

for (const direction of DIRECTIONS) {
  Deno.test(`one flipped bit ${direction} ends the link, the next one carries on, and nothing altered is ever shown`, async () => {
    await using stage = new Stage();
    const relay = await stage.relay();
    const [carol] = await stage.clients(relay, "carol");
    const proxy = stage.own(new RecordingProxy(relay.port));
    const { process: alice } = await stage.client(relay, "alice", { port: proxy.port });
    await carol.next("joined");
    await alice.send({ type: "say", text: "before" });
    await carol.next("message");
    await alice.next("accepted");

    proxy.flipNext(direction);
    if (direction === "toRelay") await alice.send({ type: "say", text: "altered", ref: "r" });
    else await carol.send({ type: "say", text: "altered" });
    const [reader, writer] = direction === "toRelay" ? [carol, alice] : [alice, carol];
    assertEquals((await reader.next("message"))["text"], "altered");
    await writer.next("accepted", ({ ref }) => direction === "toClient" || ref === "r");
    await alice.next("link", ({ state }) => state === "connected");
    assertEquals(alice.printedJson.filter(({ type }) => type === "link").map(({ state }) => state), [
      "reconnecting",
      "connected",
    ]);
    const texts = (client: typeof alice) =>
      client.printedJson.filter(({ type }) => type === "message").map(({ text }) => text);
    assertEquals(
      [texts(carol), texts(alice)],
      direction === "toRelay" ? [["before", "altered"], []] : [["before"], [
        "altered",
      ]],
    );
    await stage.clients(relay, "dora"); // the relay takes no harm
  });

  Deno.test(`one flipped bit ${direction} in the handshake refuses the link`, async () => {
    await using stage = new Stage();
    const relay = await stage.relay();
    const proxy = stage.own(new RecordingProxy(relay.port));
    proxy.flipNext(direction);
    const { code, stdout, stderr } = await stage.run("sotto", clientArgs(relay, "alice", { port: proxy.port }));
    assertEquals({ code, stdout }, { code: 3, stdout: "" });
    assert(stderr.startsWith("! What answers at"), stderr);
  });
}

Deno.test("a line cut in the middle is a lost link on both sides, and soon there is another", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const [bob] = await stage.clients(relay, "bob");
  const proxy = stage.own(new RecordingProxy(relay.port));
  const { process: alice } = await stage.client(relay, "alice", { port: proxy.port });
  await bob.next("joined");
  proxy.cut();
  await alice.next("link", ({ state }) => state === "reconnecting");
  await alice.next("link", ({ state }) => state === "connected");
  assertEquals((await bob.next("left"))["reason"], "lost");
  await bob.next("joined");
  await bob.send({ type: "say", text: "welcome back" });
  assertEquals((await alice.next("message"))["text"], "welcome back");
});

function assertUnseen(seen: Uint8Array, word: string): void {
  const folded = fold(seen);
  for (const spelling of spellings(word)) assert(!folded.includes(spelling), `"${word}" stands in the stream`);
}

/** Bytes as text in which every byte is one character and the case of letters does not count. */
function fold(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text.toLowerCase();
}

/** The ways in which a word could stand in a stream. */
function spellings(word: string): string[] {
  const utf16 = [...word].join("\0");
  return [word, utf16, encodeHex(word), ...[0, 1, 2].map((shift) => base64At(word, shift))]
    .map((text) => text.toLowerCase()).filter((text) => text.length >= 5);
}

/** A word in the middle of base64, so many bytes behind a border: the characters that depend on nothing but the word. */
function base64At(word: string, shift: number): string {
  const first = Math.ceil(shift * 8 / 6);
  return btoa("x".repeat(shift) + word).slice(first, Math.floor((shift + word.length) * 8 / 6));
}
