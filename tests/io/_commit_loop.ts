/**
 * A process for the tests to kill, or to starve: it commits the same number to two tables until it ends, and prints each
 * number when its commit has resolved.
 *
 *     deno run … _commit_loop.ts DIRECTORY
 */

import { utf8 } from "../../lib/bytes/writer.ts";
import { openDataDir } from "../../lib/io/data_dir.ts";
import { SealedStore } from "../../lib/io/sealed_store.ts";
import { UserError } from "../../lib/bytes/errors.ts";

const [path] = Deno.args as [string];

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

try {
  const dir = await openDataDir(path, { what: "client" });
  const store = await SealedStore.open(dir, () => Promise.resolve(undefined));
  const key = utf8("counter");
  let n = Number(new TextDecoder().decode(await store.read("a", key) ?? utf8("0")));
  while (true) {
    n++;
    const value = utf8(String(n).padStart(2_000, "0"));
    try {
      await store.commit([
        { table: "a", key, value },
        { table: "log", key: utf8(String(n)), value },
        { table: "b", key, value },
      ]);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      // What it has in memory is still the last commit.
      const kept = Number(new TextDecoder().decode(await store.read("a", key)));
      print(`failed ${error.code} ${kept} ${error.message}`);
      Deno.exit(0);
    }
    print(String(n));
  }
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  print(`refused ${error.code}`);
}
