/**
 * How Redis 7.0.15 reads one file of the log: the loop of loadSingleAppendOnlyFile, with aof-load-truncated yes.
 *
 *   line "#…" skipped · "*n" and n × ("$len", len bytes, 2 bytes) · the end of the file within a command or a MULTI: truncated
 *   anything else where "*" or "$" should be: "Bad file format", whatever aof-load-truncated says, zeros too (G1)
 */

/** `truncated`: loaded up to `validUpTo`, where Redis cuts the file. */
export type LoadResult = "ok" | "truncated" | "failed";

const LINE_BYTES_MAX = 1023;
const NEWLINE = 0x0a, HASH = 0x23, STAR = 0x2a, DOLLAR = 0x24;
const KNOWN: ReadonlySet<string> = new Set(["SELECT", "SET", "INCR", "APPEND"]);
const decoder = new TextDecoder("latin1");

/** Which way a command went that could not be read. */
class Stop extends Error {
  readonly kind: "readerr" | "fmterr";

  constructor(kind: "readerr" | "fmterr") {
    super(kind);
    this.kind = kind;
  }
}

export class AofParse {
  readonly #bytes: Uint8Array;
  readonly #execute: (words: readonly string[]) => void;
  #at = 0;
  /** feof(): a read has met the end. */
  #isAtEnd = false;
  #validUpTo = 0;
  #validBeforeMulti = 0;
  /** Commands since MULTI; null outside. */
  #queued: (readonly string[])[] | null = null;

  constructor(bytes: Uint8Array, execute: (words: readonly string[]) => void) {
    this.#bytes = bytes, this.#execute = execute;
  }

  run(): { result: LoadResult; validUpTo: number } {
    try {
      while (this.#step());
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
      const isShort = error.kind === "readerr" && this.#isAtEnd;
      return { result: isShort ? "truncated" : "failed", validUpTo: this.#validUpTo };
    }
    if (this.#queued === null) return { result: "ok", validUpTo: this.#validUpTo };
    return { result: "truncated", validUpTo: this.#validBeforeMulti };
  }

  /** One line or command; false at the end of the file. */
  #step(): boolean {
    const line = this.#fgets();
    if (line === null) return false;
    if (line[0] === HASH) return true;
    if (line[0] !== STAR) throw new Stop("fmterr");
    if (line.length === 1 || line[1] === 0) throw new Stop("readerr");
    const argc = numberIn(line);
    if (!(argc >= 1)) throw new Stop("fmterr");
    const words: string[] = [];
    for (let i = 0; i < argc; i++) words.push(this.#argument());
    this.#command(words);
    this.#validUpTo = this.#at;
    return true;
  }

  #argument(): string {
    const line = this.#fgets();
    if (line === null) throw new Stop("readerr");
    if (line[0] !== DOLLAR) throw new Stop("fmterr");
    const text = decoder.decode(this.#fread(numberIn(line)));
    this.#fread(2);
    return text;
  }

  #command(words: readonly string[]): void {
    const name = words[0].toUpperCase();
    if (name === "MULTI") this.#validBeforeMulti = this.#validUpTo, this.#queued = [];
    else if (name === "EXEC" && this.#queued !== null) this.#exec(this.#queued);
    else if (!KNOWN.has(name)) throw new Stop("fmterr");
    else if (this.#queued !== null) this.#queued.push(words);
    else this.#execute(words);
  }

  #exec(queued: readonly (readonly string[])[]): void {
    for (const words of queued) this.#execute(words);
    this.#queued = null;
  }

  #fgets(): Uint8Array | null {
    const from = this.#at, limit = Math.min(this.#bytes.length, from + LINE_BYTES_MAX);
    const newline = this.#bytes.indexOf(NEWLINE, from), end = newline < 0 || newline >= limit ? limit : newline + 1;
    if (end === this.#bytes.length && this.#bytes[end - 1] !== NEWLINE) this.#isAtEnd = true;
    if (from === this.#bytes.length) {
      this.#isAtEnd = true;
      return null;
    }
    this.#at = end;
    return this.#bytes.subarray(from, end);
  }

  #fread(length: number): Uint8Array {
    const from = this.#at, end = from + length;
    if (end > this.#bytes.length) {
      this.#isAtEnd = true;
      throw new Stop("readerr");
    }
    this.#at = end;
    return this.#bytes.subarray(from, end);
  }
}

/** atoi and strtol behind the first character: digits up to whatever is none. */
function numberIn(line: Uint8Array): number {
  return parseInt(decoder.decode(line.subarray(1)), 10) || 0;
}
