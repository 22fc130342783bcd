/**
 * Turns executed commands into what the AOF must hold, and replicas must get: the same.
 *
 * A unit is what must be applied whole: one command with what it caused (expired keys' DELs, …), or a transaction. The commands of a
 * unit are encoded as RESP into one scratch buffer; at its end they go to the log and the stream, between MULTI and EXEC when there are several.
 */
import { assert } from "../base/assert.ts";
import { ascii, utf8Encode } from "../base/bytes.ts";
import { formatInteger } from "../base/integer.ts";
import type { Part, Propagation } from "../commands/context.ts";
import type { Args } from "../resp/args.ts";

/** Where encoded commands go. */
export interface LogSink {
  /** Bytes [start, end) are one whole command for database `db`. */
  append(db: number, bytes: Uint8Array, start: number, end: number): void;
}

const MULTI = ascii("*1\r\n$5\r\nMULTI\r\n");
const EXEC = ascii("*1\r\n$4\r\nEXEC\r\n");
const SCRATCH_BYTES_START = 64 * 1024;
const SCRATCH_BYTES_KEPT = 1 << 20;
const HEADER_BYTES_MAX = 24;
/** Arguments of a request that may be replaced, and the bytes of each. */
const REPLACED_MAX = 4, REPLACED_BYTES_MAX = 64;
const STAR = 0x2a, DOLLAR = 0x24, CR = 13, LF = 10;

export class Propagator implements Propagation {
  /** The log; null while nothing is logged. */
  sink: LogSink | null = null;
  /** The replication stream; null while there is none, and on a replica, whose stream is its master's. */
  stream: LogSink | null = null;
  #bytes = new Uint8Array(SCRATCH_BYTES_START);
  #length = 0;
  /** End of each command in the scratch buffer, and its database. */
  readonly #ends: number[] = [];
  readonly #databases: number[] = [];
  /** Whether the log gets it too: messages are for replicas only. */
  readonly #logged: boolean[] = [];
  #db = 0;
  /** Arguments that are logged in place of the request's own. */
  readonly #argumentIndexes = new Int32Array(REPLACED_MAX);
  readonly #argumentLengths = new Int32Array(REPLACED_MAX);
  readonly #argumentBytes = new Uint8Array(REPLACED_MAX * REPLACED_BYTES_MAX);
  #argumentCount = 0;
  #replaced = false;
  #suppressed = false;
  #forced = false;
  #forcedToReplicas = false;

  // ---- Propagation: called by handlers -------------------------------------------------------------------------

