/**
 * The server: one event loop's worth of state, and the order of things in a turn.
 *
 *   readable clients -> execute their requests -> end of turn: flush (and sync) the log -> send the replies
 *
 * Invariants: a command runs to completion before anything else happens; nothing is sent before the log holds (and, with
 * `always`, has synced) what it reports; time, randomness, disk, network and threads come in through `ServerOptions`.
 * It contains no command and no file format: those are in `commands/`, `server/commands/` and `persistence/`.
 */
import { ascii } from "../base/bytes.ts";
import { quoted } from "../base/quoted.ts";
import { KeyedHash } from "../base/siphash.ts";
import { bitfieldCommands } from "../commands/bitfield.ts";
import { bitmapCommands } from "../commands/bitmap.ts";
import { bitopCommands } from "../commands/bitop.ts";
import { CommandContext } from "../commands/context.ts";
import type { BlockRequest, ServerControl } from "../commands/control.ts";
import { ERROR } from "../commands/errors.ts";
import { expireCommands } from "../commands/expire.ts";
import { genericCommands } from "../commands/generic.ts";
import { geoCommands } from "../commands/geo.ts";
import { hashCommands } from "../commands/hash.ts";
import { hyperloglogCommands } from "../commands/hyperloglog.ts";
import { listCommands } from "../commands/list.ts";
import { blockingListCommands } from "../commands/list_blocking.ts";
import { type Command, CommandTable, FLAG } from "../commands/registry.ts";
import { setCommands } from "../commands/set.ts";
import { sortCommands } from "../commands/sort.ts";
import { sortedSetCommands } from "../commands/sorted_set.ts";
import { streamCommands } from "../commands/stream.ts";
import { stringCommands } from "../commands/string.ts";
import { blockThread, type Clock } from "../io/clock.ts";
import { FaultLayer } from "../io/disk_faults/fault_layer.ts";
import { type Connection, type Listener, ListenError, type Network, type NetworkHooks } from "../io/network.ts";
import type { StandInProcesses } from "../io/process.ts";
import type { Randomness } from "../io/randomness.ts";
import type { Storage } from "../io/storage.ts";
import { lfuInitialStamp, lfuTouched, lruStamp } from "../keyspace/access_clock.ts";
import type { EncodingLimits } from "../keyspace/encoding_limits.ts";
import { WARM_KEYS_MAX } from "../keyspace/key_warmer.ts";
import { Keyspace } from "../keyspace/keyspace.ts";
import { registerTypes } from "../keyspace/values/mod.ts";
import { type Address, Allocator, DebugMemory, LiveMemory } from "../memory/mod.ts";
import type { Args } from "../resp/args.ts";
import { PARSE } from "../resp/request_parser.ts";
import { Blocking } from "./blocking.ts";
import { MigrateLinks } from "./migrate_link.ts";
import { Client, type ClientHost, REPLY_MODE } from "./client.ts";
import { ClientCron } from "./client_cron.ts";
import { ClientMemory } from "./client_memory.ts";
import { adminCommands } from "./commands/mod.ts";
import type { Config } from "./config/config.ts";
import type { Settings } from "./config/settings.ts";
import { Cron } from "./cron.ts";
import { Dispatcher, type DispatchHost, POSTPONE } from "./dispatch.ts";
import { Eviction } from "./eviction.ts";
import { KeyspaceEvents } from "./keyspace_events.ts";
import { LatencyHistogram } from "./latency_histogram.ts";
import { LatencyMonitor } from "./latency_monitor.ts";
import type { Log } from "./log.ts";
import { Pause } from "./pause.ts";
import { Persistence } from "./persistence.ts";
import { Propagator } from "./propagation.ts";
import { PubSub } from "./pubsub.ts";
import { Replication } from "./replication/replication.ts";
import { Shutdown } from "./shutdown.ts";
import { Slowlog } from "./slowlog.ts";
import { Statistics } from "./statistics.ts";
import { Tracking } from "./tracking.ts";
import type { HostSystem, SnapshotSpawner } from "./system.ts";
import { UnixMicroseconds } from "./unix_microseconds.ts";

export const REDIS_VERSION = "7.0.15";

export interface ServerOptions {
  config: Config;
  log: Log;
  clock: Clock;
  randomness: Randomness;
  storage: Storage;
  network: Network;
  system: HostSystem;
  /** Starts the thread (or its stand-in) that saves snapshots. */
  spawnSnapshotChild: SnapshotSpawner;
  /** Starts the processes that stand for snapshots; without it there are none. */
  standIns?: StandInProcesses;
}

