/**
 * The databases and the one write path to them. Nothing per key lives on the JavaScript heap.
 *
 * Keys and string values come as (bytes, offset, length), mostly slices of a query buffer; entries are addresses that stay valid
 * until the next write to the same key. Invariants:
 *  - every change of a key goes through a method here that ends in `#changed`, so WATCH, `dirty` and the COW figures see all of them;
 *  - memory is allocated before anything is linked or unlinked: when the arena is full, nothing is half done;
 *  - an expired key is removed by whoever finds it, through `onExpired` (which logs the DEL), except while loading.
 * It never replies, logs or reads a clock: the time of the executing command is `nowMs`.
 */
import { latin1Decode, latin1Encode } from "../base/bytes.ts";
import { formatI64, I64, INTEGER_TEXT_BYTES_MAX, parseI64 } from "../base/integer.ts";
import { assert } from "../base/assert.ts";
import type { KeyedHash } from "../base/siphash.ts";
import { type Address, type Allocator, type LiveMemory, NONE, OWNER } from "../memory/mod.ts";
import { Dict, KEY_LENGTH_MASK } from "../structures/dict.ts";
import { Database } from "./database.ts";
import { ExpiryIndex } from "./expiry_index.ts";
import {
  EMBSTR_BYTES_MAX,
  ENCODING,
  encodingOf,
  ENTRY,
  expiresAtMs,
  EXPIRY_BYTES,
  expiryOffset,
  HAS_EXPIRY,
  hasExpiry,
  INLINE,
  intOffset,
  keyLength,
  RAW_HEADER_BYTES,
  StringPlace,
  tailOffset,
  TYPE,
  typeOf,
  valueOf,
} from "./entry.ts";
import { EncodingLimits } from "./encoding_limits.ts";
import { EVENT, type KeyEvents } from "./key_events.ts";
import { KeyWarmer } from "./key_warmer.ts";
import { LazyFree } from "./lazy_free.ts";
import type { ValueType } from "./value_type.ts";

/** Strings up to this length live in the entry itself. */
const INLINE_BYTES_MAX = 1024;
/** Low byte of an entry's meta word for a string of encoding int. */
const INTEGER_STRING = TYPE.string | (ENCODING.int << 4);
/** Growing strings get as much again as they need, up to 1 MiB, as sds does. */
const GROWTH_BYTES_MAX = 1 << 20;

export interface KeyspaceOptions {
  memory: LiveMemory;
  allocator: Allocator;
  hash: KeyedHash;
  databases: number;
  /** Uniform below n. */
  random: (below: number) => number;
}

/** Who is told of keys that clients wait for. */
export interface KeyWaits {
  /** A key of a type that can be waited for came into being or grew, or a stream is about to go. */
  keyTouched(db: Database, key: Uint8Array, keyBytes: number, length: number): void;
  /** A database got other contents, or none. */
  databaseReplaced(db: Database): void;
}

/** Who is told of every key that changes, by whatever. */
export interface KeyTracker {
  keyChanged(key: Uint8Array, keyBytes: number, length: number): void;
  /** It is gone, and no client did it, though one's command may have found it. */
  keyVanished(key: Uint8Array, keyBytes: number, length: number): void;
}

/** UNLINK frees values of more blocks than this in slices, as Redis's threshold has it; DEL only those that would stall the loop. */
const LAZY_EFFORT = 64, EAGER_EFFORT_MAX = 16384;

/** For `expiresAtMs`: leave a time to live as it is, or have none. */
export const KEEP_EXPIRY = -2;
export const NO_EXPIRY = -1;

/** Tail of a string entry that is about to be written: one shared instance, no allocation per write. */
interface Tail {
  encoding: number;
  /** Value word, and whether the bytes go inline. */
  inline: boolean;
  valueWord: number;
  lengthBytes: number;
}

export class Keyspace {
  readonly memory: LiveMemory;
  readonly allocator: Allocator;
  readonly dict: Dict;
  readonly databases: Database[] = [];
  readonly types: (ValueType | undefined)[] = [];
  readonly lazyFree: LazyFree;
  readonly warmer: KeyWarmer;
  readonly place: StringPlace = new StringPlace();
  readonly hash: KeyedHash;
  readonly limits: EncodingLimits = new EncodingLimits();

  /** Time of the executing command, Unix ms; dispatch sets it. */
  nowMs = 0;
  /** 24-bit access stamp for entries read or written now (see `access_clock.ts`). */
  accessStamp = 0;
  /** With an LFU policy: gives the new stamp for an entry's old one. Null with LRU, where the stamp is the clock. */
  nextLfu: ((access: number) => number) | null = null;
  /** False while loading: then expired keys are the loader's business. */
  expiryEnabled = true;
  /** True while CLIENT PAUSE WRITE forbids changes: expired keys then read as missing but stay. */
  expiryPaused = false;
  /** With lazyfree-lazy-*: what implicit deletes do with large values. */
  lazyOverwrite = false;
  lazyExpire = false;
  /** Changes since the last save. */
  dirty = 0;
  watchedKeys = 0;
  tracker: KeyTracker | null = null;
  /** Keys that blocked clients wait for; `waits` is told of nothing while it is 0. */
  waitedKeys = 0;
  waits: KeyWaits | null = null;
  /** Classes of events that `events` wants to be told of; 0 for none. */
  eventClasses = 0;
  events: KeyEvents | null = null;
  hits = 0;
  misses = 0;
  expiredKeys = 0;
  /** Uniform below n. */
  readonly random: (below: number) => number;
  /** Called after an expired key was removed, with the key's bytes: logs the DEL. */
  onExpired: (database: Database, key: Uint8Array, keyBytes: number, length: number) => void = () => {};

  readonly #integer = new I64();
  readonly #digits = new Uint8Array(INTEGER_TEXT_BYTES_MAX);
  readonly #smallString = new Uint8Array(INLINE_BYTES_MAX);
  readonly #tail: Tail = { encoding: 0, inline: true, valueWord: 0, lengthBytes: 0 };
  #keyScratch = new Uint8Array(1024);

