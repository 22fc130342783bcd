/**
 * Replies with many elements of a listpack at once: the bulks are laid out in the reply's buffer in one loop, without a call for each.
 * Short strings and small integers, which most elements are, are decoded in place; longer strings come by way of `CopiedAhead`.
 */
import { copyRange } from "../base/bytes.ts";
import { formatInteger } from "../base/integer.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import {
  backlenBytes,
  elementBytes,
  LISTPACK_END,
  listpackBytes,
  ListpackElement,
  readElement,
} from "../structures/listpack.ts";

/** What a bulk takes more than the encoding of its element, at most. */
const BULK_OVERHEAD_BYTES = 32;
const AHEAD_BYTES = 4096, AHEAD_GAP_BYTES = 1024;
/** Longest element that is copied ahead. */
const AHEAD_ELEMENT_MAX = 1024;
const WORD_MASK = 7;
const DOLLAR = 0x24, CR = 13, LF = 10, ZERO = 0x30;

/**
 * A piece of a listpack that lies further on in the reply's buffer, to be moved from there to where it belongs: `copyWithin` needs no view
 * for each element and costs half of what `set` costs. Copying the piece is cheap, from shared memory too, as words stay words.
 */
class CopiedAhead {
  #buffer: Uint8Array | null = null;
  /** Bytes [from, end) of the listpack's array are there, `by` further on. */
  #from = 0;
  #end = 0;
  #by = 0;

  forget(): void {
    this.#buffer = null;
  }

  /** Where in the reply's buffer the element is whose encoding is at `bytes[place]`, copied there when it is not. The listpack ends at `end`. */
  locate(reply: ReplyWriter, bytes: Uint8Array, place: number, size: number, end: number): number {
    const isThere = reply.buffer === this.#buffer && place >= this.#from && place + size <= this.#end &&
      place + this.#by >= reply.length + BULK_OVERHEAD_BYTES;
    if (!isThere) this.#copy(reply, bytes, place, end);
    return place + this.#by;
  }

  #copy(reply: ReplyWriter, bytes: Uint8Array, place: number, end: number): void {
    reply.reserve(AHEAD_GAP_BYTES + AHEAD_BYTES);
    const at = reply.length + AHEAD_GAP_BYTES, target = at - ((at - place) & WORD_MASK);
    this.#buffer = reply.buffer;
    this.#from = place, this.#end = Math.min(end, place + AHEAD_BYTES), this.#by = target - place;
    reply.buffer.set(bytes.subarray(place, this.#end), target);
  }
}

const ahead = new CopiedAhead();
const element = new ListpackElement();

/** Writes up to `count` bulks: elements from the one at `at` on, of the listpack that starts at `bytes[lp]`. Returns how many there were. */
export function replyElements(reply: ReplyWriter, bytes: Uint8Array, lp: number, at: number, count: number): number {
  const end = lp + listpackBytes(bytes, lp);
  let out = reply.buffer, to = reply.length, place = lp + at, left = count;
  ahead.forget();
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
      to = bulkHeader(out, to, size - 1);
      copyRange(bytes, place + 1, out, to, size - 1);
      to += size - 1, place += size + 1;
    } else {
      reply.length = to;
      writeLong(reply, bytes, place, size, end);
      out = reply.buffer, to = reply.length;
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

/** Writes the bulk of a larger integer or a longer string, but for its end; there is room for it. */
function writeLong(reply: ReplyWriter, bytes: Uint8Array, place: number, size: number, end: number): void {
  const first = bytes[place];
  if (first >= 0xe0 && first < 0xf0 && size <= AHEAD_ELEMENT_MAX) {
    const source = ahead.locate(reply, bytes, place, size, end), out = reply.buffer;
    const to = bulkHeader(out, reply.length, size - 2);
    out.copyWithin(to, source + 2, source + size);
    reply.length = to + size - 2;
    return;
  }
  readElement(bytes, place, 0, element);
  const text = element.text(bytes), to = bulkHeader(reply.buffer, reply.length, element.length);
  copyRange(text, element.start, reply.buffer, to, element.length);
  reply.length = to + element.length;
}
