/** The map of all bytes for a terminal of 80 columns: where, the bytes, their kind, how many flips the structure catches, what they mean. */
import { columns, wrapped } from "../kit/terminal.ts";
import type { Kind, Part, Span } from "./byte_map.ts";
import type { Flip } from "./flips.ts";

const BYTES_A_LINE = 8, KIND_WIDTH = 9, CAUGHT_WIDTH = 7;
/** Colours of a terminal by kind, told apart by the word too. */
const CODES: Readonly<Record<Kind, number>> = {
  header: 36,
  opcode: 36,
  type: 36,
  length: 33,
  setting: 2,
  expiry: 2,
  key: 32,
  value: 35,
  structure: 34,
  checksum: 31,
};

export function mapText(
  bytes: Uint8Array,
  parts: readonly Part[],
  flips: readonly Flip[],
  isColoured: boolean,
): string {
  const caught = caughtByByte(bytes.length, flips),
    lines = ["at     bytes                    kind        caught  meaning"];
  for (const { title, spans } of parts) {
    lines.push(`── ${title} ${"─".repeat(Math.max(0, 60 - title.length))}`);
    for (const span of spans) lines.push(...spanLines(bytes, span, caught, isColoured));
  }
  return lines.join("\n");
}

export function caughtByByte(length: number, flips: readonly Flip[]): number[] {
  const caught = new Array<number>(length).fill(0);
  for (const { offset, outcome } of flips) if (outcome === "refused") caught[offset]++;
  return caught;
}

const HEX_WIDTH = BYTES_A_LINE * 3 - 1, BEFORE_MEANING = 5 + 2 + HEX_WIDTH + 2 + KIND_WIDTH + 2 + CAUGHT_WIDTH + 2;

/** As many lines as the bytes or the meaning take. */
function spanLines(
  bytes: Uint8Array,
  { from, to, kind, text }: Span,
  caught: readonly number[],
  isColoured: boolean,
): string[] {
  const paint = (word: string) => isColoured ? `\x1b[${CODES[kind]}m${word}\x1b[0m` : word;
  const sum = caught.slice(from, to).reduce((total, one) => total + one, 0), share = `${sum}/${(to - from) * 8}`;
  const meaning = wrapped(text, Math.max(20, columns() - BEFORE_MEANING)).split("\n");
  const count = Math.max(Math.ceil((to - from) / BYTES_A_LINE), meaning.length);
  return Array.from({ length: count }, (_, i) => {
    const at = from + i * BYTES_A_LINE;
    const hex = Array.from(bytes.subarray(at, Math.max(at, Math.min(to, at + BYTES_A_LINE))), hexOf).join(" ");
    const head = `${(at < to ? String(at) : "").padStart(5)}  ${paint(hex.padEnd(HEX_WIDTH))}`;
    const [word, figure] = i === 0 ? [kind, share] : ["", ""];
    return `${head}  ${paint(word.padEnd(KIND_WIDTH))}  ${figure.padStart(CAUGHT_WIDTH)}  ${meaning[i] ?? ""}`
      .trimEnd();
  });
}

export function hexOf(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
