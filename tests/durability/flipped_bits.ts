/**
 * Flips bits of the files of a log, one at a time, and starts a server on them: it must refuse, name the file and an offset in it, and change
 * nothing. As a program it takes samples of a larger log:
 *
 *   deno run -A tests/durability/flipped_bits.ts [flips] [seed]
 */
import { ManualClock, MemoryStorage, SeededRandomness } from "../../src/mod.ts";
import type { FileHandle, StorageOperation } from "../../src/io/storage.ts";
import { SimulatedDisk } from "../../src/io/simulated_disk/mod.ts";
import { SimulatedProcess } from "./explorer/engine.ts";

const CHANGES: ReadonlySet<StorageOperation> = new Set([
  "write",
  "truncate",
  "rename",
  "remove",
  "link",
  "makeDirectory",
]);
const DIRECTORY = "//appendonlydir";
const FLIPS = 20_000;
/** The files are not on a simulated disk. */
const NOT_USED = new SimulatedDisk();

/** Files of which one bit is not what was written. */
class RottenStorage extends MemoryStorage {
  path = "";
  bit = 0;
  changes = 0;

  constructor() {
    super();
    this.onOperation = (operation) => void (CHANGES.has(operation) && this.changes++);
  }

  override read(file: FileHandle, offsetBytes: number, into: Uint8Array): number {
    const read = super.read(file, offsetBytes, into), place = (this.bit >>> 3) - offsetBytes;
    if (file.path === this.path && place >= 0 && place < read) into[place] ^= 1 << (this.bit & 7);
    return read;
  }

  /** The files of the log that are not empty, and how many bytes they have. */
  get files(): { path: string; sizeBytes: number }[] {
    const paths = this.list(DIRECTORY).map((name) => `${DIRECTORY}/${name}`);
    return paths.map((path) => ({ path, sizeBytes: this.stat(path)!.sizeBytes })).filter((file) => file.sizeBytes > 0);
  }
}

export class FlippedBits {
  readonly storage: RottenStorage;
  readonly #process: SimulatedProcess;

  private constructor(storage: RottenStorage, process: SimulatedProcess) {
    this.storage = storage, this.#process = process;
  }

  /** A log with a base of this kind, and an increment: `before` and `after` are the commands on either side of its rewrite. */
  static async open(preamble: "yes" | "no", before: string[][], after: string[][]): Promise<FlippedBits> {
    const storage = new RottenStorage(),
      process = await SimulatedProcess.open(new ManualClock(), { storage: () => storage });
    const bits = new FlippedBits(storage, process);
    await process.start(NOT_USED, "aof", "always");
    process.connect().command("CONFIG", "SET", "aof-use-rdb-preamble", preamble);
    process.connect().command("CONFIG", "SET", "auto-aof-rewrite-percentage", "0");
    for (const words of before) process.connect().command(...words), process.tick();
    process.connect().command("BGREWRITEAOF");
    while (process.step());
    process.tick();
    for (const words of after) process.connect().command(...words), process.tick();
    process.kill();
    return bits;
  }

  /** Starts with this bit flipped. Null when it is refused as it must be, else what happened. */
  async tryBit(path: string, bit: number): Promise<string | null> {
    const { storage } = this, name = path.slice(DIRECTORY.length + 1), sizeBytes = storage.stat(path)!.sizeBytes;
    storage.path = path, storage.bit = bit, storage.changes = 0;
    try {
      await this.#process.start(NOT_USED, "aof", "always");
      return `${name}, bit ${bit}: a server started on it`;
    } catch (error) {
      if (!(error instanceof Error) || error.name !== "LoadFailedError") throw error;
      const { message } = error, offset = Number(/offset ([0-9]+)/.exec(message)?.[1]);
      if (!message.includes(name) || !(offset <= sizeBytes)) return `${name}, bit ${bit}: "${message}" names no place`;
      return storage.changes === 0 ? null : `${name}, bit ${bit}: refused, but something was changed`;
    } finally {
      storage.path = "";
    }
  }
}

/** A log with values of all kinds, many bytes of them zero: those must not make rot look like a torn write. */
export function largeLog(preamble: "yes" | "no", keys: number): Promise<FlippedBits> {
  const commands = (from: number): string[][] =>
    Array.from({ length: keys }, (_, i) =>
      [
        ["SET", `s${from + i}`, "\0".repeat((i * 37) % 900)],
        ["HSET", `h${(from + i) % 50}`, `field${i}`, "v".repeat(i % 90)],
        ["RPUSH", `l${i % 20}`, `item ${i}`],
        ["ZADD", `z${i % 9}`, String(i), `member${i}`],
        ["SADD", "ints", String(from + i)],
      ][i % 5]);
  return FlippedBits.open(preamble, commands(0), commands(keys));
}

/** Tries that many bits of a large log. @returns what went wrong */
export async function sampleFlips(
  preamble: "yes" | "no",
  keys: number,
  flips: number,
  seed: number,
): Promise<string[]> {
  const bits = await largeLog(preamble, keys), random = new SeededRandomness(seed), wrong: string[] = [];
  const { files } = bits.storage, totalBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  for (let i = 0; i < flips; i++) {
    let place = random.below(totalBytes * 8), index = 0;
    while (place >= files[index].sizeBytes * 8) place -= files[index++].sizeBytes * 8;
    const found = await bits.tryBit(files[index].path, place);
    if (found !== null) wrong.push(found);
  }
  return wrong;
}

if (import.meta.main) {
  const [flips = FLIPS, seed = 1] = Deno.args.map(Number);
  for (const preamble of ["yes", "no"] as const) {
    const wrong = await sampleFlips(preamble, 2000, flips / 2, seed);
    console.log(
      `aof-use-rdb-preamble ${preamble}: ${flips / 2} flipped bits, ${wrong.length} not refused as they must be`,
    );
    for (const line of wrong.slice(0, 20)) console.log(`  ${line}`);
  }
}
