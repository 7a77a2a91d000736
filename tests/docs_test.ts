// Aim: what the documents say is what the code does: the worked examples of PROTOCOL, flags, codes, tasks and bounds.
import { assert, assertEquals } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { type Bytes, concat, u16be, u32be, utf8 } from "../lib/bytes/writer.ts";
import { dhKeyPairFrom } from "../lib/crypto/dh.ts";
import { signKeyPairFrom } from "../lib/crypto/sign.ts";
import { CLIENT_HELP, SERVER_HELP } from "../lib/cli/help_text.ts";
import { type Certificate, createCertificate } from "../lib/e2ee/certificate.ts";
import { initiateRatchet, ratchetSeal } from "../lib/e2ee/double_ratchet.ts";
import { encodeIdentity, fingerprintOf, type Identity, openRoomId, relayFingerprint } from "../lib/e2ee/identity.ts";
import { Membership } from "../lib/e2ee/membership.ts";
import { createRoomOp, joinOp } from "../lib/e2ee/membership_make.ts";
import { inviteRoomId } from "../lib/e2ee/room_id.ts";
import { roomMessageHash } from "../lib/e2ee/room_message.ts";
import { safetyNumber } from "../lib/e2ee/safety_number.ts";
import { seal } from "../lib/e2ee/seal.ts";
import { SenderChain } from "../lib/e2ee/sender_chain.ts";
import { encodeSenderKey } from "../lib/e2ee/sender_key.ts";
import { emptyTally, Tally } from "../lib/e2ee/tally.ts";
import { x3dhInitiate } from "../lib/e2ee/x3dh.ts";
import { helpLines } from "../lib/chat/commands.ts";
import { encodeContent } from "../lib/chat/content.ts";
import { encodeHello, linkPrologue } from "../lib/link/hello.ts";
import { encodeFrame } from "../lib/wire/frame.ts";
import { foldRoomName } from "../lib/wire/handle.ts";
import { encodeClientMessage } from "../lib/wire/messages.ts";
import { encodeRun } from "../lib/wire/packet.ts";

const ROOT = new URL("../", import.meta.url);
const README = read("README.md");
const PROTOCOL = read("lib/PROTOCOL.md");
const MAP = read("lib/README.md");
/** 2026-01-01T00:00:00Z. */
const CREATED_MS = 1_767_225_600_000;

Deno.test("every worked example of PROTOCOL is what the code gives", async () => {
  const written = examplesOf(section(PROTOCOL, "8 Worked examples"));
  assertEquals(written, await workedExamples());
});

