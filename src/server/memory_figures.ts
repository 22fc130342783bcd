/** What memory goes to, computed once for INFO memory, MEMORY STATS and MEMORY DOCTOR, by Redis's names for the parts. */
import type { Database } from "../keyspace/database.ts";
import type { Server } from "./server.ts";

export interface DatabaseOverhead {
  readonly index: number;
  readonly mainBytes: number;
  readonly expiresBytes: number;
}

export interface MemoryFigures {
  /** Data, frames, buffers: Redis's used_memory. */
  readonly usedBytes: number;
  readonly peakBytes: number;
  readonly residentBytes: number;
  /** Of normal clients; of replicas, with what they are behind by more than the backlog; the backlog. */
  readonly clientBytes: number;
  readonly replicaBytes: number;
  readonly backlogBytes: number;
  readonly aofBufferBytes: number;
  readonly databases: readonly DatabaseOverhead[];
  /** All that is not keys and values. */
  readonly overheadBytes: number;
  readonly datasetBytes: number;
  readonly keys: number;
  /** Bytes of taken blocks; of the slabs and runs that hold them; of those and the frames of a snapshot. */
  readonly allocatedBytes: number;
  readonly activeBytes: number;
  readonly committedBytes: number;
}

export function memoryFigures(server: Server): MemoryFigures {
  const { allocator, keyspace, memory, statistics } = server;
  const usedBytes = server.usedMemoryBytes;
  if (usedBytes > statistics.peakMemoryBytes) {
    statistics.peakMemoryBytes = usedBytes, statistics.peakMemoryMs = server.nowMs();
  }
  const { replicas } = server.replication, replicaBytes = replicas.clientBytes + replicas.surplusBytes;
  const backlogBytes = replicas.keptBytes - replicas.surplusBytes;
  const clientBytes = server.clientMemory.bytes - replicas.clientBytes,
    aofBufferBytes = server.persistence.aof.bufferBytes;
  const databases = keyspace.databases.filter((db) => keyspace.size(db) > 0).map((db) => overheadOf(server, db));
  const tableBytes = databases.reduce((sum, db) => sum + db.mainBytes + db.expiresBytes, 0);
  const overheadBytes = clientBytes + replicaBytes + backlogBytes + aofBufferBytes + memory.frameBytes + tableBytes;
  return {
    usedBytes,
    peakBytes: statistics.peakMemoryBytes,
    residentBytes: server.system.residentBytes(),
    clientBytes,
    replicaBytes,
    backlogBytes,
    aofBufferBytes,
    databases,
    overheadBytes,
    datasetBytes: Math.max(0, usedBytes - overheadBytes),
    keys: keyspace.databases.reduce((sum, db) => sum + keyspace.size(db), 0),
    allocatedBytes: allocator.liveBytes,
    activeBytes: allocator.usedBytes,
    committedBytes: memory.dataBytes + memory.frameBytes,
  };
}

function overheadOf({ keyspace }: Server, db: Database): DatabaseOverhead {
  return { index: db.index, mainBytes: keyspace.dict.overheadBytes(db.dict), expiresBytes: db.expiry.bytes };
}

/** a ÷ b, or 1 when there is nothing to compare with. */
export function ratio(a: number, b: number): number {
  return b > 0 ? a / b : 1;
}

/** Part of a whole in percent, 0 of nothing. */
export function percentOf(part: number, whole: number): number {
  return whole > 0 ? (part / whole) * 100 : 0;
}

/** "1.50M": bytes in the largest binary unit that gives at least one. */
export function humanBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes}B`;
  const units = "KMGTP";
  let value = bytes / 1024, unit = 0;
  while (value >= 1024 && unit < units.length - 1) value /= 1024, unit++;
  return value.toFixed(2) + units[unit];
}
