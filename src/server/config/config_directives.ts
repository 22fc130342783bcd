/**
 * The table of directives: every one of Redis 7.0.15 (built with TLS), then our own. It is the only place that names
 * a directive's default,
 * bounds, flags and what this server makes of it.
 * Invariants: names and aliases are unique and lower case; defaults are those of a server without a configuration file.
 * Never holds a value of a running server: that is `Config`.
 */

import type { ByteString } from "./config_text.ts";
import { I64_MAX, U64_MAX } from "./config_numbers.ts";
import {
  bindKind,
  boolKind,
  bytesKind,
  ConfigValueError,
  directoryKind,
  enumKind,
  keyspaceEventsKind,
  type Kind,
  numberKind,
  type NumberUnit,
  oomScoreAdjValuesKind,
  outputBufferLimitsKind,
  percentilesKind,
  replicaofKind,
  savePointsKind,
  shutdownOptionsKind,
  stringKind,
} from "./config_kinds.ts";
import {
  APPENDFSYNC_POLICIES,
  type FieldOf,
  LOG_LEVELS,
  MAXMEMORY_POLICIES,
  PROTECTED_ACTION_POLICIES,
  SANITIZE_LEVELS,
  type Settings,
} from "./settings.ts";

/**
 * - immutable: only at start. - sensitive: never logged. - hidden: CONFIG GET wants the exact name.
 * - protected: CONFIG SET needs enable-protected-configs. - deny-loading: no CONFIG SET while a data set loads.
 * - multi-arg: takes several arguments, or one with blanks. - fixed: only at start, but CONFIG SET of the value it has is accepted:
 *   a client that sets what CONFIG GET said knows only Redis's own immutable directives.
 */
export type DirectiveFlag = "immutable" | "sensitive" | "hidden" | "protected" | "deny-loading" | "multi-arg" | "fixed";

/**
 * - used: parsed into `field` of Settings.
 * - ignored: accepted, checked and reported; it has no effect yet, and nobody is misled by that.
 * - refused: any value but the default is an error, because ignoring it would mislead.
 */
export type Support<F extends keyof Settings = keyof Settings> =
  | { readonly kind: "used"; readonly field: F }
  | { readonly kind: "ignored" }
  | { readonly kind: "refused"; readonly reason: string };

export interface Directive {
  readonly name: string;
  readonly alias: string | null;
  readonly kind: Kind<unknown>;
  readonly support: Support;
  readonly flags: ReadonlySet<DirectiveFlag>;
  readonly origin: "redis" | "afterimage";
}

interface Traits {
  readonly alias?: string;
  readonly flags?: readonly DirectiveFlag[];
}

const INT_MIN = -(1n << 31n);
const INT_MAX = (1n << 31n) - 1n;
const UINT_MAX = (1n << 32n) - 1n;
const PORT_MAX = 65535n;
const KIB = 1024n;
const MIB = KIB * KIB;
const HOSTNAME_BYTES_MAX = 256;
const PAGE_SIZE_BYTES = { min: 512n, max: 2n * MIB };

const IMMUTABLE: Traits = { flags: ["immutable"] };
const FIXED: Traits = { flags: ["fixed"] };
const HIDDEN: Traits = { flags: ["hidden"] };
const SENSITIVE: Traits = { flags: ["sensitive"] };
const MULTI_ARG: Traits = { flags: ["multi-arg"] };
const IGNORED = { kind: "ignored" } as const;

const NO_CLUSTER = "this server has no cluster mode yet";
const NO_TLS = "this server does not speak TLS yet";
const NO_ACL = "this server has no ACL users yet, use requirepass";

function used<F extends keyof Settings>(field: F): Support<F> {
  return { kind: "used", field };
}

function refused(reason: string): Support<never> {
  return { kind: "refused", reason };
}

function directive<V, S>(name: string, kind: Kind<V, S>, support: Support<FieldOf<S>>, traits: Traits = {}): Directive {
  return {
    name,
    alias: traits.alias ?? null,
    kind: kind as Kind<unknown>,
    support,
    flags: new Set(traits.flags),
    origin: "redis",
  };
}

function bool(name: string, defaultValue: boolean, support: Support<FieldOf<boolean>>, traits?: Traits): Directive {
  return directive(name, boolKind(defaultValue), support, traits);
}

