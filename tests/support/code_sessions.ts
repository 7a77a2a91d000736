/** What the stories about sessions by code share: two people, one code, and somebody who speaks for nobody. */
import { assert } from "@std/assert";
import type { Mailbox } from "../../lib/bytes/mailbox.ts";
import { type Bytes, utf8 } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import type { BundleOwner } from "../../lib/e2ee/bundle.ts";
import { CodeMeeting } from "../../lib/e2ee/code_meeting.ts";
import { type Code, codePrs, formatCode, parseCode } from "../../lib/pake/code.ts";
import type { PakeRole } from "../../lib/pake/code_messages.ts";
import type { RelayMessage } from "../../lib/wire/messages.ts";
import { type FakeClient, type FakeNet, type JoinOptions, WORDS } from "./fake_net.ts";

/** Links somebody for one session, who makes the code. */
export async function creates(net: FakeNet, handle: string, options: JoinOptions = {}) {
  const client = await net.join(handle, { ...options, session: { kind: "session", action: "create" } });
  return { client, code: codeOf(client) };
}

/** Links somebody for one session, who has the code; messages of some kinds never arrive there. */
export function joins(
  net: FakeNet,
  handle: string,
  code: string,
  { silentFor = [], ...options }: JoinOptions & { readonly silentFor?: readonly RelayMessage["t"][] } = {},
): Promise<FakeClient> {
  if (silentFor.length > 0) {
    net.tamper = (packet, to) => {
      return to.certificate.handle === handle && silentFor.includes(packet.message.t) ? [] : [packet];
    };
  }
  return net.join(handle, { ...options, session: { kind: "session", action: "join", code } });
}

/** The code that somebody was shown last. */
export function codeOf(client: FakeClient): string {
  const event = client.all("waiting").at(-1);
  assert(event !== undefined, "no code was shown");
  return event.code;
}

/** A code, read. */
export function read(text: string): Code {
  const parsed = parseCode(text, WORDS);
  assert(parsed.kind === "code");
  return parsed.code;
}

/** The same mailbox with other words. */
export function withOtherWords(text: string): string {
  const { mailbox, words } = read(text);
  const other = words[0] === "abandon" ? "zoo" : "abandon";
  return formatCode({ mailbox, words: [other, words[1], words[2]] as unknown as Code["words"] });
}

/** What became of somebody, in a few words: the types of events that are not notices, and the code of the end. */
export function storyOf(client: FakeClient): string[] {
  const told = client.events.map((event) => event.type === "notice" ? event.code : event.type);
  return client.finishError === undefined ? told : [...told, `finish: ${client.finishError.code}`];
}

/** Every text that anybody was shown. */
export function textsOf(...clients: readonly FakeClient[]): string[] {
  return clients.flatMap((client) => client.texts);
}

/** The mails that somebody handed to the relay, in order. */
export function mailsOf(net: FakeNet, from: FakeClient): Bytes[] {
  return net.sent.flatMap((sent) => sent.from === from && sent.packet.message.t === "mail" ? [sent.packet.body] : []);
}

/** One end of a meeting that no client runs: an attacker's. */
export class RawEnd {
  readonly sid: Bytes = secureRandom(16);
  #meeting: CodeMeeting | undefined;

  constructor(
    readonly owner: BundleOwner,
    readonly role: PakeRole,
    readonly code: Code,
  ) {}

  /** Takes the other's half of the session id; an initiator gives its opening. */
  async meet(theirSid: Bytes): Promise<Bytes | undefined> {
    const isInitiator = this.role === "initiator";
    this.#meeting = await CodeMeeting.create(this.owner, {
      role: this.role,
      prs: codePrs(this.code.words),
      mailbox: utf8(this.code.mailbox),
      initiatorSid: isInitiator ? this.sid : theirSid,
      responderSid: isInitiator ? theirSid : this.sid,
    });
    return isInitiator ? await this.#meeting.begin() : undefined;
  }

  /** Hears a mail and gives the answers. */
  hear(mail: Bytes, nowMs: number): Promise<Bytes[]> {
    assert(this.#meeting !== undefined);
    return this.#meeting.hear(mail, { nowMs });
  }
}

/** The mailbox of a code. */
export function mailboxOf(code: string): Mailbox {
  return read(code).mailbox;
}
