// Aim: whatever a relay does to a session by code, and whatever somebody does who has the code and lies about who they
// are, ends in a state with a name and a sentence; no text is shown or sent on the way (PROTOCOL §5).
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { Mailbox } from "../../lib/bytes/mailbox.ts";
import type { Bytes } from "../../lib/bytes/writer.ts";
import { AGREE_TIMEOUT_MS } from "../../lib/chat/code_sessions.ts";
import { decodeOpening, encodeAnswer } from "../../lib/pake/code_messages.ts";
import { formatCode } from "../../lib/pake/code.ts";
import { MeetingError } from "../../lib/e2ee/code_meeting.ts";
import {
  type ClientMessage,
  decodeClientMessage,
  encodeClientMessage,
  type Packet,
  type RelayMessage,
} from "../../lib/wire/messages.ts";
import { decodePacket } from "../../lib/wire/packet.ts";
import {
  creates,
  joins,
  mailboxOf,
  mailsOf,
  RawEnd,
  read,
  storyOf,
  textsOf,
  withOtherWords,
} from "../support/code_sessions.ts";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";
import { flipped, HostileRelay, makeStranger, type PacketOf } from "../support/hostile_relay.ts";

const EMPTY = new Uint8Array(0);

/** Nothing was said: no message left for an inbox, nobody was shown a text, nobody is shown as verified. */
function assertNothingSaid(net: FakeNet, ...clients: readonly FakeClient[]): void {
  assertEquals(textsOf(...clients), []);
  const isSaid = ({ message }: Packet<ClientMessage>) => message.t === "publish" && message.kind === "message";
  assertEquals(net.sent.filter(({ packet }) => isSaid(packet)).length, 0);
  for (const client of clients) assertEquals(client.all("secured"), [], client.certificate.handle);
  for (const client of clients) assertEquals(client.kept.state.peers, [], client.certificate.handle);
}

/** Says something to the relay as a client would, whatever its core thinks. */
async function speak(net: FakeNet, from: FakeClient, message: ClientMessage, body: Bytes = EMPTY): Promise<void> {
  const packet = decodeClientMessage(decodePacket(encodeClientMessage(message, body)));
  net.relayInput({ kind: "message", link: from.link, packet, nowMs: net.nowMs });
  await net.settle();
}

/** The half of the session id that somebody gave the relay. */
function helloOf(net: FakeNet, from: FakeClient): Bytes {
  const kinds = ["createMailbox", "joinMailbox"];
  return net.sent.find((sent) => sent.from === from && kinds.includes(sent.packet.message.t))?.packet.body as Bytes;
}

/** Why a meeting was refused. */
async function reasonOf(step: () => Promise<unknown>): Promise<string> {
  const error = await assertRejects(step, MeetingError);
  return error.reason;
}

/** What came for a client that is played by hand. */
function watch(net: FakeNet, client: FakeClient) {
  const heard: Packet<RelayMessage>[] = [];
  const before = net.tamper;
  net.tamper = (packet, to) => {
    if (to !== client) return before(packet, to);
    heard.push(packet);
    return [];
  };
  return <K extends RelayMessage["t"]>(kind: K) =>
    heard.filter((packet): packet is PacketOf<K> => packet.message.t === kind);
}

Deno.test("a relay in the middle that runs the code with both sides, and guesses, is refused by both", async () => {
  const net = await FakeNet.create();
  const hostile = new HostileRelay(net);
  const { client: ben, code } = await creates(net, "ben");
  const guess = read(withOtherWords(code));
  const { mailbox } = guess;
  const relay = await makeStranger("relay", net.nowMs);
  const [toAda, toBen] = [new RawEnd(relay, "responder", guess), new RawEnd(relay, "initiator", guess)];
  net.tamper = (packet) => {
    switch (packet.message.t) {
      case "mailboxJoined":
        return [{ ...packet, body: toAda.sid }];
      case "mailboxPeer":
        return [{ ...packet, body: toBen.sid }];
      case "mail":
      case "mailboxEnded":
        return []; // what the relay wants them to hear it says itself
      default:
        return [packet];
    }
  };
  const ada = await joins(net, "ada", code);

  await toAda.meet(helloOf(net, ada));
  const [answer] = await toAda.hear(mailsOf(net, ada)[0] as Bytes, net.nowMs);
  await hostile.say(ada, { t: "mail", mailbox }, answer);
  assertEquals(storyOf(ada), ["wrongCode", "finish: noSession"]);

  const opening = await toBen.meet(helloOf(net, ben));
  await hostile.say(ben, { t: "mail", mailbox }, opening);
  assertEquals(await reasonOf(() => toBen.hear(mailsOf(net, ben)[0] as Bytes, net.nowMs)), "wrongCode");
  await hostile.say(ben, { t: "mail", mailbox }, new Uint8Array(64)); // a tag by chance
  assertEquals(storyOf(ben), ["waiting", "peerJoined", "wrongCode", "finish: noSession"]);
  assertStringIncludes(ben.finishError?.message ?? "", "somebody guessed");
  assertNothingSaid(net, ada, ben);
});

