/**
 * Afterimage in process: open a server with a clock, randomness, disk and network of your choice, connect clients to it, freeze its
 * memory, step its time, stop it or kill it. Labs and tests use this; `main.ts` is the same server as a program.
 *
 * ```ts
 * const redis = await openServer({ directives: ["--save", ""] });
 * const client = redis.connect();
 * client.command("SET", "greeting", "hello"); // "OK"
 * redis.kill();
 * ```
 */
import { findFacts } from "./commands/spec/all_facts.ts";
import { COMMAND_BOOK } from "./commands/spec/command_book.ts";
import { type Clock, ManualClock, RealClock } from "./io/clock.ts";
import { DiskStorage } from "./io/disk_storage.ts";
import { type InProcessConnection, MemoryNetwork } from "./io/memory_network.ts";
import { MemoryStorage } from "./io/memory_storage.ts";
import type { Network } from "./io/network.ts";
import { process, type StandInProcesses } from "./io/process.ts";
import { type Randomness, RealRandomness, SeededRandomness } from "./io/randomness.ts";
import type { Storage } from "./io/storage.ts";
import { TcpNetwork } from "./io/tcp_network.ts";
import { Check } from "./persistence/check/check.ts";
import type { CheckReport } from "./persistence/check/report.ts";
import { InlineSnapshotChild } from "./persistence/snapshot/inline_child.ts";
import { type SnapshotChild, WorkerSnapshotChild } from "./persistence/snapshot/snapshot_child.ts";
import { encodeCommand } from "./resp/encode_command.ts";
import { type Reply, ReplyError, ReplyParser } from "./resp/reply_parser.ts";
import { parseCommandLine } from "./server/config/command_line.ts";
import { Config, enterAnyDirectory } from "./server/config/config.ts";
import { joinConfigText, loadConfig } from "./server/config/config_loader.ts";
import { Log } from "./server/log.ts";
import { Persistence } from "./server/persistence.ts";
import { Replication } from "./server/replication/replication.ts";
import { Server } from "./server/server.ts";
import type { HostSystem } from "./server/system.ts";

export {
  DiskStorage,
  ManualClock,
  MemoryNetwork,
  MemoryStorage,
  RealClock,
  RealRandomness,
  ReplyError,
  ReplyParser,
  SeededRandomness,
  TcpNetwork,
};
export { encodeCommand };
export type { CheckReport, Clock, HostSystem, Network, Randomness, Reply, Server, Storage };
export {
  type CrashOutcome,
  type DiskProfile,
  type Fault,
  FaultPlan,
  type FaultRule,
  type FaultSource,
  formatTimelineEntry,
  KILL,
  SimulatedDisk,
  type TimelineEntry,
} from "./io/simulated_disk/mod.ts";
export { nearestOf } from "./base/nearest_name.ts";
export { type FileHandle, readWhole, StorageError, writeFully } from "./io/storage.ts";
export { LoadFailedError } from "./server/loading.ts";
export { OWNER_NAMES } from "./memory/owner.ts";
export type { CowSample } from "./memory/cow_tracker.ts";
export { PAGE_TABLE_BYTES } from "./memory/live_memory.ts";

export interface OpenOptions {
  /** As on the command line: `["--appendonly", "yes"]`. The port is not bound unless a network with ports is given. */
  directives?: readonly string[];
  clock?: Clock;
  randomness?: Randomness;
  /** In memory unless given; with the real disk the directory is the `dir` directive's. */
  storage?: Storage;
  network?: Network;
  /** Whether a Worker writes snapshots. It needs the real disk, and is the default with it; otherwise `step` drives the child. */
  worker?: boolean;
  /** Snapshots have no process unless this is given: nothing in process starts one by itself. */
  standIns?: StandInProcesses;
  /** Gets every line of the log. */
  onLog?: (line: string) => void;
}

/** A client in the same process. */
export class Client {
  readonly #connection: InProcessConnection;
  readonly #parser: ReplyParser;

  constructor(connection: InProcessConnection, parser: ReplyParser) {
    this.#connection = connection, this.#parser = parser;
  }

  /**
   * Sends a command and returns its reply; text is latin1, an error reply is thrown.
   * @throws {ReplyError}
   */
  command(...words: (string | number | Uint8Array)[]): Reply {
    this.send(...words);
    const reply = this.receive();
    if (reply === undefined) throw new Error(`No reply to ${words[0]} yet: the server holds it back`);
    if (reply instanceof ReplyError) throw reply;
    return reply;
  }

  /** Sends a command without waiting for its reply. */
  send(...words: (string | number | Uint8Array)[]): void {
    this.#connection.send(encodeCommand(words));
  }

  /** Sends bytes that are requests already: what a load generator prepares. */
  sendBytes(bytes: Uint8Array, length?: number): void {
    this.#connection.send(bytes, length);
  }

  /** The next reply that has come, or undefined. */
  receive(): Reply | undefined {
    return this.#parser.next();
  }

  close(): void {
    this.#connection.hangUp();
  }
}

/** What a process loses, and gets anew when it starts. */
interface Remade {
  storage: Storage;
  randomness: Randomness;
  system: HostSystem;
  persistence: Persistence;
  replication: Replication;
  isStopped: boolean;
}

