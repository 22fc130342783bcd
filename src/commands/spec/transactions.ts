/**
 * Facts of the commands that run others as one step, or not at all.
 */
import { defineGroup, key, keysFrom, MULTIPLE } from "./declare.ts";

export const TRANSACTIONS_FACTS = defineGroup("transactions", [
  {
    name: "discard",
    arity: 1,
    flags: ["noscript", "loading", "stale", "fast", "allow_busy"],
    acl: ["@transaction"],
    summary: "Drops the commands queued since MULTI.",
    since: "2.0.0",
    complexity: "O(N), when N is the number of queued commands",
  },
  {
    name: "exec",
    arity: 1,
    flags: ["noscript", "loading", "stale", "skip_slowlog"],
    acl: ["@transaction"],
    summary: "Runs the commands queued since MULTI.",
    since: "1.2.0",
    complexity: "Depends on commands in the transaction",
  },
  {
    name: "multi",
    arity: 1,
    flags: ["noscript", "loading", "stale", "fast", "allow_busy"],
    acl: ["@transaction"],
    summary: "Starts to queue commands for EXEC.",
    since: "1.2.0",
    complexity: "O(1)",
  },
  {
    name: "unwatch",
    arity: 1,
    flags: ["noscript", "loading", "stale", "fast", "allow_busy"],
    acl: ["@transaction"],
    summary: "Stops watching every key.",
    since: "2.2.0",
    complexity: "O(1)",
  },
  {
    name: "watch",
    arity: -2,
    flags: ["noscript", "loading", "stale", "fast", "allow_busy"],
    acl: ["@transaction"],
    keys: [keysFrom(1, ["RO"])],
    summary: "Makes the next EXEC depend on keys staying as they are.",
    since: "2.2.0",
    complexity: "O(1) for every key.",
    args: [key("key", 0, MULTIPLE)],
  },
]);
