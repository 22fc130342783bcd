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
  type Randomness,
  SeededRandomness,
} from "../../../src/mod.ts";
import type { SimulatedDisk } from "../../../src/io/simulated_disk/mod.ts";
import { InlineSnapshotChild } from "../../../src/persistence/snapshot/inline_child.ts";
import { Persistence } from "../../../src/server/persistence.ts";
import { Replication } from "../../../src/server/replication/replication.ts";
import type { HostSystem } from "../../../src/server/system.ts";
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
/** Names of temporary files must not depend on the machine. */
const PID = 1;

export function digestOf(client: Client): string {
  return String(client.command("DEBUG", "DIGEST"));
}

function openWith(clock: ManualClock, network: MemoryNetwork): Promise<Afterimage> {
  const options = { clock, network, randomness: new SeededRandomness(1), storage: new MemoryStorage() };
  return openServer({ ...options, directives: DIRECTIVES });
}

/** What a process loses, and gets anew when it starts. */
interface Remade {
  storage: SimulatedDisk;
  persistence: Persistence;
  replication: Replication;
  randomness: Randomness;
  system: HostSystem;
  isStopped: boolean;
}

/** A process that is killed and started, on one disk after another. */
export class SimulatedProcess {
  readonly clock: ManualClock;
  readonly #app: Afterimage;
  readonly #network: MemoryNetwork;
  #child: InlineSnapshotChild | null = null;
  #disk: SimulatedDisk | null = null;
  /** Null while it runs. */
  exitCode: number | null = null;

  private constructor(app: Afterimage, clock: ManualClock, network: MemoryNetwork) {
    this.#app = app, this.clock = clock, this.#network = network;
    app.server.onStopped = (code) => this.exitCode = code;
  }

  static async open(clock: ManualClock): Promise<SimulatedProcess> {
    const network = new MemoryNetwork();
    return new SimulatedProcess(await openWith(clock, network), clock, network);
  }

  get persistence(): Persistence {
    return this.#app.server.persistence;
  }

  /** Kills what runs, and starts on a disk. @throws {LoadFailedError} */
  async start(disk: SimulatedDisk, mode: Mode, policy: Policy): Promise<void> {
    this.kill();
    const { server } = this.#app, remade = server as unknown as Remade;
    const child = new InlineSnapshotChild(disk);
    server.propagator.sink = null;
    if (server.memory.cow.live) server.memory.endSnapshot();
    for (const db of server.keyspace.databases) server.keyspace.empty(db, false);
    server.config.assignFromLine("appendonly", [mode === "aof" ? "yes" : "no"], false);
    server.config.assignFromLine("appendfsync", [policy], false);
    remade.isStopped = false;
    remade.storage = disk, remade.randomness = new SeededRandomness(1), remade.system = { ...server.system, pid: PID };
    remade.replication = new Replication(server);
    remade.persistence = new Persistence(server, () => child);
    this.#child = child, this.#disk = disk, this.exitCode = null;
    this.#network.listenTcp("", 0, server);
    await server.persistence.start();
    server.updateGates();
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
    return this.#child!.step();
  }

  /** Starts, and says what was found. With `always`: what is acknowledged after the start must be durable. */
  async recover(disk: SimulatedDisk, mode: Mode): Promise<Recovered> {
    try {
      await this.start(disk, mode, "always");
      return { digest: digestOf(this.connect()), refusal: null };
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      return { digest: "", refusal: `${error.name}: ${error.message}` };
    }
  }
}

/** A server without files that says what state a sequence of units leads to. */
export class ReferenceModel {
  readonly #client: Client;

  private constructor(client: Client) {
    this.#client = client;
  }

  static async open(clock: ManualClock): Promise<ReferenceModel> {
    return new ReferenceModel((await openWith(clock, new MemoryNetwork())).connect());
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
