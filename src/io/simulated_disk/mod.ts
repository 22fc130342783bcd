/** The simulated disk: see simulated_disk.ts for what it is, and effect.ts for what it does to data. */
export { type CrashOutcome, CrashStates, KILL } from "./crash_states.ts";
export type { DiskProfile } from "./effect.ts";
export { type DiskOperation, type Fault, FaultPlan, type FaultRule, type FaultSource, SeededFaults } from "./fault.ts";
export { formatTimelineEntry, type TimelineEntry } from "./operation_log.ts";
export { type DiskGeometry, USUAL_GEOMETRY } from "./page.ts";
export { SimulatedDisk, type SimulatedDiskOptions } from "./simulated_disk.ts";
