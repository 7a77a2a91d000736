// Aim: the layers of DESIGN §3 hold, by a machine: who may import whom, what the cores never name, how long a file is.
import { assertEquals } from "@std/assert";
import { PAGE_MAX_BYTES } from "../lib/relay/pages.ts";
import { PADDED_MAX_BYTES, PADDED_SIZES } from "../lib/e2ee/padding.ts";
import { TEXT_MAX_BYTES } from "../lib/e2ee/plaintext.ts";
import { SEAL_OVERHEAD_BYTES } from "../lib/e2ee/seal.ts";
import { PACKET_MAX_BYTES } from "../lib/wire/packet.ts";

/** What each folder of lib may import beside its own files; an entry with a slash is one file of a folder. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  bytes: [],
  crypto: ["bytes"],
  noise: ["bytes", "crypto"],
  pake: ["bytes", "crypto"],
  wire: ["bytes"],
  link: ["bytes", "crypto", "noise", "wire"],
  e2ee: ["bytes", "crypto", "pake"],
  relay: ["bytes", "wire"], // no folder with cryptography: there is no code by which the relay could open a message
  chat: ["bytes", "wire", "e2ee", "pake", "crypto/random.ts"],
  cli: ["bytes", "wire", "chat", "crypto/hash.ts", "e2ee/identity.ts"], // a fingerprint as words needs its check sum
  io: ["bytes", "crypto", "noise", "pake", "wire", "link", "e2ee", "relay", "chat", "cli"],
};
/** The only folder that meets the world. */
const EDGE = "io";
/** Files at the top that may import all of lib. */
const ENTRIES = ["server.ts", "client.ts"];
/** What the layers below the edge may import from outside: code that does no I/O. */
const PURE_PACKAGES = [/^@std\/(encoding|text|cli)\//, /^valibot$/, /^string-width$/, /^@scure\/bip39\//];
/** What they never name: the world, the clock, chance. */
const FORBIDDEN_NAMES = [
  "Deno",
  "console",
  "Date",
  "setTimeout",
  "setInterval",
  "clearTimeout",
  "clearInterval",
  "performance",
  "fetch",
  "WebSocket",
  "Worker",
  "globalThis",
  "process",
  "prompt",
  "localStorage",
];
/** The one place below the edge that may spell times. */
const NAME_EXCEPTIONS: Readonly<Record<string, readonly string[]>> = { "lib/cli/iso.ts": ["Date"] };
/** Longer files are read by nobody (STYLE: look again at 300). */
const FILE_MAX_LINES = 400;

interface Source {
  /** From the root of the project, with slashes. */
  readonly path: string;
  readonly text: string;
}

/** Everything that breaks a rule, as sentences. */
function violations(sources: readonly Source[]): string[] {
  return sources.flatMap((source) => {
    const code = withoutComments(source.text);
    return [...wrongImports(source, code), ...wrongNames(source, withoutStrings(code)), ...wrongLength(source)];
  });
}

function wrongImports({ path }: Source, code: string): string[] {
  const folder = folderOf(path);
  return specifiersOf(code).flatMap((specifier) => {
    const target = specifier.startsWith(".") ? resolve(path, specifier) : undefined;
    if (target === undefined) return wrongPackage(path, specifier);
    const targetFolder = folderOf(target);
    if (targetFolder === undefined) return folder === undefined ? [] : [`${path} imports ${target}, outside lib`];
    if (folder === undefined) {
      const isAllowed = targetFolder !== EDGE || ENTRIES.includes(path);
      return isAllowed ? [] : [`${path} imports ${target}: only ${ENTRIES.join(" and ")} may`];
    }
    const allowed = MAY_IMPORT[folder];
    if (allowed === undefined) return [`${path} is in a folder that has no layer`];
    const isAllowed = targetFolder === folder || allowed.includes(targetFolder) ||
      allowed.includes(target.slice("lib/".length));
    return isAllowed ? [] : [`${path} imports ${target}: ${folder} may not import ${targetFolder}`];
  });
}

function wrongPackage(path: string, specifier: string): string[] {
  const folder = folderOf(path);
  if (folder === undefined || folder === EDGE) return [];
  const isPure = folder !== "bytes" && PURE_PACKAGES.some((pattern) => pattern.test(specifier));
  return isPure ? [] : [`${path} imports ${specifier}, which layers below ${EDGE} may not`];
}

function wrongNames({ path }: Source, code: string): string[] {
  const folder = folderOf(path);
  const found: string[] = [];
  if (folder !== undefined && folder !== EDGE) {
    for (const name of FORBIDDEN_NAMES) {
      if (says(code, name) && !NAME_EXCEPTIONS[path]?.includes(name)) found.push(`${path} names ${name}`);
    }
    if (/\bMath\s*\.\s*random\b/.test(code)) found.push(`${path} names Math.random`);
    if (says(code, "import\\.meta")) found.push(`${path} names import.meta`);
  }
  if (folder !== undefined && folder !== "crypto") {
    const isFine = folder === EDGE ? /\bcrypto\s*\.\s*(?!randomUUID\b)/ : /(?<![\w$.])crypto\s*(\.|\[)/;
    if (isFine.test(code)) found.push(`${path} names crypto: only lib/crypto may`);
  }
  if (folder === undefined && !ENTRIES.includes(path) && says(code, "Deno")) found.push(`${path} names Deno`);
  return found;
}

function wrongLength({ path, text }: Source): string[] {
  const lines = text.trimEnd().split("\n").length;
  return lines > FILE_MAX_LINES ? [`${path} has ${lines} lines, more than ${FILE_MAX_LINES}`] : [];
}

function says(code: string, name: string): boolean {
  return new RegExp(`(?<![\\w$.])${name}(?![\\w$])`).test(code);
}

/** The folder of lib that a path is in, `undefined` outside. */
function folderOf(path: string): string | undefined {
  return /^lib\/([^/]+)\//.exec(path)?.[1];
}

function resolve(from: string, specifier: string): string {
  const parts = from.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

/** `import … from`, `export … from`, `import "…"` and `import("…")`. */
const SPECIFIER =
  /(?:^|[;\n])\s*(?:import|export)\s(?:[\w$*{},\s]*\sfrom\s*)?["']([^"'\n]+)["']|\bimport\s*\(\s*["'`]([^"'`]+)["'`]/g;

/** What a module imports or exports from. */
function specifiersOf(code: string): string[] {
  return [...code.matchAll(SPECIFIER)].map((match) => (match[1] ?? match[2]) as string);
}

/** One pass over the tokens that matter: comments, strings, templates and regular expressions. */
const TOKENS =
  /\/\*[^]*?\*\/|\/\/[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\[^])*`|(?<=[(,=:[!&|?{};\n]\s*|return\s)\/(?![*/])(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[dgimsuvy]*/g;

function withoutComments(text: string): string {
  return text.replace(TOKENS, (token) => token.startsWith("//") || token.startsWith("/*") ? " " : token);
}

/** Leaves of a template what is computed in it: code may hide there. */
function withoutStrings(code: string): string {
  return code.replace(TOKENS, (token) => {
    if (!token.startsWith("`")) return '""';
    return ` ${[...token.matchAll(/\$\{([^}]*)/g)].map((match) => withoutStrings(match[1] as string)).join(" ")} `;
  });
}

async function readSources(): Promise<Source[]> {
  const root = new URL("../", import.meta.url);
  const sources: Source[] = [];
  const walk = async (path: string) => {
    for await (const entry of Deno.readDir(new URL(`${path}/`, root))) {
      const child = `${path}/${entry.name}`;
      if (entry.isDirectory) await walk(child);
      else if (child.endsWith(".ts") && !child.endsWith(".d.ts")) await read(child);
    }
  };
  const read = async (path: string) => {
    sources.push({ path, text: await Deno.readTextFile(new URL(path, root)) });
  };
  await walk("lib");
  for (const entry of ENTRIES) await read(entry);
  return sources;
}

Deno.test("every file of lib keeps to its layer", async () => {
  const sources = await readSources();
  assertEquals(violations(sources), []);
  const folders = new Set(sources.map(({ path }) => folderOf(path)).filter((folder) => folder !== undefined));
  assertEquals([...folders].filter((folder) => MAY_IMPORT[folder] === undefined), []);
  assertEquals(sources.length > 80, true); // or it read the wrong folder
});

Deno.test("nothing imports a file that is not there", async () => {
  const sources = await readSources();
  const paths = new Set(sources.map(({ path }) => path));
  const missing = sources.flatMap(({ path, text }) =>
    specifiersOf(withoutComments(text)).filter((one) => one.startsWith(".")).map((one) => resolve(path, one))
      .filter((target) => !paths.has(target)).map((target) => `${path} -> ${target}`)
  );
  assertEquals(missing, []); // also proves that specifiers are read right
});

const WRONG: readonly (readonly [path: string, text: string, says: string])[] = [
  ["lib/relay/x.ts", 'import { sha256 } from "../crypto/hash.ts";', "relay may not import crypto"],
  ["lib/relay/x.ts", 'import type { Box } from "../e2ee/box.ts";', "relay may not import e2ee"],
  ["lib/relay/x.ts", 'export * from "../noise/patterns.ts";', "relay may not import noise"],
  ["lib/bytes/x.ts", 'import * as v from "valibot";', "imports valibot"],
  ["lib/bytes/x.ts", 'import "../wire/frame.ts";', "bytes may not import wire"],
  ["lib/wire/x.ts", 'const x = await import("../crypto/hash.ts");', "wire may not import crypto"],
  ["lib/chat/x.ts", 'import {\n  sha256,\n} from "../crypto/hash.ts";', "chat may not import crypto"],
  ["lib/chat/x.ts", 'import { TcpLink } from "../io/tcp.ts";', "chat may not import io"],
  ["lib/cli/x.ts", 'import { nowMs } from "../io/clock.ts";', "cli may not import io"],
  ["lib/e2ee/x.ts", 'import { createHash } from "node:crypto";', "imports node:crypto"],
  ["lib/new/x.ts", 'import { a } from "../bytes/errors.ts";', "has no layer"],
  ["lib/link/x.ts", 'import { help } from "../../scripts/demo.ts";', "outside lib"],
  ["scripts/x.ts", 'import { TcpLink } from "../lib/io/tcp.ts";', "only server.ts and client.ts may"],
  ["lib/chat/x.ts", "const now = Date.now();", "names Date"],
  ["lib/chat/x.ts", "const now = new Date();", "names Date"],
  ["lib/link/x.ts", "setTimeout(() => {}, 1);", "names setTimeout"],
  ["lib/e2ee/x.ts", "const n = Math.random();", "names Math.random"],
  ["lib/e2ee/x.ts", "const k = crypto.subtle;", "names crypto"],
  ["lib/io/x.ts", "const k = crypto.subtle;", "names crypto"],
  ["lib/cli/x.ts", "Deno.exit(1);", "names Deno"],
  ["lib/cli/x.ts", "console.log(1);", "names console"],
  ["lib/cli/x.ts", "const s = `${Deno.pid}`;", "names Deno"],
  ["lib/wire/x.ts", "const t = performance.now();", "names performance"],
  ["lib/wire/x.ts", "const t = globalThis.crypto;", "names globalThis"],
  ["lib/relay/x.ts", 'const quote = /"/; fetch("x");', "names fetch"],
  ["lib/io/x.ts", "\n".repeat(FILE_MAX_LINES) + "const x = 1;", "lines"],
];

for (const [path, text, expected] of WRONG) {
  Deno.test(`the rules refuse ${path} with ${JSON.stringify(text.trim().slice(0, 60))}`, () => {
    const found = violations([{ path, text }]);
    assertEquals([found.length, found[0]?.includes(expected)], [1, true], found.join("; "));
  });
}

Deno.test("the rules allow what only looks wrong", () => {
  const text = [
    "// Deno, console and Date may be spoken of in comments",
    "/** and in docs: import { x } from '../io/tcp.ts' */",
    'const a = "Deno.exit"; const b = `Date ${"Math.random"}`; const c = /fetch|"Date/;',
    "const row = { date: 1 }; row.date; updateDate(row); const d = response.fetch;",
    'import { type Bytes } from "../bytes/writer.ts";',
    'import type { RandomBytes } from "../crypto/random.ts";',
  ].join("\n");
  assertEquals(violations([{ path: "lib/chat/x.ts", text }]), []);
  assertEquals(violations([{ path: "lib/cli/iso.ts", text: "new Date(0);" }]), []);
  assertEquals(violations([{ path: "lib/io/x.ts", text: "Deno.args; setTimeout(f); crypto.randomUUID();" }]), []);
});

Deno.test("the bounds of PROTOCOL 0.7 have their values", () => {
  assertEquals(PADDED_SIZES, [64, 256, 1_024, 4_096, 16_384, 32_768]);
  assertEquals(PADDED_MAX_BYTES, 32_768);
  assertEquals(TEXT_MAX_BYTES, 16_384);
  assertEquals(PACKET_MAX_BYTES, 49_152);
  assertEquals(PAGE_MAX_BYTES, 32 * 1_024);
  assertEquals(SEAL_OVERHEAD_BYTES, 16 + 32 + 16); // salt, commitment, tag (PROTOCOL 0.5)
});
