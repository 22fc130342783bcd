/**
 * The 24-bit access stamp of an entry, as Redis keeps it. LRU: seconds, wrapping. LFU: minutes (16 bits), then a logarithmic counter
 * (8 bits) that decays with time.
 */

const LRU_MASK = 0xffffff;
const LFU_INITIAL = 5;
const COUNTER_MAX = 255;

export function lruStamp(nowMs: number): number {
  return Math.floor(nowMs / 1000) % (LRU_MASK + 1);
}

/** Seconds since an entry with this stamp was last used. */
export function idleSeconds(stamp: number, nowMs: number): number {
  const now = lruStamp(nowMs);
  return now >= stamp ? now - stamp : now + (LRU_MASK - stamp);
}

function minutes(nowMs: number): number {
  return Math.floor(nowMs / 60000) & 0xffff;
}

export function lfuInitialStamp(nowMs: number): number {
  return (minutes(nowMs) << 8) | LFU_INITIAL;
}

/** The stamp for a frequency that a file or RESTORE gives. */
export function lfuStamp(counter: number, nowMs: number): number {
  return (minutes(nowMs) << 8) | counter;
}

/** The counter after the decay for the minutes that have passed; `decayMinutes` 0 never decays. */
export function lfuCounter(stamp: number, nowMs: number, decayMinutes: number): number {
  const last = stamp >>> 8, now = minutes(nowMs), counter = stamp & COUNTER_MAX;
  const elapsed = now >= last ? now - last : 0xffff - last + now;
  const periods = decayMinutes > 0 ? Math.floor(elapsed / decayMinutes) : 0;
  return periods > counter ? 0 : counter - periods;
}

/** The stamp after one more access; the counter grows with a probability that falls as it grows. */
export function lfuTouched(
  stamp: number,
  nowMs: number,
  decayMinutes: number,
  logFactor: number,
  random: number,
): number {
  const counter = lfuCounter(stamp, nowMs, decayMinutes);
  const above = Math.max(0, counter - LFU_INITIAL);
  const grows = counter < COUNTER_MAX && random < 1 / (above * logFactor + 1);
  return (minutes(nowMs) << 8) | (grows ? counter + 1 : counter);
}
