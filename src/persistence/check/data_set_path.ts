/** What a path names that somebody gives to a tool: a dump, a file of a log, or a log by its manifest or by the directory of that. */
import { latin1Decode } from "../../base/bytes.ts";
import type { Storage } from "../../io/storage.ts";
import { ByteSource } from "./byte_source.ts";
import { CheckError } from "./report.ts";

export const MANIFEST_SUFFIX = ".manifest", TEMPORARY_PREFIX = "temp-";
const MAGIC = "REDIS", MANIFEST_START = "file ";

export type DataSetPath =
  | { readonly kind: "rdb" | "aof"; readonly path: string; readonly name: string }
  | { readonly kind: "directory"; readonly directory: string; readonly manifestName: string };

/** `verb` is what is to be done with it, for errors. @throws {CheckError, StorageError} */
export function dataSetPath(storage: Storage, path: string, verb: string): DataSetPath {
  const status = storage.stat(path);
  if (status === null) throw new CheckError(`Cannot ${verb} "${path}": there is no such file or directory`);
  if (status.kind === "directory") {
    return { kind: "directory", directory: path, manifestName: manifestIn(storage, path, verb) };
  }
  if (status.kind !== "file") throw new CheckError(`Cannot ${verb} "${path}": it is neither a file nor a directory`);
  const name = fileName(path), kind = kindOf(storage, path, name, verb);
  if (kind !== "manifest") return { kind, path, name };
  return { kind: "directory", directory: path.slice(0, path.length - name.length) || ".", manifestName: name };
}

function kindOf(storage: Storage, path: string, name: string, verb: string): "manifest" | "rdb" | "aof" {
  if (name.endsWith(MANIFEST_SUFFIX)) return "manifest";
  if (name.endsWith(".rdb")) return "rdb";
  if (name.endsWith(".aof")) return "aof";
  const start = ByteSource.use(storage, path, (source) => latin1Decode(source.bytes(0, MAGIC.length)));
  if (start === MAGIC) return "rdb";
  if (start.startsWith("*") || start.startsWith("#")) return "aof";
  if (start === MANIFEST_START) return "manifest";
  throw new CheckError(
    `Cannot ${verb} "${path}": it is neither an RDB file nor a log, by its name or by how it starts. Name a .rdb file, an .aof ` +
      "file, a manifest, or the directory that the manifest is in",
  );
}

/** The name of the manifest in a directory. */
function manifestIn(storage: Storage, directory: string, verb: string): string {
  const names = storage.list(directory);
  const found = names.filter((name) => name.endsWith(MANIFEST_SUFFIX) && !name.startsWith(TEMPORARY_PREFIX));
  if (found.length === 1) return found[0];
  if (found.length > 1) {
    throw new CheckError(`Cannot ${verb} "${directory}": it has several manifests; name one of ${found.join(", ")}`);
  }
  const others = names.filter((name) => name === "appendonlydir" || name.endsWith(".rdb") || name.endsWith(".aof"));
  throw new CheckError(
    `Cannot ${verb} "${directory}": it has no manifest` +
      (others.length === 0 ? ", so it is no directory of a log" : `; did you mean ${others.join(" or ")} in it?`),
  );
}

export function fileName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
