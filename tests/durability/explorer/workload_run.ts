/**
 * One run of a workload on a simulated disk, with a point kept before every operation: the disk as it was, and what had been promised.
 *
 * Each unit is sent by a client of its own, so that a refusal, which is never held back, tells at once that it was not applied; whatever
 * has no reply yet may or may not survive.
 */
import { type Client, type Reply, ReplyError } from "../../../src/mod.ts";
import { type DiskOperation, KILL, type SimulatedDisk } from "../../../src/io/simulated_disk/mod.ts";
import { LoadFailedError } from "../../../src/server/loading.ts";
import { digestOf, type ReferenceModel, type SimulatedProcess } from "./engine.ts";
import { isSyncFault } from "./possible_faults.ts";
import type { Broken, Promised, Vouched } from "./promise.ts";
import type { Mode, Policy, Step, Workload } from "./workload.ts";

/** A moment at which the power may go. */
export interface CrashPoint {
  readonly disk: SimulatedDisk;
  readonly promised: Promised;
  /** The operation that did not happen any more. */
  readonly next: DiskOperation | null;
}

export interface RunOptions {
  readonly workload: Workload;
  readonly policy: Policy;
  /** Empty, with its faults planned. */
  readonly disk: SimulatedDisk;
  readonly process: SimulatedProcess;
  readonly model: ReferenceModel;
}

interface Unit {
  readonly commands: readonly (readonly string[])[];
  readonly client: Client;
  repliesMissing: number;
  repliedAtMs: number;
  /** For the reply to WAITAOF. */
  isWaiting: boolean;
  /** Where the log was when it was executed. */
  position: number;
}

type Bounds = Pick<Promised, "lowest" | "lowestAfterKill" | "cuts" | "vouched">;

const TICK_MS = 100;
/** Replies that are this old are of units that `everysec` must keep. */
const KEPT_AFTER_MS = 2000;
/** The log holds replies back when a write is older and unsynced; a tick of slack, as it looks once a tick. */
const UNSYNCED_MS_MAX = KEPT_AFTER_MS + TICK_MS;
const SETTLE_MICROTASKS = 40;
const NOTHING_VOUCHED: readonly Vouched[] = [];
/** How long the server may take to resume once the disk is well: a second, minutes after failures in a row. */
const RESUME_SECONDS_MAX = 600;

export class WorkloadRun {
  readonly points: CrashPoint[] = [];
  /** Something went wrong in the run itself. */
  broken: Broken | null = null;
  disk: SimulatedDisk;
  readonly #o: RunOptions;
  #mode: Mode;
  /** Null when it could not start. */
  #app: SimulatedProcess | null = null;
  #units: Unit[] = [];
  #states: string[] = [];
  /** All units below are durable whatever the policy. */
  #floor = 0;
  /** Of those: what a SHUTDOWN that ended well has vouched for, and WAITAOF. */
  #shutDown = 0;
  #waitedFor = 0;
  /** What the log had vouched for when it was turned off. */
  #frozen: number | null = null;
  #cuts = new Set<number>([0]);
  #lastCut = 0;
  /** While a server starts: what the one before it had promised. */
  #old: Bounds | null = null;
  #cutOfSave = 0;
  #cutOfRewrite = 0;
  #saves = 0;
  #lastSaveMs = 0;
  #rewrites = 0;
  #isTurningOn = false;
  #hasStopped = false;

  constructor(options: RunOptions) {
    this.#o = options, this.#mode = options.workload.mode, this.disk = options.disk;
  }

