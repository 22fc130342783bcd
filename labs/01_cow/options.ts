/** The options of lab 01, checked. */
import { nearestOf } from "../../src/mod.ts";
import { LabArguments } from "../kit/arguments.ts";
import { BATCH, ELEMENTS, VALUE_TYPES, type ValueType } from "../kit/write_load.ts";

export const EXPERIMENTS = ["hot-sets", "skew", "page-size", "scan-order", "budget", "attribution"] as const;
export type ExperimentName = (typeof EXPERIMENTS)[number];

const USAGE = `deno task lab cow [options]

  --experiment LIST ${EXPERIMENTS.join(", ")}; or all  (all)
  --seed N          of the recorded traces               (1)
  --quick           less data, for a first look
  --json            print the figures as JSON, nothing else

What hot-sets loads and writes, in real time:

  --type T          ${VALUE_TYPES.join(", ")}, or mix of all  (string)
  --keys N          strings to load, or elements, ${ELEMENTS} to a key   (1000000)
  --value-bytes N   bytes of each string or element      (100)
  --hot LIST        hot sets, percent of the keys        (0.1,1,10,100)
  --seconds N       writing before each save, seconds    (2)
  --page-size N     bytes of a page, 512 to 2097152      (4096)
`;

/** Sizes of the experiments that replay recorded traces. */
export interface Sizes {
  readonly skewBytes: number;
  readonly pageSizeKeys: number;
  readonly scanOrderKeys: number;
  readonly budgetKeys: number;
  readonly attributionKeys: number;
}

export interface Options {
  experiments: readonly ExperimentName[];
  /** "mix" is all of them at once. */
  type: ValueType | "mix";
  keys: number;
  valueBytes: number;
  hotPercent: number[];
  seconds: number;
  pageBytes: number;
  seed: number;
  sizes: Sizes;
  json: boolean;
  /** What was made smaller because memory is short; null when nothing was. */
  scaledDown: string | null;
}

const DEFAULTS = {
  experiment: "all",
  seed: 1,
  type: "string",
  keys: 1_000_000,
  "value-bytes": 100,
  hot: "0.1,1,10,100",
  seconds: 2,
  "page-size": 4096,
};
const QUICK = { keys: 200_000, seconds: 0.3 };
/** Every type gets at least this many elements. */
const KEYS_MIN = BATCH * ELEMENTS * VALUE_TYPES.length;
const FULL_SIZES: Sizes = {
  skewBytes: 48e6,
  pageSizeKeys: 500_000,
  scanOrderKeys: 60_000,
  budgetKeys: 200_000,
  attributionKeys: 200_000,
};
const QUICK_SIZES: Sizes = {
  skewBytes: 8e6,
  pageSizeKeys: 100_000,
  scanOrderKeys: 30_000,
  budgetKeys: 60_000,
  attributionKeys: 60_000,
};
/** Free memory below which the recorded traces are replayed on less data. */
const FULL_BYTES_MIN = 2 ** 30;
/** Data, its copies, and as much again for the process. */
const COPIES_OF_DATA = 3;
/** What a key and its place in the hash table take, apart from its value. */
const KEY_BYTES = 48;

/** Reads the command line; prints what is wrong and exits with 2. `availableBytes` is the memory that is free. */
export function options(availableBytes: number): Options {
  const args = new LabArguments({ usage: USAGE, defaults: DEFAULTS, flags: ["json", "quick"] });
  const hotPercent = args.text("hot").split(",").map(Number);
  if (hotPercent.some((percent) => !(percent > 0 && percent <= 100))) {
    args.fail("--hot takes percentages above 0, up to 100, with commas between");
  }
  const pageBytes = args.number("page-size", 512, 2 ** 21);
  if ((pageBytes & (pageBytes - 1)) !== 0) args.fail("--page-size takes a power of two");
  const type = args.choice("type", [...VALUE_TYPES, "mix" as const]);
  const keysMin = type === "string" ? BATCH : KEYS_MIN, isQuick = args.flag("quick");
  const keys = Math.floor(args.number("keys", keysMin, 1e8));
  const chosen: Options = {
    experiments: experimentsOf(args),
    type,
    keys: isQuick && !args.isGiven("keys") ? QUICK.keys : keys,
    valueBytes: Math.floor(args.number("value-bytes", 1, 1e6)),
    hotPercent,
    seconds: isQuick && !args.isGiven("seconds") ? QUICK.seconds : args.number("seconds", 0.1, 60),
    pageBytes,
    seed: Math.floor(args.number("seed", 0, 2 ** 32 - 1)),
    sizes: isQuick ? QUICK_SIZES : FULL_SIZES,
    json: args.flag("json"),
    scaledDown: null,
  };
  return fitted(chosen, availableBytes, keysMin);
}

function experimentsOf(args: LabArguments): readonly ExperimentName[] {
  const text = args.text("experiment");
  if (text === "all") return EXPERIMENTS;
  const wanted = text.split(",");
  const unknown = wanted.find((one) => !EXPERIMENTS.some((name) => name === one));
  if (unknown !== undefined) {
    const nearest = nearestOf(unknown, EXPERIMENTS);
    args.fail(
      `There is no experiment "${unknown}". Did you mean "${nearest}"? There are ${EXPERIMENTS.join(", ")}, or all`,
    );
  }
  return EXPERIMENTS.filter((name) => wanted.includes(name));
}

/** Smaller where memory is short. */
function fitted(o: Options, availableBytes: number, keysMin: number): Options {
  const keysMax = Math.floor(availableBytes / COPIES_OF_DATA / (o.valueBytes + KEY_BYTES));
  const keys = Math.max(keysMin, Math.min(o.keys, keysMax)), isShort = availableBytes < FULL_BYTES_MIN;
  if (keys === o.keys && !(isShort && o.sizes === FULL_SIZES)) return o;
  const free = `${Math.round(availableBytes / 2 ** 20)} MiB of memory are free`;
  return {
    ...o,
    keys,
    sizes: isShort ? QUICK_SIZES : o.sizes,
    scaledDown: `Only ${free}: ${keys} keys are loaded${
      isShort ? ", and the recorded traces are replayed on less data" : ""
    }.`,
  };
}
