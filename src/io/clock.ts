/**
 * Clock: the only source of time and timers. RealClock is the machine's; ManualClock moves when it is told to, so that
 * tests and simulations own every expiry and every timer.
 * It never reads time on import, and ManualClock never runs a timer outside `advance`.
 */

import { afterSockets, cancelAfterSockets } from "./socket_turn.ts";

/** Names a timer of one clock; never 0. */
export type TimerId = number & { readonly __timer: true };

export interface Clock {
  /** Unix time in whole milliseconds. May jump when the machine's clock is set. */
  nowMs(): number;
  /** Microseconds since an arbitrary start, with a fraction where the machine offers one; never goes back. */
  nowUs(): number;
  /** Calls `fn` once, at least `delayMs` later, never from inside this call. */
  setTimer(delayMs: number, fn: () => void): TimerId;
  /** Cancels a timer; one that ran or was cleared already is ignored. */
  clearTimer(id: TimerId): void;
}

/** The machine's clock and the event loop's timers. */
export class RealClock implements Clock {
  nowMs(): number {
    return Date.now();
  }

  nowUs(): number {
    return performance.now() * 1000;
  }

  /** Without a delay: once the sockets that are ready have been looked at, which is far sooner than the shortest timer. */
  setTimer(delayMs: number, fn: () => void): TimerId {
    return (delayMs > 0 ? setTimeout(fn, delayMs) : afterSockets(fn)) as unknown as TimerId;
  }

  clearTimer(id: TimerId): void {
    if (id < 0) cancelAfterSockets(id);
    else clearTimeout(id);
  }
}

/** Stops the whole thread for real time: what DEBUG SLEEP and the delays that tests configure ask for. */
export function blockThread(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

interface ManualTimer {
  readonly id: TimerId;
  readonly dueUs: number;
  readonly fn: () => void;
}

/** Stands still until `advance`. Timers run in order of due time, then of creation. */
export class ManualClock implements Clock {
  #startMs: number;
  #elapsedUs = 0;
  #timers: ManualTimer[] = [];
  #lastId = 0;

  /** @param startMs the Unix time at which the clock stands, in milliseconds */
  constructor(startMs = 1_700_000_000_000) {
    this.#startMs = startMs;
  }

  nowMs(): number {
    return Math.floor(this.#startMs + this.#elapsedUs / 1000);
  }

  nowUs(): number {
    return this.#elapsedUs;
  }

  setTimer(delayMs: number, fn: () => void): TimerId {
    const id = ++this.#lastId as TimerId;
    const timer = { id, dueUs: this.#elapsedUs + Math.max(0, delayMs) * 1000, fn };
    const after = this.#timers.findIndex((other) => other.dueUs > timer.dueUs);
    this.#timers.splice(after < 0 ? this.#timers.length : after, 0, timer);
    return id;
  }

  clearTimer(id: TimerId): void {
    const index = this.#timers.findIndex((timer) => timer.id === id);
    if (index >= 0) this.#timers.splice(index, 1);
  }

  /** Moves time forward, running each timer that falls due at its own moment, those it sets included. */
  advance(ms: number): void {
    const targetUs = this.#elapsedUs + ms * 1000;
    while (this.#timers.length > 0 && this.#timers[0].dueUs <= targetUs) {
      const timer = this.#timers.shift()!;
      this.#elapsedUs = Math.max(this.#elapsedUs, timer.dueUs);
      timer.fn();
    }
    this.#elapsedUs = targetUs;
  }

  /** Sets the Unix time, as an operator or NTP would; monotonic time and timers do not move. */
  setUnixTimeMs(unixMs: number): void {
    this.#startMs = unixMs - this.#elapsedUs / 1000;
  }

  /** Milliseconds until the next timer, or null: how far a simulation may skip ahead. */
  nextTimerInMs(): number | null {
    return this.#timers.length === 0 ? null : Math.max(0, (this.#timers[0].dueUs - this.#elapsedUs) / 1000);
  }
}
