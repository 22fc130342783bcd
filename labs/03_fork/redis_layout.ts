/**
 * Where Redis 7.0 keeps a string key in memory, and which bytes of it a write stores to. From its source, not from measurement:
 *
 *   key name    sds: 1 + 2 bytes of header, the name, a zero            written by neither command
 *   dict entry  | key 8 | value 8 | next 8 |                            SET stores `value`
 *   object      | type, encoding, access clock 4 | references 4 | ptr 8 |   SETRANGE stores `ptr`; SET makes a new object
 *   value       sds: header, the bytes, a zero                           SETRANGE stores the range; SET makes a new value
 *
 * Each is a block of jemalloc, in a slab that holds blocks of one size class only. Blocks are handed out in the order of addresses, so a key
 * that was loaded as number i has the blocks number i of each class (2i and 2i + 1 where a class serves two of them). SET takes the new
 * object and value before it frees the old ones, and the thread's cache hands out what was freed last: a write moves into the blocks that the
 * write before it left. So SETs shuffle the blocks of the keys that they write.
 * While a child lives Redis stores no access clocks (`lookupKey`) and no table grows (`updateDictResizePolicy`).
 *
 * Invariant: pages are counted within a structure, from 0; a page never holds two structures that differ in class. Not modelled: the stack,
 * query and reply buffers, and jemalloc's own records, some dozens of pages whatever the data.
 */
import type { WriteTrace } from "./write_trace.ts";

/** A size class: `blocks` of `bytes` fill `pages` exactly. */
export interface SizeClass {
  readonly bytes: number;
  readonly blocks: number;
  readonly pages: number;
}

export type WriteCommand = "SETRANGE" | "SET";

/** Blocks of one class, and what a write stores in that of its key. */
export interface Structure {
  readonly name: string;
  readonly sizeClass: SizeClass;
  /** The block of key i is number `perKey * i + place`. */
  readonly perKey: number;
  readonly place: number;
  /** SET takes a new block and frees the old one. */
  readonly isReplaced: boolean;
  readonly writes: Readonly<Partial<Record<WriteCommand, { readonly from: number; readonly bytes: number }>>>;
}

export const KERNEL_PAGE_BYTES = 4096;
export const KEY_BYTES = 16;
/** What SETRANGE changes: this many bytes, from here. */
export const RANGE = { offset: 8, bytes: 8 } as const;
/** The longest string that is one block with its object; below, this layout does not hold. */
export const EMBSTR_BYTES_MAX = 44;
/** The longest value in a slab: jemalloc's last small class, less the header. */
export const SLAB_VALUE_BYTES_MAX = 14336 - 6;

const DICT_ENTRY_BYTES = 24, OBJECT_BYTES = 16, POINTER_BYTES = 8;

export function keyName(key: number): string {
  return `key:${String(key).padStart(KEY_BYTES - 4, "0")}`;
}

/** Header of an sds of this length, with its flags. */
function sdsHeaderBytes(length: number): number {
  if (length < 1 << 8) return 3;
  return length < 1 << 16 ? 5 : 9;
}

function sdsBytes(length: number): number {
  return sdsHeaderBytes(length) + length + 1;
}

/** jemalloc's small classes where blocks are aligned to 16 bytes, as on x86-64 and ARM: 16 apart up to 128, then four to each doubling. */
export function standardClasses(): SizeClass[] {
  const sizes = [8, ...Array.from({ length: 8 }, (_, i) => 16 * (i + 1))];
  for (let base = 128; base < 14336; base *= 2) {
    for (let quarter = 1; quarter <= 4; quarter++) sizes.push(base + (base / 4) * quarter);
  }
  return sizes.filter((bytes) => bytes <= 14336).map((bytes) => {
    let pages = 1;
    while ((pages * KERNEL_PAGE_BYTES) % bytes !== 0) pages++;
    return { bytes, pages, blocks: (pages * KERNEL_PAGE_BYTES) / bytes };
  });
}

