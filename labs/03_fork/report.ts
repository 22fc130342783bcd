/** The HTML report of lab 03. */
import { barX } from "@observablehq/plot";
import { type Chart, COLOURS, type ReportTable, writeReport } from "../kit/html_report.ts";
import { COPIES_HEADINGS, COPIES_NOTE, copiesCells, LAYOUT_HEADINGS, layoutCells } from "./findings.ts";
import type { Options } from "./options.ts";
import type { PageCopies } from "./page_copies.ts";
import { totalPages } from "./redis_layout.ts";

const WHO = ["formula", "tracker", "kernel", "rdb_last_cow_size", "this server"] as const;
const RANGE = [COLOURS[2], COLOURS[0], COLOURS[1], COLOURS[3], "#8a8a92"];

function copiesChart({ rows }: PageCopies): Chart {
  const data = rows.flatMap(({ command, skew, formulaPages, tracked, kernel, own }) => {
    const run = `${command} ${skew}`;
    const all = [
      { who: WHO[0], pages: formulaPages },
      { who: WHO[1], pages: totalPages(tracked) },
      { who: WHO[2], pages: kernel?.parentPages },
      { who: WHO[3], pages: kernel?.reportedPages },
      { who: WHO[4], pages: own.copied },
    ];
    return all.filter(({ pages }) => pages !== undefined).map((one) => ({ ...one, run }));
  });
  const shown = WHO.filter((who) => data.some((one) => one.who === who)),
    runs = [...new Set(data.map(({ run }) => run))];
  return {
    title: "Pages copied for the same writes",
    note: COPIES_NOTE,
    options: {
      height: 60 + runs.length * shown.length * 17,
      marginLeft: 130,
      marginRight: 20,
      x: { label: "pages", grid: true },
      y: { axis: null, domain: shown },
      fy: { label: null, domain: runs, axis: "left" },
      color: { domain: shown, range: WHO.flatMap((who, i) => shown.includes(who) ? [RANGE[i]] : []), legend: true },
      marks: [barX(data, { x: "pages", y: "who", fy: "run", fill: "who" })],
    },
  };
}

export function report(copies: PageCopies, o: Options, seen: readonly string[], setting: string): string {
  const layoutTable: ReportTable = {
    title: "The layout that predicts: blocks of Redis and what writes store in them",
    lastIsText: false,
    headings: LAYOUT_HEADINGS,
    rows: copies.layout.map(layoutCells),
  };
  return writeReport("fork", {
    title: "fork(): what the kernel copies, predicted",
    introduction: `${
      o.keys.toLocaleString("en-US")
    } keys with values of ${o.valueBytes} bytes. While a BGSAVE's child lives, ${
      o.writes.toLocaleString("en-US")
    } writes of a recorded trace are made, for each skew.`,
    opening: [copiesChart(copies)],
    headings: COPIES_HEADINGS,
    rows: copies.rows.map(copiesCells),
    conclusions: seen,
    charts: [],
    tables: [layoutTable],
    setting,
  });
}
