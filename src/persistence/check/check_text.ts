/** A report as people read it: a line for each file, what is wrong below it, and what a repair would do at the end. */
import { countWordBits } from "../../base/bits.ts";
import { hex } from "./rdb_check.ts";
import type { CheckReport, Damage, FileReport, Loss, RepairReport } from "./report.ts";

/** Marks words on a terminal; leaves them as they are elsewhere. */
export interface Paint {
  good(text: string): string;
  bad(text: string): string;
  faint(text: string): string;
}

const same = (text: string) => text;
export const PLAIN: Paint = { good: same, bad: same, faint: same };

const color = (code: number) => (text: string) => `\x1b[${code}m${text}\x1b[0m`;
export const COLORS: Paint = { good: color(32), bad: color(31), faint: color(2) };

const WORDS: Readonly<Record<FileReport["verdict"], string>> = {
  sound: "sound",
  damaged: "DAMAGED",
  missing: "MISSING",
  "not read": "not read",
};
const WORD_WIDTH = 8, INDENT = "      ";

/** `command` names what was checked, for the line that says how to go on; `target` is where a copy was wanted. */
export function checkText(report: CheckReport, command: string, target: string | null, paint: Paint): string {
  const lines = [`${report.path}: ${verdictText(report, paint)}`, ""];
  const width = Math.max(...report.files.map(({ name }) => name.length));
  for (const file of report.files) lines.push(...fileLines(file, width, paint));
  if (report.verdict === "damaged") lines.push("", ...repairLines(report.repair, command, target, paint));
  else if (target !== null) lines.push("", "There is nothing to repair: no copy was written.");
  return lines.join("\n") + "\n";
}

function verdictText(report: CheckReport, paint: Paint): string {
  if (report.verdict === "sound") return paint.good("sound");
  const bad = report.files.filter(({ verdict }) => verdict === "damaged" || verdict === "missing");
  return paint.bad("DAMAGED") +
    (report.files.length === 1 ? "" : ` (${plural(bad.length, "file")} of ${report.files.length})`);
}

function fileLines(file: FileReport, width: number, paint: Paint): string[] {
  const { name, verdict, damage, notes } = file;
  const word = (damage?.kind === "torn" ? "TORN" : WORDS[verdict]).padEnd(WORD_WIDTH);
  const mark = verdict === "sound" ? paint.good : verdict === "not read" ? paint.faint : paint.bad;
  const facts = [file.role, verdict === "missing" ? "" : size(file.sizeBytes), ...factsOf(file)].filter((fact) =>
    fact !== ""
  );
  return [
    `  ${name.padEnd(width)}  ${mark(word)}  ${facts.join(", ")}`,
    ...(damage === null ? [] : damageLines(damage, paint)),
    ...notes.map((note) => `${INDENT}${paint.faint(note)}`),
  ];
}

function factsOf({ rdb, commands, damage }: FileReport): string[] {
  const before = damage !== null && damage.was === null ? " before the damage" : "", facts: string[] = [];
  if (rdb !== null) {
    facts.push(`RDB version ${rdb.version}`, plural(rdb.keys, "key") + (commands === null ? before : ""));
  }
  if (rdb?.checksum === "matches") facts.push("checksum matches");
  if (commands !== null) {
    const inside = commands.transactions === 0 ? "" : ` (${plural(commands.transactions, "transaction")})`;
    facts.push(plural(commands.count, "command") + inside + before);
    if (commands.sealedBytes > 0) {
      facts.push(`checksums match${before === "" ? "" : ` up to offset ${commands.sealedBytes}`}`);
    }
  }
  return facts;
}

function damageLines(damage: Damage, paint: Paint): string[] {
  const { offsetBytes, fromBytes, kind, reason, expected, inside, is, was } = damage;
  const lines: string[] = [], whole = fromBytes < offsetBytes ? ` (what precedes offset ${fromBytes} is whole)` : "";
  if (is !== null && was !== null) {
    const bits = countWordBits(is ^ was);
    lines.push(`at offset ${offsetBytes}: the byte is ${hex(is)} and was ${hex(was)} (${plural(bits, "flipped bit")})`);
    lines.push(`symptom: ${reason}`);
  } else {
    lines.push(`at offset ${offsetBytes}: ${kind === "torn" ? "torn: " : ""}${reason}${whole}`);
    if (expected !== "") lines.push(`expected: ${expected}`);
  }
  if (inside !== "") lines.push(`in: ${inside}`);
  return lines.map((line, index) => INDENT + (index === 0 ? paint.bad(line) : line));
}

function repairLines(repair: RepairReport, command: string, target: string | null, paint: Paint): string[] {
  const { possible, text, loss } = repair;
  if (possible === "no") return [`A repair is not possible: ${text}.`, ...lossLines(loss)];
  const isFree = loss.keys === 0 && loss.commands === 0 && possible === "yes" && !loss.isAtLeast;
  const head = `A repair ${
    isFree ? paint.good("loses nothing") : paint.bad(`loses ${lossText(loss, possible)}`)
  }: ${text}.`;
  return [head, ...lossLines(loss), ...nextLines(repair, command, target)];
}

/** What was done, or how to have it done. */
function nextLines({ possible, writtenTo }: RepairReport, command: string, target: string | null): string[] {
  if (writtenTo !== null) return [`Written to ${writtenTo}, and checked again: sound.`];
  const next = `  ${command} --repair ${target ?? "<new path>"}${possible === "lossy" ? " --lossy" : ""}`;
  return target === null ? [next] : ["Nothing was written: this takes", next];
}

function lossText(loss: Loss, possible: RepairReport["possible"]): string {
  const parts = [
    loss.keys > 0 ? plural(loss.keys, "key") : "",
    loss.commands > 0 ? plural(loss.commands, "command") : "",
  ];
  const said = parts.filter((part) => part !== "").join(" and ");
  if (said === "" && possible === "lossy") return "no key, but takes damaged bytes on trust";
  if (said === "") return loss.isAtLeast ? "what cannot be counted" : "no whole command";
  return (loss.isAtLeast ? "at least " : "") + said;
}

function lossLines({ keyNames, hasMoreKeyNames }: Loss): string[] {
  return keyNames.length === 0 ? [] : [`  keys concerned: ${keyNames.join(" ")}${hasMoreKeyNames ? " and more" : ""}`];
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function size(bytes: number): string {
  if (bytes < 10_000) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let value = bytes / 1024, unit = 0;
  while (value >= 1000 && unit < units.length - 1) value /= 1024, unit++;
  return `${value.toFixed(1)} ${units[unit]}`;
}
