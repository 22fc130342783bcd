/**
 * Checks an RDB file with the loader that the server starts with, sanitising deeply. Every key is built and freed at once, so memory is
 * bounded by the largest value, however large the file.
 *
 * Damage is named as exactly as the file allows. The loader says where it stopped; that is the first place that does not fit, and it may be
 * behind the byte that is to blame. Where the file ends with a checksum, that one is found too, if it is one: see `crc64_locate.ts`. It
 * counts only when the whole file is sound with it put right, and then a repair loses nothing.
 *
 * Never guesses where the next key starts behind damage: an RDB file has nothing to resynchronise with.
 */
import { type DamagedByte, locateDamagedByte } from "../../base/crc64_locate.ts";
import { DuplicateKeyError, type EntrySink } from "../../keyspace/bulk_load.ts";
import type { Database } from "../../keyspace/database.ts";
import type { Keyspace } from "../../keyspace/keyspace.ts";
import { type Address, OutOfArenaError } from "../../memory/mod.ts";
import { OPCODE, TYPE_BYTE_NAMES } from "../rdb/rdb_format.ts";
import { CHECKSUM_VERSION, RdbCorruptError, type RdbLoad, RdbTruncatedError } from "../rdb/rdb_loader.ts";
import { crcOfStart } from "../rdb/rdb_reader.ts";
import { SCRATCH_BYTES, scratchKeyspace, scratchLoad } from "../rdb/scratch_keyspace.ts";
import type { ByteSource } from "./byte_source.ts";
import { KeyNames, keyText } from "./key_names.ts";
import type { Range, Remedy } from "./remedy.ts";
import { CheckError, type Damage, type RdbFacts } from "./report.ts";
import { SeenKeys } from "./seen_keys.ts";

const CHECKSUM_BYTES = 8, MAGIC_BYTES = 9;
/** Type, an empty name and an empty value: no key takes less of a file. */
const KEY_BYTES_MIN = 3;
const STEP_BYTES = 1 << 20;
/** So many zeros are the end of no sound file: a checksum has eight bytes. */
const ZEROS_MIN = 16;

const PART_NAMES: Readonly<Record<number, string>> = {
  [OPCODE.slotInfo]: "a slot's sizes",
  [OPCODE.function2]: "a function library",
  [OPCODE.functionPreGa]: "a function library",
  [OPCODE.moduleAux]: "a module's data",
  [OPCODE.idle]: "a key's idle time",
  [OPCODE.frequency]: "a key's access frequency",
  [OPCODE.aux]: "an auxiliary field",
  [OPCODE.resizeDb]: "a database's sizes",
  [OPCODE.expireTimeMs]: "a key's expiry",
  [OPCODE.expireTime]: "a key's expiry",
  [OPCODE.selectDb]: "a database's number",
  [OPCODE.eof]: "the end of the file",
};

export interface RdbFinding {
  readonly facts: RdbFacts;
  /** Where the RDB ends; what a log has behind its preamble starts there. -1 when the end was not reached. */
  readonly endBytes: number;
  readonly damage: Damage | null;
  readonly remedy: Remedy;
  /** Keys that a repair loses, and whether there may be more. */
  readonly keysLost: number;
  readonly isAtLeast: boolean;
  readonly keyNames: KeyNames;
  readonly notes: readonly string[];
}

/** Draws 32 random bits. */
export type Random = () => number;

