/** Rewrites a hash as HMSET commands of at most 64 pairs, as Redis does: none is too long for a reader's buffer. */
import { ENTRY, keyLength } from "../../keyspace/entry.ts";
import { HashPairs } from "../../keyspace/values/hash_pairs.ts";
import type { Address, MemoryReader } from "../../memory/mod.ts";
import type { CommandWriter } from "./aof_base_writer.ts";

const PAIRS_PER_COMMAND = 64;
const pairs = new HashPairs();

export function rewriteHash(out: CommandWriter, memory: MemoryReader, entry: Address): void {
  pairs.start(memory, entry);
  let left = pairs.size;
  for (let written = 0; pairs.next(); written++, left--) {
    if (written % PAIRS_PER_COMMAND === 0) {
      out.begin(2 + 2 * Math.min(left, PAIRS_PER_COMMAND));
      out.text("HMSET");
      out.from(entry, ENTRY.key, keyLength(memory, entry));
    }
    out.range(pairs.bytes, 0, pairs.fieldLength);
    out.range(pairs.bytes, pairs.fieldLength, pairs.valueLength);
  }
}
