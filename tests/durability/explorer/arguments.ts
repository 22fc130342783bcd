/** What `deno task crash` is told to do. */
import { parseArgs } from "@std/cli";
import type { DiskProfile } from "../../../src/io/simulated_disk/mod.ts";
import type { Scenario, Shard } from "./explorer.ts";

const PROFILES: Readonly<Record<string, readonly DiskProfile[]>> = {
  kill: ["kill"],
  ext4: ["ext4"],
  strict: ["strict"],
  all: ["ext4", "strict", "kill"],
};
const MINUTES_MAX = 100_000, JOBS_MAX = 256;

export interface Arguments {
  readonly seed: number;
  readonly minutes: number;
  /** It ends with the scenario in which it has seen so many images. */
  readonly states: number;
  readonly profile: string;
  readonly profiles: readonly DiskProfile[];
  readonly holes: boolean;
  readonly damage: boolean;
  readonly json: boolean;
  readonly jobs: number;
  readonly shard: Shard;
  /** One that a violation printed. */
  readonly scenario: Scenario | null;
  readonly mutants: boolean;
  /** Of the seeded bugs only this one. */
  readonly only: number | null;
  /** Counts go to the output now and then: for the process that merges them. */
  readonly relays: boolean;
}

const WORDS = ["seed", "minutes", "states", "profile", "holes", "damage", "jobs", "shard", "scenario", "only"];

/** @throws {RangeError} with what is wrong */
export function parseArguments(words: readonly string[], cores: number): Arguments {
  const found = parseArgs(words, {
    string: WORDS,
    boolean: ["json", "mutants", "relays"],
    default: {
      seed: "1",
      minutes: "1",
      profile: "all",
      holes: "yes",
      damage: "yes",
      jobs: String(cores),
      shard: "0/1",
    },
    unknown: (word) => {
      throw new RangeError(`Unknown argument "${word}"`);
    },
  });
  const profile = String(found.profile), profiles = PROFILES[profile];
  if (profiles === undefined) {
    throw new RangeError(`--profile is "${profile}", must be one of ${Object.keys(PROFILES).join(", ")}`);
  }
  const minutes = Number(found.minutes), scenario = found.scenario === undefined ? null : scenarioOf(found.scenario);
  if (!(minutes > 0 && minutes <= MINUTES_MAX)) {
    throw new RangeError(`--minutes is "${found.minutes}", must be above 0`);
  }
  return {
    seed: natural("seed", found.seed, 0, Number.MAX_SAFE_INTEGER),
    minutes,
    states: found.states === undefined ? Infinity : natural("states", found.states, 1, Number.MAX_SAFE_INTEGER),
    profile,
    profiles,
    holes: yesOrNo("holes", found.holes),
    damage: yesOrNo("damage", found.damage),
    json: found.json === true,
    jobs: scenario !== null ? 1 : natural("jobs", found.jobs, 1, JOBS_MAX),
    shard: shardOf(String(found.shard)),
    scenario,
    mutants: found.mutants === true,
    only: found.only === undefined ? null : natural("only", found.only, 1, 24),
    relays: found.relays === true,
  };
}

function natural(name: string, value: unknown, min: number, max: number): number {
  const number = Number(value);
  if (value !== "" && Number.isSafeInteger(number) && number >= min && number <= max) return number;
  throw new RangeError(`--${name} is "${value}", must be a whole number of ${min} or more`);
}

function yesOrNo(name: string, value: unknown): boolean {
  if (value === "yes" || value === "no") return value === "yes";
  throw new RangeError(`--${name} is "${value}", must be yes or no`);
}

function shardOf(text: string): Shard {
  const match = /^([0-9]{1,6})\/([0-9]{1,6})$/.exec(text), index = Number(match?.[1]), count = Number(match?.[2]);
  if (match !== null && index < count) return { index, count };
  throw new RangeError(`--shard is "${text}", must be like 0/2: the first of two`);
}

function scenarioOf(text: unknown): Scenario {
  try {
    const scenario = JSON.parse(String(text)) as Scenario;
    if (Array.isArray(scenario.workload.steps) && Array.isArray(scenario.faults)) return scenario;
  } catch {
    // Said below.
  }
  throw new RangeError("--scenario is no scenario: copy it whole from what a violation prints");
}

/** The arguments of the process that explores part `index` of `jobs`. */
export function argumentsOfJob(options: Arguments, index: number): string[] {
  const { seed, minutes, states, profile, holes, damage, jobs, shard } = options,
    yes = (is: boolean) => is ? "yes" : "no";
  const part = `${shard.index + shard.count * index}/${shard.count * jobs}`;
  const limit = states === Infinity ? {} : { states: Math.ceil(states / jobs) };
  const values = { ...limit, seed, minutes, profile, holes: yes(holes), damage: yes(damage), jobs: 1, shard: part };
  return ["--relays", ...Object.entries(values).flatMap(([name, value]) => [`--${name}`, String(value)])];
}
