/**
 * Live memory that checks every access: within one taken block, and aligned. With the allocator's poisoning this turns a stale
 * address or an overrun into a failed assertion at the access. For tests and `memory-debug yes`; several times slower.
 */
import { assert } from "../base/assert.ts";
import type { Address } from "./address.ts";
import type { Allocator } from "./allocator.ts";
import { LiveMemory } from "./live_memory.ts";

export class DebugMemory extends LiveMemory {
  /** Set right after construction; the allocator needs the memory first. */
  allocator: Allocator | null = null;

  #check(address: Address, offsetBytes: number, lengthBytes: number, alignment: number): void {
    assert(
      address !== 0 && offsetBytes >= 0 && offsetBytes % alignment === 0,
      "access is aligned and not through none",
    );
    assert(this.allocator!.isTaken(address, offsetBytes + lengthBytes), "access lies within a taken block");
  }

  override u8(address: Address, offsetBytes: number): number {
    this.#check(address, offsetBytes, 1, 1);
    return super.u8(address, offsetBytes);
  }

  override u32(address: Address, offsetBytes: number): number {
    this.#check(address, offsetBytes, 4, 4);
    return super.u32(address, offsetBytes);
  }

  override u64(address: Address, offsetBytes: number): number {
    this.#check(address, offsetBytes, 8, 4);
    return super.u64(address, offsetBytes);
  }

  override f64(address: Address, offsetBytes: number): number {
    this.#check(address, offsetBytes, 8, 8);
    return super.f64(address, offsetBytes);
  }

  override copyOut(address: Address, offset: number, target: Uint8Array, targetBytes: number, length: number): void {
    if (length > 0) this.#check(address, offset, length, 1);
    assert(targetBytes + length <= target.length, "the target has room");
    super.copyOut(address, offset, target, targetBytes, length);
  }

  override equals(address: Address, offset: number, other: Uint8Array, otherBytes: number, length: number): boolean {
    if (length > 0) this.#check(address, offset, length, 1);
    return super.equals(address, offset, other, otherBytes, length);
  }

  override setU8(address: Address, offsetBytes: number, value: number): void {
    this.#check(address, offsetBytes, 1, 1);
    super.setU8(address, offsetBytes, value);
  }

  override setU32(address: Address, offsetBytes: number, value: number): void {
    this.#check(address, offsetBytes, 4, 4);
    super.setU32(address, offsetBytes, value);
  }

  override setF64(address: Address, offsetBytes: number, value: number): void {
    this.#check(address, offsetBytes, 8, 8);
    super.setF64(address, offsetBytes, value);
  }

  override copyIn(address: Address, offset: number, source: Uint8Array, sourceBytes: number, length: number): void {
    if (length > 0) this.#check(address, offset, length, 1);
    super.copyIn(address, offset, source, sourceBytes, length);
  }

  override copy(from: Address, fromBytes: number, to: Address, toBytes: number, length: number): void {
    if (length > 0) this.#check(from, fromBytes, length, 1), this.#check(to, toBytes, length, 1);
    super.copy(from, fromBytes, to, toBytes, length);
  }

  override fill(address: Address, offsetBytes: number, value: number, lengthBytes: number): void {
    if (lengthBytes > 0) this.#check(address, offsetBytes, lengthBytes, 1);
    super.fill(address, offsetBytes, value, lengthBytes);
  }

  override wordsOf(address: Address): Uint32Array {
    this.#check(address, 0, 8, 4);
    return super.wordsOf(address);
  }

  override doublesOf(address: Address): Float64Array {
    this.#check(address, 0, 8, 8);
    return super.doublesOf(address);
  }

  override bytesOf(address: Address): Uint8Array {
    this.#check(address, 0, 1, 1);
    return super.bytesOf(address);
  }
}