/** Checks RDB files, one after the other. */
export class RdbCheck {
  readonly #keyspace: Keyspace;
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random, this.#keyspace = scratchKeyspace(random);
  }

  /**
   * Checks the RDB that a file starts with. `isPreamble` says that something else may follow it.
   * @throws {CheckError, StorageError}
   */
  check(source: ByteSource, isPreamble: boolean): RdbFinding {
    const scan = this.#scan(source), end = scan.load.loadedBytes;
    const isShort = !isPreamble && scan.error === null && end < source.sizeBytes;
    const located = scan.error === null && !isShort ? null : this.#locate(source, scan, isPreamble);
    if (located !== null) return located;
    const zerosFrom = source.startOfZeros(), endsInZeros = source.sizeBytes - zerosFrom > ZEROS_MIN && end > zerosFrom;
    if (endsInZeros && (scan.error !== null || (isShort && scan.load.checksum === "absent"))) {
      return this.#broken(source, this.#scan(source.first(zerosFrom)), zerosFrom);
    }
    if (scan.load.checksum === "differs") return distrusted(source, scan);
    if (scan.error !== null) {
      const broken = this.#broken(source, scan, source.sizeBytes);
      return (isPreamble ? null : this.#spared(source, broken)) ?? broken;
    }
    const notes = [...scan.notes];
    if (isShort) notes.push(`${source.sizeBytes - end} bytes follow its end: nobody reads them`);
    return { ...soundOf(scan), notes };
  }

  #scan(source: ByteSource): RdbScan {
    const scan = new RdbScan(this.#keyspace, source, this.#random);
    scan.run();
    return scan;
  }

  /** The finding that one byte is to blame, if one is. */
  #locate(source: ByteSource, scan: RdbScan, isPreamble: boolean): RdbFinding | null {
    // Where a whole file ends is known; where a preamble does, only when it was read to its end.
    const ends = isPreamble ? [] : [source.sizeBytes];
    if (scan.load.checksum === "differs") ends.push(scan.load.loadedBytes);
    for (const end of new Set(ends)) {
      const byte = end < MAGIC_BYTES + CHECKSUM_BYTES ? null : locateIn(source, end - CHECKSUM_BYTES);
      const finding = byte === null ? null : this.#restored(source, scan, byte, end);
      if (finding !== null) return finding;
    }
    return null;
  }

  /** The finding that this byte is to blame, if everything up to `end` is sound with it put right. */
  #restored(source: ByteSource, scan: RdbScan, byte: DamagedByte, end: number): RdbFinding | null {
    const { offsetBytes } = byte, is = source.byteAt(offsetBytes), was = is ^ byte.xor;
    const repaired = new RdbScan(this.#keyspace, source.with(offsetBytes, was), this.#random);
    const inside = repaired.partAt(offsetBytes);
    if (!repaired.run() || repaired.load.loadedBytes !== end || repaired.load.checksum !== "matches") return null;
    const reason = scan.error === null ? "the file goes on behind what looks like its end" : reasonOf(scan.error);
    return {
      ...soundOf(repaired),
      facts: scan.facts,
      damage: { offsetBytes, fromBytes: offsetBytes, kind: "damaged", reason, expected: hex(was), inside, is, was },
      remedy: { kind: "restore", offsetBytes, was },
    };
  }

  /**
   * The same where the file's checksum matches: then the bytes are as they were written, by a server that was at fault itself, and what
   * follows a key that cannot be loaded starts where that key says. Only the keys are lost that are refused.
   */
  #spared(source: ByteSource, broken: RdbFinding): RdbFinding | null {
    if (broken.facts.version < CHECKSUM_VERSION || !isIntact(source)) return null;
    const scan = new RdbScan(this.#keyspace, source, this.#random), ranges: Range[] = [], keyNames = new KeyNames();
    while (!scan.run()) {
      const fromBytes = scan.load.wholeBytes, key = scan.load.currentKey;
      if (key === null || !scan.load.skipKey()) return null;
      ranges.push({ fromBytes, toBytes: scan.load.wholeBytes });
      keyNames.add(key.name);
      scan.error = null;
    }
    if (scan.load.loadedBytes !== source.sizeBytes || scan.load.checksum !== "matches") return null;
    const notes = [
      ...scan.notes,
      "the checksum matches: these are the bytes that were written, and all other keys can be read",
    ];
    const facts = scan.facts, remedy: Remedy = { kind: "leave out", ranges };
    return { ...broken, facts, remedy, keysLost: ranges.length, isAtLeast: false, keyNames, notes };
  }

  /** Something does not fit, or the file goes on with zeros from `zerosFrom` on: what precedes that is kept. */
  #broken(source: ByteSource, scan: RdbScan, zerosFrom: number): RdbFinding {
    const error = scan.error!, { load } = scan, zeros = source.sizeBytes - zerosFrom;
    const keyNames = new KeyNames(), current = load.currentKey;
    if (current !== null) keyNames.add(current.name);
    const isTorn = error instanceof RdbTruncatedError, isAtLeast = source.byteAt(load.partStartBytes) !== OPCODE.eof;
    return {
      facts: scan.facts,
      endBytes: -1,
      damage: {
        offsetBytes: error.offsetBytes,
        fromBytes: Math.min(load.wholeBytes, error.offsetBytes),
        kind: isTorn ? "torn" : "damaged",
        reason: zeros > 0 ? `the file goes on with ${zeros} bytes of zeros` : reasonOf(error),
        expected: isTorn ? "" : load.wholeBytes === 0 ? 'the word "REDIS" and a version from 0001 to 0012' : "",
        inside: insideOf(load, source),
        is: null,
        was: null,
      },
      remedy: cutOf(load),
      keysLost: scan.keysMissing(isTorn ? Infinity : source.sizeBytes - load.wholeBytes),
      // Behind the mark of the end no key can be missing.
      isAtLeast,
      keyNames,
      notes: scan.notes,
    };
  }
}

