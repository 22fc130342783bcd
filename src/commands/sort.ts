/**
 * SORT and SORT_RO: sort the elements of a list, a set or a sorted set by themselves or by what other keys hold, and reply with them, or
 * with what other keys hold, or store that as a list.
 */
import { EMPTY_BYTES } from "../base/bytes.ts";
import { formatI64, I64, INTEGER_TEXT_BYTES_MAX } from "../base/integer.ts";
import { parseDouble } from "../base/strtod.ts";
import { ENCODING, encodingOf, TYPE, typeOf } from "../keyspace/entry.ts";
import type { HashValue } from "../keyspace/values/hash_value.ts";
import { type Address, NONE } from "../memory/mod.ts";
import { EVENT } from "../keyspace/key_events.ts";
import type { CommandContext, Handlers } from "./context.ts";
import { ERROR } from "./errors.ts";
import {
  buildList,
  collectElements,
  countElements,
  isOrdered,
  isSortable,
  type PushString,
  StringColumn,
} from "./sort_elements.ts";
import { SortOrder } from "./sort_order.ts";

const STAR = 0x2a, HASH = 0x23, DASH = 0x2d, GREATER = 0x3e, SPACE = 0x20;
const NOT_A_SCORE = "One or more scores can't be converted into double";

interface SortOptions {
  descending: boolean;
  alpha: boolean;
  /** BY names no keys: nothing is sorted. */
  unsorted: boolean;
  by: SortPattern | null;
  get: SortPattern[];
  limitStart: number;
  limitCount: number;
  /** Argument that names the key to store to; 0 for none. */
  storeAt: number;
}

// ---- patterns ------------------------------------------------------------------------------------------------------

/** A pattern of BY or GET: the element itself (#), or a key, and maybe a hash's field, made by putting the element where the star is. */
class SortPattern {
  readonly isElement: boolean;
  readonly hasStar: boolean;
  readonly #prefix: Uint8Array;
  readonly #postfix: Uint8Array;
  readonly #field: Uint8Array | null;

  constructor(text: Uint8Array) {
    const star = text.indexOf(STAR), arrow = star < 0 ? -1 : arrowAfter(text, star + 1);
    this.isElement = text.length === 1 && text[0] === HASH;
    this.hasStar = star >= 0;
    this.#prefix = text.slice(0, Math.max(star, 0));
    this.#postfix = text.slice(star + 1, arrow < 0 ? text.length : arrow);
    this.#field = arrow < 0 ? null : text.slice(arrow + 2);
  }

