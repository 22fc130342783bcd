/**
 * The server that is explored, and the model it is compared with. Making a server takes milliseconds and gigabytes of address space, a start
 * of one microseconds, so there is one server that starts again and again: its data is flushed, and what a process would lose with its
 * memory is made anew on another disk. What is loaded, decided and repaired is the production code's.
 */
import {
  type Afterimage,
  type Client,
  type ManualClock,
  MemoryNetwork,
  MemoryStorage,
  openServer,
  SeededRandomness,
  type Server,
  type Storage,
} from "../../../src/mod.ts";
import type { SimulatedDisk } from "../../../src/io/simulated_disk/mod.ts";
import type { InlineSnapshotChild } from "../../../src/persistence/snapshot/inline_child.ts";
import { LoadFailedError } from "../../../src/server/loading.ts";
import type { Persistence } from "../../../src/server/persistence.ts";
import { brokenByRefusal, foundOnDisk, leftOver } from "./found.ts";
import type { Recovered } from "./state_table.ts";
import type { Mode, Policy } from "./workload.ts";

const DIRECTIVES = [
  "--save",
  "",
  "--enable-debug-command",
  "yes",
  "--databases",
  "1",
  "--arena-max",
  "256mb",
  "--appendonly",
  "no",
];
const BACKGROUND_TURNS = 6;
/** Runs and starts begin at the same time. */
export const START_MS = 1_700_000_000_000;
/** Names of temporary files must not depend on the machine. */
const PID = 1;

/** Changes to what runs: a seeded bug. Nothing of it is in the code of the server. */
export interface Mutation {
  /** What the server sees of a disk. */
  storage?(disk: SimulatedDisk): Storage;
  child?(storage: Storage, server: Server): InlineSnapshotChild;
  /** Called for each process before it starts. */
  patch?(persistence: Persistence, server: Server): void;
}

/** The server as it is. */
export const UNCHANGED: Mutation = {};

export function digestOf(client: Client): string {
  return String(client.command("DEBUG", "DIGEST"));
}

function openWith(clock: ManualClock): Promise<Afterimage> {
  const options = {
    clock,
    network: new MemoryNetwork(),
    randomness: new SeededRandomness(1),
    storage: new MemoryStorage(),
  };
  return openServer({ ...options, directives: DIRECTIVES });
}

/** A process that is killed and started, on one disk after another. */
export class SimulatedProcess {
  readonly clock: ManualClock;
  readonly #app: Afterimage;
  readonly #mutation: Mutation;
  #disk: SimulatedDisk | null = null;

  private constructor(app: Afterimage, clock: ManualClock, mutation: Mutation) {
    this.#app = app, this.clock = clock, this.#mutation = mutation;
  }

  static async open(clock: ManualClock, mutation: Mutation = UNCHANGED): Promise<SimulatedProcess> {
    return new SimulatedProcess(await openWith(clock), clock, mutation);
  }

  /** Null while it runs. */
  get exitCode(): number | null {
    return this.#app.exitCode;
  }

  get persistence(): Persistence {
    return this.#app.server.persistence;
  }

  /** Kills what runs, and starts on a disk. @throws {LoadFailedError} */
  async start(disk: SimulatedDisk, mode: Mode, policy: Policy): Promise<void> {
    this.kill();
    const { server } = this.#app, mutation = this.#mutation, storage = mutation.storage?.(disk) ?? disk;
    this.#disk = disk;
    await this.#app.restart(storage, { appendonly: [mode === "aof" ? "yes" : "no"], appendfsync: [policy] }, {
      randomness: new SeededRandomness(1),
      pid: PID,
      child: mutation.child?.(storage, server),
      beforeStart: (persistence) => mutation.patch?.(persistence, server),
    });
  }

  /** Ends at once: nothing more is written. */
  kill(): void {
    this.#app.kill();
    this.#disk?.abandon();
  }

  connect(): Client {
    return this.#app.connect();
  }

  tick(): void {
    this.#app.tick();
  }

  /** Advances the snapshot child; false when there is nothing to do. */
  step(): boolean {
    return this.#app.step();
  }

  /**
   * Starts, and says what was found. With `always`: what is acknowledged after the start must be durable.
   * @param before the disk as it was, for what a start must not do; null when the disk will fail it
   */
  async recover(disk: SimulatedDisk, mode: Mode, before: SimulatedDisk | null): Promise<Recovered> {
    const found = foundOnDisk(disk);
    // Files tell when they were made.
    this.clock.setUnixTimeMs(START_MS);
    try {
      await this.start(disk, mode, "always");
    } catch (error) {
      if (!(error instanceof LoadFailedError)) throw error;
      return { digest: "", refusal: error.message, found, broken: before && brokenByRefusal(before, disk) };
    }
    const digest = digestOf(this.connect());
    // What is removed in the background is gone after a few turns.
    for (let i = 0; i < BACKGROUND_TURNS; i++) await Promise.resolve();
    return { digest, refusal: null, found, broken: before && leftOver(disk, this.persistence.aof) };
  }
}

/** A server without files that says what state a sequence of units leads to. */
export class ReferenceModel {
  readonly #client: Client;

  private constructor(client: Client) {
    this.#client = client;
  }

  static async open(clock: ManualClock): Promise<ReferenceModel> {
    return new ReferenceModel((await openWith(clock)).connect());
  }

  reset(): void {
    this.#client.command("FLUSHALL");
  }

  apply(commands: readonly (readonly string[])[]): void {
    for (const words of commands) this.#client.command(...words);
  }

  get digest(): string {
    return digestOf(this.#client);
  }
}
