/** The HTML report of lab 02. */
import { dot, ruleX, ruleY, text, tickX } from "@observablehq/plot";
import { type Chart, COLOURS, escapeHtml, type Section, tableOf, writeReport } from "../kit/html_report.ts";
import { thousands } from "../kit/terminal.ts";
import {
  badOf,
  cutSentence,
  fateText,
  type GapFinding,
  OPERATION_HEADINGS,
  operationRows,
  POLICY_HEADINGS,
  POLICY_NOTE,
  policyCells,
  realText,
  tallyText,
  type TwoCuts,
  verdictText,
  WRITE_HEADINGS,
  writeRows,
} from "./findings.ts";
import type { SubjectResult } from "./gaps.ts";
import { POLICIES, type PolicyRow, type Schedule } from "./power_cut.ts";

const FATES = ["recovered", "lost, though acknowledged", "lost, never acknowledged"] as const;
const FATE_COLOURS: Readonly<Record<(typeof FATES)[number], string>> = {
  [FATES[0]]: COLOURS[0],
  [FATES[1]]: COLOURS[1],
  [FATES[2]]: COLOURS[3],
};

export function describe(
  { policy, rate, multi, during, syncMs, runMs, saveSeconds, saveChanges, seed }: Schedule,
): string {
  const how = policy === "rdb"
    ? `No log; a save after ${saveSeconds} s and ${saveChanges} changes`
    : `appendfsync ${policy}; a sync takes ${syncMs} ms`;
  const what = multi === 1 ? `${rate} writes a second` : `${rate} transactions of ${multi} SETs a second`;
  const beside =
    { none: "", rewrite: ", a BGREWRITEAOF in the middle third", save: ", a BGSAVE in the middle third" }[during];
  return `${how}; ${what} for ${runMs / 1000} s${beside}; seed ${seed}.`;
}

/** Each write from its reply to the sync that covers it. */
function timelineChart(one: TwoCuts): Chart {
  const { writes, powerCut } = one, { atMs } = powerCut, found = new Set(powerCut.recovered);
  const isPast = (ms: number | null) => ms !== null && ms < atMs;
  const data = writes.flatMap(({ sentMs, acknowledgedMs, durableMs }, number) => {
    if (sentMs >= atMs) return [];
    const fate = FATES[found.has(number) ? 0 : isPast(acknowledgedMs) ? 1 : 2];
    return [{
      number,
      fate,
      fromMs: isPast(acknowledgedMs) ? acknowledgedMs! : sentMs,
      toMs: isPast(durableMs) ? durableMs! : atMs,
    }];
  });
  const domain = FATES.filter((fate) => data.some((one) => one.fate === fate));
  return {
    title: `The plug is pulled at ${thousands(atMs)} ms`,
    note:
      "One line for each write, from its reply to the end of the sync that covers it; a line that reaches the cut was not durable yet. " +
      cutSentence(one),
    options: {
      height: 420,
      x: { label: "ms since the start", labelOffset: 42, domain: [0, atMs], nice: true },
      y: { label: "write", grid: true, reverse: true },
      color: { domain, range: domain.map((fate) => FATE_COLOURS[fate]), legend: true },
      marks: [
        ruleY(data, { y: "number", x1: "fromMs", x2: "toMs", stroke: "fate", strokeWidth: 1.2, strokeOpacity: 0.7 }),
        dot(data, { x: "fromMs", y: "number", fill: "fate", r: 2.2 }),
        ruleX([atMs], { stroke: "currentColor", strokeWidth: 2 }),
      ],
    },
  };
}

/** One tick for each power cut. */
function windowChart(rows: readonly PolicyRow[]): Chart {
  const data = rows.flatMap(({ policy, windowsMs }) => windowsMs.map((windowMs) => ({ policy, windowMs })));
  const largest = rows.map(({ policy, windowMaxMs }) => ({
    policy,
    windowMaxMs,
    label: `max ${thousands(windowMaxMs)} ms`,
  }));
  return {
    title: "The loss window",
    note:
      "One tick for each power cut: how long before it the oldest acknowledged write that is missing had been acknowledged.",
    options: {
      height: 260,
      marginLeft: 80,
      marginRight: 110,
      x: { label: "ms before the cut", labelOffset: 42, grid: true },
      y: { label: null, domain: [...POLICIES] },
      color: { domain: [...POLICIES], range: [...COLOURS] },
      marks: [
        tickX(data, { x: "windowMs", y: "policy", stroke: "policy", strokeWidth: 2, strokeOpacity: 0.35 }),
        text(largest, {
          x: "windowMaxMs",
          y: "policy",
          text: "label",
          dx: 8,
          textAnchor: "start",
          fill: "currentColor",
        }),
      ],
    },
  };
}

