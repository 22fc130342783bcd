/**
 * FaultyStorage: another Storage with the faults of a plan in front of it.
 *
 * What the plan says nothing of goes through unchanged, handles included. What it counts (matches, bytes, whether the disk is read-only) is
 * in shared memory, so that the threads that follow one plan follow it together: a fault that comes once comes once.
 * It never makes an operation happen that was not asked for, and never hides an error of the storage behind it.
 */
import { FaultPlan } from "../simulated_disk/fault.ts";
import type { Fault, FaultRule } from "../simulated_disk/fault.ts";
import {
  type FileHandle,
  type FileStatus,
  type OpenMode,
  type Storage,
  storageError,
  type StorageOperation,
} from "../storage.ts";
import type { DiskFaultPlan } from "./disk_fault_plan.ts";

/**
 * A plan that is in force, as threads hand it to each other.
 *
 *   state, u64:  | bytes written |
 *   then i32:    | is over | is read-only | operations | matches of each rule … | faults by each rule … |
 */
export interface ActiveFaults {
  readonly plan: DiskFaultPlan;
  readonly state: SharedArrayBuffer;
}

export interface FaultHost {
  /** A fault has happened; a line for the log. */
  onFault(text: string): void;
  /** Lets time pass while nothing else happens on this thread. */
  block(ms: number): void;
  /** Lets time pass while the thread goes on. */
  wait(ms: number): Promise<void>;
}

const OVER = 0, READ_ONLY = 1, OPERATIONS = 2, RULES = 3;
const WRITTEN_BYTES_SIZE = 8;

export function activeFaults(plan: DiskFaultPlan): ActiveFaults {
  return { plan, state: new SharedArrayBuffer(WRITTEN_BYTES_SIZE + (RULES + 2 * plan.rules.length) * 4) };
}

export class FaultyStorage implements Storage {
  readonly #real: Storage;
  readonly #host: FaultHost;
  readonly #rules: readonly FaultRule[];
  readonly #plan: FaultPlan;
  readonly #capacityBytes: number;
  readonly #written: BigUint64Array;
  readonly #state: Int32Array;
  /** Views of `#state`: by rule. */
  readonly #matches: Int32Array;
  readonly #happened: Int32Array;

  constructor(real: Storage, { plan, state }: ActiveFaults, host: FaultHost) {
    this.#real = real, this.#host = host, this.#rules = plan.rules;
    this.#capacityBytes = plan.capacityBytes ?? Infinity;
    this.#written = new BigUint64Array(state, 0, 1);
    this.#state = new Int32Array(state, WRITTEN_BYTES_SIZE);
    this.#matches = this.#state.subarray(RULES, RULES + plan.rules.length);
    this.#happened = this.#state.subarray(RULES + plan.rules.length);
    this.#plan = new FaultPlan(plan.rules, this.#matches);
  }

