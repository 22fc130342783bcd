/**
 * Says of every byte of an RDB file what it is for: a walk of its own, for explaining, through what a Redis 7.0 server writes (version 10).
 * It trusts the file: the server's loader is the one that checks. What it does not know is left as one span of unexplained bytes.
 */

/** What a byte can be for. */
export const KINDS = [
  "header",
  "opcode",
  "type",
  "length",
  "setting",
  "expiry",
  "key",
  "value",
  "structure",
  "checksum",
] as const;
export type Kind = (typeof KINDS)[number];

/** Bytes [from, to), which mean one thing. */
export interface Span {
  readonly from: number;
  readonly to: number;
  readonly kind: Kind;
  readonly text: string;
}

/** An auxiliary field, a database's beginning, a key with all that belongs to it. */
export interface Part {
  readonly title: string;
  readonly spans: readonly Span[];
}

const MAGIC_BYTES = 9, CRC_BYTES = 8, SHOWN_CHARACTERS = 32;
const OPCODE = { aux: 250, resizeDb: 251, expireMs: 252, selectDb: 254, eof: 255 };
const TYPE = {
  string: 0,
  set: 2,
  hash: 4,
  zset: 5,
  intset: 11,
  hashListpack: 16,
  zsetListpack: 17,
  list: 18,
  stream: 19,
};
const TYPE_TEXTS: Readonly<Record<number, string>> = {
  [TYPE.string]: "a string",
  [TYPE.set]: "a set, as strings",
  [TYPE.hash]: "a hash, as strings",
  [TYPE.zset]: "a sorted set, as strings and scores",
  [TYPE.intset]: "a set, as intset",
  [TYPE.hashListpack]: "a hash, as listpack",
  [TYPE.zsetListpack]: "a sorted set, as listpack",
  [TYPE.list]: "a list, as nodes",
  [TYPE.stream]: "a stream, as nodes",
};

/** Parts whose spans cover the file from its first byte to its last, without gaps. */
export function byteMap(bytes: Uint8Array): Part[] {
  return new ByteWalk(bytes).run();
}

class ByteWalk {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #parts: Part[] = [];
  #spans: Span[] = [];
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes, this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  run(): Part[] {
    this.#span("header", 5, "every RDB file starts with these letters");
    this.#span("header", MAGIC_BYTES - 5, "version of the format, in digits");
    this.#end("header");
    while (this.#at < this.#bytes.length) this.#part();
    return this.#parts;
  }

  #span(kind: Kind, length: number, text: string): number {
    const from = this.#at;
    this.#at = Math.min(this.#bytes.length, from + length);
    if (this.#at > from) this.#spans.push({ from, to: this.#at, kind, text });
    return from;
  }

  #end(title: string): void {
    this.#parts.push({ title, spans: this.#spans });
    this.#spans = [];
  }