  constructor(options: KeyspaceOptions) {
    this.memory = options.memory, this.allocator = options.allocator, this.random = options.random;
    this.hash = options.hash;
    this.dict = new Dict(options.memory, options.allocator, options.hash, ENTRY.key);
    this.lazyFree = new LazyFree(this);
    this.warmer = new KeyWarmer(this.dict);
    for (let i = 0; i < options.databases; i++) this.databases.push(new Database(i, this.dict.create()));
  }

  // ---- lookup --------------------------------------------------------------------------------------------------

  /** The entry for a command that reads it: counts hit or miss, stamps the access. NONE when missing or expired. */
  lookupRead(db: Database, key: Uint8Array, keyBytes: number, length: number): Address {
    const entry = this.lookupQuiet(db, key, keyBytes, length);
    if (entry === NONE) {
      this.misses++;
      this.notify(EVENT.miss, "keymiss", db, key, keyBytes, length);
      return NONE;
    }
    this.hits++;
    this.touch(entry);
    return entry;
  }

  /** The entry for a command that will change it: stamps the access. */
  lookupWrite(db: Database, key: Uint8Array, keyBytes: number, length: number): Address {
    const entry = this.lookupQuiet(db, key, keyBytes, length);
    if (entry !== NONE) this.touch(entry);
    return entry;
  }

  /** The entry, without touching statistics or access stamps; an expired one is removed. */
  lookupQuiet(db: Database, key: Uint8Array, keyBytes: number, length: number): Address {
    const entry = this.dict.find(db.dict, key, keyBytes, length);
    if (entry === NONE || !hasExpiry(this.memory, entry)) return entry;
    if (!this.isExpired(entry)) return entry;
    if (!this.expiryPaused) this.#expire(db, entry, key, keyBytes, length);
    return NONE;
  }

  isExpired(entry: Address): boolean {
    if (!this.expiryEnabled) return false;
    const at = expiresAtMs(this.memory, entry);
    return at >= 0 && this.nowMs > at;
  }

  /** Stamps the access, except while a snapshot is live: a read must not copy pages. */
  touch(entry: Address): void {
    const memory = this.memory;
    if (memory.snapshotLive) return;
    const meta = memory.u32(entry, ENTRY.meta);
    const stamp = this.nextLfu === null ? this.accessStamp : this.nextLfu(meta >>> 8);
    if (meta >>> 8 !== stamp) memory.setU32(entry, ENTRY.meta, ((meta & 0xff) | (stamp << 8)) >>> 0);
  }

  setAccess(entry: Address, access: number): void {
    const meta = this.memory.u32(entry, ENTRY.meta);
    this.memory.setU32(entry, ENTRY.meta, ((meta & 0xff) | (access << 8)) >>> 0);
  }

  size(db: Database): number {
    return this.dict.size(db.dict);
  }

  /** A random key that has not expired, or NONE. */
  randomEntry(db: Database): Address {
    const allExpire = db.expiry.count === this.size(db);
    for (let tries = 0;; tries++) {
      const entry = this.dict.randomEntry(db.dict, this.random);
      if (entry === NONE || !this.isExpired(entry)) return entry;
      // A paused server can't remove what it finds; Redis gives up after 100 tries too.
      if (this.expiryPaused || (allExpire && tries >= 100)) return entry;
      this.expireEntry(db, entry);
    }
  }

  // ---- strings -------------------------------------------------------------------------------------------------

  /**
   * Sets a key to a string, whatever it held; integers become encoding int, as Redis encodes on SET.
   * `expiresAtMs` is a Unix time, KEEP_EXPIRY or NO_EXPIRY. Returns the entry.
   */
  setString(
    db: Database,
    key: Uint8Array,
    keyBytes: number,
    keyLengthBytes: number,
    value: Uint8Array,
    valueBytes: number,
    valueLength: number,
    expiresAtMs = NO_EXPIRY,
  ): Address {
    const found = this.lookupQuiet(db, key, keyBytes, keyLengthBytes);
    this.#describeString(value, valueBytes, valueLength);
    const entry = this.#storeTail(db, found, key, keyBytes, keyLengthBytes, expiresAtMs);
    this.#writeString(entry, value, valueBytes, valueLength);
    this.memory.cow.writtenBytes += valueLength;
    this.changed(db, key, keyBytes, keyLengthBytes);
    return entry;
  }

  /**
   * A string's entry that is linked nowhere yet, encoded as `setString` would: for loaders, which link many at a time (`BulkLoad`) or
   * free it again. `expiresAtMs` is a Unix time or NO_EXPIRY.
   */
  newString(
    key: Uint8Array,
    keyBytes: number,
    keyLengthBytes: number,
    value: Uint8Array,
    valueBytes: number,
    valueLength: number,
    expiresAtMs: number,
  ): Address {
    this.#describeString(value, valueBytes, valueLength);
    const entry = this.#newEntry(key, keyBytes, keyLengthBytes, TYPE.string, expiresAtMs);
    this.#writeString(entry, value, valueBytes, valueLength);
    this.memory.cow.writtenBytes += valueLength;
    return entry;
  }

  /**
   * Links an entry of the right key where the dict's last `find` found nothing, and indexes its expiry.
   * @throws {OutOfArenaError} and then the entry has been freed
   */
  linkNew(db: Database, entry: Address): void {
    try {
      this.dict.insertMissed(db.dict, entry);
    } catch (error) {
      this.freeEntry(entry, false);
      throw error;
    }
    if (hasExpiry(this.memory, entry)) this.#indexExpiry(db, entry);
    this.#appeared(db, entry);
  }

  /** Puts an entry that is linked nowhere in the place of `found`, which the last lookup of its key returned and which is freed. */
  replaceEntry(db: Database, found: Address, entry: Address): void {
    this.#dropExpiry(db, found);
    this.dict.replaceFound(db.dict, found, entry);
    this.#goes(db, found);
    this.freeEntry(found, this.lazyOverwrite);
    if (hasExpiry(this.memory, entry)) this.#indexExpiry(db, entry);
    this.#appeared(db, entry);
  }

