/** Longest common subsequence of two byte strings, with the matching ranges from the last to the first as LCS ... IDX lists them. */

export interface MatchRange {
  aStart: number;
  aEnd: number;
  bStart: number;
  bEnd: number;
}

export interface LcsResult {
  length: number;
  bytes: Uint8Array;
  ranges: MatchRange[];
}

/** Dynamic programming in O(a·b) time and space: cell (i, j) is the LCS length of the first i and j bytes. */
export function longestCommonSubsequence(
  a: Uint8Array,
  b: Uint8Array,
  wantRanges: boolean,
  minMatch: number,
): LcsResult {
  const width = b.length + 1;
  const cells = new Uint32Array((a.length + 1) * width);
  for (let i = 1; i <= a.length; i++) {
    const row = i * width, above = row - width;
    for (let j = 1; j <= b.length; j++) {
      if (a[i - 1] === b[j - 1]) cells[row + j] = cells[above + j - 1] + 1;
      else cells[row + j] = cells[above + j] > cells[row + j - 1] ? cells[above + j] : cells[row + j - 1];
    }
  }
  return walkBack(a, b, cells, wantRanges, minMatch);
}

function walkBack(a: Uint8Array, b: Uint8Array, cells: Uint32Array, wantRanges: boolean, minMatch: number): LcsResult {
  const width = b.length + 1, length = cells[a.length * width + b.length];
  const bytes = new Uint8Array(length), ranges: MatchRange[] = [];
  let at = length, i = a.length, j = b.length;
  let open: MatchRange | null = null;
  const close = () => {
    if (open !== null && wantRanges && open.aEnd - open.aStart + 1 >= minMatch) ranges.push(open);
    open = null;
  };
  while (i > 0 && j > 0) {
    if (a[i - 1] === b[j - 1]) {
      bytes[--at] = a[i - 1];
      i--, j--;
      const range: MatchRange | null = open;
      if (range !== null && (range as MatchRange).aStart === i + 1 && (range as MatchRange).bStart === j + 1) {
        (range as MatchRange).aStart = i, (range as MatchRange).bStart = j;
      } else {
        close();
        open = { aStart: i, aEnd: i, bStart: j, bEnd: j };
      }
    } else {
      close();
      if (cells[(i - 1) * width + j] > cells[i * width + j - 1]) i--;
      else j--;
    }
  }
  close();
  return { length, bytes, ranges };
}