Deno.test("every PROTOCOL citation in the code names a section that exists", async () => {
  const sections = new Set([...PROTOCOL.matchAll(/^#+ (\d+(?:\.\d+)?) /gm)].map((match) => match[1] as string));
  const missing: string[] = [];
  for await (const path of files("lib", ".ts")) {
    for (const [, first, rest] of read(path).matchAll(/PROTOCOL §?(\d+(?:\.\d+)?)((?:, §\d+(?:\.\d+)?)*)/g)) {
      const cited = [first as string, ...[...(rest ?? "").matchAll(/[\d.]+/g)].map(String)];
      missing.push(...cited.filter((number) => !sections.has(number)).map((number) => `${path}: ${number}`));
    }
  }
  assertEquals(missing, []);
});

Deno.test("PROTOCOL lists the look-alikes that the code folds", () => {
  const [, rows = ""] = /LOOK_ALIKES: readonly string\[\] = \[([^\]]*)\];/.exec(read("lib/wire/handle.ts")) ?? [];
  const inCode = [...rows.matchAll(/^ +"(.*)",$/gm)].map((match) => match[1] as string);
  assert(inCode.length > 3);
  const written = [...section(PROTOCOL, "1.5 Handles").matchAll(/^ {2}(\S\S(?: \S\S)*)$/gmu)];
  assertEquals(written.map((match) => match[1] as string), inCode);
});

Deno.test("the README lists the flags that --help lists", () => {
  assertEquals(firstCells("Flags of `sotto`"), flagsOf(CLIENT_HELP));
  assertEquals(firstCells("Flags of `sotto-server`"), flagsOf(SERVER_HELP));
});

Deno.test("every flag that the README mentions exists", () => {
  const ofOthers = ["--invite-only", "--yes", "--target"]; // a command, npx, the compile script
  const known = new Set([...ofOthers, ...flagsOf(CLIENT_HELP), ...flagsOf(SERVER_HELP)]);
  const mentioned = [...README.matchAll(/(?<![\w-])--[a-z][a-z-]*/g)].map(([flag]) => flag);
  assertEquals(mentioned.filter((flag) => !known.has(flag)), []);
});

Deno.test("the README lists every error code", () => {
  const [, union = ""] = /export type UserErrorCode =([^;]*);/.exec(read("lib/bytes/errors.ts")) ?? [];
  const codes = [...union.matchAll(/"(\w+)"/g)].map((match) => match[1] as string);
  assert(codes.length > 0);
  assertEquals(firstCells("Error codes").toSorted(), codes.toSorted());
});

Deno.test("the README lists every notice code", () => {
  const [, union = ""] = /export type NoticeCode =([^;]*);/.exec(read("lib/chat/events.ts")) ?? [];
  const codes = [...union.matchAll(/"(\w+)"/g)].map((match) => match[1] as string);
  assert(codes.length > 0);
  assertEquals(firstCells("Notice codes").toSorted(), codes.toSorted());
});

Deno.test("the README lists every command", () => {
  const typed = helpLines().flatMap((line) =>
    [...line.matchAll(/^ {2}\/([a-z]+)/g)].map((match) => match[1] as string)
  );
  assert(typed.length > 5);
  const listed = [...section(README, "Commands").matchAll(/^\| .*\|$/gm)].flatMap(([row]) =>
    [...(row.split(" | ")[0] ?? "").matchAll(/`\/([a-z]+)/g)].map((match) => match[1] as string)
  );
  assertEquals([...new Set(listed)].toSorted(), typed.toSorted());
});

Deno.test("the README explains every mark", () => {
  for (const trust of ["new", "known", "verified", "KEY CHANGED", "NOT TRUSTED"]) {
    assert(section(README, "How do I know it is really them?").includes(`| \`[${trust}]\``), trust);
  }
});

Deno.test("the README lists every task", () => {
  const { tasks } = JSON.parse(read("deno.json")) as { tasks: Record<string, string> };
  assertEquals(firstCells("Tasks").toSorted(), Object.keys(tasks).toSorted());
});

Deno.test("every bound in the map has the value that the code gives it", async () => {
  const rows = section(MAP, "Bounds").matchAll(/^\| `([A-Z\d_]+)` +\| ([\d,]+) +\|.*\| `([\w/.]+)` +\|$/gm);
  let count = 0;
  for (const [, name, value, path] of rows) {
    const module = await import(new URL(`lib/${path}`, ROOT).href);
    assertEquals(`${name} ${module[name as string]}`, `${name} ${(value as string).replaceAll(",", "")}`);
    count++;
  }
  assert(count > 30);
});

Deno.test("every relative link in the documents leads to a file", async () => {
  const broken: string[] = [];
  for await (const path of documents()) {
    for (const [, target] of read(path).matchAll(/\]\(([^)\s]+)\)/g)) {
      const [file = "", anchor] = (target as string).split("#");
      if (/^[a-z]+:/.test(file)) continue;
      const url = new URL(file === "" ? path : file, file === "" ? ROOT : new URL(path, ROOT));
      const isThere = await Deno.stat(url).then(() => true, () => false);
      const isAnchored = anchor === undefined || (isThere && anchorsOf(Deno.readTextFileSync(url)).has(anchor));
      if (!isThere || !isAnchored) broken.push(`${path}: ${target}`);
    }
  }
  assertEquals(broken, []);
});

