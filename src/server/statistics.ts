/** Counters that INFO stats shows and CONFIG RESETSTAT clears. What the keyspace, the commands and persistence count stays with them. */
export class Statistics {
  connectionsReceived = 0;
  connectionsRejected = 0;
  inputBytes = 0;
  outputBytes = 0;
  replicationInputBytes = 0;
  replicationOutputBytes = 0;
  fullSyncs = 0;
  partialSyncs = 0;
  partialSyncsRefused = 0;
  forks = 0;
  /** Time the last freeze took, µs. */
  latestForkUs = 0;
  forkUsTotal = 0;
  evictedKeys = 0;
  evictedClients = 0;
  expireCyclesTimeLimited = 0;
  expiredStalePercentage = 0;
  activeExpireUs = 0;
  unexpectedErrorReplies = 0;
  totalErrorReplies = 0;
  aclAccessDeniedAuth = 0;
  /** Replies by error code, as INFO errorstats lists them. */
  readonly errors: Map<string, number> = new Map();
  /** Operations a second and bytes a second over the last samples. */
  readonly operations: RateSampler = new RateSampler();
  readonly input: RateSampler = new RateSampler();
  readonly output: RateSampler = new RateSampler();
  readonly replicationInput: RateSampler = new RateSampler();
  readonly replicationOutput: RateSampler = new RateSampler();
  peakMemoryBytes = 0;
  peakMemoryMs = 0;

  countError(text: string): void {
    this.totalErrorReplies++;
    const space = text.indexOf(" ");
    const code = space < 0 ? text : text.slice(0, space);
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
  }

  reset(): void {
    this.connectionsReceived =
      this.connectionsRejected =
      this.inputBytes =
      this.outputBytes =
      this.replicationInputBytes =
      this.replicationOutputBytes =
        0;
    this.fullSyncs = this.partialSyncs = this.partialSyncsRefused = 0;
    this.expiredStalePercentage = this.latestForkUs = 0;
    this.forks =
      this.forkUsTotal =
      this.evictedKeys =
      this.evictedClients =
      this.expireCyclesTimeLimited =
        0;
    this.activeExpireUs =
      this.unexpectedErrorReplies =
      this.totalErrorReplies =
      this.aclAccessDeniedAuth =
        0;
    this.errors.clear();
    for (const rate of [this.operations, this.input, this.output]) rate.reset();
    this.replicationInput.reset(), this.replicationOutput.reset();
  }
}

const SAMPLES = 16;

/** Average rate over the last samples of a growing counter. */
export class RateSampler {
  readonly #rates = new Float64Array(SAMPLES);
  #next = 0;
  #lastValue = 0;
  #lastMs = 0;

  sample(value: number, nowMs: number): void {
    const elapsedMs = nowMs - this.#lastMs;
    if (this.#lastMs > 0 && elapsedMs > 0) {
      this.#rates[this.#next++ % SAMPLES] = Math.max(0, value - this.#lastValue) * 1000 / elapsedMs;
    }
    this.#lastValue = value, this.#lastMs = nowMs;
  }

  get perSecond(): number {
    let sum = 0;
    for (const rate of this.#rates) sum += rate;
    return sum / SAMPLES;
  }

  reset(): void {
    this.#rates.fill(0);
    this.#lastMs = this.#lastValue = 0;
  }
}
