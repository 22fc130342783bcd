/**
 * Loads an RDB file into the keyspace, in steps, so that the server can answer in between. Versions 1 to 12 are read, whatever they
 * hold that this server knows; anything else is refused by name, with key and offset, never dropped.
 *
 * Keys that have expired are left out, except when the file is the base of an AOF: then they stay, and the log says what became of them.
 * Function libraries are kept as they are. Collections of no elements, which old servers saved by mistake, are left out, with a line in
 * the log for the first ones.
 */
import { latin1Decode } from "../../base/bytes.ts";
import { I64 } from "../../base/integer.ts";
import { type Address, NONE } from "../../memory/mod.ts";
import { lfuStamp, lruStamp } from "../../keyspace/access_clock.ts";
import { BulkLoad, DuplicateKeyError, type EntrySink } from "../../keyspace/bulk_load.ts";
import { EXPIRES_AT_MS_MAX } from "../../keyspace/entry.ts";
import { type Keyspace, NO_EXPIRY } from "../../keyspace/keyspace.ts";
import { type FunctionLibraries, preReleaseCode } from "./function_libraries.ts";
import { moduleName, skipModuleValue } from "./module_data.ts";
import { codecOfTypeByte, type LoadTarget } from "./rdb_codec.ts";
import { MODULE_TYPE_BYTES, OPCODE, RDB_VERSION_MAX, TYPE_BYTE_NAMES } from "./rdb_format.ts";
import { type FileSum, RdbCorruptError, RdbReader, RdbTruncatedError, type ReadAt } from "./rdb_reader.ts";

const MAGIC_BYTES = 9;
/** The first version that ends with a checksum. */
export const CHECKSUM_VERSION = 5;
/** Values that stand in the file as one string: whatever is wrong with one, it has been read to its end before that shows. */
const ONE_STRING_TYPE_BYTES: readonly number[] = [9, 10, 11, 12, 13, 16, 17, 20];
/** Empty keys that get a line in the log each. */
const EMPTY_KEYS_LOGGED_MAX = 10;

export interface RdbLoadOptions {
  readonly keyspace: Keyspace;
  readonly nowMs: number;
  /** Keep keys that have expired: the file is the base of an AOF. */
  readonly keepExpired: boolean;
  readonly verifyChecksum: boolean;
  /** Of a file whose CRC is computed meanwhile: `step` returns false until that is there. */
  readonly fileSum?: FileSum | null;
  readonly usesLfu: boolean;
  /** Check compact encodings deeply. */
  readonly deep: boolean;
  /** Where the file's function libraries go, once all of it has been read; without `merge` they take the place of those there. */
  readonly functions: FunctionLibraries;
  /** Keys are put over those that are there; otherwise a key that is there is an error. */
  readonly merge: boolean;
  /** Where entries go instead of the keyspace: for whoever wants to know what is in the file, and to keep none of it. */
  readonly sink?: EntrySink;
  readonly log: (text: string) => void;
  readonly warn: (text: string) => void;
  /** Called once everything has been loaded. */
  readonly onDone: (load: RdbLoad) => void;
  /** Called after each key. */
  readonly onKey: () => void;
  /** Called for each key that is not loaded as it has expired, with a key of its own. */
  readonly onExpired: (load: RdbLoad, database: number, key: Uint8Array) => void;
}

export class RdbLoad {
  readonly #reader: RdbReader;
  readonly #options: RdbLoadOptions;
  readonly #target: LoadTarget;
  readonly #sink: EntrySink;
  readonly path: string;
  keysLoaded = 0;
  keysExpired = 0;
  emptyKeysSkipped = 0;
  readonly #functions: Uint8Array[] = [];
  #wholeBytes = 0;
  #partStartBytes = 0;
  /** Type byte of the key that is being read; -1 while there is none. */
  #keyType = -1;
  #isValueRead = false;
  #started = false;
  #done = false;
  /** What the file says it is; 0 until that is read. */
  version = 0;
  /** What became of the checksum at the end: files before version 5 have none, and some say that theirs was not computed. */
  checksum: "not reached" | "matches" | "differs" | "absent" = "not reached";
  /** All is read, and only the CRC of the file is missing. */
  isWaiting = false;
  #idleSeconds = -1;
  #frequency = -1;
  /** Where the file was cut in a replication stream, as far as it says so: the database selected, the history and the offset. */
  streamDatabase = 0;
  streamId = "";
  streamOffset = -1;
  readonly #module = new I64();

