/** A report as one HTML file that needs no network: charts drawn by Observable Plot into SVG, light and dark. */
import * as Plot from "@observablehq/plot";
import { ensureDirSync } from "@std/fs";
import { parseHTML } from "linkedom";
import { writeFileSync } from "node:fs";

/** Okabe and Ito's colours, which people with any colour vision tell apart. */
export const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"] as const;

const STYLE = `
:root { color-scheme: light dark; --text: #1c1c1e; --soft: #5c5c62; --page: #ffffff; --line: #d8d8dc; --bad: #a84300; --good: #00604a; }
@media (prefers-color-scheme: dark) { :root { --text: #ececf0; --soft: #a4a4ac; --page: #17171a; --line: #3a3a40; --bad: #ff9a4d; --good: #4fd6ae; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2rem; } p { max-width: 46rem; } .soft { color: var(--soft); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .3rem .8rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
table.text :is(th, td):last-child { text-align: left; }
.scroll > svg, .scroll > figure > svg { min-width: 38rem; } figure { margin: 0; } figure > div { font-size: 13px !important; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 0 2rem; }
.part { border-top: 1px solid var(--line); margin-top: 2.5rem; } .part h2 { font-size: 1.3rem; } .part h3 { margin: 1.8rem 0 .2rem; }
.card { border-top: 1px solid var(--line); margin-top: 1.5rem; } .card h3 { margin-bottom: .2rem; } .card h4 { margin: .6rem 0 0; }
.card p { margin: .3rem 0; } .bad { color: var(--bad); font-weight: 600; } .good { color: var(--good); font-weight: 600; }
details { margin: .6rem 0; } summary { cursor: pointer; } details table { font-size: .85rem; } details :is(th, td) { padding: .15rem .5rem; }
table.operations :is(th, td):nth-child(n + 2):nth-child(-n + 3) { text-align: left; }
svg { max-width: 100%; height: auto; background: none !important; color: var(--text); }
`;

export interface Chart {
  readonly title: string;
  readonly note: string;
  readonly options: Plot.PlotOptions;
}

export interface ReportTable {
  readonly title: string;
  /** The last column is text, not numbers. */
  readonly lastIsText: boolean;
  readonly headings: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** One of several experiments of a lab: what was found, then tables and charts. */
export interface ReportPart {
  readonly title: string;
  readonly note: string;
  readonly conclusions: readonly string[];
  readonly charts: readonly Chart[];
  readonly tables: readonly ReportTable[];
}

/** What a lab draws itself, as HTML. */
export interface Section {
  readonly title: string;
  readonly note: string;
  readonly html: string;
}

export interface Report {
  readonly title: string;
  readonly introduction: string;
  /** Charts that come first, before the table; then it needs a heading. */
  readonly opening?: readonly Chart[];
  readonly heading?: { readonly title: string; readonly note: string };
  readonly headings: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Shown after the charts. */
  readonly tables: readonly ReportTable[];
  readonly charts: readonly Chart[];
  /** Shown last. */
  readonly sections?: readonly Section[];
  readonly conclusions: readonly string[];
  readonly setting: string;
}

/** A report of experiments that stand beside each other. */
export interface PartsReport {
  readonly title: string;
  readonly introduction: string;
  readonly parts: readonly ReportPart[];
  readonly setting: string;
}

/** Writes the report to reports/<name>.html and returns the path. */
export function writeReport(name: string, report: Report): string {
  return write(name, page(report));
}

/** Likewise, of several experiments. */
export function writePartsReport(name: string, { title, introduction, parts, setting }: PartsReport): string {
  return write(name, frame(title, introduction, parts.map(partOf).join("\n"), setting));
}

function write(name: string, html: string): string {
  ensureDirSync("reports");
  const path = `reports/${name}.html`;
  writeFileSync(path, html);
  return path;
}

function partOf({ title, note, conclusions, charts, tables }: ReportPart): string {
  return `<section class="part">${heading(title, note)}
${conclusions.map((text) => `<p>${escapeHtml(text)}</p>`).join("\n")}
${charts.map((chart) => chartOf(chart, "h3")).join("\n")}
${tables.map((table) => titledTable(table, "h3")).join("\n")}</section>`;
}

export function tableOf(headings: readonly string[], rows: readonly (readonly string[])[], lastIsText = false): string {
  const cells = (tag: string, row: readonly string[]) =>
    row.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join("");
  return `<div class="scroll"><table${lastIsText ? ' class="text"' : ""}><thead><tr>${
    cells("th", headings)
  }</tr></thead><tbody>
${rows.map((row) => `<tr>${cells("td", row)}</tr>`).join("\n")}</tbody></table></div>`;
}

type HeadingTag = "h2" | "h3";

function heading(title: string, note: string, tag: HeadingTag = "h2"): string {
  return `<${tag}>${escapeHtml(title)}</${tag}><p class="soft">${escapeHtml(note)}</p>`;
}

function chartOf({ title, note, options }: Chart, tag?: HeadingTag): string {
  return `${heading(title, note, tag)}<div class="scroll">${draw(options)}</div>`;
}

function titledTable({ title, headings, rows, lastIsText }: ReportTable, tag: HeadingTag = "h2"): string {
  return `<${tag}>${escapeHtml(title)}</${tag}>${tableOf(headings, rows, lastIsText)}`;
}

function frame(title: string, introduction: string, content: string, setting: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title><style>${STYLE}</style></head><body><main><h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(introduction)}</p>
${content}
<p class="soft">${escapeHtml(setting)}</p></main></body></html>\n`;
}

function page(report: Report): string {
  const content = `${(report.opening ?? []).map((chart) => chartOf(chart)).join("\n")}
${report.heading === undefined ? "" : heading(report.heading.title, report.heading.note)}
${tableOf(report.headings, report.rows)}
<h2>What to see</h2>${report.conclusions.map((text) => `<p>${escapeHtml(text)}</p>`).join("\n")}
${report.charts.map((chart) => chartOf(chart)).join("\n")}
${report.tables.map((table) => titledTable(table)).join("\n")}
${(report.sections ?? []).map(({ title, note, html }) => heading(title, note) + html).join("\n")}`;
  return frame(report.title, report.introduction, content, report.setting);
}

function draw(options: Plot.PlotOptions): string {
  // linkedom types its document as a browser's, which a program without a DOM library does not have.
  const { document } = parseHTML("<html><body></body></html>") as unknown as { document: never };
  const style = { fontSize: "13px", overflow: "visible" };
  return Plot.plot({
    width: 860,
    height: 320,
    marginLeft: 70,
    marginBottom: 50,
    style,
    ...options,
    document,
  }).outerHTML;
}

export function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
