/**
 * Memory by key prefix as one HTML file that needs no network: a box for each prefix, as wide as its share, below the box that it is a part
 * of. A box can be chosen, by pointer or keyboard, and is then as wide as the page. Without scripts it is a picture all the same.
 */
import { TYPE_NAMES } from "../../keyspace/entry.ts";
import { type MemoryAccount, PREFIX_SUM } from "./memory_account.ts";
import { nameOf, prefixRows } from "./prefix_rows.ts";
import { OTHERS, type PrefixNode } from "./prefix_tree.ts";
import { countText, percentText, plural, sizeText } from "./text_table.ts";

/** Smaller parts are put together. */
const BOX_SHARE_MIN = 0.001, ROW_SHARE_MIN = 0.005, ROWS_MAX = 50;
/** Okabe and Ito's colours that black text is readable on. */
const COLOURS: Readonly<Record<string, string>> = {
  string: "#56b4e9",
  list: "#3fbf98",
  set: "#d98cb3",
  zset: "#f0e442",
  hash: "#e69f00",
  stream: "#f08a4b",
};

const STYLE = `
:root { color-scheme: light dark; --text: #1c1c1e; --soft: #5c5c62; --page: #ffffff; --line: #d8d8dc; --rest: #d8d8dc; }
@media (prefers-color-scheme: dark) { :root { --text: #ececf0; --soft: #a4a4ac; --page: #17171a; --line: #3a3a40; --rest: #8a8a92; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin-top: 2rem; } .soft { color: var(--soft); }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; padding: 0; list-style: none; }
.legend i { display: inline-block; width: .8rem; height: .8rem; border-radius: 2px; margin-right: .4rem; vertical-align: -1px; }
#chosen { min-height: 3em; overflow-wrap: anywhere; }
.node { flex: var(--n) 1 0; min-width: 0; overflow: hidden; } .node.away { display: none; } .row { display: flex; }
.box { display: block; width: 100%; height: 1.55rem; border: 1px solid var(--page); border-radius: 3px; padding: 0 .3rem; font: 12px/1.4rem ui-monospace, monospace;
  color: #111; text-align: left; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; cursor: pointer; }
.box:focus-visible { outline: 3px solid var(--text); outline-offset: -3px; } .box:hover { filter: brightness(1.1); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .8rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
:is(th, td):first-child { text-align: left; font-family: ui-monospace, monospace; font-size: .9em; }
`;

const SCRIPT = `
const chosen = document.getElementById("chosen"), start = chosen.textContent;
document.getElementById("flame").addEventListener("click", (event) => {
  const box = event.target.closest(".box");
  if (!box) return;
  for (const node of document.querySelectorAll(".away")) node.classList.remove("away");
  chosen.textContent = box.title;
  for (let node = box.parentElement; node.id !== "flame"; node = node.parentElement) {
    if (!node.classList.contains("node")) continue;
    for (const other of node.parentElement.children) if (other !== node) other.classList.add("away");
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const node of document.querySelectorAll(".away")) node.classList.remove("away");
  chosen.textContent = start;
});
`;

export interface FlameOptions {
  readonly title: string;
  /** A sentence about where the figures come from. */
  readonly setting: string;
}

