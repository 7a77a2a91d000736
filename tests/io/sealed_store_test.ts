// Aim: a commit is there whole or not at all, whatever happens; the file tells a thief nothing; what was changed in it
// is refused.
import { assert, assertEquals, assertNotEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { TextLineStream } from "@std/streams/text-line-stream";
import { UserError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat, utf8 } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { ROW_KEY_MAX_BYTES, ROW_VALUE_MAX_BYTES } from "../../lib/e2ee/sealed_row.ts";
import {
  change,
  copyFiles,
  inTempDir,
  noPassphrase,
  passphrase,
  peek,
  rowsOf,
  tamper,
  textOf,
  withStore,
} from "./_sealed_dir.ts";

const IS_POSIX = Deno.build.os !== "windows";

Deno.test("SealedStore.commit() writes, replaces and removes rows, and they are there after a restart", () =>
  inTempDir(async (path) => {
    await withStore(path, noPassphrase, async (store) => {
      await store.commit([change("peers", "bob", "1"), change("peers", "carol", "2"), change("pins", "bob", "3")]);
      await store.commit([
        change("peers", "carol", undefined),
        change("peers", "bob", "4"),
        change("peers", "dan", ""),
      ]);
      await store.commit([]);
      await store.commit([change("peers", "nobody", undefined)]);
    });
    await withStore(path, noPassphrase, async (store) => {
      assertEquals(await rowsOf(store, "peers"), [["bob", "4"], ["dan", ""]]);
      assertEquals(await rowsOf(store, "pins"), [["bob", "3"]]);
      assertEquals(await rowsOf(store, "none"), []);
      assertEquals(textOf(await store.read("peers", utf8("bob"))), "4");
      assertEquals(await store.read("peers", utf8("dan")), utf8(""));
      assertEquals(await store.read("peers", utf8("carol")), undefined);
    });
  }));

Deno.test("SealedStore.commit() lets the later of two changes of one row hold", () =>
  inTempDir((path) =>
    withStore(path, noPassphrase, async (store) => {
      await store.commit([
        change("t", "k", "1"),
        change("t", "k", "2"),
        change("t", "x", "1"),
        change("t", "x", undefined),
      ]);
      assertEquals(await rowsOf(store, "t"), [["k", "2"]]);
    })
  ));

Deno.test("SealedStore.commit() is done in the order of the calls, with what the arrays held then", () =>
  inTempDir((path) =>
    withStore(path, noPassphrase, async (store) => {
      const key = utf8("k");
      const value = utf8("0000");
      const commits: Promise<void>[] = [];
      for (let i = 0; i < 40; i++) {
        value.set(utf8(String(i).padStart(4, "0")));
        // Large ones between small ones: by themselves they would be overtaken.
        const large = { table: "t", key: utf8("large"), value: new Uint8Array(i % 2 === 0 ? 500_000 : 1) };
        commits.push(
          store.commit([large, { table: "t", key, value }]).then(async () => {
            assert(Number(textOf(await store.read("t", key))) >= i);
          }),
        );
      }
      value.fill(0);
      await Promise.all(commits);
      assertEquals(textOf(await store.read("t", utf8("k"))), "0039");
    })
  ));

Deno.test("SealedStore.commit() changes nothing when one of its changes is too long", () =>
  inTempDir((path) =>
    withStore(path, noPassphrase, async (store) => {
      await store.commit([change("t", "k", "1")]);
      const tooLong = { table: "t", key: utf8("x"), value: new Uint8Array(ROW_VALUE_MAX_BYTES + 1) };
      await assertRejects(() => store.commit([change("t", "k", "2"), tooLong]), RangeError, "too long");
      const longKey = { table: "t", key: new Uint8Array(ROW_KEY_MAX_BYTES + 1), value: undefined };
      await assertRejects(() => store.commit([change("t", "k", "2"), longKey]), RangeError, "too long");
      assertEquals(await rowsOf(store, "t"), [["k", "1"]]);
    })
  ));

Deno.test("SealedStore.commit() and list() hold many rows and the longest, in the order of their first commit", () =>
  inTempDir((path) =>
    withStore(path, noPassphrase, async (store) => {
      const keys = Array.from({ length: 300 }, (_, i) => `key ${(i * 7919) % 300}`);
      await store.commit(keys.map((key) => change("t", key, "1")));
      await store.commit(keys.slice(100, 200).reverse().map((key) => change("t", key, "2")));
      assertEquals((await rowsOf(store, "t")).map(([key]) => key), keys);
      const longest = secureRandom(65_536);
      const value = concat(...Array<Bytes>(16).fill(longest));
      await store.commit([{ table: "long", key: new Uint8Array(ROW_KEY_MAX_BYTES), value }]);
      const found = await store.read("long", new Uint8Array(ROW_KEY_MAX_BYTES));
      assertEquals(found?.length, ROW_VALUE_MAX_BYTES);
      assertEquals(found?.slice(-65_536), longest);
    })
  ));

Deno.test("SealedStore.list() goes on while commits change the table under it", () =>
  inTempDir((path) =>
    withStore(path, noPassphrase, async (store) => {
      await store.commit(Array.from({ length: 100 }, (_, i) => change("t", `k${i}`, "1")));
      const seen: string[] = [];
      for await (const { key } of store.list("t")) {
        seen.push(textOf(key));
        await store.commit([{ table: "t", key, value: undefined }, change("other", textOf(key), "moved")]);
        await store.truncateLog();
      }
      assertEquals(seen, Array.from({ length: 100 }, (_, i) => `k${i}`));
      assertEquals([(await rowsOf(store, "t")).length, (await rowsOf(store, "other")).length], [0, 100]);
    })
  ));

Deno.test("SealedStore refuses rows that were moved between tables and keys, and still reads the others", () =>
  inTempDir(async (path) => {
    const bob = utf8("bob");
    const fill = () =>
      withStore(
        path,
        noPassphrase,
        (store) =>
          store.commit(
            ["bob", "carol", "dan"].flatMap((key) => [change("peers", key, key), change("pins", key, "pin")]),
          ),
      );
    const moves = [
      // Bob's pin for bob's peer.
      `UPDATE rows SET value = (SELECT value FROM rows WHERE seq = 2) WHERE seq = 1`,
      // Carol's row for bob's.
      `UPDATE rows SET value = (SELECT value FROM rows WHERE seq = 3) WHERE seq = 1`,
      `UPDATE rows SET schema = 0 WHERE seq = 1`,
      `UPDATE rows SET schema = 2 WHERE seq = 1`,
    ];
    for (const move of moves) {
      await fill();
      assertEquals(peek(path, "SELECT tbl FROM rows WHERE seq < 4"), [{ tbl: "peers" }, { tbl: "pins" }, {
        tbl: "peers",
      }]);
      tamper(path, move);
      await withStore(path, noPassphrase, async (store) => {
        const error = await assertRejects(
          () => store.read("peers", bob),
          UserError,
          "a row of peers is damaged or forged",
        );
        assertEquals(error.code, "dataDirUnusable");
        assertEquals(textOf(await store.read("peers", utf8("carol"))), "carol");
        assertEquals((await rowsOf(store, "pins")).length, 3);
        const listed: string[] = [];
        await assertRejects(
          async () => {
            for await (const { key } of store.list("peers")) listed.push(textOf(key));
          },
          UserError,
          "damaged or forged",
        );
        assertEquals(listed, ["carol", "dan"]);
      });
    }
    // The whole row under another table's name, or another id: it is not found, and a listing refuses it.
    for (const move of ["UPDATE rows SET tbl = 'x' WHERE seq = 1", "UPDATE rows SET id = zeroblob(16) WHERE seq = 3"]) {
      tamper(path, move);
      await withStore(path, noPassphrase, async (store) => {
        await assertRejects(() => rowsOf(store, move.includes("tbl") ? "x" : "peers"), UserError, "damaged or forged");
        assertEquals(textOf(await store.read("peers", utf8("dan"))), "dan");
      });
    }
  }));

Deno.test("SealedStore refuses a flipped byte in any stored blob, and still reads the others", () =>
  inTempDir(async (path) => {
    await withStore(
      path,
      noPassphrase,
      (store) => store.commit([change("t", "a", "first"), change("t", "b", "second")]),
    );
    const [row] = peek(path, "SELECT value FROM rows WHERE seq = 1") as [{ value: Bytes }];
    for (let i = 0; i < row.value.length; i += 11) {
      const flipped = row.value.slice();
      flipped[i] = (flipped[i] as number) ^ 1;
      tamper(path, "UPDATE rows SET value = ? WHERE seq = 1", flipped);
      await withStore(path, noPassphrase, async (store) => {
        await assertRejects(() => store.read("t", utf8("a")), UserError, "damaged or forged");
        assertEquals(textOf(await store.read("t", utf8("b"))), "second");
      });
    }
    // It is not lost for good: a commit writes it anew.
    await withStore(path, noPassphrase, async (store) => {
      await store.commit([change("t", "a", "third")]);
      assertEquals(await rowsOf(store, "t"), [["a", "third"], ["b", "second"]]);
    });
  }));

Deno.test("SealedStore leaves no plaintext, key or name in any of its files", () =>
  inTempDir(async (path) => {
    const words = ["ROMEO-NAME", "LETTER-TEXT", "JULIET-NAME", "GONE-TEXT", "OPEN-SESAME"];
    await withStore(path, passphrase("OPEN-SESAME"), async (store) => {
      await store.commit([
        change("peers", "ROMEO-NAME", "LETTER-TEXT".repeat(500)),
        change("peers", "JULIET-NAME", "x"),
      ]);
      await store.commit([change("peers", "JULIET-NAME", "GONE-TEXT")]);
      await store.commit([change("peers", "JULIET-NAME", undefined)]);
      // While it is open, so that the log is there too.
      const copy = `${path}/copy`;
      await copyFiles(path, copy);
      const names = (await Array.fromAsync(Deno.readDir(copy))).map(({ name }) => name).sort();
      assertEquals(names, ["client.db", "client.db-wal", "lock.sqlite"]);
      let sealedBytes = 0;
      for (const name of names) {
        const bytes = await Deno.readFile(`${copy}/${name}`);
        sealedBytes += bytes.length;
        const hex = encodeHex(bytes);
        for (const word of words) assert(!hex.includes(encodeHex(word)), `${word} stands in ${name}`);
        if (IS_POSIX) assertEquals(((await Deno.stat(`${path}/${name}`)).mode ?? 0) & 0o777, 0o600, name);
      }
      assert(sealedBytes > 5_500);
      await Deno.remove(copy, { recursive: true });
    });
  }));

Deno.test("SealedStore.truncateLog() and close() leave nothing of a removed row", () =>
  inTempDir(async (path) => {
    let sealed: Bytes = new Uint8Array();
    const isThere = async () => {
      const files = (await Array.fromAsync(Deno.readDir(path))).filter(({ isFile }) => isFile);
      const hex = await Promise.all(files.map(async ({ name }) => encodeHex(await Deno.readFile(`${path}/${name}`))));
      return hex.some((text) => text.includes(encodeHex(sealed)));
    };
    await withStore(path, noPassphrase, (store) => store.commit([change("t", "k", "secret")]));
    [{ value: sealed }] = peek(path, "SELECT value FROM rows") as [{ value: Bytes }];
    assert(await isThere());
    await withStore(path, noPassphrase, async (store) => {
      await store.commit([change("t", "k", undefined)]);
      await store.truncateLog();
      assert(!await isThere());
    });
    assert(!await isThere());
  }));

Deno.test("SealedStore never repeats (key, iv) when an old copy is put back and written again", () =>
  inTempDir(async (path) => {
    const [first, second] = [`${path}/first`, `${path}/second`];
    await withStore(first, noPassphrase, (store) => store.commit([change("t", "k", "0")]));
    await copyFiles(first, second);
    const salts: string[] = [];
    const collect = (dir: string) => {
      const rows = peek(dir, "SELECT value FROM rows") as { value: Bytes }[];
      for (const { value } of rows) salts.push(encodeHex(value.slice(0, 16)));
    };
    collect(first);
    // (key, iv) follows from data key and salt alone: the iv is constant, the data key the same in both.
    for (const dir of [first, second]) {
      for (let i = 1; i <= 20; i++) {
        await withStore(
          dir,
          noPassphrase,
          (store) => store.commit([change("t", "k", String(i)), change("t", "l", "0")]),
        );
        collect(dir);
      }
    }
    assertEquals([salts.length, new Set(salts).size], [81, 81]);
  }));

Deno.test("SealedStore refuses use after close(), which waits for the commits before it", () =>
  inTempDir(async (path) => {
    await withStore(path, noPassphrase, async (store) => {
      const commits = Array.from({ length: 5 }, (_, i) => store.commit([change("t", String(i), "x")]));
      await Promise.all([store.close(), store.close()]);
      await Promise.all(commits);
      await store.close();
      await assertRejects(() => store.commit([change("t", "k", "1")]), TypeError, "after it was closed");
      await assertRejects(() => store.read("t", utf8("k")), TypeError, "after it was closed");
      await assertRejects(() => rowsOf(store, "t"), TypeError, "after it was closed");
      await assertRejects(() => store.changePassphrase(undefined), TypeError, "after it was closed");
    });
    await withStore(path, noPassphrase, async (store) => assertEquals((await rowsOf(store, "t")).length, 5));
  }));

/** Starts the commit loop in a process of its own. */
function startLoop(path: string, before: readonly string[] = []): Deno.ChildProcess {
  const permissions = ["--no-prompt", "--quiet", "--allow-read", "--allow-write"];
  const script = new URL("./_commit_loop.ts", import.meta.url).pathname;
  const [command, ...args] = [...before, Deno.execPath(), "run", ...permissions, script, path];
  return new Deno.Command(command as string, { args, stdin: "null", stdout: "piped", stderr: "inherit" }).spawn();
}

function linesOf(child: Deno.ChildProcess): AsyncIterable<string> {
  return child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
}

Deno.test("SealedStore keeps the last commit, whole, when the process is killed at any moment", () =>
  inTempDir(async (path) => {
    let printed = 0;
    for (let round = 0; round < 6; round++) {
      const child = startLoop(path);
      let seen = 0;
      for await (const line of linesOf(child)) {
        printed = Number(line);
        // Some commits later, and then somewhere in the middle of one.
        if (++seen === 5 + round) setTimeout(() => child.kill("SIGKILL"), round * 1.7);
      }
      assertEquals((await child.status).success, false);
      await withStore(path, noPassphrase, async (store) => {
        const [a, b] = [await store.read("a", utf8("counter")), await store.read("b", utf8("counter"))];
        const kept = Number(textOf(a));
        assertEquals(a, b);
        assert(kept >= printed && kept <= printed + 1, `${kept} was kept, ${printed} was told`);
        const log = (await rowsOf(store, "log")).map(([key]) => Number(key));
        assertEquals(log, Array.from({ length: kept }, (_, i) => i + 1));
      });
    }
  }));

Deno.test("SealedStore.open() refuses a directory that another process uses", () =>
  inTempDir(async (path) => {
    await withStore(path, noPassphrase, async () => {
      const child = startLoop(path);
      assertEquals(await Array.fromAsync(linesOf(child)), ["refused dataDirBusy"]);
      await child.status;
    });
  }));

Deno.test({
  name: "SealedStore.commit() throws when the system refuses to write, and the rows are as before",
  ignore: !IS_POSIX,
  fn: () =>
    inTempDir(async (path) => {
      // Files may grow to 400 blocks of 512 bytes and no further; the signal that says so is ignored, as on a full disk.
      const child = startLoop(path, ["sh", "-c", `trap '' XFSZ; ulimit -f 400; exec "$@"`, "sh"]);
      const lines = await Array.fromAsync(linesOf(child));
      await child.status;
      const [, told, code, kept, message] = /^(failed) (\w+) (\d+) (.*)$/.exec(lines.at(-1) ?? "") ?? [];
      assertEquals([told, code], ["failed", "dataDirUnusable"], lines.slice(-3).join("\n"));
      assertStringIncludes(message ?? "", "what was saved before is whole");
      assertEquals(kept, lines.at(-2));
      await withStore(path, noPassphrase, async (store) => {
        assertEquals(Number(textOf(await store.read("a", utf8("counter")))), Number(kept));
        assertEquals(await store.read("a", utf8("counter")), await store.read("b", utf8("counter")));
        await store.commit([change("a", "counter", "again")]);
        assertNotEquals(await store.read("a", utf8("counter")), await store.read("b", utf8("counter")));
      });
    }),
});
