/**
 * Prepared SET requests over keys `key:000000000000` up, sent in pipelines of fixed size through an in-process client: the server parses,
 * executes and answers each as if it had come over TCP, and only the socket is missing.
 */
import { type Client, encodeCommand } from "../../src/mod.ts";

const KEY_DIGITS = 12;
export const BATCH = 64;
const ZERO = 0x30;

export class SetLoad {
  readonly #client: Client;
  readonly #request: Uint8Array;
  readonly #requestBytes: number;
  readonly #keyAt: number;
  readonly #valueAt: number;
  #random = 0x2545f491;

  constructor(client: Client, valueBytes: number) {
    this.#client = client;
    const one = encodeCommand(["SET", `key:${"0".repeat(KEY_DIGITS)}`, "x".repeat(valueBytes)]);
    this.#requestBytes = one.length;
    this.#request = new Uint8Array(one.length * BATCH);
    for (let i = 0; i < BATCH; i++) this.#request.set(one, i * one.length);
    const text = new TextDecoder().decode(one);
    this.#keyAt = text.indexOf("key:") + 4;
    this.#valueAt = one.length - 2 - valueBytes;
  }

  /** Sets keys [first, first + BATCH). */
  fill(first: number): void {
    for (let i = 0; i < BATCH; i++) this.#key(i, first + i);
    this.#send();
  }

  /** Sets BATCH keys drawn evenly from [0, keys), each to a new value. */
  overwrite(keys: number): void {
    for (let i = 0; i < BATCH; i++) {
      const random = this.#next();
      this.#key(i, Math.floor((random / 2 ** 32) * keys));
      this.#request[i * this.#requestBytes + this.#valueAt] = 0x61 + random % 26;
    }
    this.#send();
  }

  #send(): void {
    this.#client.sendBytes(this.#request);
    for (let i = 0; i < BATCH; i++) {
      const reply = this.#client.receive();
      if (reply !== "OK") throw new Error(`SET was refused: ${reply}`);
    }
  }

  #key(index: number, number: number): void {
    let rest = number;
    const end = index * this.#requestBytes + this.#keyAt + KEY_DIGITS - 1;
    for (let at = end; at > end - KEY_DIGITS; at--) {
      const tenth = Math.floor(rest / 10);
      this.#request[at] = ZERO + rest - tenth * 10;
      rest = tenth;
    }
  }

  /** xorshift32. */
  #next(): number {
    let x = this.#random;
    x ^= x << 13, x ^= x >>> 17, x ^= x << 5;
    this.#random = x;
    return x >>> 0;
  }
}
