/**
 * Bytes as bytes: conversions at the edges, comparisons in place.
 * Invariants: comparisons allocate nothing and never read outside the given ranges; order is unsigned, as memcmp's.
 * Never turns network bytes into a string by itself: that is for callers that print or configure.
 */

const UTF8_ENCODER = new TextEncoder();
const UTF8_DECODER = new TextDecoder("utf-8", { ignoreBOM: true });
/** The longest piece given to String.fromCharCode at once: arguments live on the stack. */
const LATIN1_CHUNK_BYTES = 8192;

export const EMPTY_BYTES: Uint8Array<ArrayBuffer> = new Uint8Array(0);

/**
 * The bytes of `text`, one per character.
 * @throws {RangeError} when a character is not ASCII: use `utf8Encode` for text that people wrote
 */
export function ascii(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 127) throw new RangeError(`Cannot write ${JSON.stringify(text)} as ASCII: character ${i} is not ASCII`);
    bytes[i] = code;
  }
  return bytes;
}

/** Writes ASCII `text` at `dst[off]` and returns the offset after it. Higher bits of other characters are lost. */
export function writeAscii(text: string, dst: Uint8Array, off: number): number {
  for (let i = 0; i < text.length; i++) dst[off + i] = text.charCodeAt(i);
  return off + text.length;
}

/** One character per byte (U+0000 to U+00FF): lossless for any bytes, the inverse of `latin1Encode`. */
export function latin1Decode(bytes: Uint8Array, start = 0, end: number = bytes.length): string {
  let text = "";
  for (let at = start; at < end; at += LATIN1_CHUNK_BYTES) {
    text += String.fromCharCode.apply(
      null,
      bytes.subarray(at, Math.min(at + LATIN1_CHUNK_BYTES, end)) as unknown as number[],
    );
  }
  return text;
}

/**
 * One byte per character.
 * @throws {RangeError} when a character is above U+00FF
 */
export function latin1Encode(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 255) throw new RangeError(`Cannot write character ${i} of a text as Latin-1: it is above U+00FF`);
    bytes[i] = code;
  }
  return bytes;
}

export function utf8Encode(text: string): Uint8Array<ArrayBuffer> {
  return UTF8_ENCODER.encode(text);
}

/** Malformed sequences become U+FFFD. Works on shared memory too. */
export function utf8Decode(bytes: Uint8Array, start = 0, end: number = bytes.length): string {
  const shared = typeof SharedArrayBuffer === "function" && bytes.buffer instanceof SharedArrayBuffer;
  return UTF8_DECODER.decode(shared ? bytes.slice(start, end) : bytes.subarray(start, end));
}

export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && rangesEqual(a, 0, b, 0, a.length);
}

/** True when `len` bytes of `a` at `aOff` and of `b` at `bOff` are the same. Both ranges must lie inside. */
export function rangesEqual(a: Uint8Array, aOff: number, b: Uint8Array, bOff: number, len: number): boolean {
  for (let i = 0; i < len; i++) if (a[aOff + i] !== b[bOff + i]) return false;
  return true;
}

/** Negative, zero or positive: unsigned bytes first, then the shorter one is the smaller one (as sdscmp). */
/** Up to here a loop beats the built-in and the view that it needs. */
const COPY_BY_LOOP_MAX = 96;

/** Copies between two arrays, shared or not, where lengths are mostly short. */
export function copyRange(source: Uint8Array, from: number, target: Uint8Array, to: number, length: number): void {
  if (length > COPY_BY_LOOP_MAX) {
    target.set(source.subarray(from, from + length), to);
    return;
  }
  let i = 0;
  for (; i + 8 <= length; i += 8) {
    const a = from + i, b = to + i;
    target[b] = source[a], target[b + 1] = source[a + 1], target[b + 2] = source[a + 2], target[b + 3] = source[a + 3];
    target[b + 4] = source[a + 4],
      target[b + 5] = source[a + 5],
      target[b + 6] = source[a + 6],
      target[b + 7] = source[a + 7];
  }
  for (; i < length; i++) target[to + i] = source[from + i];
}

export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return compareRanges(a, 0, a.length, b, 0, b.length);
}

export function compareRanges(
  a: Uint8Array,
  aOff: number,
  aLen: number,
  b: Uint8Array,
  bOff: number,
  bLen: number,
): number {
  const common = aLen < bLen ? aLen : bLen;
  for (let i = 0; i < common; i++) {
    const difference = a[aOff + i] - b[bOff + i];
    if (difference !== 0) return difference;
  }
  return aLen - bLen;
}

/** True when the range spells `upper` (upper-case ASCII), in any mix of cases. */
export function equalsIgnoreCase(buf: Uint8Array, off: number, len: number, upper: Uint8Array): boolean {
  if (len !== upper.length) return false;
  for (let i = 0; i < len; i++) {
    let byte = buf[off + i];
    if (byte >= 97 && byte <= 122) byte -= 32;
    if (byte !== upper[i]) return false;
  }
  return true;
}

/** Lower case for ASCII letters, any other byte as it is (tolower in the C locale). */
export function toLowerByte(byte: number): number {
  return byte >= 65 && byte <= 90 ? byte + 32 : byte;
}

/** Index of the first `byte` in [start, end), or -1. */
export function indexOfByte(buf: Uint8Array, byte: number, start: number, end: number): number {
  const at = buf.indexOf(byte, start);
  return at < end ? at : -1;
}
