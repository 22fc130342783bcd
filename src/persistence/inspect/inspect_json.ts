/** What `--json` prints: plain data. A change that breaks readers gets a new number. */
import { TYPE_NAMES } from "../../keyspace/entry.ts";
import { CHANGES, type DataDiff, DIFF_SUM } from "./data_diff.ts";
import type { DataSource } from "./data_source.ts";
import type { LogAccount } from "./log_account.ts";
import { type MemoryAccount, PREFIX_SUM } from "./memory_account.ts";
import { prefixRows } from "./prefix_rows.ts";
import type { FileDamage } from "./rdb_keys.ts";

export const INSPECT_FORMAT = "afterimage-inspect/1", DIFF_FORMAT = "afterimage-diff/1";
const PREFIX_SHARE_MIN = 0.001;

export function inspectJson(
  source: DataSource,
  account: MemoryAccount,
  log: LogAccount | null,
  damage: FileDamage | null,
): unknown {
  const { total, allBytes, tableBytes, expiryIndexBytes, databases, byEncoding, byTtl, largest } = account;
  return {
    format: INSPECT_FORMAT,
    path: source.name,
    what: source.what,
    sizeBytes: source.sizeBytes,
    damage,
    memory: { allBytes, keysAndValuesBytes: total.memoryBytes, tableBytes, expiryIndexBytes },
    keys: total.keys,
    databases,
    encodings: byEncoding.map(({ type, encoding, sums }) => ({ type, encoding, ...sums })),
    expiry: byTtl.map(({ name, sums }) => ({ name, ...sums })),
    prefixes: prefixRows(account.prefixes, PREFIX_SHARE_MIN).map(({ pattern, sums }) => ({
      pattern,
      keys: sums[PREFIX_SUM.keys],
      memoryBytes: sums[PREFIX_SUM.memoryBytes],
      fileBytes: sums[PREFIX_SUM.fileBytes],
    })),
    largest,
    log: log === null ? null : {
      commands: log.commandCount,
      commandBytes: log.commandBytes,
      annotationBytes: log.annotationBytes,
      byCommand: log.byCommand,
      prefixes: prefixRows(log.prefixes, PREFIX_SHARE_MIN).map(({ pattern, sums }) => ({
        pattern,
        bytes: sums[0],
        commands: sums[1],
      })),
    },
  };
}

export function diffJson(before: DataSource, after: DataSource, diff: DataDiff): unknown {
  return {
    format: DIFF_FORMAT,
    before: before.name,
    after: after.name,
    sameKeys: diff.sameKeys,
    ...Object.fromEntries(CHANGES.map((change) => [change, diff.byChange[change]])),
    types: Object.fromEntries(
      TYPE_NAMES.map((name, i) => [name, diff.byType[i]]).filter((_, i) => diff.byType[i].keys > 0),
    ),
    prefixes: prefixRows(diff.prefixes, PREFIX_SHARE_MIN).map(({ pattern, sums }) => ({
      pattern,
      keys: sums[DIFF_SUM.keys],
      bytesBefore: (sums[DIFF_SUM.weight] - sums[DIFF_SUM.growth]) / 2,
      bytesAfter: (sums[DIFF_SUM.weight] + sums[DIFF_SUM.growth]) / 2,
    })),
    largest: diff.largest,
  };
}
