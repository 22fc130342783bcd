/**
 * One schedule, two orders of file operations: Redis's (as a model) and this server's (itself), each on a simulated disk with the same
 * faults. Before every file operation, and at the end, the power is cut in every systematic way and the process is killed; each image is
 * started on, twice when the first start refuses.
 *
 *   S_k is the data after k commands. A start must find some S_k, with k at least what was vouched for: by WAITAOF, or by `everysec` for
 *   what is older than 2 s. What may be found: fine, refused, lost (k is too small), wrong (no S_k: a hole, or a command applied twice).
 */
import {
  type Client,
  type CrashOutcome,
  encodeCommand,
  formatTimelineEntry,
  LoadFailedError,
  ReplyError,
  SeededRandomness,
  SimulatedDisk,
  type TimelineEntry,
} from "../../src/mod.ts";
import { type Machine, microtasks } from "./power_cut.ts";
import { apply, type Data, loadAppendOnlyFiles, RedisOrderModel } from "./redis_order_model.ts";
import type { Scenario, Step } from "./gap_scenarios.ts";

export type Verdict = "fine" | "refused" | "lost" | "wrong";

export interface Found {
  readonly data: Data;
  readonly refusal: string | null;
}

/** What is made to run a schedule: the model, or this server. */
interface Subject {
  start(disk: SimulatedDisk): Promise<void>;
  /** One turn of the event loop. @returns how many of the commands were executed */
  write(commands: readonly (readonly string[])[]): number;
  waitaof(): () => boolean;
  rewrite(): void;
  childEnds(): void;
  tick(): void;
  kill(): void;
  /** Starts on what is left, and may change it. */
  recover(disk: SimulatedDisk): Promise<Found>;
}

class RedisSubject implements Subject {
  readonly #machine: Machine;
  #model: RedisOrderModel | null = null;
  #disk: SimulatedDisk | null = null;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  start(disk: SimulatedDisk): Promise<void> {
    this.#disk = disk;
    this.#model = new RedisOrderModel(disk, this.#machine.clock, "everysec");
    this.#model.start();
    return Promise.resolve();
  }

  write(commands: readonly (readonly string[])[]): number {
    const model = this.#model!;
    if (model.isRefusing) return 0;
    for (const words of commands) model.execute(words);
    model.beforeSleep();
    return commands.length;
  }

  waitaof(): () => boolean {
    return this.#model!.waitaof();
  }

  rewrite(): void {
    this.#model!.rewrite();
  }

  childEnds(): void {
    this.#model!.childEnds();
  }

  tick(): void {
    this.#model!.cron();
  }

  kill(): void {
    this.#disk?.abandon();
  }

  recover(disk: SimulatedDisk): Promise<Found> {
    return Promise.resolve(loadAppendOnlyFiles(disk));
  }
}

const LOG = { appendonly: ["yes"], appendfsync: ["everysec"], save: [""] };

