/**
 * The log on a disk that loses power: after every operation of a workload, every mixture of what may have survived is recovered, and
 * must hold a prefix of the commands that includes all that was acknowledged. The same with each operation failing, once or for good.
 *
 * The disk promises what POSIX does (profile strict). Its pages and sectors are small, so that commands are torn. Of the data of one
 * file only prefixes survive here, with zeros or nothing behind them: see `isWithoutHoles`.
 */
import { assert, assertEquals } from "@std/assert";
import { ascii, utf8Decode } from "../../base/bytes.ts";
import { ManualClock } from "../../io/clock.ts";
import { SeededRandomness } from "../../io/randomness.ts";
import {
  type Fault,
  FaultPlan,
  type FaultRule,
  formatTimelineEntry,
  KILL,
  SimulatedDisk,
} from "../../io/simulated_disk/mod.ts";
import { StorageError, writeFully } from "../../io/storage.ts";
import type { Args } from "../../resp/args.ts";
import { AofLoad } from "./aof_loader.ts";
import { AofLog, type AofSettings } from "./aof_log.ts";
import { AofManifest, ManifestUncertainError } from "./aof_manifest.ts";

const ROOT = "/d", DIR = "/d/aof", MANIFEST = `${DIR}/a.manifest`;
const SETTINGS: AofSettings = {
  dir: ROOT,
  appenddirname: "aof",
  appendfilename: "a",
  appendfsync: "always",
  noAppendfsyncOnRewrite: false,
  aofTimestampEnabled: false,
  aofChecksum: true,
  aofUseRdbPreamble: false,
  aofDisableAutoGc: false,
  autoAofRewritePercentage: 100,
  autoAofRewriteMinBytes: 64,
};

// ---- a server around the log ---------------------------------------------------------------------------------------

const command = (id: number) => ascii(`*3\r\n$3\r\nset\r\n$4\r\nk${String(id).padStart(3, "0")}\r\n$1\r\n1\r\n`);
/** A turn's writes cross several sectors, some of them a page. */
const GEOMETRY = { pageBytes: 64, sectorBytes: 16 };
const COMMAND_BYTES = command(0).length;
const FATAL = "the server stopped";

/** Commands that a start finds, in order; throws when it refuses. Opens the log as the server does when `reopen` is given. */
function recover(storage: SimulatedDisk, reopen?: AofLog): number[] {
  const found: number[] = [];
  if (!storage.exists(MANIFEST)) {
    reopen?.openAfterLoad({ currentBytes: 0, baseBytes: 0 });
    return found;
  }
  const file = storage.open(MANIFEST, "read"), text = new Uint8Array(storage.size(file));
  storage.read(file, 0, text);
  const manifest = AofManifest.parse(utf8Decode(text));
  const load = new AofLoad({
    storage,
    directory: DIR,
    manifest,
    loadTruncated: true,
    nowUs: () => 0,
    loadRdb: () => {
      throw new Error("no RDB here");
    },
    execute: (args: Args) => {
      if (args.text(0) === "set") found.push(Number(args.text(1).slice(1)));
      return true;
    },
    log: () => {},
  });
  while (!load.step(1 << 20));
  if (reopen !== undefined) {
    reopen.manifest = manifest;
    reopen.openAfterLoad(load);
    reopen.removeHistory();
  }
  return found;
}

const settle = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};

/** Clients that send numbered commands, and a child that writes bases holding all commands up to the freeze. */
class Machine {
  readonly storage: SimulatedDisk;
  readonly clock = new ManualClock();
  readonly log: AofLog;
  readonly settings: { -readonly [K in keyof AofSettings]: AofSettings[K] };
  executed = 0;
  /** Commands whose clients have their reply. */
  acknowledged = 0;
  stopped = false;
  #frozenAt = -1;
  #vouchedWhenOff = 0;
  #positions: number[] = [];
  #next = 0;

  constructor(storage: SimulatedDisk, policy: AofSettings["appendfsync"]) {
    this.storage = storage;
    this.settings = { ...SETTINGS, appendfsync: policy };
    this.log = new AofLog({
      randomness: new SeededRandomness(1),
      storage,
      clock: this.clock,
      settings: this.settings,
      log: () => {},
      isChildActive: () => this.#frozenAt >= 0,
      onFatal: () => void (this.stopped = true),
      onProgress: () => {},
    });
  }

