/**
 * Unix time in microseconds, from a clock that tells Unix time in milliseconds and elapsed time in microseconds.
 * It agrees with the millisecond clock always, and does not go back unless that does.
 */
import type { Clock } from "../io/clock.ts";

export class UnixMicroseconds {
  readonly #clock: Clock;
  #offsetUs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    const floorUs = this.#clock.nowMs() * 1000, elapsedUs = this.#clock.nowUs();
    const guessUs = elapsedUs + this.#offsetUs;
    if (guessUs < floorUs) this.#offsetUs = floorUs - elapsedUs;
    else if (guessUs >= floorUs + 1000) this.#offsetUs = floorUs + 999 - elapsedUs;
    return Math.floor(elapsedUs + this.#offsetUs);
  }
}
