/**
 * Incremental RESP2 and RESP3 reply parser for tests.
 *
 * Bytes may arrive split at any place: a reply that is under way is kept on a stack of open aggregates, so a large reply is
 * read once, not once per chunk. Invariant: between two calls of `next`, the unread bytes never hold a complete element.
 * Independent of `src/resp`, so that a mistake there is not repeated here. It never guesses: a byte that is no RESP type throws.
 */

/** Bulk strings are text unless the parser was made for bytes; simple strings are always text. */
export type BulkKind = "string" | "bytes";

/**
 * A parsed reply. Integers outside ±2^53 and big numbers are bigints; maps, sets and doubles come only from RESP3; an error
 * inside an aggregate is a value, not an exception.
 */
export type Reply =
  | null
  | number
  | bigint
  | boolean
  | string
  | Uint8Array
  | RespError
  | Push
  | Reply[]
  | Map<Reply, Reply>
  | Set<Reply>;

/** An error reply: `message` is the whole line, `code` its first word ("ERR", "WRONGTYPE", …). */
export class RespError extends Error {
  readonly code: string;

  constructor(message: string) {
    super(message);
    this.name = "RespError";
    this.code = message.split(" ", 1)[0];
  }
}

/** An out-of-band RESP3 message. */
export class Push {
  readonly items: Reply[];

  constructor(items: Reply[]) {
    this.items = items;
  }
}

type AggregateKind = "array" | "map" | "set" | "push" | "attribute";

interface OpenAggregate {
  kind: AggregateKind;
  remaining: number;
  items: Reply[];
}

const CR = 0x0d;
const LF = 0x0a;
const INCOMPLETE = Symbol("incomplete");
const OPENED = Symbol("opened");
const AGGREGATES: Record<string, AggregateKind> = {
  "*": "array",
  "%": "map",
  "~": "set",
  ">": "push",
  "|": "attribute",
};

export class RespParser {
  readonly #bulk: BulkKind;
  readonly #decoder = new TextDecoder();
  readonly #stack: OpenAggregate[] = [];
  #buffer = new Uint8Array(64 * 1024);
  #start = 0;
  #end = 0;

  constructor(bulk: BulkKind = "string") {
    this.#bulk = bulk;
  }

  /** Adds bytes from the connection. They are copied. */
  feed(chunk: Uint8Array): void {
    this.#makeRoom(chunk.length);
    this.#buffer.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /** The next complete reply, or undefined when more bytes are needed. Attributes are dropped. */
  next(): Reply | undefined {
    while (true) {
      const element = this.#element();
      if (element === INCOMPLETE) return undefined;
      if (element === OPENED) continue;
      const complete = this.#close(element);
      if (complete !== INCOMPLETE) return complete;
    }
  }

  #makeRoom(lengthBytes: number): void {
    if (this.#start === this.#end) this.#start = this.#end = 0;
    if (this.#end + lengthBytes <= this.#buffer.length) return;
    const unread = this.#buffer.subarray(this.#start, this.#end);
    const neededBytes = unread.length + lengthBytes;
    const target = neededBytes > this.#buffer.length ? new Uint8Array(neededBytes * 2) : this.#buffer;
    target.set(unread, 0);
    this.#buffer = target;
    this.#end = unread.length;
    this.#start = 0;
  }

  /** Hands a finished value to the innermost open aggregate; returns a value once the outermost is complete. */
  #close(value: Reply): Reply | typeof INCOMPLETE {
    let finished = value;
    while (this.#stack.length > 0) {
      const open = this.#stack[this.#stack.length - 1];
      open.items.push(finished);
      if (open.items.length < open.remaining) return INCOMPLETE;
      this.#stack.pop();
      if (open.kind === "attribute") return INCOMPLETE;
      finished = buildAggregate(open.kind, open.items);
    }
    return finished;
  }

  #element(): Reply | typeof INCOMPLETE | typeof OPENED {
    const lineEnd = this.#lineEnd();
    if (lineEnd < 0) return INCOMPLETE;
    const type = String.fromCharCode(this.#buffer[this.#start]);
    const line = this.#decoder.decode(this.#buffer.subarray(this.#start + 1, lineEnd));
    if (type === "$" || type === "=" || type === "!") return this.#blob(type, line, lineEnd + 2);
    this.#start = lineEnd + 2;
    const aggregate = AGGREGATES[type];
    if (aggregate !== undefined) return this.#open(aggregate, Number(line));
    return scalar(type, line);
  }

  #lineEnd(): number {
    const buffer = this.#buffer;
    for (let at = buffer.indexOf(CR, this.#start); at >= 0 && at + 1 < this.#end; at = buffer.indexOf(CR, at + 1)) {
      if (buffer[at + 1] === LF) return at;
    }
    return -1;
  }

  #open(kind: AggregateKind, count: number): Reply | typeof OPENED {
    if (count < 0) return null;
    const remaining = kind === "map" || kind === "attribute" ? count * 2 : count;
    if (remaining === 0 && kind !== "attribute") return buildAggregate(kind, []);
    if (remaining > 0) this.#stack.push({ kind, remaining, items: [] });
    return OPENED;
  }

  #blob(type: string, lengthText: string, bodyStart: number): Reply | typeof INCOMPLETE {
    const lengthBytes = Number(lengthText);
    if (lengthBytes < 0) {
      this.#start = bodyStart;
      return null;
    }
    const bodyEnd = bodyStart + lengthBytes;
    if (bodyEnd + 2 > this.#end) return INCOMPLETE;
    const body = this.#buffer.subarray(bodyStart, bodyEnd);
    this.#start = bodyEnd + 2;
    if (type === "!") return new RespError(this.#decoder.decode(body));
    if (type === "=") return this.#decoder.decode(body.subarray(4));
    return this.#bulk === "bytes" ? body.slice() : this.#decoder.decode(body);
  }
}

function scalar(type: string, line: string): Reply {
  switch (type) {
    case "+":
      return line;
    case "-":
      return new RespError(line);
    case ":":
      return Number.isSafeInteger(Number(line)) ? Number(line) : BigInt(line);
    case "_":
      return null;
    case "#":
      return line === "t";
    case ",":
      return double(line);
    case "(":
      return BigInt(line);
    default:
      throw new Error(
        `Cannot parse reply: type byte is ${JSON.stringify(type)}, rest of the line ${JSON.stringify(line)}`,
      );
  }
}

function double(text: string): number {
  if (text === "inf") return Infinity;
  if (text === "-inf") return -Infinity;
  return Number(text);
}

function buildAggregate(kind: AggregateKind, items: Reply[]): Reply {
  if (kind === "map") {
    const map = new Map<Reply, Reply>();
    for (let index = 0; index < items.length; index += 2) map.set(items[index], items[index + 1]);
    return map;
  }
  if (kind === "set") return new Set(items);
  if (kind === "push") return new Push(items);
  return items;
}