Deno.test("a relay that plays the joiner has one guess: then the code is burnt, also for the honest joiner", async () => {
  const net = await FakeNet.create();
  const hostile = new HostileRelay(net);
  const { client: ben, code } = await creates(net, "ben");
  const guess = read(withOtherWords(code));
  const { mailbox } = guess;
  const relay = new RawEnd(await makeStranger("relay", net.nowMs), "initiator", guess);
  await hostile.say(ben, { t: "mailboxPeer", mailbox }, relay.sid);
  const opening = await relay.meet(helloOf(net, ben));
  await hostile.say(ben, { t: "mail", mailbox }, opening);
  const [answer] = mailsOf(net, ben);
  assertEquals(await reasonOf(() => relay.hear(answer as Bytes, net.nowMs)), "wrongCode"); // all that a guess tells
  await hostile.say(ben, { t: "mail", mailbox }, new Uint8Array(64)); // a tag by chance
  assertEquals(storyOf(ben), ["waiting", "peerJoined", "wrongCode", "finish: noSession"]);
  assertEquals(mailsOf(net, ben).length, 1);
  assertEquals(storyOf(await joins(net, "ada", code)), ["taken", "finish: noSession"]);
  assertNothingSaid(net, ben);
});

Deno.test("a relay that brings a second guesser to the same code is refused as a relay", async () => {
  const net = await FakeNet.create();
  const hostile = new HostileRelay(net);
  const { client: ben, code } = await creates(net, "ben");
  const mailbox = mailboxOf(code);
  await hostile.say(ben, { t: "mailboxPeer", mailbox }, new Uint8Array(16));
  await hostile.say(ben, { t: "mailboxPeer", mailbox }, new Uint8Array(16).fill(1));
  assertEquals(ben.failure?.name, "ProtocolError");
  assertNothingSaid(net, ben);
});

Deno.test("a relay that hands over another mailbox than the code names, or half a session id, is refused", async () => {
  for (const spoiled of ["mailbox", "sid"] as const) {
    const net = await FakeNet.create();
    const { client: ben, code } = await creates(net, "ben");
    net.tamper = (packet) => {
      if (packet.message.t !== "mailboxJoined") return [packet];
      const mailbox = mailboxOf(formatCode({ ...read(code), mailbox: "0000" as ReturnType<typeof mailboxOf> }));
      return [
        spoiled === "sid"
          ? { ...packet, body: packet.body.slice(1) }
          : { ...packet, message: { ...packet.message, mailbox } },
      ];
    };
    const ada = await joins(net, "ada", code);
    assertEquals(ada.failure?.name, "ProtocolError", spoiled);
    assertNothingSaid(net, ada, ben);
  }
});

Deno.test("a relay that reflects is refused by whoever hears their own words", async () => {
  const net = await FakeNet.create();
  const hostile = new HostileRelay(net);
  const { client: ben, code } = await creates(net, "ben");
  const mailbox = mailboxOf(code);
  hostile.always(ben, "mail", () => []);
  const ada = await joins(net, "ada", code);
  const [opening] = mailsOf(net, ada);
  const mirrored = encodeAnswer({ share: decodeOpening(opening as Bytes), tag: new Uint8Array(64) });
  await hostile.say(ada, { t: "mail", mailbox }, mirrored);
  assertEquals(storyOf(ada), ["finish: noSession"]);
  assertStringIncludes(ada.finishError?.message ?? "", "our own message came back: somebody is in the middle");
  assertNothingSaid(net, ada, ben);
});

