/** Splits a line into arguments as redis-cli and redis.conf quote them: sdssplitargs' rules. */

const QUOTE = 0x22, APOSTROPHE = 0x27, BACKSLASH = 0x5c;
const ESCAPES = new Map([[0x6e, 10], [0x72, 13], [0x74, 9], [0x62, 8], [0x61, 7]]);

/** The arguments in bytes [start, end), or null when quotes are unbalanced or a closing quote is not followed by a space. */
export function splitInlineArgs(bytes: Uint8Array, start: number, end: number): Uint8Array[] | null {
  const parts: Uint8Array[] = [];
  let at = start;
  while (true) {
    while (at < end && isSpace(bytes[at])) at++;
    if (at >= end || bytes[at] === 0) return parts;
    const out: number[] = [];
    const next = readArgument(bytes, at, end, out);
    if (next < 0) return null;
    parts.push(Uint8Array.from(out));
    at = next;
  }
}

function isSpace(byte: number): boolean {
  return byte === 32 || (byte >= 9 && byte <= 13);
}

/** Reads one argument into `out`; returns where it ended, or -1. */
function readArgument(bytes: Uint8Array, from: number, end: number, out: number[]): number {
  let at = from;
  while (at < end && !isSpace(bytes[at]) && bytes[at] !== 0) {
    const byte = bytes[at];
    if (byte === QUOTE || byte === APOSTROPHE) {
      at = byte === QUOTE ? readDoubleQuoted(bytes, at + 1, end, out) : readSingleQuoted(bytes, at + 1, end, out);
      if (at < 0 || (at < end && !isSpace(bytes[at]))) return -1;
      return at;
    }
    out.push(byte);
    at++;
  }
  return at;
}

function readDoubleQuoted(bytes: Uint8Array, from: number, end: number, out: number[]): number {
  for (let at = from; at < end; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) return at + 1;
    if (byte !== BACKSLASH || at + 1 >= end) {
      out.push(byte);
      continue;
    }
    const hex = bytes[at + 1] === 0x78 && at + 3 < end ? hexPair(bytes[at + 2], bytes[at + 3]) : -1;
    if (hex >= 0) {
      out.push(hex);
      at += 3;
    } else {
      at++;
      out.push(ESCAPES.get(bytes[at]) ?? bytes[at]);
    }
  }
  return -1;
}

function readSingleQuoted(bytes: Uint8Array, from: number, end: number, out: number[]): number {
  for (let at = from; at < end; at++) {
    if (bytes[at] === APOSTROPHE) return at + 1;
    if (bytes[at] === BACKSLASH && bytes[at + 1] === APOSTROPHE && at + 1 < end) at++;
    out.push(bytes[at]);
  }
  return -1;
}

function hexPair(high: number, low: number): number {
  const value = Number.parseInt(String.fromCharCode(high, low), 16);
  return /^[0-9a-fA-F]{2}$/.test(String.fromCharCode(high, low)) ? value : -1;
}
