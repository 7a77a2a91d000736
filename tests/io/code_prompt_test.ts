// Aim: a person is shown what they type, Tab helps, a typo is named and asked for again, and giving up is an answer.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { wordlist } from "@scure/bip39/wordlists/english";
import { demandCode } from "../../lib/chat/session_words.ts";
import { askCode } from "../../lib/io/code_prompt.ts";
import { formatCode, parseCode, WordList } from "../../lib/pake/code.ts";
import { FakeMaskedDevice, settle } from "./_masked_device.ts";

const WORDS = new WordList(wordlist);
const read = (text: string): string => formatCode(demandCode(parseCode(text, WORDS)));

Deno.test("askCode() shows what is typed and completes words", async () => {
  const device = new FakeMaskedDevice();
  const answer = askCode(read, device);
  await settle();
  device.type("7kq2-able-sunse\t");
  await settle();
  assertEquals(device.row, "The code: 7kq2-able-sunset-");
  device.type("violin\r");
  assertEquals(await answer, "7KQ2-able-sunset-violin");
  assertEquals(device.rawChanges, [true, false]);
});

Deno.test("askCode() names a typo and asks again; Enter alone asks again too", async () => {
  const device = new FakeMaskedDevice(["\r", "7KQ2-able-sunst-violin\r", "7KQ2-able-sunset-violin\r"]);
  assertEquals(await askCode(read, device), "7KQ2-able-sunset-violin");
  assertStringIncludes(device.shown, "word 2 is not in the list; did you mean sunset?");
});

Deno.test("askCode() gives nothing when the person gives up", async () => {
  assertEquals(await askCode(read, new FakeMaskedDevice(["7KQ2\x03"])), undefined);
  assertEquals(await askCode(read, new FakeMaskedDevice(["\x04"])), undefined);
});
