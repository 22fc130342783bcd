/**
 * Writes a repaired copy of what was checked. Orders:
 *  1. the target must not exist, and what was checked is only read;
 *  2. everything is written under a temporary name beside the target, and synced: contents, then (of a directory) names;
 *  3. the temporary name becomes the target's, and the parent directory is synced.
 * After a failure the temporary copy is removed, and the target does not exist. Whoever calls checks the copy again.
 */
import { Crc64 } from "../../base/crc64.ts";
import { utf8Encode } from "../../base/bytes.ts";
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
import type { Remedy } from "./remedy.ts";
import { CheckError } from "./report.ts";

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
      return copyBytes(storage, source, source.sizeBytes, file, null);
    case "restore":
      return copyBytes(storage, source.with(remedy.offsetBytes, remedy.was), source.sizeBytes, file, null);
    case "trust":
      return withChecksum(storage, source, remedy.dataBytes, new Uint8Array(0), file);
    case "cut":
      if (remedy.end === "rdb") return withChecksum(storage, source, remedy.atBytes, Uint8Array.of(OPCODE.eof), file);
      copyBytes(storage, source, remedy.atBytes, file, null);
      if (remedy.end === "rdb without checksum") writeFully(storage, file, Uint8Array.of(OPCODE.eof), 0, 1);
      return;
    case "impossible":
      throw new CheckError(`Cannot repair "${source.path}": ${remedy.reason}`);
  }
}

/** The first `length` bytes, then `end`, then the checksum of all. */
function withChecksum(storage: Storage, source: ByteSource, length: number, end: Uint8Array, file: FileHandle): void {
  const crc = new Crc64(), tail = new Uint8Array(end.length + 8);
  copyBytes(storage, source, length, file, crc);
  crc.update(end, 0, end.length);
  tail.set(end);
  crc.writeLittleEndian(tail, end.length);
  writeFully(storage, file, tail, 0, tail.length);
}

function copyBytes(storage: Storage, source: ByteSource, length: number, file: FileHandle, crc: Crc64 | null): void {
  source.forEachPiece(0, length, (piece) => {
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
