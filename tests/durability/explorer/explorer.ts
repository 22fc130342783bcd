/**
 * The explorer: runs workloads, takes the power away at every operation in every way the disk's profile allows, starts a server on what is
 * left, and compares. Images are recognised by their hash, and each is recovered once.
 *
 *   workload ─> points ─> outcomes ─> images ─(new ones)─> start ─> judged
 *                                       a share of the starts is watched: its operations are points again (depth 2)
 *
 * Deterministic: everything follows from the workloads and the seed; only how far it gets depends on the time.
 */
import { ManualClock, SeededRandomness } from "../../../src/mod.ts";
import {
  type CrashOutcome,
  type CrashStates,
  type DiskGeometry,
  type DiskProfile,
  FaultPlan,
  type FaultRule,
  formatTimelineEntry,
  KILL,
  SimulatedDisk,
} from "../../../src/io/simulated_disk/mod.ts";
import { digestOf, ReferenceModel, SimulatedProcess } from "./engine.ts";
import { type Broken, judge, type Promised } from "./promise.ts";
import { type Recovered, StateTable } from "./state_table.ts";
import { type CrashPoint, WorkloadRun } from "./workload_run.ts";
import type { Policy, Workload } from "./workload.ts";

/** What is run: one line of a plan. */
export interface Scenario {
  readonly workload: Workload;
  readonly policy: Policy;
  readonly profile: DiskProfile;
  readonly geometry: DiskGeometry;
  readonly faults: readonly FaultRule[];
}

export interface Violation {
  readonly scenario: Scenario;
  readonly invariant: string;
  readonly text: string;
  /** Operations, what was durable, what became of the rest. */
  readonly timeline: readonly string[];
}

export interface Counts {
  runs: number;
  points: number;
  outcomes: number;
  /** Images, each counted once; those of a crash during a start. */
  unique: number;
  uniqueAtDepth2: number;
  refusedAfterFault: number;
  violations: number;
}

export interface ExplorerOptions {
  readonly seed: number;
  /** Outcomes drawn at each point, beside the systematic ones. */
  readonly samples: number;
  readonly depthMax: number;
  /** One image in this many is followed to the next depth. */
  readonly deeperEvery: number;
  /** Whether data may survive a power cut behind data that does not; otherwise of what was not synced only a first part does. */
  readonly holes: boolean;
}

const VIOLATIONS_KEPT_MAX = 20;
const MIX = 0x9e3779b1;
/** Runs begin at the same time: dumps tell when they were made. */
const START_MS = 1_700_000_000_000;

export class Explorer {
  readonly counts: Counts = {
    runs: 0,
    points: 0,
    outcomes: 0,
    unique: 0,
    uniqueAtDepth2: 0,
    refusedAfterFault: 0,
    violations: 0,
  };
  /** The first of each kind. */
  readonly violations: Violation[] = [];
  /** Points by the operation that was next. */
  readonly coverage = new Map<string, number>();
  readonly #o: ExplorerOptions;
  readonly #model: ReferenceModel;
  readonly #process: SimulatedProcess;
  readonly #table = new StateTable();
  readonly #kinds = new Set<string>();

  private constructor(options: ExplorerOptions, model: ReferenceModel, process: SimulatedProcess) {
    this.#o = options, this.#model = model, this.#process = process;
  }

  static async open(options: ExplorerOptions): Promise<Explorer> {
    const clock = new ManualClock();
    return new Explorer(options, await ReferenceModel.open(clock), await SimulatedProcess.open(clock));
  }

