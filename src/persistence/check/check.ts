/**
 * Checks an RDB file, a log file, or the directory of a log, and works out what a repair would do. Reads only; `repair.ts` writes.
 *
 * A log is loaded in order, and what is behind damage depends on what was lost in it. So a repair of a directory keeps files up to the first
 * that is damaged beyond restoring, and the sound start of that one. Damage at the very end loses the end; damage before it loses files that
 * are themselves sound, and that is for people to decide.
 */
import type { Storage } from "../../io/storage.ts";
import { type AofFile, AofManifest } from "../aof/aof_manifest.ts";
import { AofCheck, type AofFinding, type CommandBook, LostCommands } from "./aof_check.ts";
import { ByteSource } from "./byte_source.ts";
import { dataSetPath } from "./data_set_path.ts";
import { KeyNames } from "./key_names.ts";
import { checkManifest } from "./manifest_check.ts";
import { type Random, RdbCheck, type RdbFinding } from "./rdb_check.ts";
import { isLossless, type Remedy } from "./remedy.ts";
import {
  type CheckReport,
  type FileReport,
  type FileRole,
  type Loss,
  NOTHING_LOST,
  type RepairReport,
  REPORT_FORMAT,
} from "./report.ts";

const ORPHAN_NOTE = "the manifest does not name it: it is not loaded";
const UNKNOWN_NOTE = "whether it belongs to the log only the manifest tells";

/** What a repair writes: one file, or a directory of them. */
export type RepairPlan =
  | { readonly kind: "file"; readonly from: string; readonly remedy: Remedy }
  | {
    readonly kind: "directory";
    readonly from: string;
    readonly files: readonly { readonly name: string; readonly remedy: Remedy }[];
    readonly manifestName: string;
    readonly manifestText: string;
  };

export interface Checked {
  readonly report: CheckReport;
  /** Null when there is nothing to repair, or no way to. */
  readonly plan: RepairPlan | null;
}

/** A file of a directory's log, checked. */
interface CheckedFile {
  readonly report: FileReport;
  /** Null when it is missing. */
  readonly finding: AofFinding | null;
}

export class Check {
  readonly #storage: Storage;
  readonly #rdb: RdbCheck;
  readonly #aof: AofCheck;

  constructor(storage: Storage, random: Random, book: CommandBook) {
    this.#storage = storage, this.#rdb = new RdbCheck(random), this.#aof = new AofCheck(this.#rdb, book);
  }

