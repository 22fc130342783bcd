/**
 * Lab 01, copy-on-write. What a save costs while one writes, in six experiments on the real server: hot sets in real time, then recorded traces
 * for skew, duration and value size, page size, the order of the walk, a budget, and who causes the copies.
 */
import { ReplyError } from "../../src/mod.ts";
import { writePartsReport } from "../kit/html_report.ts";
import { ask, Progress, table, wrapped } from "../kit/terminal.ts";
import { attributionOutcome, measureAttribution } from "./attribution.ts";
import { budgetOutcome, measureBudgets } from "./budget.ts";
import type { Outcome } from "./experiment.ts";
import { dataSet, hotSetOutcome } from "./hot_set_findings.ts";
import { measureHotSets } from "./hot_sets.ts";
import { type ExperimentName, type Options, options } from "./options.ts";
import { measurePageSizes, pageSizeOutcome } from "./page_sizes.ts";
import { measureScanOrders, scanOutcome } from "./scan_order.ts";
import { measureSkews, skewOutcome } from "./skew.ts";

const VALUE_BYTES = 100;

interface Experiment {
  /** What is asked before it. */
  question(o: Options): string;
  run(o: Options, progress: Progress): Promise<Outcome>;
}

const EXPERIMENTS: Readonly<Record<ExperimentName, Experiment>> = {
  "hot-sets": {
    question: (o) =>
      `${dataSet(o)} are loaded and saved with BGSAVE while a hot set of ${
        o.hotPercent.at(-1)
      } % of the keys is written at full speed. ` +
      "How many times its normal memory will the server take at the peak? (1 = no more than before)",
    run: async (o, progress) => hotSetOutcome(await measureHotSets(o, progress), o),
  },
  skew: {
    question: () =>
      "During a save there are half as many writes as pages, to keys drawn by Zipf's law. How many times its normal memory will the server take?",
    run: async ({ sizes, seed }, progress) =>
      skewOutcome(await measureSkews({ dataBytes: sizes.skewBytes, seed }, progress)),
  },
  "page-size": {
    question: () => "The same writes with pages of 2 MiB instead of 4 KiB: how many times the bytes will be copied?",
    run: async ({ sizes, seed }, progress) =>
      pageSizeOutcome(await measurePageSizes({ keys: sizes.pageSizeKeys, valueBytes: VALUE_BYTES, seed }, progress)),
  },
  "scan-order": {
    question: () =>
      "If pages that are saved already were not copied, and the child walked by address: what part of the copies would not be made?",
    run: async ({ sizes, seed }, progress) =>
      scanOutcome(await measureScanOrders({ keys: sizes.scanOrderKeys, valueBytes: VALUE_BYTES, seed }, progress)),
  },
  budget: {
    question: () =>
      "Copies may take half the memory that a save needs for them. What part of the keys will be saved when that is used up?",
    run: async ({ sizes, seed }, progress) =>
      budgetOutcome(await measureBudgets({ keys: sizes.budgetKeys, valueBytes: VALUE_BYTES, seed }, progress)),
  },
  attribution: {
    question: () =>
      "Which command will copy most pages a call: SET, APPEND, EXPIRE, UNLINK, LSET, HSET, SADD, ZADD or XADD?",
    run: async ({ sizes, seed }, progress) =>
      attributionOutcome(
        await measureAttribution({ keys: sizes.attributionKeys, valueBytes: VALUE_BYTES, seed }, progress),
      ),
  },
};

function print({ part, picture, claims, answer }: Outcome, prediction: string | null): void {
  console.log(`${part.title}\n${"═".repeat(part.title.length)}\n${wrapped(part.note)}\n`);
  for (const { title, headings, rows, lastIsText } of part.tables) {
    console.log(`${title}\n${table(headings, rows, lastIsText)}\n`);
  }
  console.log(`${picture}\n`);
  if (prediction !== null) console.log(`You predicted ${prediction}; measured: ${answer}.\n`);
  console.log(part.conclusions.map((text) => wrapped(text)).join("\n"));
  for (const { text, measured, holds } of claims) {
    console.log(wrapped(`${holds ? "✓" : "✗"} claim: ${text} (${measured})`));
  }
  console.log("");
}

function report(outcomes: readonly Outcome[]): string {
  return writePartsReport("cow", {
    title: "Copy-on-write: what a BGSAVE costs while you write",
    introduction:
      "A snapshot freezes memory, and a page is copied when it is written for the first time after that. How many pages that is " +
      "depends on which keys are written, how often, how large they are and how large pages are. Every figure was measured on the server.",
    parts: outcomes.map(({ part, claims }) => ({
      ...part,
      conclusions: [
        ...part.conclusions,
        ...claims.map(({ text, measured, holds }) => `${holds ? "✓" : "✗"} ${text} (${measured})`),
      ],
    })),
    setting: `${navigator.hardwareConcurrency} processors; Deno ${Deno.version.deno}.`,
  });
}

async function runAll(o: Options): Promise<Outcome[]> {
  const outcomes: Outcome[] = [], progress = new Progress(o.json);
  for (const name of o.experiments) {
    const { question, run } = EXPERIMENTS[name], prediction = o.json ? null : ask(`${wrapped(question(o))}\n> `);
    const outcome = await run(o, progress);
    progress.clear();
    if (!o.json) print(outcome, prediction);
    outcomes.push(outcome);
  }
  return outcomes;
}

const o = options(Deno.systemMemoryInfo().available);
if (o.scaledDown !== null && !o.json) console.log(o.scaledDown);
try {
  const outcomes = await runAll(o), claims = outcomes.flatMap((outcome) => outcome.claims);
  if (o.json) {
    const figures = Object.fromEntries(o.experiments.map((name, i) => [name, outcomes[i].figures]));
    console.log(JSON.stringify({ options: o, ...figures, claims }, null, 2));
  } else console.log(`The report with charts: ${report(outcomes)}`);
  if (claims.some((claim) => !claim.holds)) Deno.exitCode = 1;
} catch (error) {
  if (!(error instanceof ReplyError)) throw error;
  console.error(
    `The server refused a command: ${error.message}\nTry fewer keys (--keys) or smaller values (--value-bytes).`,
  );
  Deno.exitCode = 1;
}
