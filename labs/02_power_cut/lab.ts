/**
 * Lab 02, power cut. Part one: writes come, the plug is pulled, and each write is followed from its reply to the recovery; then many cuts
 * for each policy. Part two: schedules that decide whether a start works, with Redis's order of file operations and with this server's.
 * Everything is computed on a simulated disk; only the real redis-server, where installed, gets files, in a temporary folder.
 */
import { SeededRandomness } from "../../src/mod.ts";
import { redisVersion } from "../kit/redis_process.ts";
import { ask, bars, onInterrupt, Progress, table, thousands, wrapped } from "../kit/terminal.ts";
import {
  conclusions,
  cutSentence,
  fateText,
  type GapFinding,
  gapLines,
  OPERATION_HEADINGS,
  operationRows,
  POLICY_HEADINGS,
  POLICY_NOTE,
  policyCells,
  timeline,
  type TwoCuts,
  WRITE_HEADINGS,
  writeRows,
} from "./findings.ts";
import { SCENARIOS } from "./gap_scenarios.ts";
import { compare } from "./gaps.ts";
import { jsonOf } from "./json.ts";
import { type Options, options } from "./options.ts";
import { cut, Machine, manyCuts, POLICIES, type Policy, type PolicyRow, runSchedule } from "./power_cut.ts";
import { RealRedis } from "./real_redis.ts";
import { describe, report } from "./report.ts";

/** One run, and the plug pulled in both ways at the same moment. */
async function pullThePlug(machine: Machine, o: Options): Promise<TwoCuts> {
  const { schedule } = o, random = new SeededRandomness(schedule.seed);
  const atMs = o.atMs ?? Math.floor(schedule.runMs / 2) + random.below(Math.ceil(schedule.runMs / 2));
  const run = await runSchedule(machine, schedule, [atMs]);
  const powerCut = await cut(machine, run, 0, o.disk, schedule);
  return { schedule, writes: run.writes, powerCut, kill: await cut(machine, run, 0, "kill -9", schedule) };
}

async function allPolicies(machine: Machine, o: Options, progress: Progress): Promise<PolicyRow[]> {
  const rows: PolicyRow[] = [];
  for (const policy of POLICIES) {
    const label = `${policy.padEnd(8)}: ${o.cuts} cuts`;
    rows.push(
      await manyCuts(machine, { ...o.schedule, policy }, o.cuts, (done) => progress.update(label, done / o.cuts)),
    );
  }
  return rows;
}

async function allGaps(
  machine: Machine,
  o: Options,
  real: RealRedis | null,
  progress: Progress,
): Promise<GapFinding[]> {
  const findings: GapFinding[] = [];
  for (const [i, scenario] of SCENARIOS.entries()) {
    progress.update(`${scenario.gap}: every file operation`, i / SCENARIOS.length);
    const result = await compare(machine, scenario, o.samples), { example } = result.redis;
    findings.push({ ...result, real: real === null || example === null ? null : await real.startTwice(example.image) });
  }
  return findings;
}

/** Asks on a terminal for what was not said, and for a prediction. */
function asked(o: Options): { o: Options; prediction: string | null } {
  if (o.json) return { o, prediction: null };
  const answer = o.isPolicyGiven ? null : ask(`Which policy? ${POLICIES.join(", ")} (${o.schedule.policy}) `)?.trim();
  const policy: Policy = POLICIES.find((one) => one === answer) ?? o.schedule.policy;
  const chosen = { ...o, schedule: { ...o.schedule, policy } };
  return {
    o: chosen,
    prediction: ask(
      `${wrapped(describe(chosen.schedule))}\nThe plug is pulled. How many acknowledged writes are lost? `,
    ),
  };
}

function print(
  o: Options,
  one: TwoCuts,
  rows: readonly PolicyRow[],
  gaps: readonly GapFinding[],
  version: string | null,
) {
  console.log(
    `${timeline(one)}\n\n${table(WRITE_HEADINGS, writeRows(one))}\n\n${wrapped(cutSentence(one))}`,
  );
  console.log(`\n${o.cuts} power cuts and ${o.cuts} kills for each policy, at moments drawn by the seed`);
  console.log(`${table(POLICY_HEADINGS, rows.map(policyCells))}\n${wrapped(POLICY_NOTE)}`);
  console.log("\nLoss window: the oldest acknowledged write that a power cut took, at the worst of them");
  const barOf = (row: PolicyRow) => ({
    label: row.policy,
    value: row.windowMaxMs,
    text: `${thousands(row.windowMaxMs)} ms, ${row.lostMax} writes`,
  });
  console.log(bars(rows.map(barOf)));
  console.log("\nThe same schedule, two orders of file operations; every operation is a moment for a cut\n");
  for (const finding of gaps) console.log(`${gapLines(finding, version).join("\n")}\n`);
  const { scenario, redis, ours } = gaps.find((finding) => finding.scenario.gap === o.gap)!;
  console.log(wrapped(`${scenario.gap}: ${scenario.schedule}.`));
  console.log(`\nRedis's order, up to the cut\n${table(OPERATION_HEADINGS, operationRows(redis), true)}`);
  if (redis.example !== null) console.log(wrapped(`${fateText(redis.example)} ${redis.example.explanation}.`));
  console.log(`\nThis server's order\n${table(OPERATION_HEADINGS, operationRows(ours), true)}`);
}

const { o, prediction } = asked(options()), progress = new Progress(o.json);
const version = redisVersion(), real = version === null ? null : new RealRedis();
onInterrupt(() => real?.close());
try {
  const machine = await Machine.open(), one = await pullThePlug(machine, o);
  if (!o.json && prediction === null) console.log(`${wrapped(describe(o.schedule))}\n`);
  const rows = await allPolicies(machine, o, progress), gaps = await allGaps(machine, o, real, progress);
  progress.clear();
  if (o.json) console.log(JSON.stringify(jsonOf(o, one, rows, gaps, version), null, 2));
  else {
    const seen = conclusions(rows, gaps, o.schedule);
    print(o, one, rows, gaps, version);
    if (prediction !== null) console.log(`\nYou predicted ${prediction} lost; it was ${one.powerCut.lost}.`);
    console.log(`\n${seen.map((text) => wrapped(text)).join("\n")}\n`);
    console.log(`The report with charts: ${report(one, rows, gaps, seen, version)}`);
  }
} finally {
  real?.close();
}