function operations(title: string, subject: SubjectResult): string {
  const fate = subject.example === null
    ? ""
    : `<p>${escapeHtml(`${fateText(subject.example)} ${subject.example.explanation}.`)}</p>`;
  const rows = tableOf(OPERATION_HEADINGS, operationRows(subject), true).replace(
    'class="text"',
    'class="text operations"',
  );
  return `<details><summary>${title}</summary>${rows}${fate}</details>`;
}

function card(finding: GapFinding, version: string | null): string {
  const { scenario, redis, ours } = finding, isFree = badOf(ours.tally) === 0;
  const shown = redis.example === null ? "✓ nothing found" : `✗ ${verdictText(redis.example)}`;
  const side = (title: string, verdict: string, isGood: boolean, lines: readonly string[], subject: SubjectResult) =>
    `<div><h4>${escapeHtml(title)}</h4><p class="${isGood ? "good" : "bad"}">${escapeHtml(verdict)}</p>${
      lines.map((line) => `<p>${escapeHtml(line)}</p>`).join("")
    }${operations("Operations on the files", subject)}</div>`;
  return `<div class="card"><h3>${escapeHtml(`${scenario.gap}: ${scenario.title}`)}</h3><p class="soft">${
    escapeHtml(`Schedule: ${scenario.schedule}.`)
  }</p><div class="pair">${
    side(`Redis ${scenario.version}`, shown, redis.example === null, [
      `${scenario.redis}.`,
      `${tallyText(redis.tally)}.`,
      `${realText(finding, version)}.`,
    ], redis)
  }${
    side("This server", isFree ? "✓ starts, and all that was vouched for is there" : "✗ is not free of it", isFree, [
      `${capitalized(scenario.ours)}.`,
      `${tallyText(ours.tally)}.`,
    ], ours)
  }</div></div>`;
}

function capitalized(text: string): string {
  return text[0].toUpperCase() + text.slice(1);
}

function gapSection(gaps: readonly GapFinding[], version: string | null): Section {
  return {
    title: "The same schedule, two orders of file operations",
    note:
      "Redis's order is a model of it that makes the same file operations one after the other on the same simulated disk, and loads by the same rules; " +
      "this server is itself. At every operation the power is cut in every systematic way and in drawn ones, and the process is killed; each different image is " +
      "started on. Refused: the server does not start. Wrong: it starts with data that never was: a hole, a command applied twice, a value of zeros.",
    html: gaps.map((finding) => card(finding, version)).join("\n"),
  };
}

/** Writes the report and returns its path. */
export function report(
  one: TwoCuts,
  rows: readonly PolicyRow[],
  gaps: readonly GapFinding[],
  seen: readonly string[],
  version: string | null,
): string {
  return writeReport("power-cut", {
    title: "Power cut: what is acknowledged, what is durable, what comes back",
    introduction:
      `${
        describe(one.schedule)
      } The server is the real one, in process, on a simulated disk that loses what was not synced: ` +
      "all of it, none of it, or any sectors in between.",
    opening: [timelineChart(one)],
    heading: { title: `Each policy, cut ${rows[0].cuts} times`, note: POLICY_NOTE },
    headings: POLICY_HEADINGS,
    rows: rows.map(policyCells),
    conclusions: seen,
    charts: [windowChart(rows)],
    tables: [{
      title: "Writes around the first one that is lost",
      headings: WRITE_HEADINGS,
      rows: writeRows(one),
      lastIsText: false,
    }],
    sections: [gapSection(gaps, version)],
    setting: `${rows[0].cuts} power cuts and as many kills for each policy; Deno ${Deno.version.deno}; ${
      version === null ? "no redis-server here" : `redis-server ${version}`
    }.`,
  });
}
