/**
 * Redis's glob matching over bytes: `*`, `?`, `[a-z]`, `[^…]` and backslash escapes, as KEYS and SCAN ... MATCH use it.
 *
 * Every element but `*` takes exactly one byte, so when the elements after a star do not fit, only that star can help by taking one byte
 * more: stars before it need no second try. Hence one star is remembered, and the time is at most pattern length × text length.
 *
 * Kept from Redis (stringmatchlen, as it behaves on x86): an escaped byte inside brackets is compared with its case; the ends of a range
 * are signed bytes, so that 0x80 to 0xff come before 0x00; an unclosed bracket ends with the pattern; only "*" itself, which its
 * callers look for, matches the empty text, while "**" does not. Allocates nothing.
 */

const STAR = 0x2a, QUESTION = 0x3f, OPEN = 0x5b, CLOSE = 0x5d, CARET = 0x5e, DASH = 0x2d, BACKSLASH = 0x5c;

export function globMatch(
  pattern: Uint8Array,
  patternAt: number,
  patternLength: number,
  text: Uint8Array,
  textAt: number,
  textLength: number,
  ignoreCase: boolean,
): boolean {
  const patternEnd = patternAt + patternLength, textEnd = textAt + textLength;
  if (patternLength === 1 && pattern[patternAt] === STAR) return true;
  let p = patternAt, t = textAt;
  /** After the last star, and where its next try starts in the text; -1 when there was no star yet. */
  let retryPattern = -1, retryText = -1;
  while (t < textEnd) {
    if (p < patternEnd && pattern[p] === STAR) {
      p = skipStars(pattern, p, patternEnd);
      if (p === patternEnd) return true;
      retryPattern = p, retryText = t;
      continue;
    }
    const next = p < patternEnd ? matchElement(pattern, p, patternEnd, text[t], ignoreCase) : -1;
    if (next >= 0) {
      p = next, t++;
    } else {
      if (retryPattern < 0) return false;
      p = retryPattern, t = ++retryText;
    }
  }
  return textLength === 0 ? patternLength === 0 : skipStars(pattern, p, patternEnd) === patternEnd;
}

function skipStars(pattern: Uint8Array, from: number, end: number): number {
  let p = from;
  while (p < end && pattern[p] === STAR) p++;
  return p;
}

/** Matches one byte against the element that starts at `p` (no star); returns where the next element starts, or -1. */
function matchElement(pattern: Uint8Array, p: number, end: number, byte: number, ignoreCase: boolean): number {
  const first = pattern[p];
  if (first === QUESTION) return p + 1;
  if (first === OPEN) return matchClass(pattern, p + 1, end, byte, ignoreCase);
  const literal = first === BACKSLASH && p + 1 < end ? p + 1 : p;
  return fold(pattern[literal], ignoreCase) === fold(byte, ignoreCase) ? literal + 1 : -1;
}

/** Matches a byte against the class whose members start at `from`; returns the place after its end, or -1. */
function matchClass(pattern: Uint8Array, from: number, end: number, byte: number, ignoreCase: boolean): number {
  const negated = from < end && pattern[from] === CARET, wanted = fold(byte, ignoreCase);
  let p = negated ? from + 1 : from, found = false;
  while (p < end && pattern[p] !== CLOSE) {
    if (pattern[p] === BACKSLASH && p + 1 < end) {
      if (pattern[++p] === byte) found = true;
    } else if (p + 2 < end && pattern[p + 1] === DASH) {
      if (isInRange(wanted, fold(pattern[p], ignoreCase), fold(pattern[p + 2], ignoreCase))) found = true;
      p += 2;
    } else if (fold(pattern[p], ignoreCase) === wanted) found = true;
    p++;
  }
  if (found === negated) return -1;
  return p < end ? p + 1 : end;
}

/** All three are taken as signed bytes; the ends may come in either order. */
function isInRange(byte: number, a: number, b: number): boolean {
  const value = signedByte(byte), from = signedByte(a), to = signedByte(b);
  return from <= to ? value >= from && value <= to : value >= to && value <= from;
}

function signedByte(byte: number): number {
  return (byte << 24) >> 24;
}

function fold(byte: number, ignoreCase: boolean): number {
  return ignoreCase && byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}
