/** Seeded bugs around the manifest and the files that it names: wrong orders of sync, rename and unlink. */
import { type FileHandle, StorageError, type StorageSyncError, writeFully } from "../../../../src/io/storage.ts";
import { AofManifest } from "../../../../src/persistence/aof/aof_manifest.ts";
import { readWhole } from "../../../../src/io/storage.ts";
import { utf8Decode } from "../../../../src/base/bytes.ts";
import { type Mutant, scenarioOf } from "./mutant.ts";
import { isIncrement, isManifest, isTempManifest, PatchedStorage } from "./patched_storage.ts";

const DIRECTORY_SYNCS = 14;

/** Knows whether the next sync of a directory is the one after a rename of the manifest. */
abstract class AfterManifestRename extends PatchedStorage {
  protected renamed: string | null = null;

  override rename(from: string, to: string): void {
    super.rename(from, to);
    if (isManifest(to)) this.renamed = to;
  }

  override syncDirectory(path: string): void {
    const manifest = this.renamed;
    this.renamed = null;
    if (manifest === null) super.syncDirectory(path);
    else this.syncAfterRename(path, manifest);
  }

  protected abstract syncAfterRename(directory: string, manifest: string): void;

  protected manifestAt(path: string): AofManifest {
    return AofManifest.parse(utf8Decode(readWhole(this.inner, path)));
  }
}

class SkipsDirectorySync extends AfterManifestRename {
  protected override syncAfterRename(): void {}
}

class RenamesBeforeSync extends PatchedStorage {
  override sync(file: FileHandle): void {
    if (!isTempManifest(file.path)) super.sync(file);
  }

  override rename(from: string, to: string): void {
    super.rename(from, to);
    if (!isManifest(to)) return;
    const file = this.inner.open(to, "read");
    this.inner.sync(file);
    this.inner.close(file);
  }
}

class WritesManifestInPlace extends PatchedStorage {
  override rename(from: string, to: string): void {
    if (!isManifest(to) || !this.inner.exists(to)) return super.rename(from, to);
    const bytes = readWhole(this.inner, from), file = this.inner.open(to, "create");
    writeFully(this.inner, file, bytes, 0, bytes.length);
    this.inner.sync(file);
    this.inner.close(file);
    this.inner.remove(from);
  }
}

/** The increment that a rewrite ends is synced once its successor is published: when it is closed. */
class PublishesBeforeSync extends PatchedStorage {
  readonly #due = new Set<FileHandle>();

  override syncInBackground(file: FileHandle): Promise<void> {
    this.#due.add(file);
    return Promise.resolve();
  }

  override sync(file: FileHandle): void {
    if (isIncrement(file.path)) this.#due.add(file);
    else super.sync(file);
  }

  override closeInBackground(file: FileHandle): Promise<void> {
    if (this.#due.delete(file)) this.inner.sync(file);
    return super.closeInBackground(file);
  }
}

class UnlinksHistoryEarly extends AfterManifestRename {
  protected override syncAfterRename(directory: string, manifest: string): void {
    for (const { name } of this.manifestAt(manifest).history) {
      if (this.inner.exists(`${directory}/${name}`)) this.inner.remove(`${directory}/${name}`);
    }
    this.inner.syncDirectory(directory);
  }
}

class DeletesBaseAfterError extends AfterManifestRename {
  protected override syncAfterRename(directory: string, manifest: string): void {
    try {
      this.inner.syncDirectory(directory);
    } catch (error) {
      const { base } = this.manifestAt(manifest);
      if (base !== null && error instanceof StorageError) this.inner.remove(`${directory}/${base.name}`);
      throw error as StorageSyncError;
    }
  }
}

class SkipsParentSync extends PatchedStorage {
  override syncDirectory(path: string): void {
    if (path !== "/") super.syncDirectory(path);
  }
}

export const MANIFEST_MUTANTS: readonly Mutant[] = [
  {
    number: 1,
    what: "no directory sync after the manifest's rename",
    invariants: ["I7"],
    mutation: { storage: (disk) => new SkipsDirectorySync(disk) },
    scenarios: [scenarioOf("a rewrite", "always")],
  },
  {
    number: 2,
    what: "the manifest is renamed before it is synced",
    invariants: ["I7"],
    mutation: { storage: (disk) => new RenamesBeforeSync(disk) },
    scenarios: [scenarioOf("a rewrite", "always", "ext4")],
  },
  {
    number: 3,
    what: "the manifest is written in place",
    invariants: ["I7"],
    mutation: { storage: (disk) => new WritesManifestInPlace(disk) },
    scenarios: [scenarioOf("a rewrite", "always", "ext4")],
  },
  {
    number: 6,
    what: "an increment is published before the one before it is synced",
    invariants: ["I7"],
    mutation: { storage: (disk) => new PublishesBeforeSync(disk) },
    scenarios: [scenarioOf("a rewrite", "no")],
  },
  {
    number: 7,
    what: "history is unlinked before the manifest's directory sync",
    invariants: ["I7"],
    mutation: { storage: (disk) => new UnlinksHistoryEarly(disk) },
    scenarios: [scenarioOf("a rewrite", "always")],
  },
  {
    number: 8,
    what: "the new base is deleted after an error of the directory sync",
    invariants: ["I7"],
    mutation: { storage: (disk) => new DeletesBaseAfterError(disk) },
    scenarios: Array.from({ length: DIRECTORY_SYNCS }, (_, nth) =>
      scenarioOf("a rewrite", "everysec", "ext4", [
        { operation: "syncDirectory", path: "appendonlydir", nth, fault: { kind: "error", code: "EIO" } },
      ])),
  },
  {
    number: 23,
    what: "the parent of the log's directory is never synced",
    invariants: ["I7"],
    mutation: { storage: (disk) => new SkipsParentSync(disk) },
    scenarios: [scenarioOf("writes", "always")],
  },
];
