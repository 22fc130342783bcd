/** What an inspection found, for a terminal of at least 80 columns. */
import type { DataSource } from "./data_source.ts";
import type { FileDamage } from "./rdb_keys.ts";
import type { LogAccount } from "./log_account.ts";
import { DAY_MS, HOUR_MS, type MemoryAccount, MINUTE_MS, PREFIX_SUM, SECOND_MS, type Sums } from "./memory_account.ts";
import { prefixRows } from "./prefix_rows.ts";
import { countText, percentText, plural, sizeText, textTable } from "./text_table.ts";

/** A prefix with less of the memory has no line of its own. */
const PREFIX_SHARE_MIN = 0.01, PREFIX_ROWS_MAX = 20;

export interface InspectedText {
  readonly source: DataSource;
  readonly account: MemoryAccount;
  readonly log: LogAccount | null;
  readonly damage: FileDamage | null;
  readonly nowMs: number;
  readonly width: number;
}

export function inspectText(inspected: InspectedText): string {
  const { source: { name, what, sizeBytes }, account, log, width } = inspected, { total } = account;
  const lines = [
    `${name}: ${what}, ${sizeText(sizeBytes)}, ${plural(total.keys, "key")}, ${sizeText(account.allBytes)} in memory`,
    ...damageLines(inspected.damage),
  ];
  if (total.keys > 0) {
    for (const section of [overall, byEncoding, byTtl, byPrefix]) lines.push("", ...section(account, width));
    if (account.largest.length > 0) lines.push("", ...largest(account, inspected.nowMs, width));
  }
  if (log !== null) lines.push("", ...logLines(log, width));
  return lines.join("\n") + "\n";
}

function damageLines(damage: FileDamage | null): string[] {
  if (damage === null) return [];
  const { path, offsetBytes, reason } = damage;
  return [
    `DAMAGED at offset ${offsetBytes}: ${reason}. The figures are those of what stands before it.`,
    `deno task check ${path} says more, and repairs a copy.`,
  ];
}

function overall(account: MemoryAccount, width: number): string[] {
  const { total, allBytes, tableBytes, expiryIndexBytes, databases } = account;
  const row = (
    name: string,
    keys: string,
    bytes: number,
  ) => [name, keys, sizeText(bytes), percentText(bytes, allBytes)];
  const perDatabase = databases.length === 1 ? [] : databases.map(({ index, keys, memoryBytes }) => {
    return row(`  database ${index}`, countText(keys), memoryBytes);
  });
  return textTable(["where the memory goes", "keys", "memory", "share"], [
    row("keys and values", countText(total.keys), total.memoryBytes),
    ...perDatabase,
    row("hash tables of the databases", "", tableBytes),
    row(
      "index of keys that expire",
      countText(databases.reduce((sum, { expires }) => sum + expires, 0)),
      expiryIndexBytes,
    ),
  ], width);
}

function sumCells(sums: Sums, account: MemoryAccount): string[] {
  return [
    countText(sums.keys),
    sizeText(sums.memoryBytes),
    percentText(sums.memoryBytes, account.total.memoryBytes),
    sizeText(Math.round(sums.memoryBytes / sums.keys)),
    sizeText(sums.largestBytes),
  ];
}

const SUM_HEADINGS = ["keys", "memory", "share", "average", "largest"];

function byEncoding(account: MemoryAccount, width: number): string[] {
  const rows = account.byEncoding.map(({ type, encoding, sums }) => [
    type === encoding ? type : `${type}, ${encoding}`,
    ...sumCells(sums, account),
    countText(sums.length),
  ]);
  return textTable(["type and encoding", ...SUM_HEADINGS, "length"], rows, width);
}

function byTtl(account: MemoryAccount, width: number): string[] {
  const rows = account.byTtl.map(({ name, sums }) => [name, ...sumCells(sums, account)]);
  return textTable(["time to live", ...SUM_HEADINGS], rows, width);
}

function byPrefix(account: MemoryAccount, width: number): string[] {
  const rows = prefixRows(account.prefixes, PREFIX_SHARE_MIN), shown = rows.slice(0, PREFIX_ROWS_MAX);
  const cells = shown.map(({ pattern, sums }) => {
    const keys = sums[PREFIX_SUM.keys], bytes = sums[PREFIX_SUM.memoryBytes];
    return [
      pattern,
      countText(keys),
      sizeText(bytes),
      percentText(bytes, account.total.memoryBytes),
      sizeText(Math.round(bytes / keys)),
    ];
  });
  const more = rows.length > shown.length ? [`… and ${rows.length - shown.length} more`] : [];
  return [...textTable(["prefix", "keys", "memory", "share", "average"], cells, width), ...more];
}

function largest(account: MemoryAccount, nowMs: number, width: number): string[] {
  const rows = account.largest.map(({ database, key, type, encoding, length, memoryBytes, expiresAtMs }) => [
    database === 0 ? key : `${key} in ${database}`,
    type === encoding ? type : `${type}, ${encoding}`,
    countText(length),
    sizeText(memoryBytes),
    ttlText(expiresAtMs, nowMs),
  ]);
  return textTable(["largest keys", "type", "length", "memory", "expires"], rows, width);
}

export function ttlText(expiresAtMs: number, nowMs: number): string {
  if (expiresAtMs < 0) return "never";
  const left = expiresAtMs - nowMs;
  if (left < 0) return "is over";
  if (left < MINUTE_MS) return `${Math.floor(left / SECOND_MS)} s`;
  if (left < HOUR_MS) return `${Math.floor(left / MINUTE_MS)} min`;
  if (left < 2 * DAY_MS) return `${Math.floor(left / HOUR_MS)} h`;
  return `${countText(Math.floor(left / DAY_MS))} days`;
}

function logLines(log: LogAccount, width: number): string[] {
  const { commandBytes, commandCount, annotationBytes } = log;
  const summary = `${plural(commandCount, "command")} in the log take ${sizeText(commandBytes)}` +
    (annotationBytes === 0 ? "" : `, its annotations ${sizeText(annotationBytes)}`);
  if (commandCount === 0) return [summary];
  const commands = log.byCommand.map(({ name, count, bytes, largestBytes }) => [
    name,
    countText(count),
    sizeText(bytes),
    percentText(bytes, commandBytes),
    sizeText(largestBytes),
  ]);
  const prefixes = prefixRows(log.prefixes, PREFIX_SHARE_MIN).slice(0, PREFIX_ROWS_MAX).map(({ pattern, sums }) => [
    pattern,
    countText(sums[1]),
    sizeText(sums[0]),
    percentText(sums[0], commandBytes),
  ]);
  return [
    summary,
    "",
    ...textTable(["command", "times", "log", "share", "largest"], commands, width),
    "",
    ...textTable(["prefix of the first key", "commands", "log", "share"], prefixes, width),
  ];
}
