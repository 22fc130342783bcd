/**
 * Prepared write requests on values of one data type, sent in pipelines of fixed size through an in-process client: the server parses,
 * executes and answers each as if it had come over TCP, and only the socket is missing. Requests are encoded once; each one sent differs
 * in the digits of its key and element and in a byte of its value, which are patched in place.
 */
import { type Client, encodeCommand } from "../../src/mod.ts";

export const BATCH = 64;
/** Elements of each list, hash, set, sorted set and stream. */
export const ELEMENTS = 100;
export const VALUE_TYPES = ["string", "list", "hash", "set", "zset", "stream"] as const;
export type ValueType = (typeof VALUE_TYPES)[number];

const KEY_DIGITS = 12;
const KEY_PLACE = "0".repeat(KEY_DIGITS);
/** Stands for the two digits of an element, and for the byte of a value that changes, in the templates below. */
const ELEMENT_PLACE = "99", VALUE_MARK = "~";
const ZERO = 0x30;

type Words = readonly string[];

/** What makes a value, and what changes one element of it. Element numbers are 10 to 99, so that they always have two digits. */
interface TypeRequests {
  readonly create: (key: string, value: string) => Words;
  /** Used in turn, so that the size of the value stays the same. */
  readonly writes: (key: string, value: string) => readonly Words[];
}

const elements = Array.from({ length: ELEMENTS }, (_, i) => i);

const REQUESTS: Readonly<Record<ValueType, TypeRequests>> = {
  string: {
    create: (key, value) => ["SET", key, value],
    writes: (key, value) => [["SET", key, value]],
  },
  list: {
    create: (key, value) => ["RPUSH", key, ...elements.map(() => value)],
    writes: (key, value) => [["LSET", key, ELEMENT_PLACE, value]],
  },
  hash: {
    create: (key, value) => ["HSET", key, ...elements.flatMap((i) => [`f${i}`, value])],
    writes: (key, value) => [["HSET", key, `f${ELEMENT_PLACE}`, value]],
  },
  set: {
    create: (key, value) => ["SADD", key, ...elements.map((i) => `m${i}${value}`)],
    writes: (key, value) => [["SADD", key, `m${ELEMENT_PLACE}${value}`], ["SREM", key, `m${ELEMENT_PLACE}${value}`]],
  },
  zset: {
    create: (key, value) => ["ZADD", key, ...elements.flatMap((i) => [String(1000 + i), `m${i}${value}`])],
    writes: (key, value) => [
      ["ZADD", key, `10${ELEMENT_PLACE}`, `m${ELEMENT_PLACE}${value}`],
      ["ZADD", key, `20${ELEMENT_PLACE}`, `m${ELEMENT_PLACE}${value}`],
    ],
  },
  stream: {
    create: (key, value) => ["XADD", key, "*", "f", value],
    writes: (key, value) => [["XADD", key, "MAXLEN", String(ELEMENTS), "*", "f", value]],
  },
};

/** Requests of this many keys to create one: a stream takes an entry at a time. */
function createsPerKey(type: ValueType): number {
  return type === "stream" ? ELEMENTS : 1;
}

/** One encoded request, `BATCH` times, and where its changing parts are. */
class Template {
  readonly bytes: Uint8Array;
  readonly #requestBytes: number;
  readonly #keyAt: number;
  readonly #elementAt: number[];
  readonly #valueAt: number;

  constructor(words: Words) {
    const one = encodeCommand(words), text = new TextDecoder("latin1").decode(one);
    this.#requestBytes = one.length;
    this.#keyAt = text.indexOf(KEY_PLACE);
    this.#elementAt = [...text.matchAll(new RegExp(`(?<=[\\nfm0])${ELEMENT_PLACE}`, "g"))].map((match) => match.index)
      .filter((at) => at > this.#keyAt);
    this.#valueAt = text.lastIndexOf(VALUE_MARK);
    this.bytes = new Uint8Array(one.length * BATCH);
    for (let i = 0; i < BATCH; i++) this.bytes.set(one, i * one.length);
  }

  patch(index: number, key: number, random: number): void {
    const { bytes } = this, from = index * this.#requestBytes;
    let rest = key;
    for (let at = from + this.#keyAt + KEY_DIGITS - 1; at >= from + this.#keyAt; at--) {
      const tenth = Math.floor(rest / 10);
      bytes[at] = ZERO + rest - tenth * 10;
      rest = tenth;
    }
    const element = 10 + random % 90;
    for (const at of this.#elementAt) {
      bytes[from + at] = ZERO + Math.floor(element / 10), bytes[from + at + 1] = ZERO + element % 10;
    }
    if (this.#valueAt >= 0) bytes[from + this.#valueAt] = 0x61 + (random >>> 8) % 26;
  }
}

/** Writes to keys of one type. */
export class WriteLoad {
  readonly type: ValueType;
  readonly #client: Client;
  readonly #create: Template;
  readonly #creates: number;
  readonly #writes: Template[];
  #turn = 0;
  #random = 0x2545f491;

  constructor(client: Client, type: ValueType, valueBytes: number) {
    this.#client = client, this.type = type;
    // The members of sets must not change, or the sets would grow: their values have no byte that does.
    const fixed = type === "set" || type === "zset", value = (fixed ? "x" : VALUE_MARK) + "x".repeat(valueBytes - 1);
    const key = `${type}:${KEY_PLACE}`, { create, writes } = REQUESTS[type];
    this.#create = new Template(create(key, value));
    this.#creates = createsPerKey(type);
    this.#writes = writes(key, value).map((words) => new Template(words));
  }

  /** Makes the values of keys [first, first + BATCH). */
  fill(first: number): void {
    for (let i = 0; i < BATCH; i++) this.#create.patch(i, first + i, 0);
    for (let time = 0; time < this.#creates; time++) this.#send(this.#create);
  }

  /** Changes one element in each of BATCH values, of keys drawn evenly from [0, keys). */
  overwrite(keys: number): void {
    this.#overwrite(() => Math.floor((this.#next() / 2 ** 32) * keys));
  }

  /** Changes one element in each of BATCH values, of the keys at [first, first + BATCH) of a recorded trace. */
  overwriteRecorded(trace: Uint32Array, first: number): void {
    this.#overwrite((i) => trace[first + i]);
  }

  #overwrite(keyOf: (i: number) => number): void {
    const template = this.#writes[this.#turn++ % this.#writes.length];
    for (let i = 0; i < BATCH; i++) template.patch(i, keyOf(i), this.#next());
    this.#send(template);
  }

  #send(template: Template): void {
    this.#client.sendBytes(template.bytes);
    for (let i = 0; i < BATCH; i++) {
      const reply = this.#client.receive();
      if (reply instanceof Error || reply === undefined) throw new Error(`a ${this.type} write was refused: ${reply}`);
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
