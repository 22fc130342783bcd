/**
 * Large buffers that nobody uses just now, for replies that outgrow their client's buffer: a new one each time would cost as much as
 * the reply (it is zeroed, and collected later). Sizes are powers of two; 2 MiB of each are kept, 12 MiB in all at most.
 * What a borrowed buffer holds is not defined. Nothing may use one any more after it was given back.
 */
const LOG2_MIN = 15, LOG2_MAX = 20;
const KEPT_LOG2 = 21;

/** By the logarithm of the size, less LOG2_MIN. */
const kept: Uint8Array[][] = Array.from({ length: LOG2_MAX - LOG2_MIN + 1 }, () => []);

/** A buffer of at least `sizeBytes`. */
export function borrowBuffer(sizeBytes: number): Uint8Array {
  const log2 = Math.max(LOG2_MIN, 32 - Math.clz32(sizeBytes - 1));
  if (log2 > LOG2_MAX) return new Uint8Array(sizeBytes);
  return kept[log2 - LOG2_MIN].pop() ?? new Uint8Array(1 << log2);
}

/** Takes a buffer back, whatever it is and wherever it came from. */
export function giveBuffer(buffer: Uint8Array): void {
  const log2 = 31 - Math.clz32(buffer.length);
  if (buffer.length !== 1 << log2 || log2 < LOG2_MIN || log2 > LOG2_MAX) return;
  const same = kept[log2 - LOG2_MIN];
  if (same.length < 1 << (KEPT_LOG2 - log2)) same.push(buffer);
}