  /** Finds what the pattern stands for, for an element; false when there is no such string. */
  find(ctx: CommandContext, elements: StringColumn, index: number): boolean {
    const length = elements.length(index), start = elements.start(index);
    if (this.isElement) return found.set(elements.bytes, start, length);
    if (!this.hasStar) return false;
    const keyLength = this.#prefix.length + length + this.#postfix.length;
    if (keyLength > key.length) key = new Uint8Array(keyLength * 2);
    key.set(this.#prefix);
    key.set(elements.bytes.subarray(start, start + length), this.#prefix.length);
    key.set(this.#postfix, this.#prefix.length + length);
    return findString(ctx, keyLength, this.#field);
  }
}

/** Where "->" stands with something behind it, or -1. */
function arrowAfter(text: Uint8Array, from: number): number {
  for (let at = from; at + 1 < text.length; at++) {
    if (text[at] === DASH && text[at + 1] === GREATER) return at + 2 < text.length ? at : -1;
  }
  return -1;
}

/** The key that was made last. */
let key: Uint8Array = new Uint8Array(256);

/** The string that a pattern found: where it lies, until anything changes. */
const found = {
  bytes: EMPTY_BYTES as Uint8Array,
  start: 0,
  length: 0,
  set(bytes: Uint8Array, start: number, length: number): true {
    this.bytes = bytes, this.start = start, this.length = length;
    return true;
  },
};
const integer = new I64();
const digits = new Uint8Array(INTEGER_TEXT_BYTES_MAX);

/** Finds the string at `key`, or in a field of the hash there. */
function findString(ctx: CommandContext, keyLength: number, field: Uint8Array | null): boolean {
  const keyspace = ctx.keyspace, memory = keyspace.memory;
  const entry = keyspace.lookupRead(ctx.db, key, 0, keyLength);
  if (entry === NONE || typeOf(memory, entry) !== (field === null ? TYPE.string : TYPE.hash)) return false;
  if (field !== null) {
    const hash = keyspace.types[TYPE.hash] as HashValue;
    hash.open(entry);
    return hash.get(field, 0, field.length) && found.set(hash.bytes, hash.start, hash.length);
  }
  if (encodingOf(memory, entry) === ENCODING.int) {
    keyspace.readInteger(entry, integer);
    return found.set(digits, 0, formatI64(integer, digits, 0));
  }
  const { place } = keyspace;
  place.locate(memory, entry);
  return found.set(memory.bytesOf(place.block), memory.placeOf(place.block) + place.offsetBytes, place.lengthBytes);
}

// ---- options -------------------------------------------------------------------------------------------------------

/** The options, or null with the error replied. */
function parseOptions(ctx: CommandContext, mayStore: boolean): SortOptions | null {
  const args = ctx.args,
    options: SortOptions = {
      descending: false,
      alpha: false,
      unsorted: false,
      by: null,
      get: [],
      limitStart: 0,
      limitCount: -1,
      storeAt: 0,
    };
  for (let i = 2; i < args.count; i++) {
    const left = args.count - i - 1;
    if (args.equalsIgnoreCase(i, "asc")) options.descending = false;
    else if (args.equalsIgnoreCase(i, "desc")) options.descending = true;
    else if (args.equalsIgnoreCase(i, "alpha")) options.alpha = true;
    else if (args.equalsIgnoreCase(i, "limit") && left >= 2) {
      options.limitStart = ctx.wideInteger(++i);
      if (Number.isNaN(options.limitStart)) return null;
      options.limitCount = ctx.wideInteger(++i);
      if (Number.isNaN(options.limitCount)) return null;
    } else if (mayStore && args.equalsIgnoreCase(i, "store") && left >= 1) options.storeAt = ++i;
    else if (args.equalsIgnoreCase(i, "by") && left >= 1) {
      options.by = new SortPattern(args.slice(++i));
      if (!options.by.hasStar) options.unsorted = true;
    } else if (args.equalsIgnoreCase(i, "get") && left >= 1) options.get.push(new SortPattern(args.slice(++i)));
    else {
      ctx.reply.error(ERROR.syntax);
      return null;
    }
  }
  return options;
}

// ---- sorting -------------------------------------------------------------------------------------------------------

/** The elements, what they are sorted by when that is other texts, and their order: of one SORT at a time. */
const elements = new StringColumn(), sortTexts = new StringColumn();
const order = new SortOrder();
let scores = new Float64Array(64);
/** What was selected: `order`'s places [from, end). */
let from = 0, end = 0;

function sort(ctx: CommandContext, mayStore: boolean): void {
  const options = parseOptions(ctx, mayStore);
  if (options === null) return;
  const entry = ctx.lookupRead(1);
  const type = entry === NONE ? TYPE.list : typeOf(ctx.keyspace.memory, entry);
  if (!isSortable(type)) return ctx.reply.errorWithCode(ERROR.wrongType);
  if (options.unsorted && !isOrdered(type) && options.storeAt > 0) {
    // What is stored must not depend on the order in a hash table.
    options.unsorted = false, options.alpha = true, options.by = null;
  }
  if (!select(ctx, entry, isOrdered(type), options)) return ctx.reply.error(NOT_A_SCORE);
  if (options.storeAt > 0) storeSelection(ctx, options);
  else replySelection(ctx, options.get);
}

/** Selects the elements asked for; false when one has no score. */
function select(ctx: CommandContext, entry: Address, isOrderedType: boolean, options: SortOptions): boolean {
  const { keyspace } = ctx, size = entry === NONE ? 0 : countElements(keyspace, entry);
  elements.clear();
  from = Math.min(Math.max(options.limitStart, 0), size), end = size;
  if (options.limitCount >= 0) end = Math.min(from + options.limitCount, size);
  if (size === 0) return true;
  if (options.unsorted && isOrderedType) {
    collectElements(keyspace, entry, from, end - from, options.descending, elements);
    end -= from, from = 0;
  } else collectElements(keyspace, entry, 0, size, false, elements);
  order.natural(elements.count);
  return options.unsorted || sortElements(ctx, options);
}

/** Sorts; false when an element has no score. */
function sortElements(ctx: CommandContext, { by, alpha, descending }: SortOptions): boolean {
  const sign = descending ? -1 : 1;
  if (alpha) {
    if (by !== null) findTexts(ctx, by);
    order.sort(null, by === null ? elements : sortTexts, sign);
    return true;
  }
  if (!findScores(ctx, by)) return false;
  order.sort(scores, elements, sign);
  return true;
}

/** Fills `sortTexts` with what `by` stands for. */
function findTexts(ctx: CommandContext, by: SortPattern): void {
  sortTexts.clear();
  for (let i = 0; i < elements.count; i++) {
    if (by.find(ctx, elements, i)) sortTexts.push(found.bytes, found.start, found.length);
    else sortTexts.pushNone();
  }
}

/** Fills `scores`, with 0 where there is nothing to go by; false when something is no number. */
function findScores(ctx: CommandContext, by: SortPattern | null): boolean {
  if (elements.count > scores.length) scores = new Float64Array(elements.count * 2);
  let areNumbers = true;
  for (let i = 0; i < elements.count; i++) {
    scores[i] = 0;
    if (by === null) found.set(elements.bytes, elements.start(i), elements.length(i));
    else if (!by.find(ctx, elements, i)) continue;
    scores[i] = scoreOf(found.bytes, found.start, found.length);
    if (Number.isNaN(scores[i])) areNumbers = false;
  }
  return areNumbers;
}

/** The number that a C string spells: it ends at a zero byte, white space may be before it, and nothing is zero. NaN for anything else. */
function scoreOf(bytes: Uint8Array, start: number, length: number): number {
  let end = start, at = start;
  while (end < start + length && bytes[end] !== 0) end++;
  while (at < end && (bytes[at] === SPACE || (bytes[at] >= 9 && bytes[at] <= 13))) at++;
  return end === start ? 0 : parseDouble(bytes, at, end - at);
}

// ---- results -------------------------------------------------------------------------------------------------------

function resultCount(get: readonly SortPattern[]): number {
  return Math.max(0, end - from) * Math.max(1, get.length);
}

function replySelection(ctx: CommandContext, get: readonly SortPattern[]): void {
  const reply = ctx.reply;
  reply.startArray(resultCount(get));
  for (let i = from; i < end; i++) {
    const element = order.indexes[i];
    if (get.length === 0) reply.bulk(elements.bytes, elements.start(element), elements.length(element));
    for (const pattern of get) {
      if (pattern.find(ctx, elements, element)) reply.bulk(found.bytes, found.start, found.length);
      else reply.null();
    }
  }
}

function storeSelection(ctx: CommandContext, { storeAt, get }: SortOptions): void {
  const { keyspace, args } = ctx, count = resultCount(get);
  if (count > 0) {
    const list = buildList(keyspace, (push) => pushSelection(ctx, get, push));
    const at = args.offsets[storeAt], length = args.lengths[storeAt];
    keyspace.setValue(ctx.db, args.bytes, at, length, TYPE.list, ENCODING.quicklist, list);
    ctx.notify(EVENT.list, "sortstore", storeAt);
    keyspace.dirty += count;
  } else if (ctx.remove(storeAt, keyspace.lazyOverwrite)) keyspace.dirty++;
  ctx.reply.integer(count);
}

function pushSelection(ctx: CommandContext, get: readonly SortPattern[], push: PushString): void {
  for (let i = from; i < end; i++) {
    const element = order.indexes[i];
    if (get.length === 0) push(elements.bytes, elements.start(element), elements.length(element));
    for (const pattern of get) {
      if (pattern.find(ctx, elements, element)) push(found.bytes, found.start, found.length);
      else push(EMPTY_BYTES, 0, 0);
    }
  }
}

export const sortCommands: Handlers = {
  sort: (ctx) => sort(ctx, true),
  sort_ro: (ctx) => sort(ctx, false),
};
