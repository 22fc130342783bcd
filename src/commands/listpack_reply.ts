/**
 * Replies with many elements of a listpack at once: the bulks are laid out in the reply's buffer in one loop, without a call for each.
 * Short strings and small integers, which most elements are, are decoded in place.
 */
import { copyRange } from "../base/bytes.ts";
import { formatInteger } from "../base/integer.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import { backlenBytes, elementBytes, LISTPACK_END, ListpackElement, readElement } from "../structures/listpack.ts";

/** What a bulk takes more than the encoding of its element, at most. */
const BULK_OVERHEAD_BYTES = 32;
const DOLLAR = 0x24, CR = 13, LF = 10, ZERO = 0x30;

const element = new ListpackElement();

/** Writes up to `count` bulks: elements from the one at `at` on, of the listpack that starts at `bytes[lp]`. Returns how many there were. */
export function replyElements(reply: ReplyWriter, bytes: Uint8Array, lp: number, at: number, count: number): number {
  let out = reply.buffer, to = reply.length, place = lp + at, left = count;
  for (; left > 0 && bytes[place] !== LISTPACK_END; left--) {
    const first = bytes[place], size = elementBytes(bytes, place);
    if (to + size + BULK_OVERHEAD_BYTES > out.length) {
      reply.length = to;
      reply.reserve(size + BULK_OVERHEAD_BYTES);
      out = reply.buffer, to = reply.length;
    }
    if (first < 0x80) {
      to = bulkHeader(out, to, first < 10 ? 1 : first < 100 ? 2 : 3);
      if (first < 10) out[to++] = ZERO + first;
      else to = formatInteger(first, out, to);
      place += 2;
    } else if (first < 0xc0) {
      const length = size - 1;
      to = bulkHeader(out, to, length);
      copyRange(bytes, place + 1, out, to, length);
      to += length, place += size + 1;
    } else {
      to = writeElement(out, to, bytes, place);
      place += size + backlenBytes(size);
    }
    out[to] = CR, out[to + 1] = LF;
    to += 2;
  }
  reply.length = to;
  return count - left;
}

function bulkHeader(out: Uint8Array, start: number, length: number): number {
  let to = start;
  out[to++] = DOLLAR;
  if (length < 10) out[to++] = ZERO + length;
  else to = formatInteger(length, out, to);
  out[to] = CR, out[to + 1] = LF;
  return to + 2;
}

function writeElement(out: Uint8Array, start: number, bytes: Uint8Array, place: number): number {
  readElement(bytes, place, 0, element);
  const text = element.text(bytes), from = element.start, length = element.length;
  const to = bulkHeader(out, start, length);
  copyRange(text, from, out, to, length);
  return to + length;
}
