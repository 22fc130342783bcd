/**
 * What a check says, in the form that `--json` prints: plain data, no methods, no cycles.
 *
 * Offsets count bytes from the start of the file. Names of keys are as redis-cli shows them: quoted, other bytes as \xhh.
 */

/** The form of a report; a change that breaks readers gets a new number. */
export const REPORT_FORMAT = "afterimage-check/1";

export interface CheckReport {
  readonly format: typeof REPORT_FORMAT;
  readonly path: string;
  readonly kind: "rdb" | "aof" | "directory";
  /** Damaged when anything at all is wrong. */
  readonly verdict: "sound" | "damaged";
  /** The manifest first, then what it names in the order of loading, then orphans. */
  readonly files: readonly FileReport[];
  readonly repair: RepairReport;
}

export type FileRole = "manifest" | "dump" | "base" | "increment" | "history" | "orphan" | "log";

export interface FileReport {
  readonly name: string;
  readonly role: FileRole;
  readonly sizeBytes: number;
  /** History and orphans are no part of the data set and are not read. */
  readonly verdict: "sound" | "damaged" | "missing" | "not read";
  /** Of an RDB file, or an RDB preamble: its version, the keys read, and what became of its checksum. */
  readonly rdb: RdbFacts | null;
  /** Of commands: those read before any damage. */
  readonly commands: CommandFacts | null;
  readonly damage: Damage | null;
  /** What else is worth knowing; nothing in it makes a file damaged. */
  readonly notes: readonly string[];
}

export interface RdbFacts {
  readonly version: number;
  readonly keys: number;
  readonly checksum: "matches" | "differs" | "absent" | "not reached";
}

export interface CommandFacts {
  readonly count: number;
  readonly transactions: number;
  /** Bytes that a chain of checksums vouches for; 0 in files as Redis writes them. */
  readonly sealedBytes: number;
}

export interface Damage {
  /** The first byte that cannot be right: exact when `was` is known, else the first that does not fit what comes before it. */
  readonly offsetBytes: number;
  /** The damage lies at `offsetBytes`, or before it but not before this: the start of the part that it is in. */
  readonly fromBytes: number;
  /** "torn": the file ends, or goes on with zeros only, in the middle of a part: what a crash leaves. */
  readonly kind: "damaged" | "torn";
  readonly reason: string;
  /** What must stand there. */
  readonly expected: string;
  /** What the damaged part is: "string at key "user:17" in database 0", "SET "user:17"", "the checksum". Empty when that is unknown. */
  readonly inside: string;
  /** When one byte alone explains everything: its value now, and what it was. */
  readonly is: number | null;
  readonly was: number | null;
}

/** What a repair leaves out. */
export interface Loss {
  /** Keys of a dump or an RDB base. */
  readonly keys: number;
  /** Commands of logs: a transaction counts as its commands. */
  readonly commands: number;
  /** Whether there may be more than that. */
  readonly isAtLeast: boolean;
  /** Names of the keys that are lost or that lose changes, as far as they can be read: the first ones. */
  readonly keyNames: readonly string[];
  readonly hasMoreKeyNames: boolean;
}

export interface RepairReport {
  /** "not needed": sound. "lossy": only with `--lossy`. */
  readonly possible: "not needed" | "yes" | "lossy" | "no";
  /** What is done, or why it cannot be. */
  readonly text: string;
  readonly loss: Loss;
  /** Where the copy is, when one was written; it has been checked again. */
  readonly writtenTo: string | null;
}

export const NOTHING_LOST: Loss = { keys: 0, commands: 0, isAtLeast: false, keyNames: [], hasMoreKeyNames: false };

/** The file, or its directory, cannot be read, or the arguments make no sense: there is no verdict. */
export class CheckError extends Error {
  override name = "CheckError";
}
