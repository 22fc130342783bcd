/** A comparison of two data sets, for a terminal of at least 80 columns. */
import { TYPE_NAMES } from "../../keyspace/entry.ts";
import { CHANGES, type ChangeSums, type DataDiff, DIFF_SUM, type Difference } from "./data_diff.ts";
import { prefixRows } from "./prefix_rows.ts";
import { countText, plural, sizeText, textTable } from "./text_table.ts";

const PREFIX_SHARE_MIN = 0.01, PREFIX_ROWS_MAX = 20;
const WORDS: Readonly<Record<Difference["change"], string>> = {
  added: "added",
  removed: "removed",
  changed: "other value",
  expiry: "other expiry only",
};

export interface ComparedText {
  readonly before: string;
  readonly after: string;
  readonly keysBefore: number;
  readonly keysAfter: number;
  readonly diff: DataDiff;
  readonly width: number;
}

export function diffText({ before, after, keysBefore, keysAfter, diff, width }: ComparedText): string {
  const { byChange, byType, sameKeys } = diff;
  const changes = CHANGES.map((change) => changeRow(WORDS[change], byChange[change]));
  const lines = [
    `before: ${before}, ${plural(keysBefore, "key")}`,
    `after:  ${after}, ${plural(keysAfter, "key")}`,
    "",
    ...textTable(["keys", "number", "before", "after", "growth"], [
      ["the same", countText(sameKeys), "", "", ""],
      ...changes,
    ], width),
  ];
  if (sameKeys === keysBefore && sameKeys === keysAfter) {
    return `${lines.slice(0, 2).join("\n")}\nThe data sets are equal.\n`;
  }
  const types = byType.flatMap((sums, type) => sums.keys === 0 ? [] : [changeRow(TYPE_NAMES[type], sums)]);
  lines.push("", ...textTable(["type", "differ", "before", "after", "growth"], types, width));
  const prefixes = prefixRows(diff.prefixes, PREFIX_SHARE_MIN).slice(0, PREFIX_ROWS_MAX).map(({ pattern, sums }) => {
    const growth = sums[DIFF_SUM.growth], weight = sums[DIFF_SUM.weight];
    return [
      pattern,
      countText(sums[DIFF_SUM.keys]),
      sizeText((weight - growth) / 2),
      sizeText((weight + growth) / 2),
      signed(growth),
    ];
  });
  lines.push("", ...textTable(["prefix", "differ", "before", "after", "growth"], prefixes, width));
  if (diff.largest.length === 0) return lines.join("\n") + "\n";
  const largest = diff.largest.map(({ change, key, bytesBefore, bytesAfter }) => [
    key.database === 0 ? key.key : `${key.key} in ${key.database}`,
    WORDS[change],
    key.type,
    signed(bytesAfter - bytesBefore),
  ]);
  lines.push("", ...textTable(["largest differences", "what", "type", "growth"], largest, width));
  return lines.join("\n") + "\n";
}

function changeRow(name: string, { keys, bytesBefore, bytesAfter }: ChangeSums): string[] {
  return [name, countText(keys), sizeText(bytesBefore), sizeText(bytesAfter), signed(bytesAfter - bytesBefore)];
}

function signed(bytes: number): string {
  return bytes > 0 ? `+${sizeText(bytes)}` : sizeText(bytes);
}
