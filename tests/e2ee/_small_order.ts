/** Public keys of small order, all their spellings included (RFC 7748 §7; PROTOCOL §0.2). */

const ZEROS = "00".repeat(31);
const FFS = "ff".repeat(30);

const X25519_LOW_255_BITS = [
  `00${ZEROS}`,
  `01${ZEROS}`,
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  `ec${FFS}7f`,
  `ed${FFS}7f`,
  `ee${FFS}7f`,
];

const ED25519_Y = [
  `00${ZEROS}`,
  `01${ZEROS}`,
  `ec${FFS}7f`,
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  `ed${FFS}7f`,
  `ee${FFS}7f`,
];

/** Sets the top bit of the last byte. */
function withTopBit(hex: string): string {
  return hex.slice(0, 62) + (parseInt(hex.slice(62), 16) | 0x80).toString(16).padStart(2, "0");
}

export const SMALL_ORDER_X25519: readonly string[] = X25519_LOW_255_BITS.flatMap((hex) => [hex, withTopBit(hex)]);
export const SMALL_ORDER_ED25519: readonly string[] = ED25519_Y.flatMap((hex) => [hex, withTopBit(hex)]);
