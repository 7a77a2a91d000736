/**
 * Cutting a list of certificates into pages of `lv_cat` (PROTOCOL §0.7), so that none outgrows a packet.
 * @module
 */

import { type Bytes, lvCat } from "../bytes/writer.ts";

/** The longest body of a page; the packet around it holds 48 KiB. */
export const PAGE_MAX_BYTES = 32 * 1024;
const LENGTH_BYTES = 4;

/** One page, and where the next begins. */
export interface Page {
  /** `lv_cat` of the certificates on it. */
  readonly body: Bytes;
  /** The index of the first certificate that is not on it. */
  readonly next: number;
}

/**
 * Cuts the next page.
 * @param certificates the whole list, each far shorter than a page
 * @param offset the index of the first certificate for this page
 * @returns the page; its body is empty when nothing is left
 */
export function cutPage(certificates: readonly Bytes[], offset: number): Page {
  let next = offset;
  let bytes = 0;
  for (; next < certificates.length; next++) {
    bytes += LENGTH_BYTES + (certificates[next] as Bytes).length;
    if (bytes > PAGE_MAX_BYTES) break;
  }
  return { body: lvCat(...certificates.slice(offset, next)), next };
}
