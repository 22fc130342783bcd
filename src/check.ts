/**
 * The check program: arguments, wiring, output. `src/persistence/check/` has the logic.
 *
 *   deno task check <dump.rdb | file.aof | manifest | its directory> [--repair <new path> [--lossy]] [--json]
 *
 * Exits with 0 when what was named is sound, 1 when it is damaged (repaired copy or not), 2 when there is no verdict.
 */
import { parseArgs } from "@std/cli";
import { utf8Encode } from "./base/bytes.ts";
import { COMMAND_BOOK } from "./commands/spec/command_book.ts";
import { DiskStorage } from "./io/disk_storage.ts";
import { process } from "./io/process.ts";
import { RealRandomness } from "./io/randomness.ts";
import { StorageError } from "./io/storage.ts";
import { Check, type Checked } from "./persistence/check/check.ts";
import { checkText, COLORS, PLAIN } from "./persistence/check/check_text.ts";
import { targetFault, writeRepair } from "./persistence/check/repair.ts";
import { CheckError, type CheckReport, REPORT_FORMAT } from "./persistence/check/report.ts";

const EXIT = { sound: 0, damaged: 1, noVerdict: 2 } as const;
const COMMAND = "deno task check";

const HELP = `Checks the files of a data set, and repairs a copy of them.

  ${COMMAND} dump.rdb                       an RDB file
  ${COMMAND} appendonlydir                  a log: its manifest, every file that it names, and what it does not name
  ${COMMAND} appendonly.aof.manifest        the same
  ${COMMAND} appendonly.aof.1.incr.aof      one file of a log, or a log of Redis before version 7

Says where the first bad byte is, what was expected there, what it is in, and what a repair would lose. Changes nothing.

  --repair <new path>   writes a repaired copy there (of a directory: a directory), and checks it again. The path must not exist.
  --lossy               lets a repair drop files behind damage, or take damaged values on trust; without it such a repair is refused.
  --json                prints the report as JSON: src/persistence/check/report.ts describes it.

Exits with 0 when what you named is sound, 1 when it is damaged, 2 when it cannot be read or the arguments make no sense.
`;

interface Arguments {
  readonly path: string;
  readonly target: string | null;
  readonly lossy: boolean;
  readonly json: boolean;
}

function print(text: string): void {
  process.writeOut(utf8Encode(text));
}

/** @throws {CheckError} */
function parse(words: readonly string[]): Arguments {
  const unknown: string[] = [];
  const found = parseArgs([...words], {
    string: ["repair", "_"],
    boolean: ["lossy", "json"],
    unknown: (word) => {
      if (!word.startsWith("-")) return true;
      unknown.push(word);
      return false;
    },
  });
  const paths = found._.map(String), target = found.repair === undefined ? null : String(found.repair);
  if (unknown.length > 0) {
    throw new CheckError(`Unknown option "${unknown[0]}". ${COMMAND} --help says which there are`);
  }
  if (paths.length !== 1) {
    throw new CheckError(`${paths.length} paths given, must be one. ${COMMAND} --help says how it is used`);
  }
  if (target === "") throw new CheckError("--repair needs the path that the copy gets");
  if (found.lossy === true && target === null) throw new CheckError("--lossy goes with --repair only");
  return {
    path: withoutSlash(paths[0]),
    target: target === null ? null : withoutSlash(target),
    lossy: found.lossy === true,
    json: found.json === true,
  };
}

function withoutSlash(path: string): string {
  return path.length > 1 ? path.replace(/\/+$/, "") || "/" : path;
}

/** Checks, and repairs where that is asked for and possible. @throws {CheckError, StorageError} */
function run({ path, target, lossy }: Arguments): CheckReport {
  const storage = new DiskStorage(), randomness = new RealRandomness();
  const check = new Check(storage, () => randomness.nextU32(), COMMAND_BOOK);
  const fault = target === null ? "" : targetFault(storage, path, target);
  if (fault !== "") throw new CheckError(`Cannot write a repaired copy to "${target}": ${fault}`);
  const checked = check.check(path);
  if (target === null || !isAllowed(checked, lossy)) return checked.report;
  writeRepair(storage, checked.plan!, target);
  const again = check.check(target).report;
  if (again.verdict === "sound") {
    return { ...checked.report, repair: { ...checked.report.repair, writtenTo: target } };
  }
  throw new CheckError(
    `The copy at "${target}" is not sound either: do not use it. ${COMMAND} ${target} says what is wrong with it`,
  );
}

function isAllowed({ report: { repair }, plan }: Checked, lossy: boolean): boolean {
  return plan !== null && (repair.possible === "yes" || (repair.possible === "lossy" && lossy));
}

function main(): number {
  const words = process.args(), json = words.includes("--json");
  if (words.includes("--help") || words.includes("-h")) return print(HELP), EXIT.sound;
  try {
    const args = parse(words), report = run(args);
    const command = `${COMMAND} ${args.path}`;
    print(
      json
        ? JSON.stringify(report, null, 2) + "\n"
        : checkText(report, command, args.target, process.isTerminal() ? COLORS : PLAIN),
    );
    return report.verdict === "sound" ? EXIT.sound : EXIT.damaged;
  } catch (error) {
    if (!(error instanceof CheckError || error instanceof StorageError)) throw error;
    if (json) print(JSON.stringify({ format: REPORT_FORMAT, error: error.message }, null, 2) + "\n");
    else process.writeError(utf8Encode(`${error.message}\n`));
    return EXIT.noVerdict;
  }
}

process.exit(main());
