/**
 * The simulated disk's crash model against a real ext4: the same operations on both, then the power goes. What the real one shows must be
 * one of the outcomes that the simulated one allows.
 *
 * The real one is a file system in a file, mounted through a loop device; a copy of that file is what a power cut leaves of it. Nothing is
 * written back but what syncs ask for (commit=300), so a copy is of one moment. Needs root, a loop device and mkfs.ext4; skipped without.
 */
import { assert } from "@std/assert";
import { DiskStorage, SeededRandomness } from "../../src/mod.ts";
import { type CrashStates, SimulatedDisk } from "../../src/io/simulated_disk/mod.ts";
import { readWhole, type Storage, writeFully } from "../../src/io/storage.ts";

const DISK_BYTES = 16 * 1024 * 1024;
/** All outcomes are looked at: one bit each. */
const EFFECTS_MAX = 14;
const SEEDS = 8, STEPS = 14;
const FILES = ["a", "b", "c"];

function run(command: string, ...args: string[]): boolean {
  try {
    return new Deno.Command(command, { args, stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** A real file system that can lose power. */
class RealDisk {
  readonly #home = Deno.makeTempDirSync({ prefix: "afterimage-test-" });
  readonly directory = `${this.#home}/mounted`;
  readonly isMounted: boolean;

  constructor() {
    const file = `${this.#home}/disk`;
    Deno.mkdirSync(this.directory);
    using opened = Deno.createSync(file);
    opened.truncateSync(DISK_BYTES);
    this.isMounted = run("mkfs.ext4", "-q", "-b", "4096", file) &&
      run("mount", "-o", "loop,commit=300", file, this.directory);
  }

  /** What a power cut would leave now. */
  afterCrash(): string {
    const copy = `${this.#home}/copy`, directory = `${this.#home}/copied`;
    Deno.copyFileSync(`${this.#home}/disk`, copy);
    Deno.mkdirSync(directory);
    assert(run("mount", "-o", "loop", copy, directory), "the copy is a file system");
    try {
      return show(new DiskStorage(), directory);
    } finally {
      run("umount", directory);
      Deno.removeSync(directory), Deno.removeSync(copy);
    }
  }

  close(): void {
    if (this.isMounted) run("umount", this.directory);
    Deno.removeSync(this.#home, { recursive: true });
  }
}

function isAvailable(): boolean {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return false;
  const disk = new RealDisk();
  disk.close();
  return disk.isMounted;
}

/** All files with their content, in runs of equal bytes. */
function show(storage: Storage, directory: string): string {
  const names = storage.list(directory).filter((name) => name !== "lost+found");
  return names.map((name) => `${name}=${inRuns(readWhole(storage, `${directory}/${name}`))}`).join(" ");
}

function inRuns(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0, end; at < bytes.length; at = end) {
    for (end = at; end < bytes.length && bytes[end] === bytes[at]; end++);
    text += `${bytes[at] === 0 ? "zeros" : String.fromCharCode(bytes[at])}${end - at},`;
  }
  return text;
}

/** One step of a script, on either disk. */
type Step = (storage: Storage, directory: string) => void;

function write(name: string, mode: "append" | "update" | "create", letter: string, bytes: number): Step {
  return (storage, directory) => {
    const path = `${directory}/${name}`,
      file = storage.open(path, mode === "update" && !storage.exists(path) ? "create" : mode);
    writeFully(storage, file, new Uint8Array(bytes).fill(letter.charCodeAt(0)), 0, bytes);
    storage.close(file);
  };
}

const sync = (name: string): Step => (storage, directory) => {
  const path = `${directory}/${name}`;
  if (!storage.exists(path)) return storage.syncDirectory(directory);
  const file = storage.open(path, "update");
  storage.sync(file);
  storage.close(file);
};

const rename = (from: string, to: string): Step => (storage, directory) => {
  if (storage.exists(`${directory}/${from}`)) storage.rename(`${directory}/${from}`, `${directory}/${to}`);
};

const remove = (name: string): Step => (storage, directory) => {
  if (storage.exists(`${directory}/${name}`)) storage.remove(`${directory}/${name}`);
};

const truncate = (name: string, bytes: number): Step => (storage, directory) => {
  const path = `${directory}/${name}`;
  if (!storage.exists(path)) return;
  const file = storage.open(path, "update");
  storage.truncate(file, Math.min(bytes, storage.size(file)));
  storage.close(file);
};

/** Runs a script on both; after each step, where the outcomes can be counted, the real disk must show one of them. */
function compare(what: string, steps: readonly Step[]): number {
  const real = new RealDisk(), simulated = new SimulatedDisk({ profile: "ext4" }), storage = new DiskStorage();
  let compared = 0;
  try {
    simulated.makeDirectory("/d");
    simulated.syncDirectory("/");
    steps.forEach((step, number) => {
      step(storage, real.directory), step(simulated, "/d");
      const states = simulated.crashStates();
      if (states.effects.length > EFFECTS_MAX) return;
      const seen = real.afterCrash(), allowed = outcomes(simulated, states);
      assert(
        allowed.has(seen),
        `${what}, step ${number}: ext4 shows "${seen}", allowed are\n${[...allowed].join("\n")}`,
      );
      compared++;
    });
  } finally {
    real.close();
  }
  return compared;
}

function outcomes(disk: SimulatedDisk, states: CrashStates): Set<string> {
  const found = new Set<string>(), { effects } = states;
  for (let subset = 0; subset < 1 << effects.length; subset++) {
    const choices = Uint8Array.from(
      effects,
      (effect, i) => (subset >> i & 1) === 0 ? 0 : effect.kind === "page" ? 0xff : 1,
    );
    const outcome = { kind: "powerCut", choices } as const;
    if (states.allows(outcome)) found.add(show(disk.afterCrash(outcome), "/d"));
  }
  return found;
}

const SCRIPTS: Readonly<Record<string, readonly Step[]>> = {
  "a size without data": [
    write("a", "append", "x", 100),
    sync("a"),
    write("a", "append", "y", 50),
    sync("b"),
    write("b", "append", "z", 1),
    sync("b"),
  ],
  "pages beyond the last block": [
    write("a", "append", "x", 100),
    sync("a"),
    write("a", "append", "y", 9000),
    write("b", "append", "z", 1),
    sync("b"),
  ],
  "names and another file's sync": [
    write("a", "create", "x", 10),
    write("b", "create", "y", 10),
    rename("a", "c"),
    sync("b"),
  ],
  "a rename before the data's sync": [
    write("a", "create", "x", 5000),
    sync("a"),
    write("b", "create", "y", 5000),
    rename("b", "a"),
    write("c", "create", "z", 1),
    sync("c"),
  ],
  "a cut and more data": [
    write("a", "append", "x", 6000),
    sync("a"),
    truncate("a", 1000),
    write("a", "append", "y", 100),
    write("c", "create", "z", 1),
    sync("c"),
  ],
  "emptied and written anew": [
    write("a", "create", "x", 500),
    sync("a"),
    write("a", "create", "y", 300),
    write("c", "create", "z", 1),
    sync("c"),
  ],
};

const ignore = !isAvailable();

for (const [what, steps] of Object.entries(SCRIPTS)) {
  Deno.test({
    name: `ext4: ${what}: the real one does what the simulated one allows (needs root and a loop device)`,
    ignore,
    fn: () => assert(compare(what, steps) > 0),
  });
}

Deno.test({
  name: "ext4: drawn operations: the real one does what the simulated one allows (needs root and a loop device)",
  ignore,
  fn: () => {
    let compared = 0;
    for (let seed = 1; seed <= SEEDS; seed++) compared += compare(`seed ${seed}`, drawnSteps(seed));
    assert(compared > SEEDS * STEPS / 2, `${compared} comparisons`);
  },
});

function drawnSteps(seed: number): Step[] {
  const randomness = new SeededRandomness(seed), file = () => FILES[randomness.below(FILES.length)];
  return Array.from({ length: STEPS }, (_, number) => {
    const letter = String.fromCharCode(0x41 + number),
      bytes = 1 + randomness.below([60, 600, 6000][randomness.below(3)]);
    switch (randomness.below(8)) {
      case 0:
        return rename(file(), file());
      case 1:
        return remove(file());
      case 2:
        return truncate(file(), bytes);
      case 3:
      case 4:
        return sync(file());
      case 5:
        return write(file(), "update", letter, bytes);
      default:
        return write(file(), "append", letter, bytes);
    }
  });
}
