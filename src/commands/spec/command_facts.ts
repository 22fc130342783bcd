/**
 * What a command is, without what it does: its name, arity, flags, ACL categories, keys, cluster tips and documentation.
 * Dispatch, ACL, propagation and the COMMAND family read these facts; the registry joins them to handlers by name.
 *
 * Invariants: names are lower case; a subcommand's name is `container|subcommand`; facts never change after loading;
 * `aclCategories` and `movablekeys` are complete, because `defineGroup` derives what Redis derives.
 * Never here: handlers, argument parsing, anything that depends on configuration (renaming included).
 */

/** Flags in the order COMMAND INFO prints them. */
export const VISIBLE_FLAGS = [
  "write",
  "readonly",
  "denyoom",
  "admin",
  "pubsub",
  "noscript",
  "blocking",
  "loading",
  "stale",
  "skip_monitor",
  "skip_slowlog",
  "asking",
  "fast",
  "no_auth",
  "no_mandatory_keys",
  "no_async_loading",
  "no_multi",
  "movablekeys",
  "allow_busy",
] as const;

/** Flags that steer the server and that COMMAND INFO keeps to itself. */
export type HiddenFlag = "may_replicate" | "protected" | "touches_arbitrary_keys";

export type CommandFlag = typeof VISIBLE_FLAGS[number] | HiddenFlag;

/** ACL categories in the order COMMAND INFO prints them. */
export const ACL_CATEGORIES = [
  "@keyspace",
  "@read",
  "@write",
  "@set",
  "@sortedset",
  "@list",
  "@hash",
  "@string",
  "@bitmap",
  "@hyperloglog",
  "@geo",
  "@stream",
  "@pubsub",
  "@admin",
  "@fast",
  "@slow",
  "@blocking",
  "@dangerous",
  "@connection",
  "@transaction",
  "@scripting",
] as const;

export type AclCategory = typeof ACL_CATEGORIES[number];

/** Key access flags in the order COMMAND INFO prints them. Exactly one of the first four is set on a real key. */
export const KEY_FLAGS = [
  "RO",
  "RW",
  "OW",
  "RM",
  "access",
  "update",
  "insert",
  "delete",
  "not_key",
  "incomplete",
  "variable_flags",
] as const;

export type KeyFlag = typeof KEY_FLAGS[number];

/** Where a key spec starts looking; positions count the command name as 0, and a negative one counts from the end. */
export type BeginSearch =
  | { readonly type: "index"; readonly index: number }
  | { readonly type: "keyword"; readonly keyword: string; readonly startFrom: number }
  | { readonly type: "unknown" };

/**
 * Which arguments are keys, once the start is known. `lastKey` is relative to the start, or counts from the end when
 * negative; with `limit` n and `lastKey` -1 only the first 1/n of what remains are keys.
 */
export type FindKeys =
  | { readonly type: "range"; readonly lastKey: number; readonly keyStep: number; readonly limit: number }
  | { readonly type: "keynum"; readonly keyNumIndex: number; readonly firstKey: number; readonly keyStep: number }
  | { readonly type: "unknown" };

export interface KeySpec {
  readonly flags: readonly KeyFlag[];
  readonly beginSearch: BeginSearch;
  readonly findKeys: FindKeys;
  readonly notes?: string;
}

/** Commands whose keys the key specs cannot describe in full; `key_search.ts` has a rule for each. */
export type KeyRule = "set" | "bitfield" | "sort" | "sort_ro" | "migrate";

export type ArgumentType =
  | "string"
  | "integer"
  | "double"
  | "key"
  | "pattern"
  | "unix-time"
  | "pure-token"
  | "oneof"
  | "block";

export interface ArgumentFacts {
  readonly name: string;
  readonly type: ArgumentType;
  /** Which of the command's key specs finds this key. */
  readonly keySpecIndex?: number;
  /** The literal word that precedes the argument, or that is the argument when the type is `pure-token`. */
  readonly token?: string;
  readonly since?: string;
  readonly deprecatedSince?: string;
  readonly optional?: boolean;
  readonly multiple?: boolean;
  /** Each repetition repeats the token too. */
  readonly multipleToken?: boolean;
  /** The alternatives of a `oneof`, or the sequence of a `block`. */
  readonly arguments?: readonly ArgumentFacts[];
}

export type CommandGroup =
  | "generic"
  | "string"
  | "list"
  | "set"
  | "sorted-set"
  | "hash"
  | "pubsub"
  | "transactions"
  | "connection"
  | "server"
  | "scripting"
  | "hyperloglog"
  | "cluster"
  | "geo"
  | "stream"
  | "bitmap";

/** What changed, and in which version. */
export type HistoryEntry = readonly [version: string, change: string];

export interface CommandDocs {
  readonly summary: string;
  readonly since: string;
  readonly group: CommandGroup;
  readonly complexity?: string;
  readonly history?: readonly HistoryEntry[];
  readonly deprecatedSince?: string;
  readonly replacedBy?: string;
  readonly docFlags?: readonly ("deprecated" | "syscmd")[];
  readonly arguments?: readonly ArgumentFacts[];
}

export interface CommandFacts {
  readonly name: string;
  /** Number of arguments, the name included (for a subcommand, both words); -n means n or more. */
  readonly arity: number;
  readonly flags: readonly CommandFlag[];
  readonly aclCategories: readonly AclCategory[];
  readonly keySpecs: readonly KeySpec[];
  readonly keyRule?: KeyRule;
  /** Hints for clients and cluster proxies. */
  readonly tips: readonly string[];
  readonly docs: CommandDocs;
  readonly subcommands?: readonly CommandFacts[];
}
