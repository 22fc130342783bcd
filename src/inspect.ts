/**
 * The inspect program: arguments, wiring, output. `src/persistence/inspect/` has the logic.
 *
 *   deno task inspect <dump.rdb | file.aof | manifest | its directory> [--diff other] [options]
 *
 * Exits with 0, with 1 when a file is damaged, 2 when there is nothing to show. Changes none of the files that it reads.
 */
import { parseArgs } from "@std/cli";
import { utf8Encode } from "./base/bytes.ts";
import { nearestOf } from "./base/nearest_name.ts";
import { COMMAND_BOOK } from "./commands/spec/command_book.ts";
import { DiskStorage } from "./io/disk_storage.ts";
import { process } from "./io/process.ts";
import { RealRandomness } from "./io/randomness.ts";
import { StorageError, writeFully } from "./io/storage.ts";
import { type Afterimage, LoadFailedError, openServer, RealClock } from "./mod.ts";
import { ManifestCorruptError } from "./persistence/aof/aof_manifest.ts";
import { type DataSetPath, dataSetPath } from "./persistence/check/data_set_path.ts";
import { CheckError } from "./persistence/check/report.ts";
import { DataDiff, type Difference } from "./persistence/inspect/data_diff.ts";
import { type DataSource, LiveSource, NoKeys, RdbSource } from "./persistence/inspect/data_source.ts";
import { diffText } from "./persistence/inspect/diff_text.ts";
import { flameHtml } from "./persistence/inspect/flame_html.ts";
import { diffJson, inspectJson } from "./persistence/inspect/inspect_json.ts";
import { inspectText } from "./persistence/inspect/inspect_text.ts";
import { KeyExport, LineWriter } from "./persistence/inspect/key_export.ts";
import type { KeyVisitor } from "./persistence/inspect/key_facts.ts";
import { LogAccount } from "./persistence/inspect/log_account.ts";
import { addCommands, type LogFiles, logFiles } from "./persistence/inspect/log_files.ts";
import { MemoryAccount } from "./persistence/inspect/memory_account.ts";
import type { FileDamage } from "./persistence/inspect/rdb_keys.ts";
import { scratchKeyspace } from "./persistence/rdb/scratch_keyspace.ts";

const EXIT = { done: 0, damaged: 1, nothing: 2 } as const;
const COMMAND = "deno task inspect";
const VALUES = ["diff", "jsonl", "csv", "flame", "separators", "top", "_"],
  FLAGS = ["literal", "json", "no-replay", "help"];
const TOP_DEFAULT = 10, TOP_MAX = 10_000;
const STDOUT = "-";
const COLUMNS_MIN = 80, COLUMNS_MAX = 120;
const PROGRESS_MS = 200;

const HELP =
  `Shows what a data set takes in memory, by type, encoding, time to live and key prefix, and its largest keys.

  ${COMMAND} dump.rdb                       an RDB file, of any size: memory does not grow with it
  ${COMMAND} appendonlydir                  a log: it is replayed in memory, and its commands are counted
  ${COMMAND} appendonly.aof.1.incr.aof      one file of a log, or a log of Redis before version 7
  ${COMMAND} old.rdb --diff new.rdb         the keys that differ

  --diff PATH          compares with another data set: keys added, removed, changed
  --jsonl PATH, --csv PATH    a line for each key (with --diff, for each that differs: JSON lines only);
                       --jsonl=- writes to standard output
  --flame PATH         an HTML file: memory by key prefix as a flame graph
  --separators TEXT    the characters that end a part of a prefix (:)
  --literal            numbers and ids in names are not put together as #
  --top N              largest keys to show (${TOP_DEFAULT})
  --no-replay          of a log, its RDB base only; its commands are counted all the same. Memory does not grow with the log
  --json               prints the figures as JSON: src/persistence/inspect/inspect_json.ts

Files that are written must not exist. Exits with 0, with 1 when a file is damaged, 2 when it cannot be read or the arguments make no sense.
`;

interface Arguments {
  readonly path: string;
  readonly diff: string | null;
  readonly jsonl: string | null;
  readonly csv: string | null;
  readonly flame: string | null;
  readonly separators: string;
  readonly folds: boolean;
  readonly top: number;
  readonly replays: boolean;
  readonly json: boolean;
}

