/** Sums over the keys of a data set: by database, type, encoding, time to live and prefix, and its largest keys. Keeps no key but those. */
import { ENCODING_NAMES, TYPE_NAMES } from "../../keyspace/entry.ts";
import { quoted } from "../../base/quoted.ts";
import { settledTableBytes } from "../../structures/dict.ts";
import type { KeyFacts } from "./key_facts.ts";
import { PrefixTree } from "./prefix_tree.ts";

export const SECOND_MS = 1000, MINUTE_MS = 60_000, HOUR_MS = 60 * MINUTE_MS, DAY_MS = 24 * HOUR_MS;
/** Upper ends of the classes of time to live. */
export const TTL_CLASSES: readonly { readonly name: string; readonly belowMs: number }[] = [
  { name: "expired", belowMs: 0 },
  { name: "under 1 minute", belowMs: MINUTE_MS },
  { name: "under 1 hour", belowMs: HOUR_MS },
  { name: "under 1 day", belowMs: DAY_MS },
  { name: "under 7 days", belowMs: 7 * DAY_MS },
  { name: "under 30 days", belowMs: 30 * DAY_MS },
  { name: "30 days or more", belowMs: Infinity },
];
export const NO_TTL = "no expiry";
/** An address in the index of keys that expire, which grows by chunks. */
const EXPIRY_PLACE_BYTES = 4, EXPIRY_CHUNK_PLACES = 1 << 14;
/** Sums of a prefix: bytes in memory, keys, bytes in the file, and the bytes of each type. */
export const PREFIX_SUM = { memoryBytes: 0, keys: 1, fileBytes: 2, firstType: 3 } as const;
const ENCODINGS_MAX = 16;

export interface Sums {
  keys: number;
  memoryBytes: number;
  fileBytes: number;
  /** Bytes of strings, elements of everything else. */
  length: number;
  largestBytes: number;
}

export interface BigKey {
  readonly database: number;
  /** As redis-cli shows it. */
  readonly key: string;
  readonly type: string;
  readonly encoding: string;
  readonly length: number;
  readonly memoryBytes: number;
  readonly fileBytes: number;
  readonly expiresAtMs: number;
}

export interface AccountOptions {
  /** Times to live count from here, Unix ms. */
  readonly nowMs: number;
  readonly top: number;
  readonly separators: string;
  readonly folds: boolean;
}

export class MemoryAccount {
  readonly total: Sums = newSums();
  /** By type * 16 + encoding. */
  readonly #encodings: (Sums | undefined)[] = [];
  readonly #ttls: Sums[] = TTL_CLASSES.map(newSums);
  readonly #noTtl: Sums = newSums();
  readonly #databases = new Map<number, { keys: number; expires: number; memoryBytes: number }>();
  readonly prefixes: PrefixTree;
  readonly #top: number;
  readonly #nowMs: number;
  readonly #largest: BigKey[] = [];
  readonly #prefixSums = new Float64Array(PREFIX_SUM.firstType + TYPE_NAMES.length);

  constructor({ nowMs, top, separators, folds }: AccountOptions) {
    this.#nowMs = nowMs, this.#top = top;
    this.prefixes = new PrefixTree({ separators, folds, measures: PREFIX_SUM.firstType + TYPE_NAMES.length });
  }

