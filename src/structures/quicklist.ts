/**
 * Quicklist: a doubly linked list of nodes, each of which owns a listpack, or one element that is too large for any. Layout, the rules
 * by which nodes are filled (those of Redis 7.0's quicklist.c, so that files come out equal), and reading on live or frozen memory.
 *
 * Header, 24 bytes, never moves:
 *   0      4      8                     16      20              24
 *   | head | tail | elements (a double) | nodes | fill | depth  |       fill i16: elements a node, or below 0 a class of bytes
 *                                                                       depth u16: nodes at either end that stay as they are
 * Node, 28 bytes:
 *   0          4      8         12      16            20         24      28
 *   | previous | next | content | start | bytes (u32) | elements | flags |      bytes: of listpack or element, uncompressed
 * Content, by flags:
 *   none         | gap | the listpack, from `start` on, `bytes` long | room |      so that both ends grow and shrink without moving it
 *   plain        the bytes of one element; `start` is 0
 *   compressed   | u32 size | LZF of either |; `start` is 0
 * Invariants: no node is empty; a list that a key holds is never empty; `elements` of the header is the sum of the nodes'; with a depth
 * of 0 nothing is compressed. The `depth` nodes at either end are not compressed, unless the arena was full when they came there.
 */
import { assert } from "../base/assert.ts";
import { lzfDecompress } from "../base/lzf.ts";
import { type Address, type MemoryReader, NONE } from "../memory/mod.ts";
import { firstElement, ListpackElement, nextElement, readElement } from "./listpack.ts";

export const LIST = { head: 0, tail: 4, elements: 8, nodes: 16, options: 20, sizeBytes: 24 } as const;
export const NODE = {
  previous: 0,
  next: 4,
  content: 8,
  start: 12,
  bytes: 16,
  elements: 20,
  flags: 24,
  sizeBytes: 28,
} as const;
export const NODE_FLAG = { compressed: 1, plain: 2 } as const;
/** Bytes before the data of a compressed content. */
export const COMPRESSED_HEADER_BYTES = 4;

const FILL_MIN = -5, FILL_MAX = 32767, DEPTH_MAX = 65535;
/** For fills -1 to -5. */
const NODE_BYTES_MAX: readonly number[] = [4096, 8192, 16384, 32768, 65536];
/** Where elements are counted, a node still gets no more bytes than this. */
const COUNTED_BYTES_MAX = 8192;
/** What an element is taken to need besides its bytes. */
const ELEMENT_OVERHEAD_BYTES = 8;
/** What merging two listpacks is taken to save. */
const MERGE_SAVES_BYTES = 11;

/** The options word of a header. */
export function listOptions(fill: number, depth: number): number {
  const boundedFill = Math.max(FILL_MIN, Math.min(FILL_MAX, fill)),
    boundedDepth = Math.max(0, Math.min(DEPTH_MAX, depth));
  return ((boundedFill & 0xffff) | (boundedDepth << 16)) >>> 0;
}

export function fillOf(options: number): number {
  return (options << 16) >> 16;
}

export function depthOf(options: number): number {
  return options >>> 16;
}

/** Whether a packed node of this many bytes and elements takes one more of `length` bytes. */
export function nodeTakes(bytes: number, elements: number, fill: number, length: number): boolean {
  return isWithin(bytes + length + ELEMENT_OVERHEAD_BYTES, elements + 1, fill);
}

/** Bytes that a packed node may grow to before another one is begun; a single element may be longer. */
export function nodeBytesMax(fill: number): number {
  return fill < 0 ? NODE_BYTES_MAX[-fill - 1] : COUNTED_BYTES_MAX;
}

/** Whether two packed nodes may become one. */
export function nodesMerge(bytesOfBoth: number, elementsOfBoth: number, fill: number): boolean {
  return isWithin(bytesOfBoth - MERGE_SAVES_BYTES, elementsOfBoth, fill);
}

function isWithin(bytes: number, elements: number, fill: number): boolean {
  return bytes <= nodeBytesMax(fill) && (fill < 0 || elements <= fill);
}

export function listLength(memory: MemoryReader, list: Address): number {
  return memory.f64(list, LIST.elements);
}

/** Contents of nodes, copied out and expanded: for saving and digests. */
export class NodeCopy {
  bytes: Uint8Array = new Uint8Array(8192);
  #compressed = new Uint8Array(0);

  /** Puts a node's content into `bytes`, from 0 on. */
  load(memory: MemoryReader, node: Address): void {
    const content = memory.u32(node, NODE.content) as Address, length = memory.u32(node, NODE.bytes);
    if (this.bytes.length < length) this.bytes = new Uint8Array(length);
    if ((memory.u32(node, NODE.flags) & NODE_FLAG.compressed) === 0) {
      return memory.copyOut(content, memory.u32(node, NODE.start), this.bytes, 0, length);
    }
    const size = memory.u32(content, 0);
    if (this.#compressed.length < size) this.#compressed = new Uint8Array(size);
    memory.copyOut(content, COMPRESSED_HEADER_BYTES, this.#compressed, 0, size);
    const isWhole = lzfDecompress(this.#compressed, 0, size, this.bytes, 0, length);
    assert(isWhole, "a compressed node expands to its bytes");
  }
}

/** Calls `visit` with every element, from the head on, as bytes that are valid until it returns. */
export function forEachListElement(
  memory: MemoryReader,
  list: Address,
  visit: (bytes: Uint8Array, start: number, length: number) => void,
): void {
  const copy = new NodeCopy(), element = new ListpackElement();
  for (
    let node = memory.u32(list, LIST.head) as Address;
    node !== NONE;
    node = memory.u32(node, NODE.next) as Address
  ) {
    copy.load(memory, node);
    const { bytes } = copy;
    if ((memory.u32(node, NODE.flags) & NODE_FLAG.plain) !== 0) {
      visit(bytes, 0, memory.u32(node, NODE.bytes));
      continue;
    }
    for (let at = firstElement(bytes, 0); at >= 0; at = nextElement(bytes, 0, at)) {
      readElement(bytes, 0, at, element);
      visit(element.text(bytes), element.start, element.length);
    }
  }
}