/** @throws {CheckError} */
function parse(words: readonly string[]): Arguments {
  const found = parseArgs([...words], {
    string: VALUES,
    boolean: FLAGS,
    unknown: (word, name) => {
      if (name === undefined) return true;
      const nearest = nearestOf(name, [...VALUES.slice(0, -1), ...FLAGS]);
      throw new CheckError(
        `Unknown option "${word}". Did you mean "--${nearest}"? ${COMMAND} --help says which there are`,
      );
    },
  });
  const paths = found._.map(String);
  if (paths.length !== 1) {
    throw new CheckError(`${paths.length} paths given, must be one. ${COMMAND} --help says how it is used`);
  }
  const path = (name: string) => {
    if (found[name] === "") throw new CheckError(`--${name} needs a path`);
    return found[name] === undefined ? null : String(found[name]);
  };
  const top = Number(found.top ?? TOP_DEFAULT);
  if (!(Number.isInteger(top) && top >= 0 && top <= TOP_MAX)) {
    throw new CheckError(`--top takes a number from 0 to ${TOP_MAX}`);
  }
  const diff = path("diff"), csv = path("csv"), flame = path("flame");
  if (diff !== null && (csv !== null || flame !== null)) throw new CheckError("--diff goes with --jsonl only");
  return {
    path: withoutSlash(paths[0]),
    diff: diff === null ? null : withoutSlash(diff),
    jsonl: path("jsonl"),
    csv,
    flame,
    separators: String(found.separators ?? ":"),
    folds: found.literal !== true,
    top,
    replays: found["no-replay"] !== true,
    json: found.json === true,
  };
}

function withoutSlash(path: string): string {
  return path.length > 1 ? path.replace(/\/+$/, "") || "/" : path;
}

/** What has been opened for a data set, besides its keys. */
interface Opened {
  readonly source: DataSource;
  readonly log: LogAccount | null;
  /** Where the log could not be read on. */
  readonly damage: FileDamage | null;
}

class Inspection {
  readonly #args: Arguments;
  readonly #storage = new DiskStorage();
  readonly #randomness = new RealRandomness();
  readonly #nowMs = new RealClock().nowMs();
  readonly #servers: Afterimage[] = [];
  #shownMs = 0;

  constructor(args: Arguments) {
    this.#args = args;
  }