function soundOf(scan: RdbScan): RdbFinding {
  return {
    facts: scan.facts,
    endBytes: scan.load.loadedBytes,
    damage: null,
    remedy: { kind: "none" },
    keysLost: 0,
    isAtLeast: false,
    keyNames: new KeyNames(),
    notes: scan.notes,
  };
}

/** Every part can be read, and the checksum says that some byte of them is wrong. */
function distrusted(source: ByteSource, scan: RdbScan): RdbFinding {
  const endBytes = scan.load.loadedBytes, dataBytes = endBytes - CHECKSUM_BYTES;
  const crc = new Uint8Array(CHECKSUM_BYTES);
  crcOfStart(source.readAt, dataBytes).writeLittleEndian(crc, 0);
  return {
    ...soundOf(scan),
    endBytes,
    damage: {
      offsetBytes: dataBytes,
      fromBytes: 0,
      kind: "damaged",
      reason:
        "every key can be read, but the checksum differs: more than one of the bytes before it is not what was written",
      expected: Array.from(crc, hexDigits).join(" "),
      inside: "the checksum",
      is: null,
      was: null,
    },
    remedy: { kind: "trust", dataBytes },
  };
}

/** Keeps what is whole; nothing is kept for nothing. */
function cutOf(load: RdbLoad): Remedy {
  if (load.keysLoaded === 0) return { kind: "impossible", reason: "no key stands before the damage" };
  const end = load.version < CHECKSUM_VERSION ? "rdb without checksum" : "rdb";
  return { kind: "cut", atBytes: load.wholeBytes, end };
}

/** Whether a file ends with the checksum of all before it. */
function isIntact(source: ByteSource): boolean {
  const dataBytes = source.sizeBytes - CHECKSUM_BYTES;
  return dataBytes > MAGIC_BYTES &&
    crcOfStart(source.readAt, dataBytes).equalsLittleEndian(source.bytes(dataBytes, CHECKSUM_BYTES), 0);
}

function locateIn(source: ByteSource, dataBytes: number): DamagedByte | null {
  return locateDamagedByte(crcOfStart(source.readAt, dataBytes), source.bytes(dataBytes, CHECKSUM_BYTES), dataBytes);
}

function reasonOf(error: RdbCorruptError): string {
  if (error instanceof RdbTruncatedError) return "the file ends in the middle";
  return error.reason.startsWith("Wrong RDB checksum") ? "the checksum differs" : error.reason;
}

/** What was being read when it went wrong. */
function insideOf(load: RdbLoad, source: ByteSource): string {
  if (load.wholeBytes === 0) return "the header";
  return load.currentKey === null ? partName(source.byteAt(load.partStartBytes)) : keyPart(load.currentKey);
}

function partName(byte: number | undefined): string {
  if (byte === undefined) return "the end of the file";
  const type = TYPE_BYTE_NAMES[byte];
  return PART_NAMES[byte] ?? (type === undefined ? "" : `the name of a key (${type})`);
}

function keyPart({ database, name, typeByte }: NonNullable<RdbLoad["currentKey"]>): string {
  return `${TYPE_BYTE_NAMES[typeByte] ?? `type ${typeByte}`} at key ${keyText(name)} in database ${database}`;
}

function tooLarge(load: RdbLoad): string {
  const key = load.currentKey;
  return `The value of ${key === null ? "a key" : keyText(key.name)} takes more than ${
    SCRATCH_BYTES / 1024 ** 3
  } GiB of memory`;
}

function hexDigits(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}

/** A byte as people write it: 0x0a. */
export function hex(byte: number): string {
  return `0x${hexDigits(byte)}`;
}

