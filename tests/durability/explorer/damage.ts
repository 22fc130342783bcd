/**
 * Damage in durable bytes, and what a start must make of it: refuse, and name the file and the place (I12); change nothing (I8), and say
 * the same the second time (I8).
 */
import type { SimulatedDisk } from "../../../src/io/simulated_disk/mod.ts";
import type { AofManifest } from "../../../src/persistence/aof/aof_manifest.ts";
import type { Broken } from "./promise.ts";
import type { Recovered } from "./state_table.ts";
import type { Mode } from "./workload.ts";

export interface Damage {
  readonly disk: SimulatedDisk;
  readonly path: string;
  readonly what: string;
}

const DIRECTORY = "/appendonlydir", MANIFEST = `${DIRECTORY}/appendonly.aof.manifest`, DUMP = "/dump.rdb";
const PRIME = 7919;

/** A bit flipped in each file that is loaded. `choice` says where. */
export function* damaged(image: SimulatedDisk, manifest: AofManifest, mode: Mode, choice: number): Generator<Damage> {
  const contents = image.contents("durable");
  for (const path of filesLoaded(manifest, mode)) {
    const sizeBytes = contents.get(path)?.length ?? 0;
    if (sizeBytes === 0) continue;
    const at = (choice * PRIME) % (sizeBytes * 8), disk = image.fork();
    disk.flipBit(path, at >>> 3, at & 7);
    yield { disk, path, what: `bit ${at & 7} of byte ${at >>> 3} of ${path} has turned` };
  }
}

function filesLoaded({ files }: AofManifest, mode: Mode): string[] {
  return mode === "rdb" ? [DUMP] : [MANIFEST, ...files.map(({ name }) => `${DIRECTORY}/${name}`)];
}

/** @param sound what the start finds without the damage @param again a second start after a refusal */
export function judgeDamaged(damage: Damage, sound: Recovered, found: Recovered, again: Recovered): Broken | null {
  if (found.broken !== null) return found.broken;
  if (found.refusal === null) {
    const what = found.digest === sound.digest ? "is not noticed" : "changes what is loaded, and nothing is said";
    return { invariant: "I12", text: `damage ${what}` };
  }
  const name = damage.path.slice(damage.path.lastIndexOf("/") + 1);
  if (!found.refusal.includes(name)) {
    return { invariant: "I12", text: `damage is refused without naming the file: ${found.refusal}` };
  }
  if (found.refusal === again.refusal) return null;
  return { invariant: "I8", text: `a second start has another verdict: ${again.refusal ?? "it starts"}` };
}
