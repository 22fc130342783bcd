/**
 * For tests of this folder only: a reply sink that keeps RESP text, a reader that turns RESP into comparable trees, and
 * an argument view over words.
 */
import type { ReplySink } from "./command_reply.ts";
import type { ArgumentView } from "./key_search.ts";

export type Protocol = 2 | 3;

/** What `write` emits, as it would cross the wire. */
export function respOf(protocol: Protocol, write: (reply: ReplySink) => void): Uint8Array {
  const lines: string[] = [];
  const line = (prefix: string, value: string | number) => lines.push(`${prefix}${value}\r\n`);
  write({
    startArray: (count) => line("*", count),
    startMap: (pairCount) => protocol === 2 ? line("*", 2 * pairCount) : line("%", pairCount),
    startSet: (count) => line(protocol === 2 ? "*" : "~", count),
    text: (value) => line("$", `${new TextEncoder().encode(value).length}\r\n${value}`),
    status: (value) => line("+", value),
    integer: (value) => line(":", value),
    null: () => line(protocol === 2 ? "$-1" : "_", ""),
  });
  return new TextEncoder().encode(lines.join(""));
}

/** A reply as a tree: scalars keep their type byte ("+OK", "$text", ":7"), aggregates start with it. */
export type RespTree = string | RespTree[];

/** The first reply in `bytes`, or null while it is incomplete. */
export function parseResp(bytes: Uint8Array): RespTree | null {
  const reader = new RespReader(bytes);
  try {
    return reader.tree();
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

class RespReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  tree(): RespTree {
    const line = this.#line();
    const type = line.charAt(0);
    const count = Number(line.slice(1));
    if (type === "$" && count >= 0) return type + this.#bulk(count);
    if (type === "*" || type === "~") return [type, ...this.#trees(count)];
    if (type === "%") return [type, ...this.#trees(2 * count)];
    return line;
  }

  #trees(count: number): RespTree[] {
    const trees: RespTree[] = [];
    while (trees.length < count) trees.push(this.tree());
    return trees;
  }

  #line(): string {
    const end = this.#bytes.indexOf(13, this.#at);
    return this.#take(end < 0 ? this.#bytes.length : end);
  }

  #bulk(lengthBytes: number): string {
    return this.#take(this.#at + lengthBytes);
  }

  /** The text up to `end`, stepping over the CRLF there. */
  #take(end: number): string {
    if (end + 2 > this.#bytes.length) throw new RangeError("reply is incomplete");
    const text = new TextDecoder().decode(this.#bytes.subarray(this.#at, end));
    this.#at = end + 2;
    return text;
  }
}

/** Words as a command's arguments. */
export function viewOf(words: readonly string[]): ArgumentView {
  return {
    count: words.length,
    text: (index) => words[index]!,
    equalsIgnoreCase: (index, word) => words[index]!.toLowerCase() === word,
    integer: (index) => /^(0|-?[1-9]\d{0,14})$/.test(words[index]!) ? Number(words[index]) : null,
  };
}
