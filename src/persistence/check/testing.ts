/** What the tests of checks share: files with every kind of content, damaged in any way. */
import { encodeCommand } from "../../resp/encode_command.ts";
import { COMMAND_BOOK } from "../../commands/spec/command_book.ts";
import { MemoryStorage } from "../../io/memory_storage.ts";
import { readWhole, type Storage, writeWhole } from "../../io/storage.ts";
import { ManualClock, openServer, SeededRandomness } from "../../mod.ts";
import { AofManifest } from "../aof/aof_manifest.ts";
import { fileIdOf, SEAL_BYTES, SealChain } from "../aof/aof_seal.ts";
import { Check } from "./check.ts";

export type Words = readonly (string | number)[];

export const LOG_ID = 0x12345678;
export const DIRECTORY = "/log";
export const BASE = "appendonly.aof.1.base.rdb", MANIFEST = "appendonly.aof.manifest";

export function incrementName(sequence: number): string {
  return `appendonly.aof.${sequence}.incr.aof`;
}

/** One key of each type, a second database, and an expiry. */
const DATA: readonly Words[] = [
  ["SET", "text", "some text"],
  ["SET", "number", 12345],
  ["SET", "long", "abc".repeat(40)],
  ["SET", "mortal", "x", "PXAT", 4_000_000_000_000],
  ["RPUSH", "list", "a", "b", 3],
  ["SADD", "intset", 1, 2, 300],
  ["SADD", "set", "a", "b"],
  ["HSET", "hash", "field", "hashed"],
  ["ZADD", "zset", 1.5, "one", 2, "two"],
  ["XADD", "stream", "1-1", "field", "value"],
  ["SELECT", 3],
  ["SET", "elsewhere", "yes"],
];
export const DATA_KEYS = DATA.length - 1;

/** A dump of that. */
export async function dumpOfAllTypes(): Promise<Uint8Array> {
  const storage = new MemoryStorage(),
    clock = new ManualClock(),
    randomness = new SeededRandomness(1);
  const server = await openServer({ storage, clock, randomness, directives: ["--save", ""] });
  const client = server.connect();
  for (const words of DATA) client.command(...words);
  client.command("SAVE");
  server.kill();
  return readWhole(storage, "//dump.rdb");
}

/** Commands as they stand in a log. */
export function commandBytes(commands: readonly Words[]): Uint8Array {
  return Uint8Array.from(commands.flatMap((words) => [...encodeCommand([...words])]));
}

/** A log file with seals, each of which says that all before it is durable. */
export function sealedLog(name: string, blocks: readonly (readonly Words[])[]): Uint8Array {
  const chain = new SealChain(fileIdOf(LOG_ID, name)), bytes: number[] = [];
  for (const commands of blocks) {
    const content = commandBytes(commands), block = new Uint8Array(content.length + SEAL_BYTES);
    block.set(content);
    chain.seal(block, 0, content.length, bytes.length, block, content.length);
    bytes.push(...block);
  }
  return Uint8Array.from(bytes);
}

/** Blocks of one SET and one transaction each: three commands. */
export function someBlocks(count: number, prefix = "key"): Words[][] {
  const blocks: Words[][] = [[["select", 0]]];
  for (let i = 1; i <= count; i++) {
    blocks.push([["SET", `${prefix}${i}`, i], ["MULTI"], ["RPUSH", "list", i], ["INCR", "sum"], ["EXEC"]]);
  }
  return blocks;
}

/** The directory of a log: a base, and increments with seals. */
export async function logDirectory(increments = 2, blocks = 3): Promise<MemoryStorage> {
  const storage = new MemoryStorage(), manifest = new AofManifest();
  storage.makeDirectory(DIRECTORY);
  manifest.logId = LOG_ID, manifest.base = { name: BASE, sequence: 1 };
  put(storage, BASE, await dumpOfAllTypes());
  for (let sequence = 1; sequence <= increments; sequence++) {
    const name = incrementName(sequence);
    manifest.increments.push({ name, sequence });
    put(storage, name, sealedLog(name, someBlocks(blocks, `key${sequence}:`)));
  }
  put(storage, MANIFEST, new TextEncoder().encode(manifest.format()));
  return storage;
}

export function put(storage: MemoryStorage, name: string, bytes: Uint8Array): void {
  writeWhole(storage, `${DIRECTORY}/${name}`, bytes);
}

export function bytesOf(storage: MemoryStorage, name: string): Uint8Array {
  return readWhole(storage, `${DIRECTORY}/${name}`);
}

/** Changes a file. */
export function change(storage: MemoryStorage, name: string, how: (bytes: Uint8Array) => Uint8Array | void): void {
  const bytes = bytesOf(storage, name);
  put(storage, name, how(bytes) ?? bytes);
}

export function openCheck(storage: Storage): Check {
  let state = 1;
  return new Check(storage, () => state = (Math.imul(state, 1664525) + 1013904223) >>> 0, COMMAND_BOOK);
}

/** Calls `visit` with the bytes, with each bit of them flipped in turn. */
export function withEachBit(bytes: Uint8Array, visit: (offsetBytes: number, was: number) => void): void {
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const at = bit >>> 3, was = bytes[at];
    bytes[at] ^= 1 << (bit & 7);
    visit(at, was);
    bytes[at] = was;
  }
}
