/**
 * The log of what was done to a simulated disk: a list that forks share, newest first, so that keeping it costs nothing.
 * Calls that only look are in it when they failed.
 */
import type { StorageOperation } from "../storage.ts";
import type { Fault } from "./fault.ts";

export interface LoggedOperation {
  readonly number: number;
  readonly operation: StorageOperation | "power cut" | "kill";
  readonly path: string;
  /** Offset and length of a write, new size of a truncate, else empty; the other name of a rename or link. */
  readonly detail: string;
  /** What befell it. */
  readonly fault: Fault | null;
  /** The errno's name, or null when it worked. */
  readonly error: string | null;
  readonly atMs: number;
  readonly before: LoggedOperation | null;
}

/** A line of a timeline. */
export interface TimelineEntry extends Omit<LoggedOperation, "before"> {
  /** Null for an operation that changes nothing. `pending`: a power cut now may or may not show it. `lost`: so it stays. */
  readonly durable: "yes" | "pending" | "lost" | null;
}

/** What an operation's effects are now: absent when all of them are durable. */
export type EffectStates = ReadonlyMap<number, "pending" | "lost">;

const CHANGING: ReadonlySet<string> = new Set([
  "open",
  "write",
  "truncate",
  "rename",
  "link",
  "remove",
  "makeDirectory",
]);

/** Oldest first. */
export function timelineOf(last: LoggedOperation | null, states: EffectStates): TimelineEntry[] {
  const entries: TimelineEntry[] = [];
  for (let one = last; one !== null; one = one.before) {
    const { before: _, ...entry } = one, changed = CHANGING.has(one.operation) && one.error === null;
    entries.push({ ...entry, durable: states.get(one.number) ?? (changed ? "yes" : null) });
  }
  return entries.reverse();
}

/** One line of text, without the time. */
export function formatTimelineEntry(entry: TimelineEntry): string {
  const { number, operation, path, detail, fault, error, durable } = entry;
  const words = [`#${number}`, operation, path, detail];
  if (fault !== null) words.push(`(${formatFault(fault)})`);
  if (error !== null) words.push(`-> ${error}`);
  if (durable !== null) words.push(durable === "yes" ? "[durable]" : `[${durable}]`);
  return words.filter((word) => word !== "").join(" ");
}

function formatFault(fault: Fault): string {
  const { kind, ...rest } = fault;
  return [kind, ...Object.entries(rest).map(([name, value]) => `${name} ${value}`)].join(" ");
}
