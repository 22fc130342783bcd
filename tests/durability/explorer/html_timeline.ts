/** A violation as one HTML file that needs nothing else: what was done, what of it was durable, where it ended and what was found. */
import { ensureDirSync } from "@std/fs";
import type { TimelineEntry } from "../../../src/io/simulated_disk/mod.ts";
import type { Arguments } from "./arguments.ts";
import type { Violation } from "./explorer.ts";
import { replayOf, stepText } from "./report.ts";

const STYLE = `
:root { color-scheme: light dark; --text: #1c1c1e; --soft: #5c5c62; --page: #fff; --line: #d8d8dc; --yes: #00724f; --pending: #8a5a00;
  --lost: #b3261e; --bar: #f2f2f5; }
@media (prefers-color-scheme: dark) { :root { --text: #ececf0; --soft: #a4a4ac; --page: #17171a; --line: #3a3a40; --yes: #4fd1a5;
  --pending: #f0b64d; --lost: #ff8a80; --bar: #232328; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); max-width: 72rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; } .soft { color: var(--soft); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .6rem; font-size: .9rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
td:first-child { text-align: right; color: var(--soft); } .fault { color: var(--lost); }
.yes { color: var(--yes); } .pending { color: var(--pending); } .lost { color: var(--lost); }
.end td { background: var(--bar); font-weight: 600; border-top: 3px solid var(--lost); color: var(--lost); text-align: left; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; } dt { color: var(--soft); } dd { margin: 0; }
pre { background: var(--bar); padding: .8rem; overflow-x: auto; white-space: pre-wrap; word-break: break-all; }
`;

const DURABLE: Readonly<Record<string, string>> = {
  yes: "● durable",
  pending: "◐ not durable yet",
  lost: "○ lost by a failed sync",
};

/** Writes reports/crash-<invariant>-<number>.html and returns the path. */
export function writeTimeline(violation: Violation, options: Arguments, number: number): string {
  ensureDirSync("reports");
  const path = `reports/crash-${violation.invariant}-${number}.html`;
  Deno.writeTextFileSync(path, timelinePage(violation, options));
  return path;
}

export function timelinePage(violation: Violation, options: Arguments): string {
  const { invariant, text, scenario, timeline, end, fates } = violation;
  const { workload, policy, profile, geometry, faults } = scenario;
  const facts: readonly (readonly [string, string])[] = [
    ["invariant", invariant],
    ["found", text],
    ["workload", `${workload.name}, shrunk to: ${workload.steps.map(stepText).join("; ")}`],
    ["appendfsync", policy],
    ["disk", `${profile}, pages of ${geometry.pageBytes} bytes, sectors of ${geometry.sectorBytes}`],
    ["faults", faults.length === 0 ? "none" : JSON.stringify(faults)],
  ];
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escape(invariant)} broken</title><style>${STYLE}</style></head><body>
<h1>${escape(invariant)} broken</h1>
<dl>${facts.map(([name, value]) => `<dt>${name}</dt><dd>${escape(value)}</dd>`).join("")}</dl>
<h2>What was done, and what of it was durable at the end</h2>
<div class="scroll"><table><thead><tr><th>#</th><th>on disk</th><th>ms</th><th>operation</th><th>file</th><th>detail</th><th>fault</th></tr></thead>
<tbody>${timeline.map((entry) => row(entry, timeline[0].atMs)).join("\n")}${endRow(end)}</tbody></table></div>
${
    fates.length === 0
      ? ""
      : `<h2>What became of the rest</h2><ul>${fates.map((fate) => `<li>${escape(fate)}</li>`).join("")}</ul>`
  }
<h2>Again</h2><pre>${escape(replayOf(violation, options))}</pre>
</body></html>`;
}

function row({ number, operation, path, detail, fault, error, durable, atMs }: TimelineEntry, startMs: number): string {
  const befell = [fault === null ? "" : JSON.stringify(fault), error ?? ""].filter((part) => part !== "").join(" → ");
  const state = durable === null ? "<td></td>" : `<td class="${durable}">${DURABLE[durable]}</td>`;
  const cells = [atMs - startMs, operation, shown(path), shown(detail)].map((cell) =>
    `<td>${escape(String(cell))}</td>`
  );
  return `<tr><td>${number}</td>${state}${cells.join("")}<td class="fault">${escape(befell)}</td></tr>`;
}

/** The directory that the server works in is the root. */
function shown(path: string): string {
  return path.replace("//", "/");
}

function endRow(end: string | null): string {
  return end === null ? "" : `\n<tr class="end"><td colspan="7">⚡ here ${escape(end)}</td></tr>`;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
