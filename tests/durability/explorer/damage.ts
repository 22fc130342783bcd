/**
 * Damage in durable bytes, and what a start must make of it: refuse, and name the file and the place (I12); change nothing (I8), and say
 * the same the second time (I8).
 */
import type { SimulatedDisk } from "../../../src/io/simulated_disk/mod.ts";
import { utf8Decode } from "../../../src/base/bytes.ts";
import { AofManifest } from "../../../src/persistence/aof/aof_manifest.ts";
import { Seal, SEAL_BYTES } from "../../../src/persistence/aof/aof_seal.ts";
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

/** A bit flipped in each file that is loaded, and an old block in the place of another one. `choice` says where. */
export function* damaged(image: SimulatedDisk, mode: Mode, choice: number): Generator<Damage> {
  const contents = image.contents("durable");
  yield* withStaleBlock(image, contents, mode, choice);
  for (const path of filesLoaded(contents, mode)) {
    const sizeBytes = contents.get(path)?.length ?? 0;
    if (sizeBytes === 0) continue;
    const at = (choice * PRIME) % (sizeBytes * 8), disk = image.fork();
    disk.flipBit(path, at >>> 3, at & 7);
    yield { disk, path, what: `bit ${at & 7} of byte ${at >>> 3} of ${path} has turned` };
  }
}

interface Block {
  readonly path: string;
  readonly start: number;
  /** With its seal. */
  readonly bytes: Uint8Array;
}

/** What a write that went astray, or never came, leaves: a block that is sound in itself, where another one was. */
function* withStaleBlock(
  image: SimulatedDisk,
  contents: ReadonlyMap<string, Uint8Array>,
  mode: Mode,
  choice: number,
): Generator<Damage> {
  const blocks = filesLoaded(contents, mode).flatMap((path) => blocksOf(path, contents.get(path)!));
  const pairs = blocks.flatMap((to) =>
    blocks.filter((from) => from !== to && from.bytes.length === to.bytes.length).map((from) => ({ from, to }))
  );
  if (pairs.length === 0) return;
  const { from, to } = pairs[choice % pairs.length], disk = image.fork();
  for (let i = 0; i < to.bytes.length; i++) {
    for (let bit = 0; bit < 8; bit++) {
      if (((from.bytes[i] ^ to.bytes[i]) >> bit & 1) === 1) disk.flipBit(to.path, to.start + i, bit);
    }
  }
  yield {
    disk,
    path: to.path,
    what: `the block at ${to.start} of ${to.path} is the one at ${from.start} of ${from.path}`,
  };
}

function blocksOf(path: string, bytes: Uint8Array): Block[] {
  const blocks: Block[] = [], seal = new Seal();
  if (!path.endsWith(".aof")) return blocks;
  let start = 0;
  for (let at = 0; at + SEAL_BYTES <= bytes.length; at++) {
    if (!seal.read(bytes, at) || seal.lengthBytes !== at - start) continue;
    blocks.push({ path, start, bytes: bytes.subarray(start, at + SEAL_BYTES) });
    start = at + SEAL_BYTES, at = start - 1;
  }
  return blocks;
}

/** What a start reads, found as it does. */
function filesLoaded(contents: ReadonlyMap<string, Uint8Array>, mode: Mode): string[] {
  const manifest = contents.get(MANIFEST);
  if (mode === "rdb" || manifest === undefined) return [DUMP];
  return [MANIFEST, ...AofManifest.parse(utf8Decode(manifest)).files.map(({ name }) => `${DIRECTORY}/${name}`)];
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