Deno.test("a relay that reflects a maker's own answer as an opening is refused", async () => {
  const first = await FakeNet.create();
  const { client: ben, code } = await creates(first, "ben");
  await joins(first, "ada", code);
  const [answer] = mailsOf(first, ben);
  const second = await FakeNet.create();
  second.nowMs = first.nowMs;
  const hostile = new HostileRelay(second);
  const again = await creates(second, "ben", { identity: ben.identity, certificate: ben.certificate });
  const mailbox = mailboxOf(again.code);
  await hostile.say(again.client, { t: "mailboxPeer", mailbox }, new Uint8Array(16));
  const share = (answer as Bytes).slice(0, (answer as Bytes).length - 4 - 64); // without its tag it is an opening
  await hostile.say(again.client, { t: "mail", mailbox }, share);
  assertEquals(storyOf(again.client), ["waiting", "peerJoined", "finish: noSession"]);
  assertStringIncludes(again.client.finishError?.message ?? "", "our own message came back");
  assertNothingSaid(second, again.client);
});

for (const [index, name] of ["opening", "tag", "proof of the joiner"].entries()) {
  Deno.test(`a relay that drops the ${name} leaves two who give up after a minute, and nothing was said`, async () => {
    const net = await FakeNet.create();
    const { client: ben, code } = await creates(net, "ben");
    let mails = 0;
    net.tamper = (packet, to) => packet.message.t === "mail" && to === ben && mails++ >= index ? [] : [packet];
    const ada = await joins(net, "ada", code);
    await net.advance(AGREE_TIMEOUT_MS);
    for (const client of [ada, ben]) assertEquals(client.finishError?.code, "noSession", client.certificate.handle);
    assertNothingSaid(net, ada, ben);
    assertEquals(storyOf(await joins(net, "late", code)), ["taken", "finish: noSession"]);
  });
}

Deno.test("a relay that drops the maker's proof: the joiner shows nothing, and the maker is told that it left", async () => {
  const net = await FakeNet.create();
  const { client: ben, code } = await creates(net, "ben");
  let mails = 0;
  net.tamper = (packet, to) => packet.message.t === "mail" && to !== ben && mails++ >= 1 ? [] : [packet];
  const ada = await joins(net, "ada", code);
  await ben.type("are you there?"); // ada proved herself to ben: this is for her alone
  assertEquals(ada.texts, []);
  await net.advance(AGREE_TIMEOUT_MS);
  assertEquals(ada.finishError?.code, "noSession");
  assertStringIncludes(ada.finishError?.message ?? "", "did not answer in time");
  assertEquals([ada.texts, ada.all("secured"), ben.notices.at(-1)], [[], [], "peerLeft"]);
  assertEquals(ben.hasFinished, true);
});

Deno.test("a relay that changes any message of an agreement brings it to nothing", async () => {
  const places = [0, 3, 20, 50, 120, 200, 400, -1] as const;
  for (const [to, count] of [["ben", 3], ["ada", 2]] as const) {
    for (let which = 0; which < count; which++) {
      for (const place of places) {
        const net = await FakeNet.create();
        const { client: ben, code } = await creates(net, "ben");
        let mails = 0;
        net.tamper = (packet, client) => {
          if (packet.message.t !== "mail" || client.certificate.handle !== to || mails++ !== which) return [packet];
          return [{ ...packet, body: flipped(packet.body, place < 0 ? place : place % packet.body.length) }];
        };
        const ada = await joins(net, "ada", code);
        const spoiled = to === "ben" ? ben : ada;
        const what = `mail ${which} to ${to}, byte ${place}`;
        if (!spoiled.hasFinished) await net.advance(AGREE_TIMEOUT_MS);
        assertEquals(ada.finishError?.code, "noSession", what);
        assertEquals(ada.all("secured"), [], what);
        const isLast = to === "ada" && which === 1; // the maker's proof: the maker knows whom it talks to
        assertEquals(ben.all("secured").length, isLast ? 1 : 0, what);
        assertEquals(ben.hasFinished, true, what);
        assertEquals(textsOf(ada, ben), [], what);
      }
    }
  }
});

Deno.test("a relay that puts another certificate into the opening or the answer is refused", async () => {
  for (const to of ["ben", "ada"] as const) {
    const net = await FakeNet.create();
    const { client: ben, code } = await creates(net, "ben");
    const mallory = await makeStranger(to === "ben" ? "ada" : "ben", net.nowMs); // of the same length
    net.tamper = (packet, client) => {
      if (packet.message.t !== "mail" || client.certificate.handle !== to) return [packet];
      return [{ ...packet, body: replaced(packet.body, mallory.certificate.encoded) }];
    };
    const ada = await joins(net, "ada", code);
    assertEquals(storyOf(ada), ["wrongCode", "finish: noSession"], to);
    assertEquals(ben.finishError?.code, "noSession", to);
    assertNothingSaid(net, ada, ben);
  }
});

