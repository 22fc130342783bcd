/**
 * What a command handler sees: the request, the selected database, where the reply goes, and how the command is to be logged.
 *
 * One instance serves the server for its whole life; dispatch points it at the client and request that are executing. Handlers are
 * synchronous and keep nothing of it. Commands reach persistence, clients and configuration only through `server`.
 */
import { formatI64, I64, INTEGER_TEXT_BYTES_MAX } from "../base/integer.ts";
import { ENCODING, encodingOf, hasExpiry, TYPE, typeOf } from "../keyspace/entry.ts";
import type { Database } from "../keyspace/database.ts";
import { EVENT } from "../keyspace/key_events.ts";
import { WARM_KEYS_MAX } from "../keyspace/key_warmer.ts";
import { type Keyspace, NO_EXPIRY } from "../keyspace/keyspace.ts";
import { type Address, NONE } from "../memory/mod.ts";
import { Args } from "../resp/args.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import type { ClientSession, ServerControl } from "./control.ts";
import { ERROR } from "./errors.ts";

/** One word of a command that is logged in place of, or besides, the request. */
export type Part = Uint8Array | string | number;

/** How the executing command reaches the AOF. */
export interface Propagation {
  /** Log this instead of the request; called more than once, these, in order. */
  replace(...parts: Part[]): void;
  /** Log the request with this in place of argument `index`: the id that XADD made up. The bytes are copied; at most 4 arguments. */
  replaceArgument(index: number, bytes: Uint8Array, length: number): void;
  /** False when nothing is logged, so that commands for it need not be made up. */
  readonly isWanted: boolean;
  /** Log nothing, although something changed. */
  suppress(): void;
  /** Log the request although nothing changed. */
  force(): void;
  /** Send the request to replicas although nothing changed; the log does not get it. */
  forceToReplicas(): void;
}

/** More members than this make a reply that no buffer holds. */
const DRAWS_MAX = 1 << 26;

export class CommandContext {
  readonly keyspace: Keyspace;
  readonly server: ServerControl;
  readonly propagation: Propagation;
  args: Args = new Args();
  /** Set by dispatch before any handler runs. */
  client!: ClientSession;
  reply!: ReplyWriter;
  db!: Database;
  /** Scratch for 64-bit arguments and values; a handler may use both, and expects nothing of them. */
  readonly a: I64 = new I64();
  readonly b: I64 = new I64();
  readonly #digits = new Uint8Array(INTEGER_TEXT_BYTES_MAX);

  constructor(keyspace: Keyspace, server: ServerControl, propagation: Propagation) {
    this.keyspace = keyspace, this.server = server, this.propagation = propagation;
  }

  get nowMs(): number {
    return this.keyspace.nowMs;
  }

  // ---- keys ----------------------------------------------------------------------------------------------------

  lookupRead(index: number): Address {
    const args = this.args;
    return this.keyspace.lookupRead(this.db, args.bytes, args.offsets[index], args.lengths[index]);
  }

  lookupWrite(index: number): Address {
    const args = this.args;
    return this.keyspace.lookupWrite(this.db, args.bytes, args.offsets[index], args.lengths[index]);
  }

  lookupQuiet(index: number): Address {
    const args = this.args;
    return this.keyspace.lookupQuiet(this.db, args.bytes, args.offsets[index], args.lengths[index]);
  }

  /** For commands that look at a key without using it (TTL, TYPE, EXISTS): counts hit or miss, stamps nothing. */
  lookupReadNoTouch(index: number): Address {
    const entry = this.lookupInspected(index);
    if (entry === NONE) this.notify(EVENT.miss, "keymiss", index);
    return entry;
  }

  /** For OBJECT: the same, but nobody is told of a miss. */
  lookupInspected(index: number): Address {
    const entry = this.lookupQuiet(index);
    if (entry === NONE) this.keyspace.misses++;
    else this.keyspace.hits++;
    return entry;
  }

  /** The entry whether it has expired or not: right after it was stored. */
  lookupEvenExpired(index: number): Address {
    const args = this.args;
    return this.keyspace.dict.find(this.db.dict, args.bytes, args.offsets[index], args.lengths[index]);
  }

  holdsString(entry: Address): boolean {
    return typeOf(this.keyspace.memory, entry) === TYPE.string;
  }

  hasExpiry(entry: Address): boolean {
    return hasExpiry(this.keyspace.memory, entry);
  }

  /**
   * For commands of many keys, called before each is looked up: reads ahead for the next ones, now and then. The keys are the arguments
   * from `first` on, every `step`th.
   */
  warm(index: number, first: number, step: number): void {
    if ((index - first) % (WARM_KEYS_MAX * step) === 0) this.#warmFrom(index, step);
  }

