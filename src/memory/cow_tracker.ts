/**
 * What copy-on-write costs: counts every page copied for a snapshot and says who caused it.
 *
 * Keeps the figures of the live snapshot, or of the last one once it has ended. A copy is attributed to the owner of the
 * block that was being written, to the command that was executing, and to the key when tracing is on.
 */
import { type Address, UNIT_SHIFT } from "./address.ts";
import { OWNERS_MAX } from "./owner.ts";

/** One point of the timeline: milliseconds since the freeze, pages copied so far, bytes of data and frames. */
export interface CowSample {
  elapsedMs: number;
  pagesCopied: number;
  totalBytes: number;
}

const COMMANDS_MAX = 512;
/** `commandId` of work that no command asked for: expiry, rehashing, freeing in slices. */
export const NO_COMMAND = COMMANDS_MAX - 1;
const SAMPLES_MAX = 1024;

export class CowTracker {
  live = false;
  aborted = false;
  pageBytes = 0;
  pagesFrozen = 0;
  pagesCopied = 0;
  /** Bytes of data at the freeze, and the most that data and frames took together. */
  dataBytesAtFreeze = 0;
  peakBytes = 0;
  /** Bytes of keys and values that commands stored, counted always; `logicalBytes()` gives those since the freeze. */
  writtenBytes = 0;
  readonly byOwner = new Float64Array(OWNERS_MAX);
  readonly byCommand = new Float64Array(COMMANDS_MAX);
  samples: CowSample[] = [];
  /** Table index of the command that is executing; dispatch sets it. */
  commandId = 0;
  tracing = false;
  /** With tracing on: called for each copy. */
  onTrace: (page: number) => void = () => {};
  /** Owner of each unit; the allocator's. */
  unitOwner: Uint8Array = new Uint8Array(0);
  /** Table index of the command that copied a page last; the memory's. It tells about pages that are copied now. */
  copiedBy: Uint16Array = new Uint16Array(0);
  #writtenAtFreeze = 0;
  #writtenAtEnd = 0;
  #startedMs = 0;
  #sampleEveryMs = 0;

  begin(pageBytes: number, pagesFrozen: number, dataBytes: number): void {
    this.live = true, this.aborted = false;
    this.pageBytes = pageBytes, this.pagesFrozen = pagesFrozen, this.pagesCopied = 0;
    this.dataBytesAtFreeze = this.peakBytes = dataBytes;
    this.#writtenAtFreeze = this.writtenBytes;
    this.byOwner.fill(0), this.byCommand.fill(0);
    this.samples = [];
    this.#sampleEveryMs = 0;
  }

  copied(page: number, address: Address): void {
    this.pagesCopied++;
    this.byOwner[this.unitOwner[address >>> UNIT_SHIFT]]++;
    this.byCommand[this.commandId]++;
    this.copiedBy[page] = this.commandId;
    if (this.tracing) this.onTrace(page);
  }

  end(): void {
    this.live = false;
    this.#writtenAtEnd = this.writtenBytes;
  }

  get copiedBytes(): number {
    return this.pagesCopied * this.pageBytes;
  }

  /** Bytes that commands stored since the freeze (until its end, once it has ended). */
  get logicalBytes(): number {
    return (this.live ? this.writtenBytes : this.#writtenAtEnd) - this.#writtenAtFreeze;
  }

  /** Bytes copied for each byte logically written; 0 when nothing was written. */
  get amplification(): number {
    const logical = this.logicalBytes;
    return logical > 0 ? this.copiedBytes / logical : 0;
  }

  /** Adds a point to the timeline; thins itself so that a long save keeps at most `SAMPLES_MAX` points. */
  sample(nowMs: number, totalBytes: number): void {
    if (this.samples.length === 0) this.#startedMs = nowMs;
    const elapsedMs = nowMs - this.#startedMs;
    if (totalBytes > this.peakBytes) this.peakBytes = totalBytes;
    const last = this.samples[this.samples.length - 1];
    if (last !== undefined && elapsedMs - last.elapsedMs < this.#sampleEveryMs) return;
    this.samples.push({ elapsedMs, pagesCopied: this.pagesCopied, totalBytes });
    if (this.samples.length < SAMPLES_MAX) return;
    this.samples = this.samples.filter((_, index) => index % 2 === 0);
    this.#sampleEveryMs = Math.max(1, this.#sampleEveryMs * 2);
  }
}