  /** @throws {CheckError, StorageError} there is no verdict */
  check(path: string): Checked {
    const found = dataSetPath(this.#storage, path, "check");
    if (found.kind === "directory") return this.#directory(found.directory, found.manifestName);
    return found.kind === "rdb" ? this.#dump(path, found.name) : this.#logFile(path, found.name);
  }

  // ---- one file ------------------------------------------------------------------------------------------------

  #dump(path: string, name: string): Checked {
    return ByteSource.use(this.#storage, path, (source) => {
      const rdb = this.#rdb.check(source, false), { damage, remedy, notes } = rdb;
      const report = fileReport(name, "dump", source.sizeBytes, { rdb, damage, notes });
      return oneFile(path, "rdb", report, remedy, lossOf(rdb, new LostCommands()));
    });
  }

  #logFile(path: string, name: string): Checked {
    return ByteSource.use(this.#storage, path, (source) => {
      const finding = this.#aof.check(source, { name, logId: null, isLast: true });
      const report = fileReport(name, "log", source.sizeBytes, finding);
      return oneFile(path, "aof", report, finding.remedy, lossOf(finding.rdb, finding.lost));
    });
  }

  // ---- a directory ---------------------------------------------------------------------------------------------

  #directory(directory: string, manifestName: string): Checked {
    const path = directory.length > 1 && directory.endsWith("/") ? directory.slice(0, -1) : directory;
    return ByteSource.use(this.#storage, `${path}/${manifestName}`, (source) => {
      const { manifest, damage, remedy } = checkManifest(source);
      const own = fileReport(manifestName, "manifest", source.sizeBytes, { damage });
      if (manifest === null) return this.#withoutManifest(path, own, remedy);
      const files = this.#filesOf(path, manifest);
      const reports = [own, ...files.map((file) => file.report), ...this.#historyOf(path, manifest)];
      const orphans = this.#orphansOf(path, manifest, manifestName);
      const repair = planOf(manifest, files, damage !== null, (file) => this.#lose(`${path}/${file.report.name}`));
      const plan: RepairPlan | null = repair.kept === null || repair.report.possible === "not needed"
        ? null
        : { kind: "directory", from: path, files: repair.kept, manifestName, manifestText: repair.manifest.format() };
      return { report: reportOf(path, "directory", [...reports, ...orphans], repair.report), plan };
    });
  }

  #withoutManifest(path: string, own: FileReport, remedy: Remedy): Checked {
    const text = remedy.kind === "impossible" ? remedy.reason : "";
    const others = this.#orphansOf(path, new AofManifest(), own.name, UNKNOWN_NOTE);
    const repair: RepairReport = { possible: "no", text, loss: NOTHING_LOST, writtenTo: null };
    return { report: reportOf(path, "directory", [own, ...others], repair), plan: null };
  }

  #filesOf(path: string, manifest: AofManifest): CheckedFile[] {
    const { files } = manifest;
    return files.map((file, index) => {
      const role: FileRole = file === manifest.base ? "base" : "increment";
      return this.#logOf(path, file, role, manifest.logId, index === files.length - 1);
    });
  }

  #logOf(path: string, file: AofFile, role: FileRole, logId: number | null, isLast: boolean): CheckedFile {
    const { name } = file;
    if (!this.#storage.exists(`${path}/${name}`)) return { report: missing(name, role), finding: null };
    return ByteSource.use(this.#storage, `${path}/${name}`, (source) => {
      // A base is written and synced whole: its end is never torn.
      const finding = this.#aof.check(source, { name, logId, isLast: isLast && role === "increment" });
      return { report: fileReport(name, role, source.sizeBytes, finding), finding };
    });
  }

  #lose(path: string): LostCommands {
    return ByteSource.use(this.#storage, path, (source) => this.#aof.lose(source));
  }

  #historyOf(path: string, manifest: AofManifest): FileReport[] {
    return manifest.history.filter(({ name }) => this.#storage.exists(`${path}/${name}`))
      .map(({ name }) =>
        this.#unread(path, name, "history", "no part of the data any more; removed at the next start")
      );
  }

  #orphansOf(path: string, manifest: AofManifest, manifestName: string, note = ORPHAN_NOTE): FileReport[] {
    const named = new Set([...manifest.files, ...manifest.history].map((file) => file.name)).add(manifestName);
    return this.#storage.list(path).filter((name) => !named.has(name))
      .map((name) => this.#unread(path, name, "orphan", note));
  }

  #unread(path: string, name: string, role: FileRole, note: string): FileReport {
    const sizeBytes = this.#storage.stat(`${path}/${name}`)?.sizeBytes ?? 0;
    return { name, role, sizeBytes, verdict: "not read", rdb: null, commands: null, damage: null, notes: [note] };
  }
}

/** What a check found in a file, of whatever kind. */
interface Finding {
  readonly rdb?: RdbFinding | null;
  readonly commands?: FileReport["commands"];
  readonly damage: FileReport["damage"];
  readonly notes?: readonly string[];
}

function fileReport(name: string, role: FileRole, sizeBytes: number, finding: Finding): FileReport {
  const { rdb, commands, damage, notes } = finding, verdict = damage === null ? "sound" : "damaged";
  return {
    name,
    role,
    sizeBytes,
    verdict,
    rdb: rdb?.facts ?? null,
    commands: commands ?? null,
    damage,
    notes: notes ?? [],
  };
}

function missing(name: string, role: FileRole): FileReport {
  return {
    name,
    role,
    sizeBytes: 0,
    verdict: "missing",
    rdb: null,
    commands: null,
    damage: null,
    notes: ["the manifest names it, and it is not there"],
  };
}

function reportOf(
  path: string,
  kind: CheckReport["kind"],
  files: readonly FileReport[],
  repair: RepairReport,
): CheckReport {
  const isSound = files.every(({ verdict }) => verdict === "sound" || verdict === "not read");
  return { format: REPORT_FORMAT, path, kind, verdict: isSound ? "sound" : "damaged", files, repair };
}

function lossOf(rdb: RdbFinding | null, lost: LostCommands): Loss {
  const names = new KeyNames();
  if (rdb !== null) names.addAll(rdb.keyNames);
  names.addAll(lost.keyNames);
  return {
    keys: rdb?.keysLost ?? 0,
    commands: lost.count,
    isAtLeast: lost.isAtLeast || (rdb?.isAtLeast ?? false),
    keyNames: names.names,
    hasMoreKeyNames: names.hasMore,
  };
}

function oneFile(path: string, kind: "rdb" | "aof", file: FileReport, remedy: Remedy, loss: Loss): Checked {
  const repair = repairOf(remedy, loss);
  const isPossible = repair.possible === "yes" || repair.possible === "lossy";
  return {
    report: reportOf(path, kind, [file], repair),
    plan: isPossible ? { kind: "file", from: path, remedy } : null,
  };
}

