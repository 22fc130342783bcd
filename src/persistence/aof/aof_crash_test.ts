/**
 * The log on a disk that loses power: after every operation of a workload, every mixture of what may have survived is recovered, and
 * must hold a prefix of the commands that includes all that was acknowledged. The same with each operation failing, once or for good.
 *
 * The disk here promises what POSIX does (profile strict): data only after a sync of the file, names only after a sync of the
 * directory, each name on its own; a failed sync leaves its data in the cache and never on the disk, and is reported once.
 */
import { assert, assertEquals } from "@std/assert";
import { ascii, utf8Decode } from "../../base/bytes.ts";
import { ManualClock } from "../../io/clock.ts";
import {
  type FileHandle,
  type FileStatus,
  type OpenMode,
  parentDirectory,
  type Storage,
  StorageError,
  storageError,
  type StorageOperation,
  writeFully,
} from "../../io/storage.ts";
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
  aofUseRdbPreamble: false,
  aofDisableAutoGc: false,
  autoAofRewritePercentage: 100,
  autoAofRewriteMinBytes: 64,
};

// ---- a disk that loses power ---------------------------------------------------------------------------------------

interface Inode {
  readonly isDirectory: boolean;
  cached: Uint8Array;
  durable: Uint8Array;
  /** The cached bytes are not on the disk and no sync will put them there: one failed, and called them clean. */
  lost: boolean;
}

class Handle implements FileHandle {
  readonly path: string;
  readonly inode: Inode;
  readonly mode: OpenMode;
  closed = false;
  positionBytes = 0;

  constructor(path: string, inode: Inode, mode: OpenMode) {
    this.path = path, this.inode = inode, this.mode = mode;
  }
}

function node(isDirectory: boolean): Inode {
  return { isDirectory, cached: new Uint8Array(0), durable: new Uint8Array(0), lost: false };
}

/** What happens to an operation. */
type Fault = { code: string; partBytes?: number } | null;

class PowerCutStorage implements Storage {
  names = new Map<string, Inode>([["/", node(true)]]);
  durableNames: Map<string, Inode> = new Map(this.names);
  operations = 0;
  /** Called before each operation that changes something. */
  before: (operation: StorageOperation, number: number) => Fault = () => null;

