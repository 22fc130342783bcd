/** Points that a search found: columns that grow and are used again, no object a point. */

const POINTS_START = 64, BYTES_START = 4096;
/** Columns for more points, and member bytes beyond that many, go again after use. */
const POINTS_KEPT = 1 << 14, BYTES_KEPT = 1 << 20;
/** Columns of a point. */
const DISTANCE = 0, SCORE = 1, LONGITUDE = 2, LATITUDE = 3, COLUMNS = 4;

export class GeoPoints {
  count = 0;
  /** The point that was read last. */
  distance = 0;
  score = 0;
  longitude = 0;
  latitude = 0;
  bytes: Uint8Array = new Uint8Array(BYTES_START);
  start = 0;
  length = 0;
  #numbers = new Float64Array(POINTS_START * COLUMNS);
  /** Where each member ends in `bytes`. */
  #ends = new Uint32Array(POINTS_START);
  /** The points in order. */
  #order = new Uint32Array(POINTS_START);
  #usedBytes = 0;

  clear(): void {
    if (this.#ends.length > POINTS_KEPT) this.#resize(POINTS_START);
    if (this.bytes.length > BYTES_KEPT) this.bytes = new Uint8Array(BYTES_START);
    this.count = this.#usedBytes = 0;
  }

  /** Copies a point and its member. */
  add(
    distance: number,
    score: number,
    longitude: number,
    latitude: number,
    member: Uint8Array,
    memberAt: number,
    memberBytes: number,
  ): void {
    if (this.count === this.#ends.length) this.#resize(this.count * 2);
    if (this.#usedBytes + memberBytes > this.bytes.length) this.#growBytes(memberBytes);
    const at = this.count * COLUMNS, numbers = this.#numbers;
    numbers[at + DISTANCE] = distance, numbers[at + SCORE] = score;
    numbers[at + LONGITUDE] = longitude, numbers[at + LATITUDE] = latitude;
    for (let i = 0; i < memberBytes; i++) this.bytes[this.#usedBytes + i] = member[memberAt + i];
    this.#usedBytes += memberBytes;
    this.#ends[this.count] = this.#usedBytes;
    this.#order[this.count] = this.count;
    this.count++;
  }

  /** Orders by distance: nearest first (1), farthest first (-1), or as they were added (0). */
  sort(order: number): void {
    if (order === 0) return;
    const numbers = this.#numbers;
    this.#order.subarray(0, this.count).sort((a, b) => order * (numbers[a * COLUMNS] - numbers[b * COLUMNS]));
  }

  /** Reads the point with this place in the order. */
  read(place: number): void {
    const point = this.#order[place], at = point * COLUMNS, numbers = this.#numbers;
    this.distance = numbers[at + DISTANCE], this.score = numbers[at + SCORE];
    this.longitude = numbers[at + LONGITUDE], this.latitude = numbers[at + LATITUDE];
    this.start = point === 0 ? 0 : this.#ends[point - 1], this.length = this.#ends[point] - this.start;
  }

  #resize(points: number): void {
    const kept = Math.min(points, this.count), numbers = new Float64Array(points * COLUMNS);
    const ends = new Uint32Array(points), order = new Uint32Array(points);
    numbers.set(this.#numbers.subarray(0, kept * COLUMNS));
    ends.set(this.#ends.subarray(0, kept)), order.set(this.#order.subarray(0, kept));
    this.#numbers = numbers, this.#ends = ends, this.#order = order;
  }

  #growBytes(more: number): void {
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.#usedBytes + more));
    grown.set(this.bytes.subarray(0, this.#usedBytes));
    this.bytes = grown;
  }
}
