/** What DEBUG QUICKLIST writes to the log: how a list's nodes are filled, and what is in them when all is asked for. */
import { type Address, type MemoryReader, NONE } from "../memory/mod.ts";
import { depthOf, fillOf, LIST, listLength, NODE, NODE_FLAG, NodeCopy } from "../structures/quicklist.ts";
import { listpackReport } from "./listpack_report.ts";

export function quicklistReport(memory: MemoryReader, list: Address, full: boolean): string {
  const options = memory.u32(list, LIST.options);
  const lines = [
    `{elements: ${listLength(memory, list)}, nodes: ${memory.u32(list, LIST.nodes)}, ` +
    `fill: ${fillOf(options)}, compress: ${depthOf(options)}}`,
  ];
  const copy = new NodeCopy();
  for (
    let node = memory.u32(list, LIST.head) as Address;
    node !== NONE;
    node = memory.u32(node, NODE.next) as Address
  ) {
    const flags = memory.u32(node, NODE.flags), bytes = memory.u32(node, NODE.bytes);
    const isPlain = (flags & NODE_FLAG.plain) !== 0;
    lines.push(
      `{container: ${isPlain ? "PLAIN" : "PACKED"}, encoding: ${
        (flags & NODE_FLAG.compressed) !== 0 ? "LZF" : "RAW"
      }, ` +
        `size: ${bytes}, count: ${memory.u32(node, NODE.elements)}}`,
    );
    if (!full || isPlain) continue;
    copy.load(memory, node);
    lines.push(listpackReport(copy.bytes, 0));
  }
  return lines.join("\n");
}