function text(name: string, defaultValue: ByteString, support: Support<FieldOf<string>>, traits?: Traits): Directive {
  return directive(name, stringKind({ defaultValue }), support, traits);
}

/** A string that is not set by default, nor when it is empty. */
function optionalText(name: string, support: Support<FieldOf<string>>, traits?: Traits): Directive {
  return directive(name, stringKind({ isUnsetWhenEmpty: true }), support, traits);
}

type Bounds = readonly [min: bigint, max: bigint];

/** A number of one of C's signed types. */
function number(
  name: string,
  defaultValue: bigint,
  [min, max]: Bounds,
  support: Support<FieldOf<number>>,
  traits?: Traits,
): Directive {
  return directive(name, numberKind(defaultValue, { min, max }), support, traits);
}

/** A number of one of C's unsigned types. */
function unsigned(
  name: string,
  defaultValue: bigint,
  [min, max]: Bounds,
  support: Support<FieldOf<number>>,
  traits?: Traits & { readonly unit?: NumberUnit },
): Directive {
  return directive(name, numberKind(defaultValue, { min, max, isUnsigned: true, unit: traits?.unit }), support, traits);
}

/** A number of bytes of one of C's signed types. */
function memory(
  name: string,
  defaultValue: bigint,
  [min, max]: Bounds,
  support: Support<FieldOf<number>>,
  traits?: Traits,
): Directive {
  return directive(name, numberKind(defaultValue, { min, max, unit: "memory" }), support, traits);
}

const NATURAL_INT: Bounds = [0n, INT_MAX];
const NATURAL_I64: Bounds = [0n, I64_MAX];
const PORT: Bounds = [0n, PORT_MAX];
const BYTES = { unit: "memory" } as const;

function checkNoDefrag(value: boolean): void {
  if (!value) return;
  throw new ConfigValueError(
    "Active defragmentation cannot be enabled: it requires a Redis server compiled with a modified Jemalloc " +
      "like the one shipped by default with the Redis source distribution",
  );
}

function checkBaseName(name: string, noun: string): (value: ByteString) => void {
  return (value) => {
    if (/[/\\]/.test(value)) throw new ConfigValueError(`${name} can't be a path, just a ${noun}`);
  };
}

function checkSomeBaseName(name: string, noun: string): (value: ByteString) => void {
  const check = checkBaseName(name, noun);
  return (value) => {
    if (value === "") throw new ConfigValueError(`${name} can't be empty`);
    check(value);
  };
}

function checkHostname(value: ByteString): void {
  if (value.length >= HOSTNAME_BYTES_MAX) {
    throw new ConfigValueError(`Hostnames must be less than ${HOSTNAME_BYTES_MAX} characters`);
  }
  if (!/^[A-Za-z0-9.-]*$/.test(value)) {
    throw new ConfigValueError("Hostnames may only contain alphanumeric characters, hyphens or dots");
  }
}

const PROC_TITLE_VARIABLE = /^(title|listen-addr|server-mode|config-file|port|tls-port|unixsocket)$/;

