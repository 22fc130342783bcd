/** The options of lab 07, checked. */
import { LabArguments } from "../kit/arguments.ts";

const USAGE = `deno task lab rdb-bytes [options]

  --flip BYTE.BIT   flips one bit (0 is the lowest) and says who notices; nothing else
  --samples N       flips of each kind of byte that Redis's tools are given   (8)
  --seed N          the same samples again                        (drawn anew)
  --map             prints the map of all bytes too, where it is not a terminal
  --quick           fewer samples
  --json            print the figures as JSON, nothing else
`;

export interface Options {
  readonly flip: { readonly offset: number; readonly bit: number } | null;
  readonly samples: number;
  /** Bits of each byte that the check is asked about. */
  readonly checkedBits: number;
  readonly seed: number;
  readonly map: boolean;
  readonly json: boolean;
}

const DEFAULTS = { flip: "", samples: 8, seed: "" };
const QUICK_SAMPLES = 2, SEED_MAX = 2 ** 31 - 1;

/** Reads the command line; prints what is wrong and exits with 2. */
export function options(fileBytes: number): Options {
  const args: LabArguments = new LabArguments({ usage: USAGE, defaults: DEFAULTS, flags: ["map", "quick", "json"] });
  const samples = Math.floor(args.number("samples", 0, 1000)), isQuick = args.flag("quick");
  const flip = /^(\d{1,6})\.([0-7])$/.exec(args.text("flip")), isFlip = args.isGiven("flip");
  if (isFlip && (flip === null || Number(flip[1]) >= fileBytes)) {
    args.fail(`--flip takes a byte from 0 to ${fileBytes - 1} and a bit from 0 to 7 with a point between, as 57.3`);
  }
  return {
    flip: isFlip ? { offset: Number(flip![1]), bit: Number(flip![2]) } : null,
    samples: isQuick ? Math.min(samples, QUICK_SAMPLES) : samples,
    checkedBits: isQuick ? 1 : 8,
    seed: args.isGiven("seed") ? Math.floor(args.number("seed", 0, SEED_MAX)) : Math.floor(Math.random() * SEED_MAX),
    map: args.flag("map"),
    json: args.flag("json"),
  };
}