  #warmFrom(index: number, step: number): void {
    const args = this.args, warmer = this.keyspace.warmer;
    if (index + step >= args.count || !warmer.pays(this.db.dict)) return;
    let count = 0;
    for (let i = index; i < args.count && count < WARM_KEYS_MAX; i += step, count++) {
      warmer.offsets[count] = args.offsets[i], warmer.lengths[count] = args.lengths[i];
    }
    warmer.warm(this.db.dict, args.bytes, count);
  }

  /** Removes the key, which is the event "del": others of the command come before. False when it was not there. */
  remove(index: number, lazy: boolean): boolean {
    const args = this.args;
    if (!this.keyspace.remove(this.db, args.bytes, args.offsets[index], args.lengths[index], lazy)) return false;
    this.notify(EVENT.generic, "del", index);
    return true;
  }

  /** Tells of an event of the key that argument `index` names, if its class (of EVENT) is wanted. */
  notify(eventClass: number, event: string, index: number): void {
    const { args, keyspace } = this;
    if ((keyspace.eventClasses & eventClass) === 0) return;
    keyspace.notify(eventClass, event, this.db, args.bytes, args.offsets[index], args.lengths[index]);
  }

  /** Tells watchers that the key changed, after a change made in place. */
  changed(index: number): void {
    const args = this.args;
    this.keyspace.changed(this.db, args.bytes, args.offsets[index], args.lengths[index]);
  }

  /** Stores argument `value` as string at the key that argument `key` names. */
  setString(key: number, value: number, expiresAtMs: number = NO_EXPIRY): void {
    const args = this.args;
    this.keyspace.setString(
      this.db,
      args.bytes,
      args.offsets[key],
      args.lengths[key],
      args.bytes,
      args.offsets[value],
      args.lengths[value],
      expiresAtMs,
    );
  }

  /** Tells clients that wait for the key that it has more than before; a new key is told by itself. */
  signalReady(index: number): void {
    const args = this.args;
    this.keyspace.signalReady(this.db, args.bytes, args.offsets[index], args.lengths[index]);
  }

  // ---- checks that reply ---------------------------------------------------------------------------------------

  /** False, with the WRONGTYPE reply written, when the entry exists and holds another type. */
  isType(entry: Address, type: number): boolean {
    if (entry === NONE || typeOf(this.keyspace.memory, entry) === type) return true;
    this.reply.errorWithCode(ERROR.wrongType);
    return false;
  }

  isString(entry: Address): boolean {
    return this.isType(entry, TYPE.string);
  }

  /** A safe integer argument, or NaN with the error reply written. */
  integer(index: number, error: string = ERROR.notInteger): number {
    const value = this.args.safeInteger(index);
    if (Number.isNaN(value)) this.reply.error(error);
    return value;
  }

  /** A 64-bit integer argument as a double (rounded beyond 2^53), or NaN with the error reply written. */
  wideInteger(index: number, error: string = ERROR.notInteger): number {
    const value = this.args.safeInteger(index);
    if (!Number.isNaN(value)) return value;
    if (this.args.i64(index, this.a)) return this.a.toNumber();
    this.reply.error(error);
    return NaN;
  }

  /** A non-negative integer that fits a signed long of 31 bits or so, as counts do. */
  count(index: number, error: string): number {
    const value = this.args.safeInteger(index);
    if (value >= 0) return value;
    this.reply.error(Number.isNaN(value) ? ERROR.notInteger : error);
    return NaN;
  }

  /** Whether so many members drawn with replacement may be asked for: what no output limit of the client ends must fit memory. */
  mayDraw(count: number): boolean {
    return count <= DRAWS_MAX || this.reply.overflowBytesMax > 0;
  }

  // ---- string values -------------------------------------------------------------------------------------------

  /** Replies with a string value, or null for none. */
  replyString(entry: Address): void {
    if (entry === NONE) return this.reply.null();
    const memory = this.keyspace.memory;
    if (encodingOf(memory, entry) === ENCODING.int) {
      this.keyspace.readInteger(entry, this.b);
      return this.reply.bulkInteger(this.b);
    }
    const place = this.keyspace.place;
    place.locate(memory, entry);
    this.reply.bulkFrom(memory, place.block, place.offsetBytes, place.lengthBytes);
  }

  /** A copy of a string value's bytes; empty for none. */
  stringBytes(entry: Address): Uint8Array {
    if (entry === NONE) return new Uint8Array(0);
    const memory = this.keyspace.memory;
    if (encodingOf(memory, entry) === ENCODING.int) {
      this.keyspace.readInteger(entry, this.b);
      return this.#digits.slice(0, formatI64(this.b, this.#digits, 0));
    }
    const place = this.keyspace.place;
    place.locate(memory, entry);
    const bytes = new Uint8Array(place.lengthBytes);
    memory.copyOut(place.block, place.offsetBytes, bytes, 0, bytes.length);
    return bytes;
  }

  /** Length of a string value in bytes; 0 for none. */
  stringLength(entry: Address): number {
    if (entry === NONE) return 0;
    const memory = this.keyspace.memory;
    if (encodingOf(memory, entry) === ENCODING.int) {
      this.keyspace.readInteger(entry, this.b);
      return formatI64(this.b, this.#digits, 0);
    }
    this.keyspace.place.locate(memory, entry);
    return this.keyspace.place.lengthBytes;
  }
}

export type Handler = (ctx: CommandContext) => void;
/** Handlers by command name; a subcommand is "container|name". The facts of each are in `spec/`. */
export type Handlers = Readonly<Record<string, Handler>>;
