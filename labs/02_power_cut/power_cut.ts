/**
 * One server on a simulated disk, writes that come at a rate, and moments at which the power goes. For each write it is known when it was
 * acknowledged, when a sync that covers it had finished, and, after the production loader has started on what is left, whether it is there.
 *
 *   run ──fork of the disk at each moment──┬─> worst:   a power cut, and all that was not synced is lost
 *                                          ├─> drawn:   a power cut, and each of it is kept, lost or torn, as the seed says
 *                                          └─> kill -9: the page cache survives
 *
 * Time is the manual clock's: a sync takes `syncMs` of it, everything else takes none. Nothing here touches the machine's disk.
 */
import {
  type Afterimage,
  type Client,
  type CrashOutcome,
  encodeCommand,
  KILL,
  LoadFailedError,
  ManualClock,
  MemoryNetwork,
  openServer,
  ReplyError,
  SeededRandomness,
  SimulatedDisk,
} from "../../src/mod.ts";

export const POLICIES = ["always", "everysec", "no", "rdb"] as const;
export type Policy = (typeof POLICIES)[number];
export const DURING = ["none", "rewrite", "save"] as const;
export type During = (typeof DURING)[number];

export interface Schedule {
  readonly policy: Policy;
  /** Writes a second, at random distances. */
  readonly rate: number;
  /** Keys that a write sets: more than one in MULTI and EXEC. */
  readonly multi: number;
  /** What is under way from a third of the run to two thirds. */
  readonly during: During;
  readonly runMs: number;
  readonly syncMs: number;
  /** Policy `rdb`: a save when so many seconds have gone and so many writes have come. */
  readonly saveSeconds: number;
  readonly saveChanges: number;
  readonly seed: number;
}

/** Milliseconds since the start; null for what did not happen. */
export interface Write {
  readonly sentMs: number;
  acknowledgedMs: number | null;
  durableMs: number | null;
}

/** What a power cut makes of data that was not synced: all of it is lost, or what the seed draws. */
export const DISKS = ["worst", "drawn"] as const;
export type Disk = (typeof DISKS)[number];
export type Form = Disk | "kill -9";

export interface Cut {
  readonly form: Form;
  readonly atMs: number;
  readonly acknowledged: number;
  readonly durable: number;
  /** Numbers of the writes that were found. */
  readonly recovered: readonly number[];
  readonly lost: number;
  /** From the acknowledgement of the oldest write that is lost to the cut. */
  readonly windowMs: number;
  /** The server would not start. */
  readonly refusal: string | null;
  /** What must never be found: part of a transaction, a hole, or less than a sync had covered. */
  readonly broken: string | null;
}

const FORMS: readonly Form[] = ["worst", "drawn", "kill -9"];
const TICK_MS = 100;
const MICROTASKS = 20;
const VALUE = "x".repeat(48);
const PERCENT = 100;
const MIX = 0x9e3779b1;

/** A moment: the disk as it was. */
interface Moment {
  readonly atMs: number;
  readonly disk: SimulatedDisk;
}

export interface Run {
  readonly writes: readonly Write[];
  readonly moments: readonly Moment[];
}

/** One server that starts again and again, on one disk after another. */
export class Machine {
  readonly clock: ManualClock;
  readonly app: Afterimage;
  #disk: SimulatedDisk | null = null;

  private constructor(clock: ManualClock, app: Afterimage) {
    this.clock = clock, this.app = app;
  }

  static async open(): Promise<Machine> {
    const clock = new ManualClock(), network = new MemoryNetwork(), randomness = new SeededRandomness(1);
    const directives = ["--databases", "1", "--arena-max", "256mb", "--save", "", "--appendonly", "no"];
    return new Machine(clock, await openServer({ directives, clock, network, randomness }));
  }

  /** Kills what runs, and starts on this disk. @throws {LoadFailedError} */
  async start(disk: SimulatedDisk, directives: Readonly<Record<string, readonly string[]>>): Promise<void> {
    this.kill();
    this.#disk = disk;
    await this.app.restart(disk, directives);
  }

  /** Ends at once: nothing that was asked for in the background is done any more. */
  kill(): void {
    this.app.kill();
    this.#disk?.abandon();
  }
}

