/** What lab 03 measured, as tables, sentences and claims. */
import { thousands } from "../kit/terminal.ts";
import type { CopiesRow } from "./page_copies.ts";
import { type Structure, totalPages } from "./redis_layout.ts";

/** A prediction may be off by this share, or by as many pages as the processes' own stacks and buffers take. */
const TOLERANCE = 0.1, OWN_PAGES = 32;
/** Pages that this server copied for stores of the bytes that were there already. */
const EQUAL_STORES_MAX = 0.01;

export interface Claim {
  readonly text: string;
  readonly measured: string;
  readonly holds: boolean;
}

export const COPIES_HEADINGS = [
  "write",
  "skew",
  "keys written",
  "formula",
  "tracker",
  "kernel",
  "off",
  "rdb_last_cow_size",
  "this server",
];
export const COPIES_NOTE =
  "Pages of 4 KiB. Formula and tracker predict the kernel's figure, before Redis forks; `off` is the tracker's distance from it. " +
  "The last column is what this server copied for the same writes, in its own layout.";

const runName = ({ command, skew }: CopiesRow) => `${command} ${skew}`;

/** How far a prediction is from what the kernel copied, as a share of that. */
function distance(predicted: number, measured: number): number {
  return predicted / measured - 1;
}

export function copiesCells(row: CopiesRow): string[] {
  const tracked = totalPages(row.tracked), kernel = row.kernel;
  return [
    row.command,
    row.skew,
    thousands(row.keysWritten),
    thousands(row.formulaPages),
    thousands(tracked),
    kernel === null ? "–" : thousands(kernel.parentPages),
    kernel === null ? "–" : signedPercent(distance(tracked, kernel.parentPages)),
    kernel === null ? "–" : thousands(kernel.reportedPages),
    thousands(row.own.copied),
  ];
}

function signedPercent(share: number): string {
  return `${share < 0 ? "−" : "+"}${(Math.abs(share) * 100).toFixed(1)} %`;
}

export const LAYOUT_HEADINGS = ["structure", "block", "in a page", "SETRANGE stores", "SET stores"];

export function layoutCells({ name, sizeClass, perKey, writes }: Structure): string[] {
  const stored = (write: { readonly bytes: number } | undefined) =>
    write === undefined ? "nothing" : `${write.bytes} B`;
  const perPage = sizeClass.blocks / sizeClass.pages / perKey;
  return [
    name,
    `${sizeClass.bytes} B`,
    Number.isInteger(perPage) ? String(perPage) : perPage.toFixed(2),
    stored(writes.SETRANGE),
    stored(writes.SET),
  ];
}

function isClose(predicted: number, measured: number): boolean {
  return Math.abs(predicted - measured) <= Math.max(measured * TOLERANCE, OWN_PAGES);
}

export function copiesClaims(rows: readonly CopiesRow[]): Claim[] {
  const isExact = ({ tracked, exact }: CopiesRow) =>
    Object.keys(exact).every((structure) => exact[structure] === tracked[structure]);
  const exactRows = rows.filter(isExact),
    equalStores = Math.max(...rows.map(({ own }) => own.copied / own.changed - 1));
  const everyChange = rows.every(({ own }) => own.copied >= own.changed);
  return [
    ...kernelClaims(rows),
    {
      text: "on Redis's layout the tracker copies exactly the pages that the stores touch, each once",
      measured: `${exactRows.length} of ${rows.length} traces`,
      holds: exactRows.length === rows.length,
    },
    {
      text: "in its own layout this server copies every page whose bytes change, and at most 1 % more",
      measured: `${(equalStores * 100).toFixed(2)} % more at most`,
      holds: everyChange && equalStores <= EQUAL_STORES_MAX,
    },
  ];
}

function kernelClaims(rows: readonly CopiesRow[]): Claim[] {
  return rows.flatMap((row) => {
    if (row.kernel === null) return [];
    const predicted = totalPages(row.tracked), { parentPages } = row.kernel;
    return [{
      text: `${runName(row)}: predicted page copies within 10 % of the kernel's`,
      measured: `${thousands(predicted)} predicted, ${thousands(parentPages)} by the kernel: ${
        signedPercent(distance(predicted, parentPages))
      }`,
      holds: isClose(predicted, parentPages) && isClose(row.formulaPages, parentPages),
    }];
  });
}

export function copiesConclusions(rows: readonly CopiesRow[], layout: readonly Structure[], writes: number): string[] {
  const value = layout.find(({ name }) => name === "value")!.sizeClass, perPage = value.blocks / value.pages;
  const sorted = [...rows].sort((a, b) => totalPages(a.tracked) - totalPages(b.tracked));
  const [fewest] = sorted, most = sorted.at(-1)!;
  const said = [
    `${thousands(writes)} writes copied ${thousands(totalPages(fewest.tracked))} pages (${runName(fewest)}) or ` +
    `${thousands(totalPages(most.tracked))} (${
      runName(most)
    }): not the number of writes decides, but how many different pages they reach. ` +
    `A page of Redis holds ${perPage >= 1 ? perPage.toFixed(perPage % 1 === 0 ? 0 : 1) : "a part"} of ${
      perPage >= 1 ? "these values" : "such a value"
    } and 256 of their objects.`,
  ];
  const measured = rows.filter(({ kernel }) => kernel !== null);
  if (measured.length > 0) said.push(kernelConclusion(measured), reportedConclusion(measured));
  return said;
}

function kernelConclusion(rows: readonly CopiesRow[]): string {
  const worst = [...rows].sort((a, b) =>
    Math.abs(distance(totalPages(b.tracked), b.kernel!.parentPages)) -
    Math.abs(distance(totalPages(a.tracked), a.kernel!.parentPages))
  )[0];
  const more = rows.map(({ kernel, tracked }) => kernel!.parentPages - totalPages(tracked));
  return `The tracker's prediction is ${
    signedPercent(distance(totalPages(worst.tracked), worst.kernel!.parentPages))
  } off at the worst (${runName(worst)}): the kernel copied ${thousands(Math.min(...more))} to ${
    thousands(Math.max(...more))
  } pages more than predicted. Redis's stack, buffers and allocator records add some, and some blocks are not where the order of loading says.`;
}

function reportedConclusion(rows: readonly CopiesRow[]): string {
  const more = rows.map(({ kernel }) => kernel!.reportedPages - kernel!.parentPages);
  return `rdb_last_cow_size is ${thousands(Math.min(...more))} to ${
    thousands(Math.max(...more))
  } pages above the copies of the trace: it is the private memory of the child, so it holds the originals that the parent ` +
    "left behind, what both touched right after the fork, and what the child wrote itself while it saved.";
}
