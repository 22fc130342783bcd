/**
 * INFO: Redis 7.0's sections, fields and order. What this server does not have (modules, scripts, …) is reported as none.
 * A section is a list of [field, value]; how they are joined to text is the affair of `infoText` alone.
 */
import type { CommandContext, Handlers } from "../../commands/context.ts";
import { lruStamp } from "../../keyspace/access_clock.ts";
import type { LatencyHistogram } from "../latency_histogram.ts";
import { humanBytes, memoryFigures, percentOf, ratio } from "../memory_figures.ts";
import type { MasterLink } from "../replication/master_link.ts";
import { REPLICA_STATE_NAMES, type ReplicaLink } from "../replication/replica_link.ts";
import { REDIS_VERSION, type Server } from "../server.ts";

type Field = readonly [name: string, value: string | number];

interface Section {
  readonly title: string;
  /** Names that ask for it. */
  readonly names: readonly string[];
  /** Whether INFO without arguments shows it. */
  readonly isDefault: boolean;
  readonly fields: (server: Server) => readonly Field[];
}

const SECONDS_PER_DAY = 86400;

const SECTIONS: readonly Section[] = [
  section("Server", serverFields),
  section("Clients", clientsFields),
  section("Memory", memoryFields),
  section("Persistence", (server) => server.persistence.info()),
  section("Stats", statsFields),
  section("Replication", replicationFields),
  section("CPU", cpuFields),
  { title: "Modules", names: ["modules", "module_list"], isDefault: true, fields: () => [] },
  { ...section("Commandstats", commandstatsFields), isDefault: false },
  section("Errorstats", errorstatsFields),
  { ...section("Latencystats", latencystatsFields), isDefault: false },
  section("Cluster", () => [["cluster_enabled", 0]]),
  section("Keyspace", keyspaceFields),
];

export function infoCommands(server: Server): Handlers {
  return { info: (ctx) => ctx.reply.verbatim(infoText(server, sectionNames(ctx))) };
}

/** The text of the sections that these lower-case names ask for; none means the default. */
export function infoText(server: Server, names: readonly string[]): string {
  const all = names.includes("all") || names.includes("everything");
  const usual = names.length === 0 || names.includes("default");
  const shown = SECTIONS.filter((one) => {
    return all || (usual && one.isDefault) || one.names.some((name) => names.includes(name));
  });
  return shown.map(({ title, fields }) => {
    return `# ${title}\r\n` + fields(server).map(([name, value]) => `${name}:${value}\r\n`).join("");
  }).join("\r\n");
}

function sectionNames({ args }: CommandContext): string[] {
  const names: string[] = [];
  for (let i = 1; i < args.count; i++) names.push(args.text(i).toLowerCase());
  return names;
}

function section(title: string, fields: (server: Server) => readonly Field[]): Section {
  return { title, names: [title.toLowerCase()], isDefault: true, fields };
}

function serverFields(server: Server): Field[] {
  const { settings, system } = server, nowMs = server.nowMs();
  const uptimeSeconds = Math.floor((nowMs - server.startedMs) / 1000);
  return [
    ["redis_version", REDIS_VERSION],
    ["redis_git_sha1", "00000000"],
    ["redis_git_dirty", 0],
    ["redis_build_id", "0"],
    ["redis_mode", "standalone"],
    ["os", system.osText],
    ["arch_bits", 64],
    ["monotonic_clock", "performance.now"],
    ["multiplexing_api", "deno"],
    ["atomicvar_api", "sharedarraybuffer"],
    ["gcc_version", "0.0.0"],
    ["process_id", system.pid],
    ["process_supervised", "no"],
    ["run_id", server.runId],
    ["tcp_port", server.port || settings.port],
    ["server_time_usec", server.unixTime.now()],
    ["uptime_in_seconds", uptimeSeconds],
    ["uptime_in_days", Math.floor(uptimeSeconds / SECONDS_PER_DAY)],
    ["hz", settings.hz],
    ["configured_hz", settings.hz],
    ["lru_clock", lruStamp(nowMs)],
    ["executable", system.executable],
    ["config_file", system.configFile],
    ["io_threads_active", 0],
    ...shutdownFields(server),
  ];
}

function shutdownFields(server: Server): Field[] {
  const inMs = server.shutdown.inMs;
  return inMs === null ? [] : [["shutdown_in_milliseconds", inMs]];
}