function directives({ policy, saveSeconds, saveChanges }: Schedule): Record<string, readonly string[]> {
  if (policy === "rdb") return { appendonly: ["no"], save: [String(saveSeconds), String(saveChanges)] };
  return { appendonly: ["yes"], appendfsync: [policy], save: [""] };
}

export async function microtasks(): Promise<void> {
  for (let i = 0; i < MICROTASKS; i++) await Promise.resolve();
}

/** When writes come. */
function arrivalsMs({ rate, runMs, seed }: Schedule): number[] {
  const random = new SeededRandomness(seed), arrivals: number[] = [];
  for (let atMs = 0;;) {
    atMs += -Math.log((random.below(1 << 20) + 1) / (1 << 20)) * 1000 / rate;
    if (atMs >= runMs) return arrivals;
    arrivals.push(Math.floor(atMs));
  }
}

function key(number: number, part: number): string {
  return `w:${number}:${part}`;
}

/** The requests of one write, and how many replies they get. */
function requests(number: number, multi: number): { bytes: Uint8Array[]; replies: number } {
  const sets = Array.from({ length: multi }, (_, part) => encodeCommand(["SET", key(number, part), VALUE]));
  if (multi === 1) return { bytes: sets, replies: 1 };
  return { bytes: [encodeCommand(["MULTI"]), ...sets, encodeCommand(["EXEC"])], replies: multi + 2 };
}

/** The server while writes come, until the last of the moments. */
class WriteRun {
  readonly writes: Write[] = [];
  readonly moments: Moment[] = [];
  readonly #schedule: Schedule;
  readonly #clock: ManualClock;
  readonly #disk: SimulatedDisk;
  readonly #app: Afterimage;
  readonly #client: Client;
  readonly #arrivals: readonly number[];
  /** Ascending. */
  readonly #cutsMs: readonly number[];
  readonly #startMs: number;
  #cuts = 0;
  #elapsedMs = 0;
  /** Where the log was after each write; the first write without all its replies, and without a sync that covers it. */
  readonly #positions: number[] = [];
  readonly #repliesMissing: number[] = [];
  #acknowledged = 0;
  #durable = 0;
  /** Policy `rdb`: writes that the save that runs holds, and saves that were seen. */
  #frozen = 0;
  #wasSaving = false;
  #childSinceMs = 0;
  #isOtherStarted = false;
  #saves = 0;

  constructor({ app, clock }: Machine, disk: SimulatedDisk, schedule: Schedule, cutsMs: readonly number[]) {
    this.#app = app, this.#clock = clock, this.#disk = disk, this.#schedule = schedule, this.#cutsMs = cutsMs;
    this.#client = app.connect(), this.#arrivals = arrivalsMs(schedule), this.#startMs = clock.nowMs();
    disk.onStall = (ms) => this.#pass(ms);
  }

