/** Rewrites a sorted set as ZADD commands of at most 64 pairs, as Redis does: none is too long for a reader's buffer. */
import { formatDouble17 } from "../../base/double.ts";
import { ENTRY, keyLength } from "../../keyspace/entry.ts";
import { SortedSetWalk } from "../../keyspace/values/sorted_set_walk.ts";
import type { Address, MemoryReader } from "../../memory/mod.ts";
import type { CommandWriter } from "./aof_base_writer.ts";

const PAIRS_PER_COMMAND = 64;
const walk = new SortedSetWalk();

export function rewriteSortedSet(out: CommandWriter, memory: MemoryReader, entry: Address): void {
  walk.start(memory, entry);
  let left = walk.size;
  for (let written = 0; walk.next(); written++, left--) {
    if (written % PAIRS_PER_COMMAND === 0) {
      out.begin(2 + 2 * Math.min(left, PAIRS_PER_COMMAND));
      out.text("ZADD");
      out.from(entry, ENTRY.key, keyLength(memory, entry));
    }
    out.text(formatDouble17(walk.score));
    out.range(walk.bytes, walk.at, walk.length);
  }
}
