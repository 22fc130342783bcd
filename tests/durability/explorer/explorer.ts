/**
 * The explorer: runs workloads, takes the power away at every operation in every way the disk's profile allows, starts a server on what is
 * left, and compares. Images are recognised by their hash, and each is recovered once.
 *
 *   workload ─> points ─> outcomes ─> images ─(new ones)─> start ─> judged
 *                  │                    a share of the starts is watched, undisturbed and with a fault: its operations are
 *                  │                    points again (depth 2 and more)
 *                  └─ a share of the durable images is damaged: a start must say so
 *
 * Deterministic: everything follows from the workloads and the seed; only how far it gets depends on the time. A shard counts and judges the
 * images whose hash is its own, and follows what all of them follow: shards together visit the same images as one.
 */
import { ManualClock, SeededRandomness } from "../../../src/mod.ts";
import {
  type CrashOutcome,
  type CrashStates,
  type DiskGeometry,
  type DiskOperation,
  type DiskProfile,
  FaultPlan,
  type FaultRule,
  KILL,
  SimulatedDisk,
  type TimelineEntry,
} from "../../../src/io/simulated_disk/mod.ts";
import { Coverage } from "./coverage.ts";
import { damaged, judgeDamaged } from "./damage.ts";
import { digestOf, type Mutation, ReferenceModel, SimulatedProcess, START_MS, UNCHANGED } from "./engine.ts";
import { faultsOf, isSyncFault } from "./possible_faults.ts";
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
  /** Operations, and what of them was durable. */
  readonly timeline: readonly TimelineEntry[];
  /** How it ended; null when the run itself went wrong. */
  readonly end: "the process is killed" | "the power is cut" | null;
  /** What became of what was not durable. */
  readonly fates: readonly string[];
}

export interface Counts {
  runs: number;
  points: number;
  outcomes: number;
  /** Images, each counted once; those of a crash during a start. */
  unique: number;
  uniqueAtDepth2: number;
  /** Of those: of a start that met a fault. */
  uniqueAfterFaultyStart: number;
  /** Images with damage in durable bytes. */
  damaged: number;
  refusedAfterFault: number;
  violations: number;
}

export function noCounts(): Counts {
  return {
    runs: 0,
    points: 0,
    outcomes: 0,
    unique: 0,
    uniqueAtDepth2: 0,
    uniqueAfterFaultyStart: 0,
    damaged: 0,
    refusedAfterFault: 0,
    violations: 0,
  };
}

export interface Shard {
  readonly index: number;
  readonly count: number;
}

export interface ExplorerOptions {
  readonly seed: number;
  /** Outcomes drawn at each point, beside the systematic ones. */
  readonly samples: number;
  readonly depthMax: number;
  /** One image in this many is followed to the next depth; of those one in this many again. */
  readonly deeperEvery: number;
  /** One durable image in this many is damaged; 0: none. */
  readonly damageEvery: number;
  /** Whether data may survive a power cut behind data that does not; otherwise of what was not synced only a first part does. */
  readonly holes: boolean;
  readonly shard?: Shard;
}

/** Where an image comes from. */
interface Place {
  readonly scenario: Scenario;
  readonly point: CrashPoint;
  readonly states: CrashStates;
  readonly depth: number;
  /** Within a start that met a fault. */
  readonly isDisturbed: boolean;
}

const VIOLATIONS_KEPT_MAX = 20;
const MIX = 0x9e3779b1;
const WHOLE: Shard = { index: 0, count: 1 };

export class Explorer {
  readonly counts: Counts = noCounts();
  /** The first of each kind. */
  readonly violations: Violation[] = [];
  readonly coverage = new Coverage();
  readonly #o: ExplorerOptions;
  readonly #model: ReferenceModel;
  readonly #process: SimulatedProcess;
  readonly #table = new StateTable();
  readonly #kinds = new Set<string>();

  private constructor(options: ExplorerOptions, model: ReferenceModel, process: SimulatedProcess) {
    this.#o = options, this.#model = model, this.#process = process;
  }

  static async open(options: ExplorerOptions, mutation: Mutation = UNCHANGED): Promise<Explorer> {
    const clock = new ManualClock();
    return new Explorer(options, await ReferenceModel.open(clock), await SimulatedProcess.open(clock, mutation));
  }

