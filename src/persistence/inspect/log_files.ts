/** The files of a log as an inspection reads them: which have commands, and where those begin. Changes no file. */
import type { Storage } from "../../io/storage.ts";
import { latin1Decode } from "../../base/bytes.ts";
import type { Keyspace } from "../../keyspace/keyspace.ts";
import { AofManifest, readManifest } from "../aof/aof_manifest.ts";
import { ByteSource } from "../check/byte_source.ts";
import { type DataSetPath, fileName } from "../check/data_set_path.ts";
import { parentDirectory } from "../../io/storage.ts";
import type { LogAccount } from "./log_account.ts";
import { type FileDamage, forEachRdbKey } from "./rdb_keys.ts";

const MAGIC = "REDIS";

export interface LogFiles {
  readonly directory: string;
  readonly manifest: AofManifest;
  readonly sizeBytes: number;
  /** Path of the base when it begins with an RDB file. */
  readonly rdbPath: string | null;
}

/** @throws {ManifestCorruptError, StorageError} */
export function logFiles(storage: Storage, found: DataSetPath): LogFiles {
  const manifest = new AofManifest(),
    directory = found.kind === "directory" ? found.directory : parentDirectory(found.path);
  if (found.kind === "directory") Object.assign(manifest, readManifest(storage, directory, found.manifestName));
  else manifest.base = { name: fileName(found.path), sequence: 1 };
  const paths = manifest.files.map(({ name }) => `${directory}/${name}`);
  const sizes = paths.map((path) => ByteSource.use(storage, path, ({ sizeBytes }) => sizeBytes));
  const startsWithRdb = paths.length > 0 && ByteSource.use(storage, paths[0], beginsWithRdb);
  return {
    directory,
    manifest,
    sizeBytes: sizes.reduce((sum, size) => sum + size, 0),
    rdbPath: startsWithRdb ? paths[0] : null,
  };
}

function beginsWithRdb(source: ByteSource): boolean {
  return latin1Decode(source.bytes(0, MAGIC.length)) === MAGIC;
}

/** Adds the commands of all files. Null, or the first place where one could not be read on. @throws {StorageError} */
export function addCommands(
  storage: Storage,
  files: LogFiles,
  log: LogAccount,
  scratch: () => Keyspace,
): FileDamage | null {
  for (const { name } of files.manifest.files) {
    const damage = ByteSource.use(storage, `${files.directory}/${name}`, (source) => {
      const start = beginsWithRdb(source) ? rdbEnd(source, scratch()) : { endBytes: 0, damage: null };
      if (start.damage !== null) return start.damage;
      return log.addFile(storage, source.file, source.path, start.endBytes, source.sizeBytes);
    });
    if (damage !== null) return damage;
  }
  return null;
}

/** A base is nothing but an RDB file; where one ends that commands may follow, only reading it tells. */
function rdbEnd({ path, readAt, sizeBytes }: ByteSource, keyspace: Keyspace) {
  if (path.endsWith(".rdb")) return { endBytes: sizeBytes, damage: null };
  return forEachRdbKey({ keyspace, path, readAt, sizeBytes, onProgress: () => {} }, () => {});
}
