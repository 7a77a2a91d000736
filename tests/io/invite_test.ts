// Aim: one token, kept for its owner alone, made once, replaced on demand, taken up by a relay that runs; and a client
// finds its invitation where it was told to.
import { assert, assertEquals, assertNotEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { UserError } from "../../lib/bytes/errors.ts";
import { decodeInvite } from "../../lib/cli/invite.ts";
import { relayFingerprint } from "../../lib/e2ee/identity.ts";
import { openDataDir } from "../../lib/io/data_dir.ts";
import { givenInvite } from "../../lib/io/invite_source.ts";
import { inviteOf, RelayInvite } from "../../lib/io/invite_store.ts";
import { loadRelayKey } from "../../lib/io/relay_store.ts";
import { invitePsk } from "../../lib/link/invite_psk.ts";

async function withDirectory(use: (path: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "sotto-invite-" });
  try {
    await use(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function pskOf(invitation: string) {
  return await invitePsk((await decodeInvite(invitation)).token);
}

const NO_HOOKS = { changed: () => {}, log: () => {} };
const LOOK_MS = 10;

Deno.test("inviteOf() makes key and token where no relay has run, once, for the owner alone, and replaces on demand", async () => {
  await withDirectory(async (path) => {
    const dataDir = `${path}/new`;
    const first = await inviteOf(dataDir, { isNew: false });
    assertEquals(await inviteOf(dataDir, { isNew: false }), first);
    assertEquals((await Deno.stat(`${dataDir}/invite.token`)).mode! & 0o777, 0o600);
    const second = await inviteOf(dataDir, { isNew: true });
    assertNotEquals(second, first);
    const dir = await openDataDir(dataDir, { what: "relay" });
    try {
      const { publicBytes } = await loadRelayKey(dir);
      assertEquals((await decodeInvite(second)).fingerprint, await relayFingerprint(publicBytes));
      // The directory is locked now, as it is by a relay that runs.
      assertEquals(await inviteOf(dataDir, { isNew: false }), second);
      const third = await inviteOf(dataDir, { isNew: true });
      assertNotEquals(third, second);
      assertEquals((await decodeInvite(third)).fingerprint, (await decodeInvite(first)).fingerprint);
    } finally {
      dir.close();
    }
  });
});

Deno.test("inviteOf() and RelayInvite.open() leave a damaged or exposed token alone", async () => {
  await withDirectory(async (path) => {
    await inviteOf(path, { isNew: false });
    const file = `${path}/invite.token`;
    const whole = await Deno.readFile(file);
    const flipped = whole.slice();
    flipped[12] = (flipped[12] as number) ^ 1;
    for (const bytes of [new Uint8Array(0), whole.subarray(1), flipped, new Uint8Array(100)]) {
      await Deno.writeFile(file, bytes);
      for (const use of [() => inviteOf(path, { isNew: false }), () => RelayInvite.open(path, NO_HOOKS)]) {
        const error = await assertRejects(use, UserError);
        assertEquals(error.code, "dataDirUnusable");
        assertStringIncludes(error.message, file);
      }
      assertEquals(await Deno.readFile(file), new Uint8Array(bytes));
    }
    await Deno.writeFile(file, whole);
    await Deno.chmod(file, 0o640);
    assertStringIncludes((await assertRejects(() => RelayInvite.open(path, NO_HOOKS), UserError)).hint, "chmod 600");
  });
});

Deno.test("RelayInvite takes up a first and another token, and stays private when the file goes or is damaged", async () => {
  await withDirectory(async (path) => {
    const logged: string[] = [];
    let changes = 0;
    const invite = await RelayInvite.open(path, {
      changed: () => changes++,
      log: (event) => void logged.push(event),
      testOnlyLookMs: LOOK_MS,
    });
    try {
      assertEquals(invite.psk, undefined);
      const untilChanges = async (count: number) => {
        for (let i = 0; changes < count; i++) {
          assert(i < 1_000, "it never came");
          await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
        }
      };
      const first = await inviteOf(path, { isNew: false });
      await untilChanges(1);
      assertEquals(invite.psk, await pskOf(first));
      const held = invite.psk;
      await invite.readNow();
      assertEquals(invite.psk === held, true, "the same array: links are compared by it");
      const second = await inviteOf(path, { isNew: true });
      await untilChanges(2);
      assertEquals(invite.psk, await pskOf(second));
      await Deno.writeTextFile(`${path}/invite.token`, "x");
      await invite.readNow();
      await Deno.remove(`${path}/invite.token`);
      await invite.readNow();
      assertEquals([invite.psk, changes], [await pskOf(second), 2]);
      assertEquals([...new Set(logged)], ["inviteRead", "inviteNotRead", "inviteGone"]);
    } finally {
      await invite.close();
    }
  });
});

Deno.test("givenInvite() reads the file first, else the environment, else nothing", async () => {
  await withDirectory(async (path) => {
    const text = await inviteOf(`${path}/a`, { isNew: false });
    const other = await inviteOf(`${path}/b`, { isNew: false });
    const file = `${path}/invite.txt`;
    await Deno.writeTextFile(file, `${text}\n`);
    const env = { get: (name: string) => name === "SOTTO_INVITE" ? other : undefined };
    const empty = { get: () => "" };
    const forbidden = {
      get: () => {
        throw new Deno.errors.NotCapable("no");
      },
    };
    assertEquals(await givenInvite(file, env), await decodeInvite(text));
    assertEquals(await givenInvite(undefined, env), await decodeInvite(other));
    assertEquals([await givenInvite(undefined, empty), await givenInvite(undefined, forbidden)], [
      undefined,
      undefined,
    ]);
    for (const bad of [`${path}/none`, path]) {
      assertEquals((await assertRejects(() => givenInvite(bad, env), UserError)).code, "badFlag");
    }
    await Deno.writeFile(file, new Uint8Array(5_000).fill(0x61));
    assertEquals((await assertRejects(() => givenInvite(file, env), UserError)).code, "badFlag");
    await Deno.writeFile(file, Uint8Array.of(0xff));
    await assertRejects(() => givenInvite(file, env), UserError, "it is not text");
  });
});
