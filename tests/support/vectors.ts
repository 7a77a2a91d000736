/**
 * The official test vectors, which lie beside the checkout in `../shared/vectors` and are not part of it. Where that
 * folder is missing their tests are ignored, and say so; the recorded vectors of `tests/vectors` run everywhere.
 */

const FOLDER = new URL("../../../shared/vectors/", import.meta.url);
let hasWarned = false;

/**
 * Registers a test that needs one official file.
 * @param name the test's name
 * @param fileName the file in `../shared/vectors`
 * @param body gets the file's text
 */
export function testWithOfficial(name: string, fileName: string, body: (text: string) => Promise<void> | void): void {
  const text = readOfficial(fileName);
  if (text === undefined && !hasWarned) {
    hasWarned = true;
    console.warn(
      "The folder ../shared/vectors beside the checkout is missing: tests with official vectors are ignored.",
    );
  }
  Deno.test({ name, ignore: text === undefined, fn: () => body(text as string) });
}

/**
 * Reads `NAME = value` blocks, as the RFC vector files have them; a new block starts at each `COUNT`.
 * @param text the file
 * @returns one record for each block
 */
export function parseBlocks(text: string): Record<string, string>[] {
  const blocks: Record<string, string>[] = [];
  for (const line of text.split("\n")) {
    const match = /^(\w+)\s*=\s*(.*)$/.exec(line.trim());
    if (match === null) continue;
    const [, key, value] = match as unknown as [string, string, string];
    if (key === "COUNT") blocks.push({});
    const block = blocks.at(-1);
    if (block !== undefined) block[key] = value.trim();
  }
  return blocks;
}

function readOfficial(fileName: string): string | undefined {
  try {
    return Deno.readTextFileSync(new URL(fileName, FOLDER));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * The u-coordinates of small order on Curve25519 and its twist (0, 1, the two of order 8, p - 1) and their non-canonical
 * spellings (p, p + 1), little endian, each with the unused top bit clear and set (RFC 7748 §5 says to ignore it).
 */
export const SMALL_ORDER_U_HEX: readonly string[] = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
].flatMap((hex) => [hex, setTopBit(hex)]);

/** Sets the highest bit of a little-endian 32-byte number in hex. */
export function setTopBit(hex: string): string {
  const last = Number.parseInt(hex.slice(-2), 16) | 0x80;
  return hex.slice(0, -2) + last.toString(16).padStart(2, "0");
}