  close(): void {
    for (const server of this.#servers) server.kill();
  }

  async run(): Promise<number> {
    const { path, diff, jsonl, csv, flame } = this.#args;
    for (const target of [jsonl, csv, flame]) {
      if (target !== null && target !== STDOUT && this.#storage.exists(target)) {
        throw new CheckError(`Cannot write "${target}": it exists. Remove it or name another file`);
      }
    }
    const first = await this.#open(path);
    return diff === null ? this.#inspect(first) : this.#compare(first, await this.#open(diff));
  }

  // ---- one data set --------------------------------------------------------------------------------------------

  #inspect({ source, log, damage: logDamage }: Opened): number {
    const { jsonl, csv, flame, json } = this.#args, account = this.#account();
    const exports = [
      ...jsonl === null ? [] : [new KeyExport(this.#lines(jsonl), "jsonl")],
      ...csv === null ? [] : [new KeyExport(this.#lines(csv), "csv")],
    ];
    const visitors: KeyVisitor[] = [account.add, ...exports.map(({ add }) => add)];
    const damage = this.#read(source, visitors) ?? logDamage;
    for (const one of exports) one.close();
    if (flame !== null) this.#writeFlame(flame, source, account);
    if (jsonl !== STDOUT && csv !== STDOUT) {
      print(
        json
          ? JSON.stringify(inspectJson(source, account, log, damage), null, 2) + "\n"
          : inspectText({ source, account, log, damage, nowMs: this.#nowMs, width: columns() }),
      );
    }
    return damage === null ? EXIT.done : EXIT.damaged;
  }

  #account(): MemoryAccount {
    const { top, separators, folds } = this.#args;
    return new MemoryAccount({ nowMs: this.#nowMs, top, separators, folds });
  }

  #read(source: DataSource, visitors: readonly KeyVisitor[]): FileDamage | null {
    const [only] = visitors;
    const visit: KeyVisitor = visitors.length === 1 ? only : (facts) => visitors.forEach((one) => one(facts));
    const damage = source.forEach(visit, (share) => this.#progress(`reading ${source.name}`, share));
    this.#progress("", 1);
    return damage;
  }

  #writeFlame(path: string, source: DataSource, account: MemoryAccount): void {
    const title = `Memory of ${source.name} by key prefix`, setting = `${source.what}, ${source.sizeBytes} bytes.`;
    const bytes = utf8Encode(flameHtml(account, { title, setting }));
    const file = this.#storage.open(path, "create");
    writeFully(this.#storage, file, bytes, 0, bytes.length);
    this.#storage.close(file);
  }

  #lines(path: string): LineWriter {
    return path === STDOUT ? new LineWriter(process.writeOut, () => {}) : LineWriter.toFile(this.#storage, path);
  }

  // ---- two data sets -------------------------------------------------------------------------------------------

  #compare({ source: before }: Opened, { source: after }: Opened): number {
    const { jsonl, json, top, separators, folds } = this.#args;
    const lines = jsonl === null ? null : this.#lines(jsonl);
    const [keysBefore, keysAfter] = [this.#countKeys(before), this.#countKeys(after)];
    const diff = new DataDiff({
      before,
      after,
      keysBefore,
      top,
      separators,
      folds,
      random: () => this.#randomness.nextU32(),
      onDifference: (difference) => lines?.line(differenceLine(difference)),
      onProgress: (share) => this.#progress("comparing", share),
    });
    diff.run();
    this.#progress("", 1);
    lines?.close();
    if (jsonl === STDOUT) return EXIT.done;
    print(
      json
        ? JSON.stringify(diffJson(before, after, diff), null, 2) + "\n"
        : diffText({ before: before.name, after: after.name, keysBefore, keysAfter, diff, width: columns() }),
    );
    return EXIT.done;
  }

  #countKeys(source: DataSource): number {
    let keys = 0;
    const damage = this.#read(source, [() => keys++]);
    if (damage === null) return keys;
    throw new DamagedError(
      `Cannot compare "${source.name}": it is damaged at offset ${damage.offsetBytes}: ${damage.reason}. ` +
        `deno task check ${source.name} says more, and repairs a copy`,
    );
  }

  // ---- opening -------------------------------------------------------------------------------------------------

  async #open(path: string): Promise<Opened> {
    const found = dataSetPath(this.#storage, path, "inspect"), scratch = () => this.#scratch();
    if (found.kind === "rdb") return { source: new RdbSource(this.#storage, scratch(), path), log: null, damage: null };
    const { separators, folds, replays } = this.#args, files = logFiles(this.#storage, found);
    const log = new LogAccount(COMMAND_BOOK.keys, separators, folds);
    const damage = addCommands(this.#storage, files, log, scratch);
    const source = replays ? await this.#replay(path, found, files) : this.#baseOf(path, files);
    return { source, log, damage };
  }

  #scratch() {
    return scratchKeyspace(() => this.#randomness.nextU32());
  }

  #baseOf(path: string, { rdbPath, sizeBytes }: LogFiles): DataSource {
    if (rdbPath === null) return new NoKeys(path, "a log whose base is commands", sizeBytes);
    return new RdbSource(this.#storage, this.#scratch(), rdbPath, "the base of a log, ");
  }

  /** Loads the log as a start would, into a server that writes nothing. */
  async #replay(path: string, found: DataSetPath, { directory, manifest, sizeBytes }: LogFiles): Promise<DataSource> {
    const entered = process.enterDirectory(directory, process.workingDirectory());
    if ("error" in entered) throw new CheckError(`Cannot inspect "${path}": ${entered.error}`);
    const slash = entered.path.lastIndexOf("/");
    // A dump beside the log is no part of it: none has this name.
    const noDump = `none-${this.#randomness.nextU32()}-${this.#randomness.nextU32()}.rdb`;
    const place = { dir: entered.path.slice(0, slash) || "/", name: entered.path.slice(slash + 1) };
    const opened = await openServer({
      directives: ["--save", "", "--dbfilename", noDump, "--dir", place.dir, "--appenddirname", place.name],
      storage: new DiskStorage(),
      worker: false,
    });
    this.#servers.push(opened);
    opened.server.persistence.loading.atOnce(opened.server.persistence.loading.openAof(manifest, false));
    const what = found.kind === "directory" ? `a log of ${manifest.files.length} files, replayed` : "a log, replayed";
    return new LiveSource(path, what, sizeBytes, opened.server.keyspace);
  }

  #progress(label: string, share: number): void {
    const nowMs = performance.now();
    if (!process.isTerminal() || (share < 1 && nowMs - this.#shownMs < PROGRESS_MS)) return;
    this.#shownMs = nowMs;
    process.writeError(utf8Encode(share < 1 ? `\r\x1b[K${label} ${Math.floor(share * 100)} %` : "\r\x1b[K"));
  }
}

class DamagedError extends Error {}

function differenceLine({ change, key, bytesBefore, bytesAfter }: Difference): string {
  const { database, key: name, type, encoding, length, expiresAtMs } = key;
  const expiry = expiresAtMs < 0 ? null : expiresAtMs;
  return JSON.stringify({
    change,
    db: database,
    key: name.slice(1, -1),
    type,
    encoding,
    length,
    bytesBefore,
    bytesAfter,
    expiresAtMs: expiry,
  });
}

function print(text: string): void {
  process.writeOut(utf8Encode(text));
}

function columns(): number {
  return Math.max(COLUMNS_MIN, Math.min(COLUMNS_MAX, process.columns()));
}

async function main(): Promise<number> {
  const words = process.args();
  if (words.includes("--help") || words.includes("-h")) return print(HELP), EXIT.done;
  let inspection: Inspection | null = null;
  try {
    inspection = new Inspection(parse(words));
    return await inspection.run();
  } catch (error) {
    const isDamaged = error instanceof DamagedError || error instanceof LoadFailedError ||
      error instanceof ManifestCorruptError;
    if (!(isDamaged || error instanceof CheckError || error instanceof StorageError)) throw error;
    process.writeError(utf8Encode(`${error.message}\n`));
    return isDamaged ? EXIT.damaged : EXIT.nothing;
  } finally {
    inspection?.close();
  }
}

process.exit(await main());