  /** Nothing of the plan happens any more, in any thread; waits that are under way go on to their end. */
  end(): void {
    Atomics.store(this.#state, OVER, 1);
  }

  /** A line for each rule, and for the capacity. */
  status(): string[] {
    const lines = this.#rules.map((rule, index) => {
      const times = Atomics.load(this.#happened, index), met = Atomics.load(this.#matches, index);
      return `rule ${index}: ${JSON.stringify(rule)}: matched ${met}, happened ${times}`;
    });
    if (this.#capacityBytes !== Infinity) lines.push(`written ${this.#writtenBytes} of ${this.#capacityBytes} bytes`);
    if (this.#isReadOnly) lines.push("read-only");
    return lines;
  }

  get #writtenBytes(): number {
    return Number(Atomics.load(this.#written, 0));
  }

  get #isReadOnly(): boolean {
    return Atomics.load(this.#state, READ_ONLY) === 1;
  }

  // ---- what befalls an operation ---------------------------------------------------------------------------------

  /** An operation that only looks is about to happen. @throws {StorageError} */
  #look(operation: StorageOperation, path: string): void {
    const fault = this.#next(operation, path, false);
    if (fault?.kind === "error") throw storageError(operation, path, fault.code);
  }

  /** One that changes or syncs something. Null, or a fault that it has to carry out itself. @throws {StorageError} */
  #change(operation: StorageOperation, path: string): Fault | null {
    const fault = this.#next(operation, path, true);
    if (this.#isReadOnly && !this.#isOver) throw storageError(operation, path, "EROFS");
    if (fault?.kind === "error") throw storageError(operation, path, fault.code);
    return fault;
  }

  get #isOver(): boolean {
    return Atomics.load(this.#state, OVER) === 1;
  }

  #next(operation: StorageOperation, path: string, isChange: boolean): Fault | null {
    if (this.#isOver) return null;
    const number = isChange ? Atomics.add(this.#state, OPERATIONS, 1) : Atomics.load(this.#state, OPERATIONS);
    const index = this.#plan.dueRule({ number, isChange, operation, path });
    if (index < 0) return null;
    const { fault } = this.#rules[index];
    Atomics.add(this.#happened, index, 1);
    this.#host.onFault(`Disk fault by rule ${index}: ${operation} "${path}": ${JSON.stringify(fault)}`);
    if (fault.kind === "readOnly") Atomics.store(this.#state, READ_ONLY, 1);
    return fault;
  }

  // ---- files -----------------------------------------------------------------------------------------------------

  get sectorBytes(): number {
    return this.#real.sectorBytes;
  }

  open(path: string, mode: OpenMode): FileHandle {
    if (mode === "read") this.#look("open", path);
    else this.#change("open", path);
    return this.#real.open(path, mode);
  }

  read(file: FileHandle, offsetBytes: number, into: Uint8Array): number {
    this.#look("read", file.path);
    return this.#real.read(file, offsetBytes, into);
  }

  write(file: FileHandle, bytes: Uint8Array, startBytes: number, endBytes: number): number {
    const { path } = file,
      fault = this.#change("write", path),
      isPartly = fault?.kind === "short" || fault?.kind === "part";
    const length = endBytes - startBytes, room = this.#isOver ? Infinity : this.#capacityBytes - this.#writtenBytes;
    const wanted = Math.min(length, isPartly ? fault.bytes : Infinity, room);
    if (wanted <= 0 && length > 0) this.#refuseWrite(path, fault);
    const accepted = this.#real.write(file, bytes, startBytes, startBytes + wanted);
    Atomics.add(this.#written, 0, BigInt(accepted));
    if (fault?.kind === "part") throw storageError("write", path, fault.code);
    return accepted;
  }

  #refuseWrite(path: string, fault: Fault | null): never {
    if (fault?.kind === "part") throw storageError("write", path, fault.code);
    this.#host.onFault(`Disk fault: write "${path}": no space left of ${this.#capacityBytes} bytes`);
    throw storageError("write", path, "ENOSPC");
  }

  size(file: FileHandle): number {
    this.#look("size", file.path);
    return this.#real.size(file);
  }

  truncate(file: FileHandle, sizeBytes: number): void {
    this.#change("truncate", file.path);
    this.#real.truncate(file, sizeBytes);
  }

  close(file: FileHandle): void {
    this.#look("close", file.path);
    this.#real.close(file);
  }

  async closeInBackground(file: FileHandle): Promise<void> {
    this.#look("close", file.path);
    await this.#real.closeInBackground(file);
  }

  // ---- syncing ---------------------------------------------------------------------------------------------------

  sync(file: FileHandle): void {
    const fault = this.#change("sync", file.path);
    if (fault?.kind === "hang") this.#host.block(fault.ms);
    if (this.#failsOrLies("sync", file.path, fault)) return;
    this.#real.sync(file);
  }

  async syncInBackground(file: FileHandle): Promise<void> {
    const fault = this.#change("sync", file.path);
    // What is synced is what is written by now, and `close` must not spoil it: the real one starts now, and is waited for.
    const isReal = fault?.kind !== "lie" && (fault?.kind !== "hang" || fault.code === undefined);
    const [done] = await Promise.allSettled([
      isReal ? this.#real.syncInBackground(file) : undefined,
      fault?.kind === "hang" ? this.#host.wait(fault.ms) : undefined,
    ]);
    if (done.status === "rejected") throw done.reason;
    if (fault?.kind === "hang" && fault.code !== undefined) throw storageError("sync", file.path, fault.code);
  }

  syncDirectory(path: string): void {
    const fault = this.#change("syncDirectory", path);
    if (fault?.kind === "hang") this.#host.block(fault.ms);
    if (this.#failsOrLies("syncDirectory", path, fault)) return;
    this.#real.syncDirectory(path);
  }

  /** True when nothing is left to do. @throws {StorageSyncError} */
  #failsOrLies(operation: "sync" | "syncDirectory", path: string, fault: Fault | null): boolean {
    if (fault?.kind === "hang" && fault.code !== undefined) throw storageError(operation, path, fault.code);
    return fault?.kind === "lie";
  }

  // ---- names -----------------------------------------------------------------------------------------------------

  rename(from: string, to: string): void {
    this.#change("rename", from);
    this.#real.rename(from, to);
  }

  link(path: string, newPath: string): void {
    this.#change("link", path);
    this.#real.link(path, newPath);
  }

  remove(path: string): void {
    this.#change("remove", path);
    this.#real.remove(path);
  }

  async removeInBackground(path: string): Promise<void> {
    this.#change("remove", path);
    await this.#real.removeInBackground(path);
  }

  makeDirectory(path: string): void {
    this.#change("makeDirectory", path);
    this.#real.makeDirectory(path);
  }

  list(path: string): string[] {
    this.#look("list", path);
    return this.#real.list(path);
  }

  exists(path: string): boolean {
    this.#look("exists", path);
    return this.#real.exists(path);
  }

  stat(path: string): FileStatus | null {
    this.#look("stat", path);
    return this.#real.stat(path);
  }
}
