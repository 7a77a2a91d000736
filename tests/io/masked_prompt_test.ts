// Aim: what is typed is never shown, is taken as it was typed, and every way out gives the terminal back.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { safe } from "../../lib/cli/safe_text.ts";
import { withMaskedPrompt } from "../../lib/io/masked_prompt.ts";
import { ESCAPE_WAIT_MS } from "../../lib/io/terminal.ts";
import { FakeMaskedDevice, settle } from "./_masked_device.ts";

const ask = (device: FakeMaskedDevice): Promise<string | undefined> =>
  withMaskedPrompt(device, (prompt) => prompt.ask(safe`Passphrase: `));

Deno.test("MaskedPrompt.ask() takes what is typed and shows dots, which go with Enter", async () => {
  const device = new FakeMaskedDevice();
  const answer = ask(device);
  await settle();
  assertEquals([device.row, device.rawChanges], ["Passphrase: ", [true]]);
  device.type("sé");
  await settle();
  assertEquals(device.row, "Passphrase: ••");
  device.type("👩‍👩‍👧\x7f\x7f");
  await settle();
  assertEquals(device.row, "Passphrase: •");
  device.type("ésame\r");
  assertEquals(await answer, "sésame");
  assertEquals([device.rawChanges, device.stops], [[true, false], 1]);
  assert(!/s|é/.test(device.shown.replaceAll("Passphrase: ", "")));
  // After the last question nothing says how long the answer was.
  assertEquals(device.shown.split("\r\x1b[J").slice(-2), ["Passphrase: \r\n", "\x1b[?2004l"]);
});

Deno.test("MaskedPrompt.ask() takes bytes cut anywhere, and pastes", async () => {
  const bytes = new TextEncoder().encode("a👩‍👩‍👧é\x1b[200~two\nwords\n\x1b[201~\r");
  const chunks = Array.from(bytes, (byte) => Uint8Array.of(byte));
  assertEquals(await ask(new FakeMaskedDevice(chunks)), "a👩‍👩‍👧étwo words");
  assertEquals(await ask(new FakeMaskedDevice([bytes])), "a👩‍👩‍👧étwo words");
});

Deno.test("MaskedPrompt.ask() gives nothing when the person gives up, the terminal goes, or a signal comes", async () => {
  assertEquals(await ask(new FakeMaskedDevice(["secret\x03"])), undefined);
  assertEquals(await ask(new FakeMaskedDevice(["\x04"])), undefined);
  assertEquals(await ask(new FakeMaskedDevice(["secret", null])), undefined);
  const device = new FakeMaskedDevice(["secret"]);
  const answer = ask(device);
  await settle();
  device.handlers?.ended();
  assertEquals(await answer, undefined);
  assertEquals(device.rawChanges, [true, false]);
});

Deno.test("MaskedPrompt.ask() takes Enter alone as an empty answer", async () => {
  assertEquals(await ask(new FakeMaskedDevice(["\r"])), "");
  assertEquals(await ask(new FakeMaskedDevice(["x\x15\r"])), "");
});

Deno.test("MaskedPrompt.ask() takes what was typed ahead for the next question", async () => {
  const device = new FakeMaskedDevice(["first\rsecond\rthird"]);
  const both = await withMaskedPrompt(device, async (prompt) => [
    await prompt.ask(safe`1: `),
    await prompt.ask(safe`2: `),
  ]);
  assertEquals(both, ["first", "second"]);
});

Deno.test("MaskedPrompt.ask() does not take the letter after a lone Escape with it", async () => {
  const device = new FakeMaskedDevice(["a\x1b"]);
  const answer = ask(device);
  await new Promise((resolve) => setTimeout(resolve, 3 * ESCAPE_WAIT_MS));
  device.type("b\r");
  assertEquals(await answer, "ab");
});

Deno.test("MaskedPrompt hides again what is typed after the program was stopped", async () => {
  const device = new FakeMaskedDevice(["abc"]);
  const answer = ask(device);
  await settle();
  device.shown = "";
  device.handlers?.resumed();
  assertEquals([device.row, device.rawChanges], ["Passphrase: •••", [true, true]]);
  device.type("\r");
  assertEquals(await answer, "abc");
});

Deno.test("MaskedPrompt.ask() never draws wider than the terminal, and moves no cursor where none can be", async () => {
  const narrow = new FakeMaskedDevice(["x".repeat(200)], 20);
  const answer = ask(narrow);
  await settle();
  assert(narrow.row.length < 20, narrow.row);
  narrow.type("\r");
  assertEquals((await answer)?.length, 200);
  const dumb = new FakeMaskedDevice(["secret\r"], 0);
  assertEquals(await ask(dumb), "secret");
  assertEquals(dumb.shown, "Passphrase: \r\n");
});

Deno.test("MaskedPrompt.ask() rings when something does not fit", async () => {
  const device = new FakeMaskedDevice(["x".repeat(40_000) + "\r"]);
  await ask(device);
  assert(device.shown.includes("\x07"));
});

Deno.test("withMaskedPrompt() gives the terminal back when something throws, also on the way in", async () => {
  const device = new FakeMaskedDevice();
  await assertRejects(() => withMaskedPrompt(device, () => Promise.reject(new Error("boom"))), Error, "boom");
  assertEquals([device.rawChanges, device.stops], [[true, false], 1]);
  const gone = new FakeMaskedDevice();
  gone.setRaw = () => {
    throw new Error("no terminal");
  };
  await assertRejects(() => ask(gone), Error, "no terminal");
  assertEquals(gone.stops, 1);
});

Deno.test("MaskedPrompt gives the terminal back on unload", async () => {
  const device = new FakeMaskedDevice();
  const answer = ask(device);
  await settle();
  globalThis.dispatchEvent(new Event("unload"));
  assertEquals(device.rawChanges, [true, false]);
  device.type("\r");
  await answer;
  assertEquals(device.rawChanges, [true, false]);
});
