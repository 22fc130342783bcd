/** What LATENCY DOCTOR says: figures of each event that had spikes, and what may help against them. */
import type { LatencyEvent } from "./latency_monitor.ts";
import type { Server } from "./server.ts";

const DISABLED =
  "Latency monitoring is off in this server, and nothing was recorded. CONFIG SET latency-monitor-threshold <milliseconds> " +
  "switches it on.\n";
const QUIET = "No latency spike of at least latency-monitor-threshold milliseconds was recorded. Nothing to report.\n";

/** Advice by event; the texts are shown once, however many events call for them. */
const ADVICE: Readonly<Record<string, readonly string[]>> = {
  "command": [
    "Look at the slow commands with SLOWLOG GET; slowlog-log-slower-than says from which time on commands are logged.",
    "Large values are slow to create and to delete: UNLINK and the lazyfree directives free them in slices.",
  ],
  "fast-command": ["Commands that take constant time were slow: the machine may be short of processors or swapping."],
  "fork": [
    "Taking a snapshot stalled the server: it should not depend on the size of the data; check the load of the machine.",
  ],
  "aof-write-pending-fsync": [
    "The log was written while a sync was still running: the disk is slow, or others use it as well.",
  ],
  "aof-write-active-child": [
    "The log was written while a save was running; no-appendfsync-on-rewrite trades durability for latency.",
  ],
  "aof-write-alone": ["Writing to the log is slow in itself: check the disk and its file system."],
  "aof-write": ["Writing to the log is slow: check the disk and its file system."],
  "aof-fsync-always": [
    "appendfsync always syncs before each reply: everysec costs less, and may lose up to two seconds.",
  ],
  "expire-cycle": ["Many keys expire together: spread their times, or raise hz so that each cycle does less."],
  "eviction-cycle": ["Many keys had to be evicted at once: maxmemory was lowered, or a large value came in."],
};

export function latencyReport(server: Server): string {
  const events = [...server.latency.events.values()].filter((event) => event.spikes.length > 0);
  if (events.length === 0) return server.latency.thresholdMs === 0 ? DISABLED : QUIET;
  const nowSeconds = Math.floor(server.nowMs() / 1000);
  const lines = events.map((event, i) => `${i + 1}. ${describe(event, nowSeconds)}\n`);
  const advice = new Set(events.flatMap(({ name }) => ADVICE[name] ?? []));
  const closing = advice.size === 0 ? "" : "\nAdvice:\n\n" + [...advice].map((one) => `- ${one}\n`).join("");
  return "Latency spikes were recorded in this server:\n\n" + lines.join("") + closing;
}

function describe({ name, spikes, maxMilliseconds }: LatencyEvent, nowSeconds: number): string {
  const count = spikes.length, sum = spikes.reduce((total, spike) => total + spike.milliseconds, 0);
  const average = sum / count;
  const deviation = spikes.reduce((total, spike) => total + Math.abs(spike.milliseconds - average), 0) / count;
  const periodSeconds = Math.max(1, nowSeconds - spikes[0].unixSeconds) / count;
  return `${name}: ${count} latency spikes (average ${Math.floor(average)}ms, mean deviation ${
    Math.floor(deviation)
  }ms, ` +
    `period ${periodSeconds.toFixed(2)} sec). Worst all time event ${maxMilliseconds}ms.`;
}
