/** What a seed decides besides the commands: protocol and encoding limits. */

import type { Round } from "./comparison_run.ts";
import type { Settings } from "./server_pair.ts";

const DIRECTIVES = [
  ...["hash-max-listpack-entries", "hash-max-listpack-value", "zset-max-listpack-entries", "zset-max-listpack-value"],
  ...["set-max-intset-entries", "list-max-listpack-size", "list-compress-depth", "stream-node-max-entries"],
  ...["stream-node-max-bytes", "hll-sparse-max-bytes"],
];
/** Redis's own; small counts; small sizes. */
const VALUES: readonly (readonly number[])[] = [
  [128, 64, 128, 64, 512, -2, 0, 100, 4096, 3000],
  [8, 64, 6, 64, 10, 4, 1, 5, 4096, 300],
  [512, 8, 512, 12, 300, -1, 2, 0, 200, 1000],
];

export function roundOf(seed: number): Round {
  const values = VALUES[Math.floor(seed / 2) % VALUES.length];
  const settings: Settings = DIRECTIVES.map((directive, i) => [directive, values[i]]);
  return { settings, protocol: seed % 2 === 0 ? 2 : 3 };
}
