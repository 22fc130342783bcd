/**
 * How many nodes Redis's radix tree would have for the keys of a stream's nodes: what XINFO STREAM reports as radix-tree-nodes.
 *
 * Redis compresses every chain of single children into one node (rax.c), so the number follows from the keys alone: for each place where
 * keys branch one node, and one for the chain above it unless the branching parent is right above; for each key one node for its
 * end, and one for the chain above that.
 */
import type { TreeCursor } from "./ordered_tree.ts";
import { newStreamId, STREAM_ID_BYTES } from "./stream_id.ts";

/** Depth of the parent of what no branching is above. */
const ROOT = -1;

/** Walks all keys once, from the first. */
export function radixTreeNodes(cursor: TreeCursor): number {
  if (!cursor.seekFirst()) return 1;
  /** Depths at which the path to the key now at hand branches. */
  const branches: number[] = [], key = newStreamId(), previous = newStreamId();
  let nodes = 0, sharedBefore = ROOT;
  cursor.readKey(previous);
  while (cursor.next()) {
    cursor.readKey(key);
    const shared = sharedBytes(previous, key);
    nodes += leafNodes(Math.max(sharedBefore, shared));
    nodes += closeBranches(branches, shared);
    if (branches.at(-1) !== shared) branches.push(shared);
    previous.set(key);
    sharedBefore = shared;
  }
  return nodes + leafNodes(sharedBefore) + closeBranches(branches, ROOT);
}

/** The key's end and the chain above it, below the branching at `parent`. */
function leafNodes(parent: number): number {
  return parent === STREAM_ID_BYTES - 1 ? 1 : 2;
}

/** Counts the branchings below depth `until`, and the chains above them, and takes them off the path. */
function closeBranches(branches: number[], until: number): number {
  let nodes = 0;
  while (branches.length > 0 && branches.at(-1)! > until) {
    const depth = branches.pop()!, parent = Math.max(branches.at(-1) ?? ROOT, until);
    nodes += depth > parent + 1 ? 2 : 1;
  }
  return nodes;
}

/** Bytes that two different keys begin with in common. */
function sharedBytes(a: Uint32Array, b: Uint32Array): number {
  let word = 0;
  while (a[word] === b[word]) word++;
  return word * 4 + (Math.clz32(a[word] ^ b[word]) >>> 3);
}
