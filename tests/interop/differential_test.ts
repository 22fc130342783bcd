/**
 * Seeded random command sequences, sent to this server and to redis-server: equal replies, in RESP2 and RESP3, and equal DEBUG DIGEST.
 *
 * A round is one sequence from an empty data set, given by its seed: also its protocol, and one of three sets of encoding limits, so that
 * encodings cross their thresholds by count and by size, early and late. One test a family of commands and one over all of them;
 * 200,000 commands together. A failing sequence is shrunk, and printed with the command that replays it.
 *
 *   DIFFERENTIAL_SEED    first seed (each test takes its rounds' seeds from there on)
 *   DIFFERENTIAL_ROUNDS  rounds for each test, 1 to replay one seed; 1000 for a night
 *   DIFFERENTIAL_STEPS   steps in a round
 *
 *   DIFFERENTIAL_ROUNDS=100 deno test -A tests/interop/differential_test.ts --filter "differential: stream"
 */

import { runSteps } from "./differential/comparison_run.ts";
import { Draw } from "./differential/draw.ts";
import type { Family } from "./differential/family.ts";
import { FAMILIES, generate, type Mixture, MOSTLY_KEYS, MOSTLY_TYPES } from "./differential/families/mod.ts";
import { roundOf } from "./differential/rounds.ts";
import { ServerPair } from "./differential/server_pair.ts";
import { shrinkFailing } from "./differential/shrink.ts";
import { showWords, type Step } from "./differential/step.ts";
import { oracleTest } from "../support/server_fixture.ts";

const SEED = Number(Deno.env.get("DIFFERENTIAL_SEED") ?? 20261124);
const ROUNDS = Number(Deno.env.get("DIFFERENTIAL_ROUNDS") ?? 6);
const STEPS = Number(Deno.env.get("DIFFERENTIAL_STEPS") ?? 2500);
const SHRINK_MAX_MS = 60_000;
const SHOWN_STEPS_MAX = 60;

async function compareFamilies(
  name: string,
  families: readonly Family[],
  mixture: Mixture,
  rounds = ROUNDS,
): Promise<void> {
  await using pair = new ServerPair();
  try {
    await compareRounds(pair, name, families, mixture, rounds);
  } catch (error) {
    console.error(`log of our server:\n${pair.ours.log}`);
    throw error;
  }
}

async function compareRounds(
  pair: ServerPair,
  name: string,
  families: readonly Family[],
  mixture: Mixture,
  rounds: number,
): Promise<void> {
  for (let seed = SEED; seed < SEED + rounds; seed++) {
    const steps = generate(new Draw(seed), families, mixture, STEPS);
    const difference = await runSteps(pair, roundOf(seed), steps);
    if (difference === undefined) continue;
    const small = await shrinkFailing(pair, roundOf(seed), steps.slice(0, difference.endStep), SHRINK_MAX_MS);
    throw new Error(await explain(pair, name, seed, difference.text, small));
  }
}

async function explain(
  pair: ServerPair,
  name: string,
  seed: number,
  first: string,
  small: readonly Step[],
): Promise<string> {
  const { protocol, settings } = roundOf(seed), again = await runSteps(pair, roundOf(seed), small);
  const shown = small.slice(-SHOWN_STEPS_MAX).flatMap((step) => step.commands.map((words) => "  " + showWords(words)));
  return [
    `first difference: ${first}`,
    `RESP${protocol}, ${settings.map(([directive, value]) => `${directive} ${value}`).join(", ")}`,
    `the smallest of ${small.length} steps found:`,
    ...shown,
    again === undefined ? "which does not fail every time" : `=> ${again.text}`,
    `replay with: DIFFERENTIAL_SEED=${seed} DIFFERENTIAL_ROUNDS=1 DIFFERENTIAL_STEPS=${STEPS} ` +
    `deno test -A tests/interop/differential_test.ts --filter "differential: ${name}"`,
  ].join("\n");
}

for (const family of FAMILIES) {
  oracleTest(`differential: ${family.name}`, () => compareFamilies(family.name, [family], MOSTLY_TYPES));
}

oracleTest("differential: keys", () => compareFamilies("keys", FAMILIES, MOSTLY_KEYS));

oracleTest("differential: all", () => compareFamilies("all", FAMILIES, MOSTLY_TYPES, ROUNDS * 2));