  /** Commands that must survive a power cut now: with `always` each one replied to, else each one under a finished sync. */
  get vouched(): number {
    if (this.log.state !== "on") return this.#vouchedWhenOff;
    if (this.settings.appendfsync === "always") return this.acknowledged;
    let count = 0;
    while (count < this.executed && this.#positions[count] <= this.log.syncedBytes) count++;
    return count;
  }

  /** Goes on after a start that found this many commands. */
  resume(found: number): void {
    this.executed = this.acknowledged = this.#next = found;
    this.#positions = Array(found).fill(0);
  }

  /** A turn with this many commands; refused while the log reports an error, as the server does. */
  turn(commands: number): void {
    this.send(commands);
    this.#endTurn();
  }

  /** Commands whose turn is not over: none of them is replied to. */
  send(commands: number): void {
    for (let i = 0; i < commands && this.log.writeError === null; i++) {
      const bytes = command(this.executed++);
      this.log.append(0, bytes, 0, bytes.length);
      this.#positions.push(this.log.appendedBytes);
    }
  }

  #endTurn(): void {
    this.log.flush();
    this.#stopIfFatal();
    const released = this.log.releasedBytes;
    while (this.#next < this.executed && this.#positions[this.#next] <= released) this.#next++;
    this.acknowledged = this.#next;
  }

  #stopIfFatal(): void {
    if (this.stopped) throw new Error(FATAL);
  }

  /** While the log is off only what it held before is vouched for. */
  turnOffAndOn(): void {
    this.#vouchedWhenOff = this.vouched;
    this.log.turnOff();
    this.log.turnOn();
  }

