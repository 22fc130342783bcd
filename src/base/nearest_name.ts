/** What somebody may have meant who misspelt a name. */

/** The name that takes the fewest changes of a letter. */
export function nearestOf(name: string, names: readonly string[]): string {
  const scored = names.map((other) => ({ other, distance: editDistance(name, other) }));
  return scored.sort((a, b) => a.distance - b.distance)[0].other;
}

/** Letters to insert, remove or replace, or to swap with their neighbours. */
function editDistance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = rows[i - 1][j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      row[j] = Math.min(replaced, rows[i - 1][j] + 1, row[j - 1] + 1);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwap) row[j] = Math.min(row[j], rows[i - 2][j - 2] + 1);
    }
    rows.push(row);
  }
  return rows[a.length][b.length];
}