  #step(operation: StorageOperation, path: string): Fault {
    const fault = this.before(operation, this.operations++);
    if (fault !== null && fault.partBytes === undefined) throw storageError(operation, path, fault.code);
    return fault;
  }

  open(path: string, mode: OpenMode): FileHandle {
    if (mode !== "read") this.#step("open", path);
    let inode = this.names.get(path);
    if (inode === undefined) {
      if (mode === "read" || mode === "update" || !this.names.has(parentDirectory(path))) {
        throw storageError("open", path, "ENOENT");
      }
      this.names.set(path, inode = node(false));
    }
    if (mode === "create") inode.cached = new Uint8Array(0), inode.lost = false;
    return new Handle(path, inode, mode);
  }

  read(file: FileHandle, offsetBytes: number, into: Uint8Array): number {
    const piece = opened(file, "read").inode.cached.subarray(offsetBytes, offsetBytes + into.length);
    into.set(piece);
    return piece.length;
  }

  write(file: FileHandle, bytes: Uint8Array, startBytes: number, endBytes: number): number {
    const handle = opened(file, "write"), inode = handle.inode, fault = this.#step("write", file.path);
    const end = fault === null ? endBytes : Math.min(endBytes, startBytes + fault.partBytes!);
    const at = handle.mode === "append" ? inode.cached.length : handle.positionBytes;
    const grown = new Uint8Array(Math.max(inode.cached.length, at + end - startBytes));
    grown.set(inode.cached), grown.set(bytes.subarray(startBytes, end), at);
    inode.cached = grown, handle.positionBytes = at + end - startBytes;
    if (fault !== null && fault.code !== "") throw storageError("write", file.path, fault.code);
    return end - startBytes;
  }

  size(file: FileHandle): number {
    return opened(file, "size").inode.cached.length;
  }

  sync(file: FileHandle): void {
    const handle = opened(file, "sync");
    this.#sync(handle, handle.inode.cached);
  }

  #sync({ inode, path }: Handle, bytes: Uint8Array): void {
    try {
      this.#step("sync", path);
    } catch (error) {
      inode.lost = true;
      throw error;
    }
    // After a failure the pages count as clean: nothing of them is written until the file is written anew.
    if (!inode.lost) inode.durable = bytes;
  }

  /** Covers what was written before the call, and no more. */
  async syncInBackground(file: FileHandle): Promise<void> {
    const handle = opened(file, "sync"), { inode } = handle, bytes = inode.cached, durable = inode.durable;
    await Promise.resolve();
    // Another sync that came and went meanwhile covered more.
    this.#sync(handle, inode.durable === durable ? bytes : inode.durable);
  }

  syncDirectory(path: string): void {
    this.#step("syncDirectory", path);
    if (!this.names.has(path)) throw storageError("syncDirectory", path, "ENOENT");
    for (const name of this.pendingNames()) if (parentDirectory(name) === path) this.#settle(name);
  }

  #settle(name: string): void {
    const inode = this.names.get(name);
    if (inode === undefined) this.durableNames.delete(name);
    else this.durableNames.set(name, inode);
  }

  /** Names that a power cut may or may not show as they are now. */
  pendingNames(): string[] {
    return [...new Set([...this.names.keys(), ...this.durableNames.keys()])].filter((name) =>
      this.names.get(name) !== this.durableNames.get(name)
    );
  }

  truncate(file: FileHandle, sizeBytes: number): void {
    this.#step("truncate", file.path);
    const handle = opened(file, "truncate");
    handle.inode.cached = handle.inode.cached.slice(0, sizeBytes);
    handle.positionBytes = Math.min(handle.positionBytes, sizeBytes);
  }

  close(file: FileHandle): void {
    opened(file, "close").closed = true;
  }

  async closeInBackground(file: FileHandle): Promise<void> {
    await Promise.resolve();
    this.close(file);
  }

  rename(from: string, to: string): void {
    this.#step("rename", from);
    const inode = this.names.get(from);
    if (inode === undefined) throw storageError("rename", from, "ENOENT");
    this.names.delete(from), this.names.set(to, inode);
  }

  link(path: string, newPath: string): void {
    this.#step("link", path);
    const inode = this.names.get(path);
    if (inode === undefined) throw storageError("link", path, "ENOENT");
    if (this.names.has(newPath)) throw storageError("link", path, "EEXIST");
    this.names.set(newPath, inode);
  }

  remove(path: string): void {
    this.#step("remove", path);
    if (!this.names.delete(path)) throw storageError("remove", path, "ENOENT");
  }

  async removeInBackground(path: string): Promise<void> {
    await Promise.resolve();
    this.remove(path);
  }

  list(path: string): string[] {
    return [...this.names.keys()].filter((name) => name !== path && parentDirectory(name) === path)
      .map((name) => name.slice(path.length + 1)).sort();
  }

  exists(path: string): boolean {
    return this.names.has(path);
  }

  stat(path: string): FileStatus | null {
    const inode = this.names.get(path);
    if (inode === undefined) return null;
    return { kind: inode.isDirectory ? "directory" : "file", sizeBytes: inode.cached.length, mtimeMs: 0 };
  }

  makeDirectory(path: string): void {
    this.#step("makeDirectory", path);
    this.names.set(path, node(true));
  }

  /** The process died: the cache is all there. */
  afterKill(): PowerCutStorage {
    return this.#copy(this.names, (inode) => inode);
  }

  /** The disk after a power cut that kept these pending names and this of the unsynced data. */
  afterPowerCut(keptNames: ReadonlySet<string>, data: "lost" | "kept" | "half" | "zeros"): PowerCutStorage {
    const names = new Map(this.durableNames);
    for (const name of keptNames) {
      const inode = this.names.get(name);
      if (inode === undefined) names.delete(name);
      else names.set(name, inode);
    }
    // A file under a directory whose own name is lost is lost too.
    for (const name of names.keys()) if (!names.has(parentDirectory(name))) names.delete(name);
    return this.#copy(names, ({ isDirectory, cached, durable, lost }) => {
      const shown = survivor(cached, durable, lost && data === "kept" ? "lost" : data);
      return { isDirectory, cached: shown, durable: shown, lost: false };
    });
  }

  #copy(names: Map<string, Inode>, show: (inode: Inode) => Inode): PowerCutStorage {
    const copy = new PowerCutStorage(), copies = new Map<Inode, Inode>();
    const copied = (inode: Inode) => {
      if (!copies.has(inode)) copies.set(inode, { ...show(inode) });
      return copies.get(inode)!;
    };
    copy.names = new Map([...names].map(([name, inode]) => [name, copied(inode)]));
    const durable = names === this.names ? this.durableNames : names;
    copy.durableNames = new Map([...durable].map(([name, inode]) => [name, copied(inode)]));
    return copy;
  }

  /** A text that two disks share when nothing tells them apart, now or after another power cut. */
  get fingerprint(): string {
    const text = (names: Map<string, Inode>) =>
      [...names].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, { cached, durable, lost }]) =>
        `${name}=${utf8Decode(cached)}${
          cached === durable ? "" : ` (durable: ${utf8Decode(durable)}${lost ? ", lost" : ""})`
        }`
      ).join("|");
    return `${text(this.names)} (durable: ${[...this.durableNames.keys()].sort()})`;
  }
}

