/**
 * Builds SET requests of one fixed size, `SET key:<12 digits> <value>`, straight into a byte buffer.
 *
 * Keys are redis-benchmark's (`key:000000000042`), so its GET test hits them. Values are printable and pseudo-random, which LZF
 * can't compress: both servers store and save the same bytes. The same key number and seed always give the same request.
 */

const ENCODER = new TextEncoder();
const KEY_DIGITS = 12;
const NOISE_BYTES = 1 << 20;
const ALPHABET = ENCODER.encode("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

export class SetRequests {
  readonly requestBytes: number;
  readonly #valueBytes: number;
  readonly #template: Uint8Array;
  readonly #keyOffset: number;
  readonly #valueOffset: number;
  readonly #noise: Uint8Array;

  constructor(valueBytes: number, seed = 1) {
    const head = `*3\r\n$3\r\nSET\r\n$${4 + KEY_DIGITS}\r\nkey:`;
    const middle = `\r\n$${valueBytes}\r\n`;
    this.#template = ENCODER.encode(head + "0".repeat(KEY_DIGITS) + middle + "x".repeat(valueBytes) + "\r\n");
    this.requestBytes = this.#template.length;
    this.#valueBytes = valueBytes;
    this.#keyOffset = head.length;
    this.#valueOffset = head.length + KEY_DIGITS + middle.length;
    this.#noise = noise(NOISE_BYTES + valueBytes, seed);
  }

  /** Writes the request for `keyNumber` at `offset`, and returns the offset after it. */
  write(target: Uint8Array, offset: number, keyNumber: number): number {
    target.set(this.#template, offset);
    let rest = keyNumber;
    for (let digit = KEY_DIGITS - 1; rest > 0; digit--) {
      target[offset + this.#keyOffset + digit] = 48 + rest % 10;
      rest = Math.floor(rest / 10);
    }
    const from = Math.imul(keyNumber, 0x9e3779b1) >>> 12;
    const value = this.#noise.subarray(from, from + this.#valueBytes);
    target.set(value, offset + this.#valueOffset);
    return offset + this.requestBytes;
  }
}

function noise(lengthBytes: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(lengthBytes);
  let state = seed >>> 0 || 1;
  for (let index = 0; index < lengthBytes; index++) {
    state = xorshift32(state);
    bytes[index] = ALPHABET[state >>> 26];
  }
  return bytes;
}

/** Marsaglia's xorshift; `state` is never 0. */
export function xorshift32(state: number): number {
  let next = state;
  next ^= next << 13;
  next ^= next >>> 17;
  next ^= next << 5;
  return next >>> 0;
}
