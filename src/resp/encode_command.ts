/** A request as RESP: an array of bulk strings. For whoever sends requests to a server, this one or another. */
import { utf8Encode } from "../base/bytes.ts";
import { formatInteger } from "../base/integer.ts";

const STAR = 0x2a, DOLLAR = 0x24, CR = 13, LF = 10;
/** Longest line of type byte, number and CRLF, and the CRLF behind a string. */
const WORD_OVERHEAD_BYTES_MAX = 32;

/** Text is sent as UTF-8, numbers in decimal. */
export function encodeCommand(words: readonly (string | number | Uint8Array)[]): Uint8Array {
  const parts = words.map((word) => typeof word === "object" ? word : utf8Encode(String(word)));
  const size = parts.reduce((sum, part) => sum + part.length + WORD_OVERHEAD_BYTES_MAX, WORD_OVERHEAD_BYTES_MAX);
  const bytes = new Uint8Array(size);
  let at = header(bytes, 0, STAR, parts.length);
  for (const part of parts) {
    at = header(bytes, at, DOLLAR, part.length);
    bytes.set(part, at);
    at += part.length;
    bytes[at++] = CR, bytes[at++] = LF;
  }
  return bytes.subarray(0, at);
}

function header(bytes: Uint8Array, at: number, type: number, value: number): number {
  bytes[at] = type;
  const end = formatInteger(value, bytes, at + 1);
  bytes[end] = CR, bytes[end + 1] = LF;
  return end + 2;
}