export interface RestartOptions {
  /** Otherwise the one that the server has goes on. */
  randomness?: Randomness;
  /** The new process's number; otherwise it keeps its own. */
  pid?: number;
  /** The new snapshot child, which works on the storage. */
  child?: InlineSnapshotChild;
  /** Called before anything is loaded. */
  beforeStart?(persistence: Persistence): void;
}

/** A running server and what drives it. */
export class Afterimage {
  readonly server: Server;
  readonly #network: Network;
  #child: SnapshotChild;
  exitCode: number | null = null;

  constructor(server: Server, network: Network, child: SnapshotChild) {
    this.server = server, this.#network = network, this.#child = child;
    server.onStopped = (code) => this.exitCode = code;
  }

  /** Connects a client; needs the in-process network. */
  connect(): Client {
    if (!(this.#network instanceof MemoryNetwork)) {
      throw new Error("Cannot connect in process: the server listens on a real network");
    }
    const parser = new ReplyParser();
    return new Client(this.#network.connect((bytes, length) => parser.push(bytes, length)), parser);
  }

  /** Advances an in-process snapshot child by one step; false when it has nothing to do. */
  step(): boolean {
    return this.#child instanceof InlineSnapshotChild && this.#child.step();
  }

  /** One tick of the server's cron: expiry, rehash, frees, save points. */
  tick(): void {
    this.server.cron.tick();
  }

  /** Shuts down in order, as SHUTDOWN would. Null, or why the server goes on. */
  stop(): string | null {
    return this.server.shutdown.now({ save: null, now: true, force: false });
  }

  /** Ends at once; nothing more is written or sent. */
  kill(): void {
    this.server.stop(137);
  }

  /**
   * Kills it and starts it again on another storage, with these directives changed: what a process loses with its memory is made anew.
   * For those who start thousands of times: a start takes a fraction of the time and memory that opening a server takes. In process only.
   * @throws {LoadFailedError}
   */
  async restart(
    storage: Storage,
    directives: Readonly<Record<string, readonly string[]>> = {},
    { randomness, pid, child = new InlineSnapshotChild(storage), beforeStart }: RestartOptions = {},
  ): Promise<void> {
    this.kill();
    const { server } = this, remade = server as unknown as Remade;
    server.propagator.sink = null;
    if (server.memory.cow.live) server.memory.endSnapshot();
    for (const db of server.keyspace.databases) server.keyspace.empty(db, false);
    for (const [name, words] of Object.entries(directives)) {
      const reason = server.config.assignFromLine(name, [...words], false);
      if (reason !== null) throw new Error(`Cannot restart with ${name} ${words.join(" ")}: ${reason}`);
    }
    remade.isStopped = false, remade.storage = storage;
    if (randomness !== undefined) remade.randomness = randomness;
    if (pid !== undefined) remade.system = { ...server.system, pid };
    remade.replication = new Replication(server);
    remade.persistence = new Persistence(server, () => child);
    beforeStart?.(server.persistence);
    this.#child = child, this.exitCode = null;
    this.#network.listenTcp("", 0, server);
    await server.persistence.start();
    server.updateGates();
  }
}

/** Opens a server; resolves when its data set is loaded. @throws {LoadFailedError, ConfigFileError, ListenError} */
export async function openServer(options: OpenOptions = {}): Promise<Afterimage> {
  const storage = options.storage ?? new MemoryStorage(), onDisk = storage instanceof DiskStorage;
  const clock = options.clock ?? new RealClock(), network = options.network ?? new MemoryNetwork();
  const config = new Config({
    workingDirectory: onDisk ? process.workingDirectory() : "/",
    enterDirectory: onDisk ? process.enterDirectory : enterAnyDirectory,
  });
  const line = parseCommandLine(options.directives ?? []);
  if (line.kind !== "start") throw new Error("Cannot open a server: directives must be `--name value` pairs");
  loadConfig(config, joinConfigText(null, null, line.options), {
    readFile: process.readFile,
    listDirectory: process.listDirectory,
    isCommand: (name) => findFacts(name) !== undefined,
  });
  const log = new Log(clock, process.pid);
  log.level = config.loglevel;
  const onLog = options.onLog;
  if (onLog !== undefined) log.write = (bytes) => onLog(new TextDecoder().decode(bytes).trimEnd());
  const child = options.worker ?? onDisk ? new WorkerSnapshotChild() : new InlineSnapshotChild(storage);
  const server = new Server({
    config,
    log,
    clock,
    randomness: options.randomness ?? new RealRandomness(),
    storage,
    network,
    system: hostSystem(""),
    spawnSnapshotChild: () => child,
    standIns: options.standIns,
  });
  const opened = new Afterimage(server, network, child);
  server.listen();
  await server.persistence.start();
  if (!(clock instanceof ManualClock)) server.cron.start();
  return opened;
}

/** What `deno task check` says of a dump or a log, of one after the other. The function throws {CheckError, StorageError}. */
export function openCheck(storage: Storage): (path: string) => CheckReport {
  const randomness = new RealRandomness(), check = new Check(storage, () => randomness.nextU32(), COMMAND_BOOK);
  return (path) => check.check(path).report;
}

/** This process and machine. */
export function hostSystem(configFile: string): HostSystem {
  return {
    pid: process.pid,
    physicalMemoryBytes: process.physicalMemoryBytes(),
    residentBytes: process.residentBytes,
    collectGarbage: process.collectGarbage,
    cpuSeconds: process.cpuSeconds,
    osText: process.osText(),
    executable: process.executable(),
    configFile,
  };
}
