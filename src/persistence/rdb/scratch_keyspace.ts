/** A keyspace for whoever reads files and keeps nothing of them: every entry that `RdbLoad` makes in it is freed again by its sink. */
import { KeyedHash } from "../../base/siphash.ts";
import { Keyspace } from "../../keyspace/keyspace.ts";
import { registerTypes } from "../../keyspace/values/mod.ts";
import type { EntrySink } from "../../keyspace/bulk_load.ts";
import { Allocator, LiveMemory } from "../../memory/mod.ts";
import { FunctionLibraries } from "./function_libraries.ts";
import { RdbLoad } from "./rdb_loader.ts";
import type { ReadAt } from "./rdb_reader.ts";

/** What one value may take; a file that a server with less could not load is no damaged file. */
export const SCRATCH_BYTES: number = 8 * 1024 ** 3;
/** More than anybody configures: which databases there are is no property of the file. */
const DATABASES = 4096;
const PAGE_BYTES = 4096;

/** `random` draws 32 bits. */
export function scratchKeyspace(random: () => number): Keyspace {
  const memory = new LiveMemory({ arenaMaxBytes: SCRATCH_BYTES, pageBytes: PAGE_BYTES });
  const keyspace = new Keyspace({
    memory,
    allocator: new Allocator(memory),
    hash: new KeyedHash(random(), random()),
    databases: DATABASES,
    random: () => 0,
  });
  registerTypes(keyspace);
  keyspace.expiryEnabled = false;
  return keyspace;
}

/** A file to be read. */
export interface ScratchSource {
  readonly path: string;
  readonly readAt: ReadAt;
  readonly sizeBytes: number;
}

/** Loads all keys of a file, expired ones too, into `sink`, which frees them. `deep`: compact encodings are checked deeply. */
export function scratchLoad(
  { path, readAt, sizeBytes }: ScratchSource,
  { keyspace, sink, deep, onKey = () => {} }: {
    keyspace: Keyspace;
    sink: EntrySink;
    deep: boolean;
    onKey?: () => void;
  },
): RdbLoad {
  return new RdbLoad(path, readAt, sizeBytes, {
    keyspace,
    nowMs: 0,
    keepExpired: true,
    verifyChecksum: true,
    usesLfu: false,
    deep,
    functions: new FunctionLibraries(),
    merge: false,
    sink,
    log: () => {},
    warn: () => {},
    onDone: () => {},
    onKey,
    onExpired: () => {},
  });
}
