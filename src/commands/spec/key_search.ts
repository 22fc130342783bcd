/**
 * Finds the keys among a command's arguments, as COMMAND GETKEYS and GETKEYSANDFLAGS report them: by the key specs, and
 * by a rule of its own for each command whose specs are incomplete or whose access depends on its options.
 *
 * The arguments are read, never checked: a malformed command yields no keys or the keys Redis would guess, and leaves
 * the complaint to the command itself.
 */
import type { BeginSearch, CommandFacts, FindKeys, KeyFlag, KeyRule, KeySpec } from "./command_facts.ts";

/** A command's arguments, the command name being number 0 (a subcommand is number 1). */
export interface ArgumentView {
  readonly count: number;
  text(index: number): string;
  /** ASCII case does not matter. `word` is in lower case. */
  equalsIgnoreCase(index: number, word: string): boolean;
  /** The argument as Redis's strict decimal integer, or null. */
  integer(index: number): number | null;
}

export interface KeyReference {
  /** Which argument is the key. */
  readonly index: number;
  readonly flags: readonly KeyFlag[];
}

export type GetKeysOutcome = { readonly keys: readonly KeyReference[] } | { readonly error: string };

const NONE: readonly KeyReference[] = [];
const READ: readonly KeyFlag[] = ["RO", "access"];
const OVERWRITE: readonly KeyFlag[] = ["OW", "update"];
const READ_AND_UPDATE: readonly KeyFlag[] = ["RW", "access", "update"];
const READ_AND_DELETE: readonly KeyFlag[] = ["RW", "access", "delete"];

/** All that COMMAND GETKEYS decides: the keys, or the text of the error (without its ERR code). */
export function commandGetKeys(facts: CommandFacts | undefined, args: ArgumentView): GetKeysOutcome {
  if (facts === undefined) return { error: "Invalid command specified" };
  if (!mayHaveKeys(facts)) return { error: "The command has no key arguments" };
  if (facts.arity > 0 ? args.count !== facts.arity : args.count < -facts.arity) {
    return { error: "Invalid number of arguments specified for command" };
  }
  const keys = getKeys(facts, args);
  if (keys.length === 0 && !facts.flags.includes("no_mandatory_keys")) {
    return { error: "Invalid arguments specified for command" };
  }
  return { keys };
}

/** Whether any invocation of the command names a key. */
export function mayHaveKeys(facts: CommandFacts): boolean {
  return facts.keySpecs.some((spec) => !spec.flags.includes("not_key"));
}

/** The keys of one invocation, in the order Redis lists them. The number of arguments must satisfy the arity. */
export function getKeys(facts: CommandFacts, args: ArgumentView): readonly KeyReference[] {
  if (!mayHaveKeys(facts)) return NONE;
  const variable = facts.keySpecs.some((spec) => spec.flags.includes("variable_flags"));
  const found = variable ? null : keysOfSpecs(facts.keySpecs, args);
  if (found !== null) return found;
  return facts.keyRule === undefined ? keysOfLooseCount(facts.keySpecs, args) : KEY_RULES[facts.keyRule](args);
}

/** Null when some spec cannot tell, or contradicts the arguments. */
function keysOfSpecs(specs: readonly KeySpec[], args: ArgumentView): readonly KeyReference[] | null {
  const keys: KeyReference[] = [];
  for (const spec of specs) {
    if (spec.flags.includes("not_key")) continue;
    const start = searchStart(spec.beginSearch, args);
    if (start === null) return null;
    if (start === 0) continue; // an optional keyword that is absent
    const range = keyRange(spec.findKeys, start, args);
    if (range === null || range.last >= args.count || range.last < range.first) return null;
    for (let index = range.first; index <= range.last; index += range.step) keys.push({ index, flags: spec.flags });
    if (spec.flags.includes("incomplete")) return null;
  }
  return keys;
}

/** Where the keys (or their count) start; 0 when the keyword is absent; null when the spec does not say. */
function searchStart(search: BeginSearch, args: ArgumentView): number | null {
  switch (search.type) {
    case "index":
      return search.index;
    case "keyword":
      return search.startFrom > 0
        ? afterWordForward(search.keyword.toLowerCase(), search.startFrom, args)
        : afterWordBackward(search.keyword.toLowerCase(), args.count + search.startFrom, args);
    case "unknown":
      return null;
  }
}

// The last argument cannot be the keyword, for a key must follow it.
function afterWordForward(word: string, from: number, args: ArgumentView): number {
  for (let i = from; i < args.count - 1; i++) if (args.equalsIgnoreCase(i, word)) return i + 1;
  return 0;
}

function afterWordBackward(word: string, from: number, args: ArgumentView): number {
  for (let i = from; i > 1; i--) if (args.equalsIgnoreCase(i, word)) return i + 1;
  return 0;
}