  async tick(ms: number): Promise<void> {
    this.clock.advance(ms);
    this.log.cron();
    await settle();
    this.#endTurn();
    if (this.log.isRewriteDue && this.#frozenAt < 0) this.begin();
    await settle();
    this.#endTurn();
  }

  begin(): void {
    if (this.log.rewriteInProgress || this.#frozenAt >= 0) return;
    this.log.beginRewrite(() => this.#frozenAt = this.executed, () => {});
    this.#stopIfFatal();
  }

  /** The child is done: its base is written, and published. */
  end(): void {
    if (this.#frozenAt < 0) return;
    const commands = this.#frozenAt, path = this.log.tempBasePath;
    this.#frozenAt = -1;
    try {
      const file = this.storage.open(path, "create"), bytes = new Uint8Array(commands * COMMAND_BYTES);
      for (let i = 0; i < commands; i++) bytes.set(command(i), i * COMMAND_BYTES);
      writeFully(this.storage, file, bytes, 0, bytes.length);
      this.storage.sync(file);
      this.storage.close(file);
      this.log.finishRewrite(bytes.length);
    } catch (error) {
      if (!(error instanceof StorageError) && !(error instanceof ManifestUncertainError)) throw error;
      this.log.failRewrite();
    }
    this.#stopIfFatal();
  }
}

type Workload = (machine: Machine) => Promise<void>;

const WORKLOADS: Record<string, Workload> = {
  "appendonly off and on during a rewrite": async (machine) => {
    machine.turn(2), machine.begin();
    await settle();
    machine.turn(1), machine.turnOffAndOn(), machine.turn(1), machine.end();
    machine.turn(1), machine.begin();
    machine.turn(1), machine.end(), machine.turn(1);
    await machine.tick(1100);
  },
  "writes and a rewrite": async (machine) => {
    machine.turn(2), machine.begin(), machine.turn(1);
    await settle();
    machine.turn(2), machine.end();
    await settle();
    machine.turn(1);
    await machine.tick(1100);
    machine.turn(1);
    await machine.tick(1100);
  },
  "a rewrite that fails, and another": async (machine) => {
    machine.turn(1), machine.send(1), machine.begin();
    await settle();
    machine.turn(1), machine.log.failRewrite(), machine.end();
    machine.turn(1);
    await machine.tick(1100);
    machine.begin();
    await settle();
    machine.turn(1), machine.end();
    await machine.tick(1100);
  },
};

async function openMachine(policy: AofSettings["appendfsync"]): Promise<Machine> {
  const storage = newDisk();
  const machine = new Machine(storage, policy);
  machine.log.openAfterLoad({ currentBytes: 0, baseBytes: 0 });
  // The mark of an open log is there as if the process had run for long: else its name would double the disks to look at.
  storage.close(storage.open(`${DIR}/a.open`, "create"));
  storage.syncDirectory(DIR);
  await settle();
  return machine;
}

function newDisk(): SimulatedDisk {
  const disk = new SimulatedDisk({ profile: "strict", geometry: GEOMETRY });
  disk.makeDirectory(ROOT);
  disk.syncDirectory("/");
  return disk;
}

/** What a dead process leaves, and then all that a power cut may leave, each once. */
function* survivors(storage: SimulatedDisk): Generator<SimulatedDisk> {
  const seen = new Set<string>();
  for (const outcome of storage.crashStates().systematic()) {
    const disk = storage.afterCrash(outcome), key = outcome === KILL ? "kill" : hashOf(disk);
    if (!seen.has(key) && isWithoutHoles(disk)) yield disk;
    seen.add(key);
  }
}

/**
 * Nothing is behind zeros, which no command here contains. The loader cannot tell data behind sectors that are missing from damage to what
 * was durable, and refuses it.
 */
function isWithoutHoles(disk: SimulatedDisk): boolean {
  for (const bytes of disk.contents().values()) {
    const zeros = bytes.indexOf(0);
    if (zeros >= 0 && bytes.subarray(zeros).some((byte) => byte !== 0)) return false;
  }
  return true;
}

function hashOf(disk: SimulatedDisk): string {
  const { low, high } = disk.hash();
  return `${low} ${high}`;
}

/** Recovers, checks I1 and I2, and returns how many commands were found. */
function check(disk: SimulatedDisk, atLeast: number, atMost: number, where: string, reopen?: AofLog): number {
  let found: number[];
  try {
    found = recover(disk, reopen);
  } catch (error) {
    throw new Error(`${where}: refused to start: ${error}\n${disk.timeline().map(formatTimelineEntry).join("\n")}`);
  }
  assertEquals(found, found.map((_, i) => i), `${where}: not a prefix`);
  assert(found.length >= atLeast, `${where}: ${found.length} commands found, ${atLeast} were vouched for`);
  assert(found.length <= atMost, `${where}: more than was sent`);
  return found.length;
}

/** Starts a server on the disk and lets it log one more command; power may go at each operation of that, too (I8, depth 2). */
function checkRestart(
  disk: SimulatedDisk,
  vouched: number,
  sent: number,
  where: string,
  seen: Map<string, number> = new Map(),
): void {
  const machine = new Machine(disk, "always");
  const checkAgain = (atLeast: number, moment: string) => {
    for (const again of survivors(disk)) {
      const key = `after ${sent} sent ${hashOf(again)}`;
      if ((seen.get(key) ?? -1) >= atLeast) continue;
      seen.set(key, atLeast);
      check(again, atLeast, sent + 1, `${where}, then ${moment} the restart`);
    }
  };
  let isOpen = false;
  disk.onOperation = ({ operation }) => checkAgain(isOpen ? machine.acknowledged : vouched, `before ${operation} of`);
  const found = check(disk, vouched, sent, where, machine.log);
  isOpen = true;
  machine.resume(found);
  machine.turn(1);
  assertEquals(machine.acknowledged, found + 1);
  checkAgain(found + 1, "after");
}

interface Exploration {
  readonly policy: AofSettings["appendfsync"];
  readonly workload: Workload;
  /** Disks checked so far, with what was vouched for then: shared by all runs of a test. */
  readonly seen: Map<string, number>;
}

interface Run {
  readonly label: string;
  /** Which disks a restart is tried on, with power cuts in its midst. */
  readonly restart: "all" | "kills" | "none";
  /** Nothing is new before this operation: another run has been there. */
  readonly from: number;
  /** By number, from the start of the workload. */
  readonly faults: readonly FaultRule[];
}

/** Runs a workload with faults; checks every power cut of every moment, each distinct disk once. */
async function explore({ policy, workload, seen }: Exploration, { label, restart, from, faults }: Run): Promise<void> {
  const machine = await openMachine(policy), { storage } = machine, first = storage.operations;
  const checkAll = (moment: string) => {
    const vouched = machine.vouched;
    let isKill = true;
    for (const disk of survivors(storage)) {
      const restarts = restart === "all" || (restart === "kills" && isKill), key = `${restarts} ${hashOf(disk)}`;
      isKill = false;
      if ((seen.get(key) ?? -1) >= vouched) continue;
      seen.set(key, vouched);
      if (restarts) checkRestart(disk, vouched, machine.executed, `${label}, ${moment}`, seen);
      else check(disk, vouched, machine.executed, `${label}, ${moment}`);
    }
  };
  storage.faults = new FaultPlan(faults.map((rule) => ({ ...rule, number: rule.number! + first })));
  storage.onOperation = ({ operation, number }) => {
    if (number - first >= from) checkAll(`before operation ${number - first} (${operation})`);
  };
  try {
    await workload(machine);
  } catch (error) {
    if (!(error instanceof Error) || error.message !== FATAL) throw error;
  }
  checkAll("at the end");
}

/** What may befall operation `at`. */
function faultsAt(at: number): Run[] {
  const run = (label: string, restart: Run["restart"], fault: Fault, isSticky = false): Run => {
    // Only a write can be done in part.
    const operation = fault.kind === "error" ? undefined : "write";
    return { label, restart, from: at, faults: [{ number: at, fault, operation, isSticky }] };
  };
  const failure: Fault = { kind: "error", code: "EIO" }, full: Fault = { kind: "part", bytes: 7, code: "ENOSPC" };
  return [
    run(`EIO at operation ${at}`, "kills", failure),
    run(`EIO from operation ${at}`, "kills", failure, true),
    run(`part written at operation ${at}, then ENOSPC`, "none", full),
    run(`part written at operation ${at}, then the rest`, "none", { kind: "short", bytes: 7 }),
  ];
}

Deno.test("a first start: power may go at any operation, and during the next start (I7, I8)", () => {
  const storage = newDisk();
  const machine = new Machine(storage, "always");
  let disks = 0;
  storage.onOperation = ({ operation, number }) => {
    for (const disk of survivors(storage)) {
      checkRestart(disk, machine.acknowledged, machine.executed, `before operation ${number} (${operation})`);
      disks++;
    }
  };
  machine.log.openAfterLoad({ currentBytes: 0, baseBytes: 0 });
  machine.turn(2);
  assert(disks > 30, `${disks} disks`);
});

Deno.test("the manifest's directory sync fails, the process is killed: a restart does not trust the cached manifest (I9)", async () => {
  const disk = newDisk(), machine = new Machine(disk, "always");
  machine.log.openAfterLoad({ currentBytes: 0, baseBytes: 0 });
  const next = { operation: "syncDirectory", path: DIR, fault: { kind: "error", code: "EIO" } } as const;
  // The first sync is for the new increment's name, the second for the manifest's.
  disk.faults = new FaultPlan([{ ...next, nth: 1 }]);
  machine.begin();
  await settle();
  assert(machine.log.needsFreshGeneration);
  checkRestart(disk.afterCrash(KILL), 0, 0, "after the kill");
});

for (const policy of ["always", "everysec"] as const) {
  for (const [name, workload] of Object.entries(WORKLOADS)) {
    Deno.test(`${policy}, ${name}: power may go at any operation (I1, I2, I7), and during the restart again (I8)`, async () => {
      const seen = new Map<string, number>();
      await explore({ policy, workload, seen }, { label: "no fault", restart: "all", from: 0, faults: [] });
      assert(seen.size > 40, `${seen.size} disks`);
    });

    Deno.test(`${policy}, ${name}: any operation may fail, once or for good, then power may go (I1, I2, I7, I9)`, async () => {
      const clean = await openMachine(policy), first = clean.storage.operations, seen = new Map<string, number>();
      await workload(clean);
      const total = clean.storage.operations - first;
      for (let at = 0; at < total; at++) {
        for (const run of faultsAt(at)) await explore({ policy, workload, seen }, run);
      }
      assert(seen.size > 500, `${seen.size} disks`);
    });
  }
}
