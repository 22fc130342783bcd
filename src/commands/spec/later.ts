/** Facts of the commands that came to Redis after 7.0 and that the server has all the same. */
import { defineGroup, integer } from "./declare.ts";

export const LATER_FACTS = defineGroup("generic", [
  {
    name: "waitaof",
    arity: 4,
    flags: ["noscript"],
    acl: ["@connection"],
    tips: ["request_policy:all_shards", "response_policy:agg_min"],
    summary: "Waits until this connection's writes are synced to the append only file, here and on enough replicas.",
    since: "7.2.0",
    complexity: "O(1)",
    args: [integer("numlocal"), integer("numreplicas"), integer("timeout")],
  },
]);
