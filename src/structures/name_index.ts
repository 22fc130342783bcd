/**
 * Items in paged memory in the byte order of their names: a stream's consumer groups, a group's consumers.
 *
 * Two fields in a block of the owner, then two levels of sorted address lists:
 *   | directory | size |  ->  | count | chunk | chunk | …  ->  | count | item | item | …          u32 each; directory 0: no items
 * An item is a block of its owner's that holds its name from `nameOffset` on, and the name's length in the word before.
 * Invariants: no chunk is empty, none has more than CHUNK_ITEMS_MAX items; names are different, and never change while indexed.
 * A change moves one chunk's addresses, and the directory's when a chunk comes or goes: a million names make that 32 KiB.
 * The index never frees items.
 */
import { compareRanges } from "../base/bytes.ts";
import {
  type Address,
  type Allocator,
  type LiveMemory,
  type MemoryReader,
  NONE,
  OutOfArenaError,
  type Owner,
} from "../memory/mod.ts";

/** Bytes of the index's fields in its owner's block. */
export const NAME_INDEX_BYTES = 8;
const INDEX = { directory: 0, size: 4 } as const;
const LIST = { count: 0, addresses: 4, bytesMin: 16 } as const;
const CHUNK_ITEMS_MAX = 127;
/** Neighbours are merged when one has become small and both together are no more than this. */
const MERGED_ITEMS_MAX = 64, SMALL_ITEMS = 16;

export function nameIndexSize(memory: MemoryReader, block: Address, offsetBytes: number): number {
  return memory.u32(block, offsetBytes + INDEX.size);
}

function addressAt(memory: MemoryReader, list: Address, place: number): Address {
  return memory.u32(list, LIST.addresses + 4 * place) as Address;
}

/** Walks the items in order, live or frozen. Valid until the index gets or loses an item. */
export class NameCursor {
  readonly #memory: MemoryReader;
  #directory: Address = NONE;
  #chunk = 0;
  #place = 0;

  constructor(memory: MemoryReader) {
    this.#memory = memory;
  }

  open(block: Address, offsetBytes: number): this {
    this.#directory = this.#memory.u32(block, offsetBytes + INDEX.directory) as Address;
    this.#chunk = this.#place = 0;
    return this;
  }

