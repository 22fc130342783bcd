/**
 * Servers for the explorer. Making one takes milliseconds and a start of one microseconds, so a `RecoveryHost` is one server that starts
 * again and again: its data is flushed and its `Persistence` made anew, on another disk each time. What is loaded, decided and repaired
 * is the production code's.
 */
import {
  type Afterimage,
  type Client,
  ManualClock,
  MemoryStorage,
  openServer,
  SeededRandomness,
} from "../../../src/mod.ts";
import type { SimulatedDisk } from "../../../src/io/simulated_disk/mod.ts";
import { InlineSnapshotChild } from "../../../src/persistence/snapshot/inline_child.ts";
import { Persistence } from "../../../src/server/persistence.ts";
import type { Recovered } from "./state_table.ts";
import type { Mode, Policy } from "./workload.ts";

const COMMON = ["--save", "", "--enable-debug-command", "yes", "--databases", "1", "--arena-max", "256mb"];

export function directives(mode: Mode, policy: Policy): string[] {
  return [...COMMON, "--appendonly", mode === "aof" ? "yes" : "no", "--appendfsync", policy];
}

export function digestOf(client: Client): string {
  return String(client.command("DEBUG", "DIGEST"));
}

/** The parts of a server that a start makes anew. */
interface Restarted {
  storage: SimulatedDisk;
  persistence: Persistence;
}

export class RecoveryHost {
  readonly client: Client;
  readonly #app: Afterimage;

  private constructor(app: Afterimage) {
    this.#app = app, this.client = app.connect();
  }

  /** Starts with `always`: what it acknowledges after a start must be durable. */
  static async open(mode: Mode): Promise<RecoveryHost> {
    const options = { clock: new ManualClock(), randomness: new SeededRandomness(1), storage: new MemoryStorage() };
    const host = new RecoveryHost(await openServer({ ...options, directives: directives("rdb", "always") }));
    // The server itself has started without a log, so that nothing of the first start is in the way.
    (host.#app.server.settings as { appendonly: boolean }).appendonly = mode === "aof";
    return host;
  }

  /** Starts on a disk. */
  async recover(disk: SimulatedDisk): Promise<Recovered> {
    const { server } = this.#app, parts = server as unknown as Restarted;
    server.propagator.sink = null;
    for (const db of server.keyspace.databases) server.keyspace.empty(db, false);
    parts.storage = disk;
    parts.persistence = new Persistence(server, () => new InlineSnapshotChild(disk));
    try {
      await server.persistence.start();
      return { digest: digestOf(this.client), refusal: null };
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

  static async open(): Promise<ReferenceModel> {
    const options = { clock: new ManualClock(), randomness: new SeededRandomness(1), storage: new MemoryStorage() };
    return new ReferenceModel((await openServer({ ...options, directives: directives("rdb", "no") })).connect());
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
