/**
 * A place in a quicklist in live memory, and the element there, read where it lies. A compressed node is expanded into a buffer outside
 * the paged memory: reading writes nothing.
 *
 * Valid until the list changes; whoever changes the list at a cursor says what holds of it then. It never changes anything.
 */
import { assert } from "../base/assert.ts";
import { rangesEqual } from "../base/bytes.ts";
import { lzfDecompress } from "../base/lzf.ts";
import { type Address, type LiveMemory, NONE } from "../memory/mod.ts";
import {
  ElementEncoder,
  findElement,
  firstElement,
  lastElement,
  LISTPACK_HEADER_BYTES,
  ListpackElement,
  nextElement,
  previousElement,
  readElement,
  seekElement,
} from "./listpack.ts";
import { COMPRESSED_HEADER_BYTES, LIST, listLength, NODE, NODE_FLAG } from "./quicklist.ts";

export class ListCursor {
  /** NONE before the first `seek` and behind either end. */
  node: Address = NONE;
  isPlain = false;
  /** The node's content starts at `bytes[start]`. */
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  /** The element's offset in the listpack; 0 in a plain node. */
  at = 0;
  readonly #memory: LiveMemory;
  readonly #element = new ListpackElement();
  /** What is looked for. */
  readonly #encoder = new ElementEncoder();
  #wanted: Uint8Array = new Uint8Array(0);
  #wantedAt = 0;
  #wantedLength = 0;
  #expanded = new Uint8Array(0);

  constructor(memory: LiveMemory) {
    this.#memory = memory;
  }