function survivor(cached: Uint8Array, durable: Uint8Array, data: "lost" | "kept" | "half" | "zeros"): Uint8Array {
  if (data === "lost" || cached === durable) return durable;
  if (data === "kept") return cached;
  const common = Math.min(durable.length, cached.length);
  const shown = new Uint8Array(data === "half" ? common + ((cached.length - common) >> 1) : cached.length);
  shown.set(cached.subarray(0, data === "half" ? shown.length : common));
  return shown;
}

function opened(file: FileHandle, operation: StorageOperation): Handle {
  const handle = file as Handle;
  if (handle.closed) throw storageError(operation, file.path, "EBADF");
  return handle;
}

// ---- a server around the log ---------------------------------------------------------------------------------------

const command = (id: number) => ascii(`*3\r\n$3\r\nset\r\n$4\r\nk${String(id).padStart(3, "0")}\r\n$1\r\n1\r\n`);
const COMMAND_BYTES = command(0).length;
const FATAL = "the server stopped";

/** Commands that a start finds, in order; throws when it refuses. Opens the log as the server does when `reopen` is given. */
function recover(storage: PowerCutStorage, reopen?: AofLog): number[] {
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
  readonly storage: PowerCutStorage;
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

  constructor(storage: PowerCutStorage, policy: AofSettings["appendfsync"]) {
    this.storage = storage;
    this.settings = { ...SETTINGS, appendfsync: policy };
    this.log = new AofLog({
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
  const storage = new PowerCutStorage();
  storage.makeDirectory(ROOT);
  storage.syncDirectory("/");
  const machine = new Machine(storage, policy);
  machine.log.openAfterLoad({ currentBytes: 0, baseBytes: 0 });
  // The mark of an open log is there as if the process had run for long: else its name would double the disks to look at.
  storage.close(storage.open(`${DIR}/a.open`, "create"));
  storage.syncDirectory(DIR);
  await settle();
  return machine;
}

/** All that a power cut may leave now. */
function* survivors(storage: PowerCutStorage): Generator<PowerCutStorage> {
  yield storage.afterKill();
  const pending = storage.pendingNames();
  assert(pending.length <= 8, "too many pending names for every subset");
  for (let subset = 0; subset < 1 << pending.length; subset++) {
    const kept = new Set(pending.filter((_, i) => ((subset >> i) & 1) === 1));
    for (const data of ["lost", "kept", "half", "zeros"] as const) yield storage.afterPowerCut(kept, data);
  }
}

/** Recovers, checks I1 and I2, and returns how many commands were found. */
function check(disk: PowerCutStorage, atLeast: number, atMost: number, where: string, reopen?: AofLog): number {
  let found: number[];
  try {
    found = recover(disk, reopen);
  } catch (error) {
    throw new Error(`${where}: refused to start: ${error}\n${disk.fingerprint}`);
  }
  assertEquals(found, found.map((_, i) => i), `${where}: not a prefix`);
  assert(found.length >= atLeast, `${where}: ${found.length} commands found, ${atLeast} were vouched for`);
  assert(found.length <= atMost, `${where}: more than was sent`);
  return found.length;
}

/** Starts a server on the disk and lets it log one more command; power may go at each operation of that, too (I8, depth 2). */
function checkRestart(disk: PowerCutStorage, vouched: number, sent: number, where: string): void {
  const machine = new Machine(disk, "always");
  let isOpen = false;
  disk.before = (operation) => {
    const atLeast = isOpen ? machine.acknowledged : vouched;
    for (const again of survivors(disk)) {
      check(again, atLeast, sent + 1, `${where}, then before ${operation} of the restart`);
    }
    return null;
  };
  const found = check(disk, vouched, sent, where, machine.log);
  isOpen = true;
  machine.resume(found);
  machine.turn(1);
  assertEquals(machine.acknowledged, found + 1);
  for (const again of survivors(disk)) check(again, found + 1, sent + 1, `${where}, then after the restart`);
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
  readonly fault: (operation: StorageOperation, number: number) => Fault;
}

/** Runs a workload with faults; checks every power cut of every moment, each distinct disk once. */
async function explore({ policy, workload, seen }: Exploration, { label, restart, from, fault }: Run): Promise<void> {
  const machine = await openMachine(policy), { storage } = machine, first = storage.operations;
  const checkAll = (moment: string) => {
    const vouched = machine.vouched;
    let isKill = true;
    for (const disk of survivors(storage)) {
      const restarts = restart === "all" || (restart === "kills" && isKill), key = `${restarts} ${disk.fingerprint}`;
      isKill = false;
      if ((seen.get(key) ?? -1) >= vouched) continue;
      seen.set(key, vouched);
      if (restarts) checkRestart(disk, vouched, machine.executed, `${label}, ${moment}`);
      else check(disk, vouched, machine.executed, `${label}, ${moment}`);
    }
  };
  storage.before = (operation, number) => {
    if (number - first >= from) checkAll(`before operation ${number - first} (${operation})`);
    return fault(operation, number - first);
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
  const run = (what: string, restart: Run["restart"], fault: Run["fault"]) => ({
    label: what,
    restart,
    from: at,
    fault,
  });
  const fail = (sticky: boolean) =>
    run(
      `EIO ${sticky ? "from" : "at"} operation ${at}`,
      "kills",
      (_, n) => (sticky ? n >= at : n === at) ? { code: "EIO" } : null,
    );
  const part = (code: string) =>
    run(
      `part written at operation ${at}, then ${code || "the rest"}`,
      "none",
      (operation, n) => n === at && operation === "write" ? { code, partBytes: 7 } : null,
    );
  return [fail(false), fail(true), part("ENOSPC"), part("")];
}

Deno.test("a first start: power may go at any operation, and during the next start (I7, I8)", () => {
  const storage = new PowerCutStorage();
  storage.makeDirectory(ROOT);
  storage.syncDirectory("/");
  const machine = new Machine(storage, "always");
  let disks = 0;
  storage.before = (operation, number) => {
    for (const disk of survivors(storage)) {
      checkRestart(disk, machine.acknowledged, machine.executed, `before operation ${number} (${operation})`);
      disks++;
    }
    return null;
  };
  machine.log.openAfterLoad({ currentBytes: 0, baseBytes: 0 });
  machine.turn(2);
  assert(disks > 50, `${disks} disks`);
});

for (const policy of ["always", "everysec"] as const) {
  for (const [name, workload] of Object.entries(WORKLOADS)) {
    Deno.test(`${policy}, ${name}: power may go at any operation (I1, I2, I7), and during the restart again (I8)`, async () => {
      const seen = new Map<string, number>();
      await explore({ policy, workload, seen }, { label: "no fault", restart: "all", from: 0, fault: () => null });
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
