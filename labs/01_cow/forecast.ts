/**
 * How many pages a save will copy, before it runs: from the probability of each key, the number of writes, and how keys lie in pages.
 *
 * A page is copied when the first of n independent writes hits it: with probability 1 − (1 − P)ⁿ, where P is the chance that one write does.
 * The expected number of copies is the sum of that over pages. Three ways to get it, from what is known:
 *   naive       every write copies a page, until there is none left
 *   closed      skew and keys to a page are known, not which keys share pages
 *   placed      it is known which keys share pages: the order of loading
 */
import type { Distribution } from "./distribution.ts";

/** Blocks of one size that lie one behind the other in the order of keys, one to a key. A write touches all of a block. */
export interface BlockLayout {
  readonly blockBytes: number;
  /** Bytes of pages to a block: the block, and its share of what else lies between. */
  readonly strideBytes: number;
}

export interface Forecast {
  readonly naive: number;
  readonly closed: number;
  readonly placed: number;
}

/** Pages that the blocks lie in. */
export function pagesOf(keys: number, { strideBytes }: BlockLayout, pageBytes: number): number {
  return Math.ceil((keys * strideBytes) / pageBytes);
}

/** Expected copies of `writes` independent writes to keys that each have one block of each layout. */
export function forecast(
  of: Distribution,
  writes: number,
  layouts: readonly BlockLayout[],
  pageBytes: number,
): Forecast {
  const keys = of.probabilities.length,
    sum = (one: (layout: BlockLayout) => number) => layouts.reduce((total, layout) => total + one(layout), 0);
  return {
    naive: sum((layout) => Math.min(writes, pagesOf(keys, layout, pageBytes))),
    closed: sum((layout) => closedForm(of, writes, layout, pageBytes)),
    placed: sum((layout) => sumOverPages(of, writes, layout, pageBytes)),
  };
}

/** Pages among `pages` equally likely ones that `writes` writes hit. */
export function evenHits(pages: number, writes: number): number {
  return pages * (1 - (1 - 1 / pages) ** writes);
}

/** Pages that one block touches on average: more than one when blocks straddle the borders of pages. */
export function pagesPerBlock(blockBytes: number, strideBytes: number, pageBytes: number): number {
  const sample = Math.min(4096, pageBytes);
  let pages = 0;
  for (let i = 0; i < sample; i++) {
    const from = Math.floor(i * strideBytes);
    pages += Math.floor((from + blockBytes - 1) / pageBytes) - Math.floor(from / pageBytes) + 1;
  }
  return pages / sample;
}

/**
 * Keys of one age fill pages of their own, all equally likely. Scattered ones share pages with any others: a page stays as it was when none
 * of its keys was written, and a key stays so with the mean of (1 − p)ⁿ.
 */
function closedForm(
  { isScattered, probabilities }: Distribution,
  writes: number,
  layout: BlockLayout,
  pageBytes: number,
): number {
  const { blockBytes, strideBytes } = layout, keys = probabilities.length;
  const touched = pagesPerBlock(blockBytes, strideBytes, pageBytes), keysPerPage = (touched * pageBytes) / strideBytes;
  const pages = (keys * strideBytes) / pageBytes;
  if (!isScattered) {
    const hot = probabilities.reduce((count, p) => count + (p > 0 ? 1 : 0), 0),
      hotPages = Math.max(1, (hot * strideBytes) / pageBytes);
    return evenHits(hotPages, writes * Math.min(touched, hotPages));
  }
  let untouched = 0;
  for (let key = 0; key < keys; key++) untouched += (1 - probabilities[key]) ** writes;
  return pages * (1 - (untouched / keys) ** keysPerPage);
}

function sumOverPages({ probabilities }: Distribution, writes: number, layout: BlockLayout, pageBytes: number): number {
  const { blockBytes, strideBytes } = layout,
    hit = new Float64Array(pagesOf(probabilities.length, layout, pageBytes) + 1);
  for (let key = 0; key < probabilities.length; key++) {
    const from = Math.floor(key * strideBytes), last = Math.floor((from + blockBytes - 1) / pageBytes);
    for (let page = Math.floor(from / pageBytes); page <= last; page++) hit[page] += probabilities[key];
  }
  return hit.reduce((sum, probability) => sum + 1 - (1 - Math.min(1, probability)) ** writes, 0);
}

/** Writes until `copies` copies are expected among `pages` equally likely pages; infinite when they are never. */
export function writesUntil(pages: number, copies: number): number {
  return copies >= pages ? Infinity : Math.log(1 - copies / pages) / Math.log(1 - 1 / pages);
}
