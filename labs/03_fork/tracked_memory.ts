/**
 * Write traces against this server's paged memory, frozen as BGSAVE freezes it: its own tracker counts the pages that the write barrier copies.
 * Nothing here takes part in the count; what is written, and where, is all that a trace decides. In process, without a save: the snapshot
 * lives exactly as long as the trace.
 */
import { type Afterimage, type Client, ManualClock, openServer, SeededRandomness } from "../../src/mod.ts";
import {
  KERNEL_PAGE_BYTES,
  keyName,
  type PagesByStructure,
  RANGE,
  slabsBytes,
  type Stores,
  type Structure,
  type WriteCommand,
} from "./redis_layout.ts";
import type { WriteTrace } from "./write_trace.ts";

/** A long string of this server's begins at a page, with its length in four bytes: the slabs begin in the page that follows. */
const SLABS_AT = KERNEL_PAGE_BYTES - 4;
const CHUNK_BYTES_MAX = 64 * 2 ** 20;
/** What values are loaded with; no trace stores this byte, so that every write changes what it stores to. */
const LOADED = "x";
const LETTERS = "abcdefghijklmnopqrstuvw";

export function loadedValue(valueBytes: number): string {
  return LOADED.repeat(valueBytes);
}

/** The words of write number `index` of a trace. */
export function writeWords(command: WriteCommand, key: number, index: number, valueBytes: number): (string | number)[] {
  const letter = LETTERS[index % LETTERS.length];
  if (command === "SET") return ["SET", keyName(key), letter.repeat(valueBytes)];
  return ["SETRANGE", keyName(key), RANGE.offset, letter.repeat(RANGE.bytes)];
}

async function open(): Promise<{ redis: Afterimage; client: Client }> {
  const redis = await openServer({
    clock: new ManualClock(),
    randomness: new SeededRandomness(1),
    directives: ["--save", "", "--page-size", String(KERNEL_PAGE_BYTES)],
  });
  return { redis, client: redis.connect() };
}

/** Redis's heap, laid out in this server's memory: the slabs of each structure in long strings, block after block. */
export class TrackedRedisHeap {
  readonly #redis: Afterimage;
  readonly #client: Client;

  private constructor(redis: Afterimage, client: Client) {
    this.#redis = redis, this.#client = client;
  }

  static async open(layout: readonly Structure[], keys: number): Promise<TrackedRedisHeap> {
    const { redis, client } = await open();
    for (const structure of layout) {
      const bytes = slabsBytes(structure, keys), chunkBytes = chunkBytesOf(structure);
      for (let from = 0; from < bytes; from += chunkBytes) {
        const last = Math.min(chunkBytes, bytes - from) - 1;
        client.command("SETRANGE", chunkName(structure, from / chunkBytes), SLABS_AT + last, LOADED);
      }
    }
    return new TrackedRedisHeap(redis, client);
  }

  /** Pages that the barrier copies when a trace's stores are made under a snapshot. */
  pagesCopied(stores: readonly Stores[]): PagesByStructure {
    const { memory } = this.#redis.server, found: Record<string, number> = {};
    memory.freeze(0);
    for (const { structure, places, bytes } of stores) {
      const before = memory.cow.pagesCopied, chunkBytes = chunkBytesOf(structure);
      const content = new Uint8Array(bytes).fill(LETTERS.charCodeAt(0));
      for (const place of places) {
        const chunk = Math.floor(place / chunkBytes);
        this.#client.command("SETRANGE", chunkName(structure, chunk), SLABS_AT + place - chunk * chunkBytes, content);
      }
      found[structure.name] = memory.cow.pagesCopied - before;
    }
    memory.endSnapshot();
    return found;
  }

  close(): void {
    this.#redis.kill();
  }
}

/** Whole slabs, so that no block is in two chunks. */
function chunkBytesOf({ sizeClass: { pages } }: Structure): number {
  const slabBytes = pages * KERNEL_PAGE_BYTES;
  return Math.floor(CHUNK_BYTES_MAX / slabBytes) * slabBytes;
}

function chunkName({ name }: Structure, chunk: number): string {
  return `${name}:${chunk}`;
}

export interface OwnCopies {
  readonly copied: number;
  /** Pages whose bytes are others than at the freeze, found by comparing checksums of every page: the truth that no tracker told. */
  readonly changed: number;
}

/** This server with the keys themselves, in its own layout. */
export class TrackedKeys {
  readonly #redis: Afterimage;
  readonly #client: Client;
  readonly #valueBytes: number;

  private constructor(redis: Afterimage, client: Client, valueBytes: number) {
    this.#redis = redis, this.#client = client, this.#valueBytes = valueBytes;
  }

  static async open(keys: number, valueBytes: number): Promise<TrackedKeys> {
    const { redis, client } = await open(), value = loadedValue(valueBytes);
    for (let key = 0; key < keys; key++) client.command("SET", keyName(key), value);
    return new TrackedKeys(redis, client, valueBytes);
  }

  copies(command: WriteCommand, trace: WriteTrace): OwnCopies {
    const { memory } = this.#redis.server;
    for (const key of new Set(trace.keys)) this.#client.command("SET", keyName(key), loadedValue(this.#valueBytes));
    const image = memory.freeze(0), [segment] = image.segments as SharedArrayBuffer[];
    let pages = segment.byteLength / KERNEL_PAGE_BYTES;
    while (pages > 0 && memory.pageState(pages - 1) === 0) pages--;
    const before = pageChecksums(segment, pages);
    trace.keys.forEach((key, i) => this.#client.command(...writeWords(command, key, i, this.#valueBytes)));
    const after = pageChecksums(segment, pages), copied = memory.cow.pagesCopied;
    memory.endSnapshot();
    return { copied, changed: after.reduce((sum, checksum, page) => checksum === before[page] ? sum : sum + 1, 0) };
  }

  close(): void {
    this.#redis.kill();
  }
}

/** A checksum of each of the first pages. */
function pageChecksums(segment: SharedArrayBuffer, pages: number): Uint32Array {
  const words = new Uint32Array(segment), perPage = KERNEL_PAGE_BYTES / 4;
  return Uint32Array.from({ length: pages }, (_, page) => {
    let sum = 1;
    for (let at = page * perPage; at < (page + 1) * perPage; at++) {
      sum = Math.imul(sum ^ words[at], 0x9e3779b1) ^ (sum >>> 15);
    }
    return sum;
  });
}
