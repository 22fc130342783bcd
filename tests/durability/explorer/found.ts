/**
 * What a start finds on a disk, leaves there, and must not touch: looked at from outside.
 *
 * - a refusal changes no byte (I8), and removes nothing (I13);
 * - after a start the directory holds the live set (I13): no temporary file, and of the log only what its manifest names.
 */
import type { SimulatedDisk } from "../../../src/io/simulated_disk/mod.ts";
import { EMPTY_BYTES, rangesEqual } from "../../../src/base/bytes.ts";
import type { AofLog } from "../../../src/persistence/aof/aof_log.ts";
import type { Broken } from "./promise.ts";

const DIRECTORY = "/appendonlydir", MANIFEST = `${DIRECTORY}/appendonly.aof.manifest`, DUMP = "/dump.rdb";
const MARK = "appendonly.aof.open";

export interface FoundOnDisk {
  readonly log: boolean;
  readonly dump: boolean;
}

const FOUND: readonly FoundOnDisk[] = [0, 1, 2, 3].map((n) => ({ log: (n & 1) !== 0, dump: (n & 2) !== 0 }));

/** One of four objects: results that are kept share them. */
export function foundOnDisk(disk: SimulatedDisk): FoundOnDisk {
  return FOUND[(disk.exists(MANIFEST) ? 1 : 0) + (disk.exists(DUMP) ? 2 : 0)];
}

/** What a refused start did and must not; nothing is asked of one that the disk failed. */
export function brokenByRefusal(before: SimulatedDisk, after: SimulatedDisk): Broken | null {
  const old = before.hash(), now = after.hash();
  if (after.operations === before.operations || (old.low === now.low && old.high === now.high)) return null;
  if (after.timeline().some(({ number, error }) => number >= before.operations && error !== null)) return null;
  const were = before.contents(), are = after.contents();
  for (const [path, bytes] of were) {
    const left = are.get(path) ?? EMPTY_BYTES;
    if (!are.has(path)) return { invariant: "I13", text: `a start that refused has removed ${path}` };
    if (left.length === bytes.length && rangesEqual(bytes, 0, left, 0, bytes.length)) continue;
    return { invariant: "I8", text: `a start that refused has changed ${path}` };
  }
  return null;
}

/** What a start that nothing disturbed left on the disk and should have removed. */
export function leftOver(disk: SimulatedDisk, aof: AofLog): Broken | null {
  const found = disk.list("/").find((name) => name.startsWith("temp-")) ?? leftInLog(disk, aof);
  return found === undefined ? null : { invariant: "I13", text: `after the start ${found} is still there` };
}

function leftInLog(disk: SimulatedDisk, { state, manifest, manifestName }: AofLog): string | undefined {
  if (state !== "on") return undefined;
  const named = new Set([...manifest.files, ...manifest.history].map(({ name }) => name));
  return disk.list(DIRECTORY).find((name) => !named.has(name) && name !== manifestName && name !== MARK);
}
