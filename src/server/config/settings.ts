/**
 * The values of configuration that the server reads, each parsed once into a plain field.
 * Invariants: a field changes only through `Config`; sizes are whole bytes, times say their unit; a number above 2^53
 * is rounded.
 * Every directive whose support is "used" fills exactly one field, and no other directive fills any.
 * Never holds a value in Redis's spelling: `Config.get` gives that.
 */

export const LOG_LEVELS = ["debug", "verbose", "notice", "warning"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const APPENDFSYNC_POLICIES = ["everysec", "always", "no"] as const;
export type AppendfsyncPolicy = (typeof APPENDFSYNC_POLICIES)[number];

export const MAXMEMORY_POLICIES = [
  "volatile-lru",
  "volatile-lfu",
  "volatile-random",
  "volatile-ttl",
  "allkeys-lru",
  "allkeys-lfu",
  "allkeys-random",
  "noeviction",
] as const;
export type MaxmemoryPolicy = (typeof MAXMEMORY_POLICIES)[number];

/** Whose payloads are checked deeply. */
export const SANITIZE_LEVELS = ["no", "yes", "clients"] as const;
export type SanitizeLevel = (typeof SANITIZE_LEVELS)[number];

/** Who may use a protected command or directive: nobody, everybody, or clients of this machine. */
export const PROTECTED_ACTION_POLICIES = ["no", "yes", "local"] as const;
export type ProtectedActionPolicy = (typeof PROTECTED_ACTION_POLICIES)[number];

export const SHUTDOWN_OPTIONS = ["save", "nosave", "now", "force"] as const;
export type ShutdownOption = (typeof SHUTDOWN_OPTIONS)[number];

/** Save when `changes` writes happened and `seconds` passed since the last save. */
export interface SavePoint {
  readonly seconds: number;
  readonly changes: number;
}

/** A client is dropped at the hard limit at once, at the soft limit after `softSeconds`. 0 bytes is no limit. */
export interface OutputBufferLimit {
  readonly hardBytes: number;
  readonly softBytes: number;
  readonly softSeconds: number;
}

export interface OutputBufferLimits {
  readonly normal: OutputBufferLimit;
  readonly replica: OutputBufferLimit;
  readonly pubsub: OutputBufferLimit;
}

export interface RenamedCommand {
  /** Lower case. */
  readonly from: string;
  /** Lower case; empty removes the command. */
  readonly to: string;
}

const NO_LIMIT: OutputBufferLimit = { hardBytes: 0, softBytes: 0, softSeconds: 0 };

/** The initializers only fix the shape; the defaults are in the table of directives. */
export class Settings {
  // Network and clients
  port = 0;
  bind: readonly string[] = [];
  unixsocket = "";
  unixsocketPermissions = 0;
  protectedMode = true;
  maxclients = 0;
  /** 0 never closes an idle client. */
  timeoutSeconds = 0;
  tcpKeepaliveSeconds = 0;
  /** Empty when no password is asked for. */
  requirepass: Uint8Array = new Uint8Array(0);
  protoMaxBulkBytes = 0;
  clientQueryBufferLimitBytes = 0;
  clientOutputBufferLimits: OutputBufferLimits = { normal: NO_LIMIT, replica: NO_LIMIT, pubsub: NO_LIMIT };
  enableDebugCommand: ProtectedActionPolicy = "no";
  enableProtectedConfigs: ProtectedActionPolicy = "no";

  // Process
  databases = 0;
  /** Absolute. */
  dir = "";
  loglevel: LogLevel = "notice";
  /** Keys that CLIENT TRACKING remembers; 0 for any number. */
  trackingTableKeysMax = 0;
  /** Classes of keyspace events, by letter. */
  notifyKeyspaceEvents = "";
  /** Empty is standard output. */
  logfile = "";
  /** Empty when none is wanted. */
  pidfile = "";
  hz = 0;
  dynamicHz = true;
  /** Empty is Redis's default: save if there are save points. */
  shutdownOnSigint: readonly ShutdownOption[] = [];
  shutdownOnSigterm: readonly ShutdownOption[] = [];
  /** How long replicas that are behind are waited for; 0 waits for none. */
  shutdownTimeoutSeconds = 0;
  slowlogLogSlowerThanMicroseconds = 0;
  slowlogMaxLen = 0;
  latencyMonitorThresholdMs = 0;
  latencyTracking = true;
  latencyTrackingInfoPercentiles: readonly number[] = [];

  // Keyspace and memory
  /** 0 is no limit. */
  maxmemoryBytes = 0;
  maxmemoryPolicy: MaxmemoryPolicy = "noeviction";
  maxmemorySamples = 0;
  /** Bytes; a percentage of maxmemory when negative; 0 is no limit. */
  maxmemoryClients = 0;
  maxmemoryEvictionTenacity = 0;
  lfuLogFactor = 0;
  lfuDecayTimeMinutes = 0;
  activeExpireEffort = 0;
  activeRehashing = true;
  lazyfreeLazyEviction = false;
  lazyfreeLazyExpire = false;
  lazyfreeLazyServerDel = false;
  lazyfreeLazyUserDel = false;
  lazyfreeLazyUserFlush = false;
  hashListpackEntriesMax = 0;
  hashListpackValueBytesMax = 0;
  setIntsetEntriesMax = 0;
  zsetListpackEntriesMax = 0;
  zsetListpackValueBytesMax = 0;
  /** Elements when positive, else a class of bytes. */
  listListpackSize = 0;
  listCompressDepth = 0;
  streamNodeBytesMax = 0;
  streamNodeEntriesMax = 0;
  hllSparseBytesMax = 0;
  /** 0 leaves the choice to the server. */
  arenaMaxBytes = 0;
  pageSizeBytes = 0;
  /** 0 is no limit. */
  cowMaxBytes = 0;
  aofChecksum = true;
  pagesTrace = false;
  snapshotProcess = true;
  memoryDebug = false;

  // Replication
  /** "host port"; empty for a master. */
  replicaof = "";
  /** Empty when there is none. */
  masterauth: Uint8Array = new Uint8Array(0);
  masteruser = "";
  replicaReadOnly = true;
  replicaServeStaleData = true;
  replicaIgnoreMaxmemory = true;
  replicaLazyFlush = false;
  replicaPriority = 0;
  replicaAnnounced = true;
  replicaAnnounceIp = "";
  replicaAnnouncePort = 0;
  replDisklessSync = true;
  replDisableTcpNodelay = false;
  replTimeoutSeconds = 0;
  replPingReplicaPeriodSeconds = 0;
  replBacklogBytes = 0;
  /** 0 keeps it for ever. */
  replBacklogTtlSeconds = 0;
  minReplicasToWrite = 0;
  minReplicasMaxLagSeconds = 0;

  // RDB
  savePoints: readonly SavePoint[] = [];
  dbfilename = "";
  rdbCompression = true;
  rdbChecksum = true;
  sanitizeDumpPayload: SanitizeLevel = "no";
  stopWritesOnBgsaveError = true;
  rdbKeySaveDelayMicroseconds = 0;
  keyLoadDelayMicroseconds = 0;
  loadingProcessEventsIntervalBytes = 0;

  // AOF
  appendonly = false;
  appendfilename = "";
  appenddirname = "";
  appendfsync: AppendfsyncPolicy = "everysec";
  noAppendfsyncOnRewrite = false;
  autoAofRewritePercentage = 0;
  autoAofRewriteMinBytes = 0;
  aofLoadTruncated = true;
  aofUseRdbPreamble = true;
  aofTimestampEnabled = false;
  aofDisableAutoGc = false;
}

/** Names of the fields of `Settings` that hold exactly an S. */
export type FieldOf<S> = {
  [K in keyof Settings]: [Settings[K], S] extends [S, Settings[K]] ? K : never;
}[keyof Settings];