  async run(): Promise<void> {
    const { runMs } = this.#schedule;
    for (let nextTickMs = TICK_MS; this.#elapsedMs < runMs && this.#cuts < this.#cutsMs.length;) {
      this.#pass(1);
      await microtasks();
      if (this.#elapsedMs >= nextTickMs) this.#app.tick(), nextTickMs += TICK_MS;
      this.#startOther();
      this.#stepChild();
      this.#send();
      await microtasks();
      this.#observe();
    }
  }

  /** Time passes, and the power may go. */
  #pass(ms: number): void {
    for (let i = 0; i < ms; i++) {
      this.#clock.advance(1);
      this.#elapsedMs = this.#clock.nowMs() - this.#startMs;
      for (; this.#cutsMs[this.#cuts] <= this.#elapsedMs; this.#cuts++) {
        this.moments.push({ atMs: this.#elapsedMs, disk: this.#disk.fork() });
      }
    }
  }

  #startOther(): void {
    const { during, runMs } = this.#schedule;
    if (during === "none" || this.#isOtherStarted || this.#elapsedMs < runMs / 3) return;
    this.#isOtherStarted = true;
    this.#app.connect().send(during === "rewrite" ? "BGREWRITEAOF" : "BGSAVE");
  }

  /** The child stays under way for a third of the run; a save of policy `rdb` takes as long as three ticks. */
  #stepChild(): void {
    const { persistence } = this.#app.server, { runMs } = this.#schedule;
    const isSaving = persistence.isChildActive;
    if (isSaving && !this.#wasSaving) this.#frozen = this.writes.length, this.#childSinceMs = this.#elapsedMs;
    this.#wasSaving = isSaving;
    const lastsMs = this.#schedule.policy === "rdb" ? 3 * TICK_MS : runMs / 3;
    if (isSaving && this.#elapsedMs - this.#childSinceMs >= lastsMs) { while (this.#app.step()); }
  }

  /** All writes that are due, as one pipeline: what came while the server was waiting for a sync is one group. */
  #send(): void {
    const { writes } = this, { multi } = this.#schedule, bytes: Uint8Array[] = [], first = writes.length;
    while (this.#arrivals[writes.length] <= this.#elapsedMs) {
      const one = requests(writes.length, multi);
      bytes.push(...one.bytes);
      this.#repliesMissing.push(one.replies);
      writes.push({ sentMs: this.#arrivals[writes.length], acknowledgedMs: null, durableMs: null });
    }
    if (bytes.length === 0) return;
    this.#client.sendBytes(joined(bytes));
    for (let i = first; i < writes.length; i++) this.#positions[i] = this.#app.server.persistence.aof.appendedBytes;
  }

  #observe(): void {
    this.#receive();
    const durable = this.#schedule.policy === "rdb" ? this.#saved() : this.#synced();
    for (; this.#durable < durable; this.#durable++) this.writes[this.#durable].durableMs = this.#elapsedMs;
  }

  #receive(): void {
    for (let reply = this.#client.receive(); reply !== undefined; reply = this.#client.receive()) {
      if (reply instanceof ReplyError) throw reply;
      if (--this.#repliesMissing[this.#acknowledged] > 0) continue;
      this.writes[this.#acknowledged++].acknowledgedMs = this.#elapsedMs;
    }
  }

  #synced(): number {
    const { syncedBytes } = this.#app.server.persistence.aof;
    let count = this.#durable;
    while (count < this.writes.length && this.#positions[count] <= syncedBytes) count++;
    return count;
  }

  #saved(): number {
    const { saves } = this.#app.server.persistence;
    if (saves === this.#saves) return this.#durable;
    this.#saves = saves;
    return this.#frozen;
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) whole.set(part, at), at += part.length;
  return whole;
}

/** Runs the schedule, and keeps the disk as it is at these moments. */
export async function runSchedule(machine: Machine, schedule: Schedule, cutsMs: readonly number[]): Promise<Run> {
  const { syncMs } = schedule, disk = new SimulatedDisk({ profile: "ext4", clock: machine.clock });
  const isOfLog = (path: string) => path.endsWith(".incr.aof");
  await machine.start(disk, directives(schedule));
  disk.faults = {
    next: ({ operation, path }) => operation === "sync" && isOfLog(path) ? { kind: "hang", ms: syncMs } : null,
  };
  const run = new WriteRun(machine, disk, schedule, [...cutsMs].sort((a, b) => a - b));
  await run.run();
  machine.kill();
  return { writes: run.writes, moments: run.moments };
}

/** Starts the production server on what a crash left. @returns numbers of the writes that are there, and what is wrong with them */
async function recover(
  machine: Machine,
  disk: SimulatedDisk,
  schedule: Schedule,
): Promise<{ found: number[]; broken: string | null }> {
  await machine.start(disk, directives(schedule));
  const parts = new Map<number, number>();
  for (const name of machine.app.connect().command("KEYS", "w:*") as string[]) {
    const number = Number(name.split(":")[1]);
    parts.set(number, (parts.get(number) ?? 0) + 1);
  }
  const found = [...parts.keys()].sort((a, b) => a - b);
  const isPart = found.some((number) => parts.get(number) !== schedule.multi);
  const isHole = found.some((number, i) => number !== i);
  return { found, broken: isPart ? "part of a transaction" : isHole ? "a hole" : null };
}

function isBefore(ms: number | null, atMs: number): boolean {
  return ms !== null && ms < atMs;
}

function judged(run: Run, form: Form, atMs: number, found: readonly number[]): Cut {
  const acknowledged = run.writes.filter((write) => isBefore(write.acknowledgedMs, atMs));
  const durable = run.writes.filter((write) => isBefore(write.durableMs, atMs)).length;
  const kept = new Set(found), oldest = acknowledged.findIndex((_, number) => !kept.has(number));
  return {
    form,
    atMs,
    acknowledged: acknowledged.length,
    durable,
    recovered: found,
    lost: acknowledged.filter((_, number) => !kept.has(number)).length,
    windowMs: oldest < 0 ? 0 : atMs - acknowledged[oldest].acknowledgedMs!,
    refusal: null,
    broken: found.length < durable ? "less than a sync had covered" : null,
  };
}

function outcomeOf(form: Form, disk: SimulatedDisk, seed: number): CrashOutcome {
  if (form === "kill -9") return KILL;
  const states = disk.crashStates();
  if (form === "worst") return { kind: "powerCut", choices: new Uint8Array(states.effects.length) };
  return states.sample(new SeededRandomness(seed));
}

/** Lets one moment of a run end in a power cut or a kill, and starts on what is left. */
export async function cut(machine: Machine, run: Run, index: number, form: Form, schedule: Schedule): Promise<Cut> {
  const { atMs, disk } = run.moments[index], outcome = outcomeOf(form, disk, schedule.seed ^ Math.imul(index + 1, MIX));
  try {
    const { found, broken } = await recover(machine, disk.afterCrash(outcome), schedule);
    const judgement = judged(run, form, atMs, found);
    return { ...judgement, broken: broken ?? judgement.broken };
  } catch (error) {
    if (!(error instanceof LoadFailedError)) throw error;
    return { ...judged(run, form, atMs, []), refusal: error.message, broken: null };
  }
}

/** What a policy did over many cuts; windows and losses of starts that went well. */
export interface PolicyRow {
  readonly policy: Policy;
  readonly cuts: number;
  readonly acknowledged: number;
  /** When all is lost that was not synced; and when the seed drew what is. */
  readonly lost: number;
  readonly lostAsDrawn: number;
  readonly lostByKill: number;
  readonly windowP50Ms: number;
  readonly windowMaxMs: number;
  /** At one cut. */
  readonly lostMax: number;
  readonly refused: number;
  readonly broken: number;
  /** Ascending, of the worst disk. */
  readonly windowsMs: readonly number[];
}

const CUTS_PER_RUN = 20;

/** Cuts at moments that the seed draws, several in each of many runs; each moment ends in all forms. */
export async function manyCuts(
  machine: Machine,
  schedule: Schedule,
  cuts: number,
  onProgress: (done: number) => void,
): Promise<PolicyRow> {
  const all: Record<Form, Cut[]> = { worst: [], drawn: [], "kill -9": [] },
    random = new SeededRandomness(schedule.seed ^ MIX);
  while (all.worst.length < cuts) {
    const one = { ...schedule, seed: schedule.seed + all.worst.length + 1 };
    const moments = Array.from(
      { length: Math.min(CUTS_PER_RUN, cuts - all.worst.length) },
      () => 1 + random.below(schedule.runMs - 1),
    );
    const run = await runSchedule(machine, one, moments);
    for (let i = 0; i < run.moments.length; i++) {
      for (const form of FORMS) all[form].push(await cut(machine, run, i, form, one));
      onProgress(all.worst.length);
    }
  }
  return summary(schedule.policy, all);
}

function summary(policy: Policy, all: Readonly<Record<Form, readonly Cut[]>>): PolicyRow {
  const sum = (list: readonly Cut[], of: (one: Cut) => number) => list.reduce((total, one) => total + of(one), 0);
  const started = (form: Form) => all[form].filter((one) => one.refusal === null), worst = started("worst");
  const windowsMs = worst.map((one) => one.windowMs).sort((a, b) => a - b),
    everyCut = FORMS.flatMap((form) => all[form]);
  return {
    policy,
    cuts: all.worst.length,
    acknowledged: sum(all.worst, (one) => one.acknowledged),
    lost: sum(worst, (one) => one.lost),
    lostAsDrawn: sum(started("drawn"), (one) => one.lost),
    lostByKill: sum(started("kill -9"), (one) => one.lost),
    windowP50Ms: windowsMs[Math.floor((windowsMs.length * 50) / PERCENT)] ?? 0,
    windowMaxMs: windowsMs.at(-1) ?? 0,
    lostMax: Math.max(0, ...worst.map((one) => one.lost)),
    refused: everyCut.filter((one) => one.refusal !== null).length,
    broken: everyCut.filter((one) => one.broken !== null).length,
    windowsMs,
  };
}
