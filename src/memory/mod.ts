/** What the folders above use of the paged memory. */
export * from "./address.ts";
export { Allocator, type ClassStatistics, OutOfArenaError } from "./allocator.ts";
export { CowTracker, NO_COMMAND } from "./cow_tracker.ts";
export { DebugMemory } from "./debug_memory.ts";
export { FrozenMemory } from "./frozen_memory.ts";
export { LiveMemory, type MemoryOptions, PAGE_STATES, PAGE_TABLE_BYTES } from "./live_memory.ts";
export { OWNER, type Owner, OWNER_NAMES, type OwnerName } from "./owner.ts";
export type { MemoryReader } from "./reader.ts";
export { CONTROL, SnapshotAbortedError, type SnapshotImage } from "./snapshot_image.ts";
