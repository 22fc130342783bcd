/** What lab 02 found, for the terminal: the timeline of a cut, tables, and sentences that say what to see. */
import { columns, thousands, wrapped } from "../kit/terminal.ts";
import type { Example, GapResult, SubjectResult, Tally, Verdict } from "./gaps.ts";
import type { TimelineEntry } from "../../src/mod.ts";
import type { Cut, PolicyRow, Schedule, Write } from "./power_cut.ts";
import type { Found } from "./gaps.ts";

/** One moment, cut in both ways. */
export interface TwoCuts {
  readonly schedule: Schedule;
  readonly writes: readonly Write[];
  readonly powerCut: Cut;
  readonly kill: Cut;
}

/** A gap, and what the real redis-server did with the files that show it; null where it is not installed. */
export interface GapFinding extends GapResult {
  readonly real: { readonly first: Found; readonly second: Found | null } | null;
}

// ---- the timeline of a cut ---------------------------------------------------------------------------------------

const HEIGHTS = " ▁▂▃▄▅▆▇█";
const LABEL_WIDTH = 13, WIDTH_MAX = 120;

/** How many writes of each slice of time were acknowledged, durable and recovered: a row of bars each. */
export function timeline({ writes, powerCut, kill }: TwoCuts): string {
  const { atMs } = powerCut, width = Math.min(columns(), WIDTH_MAX) - LABEL_WIDTH - 2;
  const slice = (write: Write) => Math.min(width - 1, Math.floor((write.sentMs / atMs) * width));
  const rows: [string, (write: Write, number: number) => boolean][] = [
    ["sent", (write) => write.sentMs < atMs],
    ["acknowledged", ({ acknowledgedMs }) => acknowledgedMs !== null && acknowledgedMs < atMs],
    ["durable", ({ durableMs }) => durableMs !== null && durableMs < atMs],
    ["after the cut", isIn(powerCut)],
    ["after kill -9", isIn(kill)],
  ];
  const counts = rows.map(([, holds]) => {
    const counted = new Array<number>(width).fill(0);
    writes.forEach((write, number) => write.sentMs < atMs && holds(write, number) && counted[slice(write)]++);
    return counted;
  });
  const most = Math.max(1, ...counts[0]), end = `${thousands(atMs)} ms`;
  const bar = (count: number) => HEIGHTS[Math.ceil((count / most) * (HEIGHTS.length - 1))];
  return [
    `${" ".repeat(LABEL_WIDTH)} 0 ms${end.padStart(width - 4)}`,
    ...rows.map(([label], i) => `${label.padStart(LABEL_WIDTH)} ${counts[i].map(bar).join("")}┃`),
  ].join("\n");
}

function isIn({ recovered }: Cut): (write: Write, number: number) => boolean {
  const found = new Set(recovered);
  return (_, number) => found.has(number);
}

export const WRITE_HEADINGS = ["write", "sent ms", "acknowledged", "durable", "power cut", "kill -9"];
const SHOWN_BEFORE = 4, SHOWN_AFTER = 5, SHOWN_LAST = 3;

/** The writes around the first one that is lost, and the last ones. */
export function writeRows({ writes, powerCut, kill }: TwoCuts): string[][] {
  const { atMs } = powerCut, sent = writes.filter((write) => write.sentMs < atMs).length;
  const inCut = isIn(powerCut), inKill = isIn(kill);
  const lost = writes.findIndex((write, number) => number < sent && !inCut(write, number)),
    edge = lost < 0 ? sent : lost;
  const from = Math.max(0, Math.min(edge, sent - SHOWN_LAST) - SHOWN_BEFORE), to = Math.min(sent, edge + SHOWN_AFTER);
  const row = (number: number) => {
    const write = writes[number], ms = (value: number | null) => value !== null && value < atMs ? String(value) : "–";
    const fate = (isThere: boolean) => isThere ? "there" : "lost";
    const { sentMs, acknowledgedMs, durableMs } = write;
    const fates = [fate(inCut(write, number)), fate(inKill(write, number))];
    return [String(number), String(sentMs), ms(acknowledgedMs), ms(durableMs), ...fates];
  };
  const first = Array.from({ length: to - from }, (_, i) => row(from + i)), restFrom = Math.max(to, sent - SHOWN_LAST);
  const last = Array.from({ length: sent - restFrom }, (_, i) => row(restFrom + i));
  return [...first, ...restFrom > to ? [WRITE_HEADINGS.map(() => "…")] : [], ...last];
}

