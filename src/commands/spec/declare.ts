/**
 * The vocabulary of the group files: short constructors for arguments and key specs, and `defineGroup`, which completes
 * declarations into `CommandFacts` by deriving what Redis derives (ACL categories implied by flags, `movablekeys`, full
 * names of subcommands).
 *
 * Everything here runs once, while modules load, so it stays plain: no validation that a test can do instead.
 */
import {
  ACL_CATEGORIES,
  type AclCategory,
  type ArgumentFacts,
  type ArgumentType,
  type CommandDocs,
  type CommandFacts,
  type CommandFlag,
  type CommandGroup,
  type HistoryEntry,
  type KeyFlag,
  type KeyRule,
  type KeySpec,
} from "./command_facts.ts";
import { hasMovableKeys } from "./legacy_range.ts";

/** A command as a group file states it. What is left out is empty, or derived. */
export interface CommandDeclaration {
  /** For a subcommand, without its container. */
  readonly name: string;
  readonly arity: number;
  readonly flags?: readonly CommandFlag[];
  /** Only the categories that flags do not imply. */
  readonly acl?: readonly AclCategory[];
  readonly keys?: readonly KeySpec[];
  readonly keyRule?: KeyRule;
  readonly tips?: readonly string[];
  readonly summary: string;
  readonly since: string;
  readonly complexity?: string;
  readonly history?: readonly HistoryEntry[];
  readonly deprecated?: { readonly since: string; readonly use: string };
  /** Of use to servers talking to each other only. */
  readonly internal?: boolean;
  readonly args?: readonly ArgumentFacts[];
  readonly subcommands?: readonly CommandDeclaration[];
}

/** The facts of one Redis group, completed from its declarations. */
export function defineGroup(group: CommandGroup, declarations: readonly CommandDeclaration[]): readonly CommandFacts[] {
  return declarations.map((declaration) => complete(group, declaration.name, declaration));
}

function complete(group: CommandGroup, name: string, declaration: CommandDeclaration): CommandFacts {
  const flags = declaration.flags ?? [];
  const keySpecs = declaration.keys ?? [];
  return {
    name,
    arity: declaration.arity,
    flags: hasMovableKeys(keySpecs) ? [...flags, "movablekeys"] : flags,
    aclCategories: allCategories(declaration.acl ?? [], flags),
    keySpecs,
    keyRule: declaration.keyRule,
    tips: declaration.tips ?? [],
    docs: docsOf(group, declaration),
    subcommands: declaration.subcommands?.map((sub) => complete(group, `${name}|${sub.name}`, sub)),
  };
}

function docsOf(group: CommandGroup, declaration: CommandDeclaration): CommandDocs {
  return {
    summary: declaration.summary,
    since: declaration.since,
    group,
    complexity: declaration.complexity,
    history: declaration.history,
    deprecatedSince: declaration.deprecated?.since,
    replacedBy: declaration.deprecated?.use,
    docFlags: declaration.deprecated ? ["deprecated"] : declaration.internal ? ["syscmd"] : undefined,
    arguments: declaration.args,
  };
}

/** Declared categories and those that flags imply, in Redis's order. Whatever is not @fast is @slow. */
export function allCategories(declared: readonly AclCategory[], flags: readonly CommandFlag[]): readonly AclCategory[] {
  return ACL_CATEGORIES.filter((category) => declared.includes(category) || implied(category, declared, flags));
}

function implied(category: AclCategory, declared: readonly AclCategory[], flags: readonly CommandFlag[]): boolean {
  switch (category) {
    case "@read": // a script that only reads is still not a read command
      return flags.includes("readonly") && !declared.includes("@scripting");
    case "@write":
      return flags.includes("write");
    case "@admin":
    case "@dangerous":
      return flags.includes("admin");
    case "@pubsub":
      return flags.includes("pubsub");
    case "@blocking":
      return flags.includes("blocking");
    case "@fast":
      return flags.includes("fast");
    case "@slow":
      return !flags.includes("fast") && !declared.includes("@fast");
    default:
      return false;
  }
}