  /** Sets a key to a string of this very encoding (raw keeps digits a string): for results of APPEND, BITOP and for loaders. */
  setRaw(
    db: Database,
    key: Uint8Array,
    keyBytes: number,
    keyLengthBytes: number,
    value: Uint8Array,
    valueLength: number,
    expiresAtMs = KEEP_EXPIRY,
  ): void {
    const found = this.lookupQuiet(db, key, keyBytes, keyLengthBytes);
    this.#storeRaw(db, found, key, keyBytes, keyLengthBytes, value, valueLength, expiresAtMs);
    this.memory.cow.writtenBytes += valueLength;
    this.changed(db, key, keyBytes, keyLengthBytes);
  }

  /** Sets a key to a string that is not stored as an integer even if it is one, keeping a time to live: what INCRBYFLOAT makes. */
  setText(
    db: Database,
    key: Uint8Array,
    keyBytes: number,
    keyLengthBytes: number,
    value: Uint8Array,
    valueLength: number,
  ): void {
    const found = this.lookupQuiet(db, key, keyBytes, keyLengthBytes);
    const encoding = valueLength <= EMBSTR_BYTES_MAX ? ENCODING.embstr : ENCODING.raw;
    this.#storeRaw(db, found, key, keyBytes, keyLengthBytes, value, valueLength, KEEP_EXPIRY, encoding);
    this.memory.cow.writtenBytes += valueLength;
    this.changed(db, key, keyBytes, keyLengthBytes);
  }

  /** `setRaw` for a string that is changed again and again: the new bytes go where the old ones are when they fit there. */
  rewriteRaw(
    db: Database,
    key: Uint8Array,
    keyBytes: number,
    keyLengthBytes: number,
    value: Uint8Array,
    valueLength: number,
  ): void {
    const memory = this.memory, place = this.place, found = this.dict.find(db.dict, key, keyBytes, keyLengthBytes);
    if (found === NONE || encodingOf(memory, found) === ENCODING.int || valueLength > this.#capacity(found)) {
      return this.setRaw(db, key, keyBytes, keyLengthBytes, value, valueLength);
    }
    place.locate(memory, found);
    memory.copyIn(place.block, place.offsetBytes, value, 0, valueLength);
    this.#setLength(found, valueLength);
    memory.cow.writtenBytes += valueLength;
    this.changed(db, key, keyBytes, keyLengthBytes);
  }

  /** A block for a raw string of this length, linked nowhere, for the caller to fill and to give to `setRawBlock`. */
  newRawBlock(lengthBytes: number, slackBytes = 0): Address {
    const block = this.allocator.allocate(RAW_HEADER_BYTES + lengthBytes + slackBytes, OWNER.value);
    this.memory.setU32(block, 0, lengthBytes);
    return block;
  }

  /**
   * Sets a key to the raw string that `block` holds.
   * @throws {OutOfArenaError} and then the block has been freed
   */
  setRawBlock(
    db: Database,
    key: Uint8Array,
    keyBytes: number,
    keyLengthBytes: number,
    block: Address,
    expiresAtMs: number,
  ): void {
    const found = this.lookupQuiet(db, key, keyBytes, keyLengthBytes), tail = this.#tail;
    tail.encoding = ENCODING.raw, tail.inline = false, tail.valueWord = block, tail.lengthBytes = 0;
    this.#storeTail(db, found, key, keyBytes, keyLengthBytes, expiresAtMs);
    this.memory.cow.writtenBytes += this.memory.u32(block, 0);
    this.changed(db, key, keyBytes, keyLengthBytes);
  }