function clientsFields(server: Server): Field[] {
  return [
    ["connected_clients", server.clients.size - server.replication.replicas.all.size],
    ["cluster_connections", 0],
    ["maxclients", server.settings.maxclients],
    ["client_recent_max_input_buffer", server.clientCron.recentInputBytesMax],
    ["client_recent_max_output_buffer", server.clientCron.recentOutputBytesMax],
    ["blocked_clients", server.pause.heldClients + server.blocking.waitingClients],
    ["tracking_clients", server.tracking.clients],
    ["clients_in_timeout_table", server.blocking.deadlines],
  ];
}

function memoryFields(server: Server): Field[] {
  const figures = memoryFigures(server), { replicas } = server.replication, { settings, system, keyspace } = server;
  const { usedBytes, peakBytes, residentBytes, allocatedBytes, activeBytes, committedBytes } = figures;
  return [
    ["used_memory", usedBytes],
    ["used_memory_human", humanBytes(usedBytes)],
    ["used_memory_rss", residentBytes],
    ["used_memory_rss_human", humanBytes(residentBytes)],
    ["used_memory_peak", peakBytes],
    ["used_memory_peak_human", humanBytes(peakBytes)],
    ["used_memory_peak_perc", percentText(percentOf(usedBytes, peakBytes))],
    ["used_memory_overhead", figures.overheadBytes],
    ["used_memory_startup", 0],
    ["used_memory_dataset", figures.datasetBytes],
    ["used_memory_dataset_perc", percentText(percentOf(figures.datasetBytes, usedBytes))],
    ["allocator_allocated", allocatedBytes],
    ["allocator_active", activeBytes],
    ["allocator_resident", committedBytes],
    ["total_system_memory", system.physicalMemoryBytes],
    ["total_system_memory_human", humanBytes(system.physicalMemoryBytes)],
    ...SCRIPT_MEMORY_FIELDS,
    ["maxmemory", settings.maxmemoryBytes],
    ["maxmemory_human", humanBytes(settings.maxmemoryBytes)],
    ["maxmemory_policy", settings.maxmemoryPolicy],
    ["allocator_frag_ratio", ratio(activeBytes, allocatedBytes).toFixed(2)],
    ["allocator_frag_bytes", activeBytes - allocatedBytes],
    ["allocator_rss_ratio", ratio(committedBytes, activeBytes).toFixed(2)],
    ["allocator_rss_bytes", committedBytes - activeBytes],
    ["rss_overhead_ratio", ratio(residentBytes, committedBytes).toFixed(2)],
    ["rss_overhead_bytes", residentBytes - committedBytes],
    ["mem_fragmentation_ratio", ratio(residentBytes, usedBytes).toFixed(2)],
    ["mem_fragmentation_bytes", residentBytes - usedBytes],
    ["mem_not_counted_for_evict", server.persistence.aof.surplusBytes + replicas.surplusBytes],
    ["mem_replication_backlog", figures.backlogBytes],
    ["mem_total_replication_buffers", replicas.keptBytes],
    ["mem_clients_slaves", figures.replicaBytes],
    ["mem_clients_normal", figures.clientBytes],
    ["mem_cluster_links", 0],
    ["mem_aof_buffer", figures.aofBufferBytes],
    ["mem_allocator", "pages"],
    ["active_defrag_running", 0],
    ["lazyfree_pending_objects", keyspace.lazyFree.pendingObjects],
    ["lazyfreed_objects", keyspace.lazyFree.freedObjects],
  ];
}

const SCRIPT_MEMORY_FIELDS: readonly Field[] = [
  ["used_memory_lua", 0],
  ["used_memory_vm_eval", 0],
  ["used_memory_lua_human", "0B"],
  ["used_memory_scripts_eval", 0],
  ["number_of_cached_scripts", 0],
  ["number_of_functions", 0],
  ["number_of_libraries", 0],
  ["used_memory_vm_functions", 0],
  ["used_memory_vm_total", 0],
  ["used_memory_vm_total_human", "0B"],
  ["used_memory_functions", 0],
  ["used_memory_scripts", 0],
  ["used_memory_scripts_human", "0B"],
];