  /** The next item, or NONE at the end. */
  next(): Address {
    const memory = this.#memory;
    if (this.#directory === NONE || this.#chunk === memory.u32(this.#directory, LIST.count)) return NONE;
    const chunk = addressAt(memory, this.#directory, this.#chunk), item = addressAt(memory, chunk, this.#place);
    if (++this.#place === memory.u32(chunk, LIST.count)) this.#chunk++, this.#place = 0;
    return item;
  }
}

/** The operations on indexes of items with one name offset. */
export class NameIndex {
  readonly #memory: LiveMemory;
  readonly #allocator: Allocator;
  readonly #owner: Owner;
  readonly #nameOffset: number;
  /** Where the last `find` found its name, or where it belongs. */
  #chunk = 0;
  #place = 0;

  constructor(memory: LiveMemory, allocator: Allocator, owner: Owner, nameOffsetBytes: number) {
    this.#memory = memory, this.#allocator = allocator, this.#owner = owner, this.#nameOffset = nameOffsetBytes;
  }

  init(block: Address, offsetBytes: number): void {
    this.#memory.fill(block, offsetBytes, 0, NAME_INDEX_BYTES);
  }

  /** The item with this name, or NONE. */
  find(block: Address, offsetBytes: number, name: Uint8Array, nameBytes: number, length: number): Address {
    const memory = this.#memory, directory = memory.u32(block, offsetBytes + INDEX.directory) as Address;
    this.#chunk = this.#place = 0;
    if (directory === NONE) return NONE;
    // The last chunk whose first name is not above.
    let low = 0, high = memory.u32(directory, LIST.count) - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1, first = addressAt(memory, addressAt(memory, directory, middle), 0);
      if (this.#compare(first, name, nameBytes, length) <= 0) low = middle;
      else high = middle - 1;
    }
    this.#chunk = low;
    return this.#findIn(addressAt(memory, directory, low), name, nameBytes, length);
  }

  /** Adds an item whose name the last `find` missed. @throws {OutOfArenaError} and nothing has changed */
  insertMissed(block: Address, offsetBytes: number, item: Address): void {
    const memory = this.#memory, directory = memory.u32(block, offsetBytes + INDEX.directory) as Address;
    if (directory === NONE) this.#insertFirst(block, offsetBytes, item);
    else {
      const chunk = addressAt(memory, directory, this.#chunk);
      if (memory.u32(chunk, LIST.count) === CHUNK_ITEMS_MAX) this.#splitInsert(block, offsetBytes, chunk, item);
      else {
        const roomy = this.#withRoom(chunk);
        if (roomy !== chunk) this.#setAddress(directory, this.#chunk, roomy), this.#allocator.free(chunk);
        this.#put(roomy, this.#place, item);
      }
    }
    memory.setU32(block, offsetBytes + INDEX.size, memory.u32(block, offsetBytes + INDEX.size) + 1);
  }

  /** Takes out the item that the last `find` returned. */
  removeFound(block: Address, offsetBytes: number): void {
    const memory = this.#memory, directory = memory.u32(block, offsetBytes + INDEX.directory) as Address;
    const chunk = addressAt(memory, directory, this.#chunk);
    this.#take(chunk, this.#place);
    memory.setU32(block, offsetBytes + INDEX.size, memory.u32(block, offsetBytes + INDEX.size) - 1);
    if (memory.u32(chunk, LIST.count) > 0) return this.#mergeNext(directory, chunk);
    this.#allocator.free(chunk);
    this.#take(directory, this.#chunk);
    if (memory.u32(directory, LIST.count) > 0) return;
    this.#allocator.free(directory);
    memory.setU32(block, offsetBytes + INDEX.directory, NONE);
  }

  /** Takes out the last item and returns it, NONE when there is none: to free all. */
  takeLast(block: Address, offsetBytes: number): Address {
    const memory = this.#memory, directory = memory.u32(block, offsetBytes + INDEX.directory) as Address;
    if (directory === NONE) return NONE;
    this.#chunk = memory.u32(directory, LIST.count) - 1;
    const chunk = addressAt(memory, directory, this.#chunk);
    this.#place = memory.u32(chunk, LIST.count) - 1;
    const item = addressAt(memory, chunk, this.#place);
    this.removeFound(block, offsetBytes);
    return item;
  }

  /** The last item, or NONE. */
  last(block: Address, offsetBytes: number): Address {
    const memory = this.#memory, directory = memory.u32(block, offsetBytes + INDEX.directory) as Address;
    if (directory === NONE) return NONE;
    const chunk = addressAt(memory, directory, memory.u32(directory, LIST.count) - 1);
    return addressAt(memory, chunk, memory.u32(chunk, LIST.count) - 1);
  }

  /** Bytes of directory and chunks. */
  listBytes(block: Address, offsetBytes: number): number {
    const memory = this.#memory, directory = memory.u32(block, offsetBytes + INDEX.directory) as Address;
    if (directory === NONE) return 0;
    let bytes = this.#allocator.allocatedBytes(directory);
    for (let place = memory.u32(directory, LIST.count) - 1; place >= 0; place--) {
      bytes += this.#allocator.allocatedBytes(addressAt(memory, directory, place));
    }
    return bytes;
  }

  #findIn(chunk: Address, name: Uint8Array, nameBytes: number, length: number): Address {
    const memory = this.#memory;
    let low = 0, high = memory.u32(chunk, LIST.count);
    while (low < high) {
      const middle = (low + high) >>> 1, item = addressAt(memory, chunk, middle);
      const order = this.#compare(item, name, nameBytes, length);
      if (order === 0) {
        this.#place = middle;
        return item;
      }
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    this.#place = low;
    return NONE;
  }

  /** Negative when the item's name is before the given one. */
  #compare(item: Address, name: Uint8Array, nameBytes: number, length: number): number {
    const memory = this.#memory, own = memory.u32(item, this.#nameOffset - 4);
    return compareRanges(
      memory.bytesOf(item),
      memory.placeOf(item) + this.#nameOffset,
      own,
      name,
      nameBytes,
      length,
    );
  }

  #insertFirst(block: Address, offsetBytes: number, item: Address): void {
    const directory = this.#newList(LIST.bytesMin);
    const chunk = this.#newListOrFree(LIST.bytesMin, directory);
    this.#put(directory, 0, chunk), this.#put(chunk, 0, item);
    this.#memory.setU32(block, offsetBytes + INDEX.directory, directory);
  }

  /** Inserts into a full chunk: the upper half goes to a new one, or nothing does when items come in order. */
  #splitInsert(block: Address, offsetBytes: number, left: Address, item: Address): void {
    const memory = this.#memory, directory = memory.u32(block, offsetBytes + INDEX.directory) as Address;
    const roomy = this.#withRoom(directory);
    const right = this.#newListOrFree(LIST.addresses + 4 * CHUNK_ITEMS_MAX, roomy === directory ? NONE : roomy);
    if (roomy !== directory) {
      memory.setU32(block, offsetBytes + INDEX.directory, roomy), this.#allocator.free(directory);
    }
    const count = CHUNK_ITEMS_MAX, place = this.#place;
    const isLast = place === count && this.#chunk + 1 === memory.u32(roomy, LIST.count);
    const kept = isLast ? count : count >>> 1;
    memory.copy(left, LIST.addresses + 4 * kept, right, LIST.addresses, 4 * (count - kept));
    memory.setU32(left, LIST.count, kept), memory.setU32(right, LIST.count, count - kept);
    if (isLast || place > kept) this.#put(right, place - kept, item);
    else this.#put(left, place, item);
    this.#put(roomy, this.#chunk + 1, right);
  }

  /** Merges the found chunk with the next one when both are small. */
  #mergeNext(directory: Address, chunk: Address): void {
    const memory = this.#memory, count = memory.u32(chunk, LIST.count), place = this.#chunk + 1;
    if (count > SMALL_ITEMS || place === memory.u32(directory, LIST.count)) return;
    const next = addressAt(memory, directory, place), more = memory.u32(next, LIST.count), both = count + more;
    if (both > MERGED_ITEMS_MAX || LIST.addresses + 4 * both > this.#allocator.allocatedBytes(chunk)) return;
    memory.copy(next, LIST.addresses, chunk, LIST.addresses + 4 * count, 4 * more);
    memory.setU32(chunk, LIST.count, both);
    this.#allocator.free(next);
    this.#take(directory, place);
  }

  #newList(sizeBytes: number): Address {
    const list = this.#allocator.allocate(sizeBytes, this.#owner);
    this.#memory.setU32(list, LIST.count, 0);
    return list;
  }

  /** A new list; when there is no room for it, `other` is freed. */
  #newListOrFree(sizeBytes: number, other: Address): Address {
    try {
      return this.#newList(sizeBytes);
    } catch (error) {
      if (error instanceof OutOfArenaError && other !== NONE) this.#allocator.free(other);
      throw error;
    }
  }

  /** The list, or a copy of twice the size when it is full. */
  #withRoom(list: Address): Address {
    const memory = this.#memory, usedBytes = LIST.addresses + 4 * memory.u32(list, LIST.count);
    if (usedBytes + 4 <= this.#allocator.allocatedBytes(list)) return list;
    const copy = this.#newList(usedBytes * 2);
    memory.copy(list, 0, copy, 0, usedBytes);
    return copy;
  }

  #put(list: Address, place: number, address: Address): void {
    const memory = this.#memory, count = memory.u32(list, LIST.count), at = LIST.addresses + 4 * place;
    if (place < count) memory.copy(list, at, list, at + 4, 4 * (count - place));
    memory.setU32(list, at, address);
    memory.setU32(list, LIST.count, count + 1);
  }

  #take(list: Address, place: number): void {
    const memory = this.#memory, count = memory.u32(list, LIST.count) - 1, at = LIST.addresses + 4 * place;
    if (place < count) memory.copy(list, at + 4, list, at, 4 * (count - place));
    memory.setU32(list, LIST.count, count);
  }

  #setAddress(list: Address, place: number, address: Address): void {
    this.#memory.setU32(list, LIST.addresses + 4 * place, address);
  }
}