/** A file being read, its entries counted and freed. */
class RdbScan implements EntrySink {
  readonly #keyspace: Keyspace;
  readonly #seen: SeenKeys;
  readonly #source: ByteSource;
  readonly load: RdbLoad;
  error: RdbCorruptError | null = null;
  /** Keys announced and found, by database. */
  readonly #databases = new Map<number, { announced: number; found: number }>();
  #database: { announced: number; found: number } = { announced: 0, found: 0 };
  #databaseIndex = -1;
  /** The key read last, while that is of interest. */
  #lastKey: string | null = null;

  constructor(keyspace: Keyspace, source: ByteSource, random: Random) {
    this.#keyspace = keyspace, this.#source = source;
    this.#seen = new SeenKeys(random);
    this.load = scratchLoad(source, { keyspace, sink: this, deep: true, onKey: () => this.#keyRead() });
  }

  /** Reads it to its end; false, and `error` says why, when that does not work. @throws {CheckError} */
  run(): boolean {
    try {
      this.#lastKey = null;
      while (!this.load.step(STEP_BYTES));
      return true;
    } catch (error) {
      if (error instanceof OutOfArenaError) throw new CheckError(tooLarge(this.load));
      if (!(error instanceof RdbCorruptError)) throw error;
      this.error = error;
      return false;
    }
  }

  get facts(): RdbFacts {
    const { version, keysLoaded, checksum } = this.load;
    return { version, keys: keysLoaded, checksum };
  }

  get notes(): string[] {
    const notes: string[] = [], { load } = this;
    if (load.checksum === "absent") {
      notes.push(
        load.version < CHECKSUM_VERSION
          ? `version ${load.version} has no checksum: a wrong byte in a value would not show`
          : "saved without a checksum (rdbchecksum no): a wrong byte in a value would not show",
      );
    }
    if (load.emptyKeysSkipped > 0) {
      notes.push(
        `${load.emptyKeysSkipped} keys hold collections of no elements, as old servers wrote; they are left out when it is loaded`,
      );
    }
    if (this.#seen.isFull) notes.push("too many keys to tell whether some come twice");
    return notes;
  }

  /** How many of the keys that were announced are not there. A file that is all there holds no more than `bytesLeft` can. */
  keysMissing(bytesLeft: number): number {
    let missing = 0;
    for (const { announced, found } of this.#databases.values()) missing += Math.max(0, announced - found);
    return Math.max(this.load.currentKey === null ? 0 : 1, Math.min(missing, Math.ceil(bytesLeft / KEY_BYTES_MIN)));
  }

  /** Reads up to the part that holds the byte at `offsetBytes`, and says what that is. */
  partAt(offsetBytes: number): string {
    const { load } = this;
    let from = 0;
    try {
      do from = load.loadedBytes, this.#lastKey = ""; while (!load.step(1) && load.loadedBytes <= offsetBytes);
      if (from === 0) return "the header";
      const name = this.#lastKey === "" ? partName(this.#source.byteAt(from)) : "";
      if (name === PART_NAMES[OPCODE.eof] && offsetBytes > from) return "the checksum";
      // What precedes a key belongs to it.
      while (load.wholeBytes < load.loadedBytes && this.#lastKey === "" && !load.step(1));
      return [name, this.#lastKey].filter((text) => text !== "").join(" of the ");
    } catch (error) {
      if (error instanceof RdbCorruptError) return "";
      throw error;
    }
  }

  #keyRead(): void {
    if (this.#lastKey !== null) this.#lastKey = keyPart(this.load.currentKey!);
  }

  expect(db: Database, keys: number): void {
    this.#of(db).announced = keys;
  }

  add(db: Database, entry: Address, offsetBytes: number): void {
    const keyspace = this.#keyspace, length = keyspace.copyKey(entry);
    keyspace.freeEntry(entry, false);
    // What is large is not freed at once.
    keyspace.lazyFree.finish();
    this.#of(db).found++;
    if (this.#seen.add(db.index, keyspace.keyScratch, length)) return;
    throw new DuplicateKeyError(keyspace.keyScratch.slice(0, length), db.index, offsetBytes);
  }

  flush(): void {}

  discard(): void {}

  #of(db: Database): { announced: number; found: number } {
    if (db.index === this.#databaseIndex) return this.#database;
    this.#databaseIndex = db.index;
    this.#database = this.#databases.get(db.index) ?? { announced: 0, found: 0 };
    this.#databases.set(db.index, this.#database);
    return this.#database;
  }
}
