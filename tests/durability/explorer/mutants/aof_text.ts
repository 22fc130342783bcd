/** Takes a log apart as its loader would, so that seeded bugs can put it together wrongly. */
import { Seal, SEAL_BYTES, SealChain } from "../../../../src/persistence/aof/aof_seal.ts";
import { latin1Decode, latin1Encode } from "../../../../src/base/bytes.ts";

/** A command or an annotation, from `start` to `end`. */
export interface AofRecord {
  readonly start: number;
  readonly end: number;
  /** In upper case; empty for an annotation. */
  readonly command: string;
}

const SEAL_START = "#AF:";
const WORD = /\$(\d+)\r\n/y, HEADER = /\*(\d+)\r\n/y, ANNOTATION = /#[^\n]*\n/y;

/** The record at `at`, or null when there is no whole one. `text` is Latin-1. */
export function recordAt(text: string, at: number): AofRecord | null {
  ANNOTATION.lastIndex = HEADER.lastIndex = at;
  if (ANNOTATION.test(text)) return { start: at, end: ANNOTATION.lastIndex, command: "" };
  const header = HEADER.exec(text);
  if (header === null) return null;
  let end = HEADER.lastIndex, command = "";
  for (let i = 0; i < Number(header[1]); i++) {
    WORD.lastIndex = end;
    const word = WORD.exec(text);
    if (word === null) return null;
    const start = WORD.lastIndex, length = Number(word[1]);
    end = start + length + 2;
    if (text.slice(start + length, end) !== "\r\n") return null;
    if (i === 0) command = text.slice(start, start + length).toUpperCase();
  }
  return { start: at, end, command };
}

/** Whole records from the start on, and where they end. */
export function recordsOf(text: string): { records: AofRecord[]; end: number } {
  const records: AofRecord[] = [];
  let at = 0;
  for (let one = recordAt(text, at); at < text.length && one !== null; one = recordAt(text, at)) {
    records.push(one);
    at = one.end;
  }
  return { records, end: at };
}

/** A file made of some records of another one: with a checksum that is right, when that one has checksums. */
export function onlyRecords(bytes: Uint8Array, records: readonly AofRecord[]): Uint8Array {
  const text = latin1Decode(bytes), seal = new Seal();
  const kept = latin1Encode(records.map(({ start, end }) => text.slice(start, end)).join(""));
  for (const at of sealsIn(text)) {
    if (!seal.read(bytes, at)) continue;
    const sealed = new Uint8Array(kept.length + SEAL_BYTES);
    sealed.set(kept);
    new SealChain(seal.fileId).seal(sealed, 0, kept.length, 0, sealed, kept.length);
    return sealed;
  }
  return kept;
}

/** Where seals may be. */
export function* sealsIn(text: string): Generator<number> {
  for (let at = text.indexOf(SEAL_START); at >= 0; at = text.indexOf(SEAL_START, at + 1)) yield at;
}
