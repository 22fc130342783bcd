/**
 * Workloads: what a server is made to do while its disk is watched. A list of steps; units are what must survive whole or not at all.
 */

/** `rdb`: saves only. `aof`: the log, from the start. */
export type Mode = "rdb" | "aof";
export type Policy = "always" | "everysec" | "no";

export type Step =
  /** Commands that are applied as one: a single one, or a transaction. */
  | { readonly do: "unit"; readonly commands: readonly (readonly string[])[] }
  /** Time passes, with a tick of the server's cron every 100 ms. */
  | { readonly do: "time"; readonly ms: number }
  | { readonly do: "rewrite" }
  | { readonly do: "bgsave" }
  | { readonly do: "save" }
  /** The snapshot child runs to its end. */
  | { readonly do: "child" }
  | { readonly do: "appendonly"; readonly on: boolean }
  /** The process is killed and started again, perhaps in another mode. */
  | { readonly do: "restart"; readonly mode?: Mode }
  /** SHUTDOWN, and a new start. */
  | { readonly do: "shutdown" };

export interface Workload {
  readonly name: string;
  /** "one, then another": the verbs that it pairs. */
  readonly pair?: string;
  readonly mode: Mode;
  readonly steps: readonly Step[];
}

const REWRITE: Step = { do: "rewrite" }, CHILD: Step = { do: "child" }, SAVE: Step = { do: "save" };
const BGSAVE: Step = { do: "bgsave" }, RESTART: Step = { do: "restart" }, SHUTDOWN: Step = { do: "shutdown" };
const SECOND: Step = { do: "time", ms: 1100 }, LONG: Step = { do: "time", ms: 2500 };
const OFF: Step = { do: "appendonly", on: false }, ON: Step = { do: "appendonly", on: true };

/** A unit that leaves a state like no other. Its effects are not the same when it is applied twice. */
export function unit(number: number): Step {
  const increment = ["INCR", "n"], text = `${number}.`;
  const kinds: (readonly string[])[][] = [
    [increment],
    [increment, ["APPEND", "s", text], ["RPUSH", "l", text, text]],
    [["APPEND", "s", text.padEnd(40, "-")]],
    [increment, ["HSET", "h", `f${number}`, text], ["DEL", "l"], ["ZADD", "z", String(number), text]],
    [["RPUSH", "l", text.padEnd(700, "=")]],
  ];
  return { do: "unit", commands: kinds[number % kinds.length] };
}

/** Builds a workload; `null` stands for the next unit. */
function workload(name: string, mode: Mode, steps: readonly (Step | null)[]): Workload {
  let number = 0;
  return { name, mode, steps: steps.map((step) => step ?? unit(number++)) };
}

export const CANONICAL: readonly Workload[] = [
  workload("writes", "aof", [null, null, null, SECOND, null, null, LONG, null]),
  workload("a rewrite", "aof", [null, null, REWRITE, null, SECOND, CHILD, null, null, LONG]),
  workload("two rewrites", "aof", [null, REWRITE, CHILD, null, null, REWRITE, null, SECOND, CHILD, null, SECOND]),
  workload("a rewrite and a kill before its end", "aof", [null, null, REWRITE, null, null, RESTART, null, SECOND]),
  workload("a rewrite, a kill, another rewrite", "aof", [
    null,
    REWRITE,
    null,
    RESTART,
    null,
    REWRITE,
    null,
    CHILD,
    null,
  ]),
  workload("kills", "aof", [null, null, RESTART, null, RESTART, null, null, SECOND, RESTART, null]),
  workload("shutdowns", "aof", [null, null, SHUTDOWN, null, SECOND, SHUTDOWN, null]),
  workload("a shutdown during a rewrite", "aof", [null, REWRITE, null, SHUTDOWN, null, SECOND]),
  workload("the log off and on", "aof", [null, null, OFF, null, ON, null, CHILD, null, SECOND]),
  workload("the log off during a rewrite", "aof", [null, REWRITE, null, OFF, CHILD, null, ON, SECOND, CHILD, null]),
  workload("the log off and on, then a kill", "aof", [null, OFF, null, ON, null, RESTART, null, SECOND]),
  workload("saves beside the log", "aof", [null, SAVE, null, BGSAVE, null, CHILD, null, RESTART, null]),
  workload("a save, then a rewrite", "aof", [null, BGSAVE, null, CHILD, REWRITE, null, CHILD, null, SECOND]),
  workload("saves", "rdb", [null, null, SAVE, null, null, SAVE, null]),
  workload("background saves", "rdb", [null, BGSAVE, null, CHILD, null, null, BGSAVE, null, CHILD, null]),
  workload("saves and kills", "rdb", [null, SAVE, null, RESTART, null, BGSAVE, CHILD, null, RESTART, null, SAVE]),
  workload("a shutdown without a log", "rdb", [null, SAVE, null, SHUTDOWN, null]),
  workload("a log beside an existing dump", "rdb", [
    null,
    null,
    SAVE,
    null,
    { do: "restart", mode: "aof" },
    null,
    SECOND,
    REWRITE,
    null,
    CHILD,
    null,
  ]),
  workload("the log turned on while it runs", "rdb", [null, ON, null, CHILD, null, SECOND, {
    do: "restart",
    mode: "aof",
  }, null]),
];

/** Verbs of which all pairs are tried: each a few steps. */
const VERBS: Readonly<Record<string, readonly (Step | null)[]>> = {
  write: [null],
  pause: [SECOND],
  "rewrite begins": [REWRITE],
  "rewrite ends": [REWRITE, CHILD],
  bgsave: [BGSAVE, CHILD],
  save: [SAVE],
  off: [OFF, null],
  on: [OFF, null, ON, CHILD],
  shutdown: [SHUTDOWN],
  restart: [RESTART],
};

export const VERB_NAMES: readonly string[] = Object.keys(VERBS);

export function allPairs(): Workload[] {
  return VERB_NAMES.flatMap((one) =>
    VERB_NAMES.map((two) => {
      const pair = `${one}, then ${two}`, steps = [null, ...VERBS[one], null, ...VERBS[two], null, SECOND, CHILD];
      return { ...workload(pair, "aof", steps), pair };
    })
  );
}

/** A workload that nobody thought of. */
export function drawnWorkload(number: number, below: (n: number) => number): Workload {
  const verbs = Object.values(VERBS), steps: (Step | null)[] = [null];
  for (let i = 4 + below(8); i > 0; i--) steps.push(...verbs[below(verbs.length)], ...(below(2) === 0 ? [null] : []));
  return workload(`drawn ${number}`, "aof", steps);
}
