/** The HTML report of lab 07: the map of all bytes, coloured by kind or by what the structure catches, and the figures. */
import { barX } from "@observablehq/plot";
import { type Chart, COLOURS, escapeHtml, type Section, writeReport } from "../kit/html_report.ts";
import { type Kind, type Part } from "./byte_map.ts";
import { KIND_HEADINGS, KIND_NOTE, kindCells, type KindTally, WHO_HEADINGS } from "./findings.ts";
import { type Flip, OUTCOMES } from "./flips.ts";
import { hexOf } from "./map_text.ts";

/** Okabe and Ito's colours that black text is readable on; kinds that do the same share one. */
const KIND_COLOURS: Readonly<Record<Kind, string>> = {
  header: "#8ecdf0",
  opcode: "#56b4e9",
  type: "#56b4e9",
  length: "#e69f00",
  setting: "#c4c4ca",
  expiry: "#c4c4ca",
  key: "#3fbf98",
  value: "#d98cb3",
  structure: "#f0e442",
  checksum: "#f08a4b",
};

const STYLE = `<style>
.bytes { display: flex; flex-wrap: wrap; gap: 2px; margin: .15rem 0 .7rem; } .part { margin: 0; font-size: .9rem; }
.byte { font: 12px/1.6rem ui-monospace, monospace; width: 1.9rem; height: 1.7rem; padding: 0; border: 0; border-radius: 3px; color: #111; cursor: pointer; }
.byte.last { margin-right: 5px; } .byte:focus-visible, .byte.chosen { outline: 3px solid var(--text); }
#what { position: sticky; top: 0; background: var(--page); padding: .6rem 0; min-height: 4.2em; border-bottom: 1px solid var(--line); margin: 0 0 1rem; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; padding: 0; list-style: none; } .legend i { display: inline-block; width: .8rem; height: .8rem;
  border-radius: 2px; margin-right: .4rem; vertical-align: -1px; } #by { font: inherit; padding: .2rem .6rem; }
.caught .byte { background: color-mix(in srgb, #0072b2 calc(var(--caught) * 11%), #f2f2f4) !important; }
.caught .byte.strong { color: #fff; }
</style>`;

const SCRIPT = `<script>
const what = document.getElementById("what"), map = document.getElementById("map"), by = document.getElementById("by");
function show(byte) {
  for (const one of map.querySelectorAll(".chosen")) one.classList.remove("chosen");
  byte.classList.add("chosen");
  what.textContent = byte.title;
}
map.addEventListener("click", (event) => { const byte = event.target.closest(".byte"); if (byte) show(byte); });
map.addEventListener("focusin", (event) => { if (event.target.matches(".byte")) show(event.target); });
map.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const all = [...map.querySelectorAll(".byte")], next = all[all.indexOf(document.activeElement) + step];
  if (next) next.focus();
});
by.addEventListener("click", () => {
  const isCaught = map.classList.toggle("caught");
  by.setAttribute("aria-pressed", String(isCaught));
});
</script>`;

/** Bits of a byte, the highest first: S refused by the structure, D other data, = the same data. */
const MARKS = { refused: "S", "other data": "D", "same data": "=" } as const;

function mapSection(bytes: Uint8Array, parts: readonly Part[], flips: readonly Flip[]): Section {
  const marks = Array.from(bytes, () => new Array<string>(8).fill("?")),
    caught = new Array<number>(bytes.length).fill(0);
  for (const { offset, bit, outcome } of flips) {
    marks[offset][7 - bit] = MARKS[outcome];
    if (outcome === "refused") caught[offset]++;
  }
  let isFirst = true;
  const cell = (at: number, isLast: boolean, kind: Kind, text: string) => {
    const title = `Byte ${at} is 0x${hexOf(bytes[at])}, ${kind}: ${text}. The structure catches ${
      caught[at]
    } of its 8 bits (${marks[at].join("")}).`;
    const classes = `byte${isLast ? " last" : ""}${caught[at] >= 5 ? " strong" : ""}`, tab = isFirst ? 0 : -1;
    isFirst = false;
    return `<button type="button" tabindex="${tab}" class="${classes}" style="background:${
      KIND_COLOURS[kind]
    };--caught:${caught[at]}" title="${escapeHtml(title).replaceAll('"', "&quot;")}">${hexOf(bytes[at])}</button>`;
  };
  const html = parts.map(({ title, spans }) => {
    const cells = spans.flatMap(({ from, to, kind, text }) =>
      Array.from({ length: to - from }, (_, i) => cell(from + i, from + i === to - 1, kind, text))
    );
    return `<p class="part soft">${escapeHtml(title)}</p><div class="bytes">${cells.join("")}</div>`;
  });
  const legend = Object.entries(KIND_COLOURS).map(([kind, colour]) =>
    `<li><i style="background:${colour}"></i>${kind}</li>`
  );
  return {
    title: "Every byte of the file",
    note:
      "Choose a byte, or go along with the arrow keys. The letters stand for its bits, the highest first: S, a flip is caught by the structure; " +
      "D, it would be served as other data; =, it changes nothing that is served. The CRC catches them all.",
    html: `${STYLE}<ul class="legend">${legend.join("")}</ul>
<p><button type="button" id="by" aria-pressed="false">Colour by what the structure catches</button></p>
<p id="what" role="status">No byte chosen.</p><div id="map">${html.join("\n")}</div>${SCRIPT}`,
  };
}

function kindChart(tallies: readonly KindTally[]): Chart {
  const names = ["caught by the structure", "only by the CRC: other data", "only by the CRC: the same data"];
  const data = tallies.flatMap(({ kind, bytes, bits }) =>
    OUTCOMES.map((outcome, i) => ({ kind, name: names[i], perByte: bits[outcome] / Math.max(1, bytes) }))
  );
  return {
    title: "Of the 8 bits of a byte",
    note: KIND_NOTE,
    options: {
      height: 380,
      marginLeft: 90,
      x: { label: "bits of a byte", domain: [0, 8] },
      y: { label: null, domain: tallies.map(({ kind }) => kind) },
      color: { domain: names, range: [COLOURS[0], COLOURS[1], "#a0a0a8"], legend: true },
      marks: [barX(data, { x: "perByte", y: "kind", fill: "name" })],
    },
  };
}

/** Writes the report and returns its path. */
export function report(
  bytes: Uint8Array,
  parts: readonly Part[],
  flips: readonly Flip[],
  tallies: readonly KindTally[],
  who: readonly (readonly string[])[],
  seen: readonly string[],
  version: string | null,
): string {
  return writeReport("rdb-bytes", {
    title: "Every byte of an RDB file, and who notices when a bit flips",
    introduction:
      `${bytes.length} bytes, as this server saves one key of each type; every one of their ${
        bytes.length * 8
      } bits was flipped, ` +
      "one at a time, and the server started on the file.",
    opening: [kindChart(tallies)],
    heading: { title: "By kind of byte", note: "The same in figures: bits of a byte, on average." },
    headings: KIND_HEADINGS,
    rows: tallies.map(kindCells),
    conclusions: seen,
    charts: [],
    tables: [{ title: "Who notices", headings: WHO_HEADINGS, rows: who, lastIsText: true }],
    sections: [mapSection(bytes, parts, flips)],
    setting: `RDB version 10; Deno ${Deno.version.deno}; ${version === null ? "no Redis here" : `Redis ${version}`}.`,
  });
}