/** Bits of `gates`: why a command may have to be looked at before it runs. */
const GATE = {
  auth: 1,
  loading: 2,
  diskError: 4,
  memory: 8,
  pause: 16,
  fewReplicas: 32,
  isReplica: 64,
  hasReplicas: 128,
} as const;
/** What a replica's own connection is not for. */
const KEYSPACE_FLAGS = FLAG.write | FLAG.readonly | FLAG.mayReplicate;
/** What a subscriber may run that would not know a reply from a message. */
const MAY_SUBSCRIBER: ReadonlySet<string> = new Set([
  ...["subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe", "ping", "quit", "reset"],
]);
const SUBSCRIBER_ONLY = "only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context";
/** A slow log threshold below this needs every command timed by itself. */
const TIMED_TOGETHER_US = 1000;
/** A client whose requests took so long, or are so many, lets the others in before it goes on. */
const BATCH_US_MAX = 2000;
const REQUESTS_PER_TURN_MAX = 4096;
/** Fewer bytes than two of the shortest requests with a key have are no pipeline. */
const PIPELINE_BYTES_MIN = 40;

export class Server implements DispatchHost, ClientHost, ServerControl, NetworkHooks {
  readonly config: Config;
  readonly settings: Settings;
  readonly log: Log;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly storage: Storage;
  /** Makes the disk fail by a plan; not there in any call until one is given. */
  readonly diskFaults: FaultLayer;
  readonly network: Network;
  readonly system: HostSystem;
  readonly standIns: StandInProcesses | null;
  readonly memory: LiveMemory;
  readonly allocator: Allocator;
  readonly keyspace: Keyspace;
  readonly propagator: Propagator = new Propagator();
  readonly table: CommandTable;
  readonly context: CommandContext;
  readonly dispatcher: Dispatcher;
  readonly persistence: Persistence;
  readonly cron: Cron;
  readonly shutdown: Shutdown = new Shutdown(this);
  readonly clientMemory: ClientMemory = new ClientMemory(this);
  readonly clientCron: ClientCron = new ClientCron(this);
  readonly pause: Pause;
  readonly pubsub: PubSub;
  readonly keyspaceEvents: KeyspaceEvents;
  readonly tracking: Tracking;
  readonly blocking: Blocking;
  readonly migrateLinks: MigrateLinks;
  readonly replication: Replication;
  readonly eviction: Eviction;
  readonly statistics: Statistics = new Statistics();
  readonly slowlog: Slowlog = new Slowlog();
  readonly latency: LatencyMonitor = new LatencyMonitor();
  readonly clients: Map<number, Client> = new Map();
  readonly monitors: Set<Client> = new Set();
  readonly startedMs: number;
  readonly runId: string;
  readonly unixTime: UnixMicroseconds;
  /** The client whose command is executing. */
  currentClient: Client | null = null;
  gates = 0;
  /** Called once the server has stopped for good, with the exit code. */
  onStopped: (code: number) => void = () => {};
  isStopped = false;
  #nextClientId = 1;
  #pendingFlush: Client[] = [];
  /** By address: host and port, or path. */
  #listeners: Map<string, Listener> = new Map();
  #turnBaseUs = 0;
  #turnBaseMs = 0;

  constructor(options: ServerOptions) {
    this.config = options.config, this.settings = options.config, this.log = options.log;
    this.clock = options.clock, this.randomness = options.randomness, this.storage = options.storage;
    this.network = options.network, this.system = options.system;
    this.diskFaults = new FaultLayer(this.storage, {
      onFault: (text) => this.log.warning(text),
      block: blockThread,
      wait: (ms) => new Promise((resolve) => this.clock.setTimer(ms, resolve)),
    });
    this.standIns = options.standIns ?? null;
    this.startedMs = this.clock.nowMs();
    this.runId = randomHex(this.randomness, 40);
    this.unixTime = new UnixMicroseconds(this.clock);
    const { memory, allocator } = this.#createMemory();
    this.memory = memory, this.allocator = allocator;
    this.keyspace = new Keyspace({
      memory,
      allocator,
      hash: new KeyedHash(this.randomness.nextU32(), this.randomness.nextU32()),
      databases: this.settings.databases,
      random: (below) => this.randomness.below(below),
    });
    registerTypes(this.keyspace);
    this.replication = new Replication(this);
    this.pubsub = new PubSub(this, this.keyspace.hash);
    this.keyspaceEvents = new KeyspaceEvents(this.pubsub, this.settings.databases);
    this.keyspace.events = this.keyspaceEvents;
    this.tracking = new Tracking(this);
    this.table = new CommandTable([
      stringCommands,
      bitmapCommands,
      bitopCommands,
      bitfieldCommands,
      hyperloglogCommands,
      listCommands,
      blockingListCommands,
      setCommands,
      hashCommands,
      sortedSetCommands,
      geoCommands,
      streamCommands,
      sortCommands,
      genericCommands,
      expireCommands,
      adminCommands(this),
    ]);
    this.context = new CommandContext(this.keyspace, this, this.propagator);
    this.dispatcher = new Dispatcher(this);
    this.pause = new Pause(this);
    this.blocking = new Blocking(this);
    this.migrateLinks = new MigrateLinks(this.network, this.clock);
    this.eviction = new Eviction(this);
    this.persistence = new Persistence(this, options.spawnSnapshotChild);
    this.cron = new Cron(this);
    this.keyspace.dict.mayGrow = (bytes) => this.eviction.leavesRoom(bytes);
    this.keyspace.onExpired = (db, key, keyBytes, length) => {
      this.propagator.also(db.index, [this.lazyExpire ? "UNLINK" : "DEL", key.slice(keyBytes, keyBytes + length)]);
    };
    memory.onSnapshotAborted = (reason) =>
      this.log.warning(`Snapshot given up: ${reason}; writes go on, the save fails`);
    this.#applySettings();
    this.#watchSettings();
  }