  /**
   * Makes a string's encoding raw, as Redis does before it writes into one; the value stays, so no watcher is told. `found` is the
   * entry that the last lookup of this key returned. Returns the entry, which may have moved.
   */
  toRaw(db: Database, found: Address, key: Uint8Array, keyBytes: number, keyLengthBytes: number): Address {
    if (encodingOf(this.memory, found) !== ENCODING.int) {
      this.#setEncoding(found, ENCODING.raw);
      return found;
    }
    this.readInteger(found, this.#integer);
    const length = formatI64(this.#integer, this.#digits, 0);
    return this.#storeRaw(db, found, key, keyBytes, keyLengthBytes, this.#digits, length, KEEP_EXPIRY);
  }

  /** Sets a key to an integer, keeping a time to live; `found` is the entry the last lookup of this key returned. */
  setInteger(
    db: Database,
    found: Address,
    key: Uint8Array,
    keyBytes: number,
    keyLengthBytes: number,
    hi: number,
    lo: number,
  ): void {
    if (found !== NONE && (this.memory.u32(found, ENTRY.meta) & 0xff) === INTEGER_STRING) {
      this.#writeInteger(found, hi, lo);
    } else {
      const tail = this.#tail;
      tail.encoding = ENCODING.int, tail.inline = false, tail.valueWord = 0, tail.lengthBytes = 8;
      const again = this.dict.find(db.dict, key, keyBytes, keyLengthBytes);
      this.#writeInteger(this.#storeTail(db, again, key, keyBytes, keyLengthBytes, KEEP_EXPIRY), hi, lo);
    }
    this.memory.cow.writtenBytes += 8;
    this.changed(db, key, keyBytes, keyLengthBytes);
  }

  /** Reads an int-encoded value. */
  readInteger(entry: Address, into: I64): void {
    const words = this.memory.wordsOf(entry), first = this.memory.wordOf(entry);
    const at = first + (intOffset(words[first + (ENTRY.keyInfo >> 2)]) >> 2);
    into.set(words[at + 1] | 0, words[at]);
  }

  /**
   * Writes into a string value at an offset, growing it (zero filled) and making it raw: APPEND and SETRANGE. The key must be free or
   * hold a string that is not int-encoded (`setRaw` converts). Cost is the written bytes, plus a copy when the block has to grow.
   */
  writeRange(
    db: Database,
    key: Uint8Array,
    keyBytes: number,
    keyLengthBytes: number,
    offsetBytes: number,
    value: Uint8Array,
    valueBytes: number,
    valueLength: number,
  ): number {
    const memory = this.memory, place = this.place;
    const found = this.dict.find(db.dict, key, keyBytes, keyLengthBytes);
    if (found === NONE) {
      return this.#createRange(db, key, keyBytes, keyLengthBytes, offsetBytes, value, valueBytes, valueLength);
    }
    place.locate(memory, found);
    const oldLength = place.lengthBytes, newLength = Math.max(oldLength, offsetBytes + valueLength);
    const capacity = this.#capacity(found);
    const entry = newLength <= capacity ? found : this.#growString(db, found, newLength);
    place.locate(memory, entry);
    if (offsetBytes > oldLength) memory.fill(place.block, place.offsetBytes + oldLength, 0, offsetBytes - oldLength);
    memory.copyIn(place.block, place.offsetBytes + offsetBytes, value, valueBytes, valueLength);
    // An unchanged length is not stored: it may be in another page than the range, which would be copied for nothing.
    if (newLength === oldLength) this.#setEncoding(entry, ENCODING.raw);
    else this.#setLength(entry, newLength);
    memory.cow.writtenBytes += valueLength;
    this.changed(db, key, keyBytes, keyLengthBytes);
    return newLength;
  }

  // ---- other types ---------------------------------------------------------------------------------------------

  /**
   * Sets a key to a value that lives in blocks of its own; what the key held is freed.
   * @throws {OutOfArenaError} and then the value has been freed
   */
  setValue(
    db: Database,
    key: Uint8Array,
    keyBytes: number,
    keyLengthBytes: number,
    type: number,
    encoding: number,
    value: Address,
    expiresAtMs = NO_EXPIRY,
  ): Address {
    const found = this.dict.find(db.dict, key, keyBytes, keyLengthBytes);
    const tail = this.#tail;
    tail.encoding = encoding, tail.inline = false, tail.valueWord = value, tail.lengthBytes = 0;
    const entry = this.#storeTail(db, found, key, keyBytes, keyLengthBytes, expiresAtMs, type);
    this.changed(db, key, keyBytes, keyLengthBytes);
    return entry;
  }

  /**
   * An entry with a value in blocks of its own that is linked nowhere yet: for loaders. `expiresAtMs` is a Unix time or NO_EXPIRY.
   * @throws {OutOfArenaError} and then the value has been freed
   */
  newValue(
    key: Uint8Array,
    keyBytes: number,
    keyLengthBytes: number,
    type: number,
    encoding: number,
    value: Address,
    expiresAtMs: number,
  ): Address {
    const tail = this.#tail;
    tail.encoding = encoding, tail.inline = false, tail.valueWord = value, tail.lengthBytes = 0;
    return this.#newEntry(key, keyBytes, keyLengthBytes, type, expiresAtMs);
  }

  /**
   * The value of an entry that is no string moved or changed its encoding. The caller freed what the old one does not share with it, and
   * tells that the key changed.
   */
  updateValue(entry: Address, encoding: number, value: Address): void {
    const memory = this.memory;
    if (memory.u32(entry, ENTRY.valueWord) !== value) memory.setU32(entry, ENTRY.valueWord, value);
    this.#setEncoding(entry, encoding);
  }

  // ---- deletion ------------------------------------------------------------------------------------------------

  /** Removes a key that has not expired; `lazy` frees large values in slices. True when it was there. */
  remove(db: Database, key: Uint8Array, keyBytes: number, length: number, lazy: boolean): boolean {
    const entry = this.lookupQuiet(db, key, keyBytes, length);
    if (entry === NONE) return false;
    this.#unlink(db, entry, lazy);
    this.changed(db, key, keyBytes, length);
    return true;
  }

  /** Removes all keys of a database. `async` frees them in slices later, and costs the same whatever it holds. */
  empty(db: Database, async: boolean): number {
    const removed = this.size(db);
    this.#allChanged(db);
    if (removed === 0) return 0;
    const old = db.dict;
    db.dict = this.dict.create();
    db.expiry = new ExpiryIndex();
    this.lazyFree.addDict(old, removed);
    if (!async) this.lazyFree.finish();
    if (this.waitedKeys > 0) this.waits!.databaseReplaced(db);
    return removed;
  }

  /** Frees an entry that is linked nowhere, with its value. */
  freeEntry(entry: Address, lazy: boolean): void {
    this.#freeValue(entry, lazy);
    this.allocator.free(entry);
  }

  // ---- expiry --------------------------------------------------------------------------------------------------

  /** Sets when a key expires; `found` is the entry the last lookup of this key returned. Returns the entry, which may have moved. */
  setExpiry(db: Database, found: Address, atMs: number): Address {
    const memory = this.memory, info = memory.u32(found, ENTRY.keyInfo);
    if ((info & HAS_EXPIRY) !== 0) {
      memory.setU64(found, expiryOffset(info & KEY_LENGTH_MASK), atMs);
      return found;
    }
    const entry = this.#rebuild(db, found, info | HAS_EXPIRY);
    const at = expiryOffset(info & KEY_LENGTH_MASK);
    memory.setU64(entry, at, atMs);
    memory.setU32(entry, at + 8, db.expiry.add(entry));
    return entry;
  }

  /** Takes the time to live away; returns the entry, which may have moved. */
  removeExpiry(db: Database, found: Address): Address {
    const info = this.memory.u32(found, ENTRY.keyInfo);
    if ((info & HAS_EXPIRY) === 0) return found;
    const place = this.#expiryPlace(found);
    const entry = this.#rebuild(db, found, info & ~HAS_EXPIRY);
    this.#dropExpiryPlace(db, place);
    return entry;
  }

  /** Removes an entry that was found to have expired, by its own key. */
  expireEntry(db: Database, entry: Address): void {
    const length = this.copyKey(entry);
    const again = this.dict.find(db.dict, this.#keyScratch, 0, length);
    assert(again === entry, "an indexed entry is in its dict");
    this.#expire(db, entry, this.#keyScratch, 0, length);
  }

  /** Copies an entry's key to `keyScratch` and returns its length. */
  copyKey(entry: Address): number {
    const length = keyLength(this.memory, entry);
    if (length > this.#keyScratch.length) this.#keyScratch = new Uint8Array(length * 2);
    this.memory.copyOut(entry, ENTRY.key, this.#keyScratch, 0, length);
    return length;
  }

  get keyScratch(): Uint8Array {
    return this.#keyScratch;
  }

  // ---- moving and copying --------------------------------------------------------------------------------------

  /**
   * Gives the value of `found` (in `from`) to another key, replacing what that held: RENAME, MOVE. The time to live goes along.
   * The source key is gone afterwards. Both keys' watchers are told.
   */
  moveValue(
    from: Database,
    source: { bytes: Uint8Array; offset: number; length: number },
    to: Database,
    target: { bytes: Uint8Array; offset: number; length: number },
  ): void {
    let found = this.dict.find(from.dict, source.bytes, source.offset, source.length);
    const copy = this.#withKey(found, target.bytes, target.offset, target.length);
    const old = this.lookupQuiet(to, target.bytes, target.offset, target.length);
    if (old === NONE) this.#linkShared(to, copy);
    else this.replaceEntry(to, old, copy);
    this.notify(EVENT.new, "new", to, target.bytes, target.offset, target.length);
    found = this.dict.find(from.dict, source.bytes, source.offset, source.length);
    this.#dropExpiry(from, found);
    this.dict.unlinkFound(from.dict, found);
    this.#goes(from, found);
    this.allocator.free(found);
    this.changed(from, source.bytes, source.offset, source.length);
    this.changed(to, target.bytes, target.offset, target.length);
  }

  /** A deep copy of `found`'s value under another key, replacing what that held: COPY. */
  copyValue(found: Address, to: Database, key: Uint8Array, keyBytes: number, length: number): void {
    const memory = this.memory;
    const copy = this.#withKey(found, key, keyBytes, length);
    const info = memory.u32(copy, ENTRY.keyInfo), type = typeOf(memory, copy), encoding = encodingOf(memory, copy);
    const hasBlock = type !== TYPE.string || ((info & INLINE) === 0 && encoding !== ENCODING.int);
    if (hasBlock) memory.setU32(copy, ENTRY.valueWord, this.#copyBlock(copy, type, valueOf(memory, found), encoding));
    const access = this.nextLfu === null ? this.accessStamp : memory.u32(found, ENTRY.meta) >>> 8;
    const old = this.lookupQuiet(to, key, keyBytes, length);
    if (old === NONE) this.linkNew(to, copy);
    else this.replaceEntry(to, old, copy);
    this.setAccess(copy, access);
    this.notify(EVENT.new, "new", to, key, keyBytes, length);
    this.changed(to, key, keyBytes, length);
  }

  /** Exchanges the contents of two databases: SWAPDB. */
  swap(a: Database, b: Database): void {
    const dict = a.dict, expiry = a.expiry;
    this.#allChanged(a, b), this.#allChanged(b, a);
    a.dict = b.dict, a.expiry = b.expiry;
    b.dict = dict, b.expiry = expiry;
    if (this.waitedKeys > 0) this.waits!.databaseReplaced(a), this.waits!.databaseReplaced(b);
  }

  /** Bytes that the entry and its value take. */
  memoryUsage(entry: Address, samples: number): number {
    const memory = this.memory, type = typeOf(memory, entry), encoding = encodingOf(memory, entry);
    let bytes = this.allocator.allocatedBytes(entry);
    if (type !== TYPE.string) bytes += this.types[type]!.memoryUsage(valueOf(memory, entry), encoding, samples);
    else if (this.#hasRawBlock(entry)) bytes += this.allocator.allocatedBytes(valueOf(memory, entry));
    return bytes;
  }

  /** Tells that a key changed: WATCH and CLIENT TRACKING see it. Every write ends here. */
  changed(db: Database, key: Uint8Array, keyBytes: number, length: number): void {
    if (this.tracker !== null) this.tracker.keyChanged(key, keyBytes, length);
    this.#changedForWatch(db, key, keyBytes, length);
  }

  #changedForWatch(db: Database, key: Uint8Array, keyBytes: number, length: number): void {
    if (this.watchedKeys > 0 && db.watched.size > 0) {
      this.#tellWatchers(db, latin1Decode(key, keyBytes, keyBytes + length));
    }
  }

  /** Tells of an event, if its class is wanted. */
  notify(eventClass: number, event: string, db: Database, key: Uint8Array, keyBytes: number, length: number): void {
    if ((this.eventClasses & eventClass) !== 0) this.events!.keyEvent(event, db, key, keyBytes, length);
  }

  /** Tells that a key has more than before of what clients wait for; a new key is told by itself. */
  signalReady(db: Database, key: Uint8Array, keyBytes: number, length: number): void {
    if (this.waitedKeys > 0) this.waits!.keyTouched(db, key, keyBytes, length);
  }

  // ---- inside --------------------------------------------------------------------------------------------------

  #appeared(db: Database, entry: Address): void {
    if (this.waitedKeys > 0 && canBeWaitedFor(typeOf(this.memory, entry))) this.#tellWaits(db, entry);
  }

  /** XREADGROUP's waits end with their stream; other waits are for keys that are not there. */
  #goes(db: Database, entry: Address): void {
    if (this.waitedKeys > 0 && typeOf(this.memory, entry) === TYPE.stream) this.#tellWaits(db, entry);
  }

  #tellWaits(db: Database, entry: Address): void {
    const length = this.copyKey(entry);
    this.waits!.keyTouched(db, this.#keyScratch, 0, length);
  }

  #tellWatchers(db: Database, key: string): void {
    const listeners = db.watched.get(key);
    if (listeners === undefined) return;
    const exists = this.#find(db, key) !== NONE;
    for (const one of listeners) one.watchedKeyChanged(db, key, exists);
  }

  /** All keys of `db` go away, or those of `other` come in their place. */
  #allChanged(db: Database, other: Database | null = null): void {
    for (const [key, listeners] of db.watched) {
      const existed = this.#find(db, key) !== NONE, successor = other === null ? NONE : this.#find(other, key);
      const replacement = successor === NONE ? "none" : this.isExpired(successor) ? "expired" : "live";
      for (const one of listeners) one.watchedKeyReplaced(db, key, existed, replacement);
    }
  }

  #find(db: Database, key: string): Address {
    const bytes = latin1Encode(key);
    return this.dict.find(db.dict, bytes, 0, bytes.length);
  }

  #expire(db: Database, entry: Address, key: Uint8Array, keyBytes: number, length: number): void {
    this.expiredKeys++;
    this.#unlink(db, entry, this.lazyExpire);
    this.onExpired(db, key, keyBytes, length);
    this.notify(EVENT.expired, "expired", db, key, keyBytes, length);
    if (this.tracker !== null) this.tracker.keyVanished(key, keyBytes, length);
    this.#changedForWatch(db, key, keyBytes, length);
  }

