/** What DEBUG LISTPACK writes to the log: a listpack's size, then place, encoding byte and content of every element. */
import { latin1Decode } from "../base/bytes.ts";
import {
  elementBytes,
  firstElement,
  listpackBytes,
  listpackCount,
  ListpackElement,
  nextElement,
  readElement,
} from "../structures/listpack.ts";

/** Longer strings are cut. */
const SHOWN_BYTES_MAX = 40;

/** Describes the listpack that starts at `bytes[lp]`. */
export function listpackReport(bytes: Uint8Array, lp: number): string {
  const element = new ListpackElement();
  let report = `{total bytes ${listpackBytes(bytes, lp)}} {num entries ${listpackCount(bytes, lp)}}`;
  for (let at = firstElement(bytes, lp), index = 0; at >= 0; at = nextElement(bytes, lp, at), index++) {
    readElement(bytes, lp, at, element);
    const text = element.text(bytes), { start, length, isInteger } = element;
    const shown = latin1Decode(text, start, start + Math.min(length, SHOWN_BYTES_MAX));
    const content = isInteger ? shown : JSON.stringify(shown) + (length > SHOWN_BYTES_MAX ? "..." : "");
    report += `\n  ${index} at ${at}, ${elementBytes(bytes, lp + at)} bytes, encoding 0x${
      bytes[lp + at].toString(16).padStart(2, "0")
    }: ${content}`;
  }
  return report;
}