class OurSubject implements Subject {
  readonly #machine: Machine;
  #writer: Client | null = null;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  start(disk: SimulatedDisk): Promise<void> {
    return this.#machine.start(disk, LOG);
  }

  get #client(): Client {
    return this.#machine.app.connect();
  }

  write(commands: readonly (readonly string[])[]): number {
    const client = this.#writer = this.#client;
    let refused = 0;
    for (const words of commands) client.sendBytes(encodeCommand(words));
    for (let reply = client.receive(); reply !== undefined; reply = client.receive()) {
      if (reply instanceof ReplyError) refused++;
    }
    return commands.length - refused;
  }

  /** By the client that wrote last: WAITAOF is about the client's own writes. */
  waitaof(): () => boolean {
    const client = this.#writer!;
    let local = 0;
    client.send("WAITAOF", 1, 0, 0);
    return () => {
      const reply = client.receive();
      if (Array.isArray(reply)) local = Number(reply[0]);
      return local >= 1;
    };
  }

  rewrite(): void {
    this.#client.send("BGREWRITEAOF");
  }

  childEnds(): void {
    while (this.#machine.app.step());
  }

  tick(): void {
    if (this.#machine.app.exitCode === null) this.#machine.app.tick();
  }

  kill(): void {
    this.#machine.kill();
  }

  async recover(disk: SimulatedDisk): Promise<Found> {
    const data: Data = new Map();
    try {
      await this.#machine.start(disk, LOG);
    } catch (error) {
      if (!(error instanceof LoadFailedError)) throw error;
      return { data, refusal: error.message };
    }
    const client = this.#client;
    for (const key of client.command("KEYS", "*") as string[]) data.set(key, String(client.command("GET", key)));
    return { data, refusal: null };
  }
}

/** The disk before an operation, and how many commands must be found. */
interface Point {
  readonly disk: SimulatedDisk;
  readonly atMs: number;
  readonly promised: number;
  readonly commands: number;
}

const TICK_MS = 100;
const KEPT_AFTER_MS = 2000;
const SAMPLE_SEED = 1;
const START_MS = 1_700_000_000_000;

/** One run of a scenario. */
class ScenarioRun {
  readonly points: Point[] = [];
  /** S_0, S_1, … */
  readonly states: string[] = [];
  readonly #machine: Machine;
  readonly #subject: Subject;
  readonly #disk: SimulatedDisk;
  readonly #startMs: number;
  readonly #data: Data = new Map();
  /** When each command was answered. */
  readonly #answeredMs: number[] = [];
  #vouched = 0;
  #isOpen = false;
  #waits: { commands: number; replies: () => boolean }[] = [];

  constructor(machine: Machine, subject: Subject) {
    this.#machine = machine, this.#subject = subject;
    this.#disk = new SimulatedDisk({ profile: "ext4", clock: machine.clock });
    // Redis counts in whole seconds of Unix time: every run begins at the start of one.
    machine.clock.setUnixTimeMs(START_MS);
    this.#startMs = START_MS;
    this.states.push(textOf(this.#data));
  }

  async run(steps: readonly Step[]): Promise<void> {
    await this.#subject.start(this.#disk);
    this.#disk.onOperation = () => this.#keepPoint();
    for (const step of steps) {
      await this.#step(step);
      await microtasks();
      this.#lookAtWaits();
    }
    this.#disk.onOperation = () => {};
    this.#keepPoint();
    this.#subject.kill();
  }

  async #step(step: Step): Promise<void> {
    switch (step.do) {
      case "write":
        return this.#write(step.commands);
      case "time":
        for (let ms = 0; ms < step.ms; ms += TICK_MS) await this.#tick();
        return;
      case "rewrite":
        return this.#subject.rewrite();
      case "child":
        return this.#subject.childEnds();
      case "waitaof":
        return void this.#waits.push({ commands: this.#answeredMs.length, replies: this.#subject.waitaof() });
      case "fault":
        return void (this.#disk.faults = step.faults());
      case "room":
        this.#disk.capacityBytes = usedBytes(this.#disk) + step.bytes;
    }
  }

  #write(commands: readonly (readonly string[])[]): void {
    this.#isOpen = true;
    const executed = this.#subject.write(commands);
    this.#isOpen = false;
    for (const words of commands.slice(0, executed)) {
      apply(this.#data, words);
      this.states.push(textOf(this.#data)), this.#answeredMs.push(this.#machine.clock.nowMs());
    }
  }

  async #tick(): Promise<void> {
    this.#machine.clock.advance(TICK_MS);
    await microtasks();
    this.#subject.tick();
    await microtasks();
    this.#lookAtWaits();
  }

  #lookAtWaits(): void {
    for (const { commands, replies } of this.#waits) {
      if (replies()) this.#vouched = Math.max(this.#vouched, commands);
    }
  }

  /** Within a turn that writes, its commands are not in the states yet: nothing is judged there. */
  #keepPoint(): void {
    if (this.#isOpen) return;
    const nowMs = this.#machine.clock.nowMs(), commands = this.#answeredMs.length;
    const old = this.#answeredMs.filter((ms) => nowMs - ms > KEPT_AFTER_MS).length;
    const promised = Math.max(this.#vouched, old);
    this.points.push({ disk: this.#disk.fork(), atMs: nowMs - this.#startMs, promised, commands });
  }
}

function usedBytes(disk: SimulatedDisk): number {
  return [...disk.contents().values()].reduce((sum, bytes) => sum + bytes.length, 0);
}

function textOf(data: Data): string {
  return [...data].sort(([a], [b]) => a < b ? -1 : 1).map(([key, value]) => `${key}=${value}`).join(" ");
}

/** One start that does not find what it must. */
export interface Example {
  readonly verdict: Verdict;
  readonly form: "power cut" | "kill -9";
  readonly atMs: number;
  readonly operations: readonly TimelineEntry[];
  /** What became of what was not durable. */
  readonly fates: readonly string[];
  readonly image: ReadonlyMap<string, Uint8Array>;
  readonly first: Found;
  /** Of a second start, when the first one refused. */
  readonly second: Found | null;
  readonly secondVerdict: Verdict | null;
  readonly promised: string;
  readonly explanation: string;
}

export interface Tally {
  /** Different images. */
  images: number;
  refused: number;
  lost: number;
  wrong: number;
  /** Refused at first, and wrong at the second start. */
  wrongAtSecond: number;
}

export interface SubjectResult {
  readonly tally: Tally;
  /** One that shows the gap, as late as possible; for ours, which has none, what was done. */
  readonly example: Example | null;
  readonly operations: readonly TimelineEntry[];
}

export interface GapResult {
  readonly scenario: Scenario;
  readonly redis: SubjectResult;
  readonly ours: SubjectResult;
}

async function explore(
  machine: Machine,
  subject: Subject,
  scenario: Scenario,
  samples: number,
): Promise<SubjectResult> {
  const randomness = new SeededRandomness(SAMPLE_SEED);
  const run = new ScenarioRun(machine, subject), seen = new Set<string>();
  const tally: Tally = { images: 0, refused: 0, lost: 0, wrong: 0, wrongAtSecond: 0 };
  await run.run(scenario.steps);
  let example: Example | null = null;
  for (const point of run.points.toReversed()) {
    const states = point.disk.crashStates();
    const drawn = Array.from({ length: samples }, () => states.sample(randomness));
    for (const outcome of [...states.systematic(), ...drawn]) {
      const image = point.disk.afterCrash(outcome),
        { low, high } = image.hash(),
        key = `${low} ${high} ${point.promised}`;
      if (seen.has(key)) continue;
      seen.add(key);
      const one = await start(subject, run, point, image, outcome);
      count(tally, one);
      if (example === null && scenario.shows(one)) example = { ...one, fates: states.describe(outcome) };
    }
  }
  return { tally, example, operations: run.points.at(-1)!.disk.timeline() };
}

async function start(
  subject: Subject,
  run: ScenarioRun,
  point: Point,
  image: SimulatedDisk,
  outcome: CrashOutcome,
): Promise<Example> {
  // Whoever starts it has made room first.
  image.capacityBytes = Infinity;
  const files = image.contents(), first = await subject.recover(image);
  const second = first.refusal === null ? null : await subject.recover(image.fork());
  const verdict = judge(run, point, first), secondVerdict = second === null ? null : judge(run, point, second);
  return {
    verdict,
    secondVerdict,
    form: outcome.kind === "kill" ? "kill -9" : "power cut",
    atMs: point.atMs,
    operations: point.disk.timeline(),
    fates: [],
    image: files,
    first,
    second,
    promised: run.states[point.promised],
    explanation: explain(run, point, second ?? first),
  };
}

function judge(run: ScenarioRun, point: Point, found: Found): Verdict {
  if (found.refusal !== null) return "refused";
  const k = run.states.lastIndexOf(textOf(found.data));
  return k < 0 || k > point.commands ? "wrong" : k < point.promised ? "lost" : "fine";
}

function count(tally: Tally, { verdict, secondVerdict }: Example): void {
  tally.images++;
  if (verdict !== "fine") tally[verdict]++;
  if (secondVerdict === "wrong") tally.wrongAtSecond++;
}

/** What was found, against what was there: keys with shortened values. */
function explain(run: ScenarioRun, point: Point, found: Found): string {
  if (found.refusal !== null) return found.refusal;
  const short = (text: string) => text === "" ? "nothing" : text.replace(/=(\S)\S{8,}/g, "=$1…");
  return `found ${short(textOf(found.data))}; there were ${short(run.states[point.commands])}`;
}

/** Runs a scenario with both. @param samples power cuts drawn at each point, beside the systematic ones */
export async function compare(machine: Machine, scenario: Scenario, samples: number): Promise<GapResult> {
  const redis = await explore(machine, new RedisSubject(machine), scenario, samples);
  return { scenario, redis, ours: await explore(machine, new OurSubject(machine), scenario, samples) };
}

export function timelineText(entries: readonly TimelineEntry[]): string[] {
  return entries.map(formatTimelineEntry);
}