/** One key at a fixed position. */
export function keyAt(index: number, flags: readonly KeyFlag[], notes?: string): KeySpec {
  return keysFrom(index, flags, { lastKey: 0, notes });
}

/** Keys from a fixed position: to the last argument, unless `lastKey` says otherwise, and one in `keyStep`. */
export function keysFrom(
  index: number,
  flags: readonly KeyFlag[],
  { lastKey = -1, keyStep = 1, notes }: { lastKey?: number; keyStep?: number; notes?: string } = {},
): KeySpec {
  return {
    flags,
    beginSearch: { type: "index", index },
    findKeys: { type: "range", lastKey, keyStep, limit: 0 },
    notes,
  };
}

/** A count of keys at a fixed position, and right after it the keys. */
export function countedKeysAt(index: number, flags: readonly KeyFlag[], notes?: string): KeySpec {
  return {
    flags,
    beginSearch: { type: "index", index },
    findKeys: { type: "keynum", keyNumIndex: 0, firstKey: 1, keyStep: 1 },
    notes,
  };
}

/** Keys after a word: one of them, unless `lastKey` and `limit` say otherwise. */
export function keysAfter(
  keyword: string,
  startFrom: number,
  flags: readonly KeyFlag[],
  { lastKey = 0, limit = 0 }: { lastKey?: number; limit?: number } = {},
): KeySpec {
  return {
    flags,
    beginSearch: { type: "keyword", keyword, startFrom },
    findKeys: { type: "range", lastKey, keyStep: 1, limit },
  };
}

/** Keys that no description of positions can find. */
export function unknownKeys(flags: readonly KeyFlag[], notes: string): KeySpec {
  return { flags, beginSearch: { type: "unknown" }, findKeys: { type: "unknown" }, notes };
}

type ArgumentTraits = Omit<ArgumentFacts, "name" | "type" | "arguments">;

export const OPTIONAL: ArgumentTraits = { optional: true };
export const MULTIPLE: ArgumentTraits = { multiple: true };
export const OPTIONAL_MULTIPLE: ArgumentTraits = { optional: true, multiple: true };

/** A key that the key spec number `keySpecIndex` finds. */
export function key(name: string, keySpecIndex: number, traits?: ArgumentTraits): ArgumentFacts {
  return { name, type: "key", keySpecIndex, ...traits };
}

/** A key argument that no key spec claims. */
export function looseKey(name: string, traits?: ArgumentTraits): ArgumentFacts {
  return { name, type: "key", ...traits };
}

export function text(name: string, traits?: ArgumentTraits): ArgumentFacts {
  return plain("string", name, traits);
}

export function integer(name: string, traits?: ArgumentTraits): ArgumentFacts {
  return plain("integer", name, traits);
}

export function double(name: string, traits?: ArgumentTraits): ArgumentFacts {
  return plain("double", name, traits);
}

export function pattern(name: string, traits?: ArgumentTraits): ArgumentFacts {
  return plain("pattern", name, traits);
}

export function unixTime(name: string, traits?: ArgumentTraits): ArgumentFacts {
  return plain("unix-time", name, traits);
}

/** A literal word; its spelling is the name in upper case unless `traits.token` says otherwise. */
export function word(name: string, traits?: ArgumentTraits): ArgumentFacts {
  return { name, type: "pure-token", token: name.toUpperCase(), ...traits };
}

export function oneOf(name: string, choices: readonly ArgumentFacts[], traits?: ArgumentTraits): ArgumentFacts {
  return { name, type: "oneof", arguments: choices, ...traits };
}

export function block(name: string, parts: readonly ArgumentFacts[], traits?: ArgumentTraits): ArgumentFacts {
  return { name, type: "block", arguments: parts, ...traits };
}

function plain(type: ArgumentType, name: string, traits?: ArgumentTraits): ArgumentFacts {
  return { name, type, ...traits };
}