  replace(...parts: Part[]): void {
    this.#replaced = true;
    this.also(this.#db, parts);
  }

  replaceArgument(index: number, bytes: Uint8Array, length: number): void {
    if (!this.isWanted) return;
    const at = this.#argumentCount++;
    assert(at < REPLACED_MAX && length <= REPLACED_BYTES_MAX, "few and short arguments are replaced");
    this.#argumentIndexes[at] = index, this.#argumentLengths[at] = length;
    this.#argumentBytes.set(bytes.subarray(0, length), at * REPLACED_BYTES_MAX);
  }

  get isWanted(): boolean {
    return this.sink !== null || this.stream !== null;
  }

  suppress(): void {
    this.#suppressed = true;
  }

  force(): void {
    this.#forced = true;
  }

  forceToReplicas(): void {
    this.#forcedToReplicas = this.stream !== null;
  }

  // ---- called by dispatch --------------------------------------------------------------------------------------

  /** A command starts in database `db`. */
  beginCommand(db: number): void {
    this.#db = db;
    this.#replaced =
      this.#suppressed =
      this.#forced =
      this.#forcedToReplicas =
        false;
    this.#argumentCount = 0;
  }

  /** The command is done; `changed` says whether it changed data. */
  endCommand(args: Args, changed: boolean): void {
    if (!this.isWanted || this.#replaced || this.#suppressed) return;
    const isLogged = changed || this.#forced;
    if (!isLogged && !this.#forcedToReplicas) return;
    if (args.rawEnd > args.rawStart && this.#argumentCount === 0) this.#verbatim(args);
    else this.#encodeArgs(args);
    this.#close(this.#db, isLogged);
  }

  /**
   * The unit is over: its commands go to the log, as a transaction when there are several; or, where that is not asked for (keys that SCAN
   * found to have expired), one by one. True when there were any.
   */
  endUnit(isWhole = true): boolean {
    if (this.#ends.length === 0) return false;
    if (this.sink !== null) this.#deliver(this.sink, isWhole, false);
    if (this.stream !== null) this.#deliver(this.stream, isWhole, true);
    this.#length =
      this.#ends.length =
      this.#databases.length =
      this.#logged.length =
        0;
    if (this.#bytes.length > SCRATCH_BYTES_KEPT) this.#bytes = new Uint8Array(SCRATCH_BYTES_START);
    return true;
  }

  #deliver(sink: LogSink, isWhole: boolean, withMessages: boolean): void {
    const count = this.#ends.length, isTransaction = isWhole && count > 1 && (withMessages || this.#loggedCount() > 1);
    if (isTransaction) sink.append(this.#databases[0], MULTI, 0, MULTI.length);
    for (let i = 0, start = 0; i < count; start = this.#ends[i++]) {
      if (withMessages || this.#logged[i]) sink.append(this.#databases[i], this.#bytes, start, this.#ends[i]);
    }
    if (isTransaction) sink.append(this.#databases[count - 1], EXEC, 0, EXEC.length);
  }

  #loggedCount(): number {
    let count = 0;
    for (const isLogged of this.#logged) if (isLogged) count++;
    return count;
  }

  /** Adds a command of its own to the unit: the DEL of an expired key. */
  also(db: number, parts: readonly Part[]): void {
    if (!this.isWanted) return;
    this.#header(STAR, parts.length);
    for (const part of parts) {
      const bytes = typeof part === "string" ? utf8Encode(part) : typeof part === "number" ? integerBytes(part) : part;
      this.#bulk(bytes, 0, bytes.length);
    }
    this.#close(db, true);
  }

  #close(db: number, isLogged: boolean): void {
    this.#ends.push(this.#length);
    this.#databases.push(db);
    this.#logged.push(isLogged);
  }

  #verbatim(args: Args): void {
    const length = args.rawEnd - args.rawStart;
    this.#ensure(length);
    this.#bytes.set(args.bytes.subarray(args.rawStart, args.rawEnd), this.#length);
    this.#length += length;
  }

  #encodeArgs(args: Args): void {
    this.#header(STAR, args.count);
    for (let i = 0; i < args.count; i++) {
      const replaced = this.#replacementOf(i);
      if (replaced < 0) this.#bulk(args.bytes, args.offsets[i], args.lengths[i]);
      else this.#bulk(this.#argumentBytes, replaced * REPLACED_BYTES_MAX, this.#argumentLengths[replaced]);
    }
  }

  /** Which replaced argument `index` is, or -1. */
  #replacementOf(index: number): number {
    for (let i = 0; i < this.#argumentCount; i++) if (this.#argumentIndexes[i] === index) return i;
    return -1;
  }

  #header(type: number, value: number): void {
    this.#ensure(HEADER_BYTES_MAX);
    this.#bytes[this.#length++] = type;
    this.#length = formatInteger(value, this.#bytes, this.#length);
    this.#bytes[this.#length++] = CR;
    this.#bytes[this.#length++] = LF;
  }

  #bulk(bytes: Uint8Array, offset: number, length: number): void {
    this.#header(DOLLAR, length);
    this.#ensure(length + 2);
    this.#bytes.set(bytes.subarray(offset, offset + length), this.#length);
    this.#length += length;
    this.#bytes[this.#length++] = CR;
    this.#bytes[this.#length++] = LF;
  }

  #ensure(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#length + bytes, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

/** Decimal text of an integer that may be beyond 2^53 (expiry times far in the future). */
function integerBytes(value: number): Uint8Array {
  return ascii(Number.isSafeInteger(value) ? String(value) : BigInt(value).toString());
}
