/** The explorer itself: it finds nothing where nothing is wrong, finds what is, and does the same each time. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Fault, type FaultRule, USUAL_GEOMETRY } from "../../../src/io/simulated_disk/mod.ts";
import { argumentsOfJob, parseArguments } from "./arguments.ts";
import { Coverage, emptyCells } from "./coverage.ts";
import { Explorer, type Scenario, type Shard } from "./explorer.ts";
import { timelinePage } from "./html_timeline.ts";
import { runPlan, SMALL_GEOMETRY } from "./plan.ts";
import { shrink } from "./shrink.ts";
import { StateTable } from "./state_table.ts";
import { allPairs, CANONICAL, drawnWorkload } from "./workload.ts";

const LIE: Fault = { kind: "lie" };
const OPTIONS = { seed: 1, samples: 4, depthMax: 2, deeperEvery: 5, damageEvery: 0, holes: false };
const RUNS_MAX = 500;
const never = () => false;

function scenario(name: string, changes: Partial<Scenario> = {}): Scenario {
  const workload = CANONICAL.find((one) => one.name === name)!;
  return { workload, policy: "always", profile: "strict", geometry: SMALL_GEOMETRY, faults: [], ...changes };
}

Deno.test("no promise is broken in the canonical workloads, whatever the policy and profile", async () => {
  const explorer = await Explorer.open(OPTIONS);
  for (const profile of ["ext4", "strict", "kill"] as const) {
    for (const policy of ["always", "everysec", "no"] as const) {
      for (const workload of CANONICAL) {
        await explorer.explore({ workload, policy, profile, geometry: USUAL_GEOMETRY, faults: [] }, never);
      }
    }
  }
  assertEquals(explorer.violations, []);
  const { unique, uniqueAtDepth2 } = explorer.counts;
  assert(unique > 4000 && uniqueAtDepth2 > unique / 5, `${unique} states, ${uniqueAtDepth2} at depth 2`);
});

Deno.test("no promise is broken when an operation fails, once or for good", async () => {
  const explorer = await Explorer.open(OPTIONS);
  for (const fault of [{ kind: "error", code: "EIO" }, { kind: "hang", ms: 5000 }] as const) {
    for (let number = 19; number < 60; number += 3) {
      for (const policy of ["always", "everysec"] as const) {
        const faults = [{ number, fault, isSticky: number % 2 === 0 }];
        await explorer.explore(scenario("two rewrites", { policy, profile: "ext4", faults }), never);
      }
    }
  }
  assertEquals(explorer.violations, []);
});

/** What goes wrong, as operations that report success and do nothing: the invariant that must break. */
const BUGS: readonly [string, string, string, readonly FaultRule[]][] = [
  ["the log is not synced before the reply", "writes", "I2", [
    { operation: "sync", path: "appendonly.aof.1.incr.aof", fault: LIE, isSticky: true },
  ]],
  ["the manifest is not synced before its rename", "a rewrite", "I7", [
    { operation: "sync", path: "temp-appendonly.aof.manifest", fault: LIE, isSticky: true },
  ]],
  ["the directory is not synced after the manifest's rename", "writes", "I7", [
    { operation: "syncDirectory", path: "appendonlydir", fault: LIE, isSticky: true },
  ]],
  ["the directory's own name is not synced", "writes", "I7", [
    { operation: "syncDirectory", path: "/", fault: LIE, isSticky: true },
  ]],
  ["the base is not synced before its rename", "a rewrite", "I7", [
    { operation: "sync", path: "temp-rewriteaof-bg.aof", fault: LIE, isSticky: true },
  ]],
  ["the dump's name is not synced before the save is reported", "saves", "I5", [
    { operation: "syncDirectory", path: "/", fault: LIE, isSticky: true },
  ]],
];

for (const [what, name, invariant, faults] of BUGS) {
  Deno.test(`${what}: found, as ${invariant} broken`, async () => {
    const explorer = await Explorer.open(OPTIONS);
    await explorer.explore(scenario(name, { faults }), never);
    const found = explorer.violations.map((violation) => violation.invariant);
    assert(found.includes(invariant), `found ${found.join(", ") || "nothing"}`);
  });
}

Deno.test("a violation is shrunk to the steps that matter, and says what happened", async () => {
  const explorer = await Explorer.open(OPTIONS), faults = BUGS[0][3];
  await explorer.explore(scenario("writes", { faults }), never);
  const smallest = await shrink(explorer, explorer.violations.find((one) => one.invariant === "I2")!);
  assertEquals(smallest.scenario.workload.steps.map((step) => step.do), ["unit"]);
  assertEquals(smallest.end, "the power is cut");
  assert(smallest.fates.some((fate) => fate.endsWith(": lost")));
});

Deno.test("the same scenarios give the same states and outcomes", async () => {
  const run = async () => {
    const explorer = await Explorer.open(OPTIONS);
    for (const name of ["a rewrite", "background saves"]) await explorer.explore(scenario(name), never);
    return { ...explorer.counts, coverage: explorer.coverage.points };
  };
  assertEquals(await run(), await run());
});