  constructor(path: string, readAt: ReadAt, totalBytes: number, options: RdbLoadOptions) {
    this.path = path, this.#options = options;
    this.#reader = new RdbReader(readAt, totalBytes, options.fileSum);
    const keyspace = options.keyspace;
    this.#sink = options.sink ?? new BulkLoad(keyspace, options.merge);
    this.#target = {
      keyspace,
      db: keyspace.databases[0],
      key: new Uint8Array(1024),
      keyLength: 0,
      expiresAtMs: NO_EXPIRY,
      deep: options.deep,
      sanitizations: 0,
    };
  }

  get loadedBytes(): number {
    return this.#reader.offsetBytes;
  }

  /** End of the last part that is whole and asks for nothing after it: what precedes is a data set of its own once an end is put to it. */
  get wholeBytes(): number {
    return this.#wholeBytes;
  }

  /** Where the part that is being read starts: an opcode, or the type byte of a key. */
  get partStartBytes(): number {
    return this.#partStartBytes;
  }

  /** The database, the name and the type byte of the key that is being read; null between keys, and before its name is known. */
  get currentKey(): { database: number; name: Uint8Array; typeByte: number } | null {
    const { db, key, keyLength } = this.#target;
    return this.#keyType < 0 ? null : { database: db.index, name: key.slice(0, keyLength), typeByte: this.#keyType };
  }

  get totalBytes(): number {
    return this.#reader.totalBytes;
  }

  /** Compact encodings that were checked deeply. */
  get sanitizations(): number {
    return this.#target.sanitizations;
  }

  /** Loads about `budgetBytes` more. True when the file is done. @throws {RdbCorruptError} */
  step(budgetBytes: number): boolean {
    const reader = this.#reader, until = reader.offsetBytes + budgetBytes;
    if (!this.#started) this.#header();
    if (this.isWaiting) this.#end();
    try {
      while (!this.#done && !this.isWaiting && reader.offsetBytes < until) this.#next();
      // Between steps others look at the keys.
      this.#sink.flush();
    } catch (error) {
      this.#sink.discard();
      throw error instanceof DuplicateKeyError ? duplicatedKey(error) : error;
    }
    if (this.#done) {
      this.#keepFunctions();
      this.#options.onDone(this);
    }
    return this.#done;
  }

  /**
   * After an error: goes on behind the key that was refused, where its end is known; false where it is not. That end is where the file says
   * it is: whoever calls this knows from elsewhere that the bytes are those that were written.
   */
  skipKey(): boolean {
    if (this.#keyType < 0 || !(this.#isValueRead || ONE_STRING_TYPE_BYTES.includes(this.#keyType))) return false;
    this.#keyDone();
    this.#wholeBytes = this.#reader.offsetBytes;
    return true;
  }

  #header(): void {
    this.#started = true;
    const head = latin1Decode(this.#reader.bytes(Math.min(MAGIC_BYTES, this.#reader.totalBytes)));
    if (!head.startsWith("REDIS")) throw new RdbCorruptError("Wrong signature trying to load DB from file", 0);
    const digits = head.slice(5), version = /^[0-9]{4}$/.test(digits) ? Number(digits) : 0;
    if (!(version >= 1 && version <= RDB_VERSION_MAX)) {
      throw new RdbCorruptError(`Can't handle RDB format version ${version}`, 5);
    }
    this.version = version;
    this.#wholeBytes = MAGIC_BYTES;
  }

  /** One opcode or one key. */
  #next(): void {
    const reader = this.#reader, target = this.#target;
    this.#partStartBytes = reader.offsetBytes;
    const type = reader.byte();
    switch (type) {
      case OPCODE.expireTime:
        target.expiresAtMs = expiryOf((reader.u32() | 0) * 1000);
        return;
      case OPCODE.expireTimeMs:
        target.expiresAtMs = expiryOf(reader.i64());
        return;
      case OPCODE.frequency:
        this.#frequency = reader.byte();
        return;
      case OPCODE.idle:
        this.#idleSeconds = reader.length();
        return;
      case OPCODE.selectDb:
        this.#selectDb(reader.length());
        break;
      case OPCODE.resizeDb:
        this.#sink.expect(target.db, reader.length(), reader.length(), reader.totalBytes);
        break;
      case OPCODE.slotInfo:
        // Sizes of a cluster's slot, a hint like RESIZEDB.
        reader.length(), reader.length(), reader.length();
        break;
      case OPCODE.aux:
        this.#aux(reader.stringText(), reader.stringText());
        break;
      case OPCODE.moduleAux:
        this.#skipModuleAux();
        break;
      case OPCODE.function2:
      case OPCODE.functionPreGa:
        this.#function(type);
        break;
      case OPCODE.eof:
        this.#end();
        return;
      default:
        this.#key(type);
    }
    this.#wholeBytes = reader.offsetBytes;
  }

  #selectDb(index: number): void {
    const db = this.#options.keyspace.databases[index];
    if (db === undefined) {
      throw this.#reader.corrupt(
        `the file has database ${index}, and this server is configured for ${this.#options.keyspace.databases.length}`,
      );
    }
    this.#target.db = db;
  }

  #aux(name: string, value: string): void {
    if (name.startsWith("%")) this.#options.log(`RDB '${name}': ${value}`);
    else if (name === "redis-ver") this.#options.log(`Loading RDB produced by version ${value}`);
    else if (name === "ctime") {
      const age = Math.max(0, Math.floor(this.#options.nowMs / 1000) - Number(value));
      this.#options.log(`RDB age ${age} seconds`);
    } else if (name === "used-mem") {
      this.#options.log(`RDB memory usage when created ${(Number(value) / 1024 / 1024).toFixed(2)} Mb`);
    } else if (name === "repl-stream-db") this.streamDatabase = Math.max(0, Number(value));
    else if (name === "repl-id") this.streamId = value;
    else if (name === "repl-offset") this.streamOffset = Number(value);
    else if (name === "aof-preamble" && Number(value) !== 0) this.#options.log("RDB has an AOF tail");
    else if (name === "aof-base" && Number(value) !== 0) this.#options.log("RDB is base AOF");
  }

  /** A module's data that belongs to no key is of no use here, and the log says that it was left out. */
  #skipModuleAux(): void {
    const reader = this.#reader;
    reader.length64(this.#module);
    skipModuleValue(reader);
    this.#options.log(
      `The file holds data of module '${moduleName(this.#module)}' that belongs to no key; it was left out.`,
    );
  }

  #function(opcode: number): void {
    const reader = this.#reader;
    if (opcode === OPCODE.function2) return void this.#functions.push(reader.stringCopy());
    const name = reader.stringCopy(), engine = reader.stringCopy();
    if (reader.length() !== 0) reader.string();
    this.#functions.push(preReleaseCode(name, engine, reader.stringCopy()));
  }

  #keepFunctions(): void {
    const { functions, merge, log } = this.#options, count = this.#functions.length;
    if (!merge) functions.clear();
    for (const code of this.#functions) functions.add(code);
    if (count > 0) {
      log(
        `The file holds ${count} function libraries: this server does not run them, and keeps them for the files that it writes.`,
      );
    }
  }

  #key(typeByte: number): void {
    const reader = this.#reader, target = this.#target, { keyspace, nowMs, keepExpired } = this.#options;
    const offsetBytes = reader.offsetBytes - 1;
    reader.string();
    if (target.key.length < reader.stringLength) target.key = new Uint8Array(reader.stringLength * 2);
    copyBytes(reader.stringBytes, reader.stringAt, target.key, reader.stringLength);
    target.keyLength = reader.stringLength, this.#keyType = typeByte;
    const codec = codecOfTypeByte(typeByte);
    if (codec === undefined) throw this.#unknownType(typeByte, offsetBytes);
    let entry: Address;
    try {
      entry = codec.read(reader, typeByte, target);
    } catch (error) {
      if (error instanceof RdbCorruptError) {
        error.message += ` (${TYPE_BYTE_NAMES[typeByte]} at key '${this.#keyText()}')`;
      }
      throw error;
    }
    this.#isValueRead = true;
    if (entry === NONE) this.#skipEmpty();
    else if (target.expiresAtMs >= 0 && target.expiresAtMs < nowMs && !keepExpired) {
      keyspace.freeEntry(entry, false);
      this.keysExpired++;
      this.#options.onExpired(this, target.db.index, target.key.slice(0, target.keyLength));
    } else {
      if (this.#frequency >= 0 || this.#idleSeconds >= 0) this.#setAccess(entry);
      this.#sink.add(target.db, entry, offsetBytes);
      this.keysLoaded++;
    }
    this.#options.onKey();
    this.#keyDone();
  }

  /** What was said about one key does not hold for the next. */
  #keyDone(): void {
    this.#target.expiresAtMs = NO_EXPIRY;
    this.#idleSeconds = this.#frequency = this.#keyType = -1;
    this.#isValueRead = false;
  }

  #setAccess(entry: Address): void {
    const { keyspace, nowMs, usesLfu } = this.#options;
    if (this.#frequency >= 0 && usesLfu) keyspace.setAccess(entry, lfuStamp(this.#frequency, nowMs));
    if (this.#idleSeconds >= 0 && !usesLfu) {
      keyspace.setAccess(entry, lruStamp(Math.max(0, nowMs - this.#idleSeconds * 1000)));
    }
  }

  #keyText(): string {
    return latin1Decode(this.#target.key, 0, this.#target.keyLength);
  }

  #skipEmpty(): void {
    if (this.emptyKeysSkipped++ < EMPTY_KEYS_LOGGED_MAX) {
      this.#options.warn(`rdbLoadObject skipping empty key: ${this.#keyText()}`);
    }
  }

  #unknownType(typeByte: number, offsetBytes: number): RdbCorruptError {
    const where = `at key '${this.#keyText()}'`;
    if (MODULE_TYPE_BYTES.includes(typeByte)) {
      this.#reader.length64(this.#module);
      const name = moduleName(this.#module);
      return new RdbCorruptError(
        `The RDB file contains module data I can't load: no matching module type '${name}' (${where})`,
        offsetBytes,
      );
    }
    const name = TYPE_BYTE_NAMES[typeByte];
    return new RdbCorruptError(
      name === undefined
        ? `Unknown RDB encoding type ${typeByte} (${where})`
        : `this server, as Redis 7.0, has no ${name} (${where})`,
      offsetBytes,
    );
  }

  #end(): void {
    if (this.version >= CHECKSUM_VERSION) this.#checkSum();
    else this.checksum = "absent";
    this.#done = !this.isWaiting;
  }

  #checkSum(): void {
    const checksum = this.#reader.checksum();
    this.isWaiting = checksum === "pending";
    if (checksum === "pending") return;
    this.checksum = checksum;
    if (!this.#options.verifyChecksum) return;
    if (this.checksum === "absent") {
      this.#options.warn("RDB file was saved with checksum disabled: no check performed.");
    } else if (this.checksum === "differs") {
      throw this.#reader.corrupt("Wrong RDB checksum: RDB CRC error. Aborting now.");
    }
  }
}

/** A time to live as an entry keeps it: -1 is none in the file too; another negative time has passed long ago. */
function expiryOf(atMs: number): number {
  return atMs === -1 ? NO_EXPIRY : Math.min(Math.max(0, atMs), EXPIRES_AT_MS_MAX);
}

function copyBytes(source: Uint8Array, sourceAt: number, target: Uint8Array, length: number): void {
  for (let i = 0; i < length; i++) target[i] = source[sourceAt + i];
}

function duplicatedKey(error: DuplicateKeyError): RdbCorruptError {
  return new RdbCorruptError(
    `RDB has duplicated key '${latin1Decode(error.key, 0, error.key.length)}' in DB ${error.database}`,
    error.offsetBytes,
  );
}

export { RdbCorruptError, RdbTruncatedError };