function statsFields(server: Server): Field[] {
  const { statistics, keyspace, pubsub, tracking } = server;
  return [
    ["total_connections_received", statistics.connectionsReceived],
    ["total_commands_processed", server.dispatcher.executedCommands],
    ["instantaneous_ops_per_sec", Math.floor(statistics.operations.perSecond)],
    ["total_net_input_bytes", statistics.inputBytes],
    ["total_net_output_bytes", statistics.outputBytes],
    ["total_net_repl_input_bytes", statistics.replicationInputBytes],
    ["total_net_repl_output_bytes", statistics.replicationOutputBytes],
    ["instantaneous_input_kbps", (statistics.input.perSecond / 1024).toFixed(2)],
    ["instantaneous_output_kbps", (statistics.output.perSecond / 1024).toFixed(2)],
    ["instantaneous_input_repl_kbps", (statistics.replicationInput.perSecond / 1024).toFixed(2)],
    ["instantaneous_output_repl_kbps", (statistics.replicationOutput.perSecond / 1024).toFixed(2)],
    ["rejected_connections", statistics.connectionsRejected],
    ["sync_full", statistics.fullSyncs],
    ["sync_partial_ok", statistics.partialSyncs],
    ["sync_partial_err", statistics.partialSyncsRefused],
    ["expired_keys", keyspace.expiredKeys],
    ["expired_stale_perc", statistics.expiredStalePercentage.toFixed(2)],
    ["expired_time_cap_reached_count", statistics.expireCyclesTimeLimited],
    ["expire_cycle_cpu_milliseconds", Math.floor(statistics.activeExpireUs / 1000)],
    ["evicted_keys", statistics.evictedKeys],
    ["evicted_clients", statistics.evictedClients],
    ["total_eviction_exceeded_time", 0],
    ["current_eviction_exceeded_time", 0],
    ["keyspace_hits", keyspace.hits],
    ["keyspace_misses", keyspace.misses],
    ["pubsub_channels", pubsub.channels.channels.size],
    ["pubsub_patterns", pubsub.patterns.channels.size],
    ["pubsubshard_channels", pubsub.shards.channels.size],
    ["latest_fork_usec", Math.round(statistics.latestForkUs)],
    ["total_forks", statistics.forks],
    ["migrate_cached_sockets", server.migrateLinks.count],
    ["slave_expires_tracked_keys", server.replication.localExpiries.count],
    ["active_defrag_hits", 0],
    ["active_defrag_misses", 0],
    ["active_defrag_key_hits", 0],
    ["active_defrag_key_misses", 0],
    ["total_active_defrag_time", 0],
    ["current_active_defrag_time", 0],
    ["tracking_total_keys", tracking.keys],
    ["tracking_total_items", tracking.items],
    ["tracking_total_prefixes", tracking.prefixes],
    ["unexpected_error_replies", statistics.unexpectedErrorReplies],
    ["total_error_replies", statistics.totalErrorReplies],
    ["dump_payload_sanitizations", server.persistence.sanitizations],
    ["total_reads_processed", 0],
    ["total_writes_processed", 0],
    ["io_threaded_reads_processed", 0],
    ["io_threaded_writes_processed", 0],
    ["reply_buffer_shrinks", 0],
    ["reply_buffer_expands", 0],
  ];
}

function replicationFields(server: Server): Field[] {
  const { replication, settings } = server, { stream, replicas, master } = replication, nowMs = server.nowMs();
  const isGuarded = settings.minReplicasToWrite > 0 && settings.minReplicasMaxLagSeconds > 0;
  return [
    ["role", master === null ? "master" : "slave"],
    ...(master === null ? [] : masterFields(server, master)),
    ["connected_slaves", replicas.all.size],
    ...(isGuarded ? [["min_slaves_good_slaves", replicas.goodCount] as Field] : []),
    ...[...replicas.all].map((link, index) => replicaField(link, index, nowMs)),
    ["master_failover_state", "no-failover"],
    ["master_replid", stream.id],
    ["master_replid2", stream.id2],
    ["master_repl_offset", stream.offset],
    ["second_repl_offset", stream.secondOffset],
    ["repl_backlog_active", stream.isOpen ? 1 : 0],
    ["repl_backlog_size", settings.replBacklogBytes],
    ["repl_backlog_first_byte_offset", stream.isOpen ? stream.backlogOffset + 1 : 0],
    ["repl_backlog_histlen", stream.offset - stream.backlogOffset],
  ];
}