function repairOf(remedy: Remedy, loss: Loss): RepairReport {
  const writtenTo = null;
  switch (remedy.kind) {
    case "none":
      return { possible: "not needed", text: "", loss: NOTHING_LOST, writtenTo };
    case "restore":
      return { possible: "yes", text: "one byte gets its old value back", loss: NOTHING_LOST, writtenTo };
    case "cut":
      return { possible: "yes", text: `the copy ends at offset ${remedy.atBytes}`, loss, writtenTo };
    case "leave out":
      return { possible: "yes", text: "the copy has all other keys", loss, writtenTo };
    case "trust":
      return { possible: "lossy", text: "the copy has all keys, as they read, and a new checksum", loss, writtenTo };
    case "impossible":
      return { possible: "no", text: remedy.reason, loss, writtenTo };
  }
}

interface DirectoryRepair {
  readonly report: RepairReport;
  /** Null when there is no way. */
  readonly kept: readonly { name: string; remedy: Remedy }[] | null;
  readonly manifest: AofManifest;
}

/** What a repair keeps: files up to the first that loses something, and what it keeps of that one. */
function planOf(
  manifest: AofManifest,
  files: readonly CheckedFile[],
  manifestDamaged: boolean,
  lose: (file: CheckedFile) => LostCommands,
): DirectoryRepair {
  const at = files.findIndex(({ finding }) => finding === null || !isLossless(finding.remedy));
  if (at < 0) return keepAll(manifest, files, manifestDamaged);
  const { finding, report } = files[at], remedy = finding?.remedy ?? null;
  const keepsPart = remedy !== null && remedy.kind !== "impossible";
  const kept = files.slice(0, keepsPart ? at + 1 : at), dropped = files.slice(at + 1);
  const loss = lossFrom(finding, dropped, lose);
  const fail = (text: string): DirectoryRepair => ({
    report: { possible: "no", text, loss, writtenTo: null },
    kept: null,
    manifest,
  });
  if (kept.length === 0) {
    return fail(
      `nothing precedes it: ${remedy?.kind === "impossible" ? remedy.reason : "restore the file from a backup"}`,
    );
  }
  const cut = keepsPart ? `the copy of ${report.name} ${whatIsKept(remedy)}` : `${report.name} is left out`;
  const rest = dropped.length === 0 ? "" : `, and what follows is left out: ${names(dropped)}`;
  const isEnd = dropped.length === 0 && keepsPart && remedy.kind !== "trust";
  return {
    report: { possible: isEnd ? "yes" : "lossy", text: cut + rest, loss, writtenTo: null },
    kept: kept.map(keptAs),
    manifest: manifestOf(manifest, kept.length),
  };
}

function keepAll(manifest: AofManifest, files: readonly CheckedFile[], manifestDamaged: boolean): DirectoryRepair {
  const isNeeded = manifestDamaged || files.some(({ finding }) => finding!.remedy.kind !== "none");
  return {
    report: {
      possible: isNeeded ? "yes" : "not needed",
      text: isNeeded ? "each damaged byte gets its old value back" : "",
      loss: NOTHING_LOST,
      writtenTo: null,
    },
    kept: files.map(keptAs),
    manifest,
  };
}

function keptAs({ report, finding }: CheckedFile): { name: string; remedy: Remedy } {
  return { name: report.name, remedy: finding!.remedy };
}

function whatIsKept(remedy: Remedy): string {
  if (remedy.kind === "cut") return `ends at offset ${remedy.atBytes}`;
  return remedy.kind === "leave out" ? "has all other keys" : "has all keys, as they read, and a new checksum";
}

function names(files: readonly CheckedFile[]): string {
  return files.map(({ report }) => report.name).join(", ");
}

/** What the damaged file loses, and all of those behind it. */
function lossFrom(
  finding: AofFinding | null,
  dropped: readonly CheckedFile[],
  lose: (file: CheckedFile) => LostCommands,
): Loss {
  const all = finding?.lost ?? new LostCommands();
  if (finding === null) all.isAtLeast = true;
  for (const file of dropped) all.add(file.finding === null ? null : lose(file));
  return lossOf(finding?.rdb ?? null, all);
}

/** The manifest of the first `count` files that are loaded. History stays behind. */
function manifestOf(manifest: AofManifest, count: number): AofManifest {
  const kept = manifest.copy();
  kept.history = [];
  kept.increments = manifest.increments.slice(0, count - (manifest.base === null ? 0 : 1));
  return kept;
}
