/**
 * HyperLogLogs, whose bytes are Redis's: sparse and dense, strings that are none, and damaged headers. Damaged registers are left out: of those
 * Redis makes other nonsense than ours, or keeps half of a PFADD that it refuses.
 */

import type { Draw } from "../draw.ts";
import { Family } from "../family.ts";
import { plain } from "../step.ts";

const key = (d: Draw) => d.key("hll");

function items(d: Draw) {
  return d.several(0, d.chance(90) ? 8 : 400, () => `item ${d.below(d.chance(80) ? 300 : 30_000)}`);
}

export const hyperloglogFamily = new Family("hyperloglog", [
  [30, (d) => plain("PFADD", key(d), ...items(d))],
  [15, (d) => plain("PFCOUNT", ...d.keys("hll", 1, 4))],
  [10, (d) => plain("PFMERGE", key(d), ...d.keys("hll", 0, 4))],
  [10, (d) => plain("GET", key(d))],
  [3, (d) => plain("PFDEBUG", "ENCODING", d.ownKey("hll"))],
  [1, (d) => plain("SETRANGE", key(d), d.below(15), d.bytes(2))],
  [1, (d) => plain("SET", key(d), d.value())],
  [2, (d) => plain("STRLEN", key(d))],
  [4, (d) => plain("DEL", key(d))],
]);
