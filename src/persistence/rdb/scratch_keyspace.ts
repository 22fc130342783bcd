/** A keyspace for whoever reads files and keeps nothing of them: every entry that `RdbLoad` makes in it is freed again by its sink. */
import { KeyedHash } from "../../base/siphash.ts";
import { Keyspace } from "../../keyspace/keyspace.ts";
import { registerTypes } from "../../keyspace/values/mod.ts";
import { Allocator, LiveMemory } from "../../memory/mod.ts";

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
