/**
 * Redis's glob matching over bytes: `*`, `?`, `[a-z]`, `[^…]` and backslash escapes, as KEYS and SCAN ... MATCH use it.
 * Once a `*` has failed to match whatever follows it, longer tries of the stars before it are given up: no exponential patterns.
 */

const STAR = 0x2a, QUESTION = 0x3f, OPEN = 0x5b, CLOSE = 0x5d, CARET = 0x5e, DASH = 0x2d, BACKSLASH = 0x5c;

/** Set when a star could not match even with all of the rest: stars before it need not try longer matches. */
let skipLongerMatches = false;

export function globMatch(
  pattern: Uint8Array,
  patternAt: number,
  patternLength: number,
  text: Uint8Array,
  textAt: number,
  textLength: number,
  ignoreCase: boolean,
): boolean {
  skipLongerMatches = false;
  return match(pattern, patternAt, patternAt + patternLength, text, textAt, textAt + textLength, ignoreCase, 0);
}

const DEPTH_MAX = 1000;

function match(
  pattern: Uint8Array,
  from: number,
  patternEnd: number,
  text: Uint8Array,
  textFrom: number,
  textEnd: number,
  ignoreCase: boolean,
  depth: number,
): boolean {
  if (depth > DEPTH_MAX) return false;
  let p = from, t = textFrom;
  while (p < patternEnd && t < textEnd) {
    const byte = pattern[p];
    if (byte === STAR) {
      while (p + 1 < patternEnd && pattern[p + 1] === STAR) p++;
      if (p + 1 === patternEnd) return true;
      for (; t < textEnd; t++) {
        if (match(pattern, p + 1, patternEnd, text, t, textEnd, ignoreCase, depth + 1)) return true;
        if (skipLongerMatches) return false;
      }
      skipLongerMatches = true;
      return false;
    }
    if (byte === OPEN) {
      p = matchClass(pattern, p + 1, patternEnd, text[t], ignoreCase);
      if (p < 0) return false;
    } else if (byte !== QUESTION) {
      if (byte === BACKSLASH && p + 1 < patternEnd) p++;
      if (fold(pattern[p], ignoreCase) !== fold(text[t], ignoreCase)) return false;
    }
    p++, t++;
  }
  while (t === textEnd && p < patternEnd && pattern[p] === STAR) p++;
  return p === patternEnd && t === textEnd;
}

/** Matches a byte against the class that starts at `from`; returns the place of its closing bracket (or the last byte), or -1. */
function matchClass(pattern: Uint8Array, from: number, end: number, byte: number, ignoreCase: boolean): number {
  let p = from, found = false;
  const negated = p < end && pattern[p] === CARET, wanted = fold(byte, ignoreCase);
  if (negated) p++;
  while (true) {
    if (p + 1 < end && pattern[p] === BACKSLASH) {
      p++;
      if (pattern[p] === byte) found = true;
    } else if (p < end && pattern[p] === CLOSE) break;
    else if (p >= end) {
      p = end - 1;
      break;
    } else if (p + 2 < end && pattern[p + 1] === DASH) {
      const a = fold(pattern[p], ignoreCase), b = fold(pattern[p + 2], ignoreCase);
      p += 2;
      if (wanted >= Math.min(a, b) && wanted <= Math.max(a, b)) found = true;
    } else if (fold(pattern[p], ignoreCase) === wanted) found = true;
    p++;
  }
  return found !== negated ? p : -1;
}

function fold(byte: number, ignoreCase: boolean): number {
  return ignoreCase && byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}