  /** Goes to an element; a negative index counts from the tail (-1 is the last). False when there is none. */
  seek(list: Address, index: number): boolean {
    const length = listLength(this.#memory, list), wanted = index < 0 ? length + index : index;
    if (!(wanted >= 0 && wanted < length)) return false;
    const offset = wanted < length / 2
      ? this.#seekForward(list, wanted)
      : this.#seekBackward(list, length - 1 - wanted);
    this.#open();
    this.at = this.isPlain ? 0 : seekElement(this.bytes, this.start, offset);
    return true;
  }

  /** Goes to the first or last element of a list that has one. */
  seekEnd(list: Address, atHead: boolean): void {
    this.node = this.#memory.u32(list, atHead ? LIST.head : LIST.tail) as Address;
    this.#open();
    if (this.isPlain) this.at = 0;
    else this.at = atHead ? LISTPACK_HEADER_BYTES : lastElement(this.bytes, this.start);
  }

  /** Goes to the first element that equals the bytes; false when there is none. */
  seekEqual(list: Address, source: Uint8Array, start: number, length: number): boolean {
    const memory = this.#memory;
    this.lookFor(source, start, length);
    for (
      let node = memory.u32(list, LIST.head) as Address;
      node !== NONE;
      node = memory.u32(node, NODE.next) as Address
    ) {
      this.open(node);
      if (!this.isPlain) this.at = findElement(this.bytes, this.start, LISTPACK_HEADER_BYTES, source, start, length, 0);
      if (this.isPlain ? this.isMatch() : this.at >= 0) return true;
    }
    return false;
  }

  /** Sets what `isMatch` compares with; the bytes must stay. */
  lookFor(source: Uint8Array, start: number, length: number): void {
    this.#wanted = source, this.#wantedAt = start, this.#wantedLength = length;
    this.#encoder.ofBytes(source, start, length);
  }

  /** Whether the element equals what is looked for. */
  isMatch(): boolean {
    const { bytes } = this, place = this.start + this.at, wanted = this.#wanted, from = this.#wantedAt;
    if (this.isPlain) {
      const length = this.#memory.u32(this.node, NODE.bytes);
      return length === this.#wantedLength && rangesEqual(bytes, place, wanted, from, length);
    }
    const { head, headBytes, dataBytes } = this.#encoder;
    if (bytes[place] !== head[0] || !rangesEqual(bytes, place, head, 0, headBytes)) return false;
    return rangesEqual(bytes, place + headBytes, wanted, from, dataBytes);
  }

  /** Makes a node readable, before its elements; at its element, when it is a plain one. */
  open(node: Address): void {
    this.node = node, this.at = 0;
    this.#open();
  }

  /** Bytes that an element of the node takes on average. */
  get bytesPerElement(): number {
    return this.#memory.u32(this.node, NODE.bytes) / this.#memory.u32(this.node, NODE.elements);
  }

  /** Its node's content has moved; the place in it is the same. */
  reopen(): void {
    this.#open();
  }

  /** Goes to the next element, towards the tail; false behind it. */
  next(): boolean {
    this.at = this.isPlain ? -1 : nextElement(this.bytes, this.start, this.at);
    return this.at >= 0 || this.nextNode();
  }

  /** Goes to the first element of the next node. */
  nextNode(): boolean {
    this.node = this.#memory.u32(this.node, NODE.next) as Address;
    if (this.node === NONE) return false;
    this.#open();
    this.at = this.isPlain ? 0 : firstElement(this.bytes, this.start);
    return true;
  }

  /** Goes to the element before, towards the head; false before it. */
  previous(): boolean {
    this.at = this.isPlain ? -1 : previousElement(this.bytes, this.start, this.at);
    return this.at >= 0 || this.previousNode();
  }

  /** Goes to the last element of the node before. */
  previousNode(): boolean {
    this.node = this.#memory.u32(this.node, NODE.previous) as Address;
    if (this.node === NONE) return false;
    this.#open();
    this.at = this.isPlain ? 0 : lastElement(this.bytes, this.start);
    return true;
  }

  /** Reads the element: its bytes are `text(bytes)` from `start` on for `length` of what is returned, which is one reused instance. */
  read(): ListpackElement {
    const element = this.#element;
    if (!this.isPlain) readElement(this.bytes, this.start, this.at, element);
    else {
      element.isInteger = false;
      element.start = this.start, element.length = this.#memory.u32(this.node, NODE.bytes);
    }
    return element;
  }

  /** Offset of the wanted element in `node`, which is found from the head on. */
  #seekForward(list: Address, index: number): number {
    const memory = this.#memory;
    let node = memory.u32(list, LIST.head) as Address, offset = index;
    for (let here = memory.u32(node, NODE.elements); offset >= here; here = memory.u32(node, NODE.elements)) {
      offset -= here;
      node = memory.u32(node, NODE.next) as Address;
    }
    this.node = node;
    return offset;
  }

  /** The same from the tail on, where `index` and the offset count backwards from the last: the offset is returned as a negative one. */
  #seekBackward(list: Address, index: number): number {
    const memory = this.#memory;
    let node = memory.u32(list, LIST.tail) as Address, offset = index;
    for (let here = memory.u32(node, NODE.elements); offset >= here; here = memory.u32(node, NODE.elements)) {
      offset -= here;
      node = memory.u32(node, NODE.previous) as Address;
    }
    this.node = node;
    return -1 - offset;
  }

  #open(): void {
    const memory = this.#memory, node = this.node, flags = memory.u32(node, NODE.flags);
    const content = memory.u32(node, NODE.content) as Address;
    this.isPlain = (flags & NODE_FLAG.plain) !== 0;
    if ((flags & NODE_FLAG.compressed) !== 0) return this.#expand(content, memory.u32(node, NODE.bytes));
    this.bytes = memory.bytesOf(content), this.start = memory.placeOf(content) + memory.u32(node, NODE.start);
  }

  #expand(content: Address, length: number): void {
    const memory = this.#memory,
      source = memory.bytesOf(content),
      at = memory.placeOf(content) + COMPRESSED_HEADER_BYTES;
    if (this.#expanded.length < length) this.#expanded = new Uint8Array(length);
    const isWhole = lzfDecompress(source, at, memory.u32(content, 0), this.#expanded, 0, length);
    assert(isWhole, "a compressed node expands to its bytes");
    this.bytes = this.#expanded, this.start = 0;
  }
}
