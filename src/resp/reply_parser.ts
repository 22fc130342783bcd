/** Parses replies, RESP2 and RESP3, for in-process clients. Text comes back as latin1: one character a byte, nothing lost. */
import { latin1Decode } from "../base/bytes.ts";

/** An error reply; the text includes its code. */
export class ReplyError extends Error {
  override name = "ReplyError";
}

export type Reply = string | number | boolean | null | ReplyError | Reply[] | Map<string, Reply>;

const CR = 13;

export class ReplyParser {
  #bytes = new Uint8Array(64 * 1024);
  #start = 0;
  #end = 0;
  #at = 0;

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
    this.#at = this.#start;
    const reply = this.#value();
    if (reply !== undefined) this.#start = this.#at;
    return reply;
  }

  #value(): Reply | undefined {
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
        return this.#map(Number(rest));
      default:
        return this.#array(Number(rest));
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

  #array(count: number): Reply[] | null | undefined {
    if (count < 0) return null;
    const items: Reply[] = [];
    for (let i = 0; i < count; i++) {
      const item = this.#value();
      if (item === undefined) return undefined;
      items.push(item);
    }
    return items;
  }

  #map(pairs: number): Map<string, Reply> | undefined {
    const items = this.#array(pairs * 2);
    if (items === undefined || items === null) return undefined;
    const map = new Map<string, Reply>();
    for (let i = 0; i < items.length; i += 2) map.set(String(items[i]), items[i + 1]);
    return map;
  }
}
