/** The options of lab 01, checked. */
import { LabArguments } from "../kit/arguments.ts";
import { BATCH, ELEMENTS, VALUE_TYPES, type ValueType } from "../kit/write_load.ts";

const USAGE = `deno task lab cow [options]

  --type T          ${VALUE_TYPES.join(", ")}, or mix of all  (string)
  --keys N          strings to load, or elements, ${ELEMENTS} to a key   (1000000)
  --value-bytes N   bytes of each string or element      (100)
  --hot LIST        hot sets, percent of the keys        (0.1,1,10,100)
  --seconds N       writing before each save, seconds    (2)
  --page-size N     bytes of a page, 512 to 2097152      (4096)
  --json            print the figures as JSON, nothing else
`;

export interface Options {
  /** "mix" is all of them at once. */
  type: ValueType | "mix";
  keys: number;
  valueBytes: number;
  hotPercent: number[];
  seconds: number;
  pageBytes: number;
  json: boolean;
}

const DEFAULTS = {
  type: "string",
  keys: 1_000_000,
  "value-bytes": 100,
  hot: "0.1,1,10,100",
  seconds: 2,
  "page-size": 4096,
};
/** Every type gets at least this many elements. */
const KEYS_MIN = BATCH * ELEMENTS * VALUE_TYPES.length;

/** Reads the command line; prints what is wrong and exits with 2. */
export function options(): Options {
  const args = new LabArguments({ usage: USAGE, defaults: DEFAULTS, flags: ["json"] });
  const hotPercent = args.text("hot").split(",").map(Number);
  if (hotPercent.some((percent) => !(percent > 0 && percent <= 100))) {
    args.fail("--hot takes percentages above 0, up to 100, with commas between");
  }
  const pageBytes = args.number("page-size", 512, 2 ** 21);
  if ((pageBytes & (pageBytes - 1)) !== 0) args.fail("--page-size takes a power of two");
  const type = args.choice("type", [...VALUE_TYPES, "mix" as const]);
  return {
    type,
    keys: Math.floor(args.number("keys", type === "string" ? BATCH : KEYS_MIN, 1e8)),
    valueBytes: Math.floor(args.number("value-bytes", 1, 1e6)),
    hotPercent,
    seconds: args.number("seconds", 0.1, 60),
    pageBytes,
    json: args.flag("json"),
  };
}