  /** Another one, on the same server, that has seen nothing yet and takes no image for another shard's. */
  sibling(): Explorer {
    return new Explorer({ ...this.#o, shard: WHOLE }, this.#model, this.#process);
  }

  /** The images that were counted, as text. */
  visited(): Iterable<string> {
    return this.#table.own();
  }

  /** Explores one scenario, until `isOver`. @returns the operations of the run by number: the places for faults */
  async explore(scenario: Scenario, isOver: () => boolean): Promise<readonly string[]> {
    const process = this.#process, { clock } = process, { workload, policy, profile, geometry } = scenario;
    const { counts } = this, uniqueBefore = counts.unique;
    clock.setUnixTimeMs(START_MS);
    const disk = new SimulatedDisk({ profile, geometry, clock, faults: new FaultPlan(scenario.faults) });
    const run = new WorkloadRun({ workload, policy, disk, process, model: this.#model });
    await run.run();
    counts.runs++;
    if (run.broken !== null) this.#found(scenario, run.broken, run.disk, null, []);
    const timeline = run.disk.timeline();
    // Before the first fault everything is as without.
    const from = scenario.faults.length === 0 ? 0 : timeline.find((one) => one.fault !== null)?.number ?? Infinity;
    for (const point of run.points) {
      if (isOver()) break;
      if ((point.next?.number ?? point.disk.operations) >= from) await this.#explorePoint(scenario, point, 1, false);
    }
    this.coverage.ran(scenario, timeline, counts.unique - uniqueBefore);
    return operationsOf(run.points);
  }

  async #explorePoint(scenario: Scenario, point: CrashPoint, depth: number, isDisturbed: boolean): Promise<void> {
    const states = point.disk.crashStates(), place = { scenario, point, states, depth, isDisturbed };
    const randomness = new SeededRandomness(this.#o.seed ^ Math.imul(point.disk.operations, MIX));
    this.coverage.reached(point.next?.operation ?? "end");
    this.counts.points++;
    // Many outcomes come more than once.
    const seen = new Set<string>();
    const isNew = (outcome: CrashOutcome) => {
      const text = outcome.kind === "kill" ? "kill" : String.fromCharCode(...outcome.choices);
      return !seen.has(text) && seen.add(text) !== undefined;
    };
    for (const outcome of states.systematic()) if (isNew(outcome)) await this.#exploreOutcome(place, outcome);
    if (states.effects.length > 1) {
      for (let i = 0; i < this.#o.samples; i++) {
        const outcome = states.sample(randomness);
        if (isNew(outcome)) await this.#exploreOutcome(place, outcome);
      }
    }
    if (depth === 1 && this.#o.damageEvery > 0) await this.#exploreDamage(place);
  }

  async #exploreOutcome(place: Place, outcome: CrashOutcome): Promise<void> {
    const { point, states, depth, scenario } = place, { deeperEvery, depthMax, holes } = this.#o;
    if (!holes && states.leavesHole(outcome)) return;
    const image = point.disk.afterCrash(outcome), { low, high } = image.hash(), { promised } = point;
    const key = promised.mode === "aof" ? low : low ^ MIX, table = this.#table, isOwn = this.#isOwn(high);
    const isFollowed = depth < depthMax && (low >>> 8) % deeperEvery ** depth === 0 &&
      !table.isFollowed(key, high, depth);
    if (!isOwn && !isFollowed) return;
    const next: (() => Promise<void>)[] = [];
    let recovered = table.get(key, high);
    if (recovered === undefined) {
      recovered = await this.#process.recover(image.fork(), promised.mode, image);
      table.add(key, high, recovered, isOwn);
      if (isOwn) this.#count(place);
    }
    if (isFollowed) {
      table.follow(key, high, depth);
      if (recovered.refusal === null) await this.#follow(place, image, recovered, low >>> 16, next);
    }
    if (isOwn) {
      this.counts.outcomes++;
      const broken = judge(promised, recovered, outcome === KILL);
      if (broken !== null) return this.#found(scenario, broken, point.disk, outcome, states.describe(outcome));
      if (recovered.refusal !== null) this.counts.refusedAfterFault++;
    }
    for (const explore of next) await explore();
  }

  #isOwn(high: number): boolean {
    const { index, count } = this.#o.shard ?? WHOLE;
    return (high >>> 4) % count === index;
  }

  #count({ depth, isDisturbed }: Place): void {
    this.counts.unique++;
    if (depth > 1) this.counts.uniqueAtDepth2++;
    if (isDisturbed) this.counts.uniqueAfterFaultyStart++;
  }

  // ---- crashes of starts -----------------------------------------------------------------------------------------

  /** Starts again, watched: undisturbed, then with a fault in one of the operations. `next` gets what is to be explored then. */
  async #follow(
    { scenario, point, depth, isDisturbed }: Place,
    image: SimulatedDisk,
    recovered: Recovered,
    choice: number,
    next: (() => Promise<void>)[],
  ): Promise<void> {
    const points = await this.#watch(image, point.promised, recovered);
    for (const deeper of points) {
      next.push(() => this.#explorePoint(scenario, deeper, depth + 1, isDisturbed));
    }
    const operations = points.flatMap(({ next }) => next === null ? [] : [next]);
    if (operations.length === 0) return;
    const { operation, number } = operations[choice % operations.length], faults = faultsOf(operation);
    const fault = faults[(choice >>> 4) % faults.length];
    const rule: FaultRule = { number, operation, fault, isSticky: (choice & 1) === 1 };
    for (const deeper of await this.#watchWithFault(scenario, image, point.promised, recovered, rule)) {
      next.push(() => this.#explorePoint(scenario, deeper, depth + 1, true));
    }
  }

  /** The points of a start, and of one unit after it. */
  async #watch(image: SimulatedDisk, promised: Promised, recovered: Recovered): Promise<CrashPoint[]> {
    const process = this.#process, { mode } = promised, disk = image.fork(), points: CrashPoint[] = [];
    const states = [recovered.digest], second = again(promised, states);
    // The cache may have held more than the disk: until the start is over a power cut may still take that.
    let now = image.crashStates().effects.length > 0 ? promised : second;
    const keep = (next: DiskOperation | null) => points.push({ disk: disk.fork(), promised: now, next });
    disk.onOperation = keep;
    await process.recover(disk, mode, image);
    now = { ...second, highest: 1 };
    if (mode !== "aof") return points;
    const client = process.connect();
    client.send("INCR", "after");
    states.push(digestOf(process.connect()));
    if (client.receive() !== undefined) now = { ...now, lowest: 1, lowestAfterKill: 1 };
    keep(null);
    return points;
  }

  /** The points of a start that meets a fault: it may stop, and the next one must find what it would have found. */
  async #watchWithFault(
    scenario: Scenario,
    image: SimulatedDisk,
    promised: Promised,
    recovered: Recovered,
    rule: FaultRule,
  ): Promise<CrashPoint[]> {
    const process = this.#process, disk = image.fork(), points: CrashPoint[] = [];
    const isCacheOnly = image.crashStates().effects.length > 0;
    const base = isCacheOnly ? promised : again(promised, [recovered.digest]);
    const isOfSync = isSyncFault(rule.operation!, rule.fault);
    const keep = (next: DiskOperation | null) => {
      const isPast = next === null || next.number > rule.number!;
      const mayRefuse = promised.mayRefuse || (isOfSync && isPast);
      points.push({ disk: disk.fork(), promised: { ...base, mayRefuse }, next });
    };
    disk.faults = new FaultPlan([rule]);
    disk.onStall = (ms) => process.clock.advance(ms);
    // What the fault did shows right after it, and at the end.
    disk.onOperation = (operation) => operation.number === rule.number! + 1 && keep(operation);
    const found = await process.recover(disk, promised.mode, null);
    disk.onOperation = () => {};
    keep(null);
    if (found.refusal !== null || found.digest === recovered.digest) return points;
    const text = `a start that met ${JSON.stringify(rule)} found something else than one that did not`;
    this.#found(scenario, { invariant: "I8", text }, disk, null, []);
    return [];
  }

  // ---- damage ----------------------------------------------------------------------------------------------------

  /** What is durable for sure, damaged: a start must refuse, and say where. */
  async #exploreDamage({ scenario, point, states }: Place): Promise<void> {
    const { promised } = point;
    const nothingElse: CrashOutcome = { kind: "powerCut", choices: new Uint8Array(states.effects.length) };
    if (states.profile === "kill" || promised.mayRefuse) return;
    const image = point.disk.afterCrash(nothingElse), { low, high } = image.hash();
    if (!this.#isOwn(high) || ((low >>> 12) % this.#o.damageEvery) !== 0) return;
    const sound = await this.#process.recover(image.fork(), promised.mode, image);
    if (sound.refusal !== null) return;
    for (const one of damaged(image, promised.mode, low >>> 4)) {
      const disk = one.disk.fork(), found = await this.#process.recover(disk, promised.mode, one.disk);
      this.counts.damaged++;
      const again = found.refusal === null ? found : await this.#process.recover(disk, promised.mode, one.disk);
      const broken = judgeDamaged(one, sound, found, again);
      if (broken !== null) return this.#found(scenario, broken, point.disk, nothingElse, [one.what]);
    }
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
    const end = outcome === null ? null : outcome === KILL ? "the process is killed" : "the power is cut";
    this.violations.push({ scenario, invariant, text, timeline: disk.timeline(), end, fates });
  }
}

/** A second start finds the states from where the first one was. */
function again(promised: Promised, states: readonly string[]): Promised {
  return {
    ...promised,
    policy: "always",
    states,
    lowest: 0,
    lowestAfterKill: 0,
    highest: 0,
    cuts: null,
    vouched: [],
    isSecondStart: true,
  };
}

function operationsOf(points: readonly CrashPoint[]): string[] {
  const operations: string[] = [];
  for (const { next } of points) if (next !== null) operations[next.number] = next.operation;
  return operations;
}