Deno.test("two shards together visit the images that one explorer visits, and none of them twice", async () => {
  const visited = async (shard: Shard) => {
    const explorer = await Explorer.open({ ...OPTIONS, depthMax: 3, deeperEvery: 3, shard });
    for (const policy of ["always", "everysec"] as const) {
      for (const name of ["a rewrite", "kills"]) await explorer.explore(scenario(name, { policy }), never);
    }
    return [...explorer.visited()];
  };
  const [whole, first, second] = [
    await visited({ index: 0, count: 1 }),
    await visited({ index: 0, count: 2 }),
    await visited({ index: 1, count: 2 }),
  ];
  assertEquals([...first, ...second].sort(), whole.sort());
  assert(Math.min(first.length, second.length) > whole.length / 3, `${first.length} and ${second.length}`);
});

Deno.test("arguments that make no sense are refused with what is wrong", () => {
  const refusals: [string[], RegExp][] = [
    [["--sede", "1"], /Unknown argument "--sede"/],
    [["--minutes", "0"], /--minutes is "0"/],
    [["--profile", "ntfs"], /must be one of kill, ext4, strict, all/],
    [["--shard", "2/2"], /--shard is "2\/2"/],
    [["--jobs", "many"], /--jobs is "many"/],
    [["--only", "25"], /--only is "25"/],
    [["--scenario", "{}"], /copy it whole/],
  ];
  for (const [words, what] of refusals) {
    const error = assertThrows(() => parseArguments(words, 2), RangeError);
    assert(what.test(error.message), error.message);
  }
});

Deno.test("parts of a shard have numbers of their own", () => {
  const options = parseArguments(["--shard", "1/3", "--jobs", "2"], 8);
  const parts = [0, 1].map((index) => parseArguments(argumentsOfJob(options, index), 8).shard);
  assertEquals(parts, [{ index: 1, count: 6 }, { index: 4, count: 6 }]);
});

Deno.test("a timeline as HTML names what broke and how to see it again, and nothing in it is markup by accident", async () => {
  const explorer = await Explorer.open(OPTIONS), options = parseArguments(["--seed", "7"], 1);
  await explorer.explore(scenario("writes", { faults: BUGS[0][3] }), never);
  const [violation] = explorer.violations, page = timelinePage({ ...violation, text: "<b>" }, options);
  assert(page.includes("&lt;b&gt;") && !page.includes("<b>"));
  assert(page.includes("deno task crash --seed 7 --scenario") && page.includes("prefers-color-scheme: dark"));
  assert(page.includes(`${violation.invariant} broken`) && page.includes("◐ not durable yet"));
});

Deno.test("coverage: what is possible and was not reached is named, and tables add up", () => {
  const coverage = new Coverage(), pairs = allPairs().map((workload) => ({ ...scenario("writes"), workload }));
  const missing = emptyCells(coverage);
  assert(missing.includes("write EINTR sticky") && missing.includes("save, then restart"));
  assert(!missing.some((name) => name.startsWith("rename short")), "a rename cannot be short");
  for (const pair of pairs) coverage.ran(pair, [], 3);
  coverage.addAll(coverage);
  assertEquals(coverage.pairs["save, then restart"], { runs: 2, states: 6 });
  assertEquals(emptyCells(coverage).some((name) => name.includes("then")), false);
});

Deno.test("plan: within 500 runs each operation has met each fault that it can meet, and each verb followed each", async () => {
  const explorer = await Explorer.open(OPTIONS), always = () => true;
  const isOver = () => explorer.counts.runs === RUNS_MAX || emptyCells(explorer.coverage).length === 0;
  await runPlan(1, ["ext4", "strict", "kill"], (scenario) => explorer.explore(scenario, always), isOver);
  assertEquals(emptyCells(explorer.coverage), []);
  assertEquals(explorer.violations, []);
});

Deno.test("workloads: all pairs of verbs; drawn ones follow from what is drawn", () => {
  const pairs = allPairs();
  assertEquals(new Set(pairs.map((one) => one.name)).size, pairs.length);
  assertEquals(pairs.length, 100);
  assertEquals(drawnWorkload(1, (n) => n - 1), drawnWorkload(1, (n) => n - 1));
});

Deno.test("StateTable: finds what was added, by both words of the hash, as it grows", () => {
  const table = new StateTable(), found = { log: true, dump: false };
  const result = (i: number) => ({ digest: String(i % 5), refusal: null, found, broken: null });
  for (let i = 0; i < 100_000; i++) table.add(i % 300, Math.floor(i / 300), result(i));
  assertEquals(table.size, 100_000);
  for (let i = 0; i < 100_000; i += 997) assertEquals(table.get(i % 300, Math.floor(i / 300)), result(i));
  assertEquals(table.get(1, 1_000_000), undefined);
});
