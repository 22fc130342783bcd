/**
 * Parses replies, RESP2 and RESP3, for whoever sends requests. Text comes back as latin1: one character a byte, nothing lost.
 *
 * An array whose elements are still coming is kept open, so no byte of an element is parsed twice however the reply is cut.
 */
import { latin1Decode } from "../base/bytes.ts";

/** An error reply; the text includes its code. */
export class ReplyError extends Error {
  override name = "ReplyError";
}

export type Reply = string | number | boolean | null | ReplyError | Reply[] | Map<string, Reply>;

/** An array or a map, some of whose elements have come. */
interface OpenReply {
  readonly isMap: boolean;
  readonly count: number;
  readonly items: Reply[];
}

const CR = 13;
/** What stands for an array or a map while it is open. */
const OPENED = Symbol("opened");

export class ReplyParser {
  #bytes = new Uint8Array(64 * 1024);
  #start = 0;
  #end = 0;
  #at = 0;
  /** The innermost is the last. */
  readonly #open: OpenReply[] = [];

  push(bytes: Uint8Array, length: number): void {
    if (this.#start === this.#end) this.#start = this.#end = 0;
    if (this.#end + length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#end - this.#start + length, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(this.#start, this.#end));
      this.#end -= this.#start, this.#start = 0;
      this.#bytes = larger;
    }
    this.#bytes.set(bytes.subarray(0, length), this.#end);
    this.#end += length;
  }

  /** The next whole reply, or undefined. */
  next(): Reply | undefined {
    for (;;) {
      this.#at = this.#start;
      const value = this.#value();
      if (value === undefined) return undefined;
      this.#start = this.#at;
      const whole = value === OPENED ? undefined : this.#placed(value);
      if (whole !== undefined) return whole;
    }
  }

  /** Puts a value where it belongs: the reply that it completes, or undefined when more must come. */
  #placed(value: Reply): Reply | undefined {
    let whole = value;
    for (let open = this.#open.at(-1); open !== undefined; open = this.#open.at(-1)) {
      open.items.push(whole);
      if (open.items.length < open.count) return undefined;
      this.#open.pop();
      whole = open.isMap ? mapOf(open.items) : open.items;
    }
    return whole;
  }

  #value(): Reply | typeof OPENED | undefined {
    const line = this.#line();
    if (line === undefined) return undefined;
    const rest = line.slice(1);
    switch (line[0]) {
      case "+":
        return rest;
      case "-":
        return new ReplyError(rest);
      case ":":
        return Number(rest);
      case ",":
        return rest === "inf" ? Infinity : rest === "-inf" ? -Infinity : Number(rest);
      case "#":
        return rest === "t";
      case "_":
        return null;
      case "$":
        return this.#bulk(Number(rest));
      case "=":
        return this.#verbatim(Number(rest));
      case "%":
        return this.#aggregate(Number(rest) * 2, true);
      default:
        return this.#aggregate(Number(rest), false);
    }
  }

  #line(): string | undefined {
    for (let at = this.#at; at + 1 < this.#end; at++) {
      if (this.#bytes[at] !== CR) continue;
      const line = latin1Decode(this.#bytes, this.#at, at);
      this.#at = at + 2;
      return line;
    }
    return undefined;
  }

  #bulk(length: number): string | null | undefined {
    if (length < 0) return null;
    if (this.#at + length + 2 > this.#end) return undefined;
    const text = latin1Decode(this.#bytes, this.#at, this.#at + length);
    this.#at += length + 2;
    return text;
  }

  #verbatim(length: number): string | null | undefined {
    return this.#bulk(length)?.slice(4);
  }

  #aggregate(count: number, isMap: boolean): Reply | typeof OPENED {
    if (count < 0) return null;
    if (count === 0) return isMap ? new Map() : [];
    this.#open.push({ isMap, count, items: [] });
    return OPENED;
  }
}

function mapOf(items: readonly Reply[]): Map<string, Reply> {
  const map = new Map<string, Reply>();
  for (let i = 0; i < items.length; i += 2) map.set(String(items[i]), items[i + 1]);
  return map;
}
