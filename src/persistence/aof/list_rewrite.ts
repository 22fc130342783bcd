/** Lists in an AOF base of commands: RPUSH, 64 elements at a time. */
import { ENTRY, keyLength, valueOf } from "../../keyspace/entry.ts";
import type { Address, MemoryReader } from "../../memory/mod.ts";
import { forEachListElement, listLength } from "../../structures/quicklist.ts";
import type { CommandWriter } from "./aof_base_writer.ts";

const ELEMENTS_PER_COMMAND = 64;

export function rewriteList(out: CommandWriter, memory: MemoryReader, entry: Address): void {
  const list = valueOf(memory, entry);
  let left = listLength(memory, list), inCommand = 0;
  forEachListElement(memory, list, (bytes, start, length) => {
    if (inCommand === 0) {
      inCommand = Math.min(left, ELEMENTS_PER_COMMAND), left -= inCommand;
      out.begin(2 + inCommand), out.text("RPUSH");
      out.from(entry, ENTRY.key, keyLength(memory, entry));
    }
    out.bytes(bytes.subarray(start, start + length));
    inCommand--;
  });
}