/** The classes that a Redis uses, from its MEMORY MALLOC-STATS: the lines of "bins", by the columns that name size, regs and pgs. */
export function classesIn(mallocStats: string): SizeClass[] {
  const lines = mallocStats.split("\n"), first = lines.findIndex((line) => line.startsWith("bins:"));
  const columns = (lines[first] ?? "").replaceAll(/\(#\/sec\)/g, "per").trim().split(/\s+/).slice(1);
  const place = (name: string) => columns.indexOf(name), found: SizeClass[] = [];
  for (const line of lines.slice(first + 1)) {
    const words = line.trim().split(/\s+/).map(Number);
    if (words.length < columns.length || words.some(Number.isNaN)) {
      if (line.startsWith("large:")) break;
      continue;
    }
    found.push({ bytes: words[place("size")], blocks: words[place("regs")], pages: words[place("pgs")] });
  }
  return found;
}

function classFor(bytes: number, classes: readonly SizeClass[]): SizeClass {
  const found = classes.find((one) => one.bytes >= bytes);
  if (found === undefined) throw new RangeError(`no size class holds ${bytes} bytes`);
  return found;
}

/** The structures that writes to string keys store to, with values of this length. */
export function redisLayout(valueBytes: number, classes: readonly SizeClass[]): Structure[] {
  const header = sdsHeaderBytes(valueBytes);
  const value = sdsBytes(valueBytes), name = sdsBytes(KEY_BYTES);
  // In the order in which a new key takes them.
  const blocks = [
    {
      name: "value",
      bytes: value,
      isReplaced: true,
      writes: { SETRANGE: { from: header + RANGE.offset, bytes: RANGE.bytes }, SET: { from: 0, bytes: value } },
    },
    {
      name: "object",
      bytes: OBJECT_BYTES,
      isReplaced: true,
      writes: { SETRANGE: { from: 8, bytes: POINTER_BYTES }, SET: { from: 0, bytes: OBJECT_BYTES } },
    },
    { name: "key name", bytes: name, isReplaced: false, writes: {} },
    {
      name: "dict entry",
      bytes: DICT_ENTRY_BYTES,
      isReplaced: false,
      writes: { SET: { from: 8, bytes: POINTER_BYTES } },
    },
  ].map((block) => ({ ...block, sizeClass: classFor(block.bytes, classes) }));
  return blocks.map(({ name, writes, isReplaced, sizeClass }, i) => {
    const same = blocks.filter((one) => one.sizeClass.bytes === sizeClass.bytes);
    return { name, writes, isReplaced, sizeClass, perKey: same.length, place: same.indexOf(blocks[i]) };
  });
}

/** What a trace stores to one structure: from each of these places in it, so many bytes. */
export interface Stores {
  readonly structure: Structure;
  readonly command: WriteCommand;
  readonly places: Float64Array;
  readonly bytes: number;
}

export type PagesByStructure = Readonly<Record<string, number>>;

/** The heap of a Redis that loaded keys 0, 1, 2 … in order: which block of each structure is whose, as writes move them. */
export class RedisHeap {
  readonly layout: readonly Structure[];
  readonly keys: number;
  /** Of each structure: block numbers by key, and after the last key's the block that the next SET takes. */
  readonly #blocks: Int32Array[];

  constructor(layout: readonly Structure[], keys: number) {
    this.layout = layout, this.keys = keys;
    this.#blocks = layout.map(({ perKey, place }) =>
      Int32Array.from({ length: keys + 1 }, (_, i) => i * perKey + place)
    );
  }

  /** What the writes of a trace store, in order; blocks have moved when it returns. */
  write(command: WriteCommand, trace: WriteTrace): Stores[] {
    return this.layout.flatMap((structure, i) => {
      const written = structure.writes[command], blocks = this.#blocks[i];
      if (written === undefined) return [];
      const isNew = command === "SET" && structure.isReplaced;
      const places = Float64Array.from(trace.keys, (key) => {
        if (isNew) [blocks[key], blocks[this.keys]] = [blocks[this.keys], blocks[key]];
        return blockAt(structure, blocks[key]) + written.from;
      });
      return [{ structure, command, places, bytes: written.bytes }];
    });
  }

  /**
   * Pages that a trace of so many writes is expected to store to, from its skew alone: a page that a write hits with chance p is missed by
   * all of n writes with chance (1 - p)^n, so the expected number is the sum of 1 - (1 - p)^n over all pages.
   */
  pagesExpected(command: WriteCommand, { keys: { length: writes }, chances }: WriteTrace): number {
    let sum = 0;
    for (const [i, structure] of this.layout.entries()) {
      const written = structure.writes[command], hits = new Map<number, number>();
      if (written === undefined) continue;
      chances.forEach((chance, key) => {
        if (chance === 0) return;
        const from = blockAt(structure, this.#blocks[i][key]) + written.from;
        forEachPage(from, written.bytes, (page) => hits.set(page, (hits.get(page) ?? 0) + chance));
      });
      for (const p of hits.values()) sum += 1 - (1 - Math.min(1, p)) ** writes;
    }
    return sum;
  }
}

/** Where in its structure a block begins. */
function blockAt({ sizeClass: { bytes, blocks, pages } }: Structure, number: number): number {
  return Math.floor(number / blocks) * pages * KERNEL_PAGE_BYTES + (number % blocks) * bytes;
}

/** Bytes of all slabs of a structure with so many keys, the block that the next SET takes included. */
export function slabsBytes(structure: Structure, keys: number): number {
  const { perKey, sizeClass: { blocks, pages } } = structure;
  return Math.ceil(((keys + 1) * perKey) / blocks) * pages * KERNEL_PAGE_BYTES;
}

/** Pages that stores touch, by structure: each counts once. */
export function pagesStored(stores: readonly Stores[]): PagesByStructure {
  return Object.fromEntries(stores.map(({ structure, places, bytes }) => {
    const pages = new Set<number>();
    for (const place of places) forEachPage(place, bytes, (page) => pages.add(page));
    return [structure.name, pages.size];
  }));
}

function forEachPage(from: number, bytes: number, visit: (page: number) => void): void {
  const last = Math.floor((from + bytes - 1) / KERNEL_PAGE_BYTES);
  for (let page = Math.floor(from / KERNEL_PAGE_BYTES); page <= last; page++) visit(page);
}

export function totalPages(pages: PagesByStructure): number {
  return Object.values(pages).reduce((sum, count) => sum + count, 0);
}
