/**
 * The hash table of a set: a dict whose entries are the members.
 *
 *   0      4        8
 *   | next | length | member's bytes …        u32, u32
 * One instance serves all sets; a set is the address of its dict's header. OutOfArenaError leaves a set as it was.
 */
import type { KeyedHash } from "../base/siphash.ts";
import { type Address, type Allocator, type LiveMemory, type MemoryReader, NONE, OWNER } from "../memory/mod.ts";
import { Dict, DictWalk, KEY_LENGTH_MASK } from "./dict.ts";

const MEMBER = { next: 0, length: 4, bytes: 8 } as const;
/** Offset of a member's bytes in its entry. */
export const MEMBER_BYTES_AT = MEMBER.bytes;
/** Entries that are freed between two looks at whether all are. */
const FREE_STEP = 4096;

export function memberLength(memory: MemoryReader, entry: Address): number {
  return memory.u32(entry, MEMBER.length) & KEY_LENGTH_MASK;
}

export class MemberDicts {
  readonly dict: Dict;
  readonly #memory: LiveMemory;
  readonly #allocator: Allocator;
  readonly #walk = new DictWalk();
  readonly #freeEntry: (entry: Address) => void;

  constructor(memory: LiveMemory, allocator: Allocator, hash: KeyedHash) {
    this.dict = new Dict(memory, allocator, hash, MEMBER.bytes);
    this.#memory = memory, this.#allocator = allocator;
    this.#freeEntry = (entry) => allocator.free(entry);
  }

  /** An empty set with room for `members` at once. */
  create(members: number): Address {
    const set = this.dict.create();
    try {
      this.dict.reserve(set, members);
    } catch (error) {
      this.free(set);
      throw error;
    }
    return set;
  }

  has(set: Address, bytes: Uint8Array, start: number, length: number): boolean {
    return this.dict.find(set, bytes, start, length) !== NONE;
  }

  /** Whether a set has the member that an entry of another set holds, of whose hash the lowest `hashLog2` bits are known. */
  hasSame(set: Address, like: Address, hashBits: number, hashLog2: number): boolean {
    return this.dict.findSame(set, like, hashBits, hashLog2) !== NONE;
  }

  /** False when it was a member already. */
  add(set: Address, bytes: Uint8Array, start: number, length: number): boolean {
    if (this.dict.find(set, bytes, start, length) !== NONE) return false;
    this.#insertMissed(set, bytes, start, length);
    return true;
  }

  /** Adds the member that an entry of another set holds. */
  addSame(set: Address, like: Address): boolean {
    const memory = this.#memory;
    if (this.dict.findSame(set, like, 0, -1) !== NONE) return false;
    this.#insertMissed(set, memory.bytesOf(like), memory.placeOf(like) + MEMBER.bytes, memberLength(memory, like));
    return true;
  }

  #insertMissed(set: Address, bytes: Uint8Array, start: number, length: number): void {
    const entry = this.#allocator.allocate(MEMBER.bytes + length, OWNER.fieldEntry);
    this.#memory.setU32(entry, MEMBER.length, length);
    this.#memory.copyIn(entry, MEMBER.bytes, bytes, start, length);
    try {
      this.dict.insertMissed(set, entry);
    } catch (error) {
      this.#allocator.free(entry);
      throw error;
    }
  }

  /** False when it was no member. */
  remove(set: Address, bytes: Uint8Array, start: number, length: number): boolean {
    return this.#removeFound(set, this.dict.find(set, bytes, start, length));
  }

  /** Removes the member that an entry, of this set or of another one, holds. */
  removeSame(set: Address, like: Address): boolean {
    return this.#removeFound(set, this.dict.findSame(set, like, 0, -1));
  }

  #removeFound(set: Address, entry: Address): boolean {
    if (entry === NONE) return false;
    this.dict.unlinkFound(set, entry);
    this.#allocator.free(entry);
    this.dict.shrinkIfSparse(set);
    return true;
  }

  copy(set: Address): Address {
    const memory = this.#memory, copy = this.create(this.dict.size(set)), walk = this.#walk;
    try {
      walk.start(memory, set);
      for (let entry = walk.next(); entry !== NONE; entry = walk.next()) {
        this.addSame(copy, entry);
      }
    } catch (error) {
      this.free(copy);
      throw error;
    }
    return copy;
  }

  free(set: Address): void {
    while (!this.freeSome(set, FREE_STEP));
  }

  /** Frees about `membersMax` members of a set that nobody uses any more; true when all of it is freed. */
  freeSome(set: Address, membersMax: number): boolean {
    return this.dict.dismantle(set, membersMax, this.#freeEntry);
  }

  /** Bytes of all blocks; with `samples`, the members' are estimated from that many. */
  memoryUsage(set: Address, samples: number): number {
    const walk = this.#walk, size = this.dict.size(set), counted = samples === 0 ? size : Math.min(samples, size);
    let bytes = 0;
    walk.start(this.#memory, set);
    for (let i = 0; i < counted; i++) bytes += this.#allocator.allocatedBytes(walk.next());
    return this.dict.overheadBytes(set) + (counted === 0 ? 0 : Math.floor((bytes / counted) * size));
  }
}
