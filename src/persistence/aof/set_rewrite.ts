/** Rewrites a set as SADD commands of at most 64 members, as Redis does: none is too long for a reader's buffer. */
import { ENTRY, keyLength } from "../../keyspace/entry.ts";
import { SetTexts } from "../../keyspace/values/set_texts.ts";
import type { Address, MemoryReader } from "../../memory/mod.ts";
import type { CommandWriter } from "./aof_base_writer.ts";

const MEMBERS_PER_COMMAND = 64;
const members = new SetTexts();

export function rewriteSet(out: CommandWriter, memory: MemoryReader, entry: Address): void {
  members.start(memory, entry);
  let left = members.size;
  for (let written = 0; members.next(); written++, left--) {
    if (written % MEMBERS_PER_COMMAND === 0) {
      out.begin(2 + Math.min(left, MEMBERS_PER_COMMAND));
      out.text("SADD");
      out.from(entry, ENTRY.key, keyLength(memory, entry));
    }
    out.range(members.bytes, 0, members.length);
  }
}
