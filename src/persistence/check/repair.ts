/**
 * Writes a repaired copy of what was checked. Orders:
 *  1. the target must not exist, and what was checked is only read;
 *  2. everything is written under a temporary name beside the target, and synced: contents, then (of a directory) names;
 *  3. the temporary name becomes the target's, and the parent directory is synced.
 * After a failure the temporary copy is removed, and the target does not exist. Whoever calls checks the copy again.
 */
import { Crc64 } from "../../base/crc64.ts";
import { EMPTY_BYTES, utf8Encode } from "../../base/bytes.ts";
import {
  type FileHandle,
  parentDirectory,
  type Storage,
  StorageError,
  writeFully,
  writeWhole,
} from "../../io/storage.ts";
import { OPCODE } from "../rdb/rdb_format.ts";
import { ByteSource } from "./byte_source.ts";
import type { RepairPlan } from "./check.ts";
import type { Range, Remedy } from "./remedy.ts";
import { CheckError } from "./report.ts";

const CHECKSUM_BYTES = 8;
const TEMPORARY_SUFFIX = ".being-repaired";

/** Why no copy can be written there; empty when it can. @throws {StorageError} */
export function targetFault(storage: Storage, checked: string, target: string): string {
  const parent = parentDirectory(target), own = checked.endsWith("/") ? checked : `${checked}/`;
  if (storage.stat(target) !== null) return "it exists: a repair writes a new copy only";
  if (target.startsWith(own)) return "it is in the directory that is to be repaired";
  if (storage.stat(parent)?.kind !== "directory") return `there is no directory "${parent}"`;
  if (storage.stat(target + TEMPORARY_SUFFIX) !== null) {
    return `"${target}${TEMPORARY_SUFFIX}" exists, left behind by a repair that was interrupted: remove it`;
  }
  return "";
}

/** @throws {CheckError, StorageError} and then nothing is left behind */
export function writeRepair(storage: Storage, plan: RepairPlan, target: string): void {
  const temporary = target + TEMPORARY_SUFFIX, written: string[] = [];
  try {
    if (plan.kind === "file") copyFile(storage, plan.from, plan.remedy, temporary, written);
    else copyDirectory(storage, plan, temporary, written);
    if (storage.stat(target) !== null) {
      throw new CheckError(`Cannot write "${target}": it has come into being meanwhile`);
    }
    storage.rename(temporary, target);
  } catch (error) {
    for (const path of written.reverse()) removeQuietly(storage, path);
    throw error;
  }
  storage.syncDirectory(parentDirectory(target));
}

function copyDirectory(
  storage: Storage,
  plan: RepairPlan & { kind: "directory" },
  temporary: string,
  written: string[],
): void {
  storage.makeDirectory(temporary);
  written.push(temporary);
  for (const { name, remedy } of plan.files) {
    copyFile(storage, `${plan.from}/${name}`, remedy, `${temporary}/${name}`, written);
  }
  const manifest = `${temporary}/${plan.manifestName}`;
  written.push(manifest);
  writeWhole(storage, manifest, utf8Encode(plan.manifestText));
  storage.syncDirectory(temporary);
}

function copyFile(storage: Storage, from: string, remedy: Remedy, to: string, written: string[]): void {
  ByteSource.use(storage, from, (source) => {
    const file = storage.open(to, "create");
    written.push(to);
    try {
      writeRemedied(storage, source, remedy, file);
      storage.sync(file);
    } finally {
      storage.close(file);
    }
  });
}

function writeRemedied(storage: Storage, source: ByteSource, remedy: Remedy, file: FileHandle): void {
  switch (remedy.kind) {
    case "none":
      return copyBytes(storage, source, 0, source.sizeBytes, file, null);
    case "restore":
      return copyBytes(storage, source.with(remedy.offsetBytes, remedy.was), 0, source.sizeBytes, file, null);
    case "trust":
      withChecksum(storage, source, [{ fromBytes: 0, toBytes: remedy.dataBytes }], EMPTY_BYTES, file);
      // The commands of a log may follow.
      return copyBytes(storage, source, remedy.dataBytes + CHECKSUM_BYTES, source.sizeBytes, file, null);
    case "cut":
      if (remedy.end === "rdb") {
        const kept = [{ fromBytes: 0, toBytes: remedy.atBytes }];
        return withChecksum(storage, source, kept, Uint8Array.of(OPCODE.eof), file);
      }
      copyBytes(storage, source, 0, remedy.atBytes, file, null);
      if (remedy.end === "rdb without checksum") writeFully(storage, file, Uint8Array.of(OPCODE.eof), 0, 1);
      return;
    case "leave out":
      return withChecksum(
        storage,
        source,
        between(remedy.ranges, source.sizeBytes - CHECKSUM_BYTES),
        EMPTY_BYTES,
        file,
      );
    case "impossible":
      throw new CheckError(`Cannot repair "${source.path}": ${remedy.reason}`);
  }
}

/** What of the first `dataBytes` bytes is in none of these ranges. */
function between(ranges: readonly Range[], dataBytes: number): Range[] {
  const starts = [0, ...ranges.map(({ toBytes }) => toBytes)],
    ends = [...ranges.map(({ fromBytes }) => fromBytes), dataBytes];
  return starts.map((fromBytes, i) => ({ fromBytes, toBytes: ends[i] }));
}

/** The bytes of these ranges, then `end`, then the checksum of all. */
function withChecksum(
  storage: Storage,
  source: ByteSource,
  kept: readonly Range[],
  end: Uint8Array,
  file: FileHandle,
): void {
  const crc = new Crc64(), tail = new Uint8Array(end.length + CHECKSUM_BYTES);
  for (const { fromBytes, toBytes } of kept) copyBytes(storage, source, fromBytes, toBytes, file, crc);
  crc.update(end, 0, end.length);
  tail.set(end);
  crc.writeLittleEndian(tail, end.length);
  writeFully(storage, file, tail, 0, tail.length);
}

/** Bytes [from, to). */
function copyBytes(
  storage: Storage,
  source: ByteSource,
  from: number,
  to: number,
  file: FileHandle,
  crc: Crc64 | null,
): void {
  source.forEachPiece(from, to, (piece) => {
    crc?.update(piece, 0, piece.length);
    writeFully(storage, file, piece, 0, piece.length);
    return true;
  });
}

function removeQuietly(storage: Storage, path: string): void {
  try {
    storage.remove(path);
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
  }
}
