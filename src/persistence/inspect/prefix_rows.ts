/** The prefixes worth a line each: a tree cut where its parts get small. Every key is in exactly one row. */
import { utf8Decode } from "../../base/bytes.ts";
import { type PrefixNode, type PrefixTree } from "./prefix_tree.ts";

export interface PrefixRow {
  /** Ends with "*" where it stands for what is below it and has no row of its own. */
  readonly pattern: string;
  readonly sums: Float64Array;
}

/** Parts of at least `shareMin` of the first sum, largest first. */
export function prefixRows(tree: PrefixTree, shareMin: number): PrefixRow[] {
  const rows: PrefixRow[] = [], least = tree.root.sums[0] * shareMin;
  addRows(tree.root, "", least, rows);
  return rows.sort((a, b) => b.sums[0] - a.sums[0]);
}

function addRows(node: PrefixNode, path: string, least: number, rows: PrefixRow[]): void {
  const rest = node.sums.slice();
  for (const child of node.all()) {
    if (child === node.others || child.sums[0] < least) continue;
    for (let i = 0; i < rest.length; i++) rest[i] -= child.sums[i];
    addRows(child, path + nameOf(child), least, rows);
  }
  if (rest.some((sum) => sum !== 0)) rows.push({ pattern: node.isLeaf ? path : `${path}*`, sums: rest });
}

/** A part of a name as text: UTF-8 where it is, and no control characters. */
export function nameOf(node: PrefixNode): string {
  // deno-lint-ignore no-control-regex
  return utf8Decode(node.name).replace(/[\x00-\x1f\x7f]/g, "·");
}