async function workedExamples(): Promise<Record<string, string>> {
  const ada = await person(1, "ada");
  const ben = await person(4, "ben");
  const relay = await dhKeyPairFrom(filled(7, 32));
  const signedPrekey = { id: 1, publicBytes: (await dhKeyPairFrom(filled(8, 32))).publicBytes, createdMs: CREATED_MS };
  const oneTimePrekey = { id: 2, publicBytes: (await dhKeyPairFrom(filled(9, 32))).publicBytes };
  const agreed = await x3dhInitiate(
    ada,
    { certificate: ben.certificate, signedPrekey, oneTimePrekey },
    { random: (lengthBytes) => filled(10, lengthBytes) },
  );
  const { sharedKey: rootKey, ad, sessionId, header } = agreed;
  const ratchet = await initiateRatchet(
    { rootKey, ad, sessionId },
    await dhKeyPairFrom(filled(11, 32)),
    signedPrekey.publicBytes,
  );
  const id = "0c".repeat(16);
  const plaintext = encodeContent({ kind: "text", id, room: null, sentAtMs: CREATED_MS, text: "hi" });
  const random = (lengthBytes: number) => filled(13, lengthBytes);
  const { message } = await ratchetSeal(ratchet, plaintext, { nowMs: CREATED_MS, random });
  const box = concat(Uint8Array.of(1), header, message);
  const ping = concat(u16be(12), utf8('{"t":"ping"}'));
  const room = await openRoomId(relay.publicBytes, foldRoomName("Lobby"));
  const hex = {
    "IDs": ada.identity.sign.publicBytes,
    "IDd": ada.identity.dh.publicBytes,
    "Ns": ada.identity.noise.publicBytes,
    "id": ada.certificate.id,
    "certificate": ada.certificate.encoded,
    "key file": await encodeIdentity(ada.identity),
    "relay key": relay.publicBytes,
    "prologue": linkPrologue("relay"),
    "hello": encodeHello({ version: 1, card: utf8("office") }),
    "packet": ping,
    "record": encodeRun([ping, ping]),
    "frame": encodeFrame(filled(0xee, 3)),
    "publish": encodeClientMessage(
      { t: "publish", stream: `inbox/${ben.certificate.fingerprint}`, kind: "message", id },
      Uint8Array.of(0xff),
    ),
    "SPK": signedPrekey.publicBytes,
    "OPK": oneTimePrekey.publicBytes,
    "EK": agreed.ephemeralPublic,
    "SK": rootKey,
    "AD": ad,
    "session id": sessionId,
    "x3dh tail": header.slice(-41),
    "root key": ratchet.rootKey,
    "chain key": ratchet.sending?.chainKey ?? new Uint8Array(),
    "plaintext": plaintext,
    "sealed": await seal(filled(14, 32), utf8("hi"), { aad: utf8("aad"), random }),
    "message": message,
    "box length": u32be(box.length),
    ...await roomExamples(room, { ada, ben }),
  };
  return {
    ...Object.fromEntries(Object.entries(hex).map(([name, bytes]) => [name, encodeHex(bytes)])),
    "fingerprint": ada.certificate.fingerprint,
    "relay fingerprint": await relayFingerprint(relay.publicBytes),
    "folded name": foldRoomName("Lobby"),
    "room": fingerprintOf(room),
    "ben": ben.certificate.fingerprint,
    "safety number": await safetyNumber(ada.certificate, ben.certificate),
  };
}

interface Someone {
  readonly identity: Identity;
  readonly certificate: Certificate;
}

