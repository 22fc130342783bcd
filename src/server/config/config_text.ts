/**
 * The text layer of configuration: byte strings, and Redis's way of splitting and quoting arguments (sdssplitargs,
 * sdscatrepr).
 * Invariant: a ByteString holds one byte per character (U+0000 to U+00FF), so that any bytes pass through unchanged.
 * It is
 * decoded as UTF-8 only where a value is handed to the server as a path or a name.
 * Never knows what a directive means.
 */

import { latin1Decode, latin1Encode, utf8Decode, utf8Encode } from "../../base/bytes.ts";

/** Text with one byte per character. ASCII text is one as it is; other text goes through `byteStringOfText`. */
export type ByteString = string;

/** What separates arguments (isspace in the C locale). */
const BLANKS = " \t\n\v\f\r";
/** What ends an unquoted argument: fewer characters than BLANKS, as in Redis. */
const ARGUMENT_ENDS = " \t\n\r";
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", b: "\b", a: "\x07" };
const ESCAPE_OF: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  '"': '\\"',
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\x07": "\\a",
  "\b": "\\b",
};

export function byteStringOfBytes(bytes: Uint8Array): ByteString {
  return latin1Decode(bytes);
}

/** @throws {RangeError} when `text` is no ByteString */
export function bytesOfByteString(text: ByteString): Uint8Array<ArrayBuffer> {
  return latin1Encode(text);
}

/** The UTF-8 bytes of any text, as a ByteString. */
export function byteStringOfText(text: string): ByteString {
  return latin1Decode(utf8Encode(text));
}

/** Decodes UTF-8; malformed sequences become U+FFFD. */
export function textOfByteString(text: ByteString): string {
  return utf8Decode(latin1Encode(text));
}

/** Lower case for ASCII only: other bytes are not letters to Redis. */
export function asciiLower(text: ByteString): ByteString {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

export function trimLine(line: ByteString): ByteString {
  return line.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, "");
}

/**
 * Splits a line as redis.conf and inline commands are split: blanks separate, "…" knows \n \r \t \b \a \xHH and
 * \other, '…' knows \' only,
 * and a closing quote must be followed by a blank or the end.
 * @returns the arguments, or null when quotes are unbalanced
 */
export function splitArguments(line: ByteString): ByteString[] | null {
  const splitter = new ArgumentSplitter(line);
  const args: ByteString[] = [];
  while (splitter.skipBlanks()) {
    const argument = splitter.next();
    if (argument === null) return null;
    args.push(argument);
  }
  return args;
}

/** Quotes `value` so that `splitArguments` gives it back as one argument. */
export function quoteArgument(value: ByteString): ByteString {
  let quoted = '"';
  for (const char of value) quoted += ESCAPE_OF[char] ?? (isPrintable(char) ? char : hexEscape(char));
  return quoted + '"';
}

function isPrintable(char: string): boolean {
  return char >= " " && char <= "~";
}

function hexEscape(char: string): string {
  return "\\x" + char.charCodeAt(0).toString(16).padStart(2, "0");
}

/** A cursor over one line. */
class ArgumentSplitter {
  readonly #line: ByteString;
  #at = 0;

  constructor(line: ByteString) {
    this.#line = line;
  }

  /** Moves to the next argument; false at the end of the line. */
  skipBlanks(): boolean {
    while (this.#at < this.#line.length && BLANKS.includes(this.#line[this.#at])) this.#at++;
    return this.#at < this.#line.length;
  }

  /** Reads one argument. A quote may open in the middle of it and always ends it. */
  next(): ByteString | null {
    let argument = "";
    while (this.#at < this.#line.length) {
      const char = this.#line[this.#at++];
      if (ARGUMENT_ENDS.includes(char)) return argument;
      if (char === '"' || char === "'") {
        const quoted = char === '"' ? this.#doubleQuoted() : this.#singleQuoted();
        return quoted === null ? null : argument + quoted;
      }
      argument += char;
    }
    return argument;
  }

  #doubleQuoted(): ByteString | null {
    let text = "";
    while (this.#at < this.#line.length) {
      const char = this.#line[this.#at++];
      if (char === '"') return this.#endsArgument() ? text : null;
      text += char === "\\" ? this.#escaped() : char;
    }
    return null;
  }

  #escaped(): ByteString {
    const hex = /^x([0-9a-fA-F]{2})/.exec(this.#line.slice(this.#at, this.#at + 3));
    if (hex !== null) {
      this.#at += 3;
      return String.fromCharCode(parseInt(hex[1], 16));
    }
    if (this.#at === this.#line.length) return "\\";
    const char = this.#line[this.#at++];
    return ESCAPES[char] ?? char;
  }

  #singleQuoted(): ByteString | null {
    let text = "";
    while (this.#at < this.#line.length) {
      const char = this.#line[this.#at++];
      if (char === "'") return this.#endsArgument() ? text : null;
      if (char === "\\" && this.#line[this.#at] === "'") {
        text += "'";
        this.#at++;
      } else {
        text += char;
      }
    }
    return null;
  }

  #endsArgument(): boolean {
    return this.#at === this.#line.length || BLANKS.includes(this.#line[this.#at]);
  }
}
