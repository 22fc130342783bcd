/** The options of lab 03, checked. */
import { LabArguments } from "../kit/arguments.ts";
import { EMBSTR_BYTES_MAX, SLAB_VALUE_BYTES_MAX, type WriteCommand } from "./redis_layout.ts";
import { rankChances } from "./write_trace.ts";

const USAGE = `deno task lab fork [options]

  --keys N            keys that the write traces are over            (262144)
  --value-bytes N     bytes of each value, ${EMBSTR_BYTES_MAX + 1} to ${SLAB_VALUE_BYTES_MAX}            (1000)
  --writes N          writes of a trace                              (100000)
  --skews LIST        uniform; hotP, P % of the keys; zipfS, exponent S
                                                 (uniform,hot10,hot1,zipf0.99)
  --commands LIST     setrange, which writes in place; set           (setrange,set)
  --neighbours        hot keys were loaded one after the other, not scattered
  --sizes LIST        data sizes for the start pause, in MiB         (64,256,1024)
  --rate N            SETs a second during the saves                 (4000)
  --seed N            the same traces again                          (drawn anew)
  --quick             less data, setrange only
  --json              print the figures as JSON, nothing else
`;

export interface Options {
  readonly keys: number;
  readonly valueBytes: number;
  readonly writes: number;
  readonly skews: readonly string[];
  readonly commands: readonly WriteCommand[];
  readonly areNeighbours: boolean;
  readonly sizesMib: readonly number[];
  readonly rate: number;
  readonly seed: number;
  readonly json: boolean;
}

const DEFAULTS = {
  keys: 262_144,
  "value-bytes": 1000,
  writes: 100_000,
  skews: "uniform,hot10,hot1,zipf0.99",
  commands: "setrange,set",
  sizes: "64,256,1024",
  rate: 4000,
  seed: "",
};
const QUICK = { keys: 65_536, writes: 30_000, commands: "setrange", sizes: "32,128" } as const;
const COMMANDS: Readonly<Record<string, WriteCommand>> = { setrange: "SETRANGE", set: "SET" };
const SEED_MAX = 2 ** 31 - 1, SIZES_MAX = 6, SIZE_MIB_MAX = 1024;

/** Reads the command line; prints what is wrong and exits with 2. */
export function options(): Options {
  const args: LabArguments = new LabArguments({
    usage: USAGE,
    defaults: DEFAULTS,
    flags: ["neighbours", "quick", "json"],
  });
  const isQuick = args.flag("quick");
  const quickOr = (name: keyof typeof QUICK) => isQuick && !args.isGiven(name) ? String(QUICK[name]) : args.text(name);
  const count = (name: "keys" | "writes", min: number, max: number) =>
    args.isGiven(name) || !isQuick ? Math.floor(args.number(name, min, max)) : QUICK[name];
  return {
    keys: count("keys", 16_384, 1_000_000),
    valueBytes: Math.floor(args.number("value-bytes", EMBSTR_BYTES_MAX + 1, SLAB_VALUE_BYTES_MAX)),
    writes: count("writes", 1000, 1_000_000),
    skews: skews(args),
    commands: quickOr("commands").split(",").map((name) =>
      COMMANDS[name.trim().toLowerCase()] ?? args.fail(
        `--commands takes setrange and set, not "${name}"`,
      )
    ),
    areNeighbours: args.flag("neighbours"),
    sizesMib: sizes(quickOr("sizes"), args),
    rate: Math.floor(args.number("rate", 100, 50_000)),
    seed: args.isGiven("seed") ? Math.floor(args.number("seed", 0, SEED_MAX)) : Math.floor(Math.random() * SEED_MAX),
    json: args.flag("json"),
  };
}

function skews(args: LabArguments): string[] {
  const names = args.text("skews").split(",").map((name) => name.trim());
  const bad = names.find((name) => rankChances(name, 100) === null);
  if (bad !== undefined) args.fail(`--skews takes uniform, hot10, zipf0.99 and their like, not "${bad}"`);
  return names;
}

function sizes(text: string, args: LabArguments): number[] {
  const numbers = text.split(",").map((word) => word.trim() === "" ? NaN : Number(word));
  if (numbers.length > SIZES_MAX || !numbers.every((mib) => mib >= 8 && mib <= SIZE_MIB_MAX)) {
    args.fail(`--sizes takes up to ${SIZES_MAX} sizes from 8 to ${SIZE_MIB_MAX} MiB`);
  }
  return numbers.sort((a, b) => a - b);
}
