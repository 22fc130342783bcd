/** The data types whose values live in blocks of their own: what the generic commands do with them. */
import type { Keyspace } from "../keyspace.ts";

/** Makes a keyspace know every type. */
export function registerTypes(_keyspace: Keyspace): void {
}
