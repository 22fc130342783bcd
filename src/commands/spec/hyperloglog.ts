/**
 * Facts of the HyperLogLog commands: estimates of how many distinct elements were seen.
 */
import { defineGroup, key, keyAt, keysFrom, MULTIPLE, OPTIONAL_MULTIPLE, text } from "./declare.ts";

export const HYPERLOGLOG_FACTS = defineGroup("hyperloglog", [
  {
    name: "pfadd",
    arity: -2,
    flags: ["write", "denyoom", "fast"],
    acl: ["@hyperloglog"],
    keys: [keyAt(1, ["RW", "insert"])],
    summary: "Counts elements into a HyperLogLog, creating it if need be.",
    since: "2.8.9",
    complexity: "O(1) to add every element.",
    args: [key("key", 0), text("element", OPTIONAL_MULTIPLE)],
  },
  {
    name: "pfcount",
    arity: -2,
    flags: ["readonly", "may_replicate"],
    acl: ["@hyperloglog"],
    keys: [
      keysFrom(1, ["RW", "access"], {
        notes: "RW because it may change the internal representation of the key, and propagate to replicas",
      }),
    ],
    summary: "Estimates how many distinct elements the HyperLogLogs have seen.",
    since: "2.8.9",
    complexity:
      "O(1) with a very small average constant time when called with a single key. O(N) with N being the number of keys, and much bigger constant times, when called with multiple keys.",
    args: [key("key", 0, MULTIPLE)],
  },
  {
    name: "pfdebug",
    arity: 3,
    flags: ["write", "denyoom", "admin"],
    acl: ["@hyperloglog"],
    keys: [keyAt(2, ["RW", "access"])],
    summary: "Looks inside a HyperLogLog; for debugging.",
    since: "2.8.9",
    complexity: "N/A",
    internal: true,
    args: [text("subcommand"), key("key", 0)],
  },
  {
    name: "pfmerge",
    arity: -2,
    flags: ["write", "denyoom"],
    acl: ["@hyperloglog"],
    keys: [keyAt(1, ["RW", "access", "insert"]), keysFrom(2, ["RO", "access"])],
    summary: "Merges HyperLogLogs into one.",
    since: "2.8.9",
    complexity: "O(N) to merge N HyperLogLogs, but with high constant times.",
    args: [key("destkey", 0), key("sourcekey", 1, MULTIPLE)],
  },
  {
    name: "pfselftest",
    arity: 1,
    flags: ["admin"],
    acl: ["@hyperloglog"],
    summary: "Tests the HyperLogLog code itself.",
    since: "2.8.9",
    complexity: "N/A",
    internal: true,
  },
]);