export function flameHtml(account: MemoryAccount, { title, setting }: FlameOptions): string {
  const { root } = account.prefixes, total = root.sums[PREFIX_SUM.memoryBytes];
  const html: string[] = [];
  addBox(root, "", total, html);
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title><style>${STYLE}</style></head><body><main><h1>${escape(title)}</h1>
<p>${plural(account.total.keys, "key")} take ${
    sizeText(total)
  } of memory. Each box is a key prefix, as wide as its share, in the colour of the type that
most of it is; # stands for numbers and ids, ${OTHERS} for parts too small to draw. Choose a box to see it as wide as the page; Escape goes back.</p>
${legend(account)}<p id="chosen" role="status">No prefix chosen: all keys.</p>
<div id="flame" class="row">${html.join("")}</div>
<h2>The largest prefixes</h2>${rows(account)}
<p class="soft">${escape(setting)}</p></main><script>${SCRIPT}</script></body></html>\n`;
}

function legend(account: MemoryAccount): string {
  const sums = account.prefixes.root.sums;
  const items = TYPE_NAMES.flatMap((name, type) => {
    const bytes = sums[PREFIX_SUM.firstType + type];
    return bytes === 0 ? [] : [`<li><i style="background:${COLOURS[name]}"></i>${name}, ${sizeText(bytes)}</li>`];
  });
  return `<ul class="legend">${items.join("")}</ul>`;
}

function rows(account: MemoryAccount): string {
  const { prefixes, total } = account;
  const lines = prefixRows(prefixes, ROW_SHARE_MIN).slice(0, ROWS_MAX).map(({ pattern, sums }) => {
    const bytes = sums[PREFIX_SUM.memoryBytes], keys = sums[PREFIX_SUM.keys];
    const cells = [
      countText(keys),
      sizeText(bytes),
      percentText(bytes, total.memoryBytes),
      sizeText(Math.round(bytes / keys)),
    ];
    return `<tr><td>${escape(pattern)}</td>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`;
  });
  return `<div class="scroll"><table><thead><tr><th>prefix</th><th>keys</th><th>memory</th><th>share</th><th>average</th></tr></thead>
<tbody>${lines.join("\n")}</tbody></table></div>`;
}

function addBox(node: PrefixNode, path: string, total: number, html: string[]): void {
  const bytes = node.sums[PREFIX_SUM.memoryBytes], name = node.parent === null ? "all keys" : nameOf(node);
  const children = [...node.all()].filter((child) => child !== node.others && child.sums[0] >= total * BOX_SHARE_MIN);
  children.sort((a, b) => b.sums[0] - a.sums[0]);
  const whole = path === "" ? "All keys" : path;
  const facts = `${plural(node.sums[PREFIX_SUM.keys], "key")}, ${sizeText(bytes)}, ${percentText(bytes, total)}`;
  html.push(
    `<div class="node" style="--n:${share(bytes, total)}"><button type="button" class="box" style="background:${
      colourOf(node)
    }" title="${escape(`${whole}: ${facts}`)}">${escape(name)} ${percentText(bytes, total)}</button>`,
  );
  if (children.length > 0) addRow(node, children, path, total, html);
  html.push("</div>");
}

/** What has a box, and what is left. */
function addRow(node: PrefixNode, children: readonly PrefixNode[], path: string, total: number, html: string[]): void {
  let rest = node.sums[PREFIX_SUM.memoryBytes];
  html.push('<div class="row">');
  for (const child of children) {
    rest -= child.sums[PREFIX_SUM.memoryBytes];
    addBox(child, path + nameOf(child), total, html);
  }
  if (rest > total * BOX_SHARE_MIN / 10) {
    html.push(
      `<div class="node" style="--n:${
        share(rest, total)
      }"><button type="button" class="box" style="background:var(--rest)" title="${
        escape(`${path}*, not drawn: ${sizeText(rest)}, ${percentText(rest, total)}`)
      }">${OTHERS}</button></div>`,
    );
  } else if (rest > 0) html.push(`<div class="node" style="--n:${share(rest, total)}"></div>`);
  html.push("</div>");
}

/** Flex factors below 1 in sum would leave room. */
function share(bytes: number, total: number): string {
  return (bytes / total * 1e6).toFixed(0);
}

function colourOf({ sums }: PrefixNode): string {
  let largest = 0;
  for (let type = 1; type < TYPE_NAMES.length; type++) {
    if (sums[PREFIX_SUM.firstType + type] > sums[PREFIX_SUM.firstType + largest]) largest = type;
  }
  return COLOURS[TYPE_NAMES[largest]];
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