export function cutSentence({ powerCut, kill, schedule }: TwoCuts): string {
  const { acknowledged, durable, lost, windowMs, refusal } = powerCut;
  if (refusal !== null) return `After the power cut the server refuses to start: ${refusal}`;
  const unsent = powerCut.recovered.length - (acknowledged - lost);
  return `Of ${acknowledged} acknowledged writes ${durable} were durable, and the power cut took ${lost}: all that was acknowledged ` +
    `${windowMs === 0 ? "" : `more than ${windowMs} ms `}before it is there` +
    `${unsent > 0 ? `, and ${unsent} that nobody had been told of` : ""}. ` +
    `Kill -9 took ${kill.lost}${
      schedule.policy === "rdb"
        ? ": what is in no file dies with the process."
        : ": the page cache is not the process's."
    }`;
}

// ---- policies ----------------------------------------------------------------------------------------------------

export const POLICY_HEADINGS = [
  "policy",
  "acked",
  "lost",
  "drawn",
  "kill -9",
  "window p50",
  "max",
  "refused",
  "broken",
];
export const POLICY_NOTE =
  "acked: acknowledged writes; lost: of these, when all that was not synced is gone; drawn: when the seed says what is; " +
  "window: from the oldest of the lost to the cut; refused: starts that were; broken: part of a transaction, a hole, or less than was durable.";

export function policyCells(row: PolicyRow): string[] {
  return [
    row.policy,
    thousands(row.acknowledged),
    thousands(row.lost),
    thousands(row.lostAsDrawn),
    thousands(row.lostByKill),
    `${thousands(row.windowP50Ms)} ms`,
    `${thousands(row.windowMaxMs)} ms`,
    String(row.refused),
    String(row.broken),
  ];
}

export function conclusions(rows: readonly PolicyRow[], gaps: readonly GapFinding[], { syncMs }: Schedule): string[] {
  const of = (policy: string) => rows.find((row) => row.policy === policy)!;
  const always = of("always"), everysec = of("everysec"), no = of("no"), rdb = of("rdb");
  const shown = gaps.filter((gap) => gap.redis.example !== null), real = shown.filter(isReproduced);
  return [
    `A reply means what the policy makes it mean: over ${always.cuts} power cuts each, always lost ${always.lost} acknowledged writes (a reply waits for ` +
    `the sync, ${syncMs} ms here), everysec those of the last ${
      thousands(everysec.windowMaxMs)
    } ms at most, no and rdb those of up to ` +
    `${thousands(no.windowMaxMs)} and ${thousands(rdb.windowMaxMs)} ms, in a run as short as this.`,
    `A kill is not a power cut: what was written to a file outlives the process whatever was synced (${everysec.lostByKill} of everysec's writes were lost ` +
    `by kill -9, ${no.lostByKill} of no's), while a save point keeps only what it has saved (${
      thousands(rdb.lostByKill)
    } lost). A test with kill -9 proves nothing about fsync.`,
    `The order of file operations decides the rest: Redis's order shows ${
      shown.map((gap) => gap.scenario.gap).join(", ")
    }` +
    `${
      real.length > 0 ? ` (the real redis-server does the same on the files of ${real.length} of them)` : ""
    }; this server's shows ` +
    `${oursShown(gaps)}.`,
  ];
}

function oursShown(gaps: readonly GapFinding[]): string {
  const shown = gaps.filter(({ ours: { tally } }) => badOf(tally) > 0).map(({ scenario }) => scenario.gap);
  return shown.length === 0 ? "none of them, in every image that was tried" : shown.join(", ");
}

// ---- gaps --------------------------------------------------------------------------------------------------------

export function badOf({ refused, lost, wrong }: Tally): number {
  return refused + lost + wrong;
}

export function tallyText({ images, refused, lost, wrong, wrongAtSecond }: Tally): string {
  const parts = [
    [refused, "refused"],
    [wrongAtSecond, "of them wrong at the second start"],
    [wrong, "wrong"],
    [lost, "without what was vouched for"],
  ] as const;
  const bad = parts.filter(([count]) => count > 0).map(([count, text]) => `${count} ${text}`);
  return `${images} images: ${bad.length === 0 ? "all fine" : bad.join(", ")}`;
}

const FIRST: Readonly<Record<Verdict, string>> = {
  fine: "starts, and all that was vouched for is there",
  refused: "refuses to start",
  lost: "starts without a write that it had vouched for",
  wrong: "starts with data that never was",
};