  // ---- life cycle ----------------------------------------------------------------------------------------------

  /**
   * Binds the addresses of the configuration and lets go of all others; what is bound already stays, so a failure changes nothing.
   * An address that overlaps with one to let go (`*` and 127.0.0.1, same port) is busy: closing takes effect after the turn.
   * @throws {ListenError}
   */
  listen(): void {
    const { settings } = this, before = this.#listeners, now = new Map<string, Listener>();
    try {
      if (settings.port > 0) {
        for (const host of settings.bind) this.#listenOn(host, settings.port, now);
      }
      if (settings.unixsocket !== "") this.#listenOnPath(settings.unixsocket, now);
    } catch (error) {
      for (const [address, listener] of now) if (!before.has(address)) listener.close();
      throw error;
    }
    for (const [address, listener] of before) if (!now.has(address)) listener.close();
    this.#listeners = now;
  }

  /** The TCP port in use; differs from the setting for port 0 in tests. */
  get port(): number {
    return [...this.#listeners.values()].find((one) => one.port > 0)?.port ?? 0;
  }

  /** Listens where the configuration says now. False, with a line in the log, when it cannot; the setting is then restored. */
  #relisten(): boolean {
    try {
      this.listen();
      return true;
    } catch (error) {
      if (!(error instanceof ListenError)) throw error;
      this.log.warning(error.message);
      return false;
    }
  }

  /** Stops at once: nothing is saved or sent. For kill and for the end of SHUTDOWN. */
  stop(code: number): void {
    if (this.isStopped) return;
    this.isStopped = true;
    this.cron.stop();
    this.blocking.stop();
    this.migrateLinks.closeAll();
    this.replication.stop();
    this.persistence.terminate();
    for (const listener of this.#listeners.values()) listener.close();
    for (const client of [...this.clients.values()]) client.close();
    this.onStopped(code);
  }

  #listenOn(host: string, port: number, now: Map<string, Listener>): void {
    const optional = host.startsWith("-"), name = optional ? host.slice(1) : host, address = `${name}:${port}`;
    try {
      now.set(address, this.#listeners.get(address) ?? this.network.listenTcp(name, port, this));
    } catch (error) {
      if (!optional) throw error;
      this.log.verbose(`Optional bind address ${name} is not available`);
    }
  }

  #listenOnPath(path: string, now: Map<string, Listener>): void {
    const mode = this.settings.unixsocketPermissions;
    now.set(path, this.#listeners.get(path) ?? this.network.listenUnix(path, mode === 0 ? null : mode, this));
  }

  #createMemory(): { memory: LiveMemory; allocator: Allocator } {
    const { arenaMaxBytes, pageSizeBytes, memoryDebug } = this.settings;
    const options = {
      arenaMaxBytes: arenaMaxBytes > 0 ? arenaMaxBytes : Math.floor(this.system.physicalMemoryBytes * 0.75),
      pageBytes: pageSizeBytes,
    };
    if (!memoryDebug) {
      const memory = new LiveMemory(options);
      return { memory, allocator: new Allocator(memory) };
    }
    const memory = new DebugMemory(options), allocator = new Allocator(memory, true);
    memory.allocator = allocator;
    return { memory, allocator };
  }

  /** Carries settings to where they are read often; called at the start and after CONFIG SET. */
  #applySettings(): void {
    const { settings, keyspace } = this;
    keyspace.lazyOverwrite = settings.lazyfreeLazyServerDel;
    keyspace.lazyExpire = settings.lazyfreeLazyExpire;
    keyspace.eventClasses = this.keyspaceEvents.configure(settings.notifyKeyspaceEvents);
    keyspace.nextLfu = this.usesLfu
      ? (stamp) =>
        lfuTouched(stamp, keyspace.nowMs, settings.lfuDecayTimeMinutes, settings.lfuLogFactor, this.#random())
      : null;
    setEncodingLimits(keyspace.limits, settings);
    this.memory.cow.tracing = settings.pagesTrace;
    this.latency.thresholdMs = settings.latencyMonitorThresholdMs;
    const slow = settings.slowlogLogSlowerThanMicroseconds;
    this.timesEachCommand = this.latency.thresholdMs > 0 || (slow >= 0 && slow < TIMED_TOGETHER_US);
    this.slowlog.trim(settings.slowlogMaxLen);
    this.log.level = settings.loglevel;
    for (const client of this.clients.values()) {
      if (!client.isMaster) client.parser.bulkBytesMax = settings.protoMaxBulkBytes;
    }
    this.replication.stream.trim();
    this.replication.replicas.countGood();
    this.updateExpiry();
    this.clientMemory.settingsChanged();
    this.updateGates();
  }