function keyRange(find: FindKeys, start: number, args: ArgumentView): KeyRange | null {
  switch (find.type) {
    case "range":
      return { first: start, last: lastKeyOf(find.lastKey, find.limit, start, args.count), step: find.keyStep };
    case "keynum": {
      const keyCount = args.integer(start + find.keyNumIndex);
      if (keyCount === null || keyCount < 0) return null;
      const first = start + find.firstKey;
      return { first, last: first + keyCount - 1, step: find.keyStep };
    }
    case "unknown":
      return null;
  }
}

interface KeyRange {
  readonly first: number;
  readonly last: number;
  readonly step: number;
}

function lastKeyOf(lastKey: number, limit: number, start: number, count: number): number {
  if (lastKey >= 0) return start + lastKey;
  if (limit === 0) return count + lastKey;
  return start + Math.trunc((count - start) / limit) + lastKey;
}

/**
 * Redis's second opinion on a key count that is not a clean integer ("2x" counts as 2). It knows no access flags, and
 * it lists the destination last.
 */
function keysOfLooseCount(specs: readonly KeySpec[], args: ArgumentView): readonly KeyReference[] {
  const counted = specs.find((spec) => spec.findKeys.type === "keynum");
  if (counted === undefined || counted.beginSearch.type !== "index") return NONE;
  const countIndex = counted.beginSearch.index;
  const keyCount = leadingInteger(args.text(countIndex));
  if (keyCount < 1 || keyCount > args.count - countIndex - 1) return NONE;
  const keys: KeyReference[] = [];
  for (let i = 1; i <= keyCount; i++) keys.push({ index: countIndex + i, flags: [] });
  if (specs.length > 1) keys.push({ index: 1, flags: [] });
  return keys;
}

function leadingInteger(text: string): number {
  const value = parseInt(text, 10);
  return Number.isNaN(value) ? 0 : value;
}

const KEY_RULES: Readonly<Record<KeyRule, (args: ArgumentView) => readonly KeyReference[]>> = {
  set: keysOfSet,
  bitfield: keysOfBitfield,
  sort: keysOfSort,
  sort_ro: () => [{ index: 1, flags: READ }],
  migrate: keysOfMigrate,
};

function keysOfSet(args: ArgumentView): readonly KeyReference[] {
  for (let i = 3; i < args.count; i++) {
    if (args.equalsIgnoreCase(i, "get")) return [{ index: 1, flags: READ_AND_UPDATE }];
  }
  return [{ index: 1, flags: OVERWRITE }];
}

/** BITFIELD only reads when every operation is a GET; what cannot be understood counts as a write. */
function keysOfBitfield(args: ArgumentView): readonly KeyReference[] {
  let i = 2;
  while (i < args.count) {
    const following = args.count - i - 1;
    if (following >= 2 && args.equalsIgnoreCase(i, "get")) i += 3;
    else if (following >= 1 && args.equalsIgnoreCase(i, "overflow")) i += 2;
    else return [{ index: 1, flags: READ_AND_UPDATE }];
  }
  return [{ index: 1, flags: READ }];
}

/** The last STORE wins, as in SORT itself. The keys that BY and GET read depend on data, and are not listed. */
function keysOfSort(args: ArgumentView): readonly KeyReference[] {
  let storeIndex = 0;
  for (let i = 2; i < args.count; i++) {
    if (args.equalsIgnoreCase(i, "limit")) i += 2;
    else if (args.equalsIgnoreCase(i, "get") || args.equalsIgnoreCase(i, "by")) i += 1;
    else if (i + 1 < args.count && args.equalsIgnoreCase(i, "store")) storeIndex = i + 1;
  }
  const source = { index: 1, flags: READ };
  return storeIndex === 0 ? [source] : [source, { index: storeIndex, flags: OVERWRITE }];
}

/** MIGRATE names one key at 3, or an empty string there and a list after KEYS. Both at once is an error: no keys. */
function keysOfMigrate(args: ArgumentView): readonly KeyReference[] {
  for (let i = 6; i < args.count; i++) {
    if (args.equalsIgnoreCase(i, "keys")) return args.text(3) === "" ? keysToEnd(i + 1, args) : NONE;
    if (args.equalsIgnoreCase(i, "auth")) i += 1;
    else if (args.equalsIgnoreCase(i, "auth2")) i += 2;
  }
  return [{ index: 3, flags: READ_AND_DELETE }];
}

function keysToEnd(first: number, args: ArgumentView): readonly KeyReference[] {
  const keys: KeyReference[] = [];
  for (let index = first; index < args.count; index++) keys.push({ index, flags: READ_AND_DELETE });
  return keys;
}
