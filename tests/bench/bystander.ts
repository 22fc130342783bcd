/**
 * A connection that sends PING in a tight loop, one in flight, and notes for each phase the longest gap between two PONGs: how long the
 * server stood still, seen from outside. A gap counts for every phase it overlaps.
 */

export class Bystander<Phase extends string> {
  readonly #connection: Deno.TcpConn;
  readonly #longestGapMs = new Map<Phase, number>();
  #phase: Phase;
  #phaseAtLastPong: Phase;
  #stopped = false;

  constructor(connection: Deno.TcpConn, phase: Phase) {
    connection.setNoDelay(true);
    this.#connection = connection, this.#phase = this.#phaseAtLastPong = phase;
  }

  enter(phase: Phase): void {
    this.#phase = phase;
  }

  stop(): void {
    this.#stopped = true;
  }

  longestGapUs(phase: Phase): number {
    return Math.round((this.#longestGapMs.get(phase) ?? 0) * 1000);
  }

  phases(): readonly Phase[] {
    return [...this.#longestGapMs.keys()];
  }

  async run(): Promise<void> {
    const ping = new TextEncoder().encode("PING\r\n"), pong = new Uint8Array(64);
    let lastPongMs = performance.now();
    while (!this.#stopped) {
      await this.#connection.write(ping);
      await this.#connection.read(pong);
      const nowMs = performance.now();
      this.#note(nowMs - lastPongMs);
      lastPongMs = nowMs;
    }
    this.#connection.close();
  }

  #note(gapMs: number): void {
    this.#noteFor(this.#phase, gapMs);
    this.#noteFor(this.#phaseAtLastPong, gapMs);
    this.#phaseAtLastPong = this.#phase;
  }

  #noteFor(phase: Phase, gapMs: number): void {
    if (gapMs > (this.#longestGapMs.get(phase) ?? 0)) this.#longestGapMs.set(phase, gapMs);
  }
}
