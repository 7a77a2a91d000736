// Aim: what is loaded into a process before Sotto sees each seal, whatever key it is under, and bends its clock; and the
// checker finds a key that is used twice with one IV in its notes.
import { assert, assertEquals } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { checkSeals } from "./_checker.ts";

/** Runs code in a process that is watched, and gives what it printed and what was noted. */
async function watch(code: string, wrongByMs = 0): Promise<{ readonly printed: string; readonly notes: string[] }> {
  const folder = await Deno.makeTempDir({ prefix: "sotto-watched-" });
  try {
    await Deno.mkdir(`${folder}/seals`);
    await Deno.writeTextFile(`${folder}/clock`, String(wrongByMs));
    const root = new URL("../../", import.meta.url).href;
    await Deno.writeTextFile(`${folder}/main.ts`, `import * as aead from "${root}lib/crypto/aead.ts";\n${code}`);
    const { code: exit, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-prompt",
        "--allow-read",
        "--allow-write",
        "--allow-env=SOTTO_FAULTS",
        `--config=${new URL("../../deno.json", import.meta.url).pathname}`,
        `--preload=${new URL("./_watched.ts", import.meta.url).pathname}`,
        `${folder}/main.ts`,
      ],
      env: { SOTTO_FAULTS: JSON.stringify({ seals: `${folder}/seals`, clock: `${folder}/clock` }) },
    }).output();
    assertEquals(exit, 0, new TextDecoder().decode(stderr));
    const files = [...Deno.readDirSync(`${folder}/seals`)];
    const notes = files.flatMap(({ name }) => Deno.readTextFileSync(`${folder}/seals/${name}`).trim().split("\n"));
    return { printed: new TextDecoder().decode(stdout).trim(), notes };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const SEAL = `
  const seal = async (key: number, iv: number, text: string) => {
    const bytes = new Uint8Array(32).fill(key);
    const imported = await aead.importAeadKey(bytes);
    bytes.fill(0); // whoever imports a key may clear it
    const options = { nonce: new Uint8Array(12).fill(iv), aad: new Uint8Array(0) };
    await aead.aeadSeal(imported, new TextEncoder().encode(text), options);
  };`;

Deno.test("the watch notes each seal under its key and IV, and nothing else", async () => {
  const { notes } = await watch(
    `${SEAL} for (const [key, iv] of [[1, 1], [1, 2], [2, 1]]) await seal(key!, iv!, "x");`,
  );
  const expected = await Promise.all([[1, 1], [1, 2], [2, 1]].map(async ([key = 0, iv = 0]) => {
    const bytes = new Uint8Array([...Array(32).fill(key), ...Array(12).fill(iv)]);
    return encodeHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
  }));
  assertEquals(notes, expected);
  assertEquals(checkSeals([{ who: "ada", hashes: notes }]), { seals: 3, faults: [] });
});

Deno.test("a key that is used twice with one IV is found in the notes, whatever it sealed", async () => {
  for (const again of ["other", "x"]) {
    const { notes } = await watch(`${SEAL} await seal(1, 1, "x"); await seal(1, 1, "${again}");`);
    assertEquals(checkSeals([{ who: "ada", hashes: notes }]).faults.map(({ rule }) => rule), ["reused"]);
  }
});

Deno.test("a process whose clock is bent is told another time", async () => {
  const { printed } = await watch("console.log(Date.now());", -86_400_000);
  const wrongByMs = Number(printed) - Date.now();
  assert(wrongByMs < -86_000_000 && wrongByMs > -87_000_000, `${wrongByMs}`);
});