  #unlink(db: Database, entry: Address, lazy: boolean): void {
    this.#dropExpiry(db, entry);
    this.dict.unlinkFound(db.dict, entry);
    this.#goes(db, entry);
    this.freeEntry(entry, lazy);
  }

  #freeValue(entry: Address, lazy: boolean): void {
    const memory = this.memory, type = typeOf(memory, entry);
    if (type === TYPE.string) {
      if (this.#hasRawBlock(entry)) this.allocator.free(valueOf(memory, entry));
      return;
    }
    const kind = this.types[type]!, value = valueOf(memory, entry), encoding = encodingOf(memory, entry);
    const effort = kind.freeEffort(value, encoding);
    if (effort > (lazy ? LAZY_EFFORT : EAGER_EFFORT_MAX)) this.lazyFree.addValue(kind, value, encoding);
    else kind.free(value, encoding);
  }

  #hasRawBlock(entry: Address): boolean {
    const memory = this.memory;
    return (memory.u32(entry, ENTRY.keyInfo) & INLINE) === 0 && encodingOf(memory, entry) !== ENCODING.int;
  }

  #setEncoding(entry: Address, encoding: number): void {
    const meta = this.memory.u32(entry, ENTRY.meta);
    if (((meta >>> 4) & 15) !== encoding) {
      this.memory.setU32(entry, ENTRY.meta, ((meta & ~0xf0) | (encoding << 4)) >>> 0);
    }
  }

  #writeInteger(entry: Address, hi: number, lo: number): void {
    const at = intOffset(this.memory.u32(entry, ENTRY.keyInfo));
    this.memory.setU32(entry, at, lo >>> 0);
    this.memory.setU32(entry, at + 4, hi >>> 0);
  }

  /** Describes a string in `#tail`; one that spells an integer is in `#integer` then. */
  #describeString(value: Uint8Array, valueBytes: number, valueLength: number): void {
    const tail = this.#tail;
    if (
      valueLength <= INTEGER_TEXT_BYTES_MAX && looksNumeric(value, valueBytes, valueLength) &&
      parseI64(value, valueBytes, valueLength, this.#integer)
    ) {
      tail.encoding = ENCODING.int, tail.inline = false, tail.valueWord = 0, tail.lengthBytes = 8;
      return;
    }
    tail.encoding = valueLength <= EMBSTR_BYTES_MAX ? ENCODING.embstr : ENCODING.raw;
    this.#placeString(tail, value, valueBytes, valueLength, 0);
  }

  /** Writes what of the string that `#tail` describes lives in the entry. */
  #writeString(entry: Address, value: Uint8Array, valueBytes: number, valueLength: number): void {
    const tail = this.#tail;
    if (tail.inline) {
      this.memory.copyIn(entry, tailOffset(this.memory.u32(entry, ENTRY.keyInfo)), value, valueBytes, valueLength);
    } else if (tail.encoding === ENCODING.int) this.#writeInteger(entry, this.#integer.hi, this.#integer.lo);
  }

  /** Stores a string of encoding raw; `found` is what the last lookup of the key returned. Returns the entry. */
  #storeRaw(
    db: Database,
    found: Address,
    key: Uint8Array,
    keyBytes: number,
    keyLengthBytes: number,
    value: Uint8Array,
    valueLength: number,
    expiresAtMs: number,
    encoding: number = ENCODING.raw,
  ): Address {
    const memory = this.memory, tail = this.#tail;
    tail.encoding = encoding;
    this.#placeString(tail, value, 0, valueLength, 0);
    const entry = this.#storeTail(db, found, key, keyBytes, keyLengthBytes, expiresAtMs);
    if (tail.inline) memory.copyIn(entry, tailOffset(memory.u32(entry, ENTRY.keyInfo)), value, 0, valueLength);
    return entry;
  }

  /** Decides where a string's bytes go; a block of their own is allocated and filled here. */
  #placeString(tail: Tail, value: Uint8Array, valueBytes: number, length: number, slackBytes: number): void {
    tail.inline = length + slackBytes <= INLINE_BYTES_MAX;
    tail.lengthBytes = length;
    tail.valueWord = length;
    if (tail.inline) return;
    const block = this.newRawBlock(length, slackBytes);
    this.memory.copyIn(block, RAW_HEADER_BYTES, value, valueBytes, length);
    tail.valueWord = block, tail.lengthBytes = 0;
  }

  /**
   * Gives a key the value that `#tail` describes, in the entry that is there when the block fits, else in a new one; frees what the
   * key held. The caller writes inline bytes or the integer. `found` is what the last lookup of this key returned.
   */
  #storeTail(
    db: Database,
    found: Address,
    key: Uint8Array,
    keyBytes: number,
    keyLengthBytes: number,
    expiresAtMs: number,
    type: number = TYPE.string,
  ): Address {
    const memory = this.memory, tail = this.#tail;
    if (found === NONE) return this.#createEntry(db, key, keyBytes, keyLengthBytes, type, expiresAtMs);
    const oldInfo = memory.u32(found, ENTRY.keyInfo);
    const expiry = expiresAtMs === KEEP_EXPIRY ? oldInfo & HAS_EXPIRY : expiresAtMs >= 0 ? HAS_EXPIRY : 0;
    const info = keyLengthBytes | expiry | (tail.inline ? INLINE : 0);
    const sizeBytes = this.#entryBytes(info, type);
    const sameBlock = (oldInfo & HAS_EXPIRY) === expiry &&
      this.allocator.sizeFor(sizeBytes) === this.allocator.allocatedBytes(found);
    const entry = sameBlock ? found : this.#allocateFor(type, sizeBytes);
    if (!sameBlock) {
      memory.copyIn(entry, ENTRY.key, key, keyBytes, keyLengthBytes);
      if ((expiry & oldInfo) !== 0) this.#carryExpiry(db, found, entry, info);
      else if (expiry !== 0) memory.setU32(entry, expiryOffset(keyLengthBytes) + 8, db.expiry.add(entry));
      else this.#dropExpiry(db, found);
    }
    if (expiresAtMs >= 0) memory.setU64(entry, expiryOffset(keyLengthBytes), expiresAtMs);
    this.#goes(db, found);
    this.#freeValue(found, this.lazyOverwrite);
    memory.setU32(entry, ENTRY.meta, (type | (tail.encoding << 4) | (this.#freshAccess(found) << 8)) >>> 0);
    memory.setU32(entry, ENTRY.valueWord, tail.valueWord);
    if (sameBlock && oldInfo === info) return entry;
    memory.setU32(entry, ENTRY.keyInfo, info);
    if (sameBlock) return entry;
    this.dict.replaceFound(db.dict, found, entry);
    this.allocator.free(found);
    return entry;
  }

  #createEntry(
    db: Database,
    key: Uint8Array,
    keyBytes: number,
    keyLengthBytes: number,
    type: number,
    expiresAtMs: number,
  ): Address {
    const entry = this.#newEntry(key, keyBytes, keyLengthBytes, type, expiresAtMs);
    this.linkNew(db, entry);
    this.notify(EVENT.new, "new", db, key, keyBytes, keyLengthBytes);
    return entry;
  }

  /** An entry for the value that `#tail` describes, linked nowhere. */
  #newEntry(
    key: Uint8Array,
    keyBytes: number,
    keyLengthBytes: number,
    type: number,
    expiresAtMs: number,
  ): Address {
    const memory = this.memory, tail = this.#tail;
    const info = keyLengthBytes | (expiresAtMs >= 0 ? HAS_EXPIRY : 0) | (tail.inline ? INLINE : 0);
    const entry = this.#allocateFor(type, this.#entryBytes(info, type));
    memory.setU32(entry, ENTRY.keyInfo, info);
    memory.setU32(entry, ENTRY.meta, (type | (tail.encoding << 4) | (this.#freshAccess(NONE) << 8)) >>> 0);
    memory.setU32(entry, ENTRY.valueWord, tail.valueWord);
    memory.copyIn(entry, ENTRY.key, key, keyBytes, keyLengthBytes);
    if (expiresAtMs >= 0) memory.setU64(entry, expiryOffset(keyLengthBytes), expiresAtMs);
    memory.cow.writtenBytes += keyLengthBytes;
    return entry;
  }

  /** Bytes of an entry with the value that `#tail` describes. */
  #entryBytes(info: number, type: number): number {
    const tail = this.#tail;
    return tail.encoding === ENCODING.int && type === TYPE.string
      ? intOffset(info) + 8
      : tailOffset(info) + tail.lengthBytes;
  }

  /** A block for an entry; when there is none, the value's own block must not leak. */
  #allocateFor(type: number, sizeBytes: number): Address {
    try {
      return this.allocator.allocate(sizeBytes, OWNER.entry);
    } catch (error) {
      const { inline, encoding, valueWord } = this.#tail, value = valueWord as Address;
      if (type !== TYPE.string) this.types[type]!.free(value, encoding);
      else if (!inline && encoding !== ENCODING.int) this.allocator.free(value);
      throw error;
    }
  }

  #freshAccess(found: Address): number {
    if (this.nextLfu === null) return this.accessStamp;
    return found === NONE ? this.accessStamp : this.memory.u32(found, ENTRY.meta) >>> 8;
  }

  /** `writeRange` for a key that is free: of the very size that is needed, as more often than not it will not grow. */
  #createRange(
    db: Database,
    key: Uint8Array,
    keyBytes: number,
    keyLengthBytes: number,
    offsetBytes: number,
    value: Uint8Array,
    valueBytes: number,
    valueLength: number,
  ): number {
    const memory = this.memory, length = offsetBytes + valueLength, small = this.#smallString;
    if (length <= INLINE_BYTES_MAX) {
      small.fill(0, 0, offsetBytes);
      small.set(value.subarray(valueBytes, valueBytes + valueLength), offsetBytes);
      this.setRaw(db, key, keyBytes, keyLengthBytes, small, length);
      return length;
    }
    const block = this.newRawBlock(length);
    memory.fill(block, RAW_HEADER_BYTES, 0, offsetBytes);
    memory.copyIn(block, RAW_HEADER_BYTES + offsetBytes, value, valueBytes, valueLength);
    this.setRawBlock(db, key, keyBytes, keyLengthBytes, block, NO_EXPIRY);
    return length;
  }

  /** Sets the length of a string that `place` has located, which makes it raw. */
  #setLength(entry: Address, lengthBytes: number): void {
    const block = this.place.block;
    if (block === entry) this.memory.setU32(entry, ENTRY.valueWord, lengthBytes);
    else this.memory.setU32(block, 0, lengthBytes);
    this.#setEncoding(entry, ENCODING.raw);
  }

  /** Bytes a string value could hold where it is. */
  #capacity(entry: Address): number {
    const memory = this.memory, info = memory.u32(entry, ENTRY.keyInfo);
    if ((info & INLINE) !== 0) {
      return Math.min(INLINE_BYTES_MAX, this.allocator.allocatedBytes(entry) - tailOffset(info));
    }
    return this.allocator.allocatedBytes(valueOf(memory, entry)) - RAW_HEADER_BYTES;
  }

  /** Moves a string to a block with room to grow; returns the entry, which may have moved. */
  #growString(db: Database, found: Address, newLength: number): Address {
    const memory = this.memory, place = this.place, info = memory.u32(found, ENTRY.keyInfo);
    const oldLength = place.lengthBytes;
    const block = this.allocator.allocate(
      RAW_HEADER_BYTES + newLength + Math.min(newLength, GROWTH_BYTES_MAX),
      OWNER.value,
    );
    memory.setU32(block, 0, oldLength);
    memory.copy(place.block, place.offsetBytes, block, RAW_HEADER_BYTES, oldLength);
    if ((info & INLINE) === 0) {
      this.allocator.free(valueOf(memory, found));
      memory.setU32(found, ENTRY.valueWord, block);
      return found;
    }
    memory.setU32(found, ENTRY.keyInfo, info & ~INLINE);
    memory.setU32(found, ENTRY.valueWord, block);
    return this.#rebuild(db, found, info & ~INLINE);
  }

  /** `linkNew` for an entry whose value block another one has too. */
  #linkShared(db: Database, entry: Address): void {
    try {
      this.dict.insertMissed(db.dict, entry);
    } catch (error) {
      this.allocator.free(entry);
      throw error;
    }
    if (hasExpiry(this.memory, entry)) this.#indexExpiry(db, entry);
    this.#appeared(db, entry);
  }

  /** A copy of a value in blocks of its own, for the new entry `copy`, which is freed when there is no room. */
  #copyBlock(copy: Address, type: number, value: Address, encoding: number): Address {
    try {
      return type === TYPE.string ? this.#copyRaw(value) : this.types[type]!.copy(value, encoding);
    } catch (error) {
      this.allocator.free(copy);
      throw error;
    }
  }

  #copyRaw(value: Address): Address {
    const length = this.memory.u32(value, 0);
    const copy = this.allocator.allocate(RAW_HEADER_BYTES + length, OWNER.value);
    this.memory.copy(value, 0, copy, 0, RAW_HEADER_BYTES + length);
    return copy;
  }

  /** Bytes of what follows the key and the expiry in an entry. */
  #tailBytes(entry: Address, info: number): number {
    if ((info & INLINE) !== 0) return this.memory.u32(entry, ENTRY.valueWord);
    return encodingOf(this.memory, entry) === ENCODING.int ? 8 : 0;
  }

  #tailStart(entry: Address, info: number): number {
    return encodingOf(this.memory, entry) === ENCODING.int ? intOffset(info) : tailOffset(info);
  }

  /** The same entry with other flags, in a block of the right size, put in the old one's place. Expiry fields are carried. */
  #rebuild(db: Database, found: Address, info: number): Address {
    const memory = this.memory, oldInfo = memory.u32(found, ENTRY.keyInfo);
    const tailBytes = this.#tailBytes(found, oldInfo), start = this.#tailStart(found, info);
    const entry = this.allocator.allocate(start + tailBytes, OWNER.entry);
    memory.copy(found, 0, entry, 0, ENTRY.key + (info & KEY_LENGTH_MASK));
    memory.setU32(entry, ENTRY.keyInfo, info);
    memory.copy(found, this.#tailStart(found, oldInfo), entry, start, tailBytes);
    if ((info & oldInfo & HAS_EXPIRY) !== 0) this.#carryExpiry(db, found, entry, info);
    this.dict.replaceFound(db.dict, found, entry);
    this.allocator.free(found);
    return entry;
  }

  /** A copy of an entry under another key, linked and indexed nowhere; shares the value block. */
  #withKey(found: Address, key: Uint8Array, keyBytes: number, length: number): Address {
    const memory = this.memory, oldInfo = memory.u32(found, ENTRY.keyInfo);
    const info = (oldInfo & ~KEY_LENGTH_MASK) | length;
    const tailBytes = this.#tailBytes(found, oldInfo), start = this.#tailStart(found, info);
    const entry = this.allocator.allocate(start + tailBytes, OWNER.entry);
    memory.setU32(entry, ENTRY.keyInfo, info >>> 0);
    memory.setU32(entry, ENTRY.meta, memory.u32(found, ENTRY.meta));
    memory.setU32(entry, ENTRY.valueWord, memory.u32(found, ENTRY.valueWord));
    memory.copyIn(entry, ENTRY.key, key, keyBytes, length);
    if ((info & HAS_EXPIRY) !== 0) memory.setU64(entry, expiryOffset(length), expiresAtMs(memory, found));
    memory.copy(found, this.#tailStart(found, oldInfo), entry, start, tailBytes);
    return entry;
  }

  #expiryPlace(entry: Address): number {
    return this.memory.u32(entry, expiryOffset(keyLength(this.memory, entry)) + 8);
  }

  #indexExpiry(db: Database, entry: Address): void {
    this.memory.setU32(entry, expiryOffset(keyLength(this.memory, entry)) + 8, db.expiry.add(entry));
  }

  #carryExpiry(db: Database, from: Address, to: Address, info: number): void {
    const at = expiryOffset(info & KEY_LENGTH_MASK);
    this.memory.copy(from, at, to, at, EXPIRY_BYTES);
    db.expiry.set(this.memory.u32(from, at + 8), to);
  }

  #dropExpiry(db: Database, entry: Address): void {
    if (hasExpiry(this.memory, entry)) this.#dropExpiryPlace(db, this.#expiryPlace(entry));
  }

  #dropExpiryPlace(db: Database, place: number): void {
    const moved = db.expiry.remove(place);
    if (moved !== NONE) this.memory.setU32(moved, expiryOffset(keyLength(this.memory, moved)) + 8, place);
  }
}

function canBeWaitedFor(type: number): boolean {
  return type === TYPE.list || type === TYPE.zset || type === TYPE.stream;
}

/** True when the bytes could be an integer: spares most values the parse. */
function looksNumeric(bytes: Uint8Array, offset: number, length: number): boolean {
  if (length === 0) return false;
  const first = bytes[offset], last = bytes[offset + length - 1];
  return ((first >= 0x30 && first <= 0x39) || first === 0x2d) && last >= 0x30 && last <= 0x39;
}
