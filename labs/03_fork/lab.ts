/**
 * Lab 03, fork. A write trace is made under the snapshot of a real redis-server and under this server's: what the kernel copies is predicted
 * before it happens, counted from the kernel's own figures, and compared with what Redis reports. Then both start saves of growing data.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { redisVersion } from "../kit/redis_process.ts";
import { ask, bars, onInterrupt, Progress, table, thousands, wrapped } from "../kit/terminal.ts";
import {
  type Claim,
  COPIES_HEADINGS,
  COPIES_NOTE,
  copiesCells,
  copiesClaims,
  copiesConclusions,
  LAYOUT_HEADINGS,
  layoutCells,
} from "./findings.ts";
import { options } from "./options.ts";
import { type PageCopies, pageCopies } from "./page_copies.ts";
import { hugePagePolicy } from "./process_memory.ts";
import { totalPages } from "./redis_layout.ts";
import { report } from "./report.ts";

const o = options(), version = redisVersion(), progress = new Progress(o.json), say = o.json ? () => {} : console.log;
const directory = mkdtempSync(`${tmpdir()}/afterimage-fork-`), started = new Set<Deno.ChildProcess>();

function cleanUp(): void {
  for (const process of started) {
    try {
      process.kill("SIGKILL");
    } catch {
      // It has ended.
    }
  }
  rmSync(directory, { recursive: true, force: true });
}

function copiesBars({ rows }: PageCopies): string {
  return bars(rows.flatMap((row) => [
    {
      label: `${row.command} ${row.skew}, predicted`,
      value: totalPages(row.tracked),
      text: thousands(totalPages(row.tracked)),
    },
    ...(row.kernel === null
      ? []
      : [{ label: "kernel", value: row.kernel.parentPages, text: thousands(row.kernel.parentPages) }]),
  ]));
}

function tell(claims: readonly Claim[]): void {
  for (const { text, measured, holds } of claims) say(wrapped(`${holds ? "✓" : "✗"} ${text} (${measured})`));
}

async function run(): Promise<number> {
  if (version === null) {
    say("Redis is not installed: this server's half only, with the layout that Redis 7.0 would have.");
  }
  const prediction = o.json ? null : ask(
    `${thousands(o.writes)} writes go to ${thousands(o.keys)} keys of ${o.valueBytes} bytes while a snapshot lives, ` +
      `spread by ${o.skews[0]}.\nHow many pages of 4 KiB will be copied? `,
  );
  const copies = await pageCopies(o, version === null ? null : directory, (process) => started.add(process), progress);
  progress.clear();
  const claims = copiesClaims(copies.rows), seen = copiesConclusions(copies.rows, copies.layout, o.writes);
  const setting = `Redis ${version ?? "not installed"}; transparent huge pages: ${
    hugePagePolicy() ?? "unknown"
  }, disabled for Redis; seed ${o.seed}.`;
  if (o.json) console.log(JSON.stringify({ options: o, version, ...copies, claims }));
  else {
    console.log(`${table(LAYOUT_HEADINGS, copies.layout.map(layoutCells))}\n`);
    console.log(`${table(COPIES_HEADINGS, copies.rows.map(copiesCells))}\n${wrapped(COPIES_NOTE)}\n`);
    console.log(`${copiesBars(copies)}\n`);
    if (prediction !== null) {
      console.log(`You predicted ${prediction}; it was ${thousands(totalPages(copies.rows[0].tracked))}.\n`);
    }
    console.log(`${seen.map((text) => wrapped(text)).join("\n")}\n`);
    tell(claims);
    console.log(`\nThe report: ${report(copies, o, seen, setting)}`);
  }
  return claims.every(({ holds }) => holds) ? 0 : 1;
}

onInterrupt(cleanUp);
let code = 1;
try {
  code = await run();
} finally {
  cleanUp();
}
Deno.exit(code);
