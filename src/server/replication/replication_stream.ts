/**
 * The replication stream: every write as RESP, one sequence of bytes that replicas read at their own pace.
 *
 *   first ──> block ──> block ──> last        offset counts all bytes ever; a block holds [startOffset, startOffset + used)
 *     └ backlog: about repl-backlog-size of it, for replicas that come back
 *
 * A replica holds a cursor into the chain. What a slower replica needs stays, and is good for others that come back. Nothing is copied
 * for a replica. A replica's own stream is its master's, byte for byte, and may be ahead of what has been
 * applied: bytes behind `offset` are seen by nobody, and `rewind` drops them.
 * Invariants: bytes before `offset` never change; a cursor never passes `offset`; while closed (no replica, no backlog) nothing is kept
 * and `offset` stands still, which is why closing changes the id.
 */
import { ascii, copyRange, EMPTY_BYTES } from "../../base/bytes.ts";
import type { LogSink } from "../propagation.ts";

const BLOCK_BYTES_MIN = 16 * 1024;
/** The smallest backlog that Redis keeps, whatever repl-backlog-size says. */
const BACKLOG_BYTES_MIN = 16 * 1024;
const BACKLOG_BLOCKS = 16;
const NO_DATABASE = -1;
export const NO_ID = "0".repeat(40);

interface Block {
  readonly bytes: Uint8Array;
  readonly startOffset: number;
  used: number;
  next: Block | null;
}

/** How far a replica has come: the next byte it is sent is the one at `offset`. */
export interface StreamCursor {
  block: Block;
  offset: number;
}

export interface StreamSettings {
  readonly replBacklogBytes: number;
}

export class ReplicationStream implements LogSink {
  /** Names this history: 40 hexadecimal digits. */
  id: string;
  /** The history that this one goes on from, valid up to `secondOffset`; NO_ID for none. */
  id2 = NO_ID;
  secondOffset = -1;
  /** Bytes of the stream so far. */
  offset = 0;
  /** Which database the stream has selected; -1 makes the next command select. */
  #db = NO_DATABASE;
  #first: Block | null = null;
  #last: Block | null = null;
  #written = 0;
  /** Where the replica is that is furthest behind; Infinity for none. */
  slowestOffset: () => number = () => Infinity;
  readonly #settings: StreamSettings;
  readonly #newId: () => string;

  constructor(settings: StreamSettings, newId: () => string) {
    this.#settings = settings, this.#newId = newId;
    this.id = newId();
  }

  get isOpen(): boolean {
    return this.#first !== null;
  }

  // ---- histories -----------------------------------------------------------------------------------------------

  /** Begins to keep what is appended. */
  open(): void {
    if (this.isOpen) return;
    this.#written = this.offset;
    this.#first = this.#last = { bytes: EMPTY_BYTES, startOffset: this.offset, used: 0, next: null };
    this.#db = NO_DATABASE;
  }

  close(): void {
    this.#first = this.#last = null;
  }

  /** A history of its own, unrelated to the one so far. */
  renew(): void {
    this.id = this.#newId();
    this.id2 = NO_ID, this.secondOffset = -1;
  }

  /** A new history that goes on from the one so far: others may change over to it. `id` is given by a master, else new. */
  branch(id: string = this.#newId()): void {
    this.id2 = this.id, this.secondOffset = this.offset + 1;
    this.id = id;
    this.#db = NO_DATABASE;
  }

  /** The history of a master whose data set was just taken over. */
  adopt(id: string, offset: number): void {
    this.id = id, this.offset = offset;
    this.id2 = NO_ID, this.secondOffset = -1;
    this.close();
    this.open();
  }

  /** The history of a dump that was loaded; `isReplica`: to be continued by its master, else a new one goes on from it. */
  restore(id: string, offset: number, isReplica: boolean): void {
    this.offset = offset;
    if (isReplica) this.id = id;
    else this.id2 = id, this.secondOffset = offset + 1;
  }