async function roomExamples(room: Bytes, { ada, ben }: Record<"ada" | "ben", Someone>): Promise<Record<string, Bytes>> {
  const author = { sign: ada.identity.sign, certificate: ada.certificate };
  const random = (lengthBytes: number) => filled(15, lengthBytes);
  const membership = await Membership.begin("open", room);
  const { head: head0, roster: roster0 } = membership;
  const op = await joinOp(author, membership.context(CREATED_MS));
  const applied = await membership.apply(op, { epoch: 1, atMs: CREATED_MS });
  assert(applied.valid);
  const { head, roster } = membership;
  const sender = ada.certificate.id;
  const chain = await SenderChain.create({ room, sender, head, nowMs: CREATED_MS, random });
  const senderKey = encodeSenderKey(await chain.handOver(ben.certificate.id));
  const tally = new Tally(emptyTally(head));
  const claims = { m: 1, tally: tally.state };
  const content = { kind: "text", id: "0c".repeat(16), sentAtMs: CREATED_MS, text: "hi", claims } as const;
  const plaintext = encodeContent(content);
  const message = await chain.seal({ head, plaintext });
  return {
    "head 0": head0,
    "roster 0": roster0,
    "join op": op,
    "head 1": head,
    "roster 1": roster,
    "sender key": senderKey,
    "room plaintext": plaintext,
    "room message": message,
    "T 1": (await tally.add(await roomMessageHash(message))).digest,
    "invite room": await inviteRoomId(await createRoomOp(author, { room: undefined, atMs: CREATED_MS, random })),
  };
}

async function person(first: number, handle: string): Promise<Someone> {
  const identity: Identity = {
    sign: await signKeyPairFrom(filled(first, 32)),
    dh: await dhKeyPairFrom(filled(first + 1, 32)),
    noise: await dhKeyPairFrom(filled(first + 2, 32)),
    life: "lasting",
    createdMs: CREATED_MS,
  };
  return { identity, certificate: await createCertificate(identity, { handle, createdMs: CREATED_MS }) };
}

function filled(byte: number, lengthBytes: number) {
  return new Uint8Array(lengthBytes).fill(byte);
}

function read(path: string): string {
  return Deno.readTextFileSync(new URL(path, ROOT));
}

/** The text under a heading, up to the next one of the same or a higher level. */
function section(text: string, title: string): string {
  const lines = text.split("\n");
  const start = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, "") === title);
  assert(start !== -1, `there is no section ${title}`);
  const level = (lines[start] as string).indexOf(" ");
  let isCode = false;
  const length = lines.slice(start + 1).findIndex((line) => {
    if (line.startsWith("```")) isCode = !isCode;
    return !isCode && new RegExp(`^#{1,${level}} `).test(line);
  });
  return lines.slice(start + 1, length === -1 ? undefined : start + 1 + length).join("\n");
}

/** The code at the start of each row of the first table under a heading of the README. */
function firstCells(title: string): string[] {
  return [...section(README, title).matchAll(/^\| `([^`\s]+)[^|]*\|/gm)].map((match) => match[1] as string);
}

function flagsOf(help: string): string[] {
  const options = help.slice(help.indexOf("Options:"), help.indexOf("Examples:"));
  return [...options.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map((match) => match[1] as string);
}

/** `name = value` lines of code blocks; a value goes on in lines that begin with spaces. */
function examplesOf(text: string): Record<string, string> {
  const examples: Record<string, string> = {};
  for (const [, block] of text.matchAll(/^```text\n([^]*?)^```$/gm)) {
    for (const [, name, value] of (block as string).matchAll(/^(\w[\w ]*?) += (.*(?:\n +.*)*)$/gm)) {
      examples[name as string] = (value as string).replace(/\s+/g, "");
    }
  }
  return examples;
}

async function* files(folder: string, ending: string): AsyncGenerator<string, void, undefined> {
  for await (const { name, isFile, isDirectory } of Deno.readDir(new URL(`${folder}/`, ROOT))) {
    const path = folder === "." ? name : `${folder}/${name}`;
    if (isFile && name.endsWith(ending)) yield path;
    else if (isDirectory && folder !== ".") yield* files(path, ending);
  }
}

async function* documents(): AsyncGenerator<string, void, undefined> {
  yield* files(".", ".md");
  yield* files("lib", ".md");
}

function anchorsOf(text: string): Set<string> {
  return new Set(
    [...text.matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
      (title as string).toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").replaceAll(" ", "-")
    ),
  );
}
