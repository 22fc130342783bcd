/** LATENCY's record: per event the last spikes, at most one a second, that reached the threshold. */

export interface LatencySpike {
  unixSeconds: number;
  milliseconds: number;
}

export interface LatencyEvent {
  readonly name: string;
  /** Oldest first. */
  readonly spikes: LatencySpike[];
  maxMilliseconds: number;
}

const SPIKES_MAX = 160;

export class LatencyMonitor {
  readonly events: Map<string, LatencyEvent> = new Map();
  /** 0 is off. */
  thresholdMs = 0;

  /** Records an event that took this long, if it was long enough. */
  add(name: string, milliseconds: number, nowMs: number): void {
    if (this.thresholdMs === 0 || milliseconds < this.thresholdMs) return;
    const unixSeconds = Math.floor(nowMs / 1000), whole = Math.floor(milliseconds);
    const event = this.#event(name), last = event.spikes[event.spikes.length - 1];
    event.maxMilliseconds = Math.max(event.maxMilliseconds, whole);
    if (last !== undefined && last.unixSeconds === unixSeconds) {
      last.milliseconds = Math.max(last.milliseconds, whole);
      return;
    }
    event.spikes.push({ unixSeconds, milliseconds: whole });
    if (event.spikes.length > SPIKES_MAX) event.spikes.shift();
  }

  /** Forgets one event, or all; returns how many. */
  reset(name?: string): number {
    if (name !== undefined) return this.events.delete(name) ? 1 : 0;
    const count = this.events.size;
    this.events.clear();
    return count;
  }

  #event(name: string): LatencyEvent {
    let event = this.events.get(name);
    if (event === undefined) {
      event = { name, spikes: [], maxMilliseconds: 0 };
      this.events.set(name, event);
    }
    return event;
  }
}