export function verdictText({ verdict, secondVerdict }: Example): string {
  if (secondVerdict === null) return FIRST[verdict];
  return secondVerdict === "refused"
    ? "refuses to start, the second time too"
    : `refuses to start; the second start goes through, with ${secondVerdict === "wrong" ? "a hole" : "less"}`;
}

/** The real one does with the model's files what the model does. */
export function isReproduced({ real, redis: { example } }: GapFinding): boolean {
  if (real === null || example === null) return false;
  const isSame = (a: Found | null, b: Found | null) =>
    (a === null) === (b === null) && (a?.refusal === null) === (b?.refusal === null) &&
    JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
  return isSame(real.first, example.first) && isSame(real.second, example.second);
}

function sorted(found: Found | null): [string, string][] {
  return found === null || found.refusal !== null ? [] : [...found.data].sort(([a], [b]) => a < b ? -1 : 1);
}

export function realText(finding: GapFinding, version: string | null): string {
  if (version === null) return "Redis is not installed here: the model alone says so";
  if (!isReproduced(finding)) return `redis-server ${version} did not do the same on these files`;
  return finding.scenario.version === "7.0.15"
    ? `redis-server ${version} does the same on these files`
    : `redis-server ${version} loads the same from these files; WAITAOF came later`;
}

export function gapLines(finding: GapFinding, version: string | null): string[] {
  const { scenario, redis, ours } = finding;
  const shown = redis.example === null
    ? "nothing found"
    : `${verdictText(redis.example)}; ${realText(finding, version)}`;
  const free = badOf(ours.tally) === 0 ? FIRST.fine : "is not free of it";
  return [
    `${scenario.gap}  ${scenario.title}`,
    ...hanging(`    Redis ${scenario.version.padEnd(6)}  `, `${shown} (${tallyText(redis.tally)})`),
    ...hanging("    this server   ", `${free} (${tallyText(ours.tally)})`),
  ];
}

/** Text in lines behind a label. */
function hanging(label: string, text: string): string[] {
  const lines = wrapped(text, Math.min(columns(), WIDTH_MAX) - label.length).split("\n");
  return lines.map((line, i) => (i === 0 ? label : " ".repeat(label.length)) + line);
}

// ---- operations --------------------------------------------------------------------------------------------------

export const OPERATION_HEADINGS = ["ms", "operation", "file", "bytes", "on the disk"];
const SHOWN_OPERATIONS = 16;

/** The last operations of a subject, oldest first. */
export function operationRows({ example, operations }: SubjectResult): string[][] {
  const all = example?.operations ?? operations, startMs = all[0].atMs;
  const background = new Set(all.filter(({ detail }) => detail === "begins").map(({ number }) => number));
  return all.slice(-SHOWN_OPERATIONS).map((entry) => [
    String(entry.atMs - startMs),
    verb(entry, background.has(entry.number)),
    fileOf(entry),
    /^\d/.test(entry.detail) ? entry.detail : "",
    stateOf(entry),
  ]);
}

function verb({ operation, detail }: TimelineEntry, isInBackground: boolean): string {
  if (operation === "sync") return !isInBackground ? "sync" : detail === "begins" ? "sync begins" : "sync ends";
  return operation === "syncDirectory" ? "sync directory" : operation === "open" ? `open, ${detail}` : operation;
}

/** Names without what they all have in common. */
function shortName(path: string): string {
  return (path.split("/").at(-1) || "/").replace(/appendonly\.aof\.?/, "");
}

function fileOf({ operation, path, detail }: TimelineEntry): string {
  const isMove = operation === "rename" || operation === "link";
  return isMove ? `${shortName(path)} → ${shortName(detail)}` : shortName(path);
}

function stateOf({ error, durable, operation }: TimelineEntry): string {
  if (error !== null) return `fails: ${error}`;
  if (durable === null || operation === "open") return "";
  return durable === "yes" ? "durable" : durable === "pending" ? "not yet" : "given up";
}

/** What the power cut made of what was pending, by file. */
export function fateText({ form, fates, operations }: Example): string {
  if (form === "kill -9") return "The process is killed; the page cache survives.";
  const fileOfNumber = new Map(operations.map((entry) => [entry.number, shortName(entry.path)]));
  const named = fates.map((fate) => fate.replace(/^#(\d+) /, (_, number) => `${fileOfNumber.get(Number(number))}: `));
  return `The power is cut. ${named.join("; ").replace(/: (kept|lost|torn)/g, " $1")}.`;
}
