/**
 * `sotto identity`: tells who this is, writes the identity to a file, becomes the one in a file, and changes the
 * passphrase of all that is kept. It calls no relay, and no chat can use the directory meanwhile.
 * @module
 */

import { equalBytes } from "../bytes/equal.ts";
import { assertNever, AuthError, DecodeError, UserError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import { spellFingerprint } from "../chat/fingerprint.ts";
import type { ExitCode } from "../cli/exit_codes.ts";
import type { IdentityFlags } from "../cli/flags.ts";
import { isoSeconds, isoTime } from "../cli/iso.ts";
import { toJsonLine } from "../cli/json_lines.ts";
import { safe, type SafeText, safeText } from "../cli/safe_text.ts";
import { fingerprintWords, spellWords } from "../cli/words.ts";
import { encodeIdentity, type Fingerprint, fingerprintOf, type Identity, identityId } from "../e2ee/identity.ts";
import {
  decodeExportedIdentity,
  encodeExportedIdentity,
  type ExportedIdentity,
  openProtectedIdentity,
  protectIdentity,
} from "../e2ee/identity_export.ts";
import type { ClientState, ClientStore } from "./client_store.ts";
import { isThere, nobodyYet, type StoreCommandOptions, tell, withHint, withKept, withKeptOrNew } from "./kept.ts";
import { type MaskedDevice, openMaskedDevice } from "./masked_prompt.ts";
import { askNewPassphrase, askPassphrase, readPassphraseFile, unlockFrom } from "./passphrase.ts";
import { asUserError, OTHERS_ANY, readBounded, shellQuoted, unusable } from "./private_file.ts";
import type { Streams } from "./program.ts";
import { UNLOCK_ATTEMPTS_MAX } from "./sealed_key.ts";

/** Much more than any identity has: a file of a later release is still read far enough to be told as such. */
export const EXPORT_MAX_BYTES = 4_096;

const IS_WINDOWS = Deno.build.os === "windows";

interface Command {
  readonly streams: Streams;
  readonly device: MaskedDevice | undefined;
  readonly options: StoreCommandOptions;
}

/** What a person wants to protect something with: a passphrase, nothing, or `undefined` when they gave up. */
type Wish = { readonly kind: "passphrase"; readonly passphrase: Bytes } | { readonly kind: "none" } | undefined;

/**
 * Runs `sotto identity`.
 * @param flags what it was told
 * @param streams where lines go
 * @param options stands in for terminal and environment
 * @returns the exit code
 * @throws {UserError} `dataDirUnusable`, `dataDirBusy` or `badFlag`; then nothing was changed
 */
export async function runIdentityCommand(
  flags: IdentityFlags,
  streams: Streams,
  options: StoreCommandOptions = {},
): Promise<ExitCode> {
  const { env = Deno.env, openDevice = openMaskedDevice } = options;
  const device = openDevice(env);
  const command: Command = { streams, device, options: { ...options, env, openDevice: () => device } };
  switch (flags.action) {
    case "show":
      return await show(flags, command);
    case "export":
      return await exportTo(flags, command);
    case "import":
      return await importFrom(flags, command);
    case "passphrase":
      return await changePassphrase(flags, command);
    default:
      return assertNever(flags);
  }
}

async function show(
  flags: Extract<IdentityFlags, { action: "show" }>,
  { streams, options }: Command,
): Promise<ExitCode> {
  return await withKept(flags, options, async ({ path, store, state }): Promise<ExitCode> => {
    const identity = identityIn(state, path);
    const fingerprint = await fingerprintOfIdentity(identity);
    const words = await fingerprintWords(fingerprint);
    const handle = state.name ?? state.certificate?.handle;
    if (flags.json) {
      const named = handle === undefined ? {} : { handle };
      const made = { madeAt: isoTime(identity.createdMs), dataDir: path, protection: store.protection };
      streams.out.write(toJsonLine({ type: "identity", ...named, fingerprint, words, ...made }) + "\n");
      return 0;
    }
    const [firstRow = "", ...rows] = spellWords(words);
    tell(streams.out, [
      handle === undefined ? safe`You have no name yet: no relay has let you in.` : safe`You are ${safeText(handle)}.`,
      safe`  fingerprint  ${safeText(spellFingerprint(fingerprint))}`,
      safe`  in words     ${safeText(firstRow)}`,
      ...rows.map((row) => safe`               ${safeText(row)}`),
      safe`  made         ${safeText(isoSeconds(identity.createdMs))}`,
      safe`  kept in      ${safeText(path)}`,
      ...protectionLines(store),
    ]);
    return 0;
  });
}

async function exportTo(
  flags: Extract<IdentityFlags, { action: "export" }>,
  { streams, device, options }: Command,
): Promise<ExitCode> {
  const { file } = flags;
  return await withKept(flags, options, async ({ path, state }): Promise<ExitCode> => {
    const identity = identityIn(state, path);
    if (await isThere(file)) throw alreadyThere(file); // before anybody types; writing checks again
    const wish = await wishFor(flags.exportPassphraseFile, device, safe`whoever reads ${safeText(file)} can be you`);
    if (wish === undefined) return givenUp(streams);
    const exported: ExportedIdentity = wish.kind === "none"
      ? { kind: "plain", identity }
      : { kind: "protected", protectedIdentity: await protectIdentity(identity, wish.passphrase, options) };
    await writeNew(file, await encodeExportedIdentity(exported));
    tell(streams.out, [
      safe`Your identity is in ${safeText(file)}, which only you can read.`,
      safe`To become it on another machine: sotto identity import FILE`,
    ]);
    if (wish.kind === "none") {
      tell(streams.err, [safe`Warning: ${safeText(file)} has no passphrase. Whoever reads it can be you.`]);
    }
    return 0;
  });
}

async function importFrom(
  flags: Extract<IdentityFlags, { action: "import" }>,
  { streams, device, options }: Command,
): Promise<ExitCode> {
  const { file } = flags;
  const identity = await openedExport(await readExport(file), flags, device);
  if (identity.life !== "lasting") {
    throw new UserError(
      "dataDirUnusable",
      `Cannot import ${file}: this identity was made for one run and is over`,
      "Name a file that sotto identity export wrote.",
    );
  }
  const fingerprint = safeText(spellFingerprint(await fingerprintOfIdentity(identity)));
  return await withKeptOrNew(flags, options, async ({ path, store, state }): Promise<ExitCode> => {
    const before = state.identity;
    const isSame = before !== undefined && equalBytes(await encodeIdentity(before), await encodeIdentity(identity));
    if (isSame) {
      tell(streams.out, [safe`${safeText(path)} holds this identity already: nothing was changed.`]);
      return 0;
    }
    if (before !== undefined && !flags.replace) throw anotherIdentity(path, await fingerprintOfIdentity(before));
    await store.commit({ identity });
    tell(streams.out, [
      safe`You are now ${fingerprint}.`,
      safe`  kept in      ${safeText(path)}`,
      ...protectionLines(store),
      ...(before === undefined ? [] : [safe`The identity that was here is gone, and its sessions with everybody.`]),
    ]);
    return 0;
  });
}

async function changePassphrase(
  flags: Extract<IdentityFlags, { action: "passphrase" }>,
  { streams, device, options }: Command,
): Promise<ExitCode> {
  if (flags.newPassphraseFile === undefined && device === undefined) {
    throw new UserError(
      "badFlag",
      "Cannot ask for the new passphrase: there is no terminal",
      "Name a file that holds it with --new-passphrase-file.",
    );
  }
  return await withKept(flags, options, async ({ path, store }): Promise<ExitCode> => {
    const danger = safe`whoever can read ${safeText(path)} can be you`;
    const wish = await wishFor(flags.newPassphraseFile, device, danger);
    if (wish === undefined) return givenUp(streams);
    await store.changePassphrase(wish.kind === "none" ? undefined : wish.passphrase);
    tell(streams.out, [
      ...(wish.kind === "none"
        ? [safe`There is no passphrase now.`]
        : [safe`The passphrase is set. Nobody can recover it if you forget it.`]),
      safe`Older copies of the directory still open with what protected them.`,
    ]);
    return 0;
  });
}

/** Finds out what is to protect something: the file says it, else the person at the terminal, else nothing does. */
async function wishFor(file: string | undefined, device: MaskedDevice | undefined, danger: SafeText): Promise<Wish> {
  if (file !== undefined) return { kind: "passphrase", passphrase: await readPassphraseFile(file) };
  if (device === undefined) return { kind: "none" };
  device.write(`Enter alone means no passphrase: ${danger}.\r\n`);
  const passphrase = await askNewPassphrase(device);
  if (passphrase !== undefined) return { kind: "passphrase", passphrase };
  // Ctrl-C looks the same as Enter here, and must never leave anything unprotected.
  const answer = await askPassphrase(device, safe`No passphrase? Type yes to go on without: `);
  return answer?.trim().toLowerCase() === "yes" ? { kind: "none" } : undefined;
}

function givenUp(streams: Streams): ExitCode {
  tell(streams.err, [safe`Nothing was changed.`]);
  return 1;
}

async function openedExport(
  exported: ExportedIdentity,
  flags: Extract<IdentityFlags, { action: "import" }>,
  device: MaskedDevice | undefined,
): Promise<Identity> {
  if (exported.kind === "plain") return exported.identity;
  const { file, exportPassphraseFile } = flags;
  const ask = unlockFrom({ file: exportPassphraseFile, device });
  if (exportPassphraseFile === undefined) device?.write(safe`${safeText(file)} has a passphrase of its own.\r\n`);
  for (let failures = 0; failures < UNLOCK_ATTEMPTS_MAX; failures++) {
    const passphrase = await ask({ kind: "open", failures });
    if (passphrase === undefined) {
      throw new UserError(
        "dataDirUnusable",
        `Cannot import ${file}: it is protected by a passphrase, and none was given`,
        "Type it in a terminal, or name a file that holds it with --export-passphrase-file.",
      );
    }
    try {
      return await openProtectedIdentity(exported.protectedIdentity, passphrase);
    } catch (cause) {
      if (cause instanceof DecodeError) throw noIdentityIn(file, cause);
      if (!(cause instanceof AuthError)) throw cause;
    }
  }
  throw new UserError(
    "dataDirUnusable",
    `Cannot import ${file}: the passphrase is wrong`,
    "Nobody can recover a forgotten passphrase. Try again, or export the identity anew where it still is.",
  );
}

async function readExport(path: string): Promise<ExportedIdentity> {
  try {
    const { isFile, size } = await Deno.stat(path);
    if (!isFile || size > EXPORT_MAX_BYTES) throw new DecodeError("Cannot read export: it is no identity of Sotto");
    return await decodeExportedIdentity(await readBounded(path, EXPORT_MAX_BYTES, OTHERS_ANY));
  } catch (cause) {
    if (cause instanceof DecodeError) throw noIdentityIn(path, cause);
    if (!(cause instanceof Deno.errors.NotFound)) throw withHint(asUserError(path, cause), "Name another file.");
    throw new UserError(
      "dataDirUnusable",
      `Cannot import ${path}: there is no such file`,
      "Name a file that sotto identity export wrote.",
    );
  }
}

/** Writes a new file for its owner alone, whole or not at all. */
async function writeNew(path: string, bytes: Bytes): Promise<void> {
  const at = Math.max(path.lastIndexOf("/"), IS_WINDOWS ? path.lastIndexOf("\\") : -1);
  const name = path.slice(at + 1);
  // The runtime would take the name before the slash.
  if (name === "") throw withHint(unusable(path, "it names a directory"), "Name another file.");
  let file: Deno.FsFile;
  try {
    // Nobody's file is overwritten, not even one that is made at this very moment.
    file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
  } catch (cause) {
    if (cause instanceof Deno.errors.AlreadyExists) throw alreadyThere(path);
    throw withHint(asUserError(path, cause), "Name another file.");
  }
  try {
    for (let offset = 0; offset < bytes.length;) offset += await file.write(bytes.subarray(offset));
    await file.sync();
  } catch (cause) {
    await Deno.remove(path).catch(() => {});
    throw withHint(asUserError(path, cause), "Name another file.");
  } finally {
    file.close();
  }
}

function protectionLines({ protection }: ClientStore): SafeText[] {
  if (protection === "passphrase") return [safe`  protected    by a passphrase`];
  return [
    safe`  protected    by a key file beside it, which protects nothing from whoever can read this directory;`,
    safe`               sotto identity passphrase sets a passphrase`,
  ];
}

function identityIn({ identity }: ClientState, path: string): Identity {
  if (identity !== undefined) return identity;
  throw nobodyYet(path);
}

async function fingerprintOfIdentity({ sign, dh }: Identity): Promise<Fingerprint> {
  return fingerprintOf(await identityId(sign.publicBytes, dh.publicBytes));
}

function anotherIdentity(path: string, fingerprint: Fingerprint): UserError {
  return new UserError(
    "dataDirUnusable",
    `Cannot import: ${path} holds another identity, ${spellFingerprint(fingerprint)}`,
    "With --replace it is lost for good, with its sessions with everybody and the trust that others have in its key. " +
      `Keep it first: sotto identity export FILE --data-dir ${shellQuoted(path)}`,
  );
}

function alreadyThere(path: string): UserError {
  return new UserError(
    "dataDirUnusable",
    `Cannot export to ${path}: it exists, and nothing is overwritten`,
    "Name a file that is not there yet.",
  );
}

/** The reason stands behind the colon of what the decoder says, and holds nothing of the file. */
function noIdentityIn(path: string, cause: DecodeError): UserError {
  const reason = cause.message.replace(/^[^:]*: /, "");
  return new UserError(
    "dataDirUnusable",
    `Cannot import ${path}: ${reason}`,
    "Name a file that sotto identity export wrote, or copy it again.",
    { cause },
  );
}