  /** Settings whose change is an action. */
  #watchSettings(): void {
    const { config } = this;
    config.onChange("appendonly", () => this.persistence.setAppendonly(this.settings.appendonly));
    config.onChange("port", () => this.#relisten() ? null : "Unable to listen on this port. Check server logs.");
    config.onChange("bind", () => this.#relisten() ? null : "Failed to bind to specified addresses.");
    config.onChange("maxmemory", () => {
      this.eviction.schedule();
      return null;
    });
    config.onChange("aof-disable-auto-gc", () => {
      this.persistence.aof.removeHistory();
      return null;
    });
    for (const { from, to } of config.renamedCommands) this.table.rename(from, to);
  }

  settingsChanged(): void {
    this.#applySettings();
  }

  #random(): number {
    return this.randomness.nextU32() / 2 ** 32;
  }

  // ---- NetworkHooks --------------------------------------------------------------------------------------------

  onConnection(connection: Connection): void {
    const settings = this.settings;
    if (this.clients.size >= settings.maxclients) {
      this.statistics.connectionsRejected++;
      return refuse(connection, "-ERR max number of clients reached\r\n");
    }
    if (settings.protectedMode && settings.requirepass.length === 0 && !isLocal(connection)) {
      this.statistics.connectionsRejected++;
      return refuse(connection, PROTECTED_MODE_REFUSAL);
    }
    this.statistics.connectionsReceived++;
    connection.setNoDelay(true);
    if (settings.tcpKeepaliveSeconds > 0) connection.setKeepAlive(settings.tcpKeepaliveSeconds);
    connection.start(this.addClient(connection));
  }

  addClient(connection: Connection): Client {
    const client = new Client(this.#nextClientId++, connection, this.keyspace.databases[0], this);
    client.authenticated = this.settings.requirepass.length === 0;
    client.parser.unauthenticated = !client.authenticated;
    client.parser.bulkBytesMax = this.settings.protoMaxBulkBytes;
    this.clientMemory.limitOutput(client);
    this.clients.set(client.id, client);
    this.clientMemory.count(client);
    if (!client.authenticated) this.updateGates();
    return client;
  }

  /** Makes a client the one that applies what the master sends: it may do everything, and is replied nothing. */
  adoptMaster(client: Client, database: number): void {
    client.isMaster = client.authenticated = true;
    client.db = this.keyspace.databases[database] ?? client.db;
    client.replyMode = REPLY_MODE.off;
    client.parser.unauthenticated = false;
    client.parser.bulkBytesMax = Number.MAX_SAFE_INTEGER;
    this.clientMemory.limitOutput(client);
    this.updateGates();
  }

  /** A client that is not connected: commands of a log run as it. */
  createReplayClient(): Client {
    const client = new Client(0, NO_CONNECTION, this.keyspace.databases[0], this);
    client.authenticated = true;
    return client;
  }

  /** beforeSleep: what must happen between executing and replying, then the replies. */
  onTurnEnd(): void {
    if (this.isStopped) return;
    this.#turnBaseMs = 0;
    this.pause.resumeReady();
    if (this.blocking.hasReady) this.blocking.serveReady();
    this.blocking.resumeReleased();
    this.tracking.turnEnds();
    this.replication.beforeReplies();
    if (this.persistence.beforeReplies()) {
      this.replication.afterLog();
      this.#sendReplies();
    }
    this.clientMemory.evict();
  }

  #sendReplies(): void {
    const pending = this.#pendingFlush;
    if (pending.length === 0) return;
    this.#pendingFlush = [];
    const released = this.persistence.aof.releasedBytes;
    for (const client of pending) {
      if (this.clientMemory.enforceOutput(client, this.keyspace.nowMs)) continue;
      if (client.isTold) client.isTold = false, client.logPosition = this.logPosition();
      if (client.logPosition > released) {
        this.#pendingFlush.push(client);
        continue;
      }
      client.flushQueued = false;
      this.statistics.outputBytes += client.reply.length;
      client.flush();
    }
  }

  // ---- ClientHost ----------------------------------------------------------------------------------------------

  nowMs(): number {
    return this.clock.nowMs();
  }

  queueFlush(client: Client): void {
    if (client.flushQueued || client.closed) return;
    client.flushQueued = true;
    this.#pendingFlush.push(client);
    this.network.requestTurnEnd();
  }

  clientClosed(client: Client): void {
    this.clients.delete(client.id);
    this.clientMemory.count(client);
    this.monitors.delete(client);
    this.pubsub.forget(client);
    this.tracking.disable(client);
    this.unwatchAll(client);
    this.pause.forget(client);
    this.blocking.forget(client);
    this.replication.clientClosed(client);
    if (!client.authenticated) this.updateGates();
  }

  stopWaiting(client: Client): void {
    this.blocking.forget(client);
  }

