/** Hands out frames of the segments reserved at a freeze, in address order. A frame is never taken back singly. */
export class FramePool {
  readonly segmentNumbers: readonly number[];
  readonly #framesPerSegment: number;
  readonly #framesMax: number;
  #taken = 0;

  constructor(segmentNumbers: readonly number[], framesPerSegment: number, framesMax: number) {
    this.segmentNumbers = segmentNumbers;
    this.#framesPerSegment = framesPerSegment;
    this.#framesMax = framesMax;
  }

  get takenFrames(): number {
    return this.#taken;
  }

  /** The next free frame's number in the address space, or -1 when there is none left. */
  take(): number {
    if (this.#taken >= this.#framesMax) return -1;
    const index = this.#taken++;
    const perSegment = this.#framesPerSegment;
    return this.segmentNumbers[(index / perSegment) | 0] * perSegment + index % perSegment;
  }
}
