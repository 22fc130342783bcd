/** The options of lab 02, checked. */
import { LabArguments } from "../kit/arguments.ts";
import { SCENARIOS } from "./gap_scenarios.ts";
import { type Disk, DISKS, DURING, POLICIES, type Schedule } from "./power_cut.ts";

const GAPS = SCENARIOS.map(({ gap }) => gap);

const USAGE = `deno task lab power-cut [options]

  --policy P     ${POLICIES.join(", ")}: appendfsync, or save points without a log   (everysec)
  --rate N       writes a second, at random distances                            (100)
  --multi N      keys that a write sets; more than one in MULTI and EXEC         (1)
  --during W     ${DURING.join(", ")}: what is under way in the middle third      (none)
  --at MS        when the plug is pulled                             (drawn by the seed)
  --run-ms N     how long writes come                                            (4000)
  --sync-ms N    what a sync of the log takes                                    (8)
  --save LIST    policy rdb: seconds,changes of the save point                   (1,50)
  --disk D       worst: all that was not synced is lost; drawn: what the seed says (worst)
  --cuts N       power cuts, and kills, for each policy                          (200)
  --gap G        whose operations the terminal shows: ${GAPS.join(", ")}   (G2)
  --seed N       the same runs again                                      (drawn anew)
  --quick        fewer cuts
  --json         print the figures as JSON, nothing else
`;

export interface Options {
  readonly schedule: Schedule;
  /** Whether it was said, or is to be asked for. */
  readonly isPolicyGiven: boolean;
  readonly atMs: number | null;
  readonly disk: Disk;
  readonly cuts: number;
  /** Power cuts that are drawn at each operation of a gap's schedule. */
  readonly samples: number;
  readonly gap: string;
  readonly json: boolean;
}

const DEFAULTS = {
  policy: "everysec",
  rate: 100,
  multi: 1,
  during: "none",
  at: "",
  "run-ms": 4000,
  "sync-ms": 8,
  save: "1,50",
  disk: "worst",
  cuts: 200,
  gap: "G2",
  seed: "",
};
const QUICK_CUTS = 40;
const RUN_MS_MIN = 500, RUN_MS_MAX = 20_000, SEED_MAX = 2 ** 31 - 1;
const SAMPLES = 100;

/** Reads the command line; prints what is wrong and exits with 2. */
export function options(): Options {
  const args: LabArguments = new LabArguments({ usage: USAGE, defaults: DEFAULTS, flags: ["quick", "json"] });
  const whole = (name: string, min: number, max: number) => Math.floor(args.number(name, min, max));
  const save = /^(\d{1,4}),(\d{1,9})$/.exec(args.text("save"));
  if (save === null) args.fail("--save takes seconds and changes with a comma between, as 1,50");
  const runMs = whole("run-ms", RUN_MS_MIN, RUN_MS_MAX);
  const cuts = whole("cuts", 1, 100_000);
  return {
    schedule: {
      policy: args.choice("policy", POLICIES),
      rate: args.number("rate", 1, 2000),
      multi: whole("multi", 1, 100),
      during: args.choice("during", DURING),
      runMs,
      syncMs: whole("sync-ms", 1, 1000),
      saveSeconds: Number(save[1]),
      saveChanges: Number(save[2]),
      seed: args.isGiven("seed") ? whole("seed", 0, SEED_MAX) : Math.floor(Math.random() * SEED_MAX),
    },
    isPolicyGiven: args.isGiven("policy"),
    atMs: args.isGiven("at") ? whole("at", 1, runMs) : null,
    disk: args.choice("disk", DISKS),
    cuts: args.flag("quick") ? Math.min(cuts, QUICK_CUTS) : cuts,
    samples: SAMPLES,
    gap: args.choice("gap", GAPS),
    json: args.flag("json"),
  };
}