  readonly add = (facts: KeyFacts): void => {
    const { type, encoding, expiresAtMs, memoryBytes, fileBytes } = facts, length = facts.length;
    addTo(this.total, facts, length);
    addTo(this.#encodings[type * ENCODINGS_MAX + encoding] ??= newSums(), facts, length);
    addTo(expiresAtMs < 0 ? this.#noTtl : this.#ttls[ttlClass(expiresAtMs - this.#nowMs)], facts, length);
    this.#addToDatabase(facts);
    const sums = this.#prefixSums, typeAt = PREFIX_SUM.firstType + type;
    sums[PREFIX_SUM.memoryBytes] = memoryBytes, sums[PREFIX_SUM.keys] = 1, sums[PREFIX_SUM.fileBytes] = fileBytes;
    sums[typeAt] = memoryBytes;
    this.prefixes.add(facts.key, facts.keyLength, sums);
    sums[typeAt] = 0;
    this.#keepLargest(facts, length);
  };

  #addToDatabase({ database, expiresAtMs, memoryBytes }: KeyFacts): void {
    let sums = this.#databases.get(database);
    if (sums === undefined) this.#databases.set(database, sums = { keys: 0, expires: 0, memoryBytes: 0 });
    sums.keys++, sums.memoryBytes += memoryBytes;
    if (expiresAtMs >= 0) sums.expires++;
  }

  /** The list is short and seldom changes: a new one moves up to its place. */
  #keepLargest(facts: KeyFacts, length: number): void {
    const largest = this.#largest, { memoryBytes } = facts;
    if (largest.length === this.#top && (this.#top === 0 || memoryBytes <= largest[largest.length - 1].memoryBytes)) {
      return;
    }
    let at = largest.length;
    while (at > 0 && largest[at - 1].memoryBytes < memoryBytes) at--;
    largest.splice(at, 0, bigKey(facts, length));
    if (largest.length > this.#top) largest.pop();
  }

  get largest(): readonly BigKey[] {
    return this.#largest;
  }

  get databases(): { index: number; keys: number; expires: number; memoryBytes: number }[] {
    return [...this.#databases].map(([index, sums]) => ({ index, ...sums })).sort((a, b) => a.index - b.index);
  }

  /** What the tables of the databases take, once they have settled. */
  get tableBytes(): number {
    return this.databases.reduce((sum, { keys }) => sum + settledTableBytes(keys), 0);
  }

  get expiryIndexBytes(): number {
    const chunks = this.databases.map(({ expires }) => Math.ceil(expires / EXPIRY_CHUNK_PLACES));
    return chunks.reduce((sum, count) => sum + count * EXPIRY_CHUNK_PLACES * EXPIRY_PLACE_BYTES, 0);
  }

  /** Everything: what a server's used_memory grows by when it loads this. */
  get allBytes(): number {
    return this.total.memoryBytes + this.tableBytes + this.expiryIndexBytes;
  }

  /** Those that have keys, largest first. */
  get byEncoding(): { type: string; encoding: string; sums: Sums }[] {
    const rows = this.#encodings.flatMap((sums, at) =>
      sums === undefined
        ? []
        : [{ type: TYPE_NAMES[at >> 4], encoding: ENCODING_NAMES[at & (ENCODINGS_MAX - 1)], sums }]
    );
    return rows.sort((a, b) => b.sums.memoryBytes - a.sums.memoryBytes);
  }

  get byTtl(): { name: string; sums: Sums }[] {
    const classes = TTL_CLASSES.map(({ name }, i) => ({ name, sums: this.#ttls[i] }));
    return [{ name: NO_TTL, sums: this.#noTtl }, ...classes].filter(({ sums }) => sums.keys > 0);
  }
}

function newSums(): Sums {
  return { keys: 0, memoryBytes: 0, fileBytes: 0, length: 0, largestBytes: 0 };
}

function addTo(sums: Sums, { memoryBytes, fileBytes }: KeyFacts, length: number): void {
  sums.keys++, sums.memoryBytes += memoryBytes, sums.fileBytes += fileBytes, sums.length += length;
  if (memoryBytes > sums.largestBytes) sums.largestBytes = memoryBytes;
}

function ttlClass(leftMs: number): number {
  let at = 0;
  while (leftMs >= TTL_CLASSES[at].belowMs) at++;
  return at;
}

export function bigKey(facts: KeyFacts, length: number): BigKey {
  const { database, type, encoding, memoryBytes, fileBytes, expiresAtMs } = facts;
  return {
    database,
    key: quoted(facts.key.subarray(0, facts.keyLength)),
    type: TYPE_NAMES[type],
    encoding: ENCODING_NAMES[encoding],
    length,
    memoryBytes,
    fileBytes,
    expiresAtMs,
  };
}