function replicaField(link: ReplicaLink, index: number, nowMs: number): Field {
  const { ip, listeningPort, state, ackOffset } = link;
  const lagSeconds = state === "online" ? Math.floor((nowMs - link.ackMs) / 1000) : 0;
  const name = REPLICA_STATE_NAMES[state];
  return [`slave${index}`, `ip=${ip},port=${listeningPort},state=${name},offset=${ackOffset},lag=${lagSeconds}`];
}

/** What a replica says of its master. */
function masterFields(server: Server, master: MasterLink): Field[] {
  const { settings, replication } = server, nowMs = server.nowMs(), isUp = replication.isLinkUp;
  const seconds = (sinceMs: number) => Math.floor((nowMs - sinceMs) / 1000);
  return [
    ["master_host", master.host],
    ["master_port", master.port],
    ["master_link_status", isUp ? "up" : "down"],
    ["master_last_io_seconds_ago", isUp ? seconds(master.lastIoMs) : -1],
    ["master_sync_in_progress", master.state === "sync" ? 1 : 0],
    ["slave_read_repl_offset", master.receivedOffset],
    ["slave_repl_offset", replication.stream.offset],
    ...(master.state === "sync" ? transferFields(master, seconds(master.lastIoMs)) : []),
    ...(isUp
      ? []
      : [["master_link_down_since_seconds", master.downSinceMs === 0 ? -1 : seconds(master.downSinceMs)] as Field]),
    ["slave_priority", settings.replicaPriority],
    ["slave_read_only", settings.replicaReadOnly ? 1 : 0],
    ["replica_announced", settings.replicaAnnounced ? 1 : 0],
  ];
}

function transferFields({ receiver }: MasterLink, silentSeconds: number): Field[] {
  const total = receiver?.totalBytes ?? 0, received = receiver?.receivedBytes ?? 0;
  return [
    ["master_sync_total_bytes", total],
    ["master_sync_read_bytes", received],
    ["master_sync_left_bytes", total - received],
    ["master_sync_perc", percentOf(received, total).toFixed(2)],
    ["master_sync_last_io_seconds_ago", silentSeconds],
  ];
}

function cpuFields(server: Server): Field[] {
  const { user, system } = server.system.cpuSeconds();
  return [
    ["used_cpu_sys", system.toFixed(6)],
    ["used_cpu_user", user.toFixed(6)],
    ["used_cpu_sys_children", "0.000000"],
    ["used_cpu_user_children", "0.000000"],
  ];
}

function commandstatsFields(server: Server): Field[] {
  const fields: Field[] = [];
  for (const { fullName, statistics } of server.table.all()) {
    const { calls, microseconds, rejectedCalls, failedCalls } = statistics;
    if (calls + rejectedCalls + failedCalls === 0) continue;
    const perCall = calls === 0 ? 0 : microseconds / calls;
    const times = `usec=${Math.round(microseconds)},usec_per_call=${perCall.toFixed(2)}`;
    fields.push([
      `cmdstat_${fullName}`,
      `calls=${calls},${times},rejected_calls=${rejectedCalls},failed_calls=${failedCalls}`,
    ]);
  }
  return fields;
}

function errorstatsFields(server: Server): Field[] {
  const codes = [...server.statistics.errors].sort(([a], [b]) => a < b ? -1 : 1);
  return codes.map(([code, count]) => [`errorstat_${code.replace(/[#:\r\n]/g, "_")}`, `count=${count}`]);
}

function latencystatsFields(server: Server): Field[] {
  const { latencyTracking, latencyTrackingInfoPercentiles } = server.settings;
  if (!latencyTracking) return [];
  const fields: Field[] = [];
  for (const { fullName, latency } of server.table.all()) {
    if (latency === null) continue;
    const histogram = latency as LatencyHistogram;
    const parts = latencyTrackingInfoPercentiles.map((percent) =>
      `p${percent}=${histogram.percentile(percent).toFixed(3)}`
    );
    fields.push([`latency_percentiles_usec_${fullName}`, parts.join(",")]);
  }
  return fields;
}

function keyspaceFields({ keyspace }: Server): Field[] {
  const used = keyspace.databases.filter((db) => keyspace.size(db) > 0);
  return used.map((db) => {
    const averageTtlMs = Math.floor(db.expiry.averageTtlMs);
    return [`db${db.index}`, `keys=${keyspace.size(db)},expires=${db.expiry.count},avg_ttl=${averageTtlMs}`];
  });
}

function percentText(percent: number): string {
  return `${percent.toFixed(2)}%`;
}