  /** Runs all steps, or as many as faults let it. */
  async run(): Promise<void> {
    const { model, workload } = this.#o;
    model.reset();
    this.#states = [model.digest];
    await this.#start(this.disk);
    for (const step of workload.steps) {
      if (this.#app === null || this.broken !== null) break;
      await this.#step(step);
      await this.#settle();
      if (this.#hasStopped && step.do !== "shutdown") break;
      if (this.#isTroubled) this.#checkReads();
    }
    this.#keepPoint(null);
    this.disk.onOperation = () => {};
    if (this.#isTroubled) await this.#checkResumption();
  }

  // ---- starting and stopping -----------------------------------------------------------------------------------

  async #start(disk: SimulatedDisk): Promise<void> {
    const { process, policy } = this.#o, before = disk.timeline().length;
    this.disk = disk;
    disk.onOperation = (operation) => this.#keepPoint(operation);
    disk.onStall = (ms) => process.clock.advance(ms);
    try {
      await process.start(disk, this.#mode, policy);
      this.#app = process;
    } catch (error) {
      this.#app = null;
      if (!(error instanceof LoadFailedError)) throw error;
      // It may refuse when the disk failed it.
      if (disk.timeline().slice(before).some((one) => one.error !== null)) return;
      this.broken = { invariant: "I7", text: `the server refuses to start: ${error.message}` };
      return;
    }
    this.#hasStopped = false;
    this.#saves =
      this.#rewrites =
      this.#shutDown =
      this.#waitedFor =
        0,
      this.#frozen = null,
      this.#isTurningOn = false;
    this.#lastSaveMs = process.persistence.lastSaveMs;
    this.#adopt(digestOf(this.#app.connect()));
  }

  /** What a start found is what there is now. */
  #adopt(digest: string): void {
    const found = this.#states.lastIndexOf(digest);
    if (found < 0) {
      this.broken = { invariant: "I1", text: "a restart found what is no state that ever was" };
      return;
    }
    const units = this.#units.slice(0, found);
    for (const unit of units) unit.repliesMissing = 0, unit.position = 0, unit.isWaiting = false;
    this.#units = units, this.#states = this.#states.slice(0, found + 1);
    this.#rewindModel();
    if (this.#mode === "aof") this.#floor = found;
    else this.#cuts = new Set([found]), this.#lastCut = found, this.#floor = 0;
  }

  async #restart(mode: Mode = this.#mode): Promise<void> {
    this.#old = this.#bounds();
    this.#mode = mode;
    this.#app?.kill();
    this.#app = null;
    const { faults, isReadOnly } = this.disk, killed = this.disk.afterCrash(KILL);
    killed.faults = faults, killed.isReadOnly = isReadOnly;
    await this.#start(killed);
    // What an old server promised holds as long as no new one runs.
    if (this.#app !== null) this.#old = null;
  }

  // ---- steps ---------------------------------------------------------------------------------------------------

  async #step(step: Step): Promise<void> {
    switch (step.do) {
      case "unit":
        return this.#unit(step.commands);
      case "time":
        for (let ms = 0; ms < step.ms && !this.#hasStopped; ms += TICK_MS) await this.#tick();
        return;
      case "rewrite":
        if (this.#isDone("BGREWRITEAOF")) this.#cutOfRewrite = this.#units.length;
        return;
      case "bgsave":
        return this.#save("BGSAVE");
      case "save":
        return this.#save("SAVE");
      case "child":
        while (this.#app!.step());
        return;
      case "appendonly":
        return this.#turnLog(step.on);
      case "restart":
        return await this.#restart(step.mode);
      case "shutdown":
        return await this.#shutdown();
    }
  }

  /** The data set as it is now may become a dump. */
  #save(command: "SAVE" | "BGSAVE"): void {
    const units = this.#units.length;
    this.#cuts = new Set(this.#cuts).add(units);
    // LASTSAVE counts in seconds of a clock that must have moved.
    this.#o.process.clock.advance(1);
    const before = this.#cutOfSave;
    if (command === "SAVE") this.#cutOfSave = units;
    if (!this.#isDone(command)) return void (this.#cutOfSave = before);
    this.#cutOfSave = units;
    if (command === "SAVE") this.#lastCut = units;
  }

  #turnLog(on: boolean): void {
    if (!on) this.#frozen ??= this.#lowest();
    else this.#cutOfRewrite = this.#units.length;
    this.#isTurningOn = on;
    this.#isDone("CONFIG", "SET", "appendonly", on ? "yes" : "no");
  }

  async #shutdown(): Promise<void> {
    this.#isDone("SHUTDOWN");
    await this.#settle();
    // It may refuse, as the log cannot be synced; then it goes on.
    if (this.#app!.exitCode === 0 && this.#mode === "aof" && this.#frozen === null) {
      this.#floor = this.#shutDown = this.#units.length;
    }
    if (this.#app!.exitCode !== null) await this.#restart();
  }

  /** Sends a command; false when it is refused. */
  #isDone(...words: string[]): boolean {
    const client = this.#app!.connect();
    client.send(...words);
    return !(client.receive() instanceof ReplyError);
  }

  async #tick(): Promise<void> {
    this.#o.process.clock.advance(TICK_MS);
    await microtasks();
    if (this.#app!.exitCode === null) this.#app!.tick();
    await this.#settle();
  }

  #unit(commands: readonly (readonly string[])[]): void {
    const app = this.#app!, client = app.connect(), words = inTransaction(commands);
    const unit: Unit = { commands, client, repliesMissing: words.length, repliedAtMs: 0, isWaiting: true, position: 0 };
    const before = this.#states;
    this.#o.model.apply(commands);
    this.#states = [...before, this.#o.model.digest];
    for (const one of words) if (app.exitCode === null) client.send(...one);
    unit.position = app.persistence.aof.appendedBytes;
    // Of each unit it is known when the server says that it is durable.
    if (app.exitCode === null && this.#mode === "aof") client.send("WAITAOF", 1, 0, 0);
    this.#units.push(unit);
    if (!this.#isRefused(unit)) return;
    this.#units.pop();
    this.#states = before;
    this.#rewindModel();
  }

  #rewindModel(): void {
    const { model } = this.#o;
    model.reset();
    for (const { commands } of this.#units) model.apply(commands);
  }

  #isRefused(unit: Unit): boolean {
    for (let reply = unit.client.receive(); reply !== undefined; reply = unit.client.receive()) {
      if (unit.repliesMissing === 0) this.#hasWaited(unit, reply);
      else if (reply instanceof ReplyError) return true;
      else {
        unit.repliesMissing--, unit.repliedAtMs = this.#o.process.clock.nowMs();
        if (unit.repliesMissing === 0) this.#checkReply();
      }
    }
    return false;
  }

  /** WAITAOF was answered: the unit, and all before it, are durable (I10). */
  #hasWaited(unit: Unit, reply: Reply): void {
    unit.isWaiting = false;
    const isDurable = Array.isArray(reply) && reply[0] === 1;
    if (isDurable && this.#frozen === null) this.#waitedFor = Math.max(this.#waitedFor, this.#units.indexOf(unit) + 1);
  }

  /** Lets what is due happen, then looks for replies. */
  async #settle(): Promise<void> {
    await microtasks();
    this.#hasStopped = this.#app === null || this.#app.exitCode !== null;
    for (const unit of this.#units) if (unit.repliesMissing > 0 || unit.isWaiting) this.#isRefused(unit);
    this.#lookAtPersistence();
  }

  // ---- promises ------------------------------------------------------------------------------------------------

  /** What the server has reported as done since we looked last. */
  #lookAtPersistence(): void {
    if (this.#app === null) return;
    const { saves, rewrites, lastSaveMs, aof } = this.#app.persistence;
    if (saves > this.#saves || lastSaveMs > this.#lastSaveMs) this.#lastCut = this.#cutOfSave;
    this.#lastSaveMs = lastSaveMs;
    if (rewrites > this.#rewrites && aof.state === "on") this.#floor = Math.max(this.#floor, this.#cutOfRewrite);
    this.#saves = saves, this.#rewrites = rewrites;
    if (this.#isTurningOn && aof.state === "on") this.#turnedOn();
  }

  /** The log is in force; the next start uses it, whatever the one before did. */
  #turnedOn(): void {
    this.#frozen = null, this.#isTurningOn = false, this.#mode = "aof";
    this.#floor = Math.max(this.#floor, this.#cutOfRewrite);
  }

  #keepPoint(next: DiskOperation | null): void {
    this.#lookAtPersistence();
    const { policy } = this.#o;
    const promised: Promised = {
      mode: this.#mode,
      policy,
      states: this.#states,
      ...this.#old ?? this.#bounds(),
      highest: this.#states.length - 1,
      mayRefuse: this.#mayRefuse,
      isSecondStart: false,
    };
    this.points.push({ disk: this.disk.fork(), promised, next });
  }

  #bounds(): Bounds {
    const lowest = this.#lowest(), isOnlyFile = this.#mode === "rdb" || this.#frozen !== null;
    return {
      lowest,
      lowestAfterKill: isOnlyFile ? lowest : Math.max(lowest, this.#acknowledged(() => true)),
      cuts: this.#mode === "rdb" ? this.#cuts : null,
      vouched: this.#vouched,
    };
  }

  get #vouched(): readonly Vouched[] {
    if (this.#shutDown === 0 && this.#waitedFor === 0) return NOTHING_VOUCHED;
    return [{ invariant: "I14", units: this.#shutDown }, { invariant: "I10", units: this.#waitedFor }];
  }

  /** A sync failed, or writing back did and no sync has told yet. */
  get #mayRefuse(): boolean {
    return this.disk.timeline().some(({ operation, error, fault }) =>
      fault?.kind === "writeback" || (error !== null && isSyncFault(operation, fault))
    );
  }

  /** Units that must be found after a power cut. */
  #lowest(): number {
    if (this.#mode === "rdb") return this.#lastCut;
    if (this.#frozen !== null) return this.#frozen;
    const { policy, process } = this.#o, nowMs = process.clock.nowMs();
    const floor = Math.max(this.#floor, this.#waitedFor);
    if (policy === "no") return floor;
    const isKept = policy === "always" ? () => true : (unit: Unit) => nowMs - unit.repliedAtMs > KEPT_AFTER_MS;
    return Math.max(floor, Math.min(this.#acknowledged(isKept), this.#synced()));
  }

  /** Units whose reply has come, and that are kept; replies come in order. */
  #acknowledged(isKept: (unit: Unit) => boolean): number {
    for (let k = this.#units.length; k > 0; k--) {
      const unit = this.#units[k - 1];
      if (unit.repliesMissing === 0 && isKept(unit)) return k;
    }
    return 0;
  }

  /** Once the disk fails or hangs, `everysec` cannot keep what it had acknowledged before it knew: only what a sync had covered. */
  #synced(): number {
    if (this.#app === null || this.#o.policy === "always" || !this.#isTroubled) return Infinity;
    return this.#countSynced(this.#app);
  }

  #countSynced({ persistence: { aof } }: SimulatedProcess): number {
    let k = 0;
    while (k < this.#units.length && this.#units[k].position <= aof.syncedBytes) k++;
    return k;
  }

  get #isTroubled(): boolean {
    return this.disk.timeline().some(({ fault }) => fault !== null);
  }

  /** A reply may not come while a unit that was acknowledged long before has not been synced: then the sync hangs, and replies wait. */
  #checkReply(): void {
    const { policy, process } = this.#o;
    if (policy !== "everysec" || this.#mode !== "aof" || this.#frozen !== null || this.#old !== null) return;
    const unsynced = this.#units[this.#countSynced(process)], nowMs = process.clock.nowMs();
    if (unsynced === undefined || unsynced.repliesMissing > 0 || nowMs - unsynced.repliedAtMs <= UNSYNCED_MS_MAX) {
      return;
    }
    const text = `a unit was acknowledged ${
      nowMs - unsynced.repliedAtMs
    } ms after another one that is still not synced`;
    this.broken ??= { invariant: "I3", text };
  }

  // ---- after faults (I11) ----------------------------------------------------------------------------------------

  /** Whatever befell the disk: reads are answered, and every unit that was accepted is there once. */
  #checkReads(): void {
    if (this.#app === null || this.#app.exitCode !== null || this.#app.persistence.isLoading) return;
    const client = this.#app.connect(), expected = this.#states[this.#states.length - 1];
    client.send("DEBUG", "DIGEST");
    const reply = client.receive();
    if (reply === expected) return;
    const text = reply === undefined ? "a read is not answered" : "memory holds something else than what was accepted";
    this.broken ??= { invariant: "I11", text: `after a fault ${text}` };
  }

  /** Once the disk is well the server takes writes again by itself; with `always` it has stopped instead. */
  async #checkResumption(): Promise<void> {
    const app = this.#app, { policy, process: { clock } } = this.#o;
    if (app === null || app.exitCode !== null || policy === "always" || this.broken !== null) return;
    this.disk.faults = { next: () => null };
    if (this.disk.isReadOnly) return;
    for (let seconds = 0; seconds < RESUME_SECONDS_MAX; seconds++) {
      const client = app.connect();
      client.send("INCR", "resumed");
      if (typeof client.receive() === "number") return;
      clock.advance(1000);
      await microtasks();
      app.tick();
      await microtasks();
      while (app.step());
      await microtasks();
      if (typeof client.receive() === "number") return;
    }
    this.broken = { invariant: "I11", text: `writes are still refused ${RESUME_SECONDS_MAX} s after the disk is well` };
  }
}

function inTransaction(commands: readonly (readonly string[])[]): readonly (readonly string[])[] {
  return commands.length === 1 ? commands : [["MULTI"], ...commands, ["EXEC"]];
}

async function microtasks(): Promise<void> {
  for (let i = 0; i < SETTLE_MICROTASKS; i++) await Promise.resolve();
}