Deno.test("a relay that feeds the mails of an earlier session of the same two is refused", async () => {
  const first = await FakeNet.create();
  const before = await creates(first, "ben");
  const adaBefore = await joins(first, "ada", before.code);
  const old = { ada: mailsOf(first, before.client), ben: mailsOf(first, adaBefore) };
  for (const to of ["ben", "ada"] as const) {
    const net = await FakeNet.create();
    net.nowMs = first.nowMs;
    const { client: ben, code } = await creates(net, "ben", { ...before.client, kept: before.client.kept });
    let mails = 0;
    net.tamper = (packet, client) => {
      if (packet.message.t !== "mail" || client.certificate.handle !== to) return [packet];
      return [{ ...packet, body: old[to][mails++] ?? packet.body }];
    };
    const ada = await joins(net, "ada", code, { ...adaBefore, kept: adaBefore.kept });
    assertEquals([ada.all("secured"), ben.all("secured"), textsOf(ada, ben)], [[], [], []], to);
    assertEquals(storyOf(ada), ["wrongCode", "finish: noSession"], to);
    assertEquals(ben.finishError?.code, "noSession", to);
  }
});

Deno.test("whoever has the code and shows another's certificate is refused by the maker, and learns nothing", async () => {
  const net = await FakeNet.create();
  const { client: ben, code } = await creates(net, "ben");
  const mallory = await net.join("mallory");
  const heard = watch(net, mallory);
  const ada = await makeStranger("ada", net.nowMs);
  const mailbox = mailboxOf(code);
  const liar = new RawEnd({ identity: mallory.identity, certificate: ada.certificate }, "initiator", read(code));
  await speak(net, mallory, { t: "joinMailbox", ref: 1, mailbox }, liar.sid);
  const opening = await liar.meet(heard("mailboxJoined")[0]?.body as Bytes);
  await speak(net, mallory, { t: "mail", mailbox }, opening);
  for (const mail of await liar.hear(heard("mail")[0]?.body as Bytes, net.nowMs)) {
    await speak(net, mallory, { t: "mail", mailbox }, mail);
  }
  assertEquals(storyOf(ben), ["waiting", "peerJoined", "finish: noSession"]);
  assertStringIncludes(ben.finishError?.message ?? "", "showed a certificate that is not theirs");
  assertEquals(mailsOf(net, ben).length, 1); // the answer, which names ben, and no proof
  assertNothingSaid(net, ben);
});

Deno.test("whoever made the code and shows another's certificate is refused by the joiner", async () => {
  const net = await FakeNet.create();
  const mallory = await net.join("mallory");
  const heard = watch(net, mallory);
  const sid = new Uint8Array(16).fill(7);
  await speak(net, mallory, { t: "createMailbox", ref: 1 }, sid);
  const mailbox = heard("mailboxCreated")[0]?.message.mailbox as Mailbox;
  const ben = await makeStranger("ben", net.nowMs);
  const code = read(`${mailbox}-able-sunset-violin`);
  const liar = new RawEnd({ identity: mallory.identity, certificate: ben.certificate }, "responder", code);
  liar.sid.set(sid);
  const ada = await joins(net, "ada", formatCode(code));
  await liar.meet(heard("mailboxPeer")[0]?.body as Bytes);
  for (let next = 0; next < 3; next++) {
    const mail = heard("mail")[next]?.body as Bytes;
    for (const reply of await liar.hear(mail, net.nowMs)) await speak(net, mallory, { t: "mail", mailbox }, reply);
  }
  assertEquals(storyOf(ada), ["finish: noSession"]);
  assertStringIncludes(ada.finishError?.message ?? "", "showed a certificate that is not theirs");
  assertNothingSaid(net, ada);
});

/** The message with the certificate in it replaced by one of the same length. */
function replaced(mail: Bytes, certificate: Bytes): Bytes {
  const copy = mail.slice();
  const at = 4 + 32 + 4 + 4 + 1 + 4; // lv(Y) | lv( lv(role) | lv(certificate …
  if (mail.length > at + certificate.length) copy.set(certificate, at);
  return copy;
}