  processInput(client: Client): void {
    if (client.waiting !== null || client.givesWay) return this.#limitQueryBuffer(client);
    if (!client.isMaster) return this.#process(client);
    this.#withoutExpiry(() => this.#process(client));
    this.replication.master?.applied();
  }

  /** Runs a request that was held back; false when it has to wait again. */
  executeHeld(client: Client): boolean {
    if (!client.isMaster) return this.dispatcher.execute(client);
    return this.#withoutExpiry(() => this.dispatcher.execute(client));
  }

  /** What a master sends finds the keys that it found, whatever time it is here. */
  #withoutExpiry<T>(run: () => T): T {
    const { keyspace } = this, before = keyspace.expiryEnabled;
    keyspace.expiryEnabled = false;
    try {
      return run();
    } finally {
      keyspace.expiryEnabled = before;
    }
  }

  #process(client: Client): void {
    const parser = client.parser, before = parser.start;
    this.currentClient = client;
    this.clientMemory.count(client);
    this.dispatcher.beginBatch();
    const batchUsMax = client.connection.sharesTurns ? BATCH_US_MAX : Infinity;
    let requests = 0, warmUntil = 0;
    while (!client.isClosing && !client.postponed && client.waiting === null && !this.isStopped) {
      if (this.clientMemory.isLimited && !this.#staysConnected(client)) break;
      if (requests === warmUntil) warmUntil = requests + this.#warmAhead(client);
      const state = parser.next();
      if (state === PARSE.request) {
        if (parser.args.count === 0) continue;
        const length = client.reply.length;
        if (!this.dispatcher.execute(client)) this.pause.postpone(client);
        if (client.isReplica && client.reply.length > length) this.replication.replicas.replied(client, length);
        if (++requests < REQUESTS_PER_TURN_MAX && this.dispatcher.batchUs < batchUsMax) continue;
        this.#giveWay(client);
        break;
      }
      if (state === PARSE.error) this.#protocolError(client);
      break;
    }
    this.dispatcher.endBatch();
    this.currentClient = null;
    this.statistics.inputBytes += Math.max(0, parser.start - before);
    client.lastInteractionMs = this.keyspace.nowMs;
    if (client.reply.length > 0 || client.isClosing) this.queueFlush(client);
    this.clientMemory.count(client);
    this.clientMemory.enforceOutput(client, this.keyspace.nowMs);
    this.#limitQueryBuffer(client);
  }

  #giveWay(client: Client): void {
    if (client.isClosing || client.postponed || client.waiting !== null) return;
    client.givesWay = true;
    client.connection.pauseReading();
    this.clock.setTimer(0, () => {
      client.givesWay = false;
      if (client.closed) return;
      client.connection.resumeReading();
      this.processInput(client);
    });
  }

  subscriberChanged(client: Client): void {
    this.clientMemory.limitOutput(client);
  }

  countMemory(client: Client): void {
    this.clientMemory.count(client);
  }

  /** Clients are evicted between the requests of a pipeline too; false when this one was. */
  #staysConnected(client: Client): boolean {
    this.clientMemory.count(client);
    this.clientMemory.evict();
    return !client.closed;
  }

  #limitQueryBuffer(client: Client): void {
    if (!client.isMaster && client.parser.end - client.parser.start > this.settings.clientQueryBufferLimitBytes) {
      this.log.warning(`Closing client that reached max query buffer length: ${this.describe(client)}`);
      client.close();
    }
  }

  /** Reads ahead for the pipelined requests that follow; returns how many requests may run before the next look. */
  #warmAhead(client: Client): number {
    const parser = client.parser, warmer = this.keyspace.warmer;
    if (parser.end - parser.start < PIPELINE_BYTES_MIN || !warmer.pays(client.db.dict)) return WARM_KEYS_MAX;
    const found = parser.peekFirstArguments(warmer.offsets, warmer.lengths, WARM_KEYS_MAX);
    if (found > 1) warmer.warm(client.db.dict, parser.buffer, found);
    return Math.max(found, 1);
  }

  #protocolError(client: Client): void {
    const error = client.parser.error;
    client.reply.error(`Protocol error: ${error}`);
    this.statistics.countError("ERR");
    this.log.verbose(`Protocol error (${error}) from client: ${this.describe(client)}. Closing it.`);
    client.closeAfterReply = true;
  }

  // ---- DispatchHost --------------------------------------------------------------------------------------------

  nowUs(): number {
    return this.clock.nowUs();
  }

  logPosition(): number {
    return this.persistence.aof.appendedBytes;
  }

  logged(client: Client): void {
    client.logPosition = this.logPosition();
    client.streamOffset = this.replication.stream.offset;
  }

  commandTimeMs(nowUs: number): number {
    if (this.#turnBaseMs === 0 || nowUs - this.#turnBaseUs > 100_000) {
      this.#turnBaseMs = this.clock.nowMs(), this.#turnBaseUs = nowUs;
      this.keyspace.accessStamp = this.usesLfu ? lfuInitialStamp(this.#turnBaseMs) : lruStamp(this.#turnBaseMs);
      return this.#turnBaseMs;
    }
    return this.#turnBaseMs + Math.floor((nowUs - this.#turnBaseUs) / 1000);
  }

  get hasMonitors(): boolean {
    return this.monitors.size > 0;
  }

  authRequired(client: Client): boolean {
    return !client.authenticated;
  }

  /** Recomputes which checks may apply to a command. */
  updateGates(): void {
    let gates = 0;
    for (const client of this.clients.values()) if (!client.authenticated) gates |= GATE.auth;
    if (this.persistence?.isLoading) gates |= GATE.loading;
    if (this.persistence?.writeRefusal() !== null) gates |= GATE.diskError;
    if (this.settings.maxmemoryBytes > 0) gates |= GATE.memory;
    if (this.pause?.isActive) gates |= GATE.pause;
    if (this.settings.minReplicasToWrite > 0) gates |= GATE.fewReplicas;
    if (this.replication?.isReplica) gates |= GATE.isReplica;
    if (this.replication?.replicas.all.size > 0) gates |= GATE.hasReplicas;
    this.gates = gates;
  }

  /** Whether keys expire by the clock: not in a pause, and not on a replica, whose master says when they do. */
  get mayExpire(): boolean {
    return !this.pause.isActive && !this.replication.isReplica;
  }

  updateExpiry(): void {
    this.keyspace.expiryPaused = !this.mayExpire;
  }

  refusalNow(client: Client, command: Command, flags: number, args: Args): string | null {
    const gates = this.gates;
    if (client.isMaster) return (gates & GATE.pause) !== 0 && this.pause.holds(flags) ? POSTPONE : null;
    if ((gates & GATE.memory) !== 0 && !this.#makeRoom(client) && this.#needsMemory(client, command, flags)) {
      return ERROR.oom;
    }
    if ((gates & GATE.diskError) !== 0 && ((flags & FLAG.write) !== 0 || command.fullName === "ping")) {
      const refusal = this.persistence.writeRefusal();
      if (refusal !== null) return refusal;
    }
    if ((gates & (GATE.fewReplicas | GATE.isReplica)) !== 0) {
      const refusal = this.#refusalOfRole(client, command, flags, args);
      if (refusal !== null) return refusal;
    }
    if (client.isSubscriber && client.reply.protocol === 2 && !MAY_SUBSCRIBER.has(command.fullName)) {
      return `Can't execute '${command.fullName}': ${SUBSCRIBER_ONLY}`;
    }
    if ((gates & GATE.loading) !== 0 && (flags & FLAG.loading) === 0) return ERROR.loading;
    if ((gates & GATE.hasReplicas) !== 0 && client.isReplica && (flags & KEYSPACE_FLAGS) !== 0) {
      return "Replica can't interact with the keyspace";
    }
    if ((gates & GATE.pause) !== 0 && this.pause.holds(flags)) return POSTPONE;
    return null;
  }

  #refusalOfRole(client: Client, command: Command, flags: number, args: Args): string | null {
    const { replication, settings } = this, isWrite = (flags & FLAG.write) !== 0;
    if (!replication.isReplica) return isWrite && !replication.replicas.areEnough ? ERROR.noReplicas : null;
    if (isWrite && settings.replicaReadOnly) return ERROR.readOnly;
    if (!replication.isLinkUp && !settings.replicaServeStaleData && (flags & FLAG.stale) === 0) return ERROR.masterDown;
    // A write of a client's own must not meet a key that is there and reads as missing.
    this.keyspace.expiryPaused = !isWrite || this.pause.isActive;
    if (isWrite) replication.localExpiries.note(client.db, command, args);
    return null;
  }

  /** What goes for the sake of a command, its client is told of before the reply. */
  #makeRoom(client: Client): boolean {
    const hasRoom = this.eviction.makeRoom();
    this.tracking.tellPending(client);
    return hasRoom;
  }

  #needsMemory(client: Client, command: Command, flags: number): boolean {
    if ((flags & FLAG.denyoom) !== 0) return true;
    return client.queue !== null && !["exec", "discard", "quit", "reset"].includes(command.fullName);
  }

  protectedRefusal(client: Client, command: Command): string | null {
    const policy = this.settings.enableDebugCommand;
    if (policy === "yes" || (policy === "local" && isLocal(client.connection))) return null;
    const name = command.fullName.startsWith("module") ? "MODULE" : "DEBUG";
    const option = name === "DEBUG" ? "enable-debug-command" : "enable-module-command";
    return `${name} command not allowed. If the ${option} option is set to "local", you can run it from a local connection, ` +
      "otherwise you need to set this option in the configuration file, and then restart the server.";
  }

  feedMonitors(client: Client, args: Args): void {
    let line = `${(this.unixTime.now() / 1e6).toFixed(6)} [${client.db.index} ${client.connection.remoteAddress}]`;
    for (let i = 0; i < args.count; i++) line += ` ${quoted(args.shown(i))}`;
    for (const monitor of this.monitors) {
      monitor.reply.status(line);
      this.queueFlush(monitor);
    }
  }

  timesEachCommand = false;

  commandTimed(command: Command, microseconds: number): void {
    if (this.settings.latencyTracking) (command.latency ??= new LatencyHistogram()).record(microseconds);
  }

  commandRan(client: Client, command: Command, args: Args, microseconds: number): void {
    const settings = this.settings;
    const slow = settings.slowlogLogSlowerThanMicroseconds;
    if (slow >= 0 && microseconds >= slow && (command.flags & FLAG.skipSlowlog) === 0) {
      this.slowlog.add(
        args,
        microseconds,
        this.keyspace.nowMs,
        client.connection.remoteAddress,
        client.name,
        settings.slowlogMaxLen,
      );
    }
    if (this.latency.thresholdMs > 0) {
      this.latency.add(
        (command.flags & FLAG.fast) !== 0 ? "fast-command" : "command",
        microseconds / 1000,
        this.keyspace.nowMs,
      );
    }
  }

  errorReplied(text: string): void {
    this.statistics.countError(text);
    const client = this.currentClient;
    if (client?.isMaster !== true) return;
    this.log.warning(
      `== CRITICAL == This replica is sending an error to its master: '${text}' after processing the command ` +
        `'${client.lastCommand?.fullName ?? "<unknown>"}'`,
    );
  }

  securityWarning(client: Client): void {
    this.log.warning(
      "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. " +
        "This is likely due to an attacker attempting to use Cross Protocol Scripting to compromise your Redis instance. " +
        `Connection from ${client.connection.remoteAddress} aborted.`,
    );
  }

  // ---- ServerControl -------------------------------------------------------------------------------------------

  get isLoading(): boolean {
    return this.persistence.isLoading;
  }

  get mustObey(): boolean {
    return this.persistence.isLoading || this.currentClient?.isMaster === true;
  }

  get keepsPast(): boolean {
    return this.persistence.isLoading || this.replication.isReplica;
  }

  get lazyExpire(): boolean {
    return this.settings.lazyfreeLazyExpire;
  }

  get lazyUserDelete(): boolean {
    return this.settings.lazyfreeLazyUserDel;
  }

  get bulkBytesMax(): number {
    return this.settings.protoMaxBulkBytes;
  }

  get usesLfu(): boolean {
    return this.settings.maxmemoryPolicy.endsWith("lfu");
  }

  get sharesIntegers(): boolean {
    return this.settings.maxmemoryBytes === 0 || !/-l[rf]u$/.test(this.settings.maxmemoryPolicy);
  }

  get lfuDecayMinutes(): number {
    return this.settings.lfuDecayTimeMinutes;
  }

  blockClient(request: BlockRequest): void {
    const { client, args } = this.context;
    this.blocking.block(client as Client, (client as Client).lastCommand!, args, request);
  }

  dumpPayload(entry: Address): Uint8Array {
    return this.persistence.dumpPayload(entry);
  }

  checkPayload(payload: Uint8Array): string | null {
    return this.persistence.checkPayload(payload);
  }

  restorePayload(
    payload: Uint8Array,
    db: Client["db"],
    key: Uint8Array,
    keyBytes: number,
    keyLength: number,
    expiresAtMs: number,
  ): string | null {
    return this.persistence.restorePayload(payload, db, key, keyBytes, keyLength, expiresAtMs);
  }

  // ---- shared by commands --------------------------------------------------------------------------------------

  /** Forgets what a client watches. */
  unwatchAll(client: Client): void {
    for (const { db, key } of client.watched) {
      const listeners = db.watched.get(key);
      if (listeners === undefined || !listeners.delete(client)) continue;
      this.keyspace.watchedKeys--;
      if (listeners.size === 0) db.watched.delete(key);
    }
    client.watched = [];
  }

  /** A client as CLIENT LIST shows it. */
  describe(client: Client): string {
    const nowMs = this.clock.nowMs(), connection = client.connection, parser = client.parser;
    const flags = (client.isReplica ? "S" : "") + (client.isMaster ? "M" : "") + (client.isMonitor ? "O" : "") +
      (client.isSubscriber ? "P" : "") + (client.queue !== null ? "x" : "") +
      (client.postponed || client.waiting !== null ? "b" : "") +
      trackingFlags(client) +
      (client.watchFailed ? "d" : "") + (client.closeAfterReply ? "c" : "") + (connection.isUnix ? "U" : "") +
      (client.noEvict ? "e" : "");
    const executing = client === this.currentClient ? Math.max(0, parser.args.rawEnd - parser.args.rawStart) : 0;
    const inputBytes = parser.end - parser.start + executing;
    const freeBytes = parser.buffer.length - Math.max(inputBytes, parser.usedBytes);
    const argumentBytes = client === this.currentClient || client.postponed || parser.isMidRequest
      ? parser.args.totalBytes
      : 0;
    const { unsentBytes, baseBytes } = client.reply, overflowBytes = client.overflowBytes;
    const seconds = (since: number) => Math.max(0, Math.floor((nowMs - since) / 1000));
    return `id=${client.id} addr=${connection.remoteAddress} laddr=${connection.localAddress} fd=${connection.fd} ` +
      `name=${client.name} age=${seconds(client.createdMs)} idle=${seconds(client.lastInteractionMs)} flags=${
        flags || "N"
      } ` +
      `db=${client.db.index} ${subscriptionCounts(client)} multi=${client.queue === null ? -1 : client.queue.length} ` +
      `qbuf=${inputBytes} qbuf-free=${freeBytes} ` +
      `argv-mem=${argumentBytes} multi-mem=${client.queueBytes} rbs=${baseBytes} ` +
      `rbp=${client.reply.peakBytes} obl=${unsentBytes - client.reply.overflowBytes} oll=${
        overflowBytes > 0 ? 1 : 0
      } ` +
      `omem=${overflowBytes} tot-mem=${client.memoryBytes + argumentBytes} ` +
      `events=r cmd=${client.lastCommand?.fullName ?? "NULL"} user=default redir=${
        client.tracking?.options.redirect ?? -1
      } resp=${client.reply.protocol}`;
  }

  /** Memory in use by data and what serves it; Redis's used_memory. */
  get usedMemoryBytes(): number {
    let bytes = this.allocator.liveBytes + this.memory.frameBytes + this.persistence.aof.bufferBytes;
    for (const db of this.keyspace.databases) bytes += db.expiry.bytes;
    return bytes + this.clientMemory.bytes + this.replication.replicas.keptBytes;
  }

  /** The part that eviction looks at: not what the buffers of log and replicas have grown by, or evicting (which logs DELs) would feed on itself. */
  get evictableBytes(): number {
    return this.usedMemoryBytes - this.persistence.aof.surplusBytes - this.replication.replicas.surplusBytes;
  }
}