/** "{{" stands for a brace; the only part that Redis expands to nothing in this check is {title}. */
function checkProcTitle(template: ByteString): void {
  let isBlank = true;
  const rest = template.replace(/\{\{|\{([^}]*)\}|[^{]/g, (part, variable: string | undefined) => {
    const isKnown = variable === undefined || PROC_TITLE_VARIABLE.test(variable);
    if (variable === undefined ? part !== " " : variable !== "title" && variable !== "server-mode") isBlank = false;
    return isKnown ? "" : part;
  });
  if (rest === "" && !isBlank) return;
  throw new ConfigValueError("template format is invalid or contains unknown variables");
}

function checkPageSize(value: bigint): void {
  if ((value & (value - 1n)) !== 0n) throw new ConfigValueError("argument must be a power of two");
}

const SWITCHES: readonly Directive[] = [
  bool("rdbchecksum", true, used("rdbChecksum"), IMMUTABLE),
  bool("daemonize", false, refused("this server does not detach itself, start it in the background"), IMMUTABLE),
  bool("io-threads-do-reads", false, IGNORED, IMMUTABLE),
  bool("always-show-logo", false, IGNORED, IMMUTABLE),
  bool("protected-mode", true, used("protectedMode")),
  bool("rdbcompression", true, used("rdbCompression")),
  bool("rdb-del-sync-files", false, IGNORED),
  bool("activerehashing", true, used("activeRehashing")),
  bool("stop-writes-on-bgsave-error", true, used("stopWritesOnBgsaveError")),
  bool("set-proc-title", true, IGNORED, IMMUTABLE),
  bool("dynamic-hz", true, used("dynamicHz")),
  bool("lazyfree-lazy-eviction", false, used("lazyfreeLazyEviction")),
  bool("lazyfree-lazy-expire", false, used("lazyfreeLazyExpire")),
  bool("lazyfree-lazy-server-del", false, used("lazyfreeLazyServerDel")),
  bool("lazyfree-lazy-user-del", false, used("lazyfreeLazyUserDel")),
  bool("lazyfree-lazy-user-flush", false, used("lazyfreeLazyUserFlush")),
  bool("repl-disable-tcp-nodelay", false, used("replDisableTcpNodelay")),
  bool("repl-diskless-sync", true, used("replDisklessSync")),
  bool("aof-rewrite-incremental-fsync", true, IGNORED),
  bool("no-appendfsync-on-rewrite", false, used("noAppendfsyncOnRewrite")),
  bool("cluster-require-full-coverage", true, IGNORED),
  bool("rdb-save-incremental-fsync", true, IGNORED),
  bool("aof-load-truncated", true, used("aofLoadTruncated")),
  bool("aof-use-rdb-preamble", true, used("aofUseRdbPreamble")),
  bool("aof-timestamp-enabled", false, used("aofTimestampEnabled")),
  bool("cluster-replica-no-failover", false, IGNORED, { alias: "cluster-slave-no-failover" }),
  bool("replica-lazy-flush", false, used("replicaLazyFlush"), { alias: "slave-lazy-flush" }),
  bool("replica-serve-stale-data", true, used("replicaServeStaleData"), { alias: "slave-serve-stale-data" }),
  bool("replica-read-only", true, used("replicaReadOnly"), { alias: "slave-read-only" }),
  bool("replica-ignore-maxmemory", true, used("replicaIgnoreMaxmemory"), { alias: "slave-ignore-maxmemory" }),
  bool("jemalloc-bg-thread", true, IGNORED),
  directive("activedefrag", boolKind(false, checkNoDefrag), IGNORED),
  bool("syslog-enabled", false, refused("this server does not write to syslog, use logfile"), IMMUTABLE),
  bool("cluster-enabled", false, refused(NO_CLUSTER), IMMUTABLE),
  bool("appendonly", false, used("appendonly"), { flags: ["deny-loading"] }),
  bool("cluster-allow-reads-when-down", false, IGNORED),
  bool("cluster-allow-pubsubshard-when-down", true, IGNORED),
  bool("crash-log-enabled", true, IGNORED),
  bool("crash-memcheck-enabled", true, IGNORED),
  bool("use-exit-on-panic", false, IGNORED, HIDDEN),
  bool("disable-thp", true, IGNORED, IMMUTABLE),
  bool("cluster-allow-replica-migration", true, IGNORED),
  bool("replica-announced", true, used("replicaAnnounced")),
  bool("latency-tracking", true, used("latencyTracking")),
  bool("aof-disable-auto-gc", false, used("aofDisableAutoGc")),
  bool("replica-ignore-disk-write-errors", false, IGNORED),
];

const STRINGS: readonly Directive[] = [
  text("aclfile", "", refused(NO_ACL), IMMUTABLE),
  optionalText("unixsocket", used("unixsocket"), IMMUTABLE),
  optionalText("pidfile", used("pidfile"), IMMUTABLE),
  optionalText("replica-announce-ip", used("replicaAnnounceIp"), { alias: "slave-announce-ip" }),
  optionalText("masteruser", used("masteruser"), SENSITIVE),
  optionalText("cluster-announce-ip", IGNORED),
  text("cluster-config-file", "nodes.conf", IGNORED, IMMUTABLE),
  directive(
    "cluster-announce-hostname",
    stringKind({ isUnsetWhenEmpty: true, validate: checkHostname }),
    IGNORED,
  ),
  text("syslog-ident", "redis", IGNORED, IMMUTABLE),
  directive(
    "dbfilename",
    stringKind({ defaultValue: "dump.rdb", validate: checkBaseName("dbfilename", "filename") }),
    used("dbfilename"),
    { flags: ["protected"] },
  ),
  directive(
    "appendfilename",
    stringKind({ defaultValue: "appendonly.aof", validate: checkSomeBaseName("appendfilename", "filename") }),
    used("appendfilename"),
    IMMUTABLE,
  ),
  directive(
    "appenddirname",
    stringKind({ defaultValue: "appendonlydir", validate: checkSomeBaseName("appenddirname", "dirname") }),
    used("appenddirname"),
    IMMUTABLE,
  ),
  optionalText("server_cpulist", IGNORED, IMMUTABLE),
  optionalText("bio_cpulist", IGNORED, IMMUTABLE),
  optionalText("aof_rewrite_cpulist", IGNORED, IMMUTABLE),
  optionalText("bgsave_cpulist", IGNORED, IMMUTABLE),
  text("ignore-warnings", "", IGNORED),
  directive(
    "proc-title-template",
    stringKind({ defaultValue: "{title} {listen-addr} {server-mode}", validate: checkProcTitle }),
    IGNORED,
  ),
  optionalText("bind-source-addr", IGNORED),
  text("logfile", "", used("logfile"), IMMUTABLE),
  directive("masterauth", bytesKind({ isUnsetWhenEmpty: true }), used("masterauth"), SENSITIVE),
  directive("requirepass", bytesKind({ isUnsetWhenEmpty: true }), used("requirepass"), SENSITIVE),
];

const CHOICES: readonly Directive[] = [
  directive(
    "supervised",
    enumKind(["upstart", "systemd", "auto", "no"], "no"),
    refused("this server does not report to a supervisor, let it run it as a plain process"),
    IMMUTABLE,
  ),
  directive(
    "syslog-facility",
    enumKind(
      ["user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"],
      "local0",
    ),
    IGNORED,
    IMMUTABLE,
  ),
  directive("repl-diskless-load", enumKind(["disabled", "on-empty-db", "swapdb"], "disabled"), IGNORED, {
    flags: ["deny-loading"],
  }),
  directive("loglevel", enumKind(LOG_LEVELS, "notice"), used("loglevel")),
  directive("maxmemory-policy", enumKind(MAXMEMORY_POLICIES, "noeviction"), used("maxmemoryPolicy")),
  directive("appendfsync", enumKind(APPENDFSYNC_POLICIES, "everysec"), used("appendfsync")),
  directive(
    "oom-score-adj",
    enumKind(["no", "yes", "relative", "absolute"], "no", { relative: "yes" }),
    refused("this server does not set the kernel's OOM score"),
  ),
  directive("acl-pubsub-default", enumKind(["allchannels", "resetchannels"], "resetchannels"), IGNORED),
  directive("sanitize-dump-payload", enumKind(SANITIZE_LEVELS, "no"), used("sanitizeDumpPayload")),
  directive(
    "enable-protected-configs",
    enumKind(PROTECTED_ACTION_POLICIES, "no"),
    used("enableProtectedConfigs"),
    IMMUTABLE,
  ),
  directive("enable-debug-command", enumKind(PROTECTED_ACTION_POLICIES, "no"), used("enableDebugCommand"), IMMUTABLE),
  directive("enable-module-command", enumKind(PROTECTED_ACTION_POLICIES, "no"), IGNORED, IMMUTABLE),
  directive("cluster-preferred-endpoint-type", enumKind(["ip", "hostname", "unknown-endpoint"], "ip"), IGNORED),
  directive("propagation-error-behavior", enumKind(["ignore", "panic", "panic-on-replicas"], "ignore"), IGNORED),
  directive("shutdown-on-sigint", shutdownOptionsKind(), used("shutdownOnSigint"), MULTI_ARG),
  directive("shutdown-on-sigterm", shutdownOptionsKind(), used("shutdownOnSigterm"), MULTI_ARG),
];

const NUMBERS: readonly Directive[] = [
  number("databases", 16n, [1n, INT_MAX], used("databases"), IMMUTABLE),
  number("port", 6379n, PORT, used("port")),
  number("io-threads", 1n, [1n, 128n], IGNORED, IMMUTABLE),
  number("auto-aof-rewrite-percentage", 100n, NATURAL_INT, used("autoAofRewritePercentage")),
  number("cluster-replica-validity-factor", 10n, NATURAL_INT, IGNORED, { alias: "cluster-slave-validity-factor" }),
  number("list-max-listpack-size", -2n, [INT_MIN, INT_MAX], used("listListpackSize"), {
    alias: "list-max-ziplist-size",
  }),
  number("tcp-keepalive", 300n, NATURAL_INT, used("tcpKeepaliveSeconds")),
  number("cluster-migration-barrier", 1n, NATURAL_INT, IGNORED),
  number("active-defrag-cycle-min", 1n, [1n, 99n], IGNORED),
  number("active-defrag-cycle-max", 25n, [1n, 99n], IGNORED),
  number("active-defrag-threshold-lower", 10n, [0n, 1000n], IGNORED),
  number("active-defrag-threshold-upper", 100n, [0n, 1000n], IGNORED),
  number("lfu-log-factor", 10n, NATURAL_INT, used("lfuLogFactor")),
  number("lfu-decay-time", 1n, NATURAL_INT, used("lfuDecayTimeMinutes")),
  number("replica-priority", 100n, NATURAL_INT, used("replicaPriority"), { alias: "slave-priority" }),
  number("repl-diskless-sync-delay", 5n, NATURAL_INT, IGNORED),
  number("maxmemory-samples", 5n, [1n, INT_MAX], used("maxmemorySamples")),
  number("maxmemory-eviction-tenacity", 10n, [0n, 100n], used("maxmemoryEvictionTenacity")),
  number("timeout", 0n, NATURAL_INT, used("timeoutSeconds")),
  number("replica-announce-port", 0n, PORT, used("replicaAnnouncePort"), { alias: "slave-announce-port" }),
  number("tcp-backlog", 511n, NATURAL_INT, IGNORED, IMMUTABLE),
  number("cluster-port", 0n, PORT, IGNORED, IMMUTABLE),
  number("cluster-announce-bus-port", 0n, PORT, IGNORED),
  number("cluster-announce-port", 0n, PORT, IGNORED),
  number("cluster-announce-tls-port", 0n, PORT, IGNORED),
  number("repl-timeout", 60n, [1n, INT_MAX], used("replTimeoutSeconds")),
  number("repl-ping-replica-period", 10n, [1n, INT_MAX], used("replPingReplicaPeriodSeconds"), {
    alias: "repl-ping-slave-period",
  }),
  number("list-compress-depth", 0n, NATURAL_INT, used("listCompressDepth")),
  number("rdb-key-save-delay", 0n, [INT_MIN, INT_MAX], used("rdbKeySaveDelayMicroseconds"), HIDDEN),
  number("key-load-delay", 0n, [INT_MIN, INT_MAX], used("keyLoadDelayMicroseconds"), HIDDEN),
  number("active-expire-effort", 1n, [1n, 10n], used("activeExpireEffort")),
  directive("hz", numberKind(10n, { min: 0n, max: INT_MAX, clamp: [1n, 500n] }), used("hz")),
  number("min-replicas-to-write", 0n, NATURAL_INT, used("minReplicasToWrite"), { alias: "min-slaves-to-write" }),
  number("min-replicas-max-lag", 10n, NATURAL_INT, used("minReplicasMaxLagSeconds"), { alias: "min-slaves-max-lag" }),
  number("watchdog-period", 0n, NATURAL_INT, IGNORED, HIDDEN),
  number("shutdown-timeout", 10n, NATURAL_INT, used("shutdownTimeoutSeconds")),
  number("repl-diskless-sync-max-replicas", 0n, NATURAL_INT, IGNORED),
  unsigned("maxclients", 10000n, [1n, UINT_MAX], used("maxclients")),
  unsigned("unixsocketperm", 0n, [0n, 0o777n], used("unixsocketPermissions"), { ...IMMUTABLE, unit: "octal" }),
  unsigned("socket-mark-id", 0n, [0n, UINT_MAX], refused("this server does not mark its sockets"), IMMUTABLE),
  number("active-defrag-max-scan-fields", 1000n, [1n, I64_MAX], IGNORED),
  number("slowlog-max-len", 128n, NATURAL_I64, used("slowlogMaxLen")),
  number("acllog-max-len", 128n, NATURAL_I64, IGNORED),
  number("busy-reply-threshold", 5000n, NATURAL_I64, IGNORED, { alias: "lua-time-limit" }),
  number("cluster-node-timeout", 15000n, NATURAL_I64, IGNORED),
  number("slowlog-log-slower-than", 10000n, [-1n, I64_MAX], used("slowlogLogSlowerThanMicroseconds")),
  number("latency-monitor-threshold", 0n, NATURAL_I64, used("latencyMonitorThresholdMs")),
  memory("proto-max-bulk-len", 512n * MIB, [MIB, I64_MAX], used("protoMaxBulkBytes")),
  number("stream-node-max-entries", 100n, NATURAL_I64, used("streamNodeEntriesMax")),
  memory("repl-backlog-size", MIB, [1n, I64_MAX], used("replBacklogBytes")),
  unsigned("maxmemory", 0n, [0n, U64_MAX], used("maxmemoryBytes"), BYTES),
  unsigned("cluster-link-sendbuf-limit", 0n, [0n, U64_MAX], IGNORED, BYTES),
  unsigned("hash-max-listpack-entries", 512n, NATURAL_I64, used("hashListpackEntriesMax"), {
    alias: "hash-max-ziplist-entries",
  }),
  unsigned("set-max-intset-entries", 512n, NATURAL_I64, used("setIntsetEntriesMax")),
  unsigned("zset-max-listpack-entries", 128n, NATURAL_I64, used("zsetListpackEntriesMax"), {
    alias: "zset-max-ziplist-entries",
  }),
  unsigned("active-defrag-ignore-bytes", 100n * MIB, [1n, I64_MAX], IGNORED, BYTES),
  unsigned("hash-max-listpack-value", 64n, NATURAL_I64, used("hashListpackValueBytesMax"), {
    alias: "hash-max-ziplist-value",
    ...BYTES,
  }),
  unsigned("stream-node-max-bytes", 4096n, NATURAL_I64, used("streamNodeBytesMax"), BYTES),
  unsigned("zset-max-listpack-value", 64n, NATURAL_I64, used("zsetListpackValueBytesMax"), {
    alias: "zset-max-ziplist-value",
    ...BYTES,
  }),
  unsigned("hll-sparse-max-bytes", 3000n, NATURAL_I64, used("hllSparseBytesMax"), BYTES),
  unsigned("tracking-table-max-keys", 1000000n, NATURAL_I64, used("trackingTableKeysMax")),
  unsigned("client-query-buffer-limit", KIB * MIB, [MIB, I64_MAX], used("clientQueryBufferLimitBytes"), BYTES),
  directive(
    "maxmemory-clients",
    numberKind(0n, { min: -100n, max: I64_MAX, unit: "memory or percent" }),
    used("maxmemoryClients"),
  ),
  number("repl-backlog-ttl", 3600n, NATURAL_I64, used("replBacklogTtlSeconds")),
  memory("auto-aof-rewrite-min-size", 64n * MIB, NATURAL_I64, used("autoAofRewriteMinBytes")),
  number(
    "loading-process-events-interval-bytes",
    2n * MIB,
    [1024n, INT_MAX],
    used("loadingProcessEventsIntervalBytes"),
    HIDDEN,
  ),
];

const TLS: readonly Directive[] = [
  number("tls-port", 0n, PORT, refused(NO_TLS)),
  number("tls-session-cache-size", 20n * KIB, NATURAL_INT, IGNORED),
  number("tls-session-cache-timeout", 300n, NATURAL_INT, IGNORED),
  bool("tls-cluster", false, IGNORED),
  bool("tls-replication", false, IGNORED),
  directive("tls-auth-clients", enumKind(["no", "yes", "optional"], "yes"), IGNORED),
  bool("tls-prefer-server-ciphers", false, IGNORED),
  bool("tls-session-caching", true, IGNORED),
  optionalText("tls-cert-file", IGNORED),
  optionalText("tls-key-file", IGNORED),
  optionalText("tls-key-file-pass", IGNORED),
  optionalText("tls-client-cert-file", IGNORED),
  optionalText("tls-client-key-file", IGNORED),
  optionalText("tls-client-key-file-pass", IGNORED),
  optionalText("tls-dh-params-file", IGNORED),
  optionalText("tls-ca-cert-file", IGNORED),
  optionalText("tls-ca-cert-dir", IGNORED),
  optionalText("tls-protocols", IGNORED),
  optionalText("tls-ciphers", IGNORED),
  optionalText("tls-ciphersuites", IGNORED),
];

const LISTS: readonly Directive[] = [
  directive("dir", directoryKind(), used("dir"), { flags: ["protected", "deny-loading"] }),
  directive(
    "save",
    savePointsKind([{ seconds: 3600, changes: 1 }, { seconds: 300, changes: 100 }, { seconds: 60, changes: 10000 }]),
    used("savePoints"),
    MULTI_ARG,
  ),
  directive(
    "client-output-buffer-limit",
    outputBufferLimitsKind({
      normal: { hardBytes: 0n, softBytes: 0n, softSeconds: 0n },
      replica: { hardBytes: 256n * MIB, softBytes: 64n * MIB, softSeconds: 60n },
      pubsub: { hardBytes: 32n * MIB, softBytes: 8n * MIB, softSeconds: 60n },
    }),
    used("clientOutputBufferLimits"),
    MULTI_ARG,
  ),
  directive("oom-score-adj-values", oomScoreAdjValuesKind([0, 200, 800]), IGNORED, MULTI_ARG),
  directive("notify-keyspace-events", keyspaceEventsKind(), used("notifyKeyspaceEvents")),
  directive("bind", bindKind(["*", "-::*"]), used("bind"), MULTI_ARG),
  directive("replicaof", replicaofKind(), used("replicaof"), {
    alias: "slaveof",
    flags: ["immutable", "multi-arg"],
  }),
  directive(
    "latency-tracking-info-percentiles",
    percentilesKind([50, 99, 99.9]),
    used("latencyTrackingInfoPercentiles"),
    MULTI_ARG,
  ),
];

const OWN: readonly Directive[] = [
  memory("arena-max", 0n, NATURAL_I64, used("arenaMaxBytes"), FIXED),
  directive(
    "page-size",
    numberKind(4096n, { ...PAGE_SIZE_BYTES, unit: "memory", validate: checkPageSize }),
    used("pageSizeBytes"),
    FIXED,
  ),
  memory("cow-max-bytes", 0n, NATURAL_I64, used("cowMaxBytes")),
  bool("aof-checksum", true, used("aofChecksum")),
  bool("pages-trace", false, used("pagesTrace")),
  bool("snapshot-process", true, used("snapshotProcess")),
  bool("memory-debug", false, used("memoryDebug"), FIXED),
];

export const REDIS_DIRECTIVES: readonly Directive[] = [
  ...SWITCHES,
  ...STRINGS,
  ...CHOICES,
  ...NUMBERS,
  ...TLS,
  ...LISTS,
];

/** Directives that Redis does not have. */
export const OWN_DIRECTIVES: readonly Directive[] = OWN.map((own) => ({ ...own, origin: "afterimage" }));

export const DIRECTIVES: readonly Directive[] = [...REDIS_DIRECTIVES, ...OWN_DIRECTIVES];

/** Every name and alias that CONFIG GET * lists. */
export const LISTED_DIRECTIVE_NAMES: readonly string[] = DIRECTIVES
  .filter((directive) => !directive.flags.has("hidden"))
  .flatMap((directive) => directive.alias === null ? [directive.name] : [directive.name, directive.alias]);

/** Lines of redis.conf that are no directive with a value; the loader knows them. */
export const STATEMENT_NAMES: readonly string[] = ["include", "rename-command", "user", "loadmodule", "sentinel"];

/** Directives of the past, accepted with one argument and without effect. */
export const DEPRECATED_NAMES: readonly string[] = [
  "list-max-ziplist-entries",
  "list-max-ziplist-value",
  "lua-replicate-commands",
];

/** What a statement that is known but not available says. */
export const STATEMENT_REFUSALS: Readonly<Record<string, string>> = {
  user: NO_ACL,
  loadmodule: "this server loads no modules",
  sentinel: "this server has no Sentinel mode",
};
