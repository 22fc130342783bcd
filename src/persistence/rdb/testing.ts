/** What the tests of snapshots, digests and loading rules share: a keyspace in checked memory, and whole files as bytes. */
import { latin1Encode } from "../../base/bytes.ts";
import { KeyedHash } from "../../base/siphash.ts";
import { debugDigest } from "../../keyspace/digest.ts";
import { Keyspace, NO_EXPIRY } from "../../keyspace/keyspace.ts";
import { registerTypes } from "../../keyspace/values/mod.ts";
import { type Address, Allocator, DebugMemory } from "../../memory/mod.ts";
import { FunctionLibraries } from "./function_libraries.ts";
import { RdbLoad, type RdbLoadOptions } from "./rdb_loader.ts";
import { type SaveOptions, saveRdb } from "./rdb_saver.ts";
import { RdbWriter } from "./rdb_writer.ts";

export const NOW_MS = 1_700_000_000_000;

/** A keyspace whose memory checks every access and poisons what is freed. */
export function openKeyspace(pageBytes = 4096): Keyspace {
  const memory = new DebugMemory({ arenaMaxBytes: 64 << 20, pageBytes });
  const allocator = memory.allocator = new Allocator(memory, true);
  const keyspace = new Keyspace({ memory, allocator, hash: new KeyedHash(1, 2), databases: 16, random: () => 0 });
  registerTypes(keyspace);
  return keyspace;
}

export function setText(keyspace: Keyspace, db: number, key: string, value: string, expiresAtMs = NO_EXPIRY): Address {
  const k = latin1Encode(key), v = latin1Encode(value);
  return keyspace.setString(keyspace.databases[db], k, 0, k.length, v, 0, v.length, expiresAtMs);
}

export function find(keyspace: Keyspace, db: number, key: string): Address {
  const k = latin1Encode(key);
  return keyspace.dict.find(keyspace.databases[db].dict, k, 0, k.length);
}

export function saveOptions(keyspace: Keyspace, options: Partial<SaveOptions> = {}): SaveOptions {
  return {
    databases: keyspace.databases.map((db) => ({
      index: db.index,
      dict: db.dict,
      keys: keyspace.size(db),
      expires: db.expiry.count,
    })),
    nowMs: NOW_MS,
    usedMemoryBytes: 1000,
    isAofBase: false,
    replication: null,
    timestampSeconds: null,
    access: "none",
    functions: [],
    lfuDecayMinutes: 1,
    ...options,
  };
}

export function saveToBytes(keyspace: Keyspace, options: Partial<SaveOptions> = {}): Uint8Array {
  const parts: Uint8Array[] = [];
  const writer = new RdbWriter((bytes, start, end) => void parts.push(bytes.slice(start, end)), true, true);
  for (const _ of saveRdb(writer, keyspace.memory, saveOptions(keyspace, options), () => {}));
  writer.finish();
  return concatenated(parts);
}

export function loadBytes(keyspace: Keyspace, file: Uint8Array, options: Partial<RdbLoadOptions> = {}): RdbLoad {
  const readAt = (offset: number, into: Uint8Array) => {
    const piece = file.subarray(offset, offset + into.length);
    into.set(piece);
    return piece.length;
  };
  const load = new RdbLoad("test.rdb", readAt, file.length, {
    keyspace,
    nowMs: NOW_MS,
    keepExpired: false,
    verifyChecksum: true,
    usesLfu: false,
    deep: false,
    functions: new FunctionLibraries(),
    merge: false,
    log: () => {},
    warn: () => {},
    onDone: () => {},
    onExpired: () => {},
    onKey: () => {},
    ...options,
  });
  keyspace.expiryEnabled = false;
  while (!load.step(64 * 1024));
  keyspace.expiryEnabled = true;
  return load;
}

export function digestOf(keyspace: Keyspace): string {
  return debugDigest(keyspace.memory, keyspace.databases);
}

export function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) whole.set(part, at), at += part.length;
  return whole;
}