  /** The next command selects its database, for a replica that starts here. */
  reselect(): void {
    this.#db = NO_DATABASE;
  }

  // ---- appending -----------------------------------------------------------------------------------------------

  append(db: number, bytes: Uint8Array, start: number, end: number): void {
    if (db !== this.#db) this.#select(db);
    this.appendAnywhere(bytes, start, end);
  }

  /** Adds a command that concerns no database. */
  appendAnywhere(bytes: Uint8Array, start = 0, end: number = bytes.length): void {
    this.receive(bytes, start, end);
    this.publish(this.#written);
  }

  /** Adds bytes that are not applied yet; `publish` makes them part of the stream. */
  receive(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end;) {
      const block = this.#blockWithRoom(end - at), step = Math.min(block.bytes.length - block.used, end - at);
      copyRange(bytes, at, block.bytes, block.used, step);
      block.used += step, at += step;
    }
    this.#written += end - start;
  }

  /** Everything up to `offset` has been applied. */
  publish(offset: number): void {
    this.offset = offset;
    this.trim();
  }

  /** Drops what was received and not applied: its sender will send it again. */
  rewind(): void {
    let block = this.#first;
    if (block === null) return;
    while (block.next !== null && block.startOffset + block.used < this.offset) block = block.next;
    block.used = this.offset - block.startOffset, block.next = null;
    this.#last = block, this.#written = this.offset;
  }

  #select(db: number): void {
    this.#db = db;
    const number = String(db);
    this.appendAnywhere(ascii(`*2\r\n$6\r\nSELECT\r\n$${number.length}\r\n${number}\r\n`));
  }

  #blockWithRoom(wanted: number): Block {
    const last = this.#last!;
    if (last.used < last.bytes.length) return last;
    const bytesMax = Math.max(BLOCK_BYTES_MIN, Math.floor(this.backlogBytesMax / BACKLOG_BLOCKS));
    const bytes = new Uint8Array(Math.min(Math.max(wanted, BLOCK_BYTES_MIN), bytesMax));
    const block = { bytes, startOffset: last.startOffset + last.used, used: 0, next: null };
    this.#last = last.next = block;
    return block;
  }

  // ---- the backlog ---------------------------------------------------------------------------------------------

  get backlogBytesMax(): number {
    return Math.max(BACKLOG_BYTES_MIN, this.#settings.replBacklogBytes);
  }

  /** Where the backlog starts; `offset` when there is none. */
  get backlogOffset(): number {
    return this.#first === null ? this.offset : this.#first.startOffset;
  }

  /** Lets go of old blocks, as long as at least repl-backlog-size stays, and no replica needs them. */
  trim(): void {
    while (this.#first !== null && this.#first.next !== null) {
      const after: Block = this.#first.next, keptBytes = this.offset - after.startOffset;
      if (keptBytes < 0 || (keptBytes < this.backlogBytesMax && this.#first.used > 0)) return;
      if (this.slowestOffset() < after.startOffset) return;
      this.#first = after;
    }
  }

  // ---- reading -------------------------------------------------------------------------------------------------

  /** A cursor at an offset that the backlog holds. */
  cursorAt(offset: number): StreamCursor | null {
    let block = this.#first;
    if (block === null || offset < block.startOffset || offset > this.offset) return null;
    while (block.next !== null && offset >= block.startOffset + block.used) block = block.next;
    return { block, offset };
  }

  /** The next bytes for a cursor, which moves behind them; null at the end. They stay as they are. */
  take(cursor: StreamCursor, bytesMax: number): Uint8Array | null {
    while (cursor.offset < this.offset && cursor.offset === cursor.block.startOffset + cursor.block.used) {
      cursor.block = cursor.block.next!;
    }
    const { block, offset } = cursor;
    const end = Math.min(this.offset, block.startOffset + block.used, offset + bytesMax);
    if (end <= offset) return null;
    cursor.offset = end;
    return block.bytes.subarray(offset - block.startOffset, end - block.startOffset);
  }
}
