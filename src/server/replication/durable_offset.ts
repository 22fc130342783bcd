/**
 * Which part of the replication stream the log here holds durably: what a replica tells its master (FACK).
 *
 * The log counts bytes of its own, so offsets of the stream are tied to its positions by one mark at a time: all of the stream up to the
 * mark's offset is in the log up to the mark's position. Once that is durable the next mark is made. So the offset may lag by a sync, and
 * is never ahead.
 */
import type { AofLog } from "../../persistence/aof/aof_log.ts";

export class DurableOffset {
  readonly #log: () => AofLog;
  #offset = -1;
  #mark: { position: number; offset: number } | null = null;

  constructor(log: () => AofLog) {
    this.#log = log;
  }

  /** -1 while the log vouches for nothing. */
  get offset(): number {
    return this.#log().durableBytes < 0 ? -1 : this.#offset;
  }

  /** All of the stream up to `streamOffset` has been applied and appended. */
  advance(streamOffset: number): void {
    const { durableBytes, appendedBytes } = this.#log();
    if (durableBytes < 0) return this.forget();
    const mark = this.#mark;
    if (mark !== null) {
      if (durableBytes < mark.position) return;
      this.#offset = mark.offset;
    }
    if (durableBytes >= appendedBytes) this.#offset = streamOffset, this.#mark = null;
    else this.#mark = { position: appendedBytes, offset: streamOffset };
  }

  /** Another history, or none. */
  forget(): void {
    this.#offset = -1, this.#mark = null;
  }
}