  /** Another one, on the same server, that has seen nothing yet. */
  sibling(): Explorer {
    return new Explorer(this.#o, this.#model, this.#process);
  }

  /** Explores one scenario, until `isOver`. @returns the operations of the run by number: the places for faults */
  async explore(scenario: Scenario, isOver: () => boolean): Promise<readonly string[]> {
    const process = this.#process, { clock } = process, { workload, policy, profile, geometry } = scenario;
    clock.setUnixTimeMs(START_MS);
    const disk = new SimulatedDisk({ profile, geometry, clock, faults: new FaultPlan(scenario.faults) });
    const run = new WorkloadRun({ workload, policy, disk, process, model: this.#model });
    await run.run();
    this.counts.runs++;
    if (run.broken !== null) this.#found(scenario, run.broken, run.disk, null, []);
    // Before the first fault everything is as without.
    const from = scenario.faults.length === 0 ? 0 : Math.min(...scenario.faults.map((rule) => rule.number ?? 0));
    for (const point of run.points) {
      if (isOver()) break;
      if (point.next === null || point.next.number >= from) await this.#explorePoint(scenario, point, 1);
    }
    return operationsOf(run.points);
  }

  async #explorePoint(scenario: Scenario, point: CrashPoint, depth: number): Promise<void> {
    const states = point.disk.crashStates(), name = point.next?.operation ?? "end";
    const randomness = new SeededRandomness(this.#o.seed ^ Math.imul(point.disk.operations, MIX));
    this.coverage.set(name, (this.coverage.get(name) ?? 0) + 1);
    this.counts.points++;
    for (const outcome of states.systematic()) await this.#exploreOutcome(scenario, point, states, outcome, depth);
    if (states.effects.length < 2) return;
    for (let i = 0; i < this.#o.samples; i++) {
      await this.#exploreOutcome(scenario, point, states, states.sample(randomness), depth);
    }
  }

  async #exploreOutcome(
    scenario: Scenario,
    point: CrashPoint,
    states: CrashStates,
    outcome: CrashOutcome,
    depth: number,
  ): Promise<void> {
    if (!this.#o.holes && states.leavesHole(outcome)) return;
    const image = point.disk.afterCrash(outcome), { low, high } = image.hash(), { promised } = point;
    const key = promised.mode === "aof" ? low : low ^ MIX;
    this.counts.outcomes++;
    let recovered = this.#table.get(key, high);
    const isNew = recovered === undefined;
    const next: CrashPoint[] = [];
    recovered ??= await this.#recover(image, promised, depth, ((low >>> 8) % this.#o.deeperEvery) === 0, next);
    if (isNew) {
      this.#table.add(key, high, recovered);
      this.counts.unique++;
      if (depth > 1) this.counts.uniqueAtDepth2++;
    }
    const broken = judge(promised, recovered, outcome === KILL);
    if (broken !== null) this.#found(scenario, broken, point.disk, outcome, states.describe(outcome));
    else if (recovered.refusal !== null) this.counts.refusedAfterFault++;
    else for (const deeper of next) await this.#explorePoint(scenario, deeper, depth + 1);
  }

  /** Starts on the image; when it is to be followed deeper, keeps the points of the start and of one unit after it. */
  async #recover(
    image: SimulatedDisk,
    promised: Promised,
    depth: number,
    isFollowed: boolean,
    next: CrashPoint[],
  ): Promise<Recovered> {
    const process = this.#process, { mode } = promised;
    if (!isFollowed || depth >= this.#o.depthMax) return await process.recover(image.fork(), mode);
    const kept: { disk: SimulatedDisk; point: CrashPoint["next"]; isStarted: boolean; isAnswered: boolean }[] = [];
    let isStarted = false, isAnswered = false;
    const disk = image.fork();
    disk.onOperation = (operation) => kept.push({ disk: disk.fork(), point: operation, isStarted, isAnswered });
    const recovered = await process.recover(disk, mode);
    if (recovered.refusal !== null) return recovered;
    const states = [recovered.digest];
    isStarted = true;
    if (mode === "aof") {
      const client = process.connect();
      client.command("INCR", "after");
      states.push(digestOf(client));
      isAnswered = true;
      kept.push({ disk: disk.fork(), point: null, isStarted, isAnswered });
    }
    // The cache may have held more than the disk: until the start is over a power cut may still take that.
    const isCacheOnly = image.crashStates().effects.length > 0;
    for (const { disk, point, isStarted, isAnswered } of kept) {
      const second: Promised = {
        ...promised,
        policy: "always",
        states,
        lowest: isAnswered ? 1 : 0,
        lowestAfterKill: isAnswered ? 1 : 0,
        highest: isStarted ? 1 : 0,
        cuts: null,
        isSecondStart: true,
      };
      next.push({ disk, next: point, promised: isCacheOnly && !isStarted ? promised : second });
    }
    return recovered;
  }

  #found(
    scenario: Scenario,
    { invariant, text }: Broken,
    disk: SimulatedDisk,
    outcome: CrashOutcome | null,
    fates: readonly string[],
  ): void {
    this.counts.violations++;
    // One of each kind: numbers, and what a parser says of damage, do not make another kind.
    const isTorn = fates.some((fate) => fate.includes("torn"));
    const kind = `${invariant} ${isTorn} ${text.replace(/\(.*\)/, "").replace(/[0-9]+/g, "n")} ${scenario.profile}`;
    if (this.#kinds.has(kind) || this.violations.length >= VIOLATIONS_KEPT_MAX) return;
    this.#kinds.add(kind);
    const cut = outcome === null
      ? []
      : [outcome === KILL ? "-- the process is killed" : "-- the power is cut", ...fates];
    this.violations.push({
      scenario,
      invariant,
      text,
      timeline: [...disk.timeline().map(formatTimelineEntry), ...cut],
    });
  }
}

function operationsOf(points: readonly CrashPoint[]): string[] {
  const operations: string[] = [];
  for (const { next } of points) if (next !== null) operations[next.number] = next.operation;
  return operations;
}