function trackingFlags({ tracking }: Client): string {
  return tracking === null ? "" : `t${tracking.isRedirectBroken ? "R" : ""}${tracking.options.broadcasts ? "B" : ""}`;
}

function subscriptionCounts({ subscriptions }: Client): string {
  const [channels, patterns, shards] = subscriptions?.map((one) => one.size) ?? [0, 0, 0];
  return `sub=${channels} psub=${patterns} ssub=${shards}`;
}

const NO_CONNECTION: Connection = {
  remoteAddress: "",
  localAddress: "",
  isUnix: true,
  fd: -1,
  readsInPlace: false,
  sharesTurns: false,
  start() {},
  pauseReading() {},
  resumeReading() {},
  write() {},
  close() {},
  closeAfterWrite() {},
  setNoDelay() {},
  setKeepAlive() {},
};

const PROTECTED_MODE_REFUSAL =
  "-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user. " +
  "In this mode connections are only accepted from the loopback interface. If you want to connect from external computers " +
  "to Redis you may adopt one of the following solutions: 1) Just disable protected mode sending the command " +
  "'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the same host the server is " +
  "running, however MAKE SURE Redis is not publicly accessible from internet if you do so. Use CONFIG REWRITE to make this " +
  "change permanent. 2) Alternatively you can just disable the protected mode by editing the Redis configuration file, and " +
  "setting the protected mode option to 'no', and then restarting the server. 3) If you started the server manually just " +
  "for testing, restart it with the '--protected-mode no' option. 4) Setup an authentication password for the default user. " +
  "NOTE: You only need to do one of the above things in order for the server to start accepting connections from the outside.\r\n";

