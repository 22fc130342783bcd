import type { Address } from "./address.ts";

/**
 * What reading code sees of the paged memory, live or frozen. Offsets and lengths are bytes from the start of a block.
 * An isolate only ever passes one implementation to a given piece of code in production (the main thread `LiveMemory`,
 * the snapshot Worker `FrozenMemory`), so V8 keeps these calls monomorphic and inlines them.
 */
export interface MemoryReader {
  u8(address: Address, offsetBytes: number): number;
  /** `offsetBytes` must be a multiple of 4. */
  u32(address: Address, offsetBytes: number): number;
  /** An unsigned 64-bit value that is known to be a safe integer; `offsetBytes` must be a multiple of 4. */
  u64(address: Address, offsetBytes: number): number;
  /** `offsetBytes` must be a multiple of 8. */
  f64(address: Address, offsetBytes: number): number;
  copyOut(address: Address, offsetBytes: number, target: Uint8Array, targetBytes: number, lengthBytes: number): void;
  /** True when the bytes in memory equal `lengthBytes` bytes of `other` at `otherBytes`. */
  equals(address: Address, offsetBytes: number, other: Uint8Array, otherBytes: number, lengthBytes: number): boolean;
}
