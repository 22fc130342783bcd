/**
 * Replies as they crossed the wire: types and texts are kept apart, so that "+OK" and "$2 OK", or ":1" and ",1", are different.
 *
 * Text is latin1, one character a byte. The type of a null is all of it: "$-1", "*-1" or "_".
 */

export interface WireReply {
  /** The RESP type byte, or a whole null. */
  readonly type: string;
  /** The body of a scalar; of a null or an aggregate "". */
  readonly text: string;
  /** Elements of an aggregate (a map's keys and values alternate), or null. */
  readonly items: readonly WireReply[] | null;
}

const CR = 0x0d;
const LF = 0x0a;
const BLOB_TYPES = "$=!";
const AGGREGATE_TYPES = "*~%>|";

/** Elements that follow the header of an aggregate. */
function elementsOf(type: string, count: number): number {
  if (count < 0) return 0;
  return type === "%" || type === "|" ? count * 2 : count;
}

/** Cuts a byte stream into whole replies without parsing them; bytes may arrive split anywhere. */
export class ReplySplitter {
  #buffer = new Uint8Array(1 << 16);
  #endBytes = 0;
  /** Start of the reply under way. */
  #replyStart = 0;
  /** Where its next element starts. */
  #at = 0;
  /** Elements that it still lacks. */
  #missing = 1;

  push(chunk: Uint8Array): void {
    if (this.#endBytes + chunk.length > this.#buffer.length) this.#makeRoom(chunk.length);
    this.#buffer.set(chunk, this.#endBytes);
    this.#endBytes += chunk.length;
  }

  /** A copy of the next whole reply, or undefined. */
  next(): Uint8Array | undefined {
    while (this.#missing > 0) if (!this.#skipElement()) return undefined;
    const reply = this.#buffer.slice(this.#replyStart, this.#at);
    this.#replyStart = this.#at, this.#missing = 1;
    return reply;
  }

  #skipElement(): boolean {
    const lineEnd = lineEndAt(this.#buffer, this.#at, this.#endBytes);
    if (lineEnd < 0) return false;
    const type = String.fromCharCode(this.#buffer[this.#at]);
    let end = lineEnd + 2, added = 0;
    if (BLOB_TYPES.includes(type)) {
      const lengthBytes = integerAt(this.#buffer, this.#at + 1, lineEnd);
      if (lengthBytes >= 0) end += lengthBytes + 2;
      if (end > this.#endBytes) return false;
    } else if (AGGREGATE_TYPES.includes(type)) added = elementsOf(type, integerAt(this.#buffer, this.#at + 1, lineEnd));
    this.#at = end;
    this.#missing += added - 1;
    return true;
  }

  #makeRoom(lengthBytes: number): void {
    const unread = this.#buffer.subarray(this.#replyStart, this.#endBytes), neededBytes = unread.length + lengthBytes;
    const target = neededBytes * 2 > this.#buffer.length ? new Uint8Array(neededBytes * 2) : this.#buffer;
    const unreadBytes = unread.length;
    target.set(unread, 0);
    this.#buffer = target;
    this.#at -= this.#replyStart, this.#endBytes = unreadBytes, this.#replyStart = 0;
  }
}

function lineEndAt(buffer: Uint8Array, from: number, end: number): number {
  for (let at = from; at + 1 < end; at++) if (buffer[at] === CR && buffer[at + 1] === LF) return at;
  return -1;
}

function integerAt(buffer: Uint8Array, from: number, end: number): number {
  const negative = buffer[from] === 0x2d;
  let value = 0;
  for (let at = negative ? from + 1 : from; at < end; at++) value = value * 10 + buffer[at] - 0x30;
  return negative ? -value : value;
}

/** Parses one whole reply. */
export function parseReply(bytes: Uint8Array): WireReply {
  let at = 0;
  const latin1 = (from: number, to: number) => {
    let text = "";
    for (let i = from; i < to; i++) text += String.fromCharCode(bytes[i]);
    return text;
  };
  const element = (): WireReply => {
    const lineEnd = lineEndAt(bytes, at, bytes.length), type = String.fromCharCode(bytes[at]);
    const line = latin1(at + 1, lineEnd);
    at = lineEnd + 2;
    if (line === "-1" && (type === "$" || type === "*")) return { type: type + line, text: "", items: null };
    if (BLOB_TYPES.includes(type)) {
      const from = at;
      at += Number(line) + 2;
      return { type, text: latin1(from, at - 2), items: null };
    }
    if (!AGGREGATE_TYPES.includes(type)) return { type, text: line, items: null };
    return { type, text: "", items: Array.from({ length: elementsOf(type, Number(line)) }, element) };
  };
  return element();
}

export function isNull(reply: WireReply): boolean {
  return reply.type === "_" || reply.type.length > 1;
}

export function isError(reply: WireReply): boolean {
  return reply.type === "-" || reply.type === "!";
}

const SHOWN_TEXT_MAX = 200;
const SHOWN_ITEMS_MAX = 40;

/** For people: `:3`, `$"text"`, `*["a" "b"]`; long ones are cut. */
export function showReply(reply: WireReply): string {
  if (reply.items === null) {
    if (reply.text.length <= SHOWN_TEXT_MAX) return reply.type + JSON.stringify(reply.text);
    return `${reply.type}${JSON.stringify(reply.text.slice(0, SHOWN_TEXT_MAX))}… (${reply.text.length} bytes)`;
  }
  const shown = reply.items.slice(0, SHOWN_ITEMS_MAX).map(showReply).join(" ");
  return `${reply.type}[${shown}${reply.items.length > SHOWN_ITEMS_MAX ? ` … (${reply.items.length})` : ""}]`;
}

/** The same text for the same reply and only for it. */
export function canonical(reply: WireReply): string {
  if (reply.items === null) return reply.type + reply.text.length + ":" + reply.text;
  return `${reply.type}[${reply.items.map(canonical).join(",")}]`;
}