  #part(): void {
    switch (this.#bytes[this.#at]) {
      case OPCODE.aux:
        return this.#aux();
      case OPCODE.selectDb:
        this.#span("opcode", 1, "SELECTDB: keys of a database follow");
        this.#length("setting", (number) => `database ${number}`);
        return this.#end("database");
      case OPCODE.resizeDb:
        this.#span("opcode", 1, "RESIZEDB: sizes of its tables, a hint");
        this.#length("setting", (keys) => `${keys} keys`);
        this.#length("setting", (expires) => `${expires} of them expire`);
        return this.#end("sizes");
      case OPCODE.eof:
        this.#span("opcode", 1, "EOF: no more keys");
        this.#span("checksum", CRC_BYTES, "CRC-64 of all bytes before it");
        return this.#end("end");
      default:
        return this.#key();
    }
  }

  #aux(): void {
    this.#span("opcode", 1, "AUX: a fact about the file");
    const name = this.#string("setting", "name");
    this.#string("setting", "value");
    this.#end(`fact ${name}`);
  }

  #key(): void {
    if (this.#bytes[this.#at] === OPCODE.expireMs) {
      this.#span("opcode", 1, "EXPIRETIME_MS: the next key expires");
      const at = this.#view.getBigUint64(this.#at, true);
      this.#span("expiry", 8, `at ${new Date(Number(at)).toISOString()}`);
    }
    const type = this.#bytes[this.#at];
    this.#span("type", 1, `type ${type}: ${TYPE_TEXTS[type] ?? "not explained here"}`);
    const name = this.#string("key", "name");
    if (TYPE_TEXTS[type] === undefined) {
      this.#span("value", Math.max(0, this.#bytes.length - CRC_BYTES - 1 - this.#at), "not explained");
    } else this.#value(type);
    this.#end(`key ${name}`);
  }

  #value(type: number): void {
    if (type === TYPE.string) this.#string("value", "value");
    else if (type === TYPE.intset) this.#packed((end) => this.#intset(end));
    else if (type === TYPE.hashListpack || type === TYPE.zsetListpack) this.#packed((end) => this.#listpack(end));
    else if (type === TYPE.list) this.#list();
    else if (type === TYPE.stream) this.#stream();
    else this.#strings(type);
  }

  #strings(type: number): void {
    const count = this.#length("length", (count) => `${count} ${type === TYPE.hash ? "fields" : "members"}`);
    for (let left = count; left > 0; left--) {
      this.#string("value", type === TYPE.hash ? "field" : "member");
      if (type === TYPE.hash) this.#string("value", "value");
      if (type === TYPE.zset) this.#span("value", 8, `score ${this.#view.getFloat64(this.#at, true)}`);
    }
  }

  #list(): void {
    const nodes = this.#length("length", (count) => `${count} nodes`);
    for (let left = nodes; left > 0; left--) {
      const container = this.#length(
        "structure",
        (kind) => kind === 2 ? "a node of elements" : "a node of one element",
      );
      if (container === 2) this.#packed((end) => this.#listpack(end));
      else this.#string("value", "element");
    }
  }

  #stream(): void {
    const nodes = this.#length("length", (count) => `${count} nodes`);
    for (let left = nodes; left > 0; left--) {
      this.#packed((end) => this.#span("structure", end - this.#at, "the node's first id: ms, sequence"));
      this.#packed((end) => this.#listpack(end, "structure"));
    }
    for (const text of ["entries", "last id: ms", "last id: sequence", "first id: ms", "first id: sequence"]) {
      this.#length("structure", (value) => `${text} ${value}`);
    }
    for (const text of ["deleted id: ms", "deleted id: sequence", "entries ever added"]) {
      this.#length("structure", (value) => `${text} ${value}`);
    }
    const groups = this.#length("length", (count) => `${count} consumer groups`);
    if (groups > 0) this.#span("value", this.#bytes.length - CRC_BYTES - 1 - this.#at, "not explained");
  }

  /** A length in one of its encodings, and what it says. */
  #length(kind: Kind, text: (value: number) => string): number {
    const first = this.#bytes[this.#at], form = first >>> 6, at = this.#at + 1;
    if (form === 0) return this.#span(kind, 1, `${text(first & 63)}; top bits 00: 6 bits`), first & 63;
    if (form === 1) {
      const value = (first & 63) << 8 | this.#bytes[at];
      return this.#span(kind, 2, `${text(value)}; top bits 01: 14 bits`), value;
    }
    const is64 = first === 0x81, value = is64 ? Number(this.#view.getBigUint64(at)) : this.#view.getUint32(at);
    return this.#span(kind, is64 ? 9 : 5, `${text(value)}; ${is64 ? "0x81: 64" : "0x80: 32"} bits`), value;
  }

  /** A string in one of its encodings; returns it as text. */
  #string(kind: Kind, what: string): string {
    const first = this.#bytes[this.#at], special = first & 63;
    if (first >>> 6 !== 3) {
      const length = this.#length("length", (value) => `${value} bytes follow`), text = this.#text(length);
      this.#span(kind, length, `${what} "${text}"`);
      return text;
    }
    if (special === 3) return this.#compressed(kind, what), "(compressed)";
    const size = 1 << special;
    this.#span("length", 1, `top bits 11: an integer of ${8 * size} bits`);
    const value = size === 1
      ? this.#view.getInt8(this.#at)
      : size === 2
      ? this.#view.getInt16(this.#at, true)
      : this.#view.getInt32(this.#at, true);
    this.#span(kind, size, `${what} ${value}`);
    return String(value);
  }

  #compressed(kind: Kind, what: string): void {
    this.#span("length", 1, "top bits 11, 3: compressed with LZF");
    const size = this.#length("length", (value) => `${value} bytes follow`);
    const whole = this.#length("length", (value) => `which expand to ${value}`);
    this.#span(kind, size, `${what} of ${whole} bytes, compressed`);
  }

  /** A string that holds a structure: `inside` walks it up to its end. */
  #packed(inside: (end: number) => void): void {
    if (this.#bytes[this.#at] >>> 6 === 3) return this.#compressed("value", "a structure");
    const length = this.#length("length", (value) => `${value} bytes follow`), end = this.#at + length;
    inside(end);
  }

  #intset(end: number): void {
    const width = this.#view.getUint32(this.#at, true);
    this.#span("structure", 4, `intset of integers of ${width} bytes`);
    this.#span("structure", 4, `${this.#view.getUint32(this.#at, true)} integers`);
    while (this.#at < end) {
      const value = width === 2
        ? this.#view.getInt16(this.#at, true)
        : width === 4
        ? this.#view.getInt32(this.#at, true)
        : this.#view.getBigInt64(this.#at, true);
      this.#span("value", width, `member ${value}`);
    }
  }

  /** In a stream's node the integers are flags, counts and ids. */
  #listpack(end: number, integers: Kind = "value"): void {
    this.#span("structure", 4, `listpack of ${this.#view.getUint32(this.#at, true)} bytes`);
    this.#span("structure", 2, `${this.#view.getUint16(this.#at, true)} elements`);
    while (this.#at < end - 1) this.#element(end, integers);
    this.#span("structure", 1, "end of the listpack");
  }

  #element(end: number, integers: Kind): void {
    const start = this.#at, first = this.#bytes[start], wide = [2, 3, 4, 8][first - 0xf1];
    if (first < 0x80) this.#span(integers, 1, `integer ${first}; top bit 0: 7 bits`);
    else if (first >>> 6 === 2) {
      this.#span("structure", 1, `string of ${first & 63} bytes`);
      this.#elementText(first & 63);
    } else if (first >>> 5 === 6) {
      const raw = (first & 31) << 8 | this.#bytes[start + 1];
      this.#span(integers, 2, `integer ${raw >= 4096 ? raw - 8192 : raw}; top bits 110: 13 bits`);
    } else if (first >>> 4 === 14) {
      const length = (first & 15) << 8 | this.#bytes[start + 1];
      this.#span("structure", 2, `string of ${length} bytes`);
      this.#elementText(length);
    } else if (wide !== undefined) {
      this.#span("structure", 1, `integer of ${8 * wide} bits`);
      this.#span(integers, wide, "the integer, low byte first");
    } else return void this.#span("value", end - 1 - start, "not explained");
    const size = this.#at - start;
    this.#span("structure", size < 128 ? 1 : 2, `back ${size} bytes to the element's start`);
  }

  #elementText(length: number): void {
    this.#span("value", length, `"${this.#text(length)}"`);
  }

  #text(length: number): string {
    const part = this.#bytes.subarray(this.#at, this.#at + Math.min(length, SHOWN_CHARACTERS));
    const text = Array.from(part, (byte) => byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "·").join("");
    return length > SHOWN_CHARACTERS ? `${text}…` : text;
  }
}
