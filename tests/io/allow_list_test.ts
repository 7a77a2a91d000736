// Aim: a list follows its file, never by half, and what cannot be read lets nobody in and nobody out.
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { UserError } from "../../lib/bytes/errors.ts";
import { ALLOW_LIST_MAX_BYTES, AllowList } from "../../lib/io/allow_list.ts";

const ADA = "LVOLTFMZ7FENWMB5SZ5TPWGXQEPWLVY2ZBJWAFOH5W3RW5GPGPCA";
const BEN = ADA.replace("LVOL", "BENB");
/** Short, so that a test waits little. */
const LOOK_MS = 10;
/** Longer than looks ever take, on the slowest machine. */
const WAIT_MAX_MS = 20_000;

interface Staged {
  readonly path: string;
  readonly list: AllowList;
  readonly logged: [string, Readonly<Record<string, string | number>>][];
  /** How often it said that it changed. */
  changes(): number;
}

async function withList(text: string, use: (staged: Staged) => Promise<void>, lookMs = LOOK_MS): Promise<void> {
  await withFile(async (path) => {
    await Deno.writeTextFile(path, text);
    const logged: [string, Readonly<Record<string, string | number>>][] = [];
    let changes = 0;
    const log = (event: string, fields: Readonly<Record<string, string | number>>) => void logged.push([event, fields]);
    const list = await AllowList.open(path, { log, changed: () => changes++, testOnlyLookMs: lookMs });
    try {
      await use({ path, list, logged, changes: () => changes });
    } finally {
      await list.close();
    }
  });
}

async function withFile(use: (path: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "sotto-allow-" });
  try {
    await use(`${directory}/list.txt`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function until(isSo: () => boolean): Promise<void> {
  const endMs = performance.now() + WAIT_MAX_MS;
  while (!isSo()) {
    assert(performance.now() < endMs, "it never came");
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

Deno.test("AllowList.open() refuses what it cannot use and repeats nothing of it", async () => {
  await withFile(async (path) => {
    const refused = async () => {
      const open = () => AllowList.open(path, { log: () => {}, changed: () => {} });
      const error = await assertRejects(open, UserError);
      assertStringIncludes(error.message, path);
      return error;
    };
    assertStringIncludes((await refused()).message, "there is no such file");
    await Deno.writeTextFile(path, `${ADA}\n\nsecret words\n`);
    const { code, message, hint } = await refused();
    assertEquals(code, "badFlag");
    assertStringIncludes(message, "line 3");
    assert(!`${message}${hint}`.includes("secret"));
    await Deno.writeFile(path, Uint8Array.of(0xff, 0xfe));
    assertStringIncludes((await refused()).message, "it is not text");
    await Deno.writeFile(path, new Uint8Array(ALLOW_LIST_MAX_BYTES + 1).fill(0x0a));
    assertStringIncludes((await refused()).message, `more than ${ALLOW_LIST_MAX_BYTES}`);
    await Deno.writeTextFile(path, ADA);
    await Deno.chmod(path, 0o666);
    assertStringIncludes((await refused()).hint, "chmod o-w");
    await Deno.remove(path);
    await Deno.mkdir(path);
    assertStringIncludes((await refused()).message, "it is not a file");
  });
});

Deno.test("AllowList follows its file, replaced in any way, and says so only when people change", async () => {
  await withList(ADA, async ({ path, list, logged, changes }) => {
    assertEquals([list.has(ADA), list.has(BEN), list.size], [true, false, 1]);
    await Deno.writeTextFile(path, `${ADA}\n${BEN}\n`);
    await until(() => list.has(BEN));
    assertEquals([list.has(ADA), changes()], [true, 1]);
    await Deno.writeTextFile(`${path}.new`, `# only ben\n${BEN}`);
    await Deno.rename(`${path}.new`, path);
    await until(() => !list.has(ADA));
    assertEquals([list.has(BEN), changes()], [true, 2]);
    await Deno.writeTextFile(path, `# the same people\n${BEN}`);
    await list.readNow();
    assertEquals(changes(), 2);
    assertEquals(logged, [["allowListRead", { allowed: 2 }], ["allowListRead", { allowed: 1 }]]);
  });
});

Deno.test("AllowList keeps the old list while its file is malformed or gone, and logs the line alone", async () => {
  await withList(ADA, async ({ path, list, logged, changes }) => {
    await Deno.writeTextFile(path, `# x\n${BEN}\nsecret words`);
    await until(() => logged.length === 1);
    assertEquals(logged, [["allowListNotRead", { line: 3, stillAllowed: 1 }]]);
    await Deno.remove(path);
    await until(() => logged.length === 2);
    assertEquals(logged[1], ["allowListNotRead", { stillAllowed: 1 }]);
    assertEquals([list.has(ADA), list.has(BEN), changes()], [true, false, 0]);
    await Deno.writeTextFile(path, BEN);
    await until(() => changes() === 1);
    assertEquals([list.has(ADA), list.has(BEN)], [false, true]);
  });
});

Deno.test("AllowList.readNow() waits for no look, and close() leaves nothing behind", async () => {
  await withList(ADA, async ({ path, list }) => {
    await Deno.writeTextFile(path, BEN);
    await list.readNow();
    assertEquals([list.has(ADA), list.has(BEN)], [false, true]);
    await list.close();
    await list.close();
  }, 3_600_000);
});