function refuse(connection: Connection, text: string): void {
  const bytes = ascii(text);
  connection.write(bytes, bytes.length);
  connection.closeAfterWrite();
}

/** Whether the peer is on this machine. */
export function isLocal(connection: Connection): boolean {
  return connection.isUnix || connection.remoteAddress.startsWith("127.") ||
    connection.remoteAddress.startsWith("[::1]");
}

/** Random hexadecimal digits. */
export function randomHex(randomness: Randomness, digits: number): string {
  const bytes = new Uint8Array(digits / 2);
  randomness.fill(bytes);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function setEncodingLimits(limits: EncodingLimits, settings: Settings): void {
  limits.hashListpackEntriesMax = settings.hashListpackEntriesMax;
  limits.hashListpackValueBytesMax = settings.hashListpackValueBytesMax;
  limits.setIntsetEntriesMax = settings.setIntsetEntriesMax;
  limits.zsetListpackEntriesMax = settings.zsetListpackEntriesMax;
  limits.zsetListpackValueBytesMax = settings.zsetListpackValueBytesMax;
  limits.listListpackSize = settings.listListpackSize;
  limits.listCompressDepth = settings.listCompressDepth;
  limits.streamNodeBytesMax = settings.streamNodeBytesMax;
  limits.streamNodeEntriesMax = settings.streamNodeEntriesMax;
  limits.hllSparseBytesMax = settings.hllSparseBytesMax;
}
