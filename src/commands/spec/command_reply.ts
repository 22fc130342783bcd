/**
 * Writes facts in the shape of COMMAND, COMMAND INFO and COMMAND DOCS. The order of entries is Redis 7.0's; which
 * protocol is spoken is the sink's affair.
 *
 * Only what the facts hold is written: a server that lacks some subcommands passes facts without them.
 */
import {
  type ArgumentFacts,
  type BeginSearch,
  type CommandFacts,
  type CommandFlag,
  type FindKeys,
  KEY_FLAGS,
  type KeyFlag,
  type KeySpec,
  VISIBLE_FLAGS,
} from "./command_facts.ts";
import { legacyRange } from "./legacy_range.ts";

/** The part of a reply writer that facts need. Under RESP2 a set is an array, and a map an array of twice the length. */
export interface ReplySink {
  startArray(count: number): void;
  startMap(pairCount: number): void;
  startSet(count: number): void;
  /** A bulk string. */
  text(value: string): void;
  /** A simple string. */
  status(value: string): void;
  integer(value: number): void;
  null(): void;
}

/** One element of COMMAND INFO: ten fields, or null for a command that does not exist. */
export function writeCommandInfo(facts: CommandFacts | undefined, reply: ReplySink): void {
  if (facts === undefined) return reply.null();
  const range = legacyRange(facts.keySpecs);
  reply.startArray(10);
  reply.text(facts.name);
  reply.integer(facts.arity);
  writeStatusSet(visibleFlags(facts.flags), reply);
  reply.integer(range.first);
  reply.integer(range.last);
  reply.integer(range.step);
  writeStatusSet(facts.aclCategories, reply);
  reply.startSet(facts.tips.length);
  for (const tip of facts.tips) reply.text(tip);
  reply.startSet(facts.keySpecs.length);
  for (const spec of facts.keySpecs) writeKeySpec(spec, reply);
  writeSubcommandInfo(facts.subcommands, reply);
}

/** The flags that COMMAND INFO shows, in its order. */
export function visibleFlags(flags: readonly CommandFlag[]): readonly CommandFlag[] {
  return VISIBLE_FLAGS.filter((flag) => flags.includes(flag));
}

// Redis writes an empty set, but a full array.
function writeSubcommandInfo(subcommands: readonly CommandFacts[] | undefined, reply: ReplySink): void {
  if (subcommands === undefined) return reply.startSet(0);
  reply.startArray(subcommands.length);
  for (const subcommand of subcommands) writeCommandInfo(subcommand, reply);
}

function writeStatusSet(values: readonly string[], reply: ReplySink): void {
  reply.startSet(values.length);
  for (const value of values) reply.status(value);
}

/** A key's access flags, as in COMMAND INFO and COMMAND GETKEYSANDFLAGS. */
export function writeKeyFlags(flags: readonly KeyFlag[], reply: ReplySink): void {
  writeStatusSet(KEY_FLAGS.filter((flag) => flags.includes(flag)), reply);
}

function writeKeySpec(spec: KeySpec, reply: ReplySink): void {
  reply.startMap(spec.notes === undefined ? 3 : 4);
  if (spec.notes !== undefined) writeTextPair("notes", spec.notes, reply);
  reply.text("flags");
  writeKeyFlags(spec.flags, reply);
  reply.text("begin_search");
  writeBeginSearch(spec.beginSearch, reply);
  reply.text("find_keys");
  writeFindKeys(spec.findKeys, reply);
}

function writeBeginSearch(search: BeginSearch, reply: ReplySink): void {
  switch (search.type) {
    case "index":
      startTypedSpec("index", 1, reply);
      return writeIntegerPair("index", search.index, reply);
    case "keyword":
      startTypedSpec("keyword", 2, reply);
      writeTextPair("keyword", search.keyword, reply);
      return writeIntegerPair("startfrom", search.startFrom, reply);
    case "unknown":
      return startTypedSpec("unknown", 0, reply);
  }
}

function writeFindKeys(find: FindKeys, reply: ReplySink): void {
  switch (find.type) {
    case "range":
      startTypedSpec("range", 3, reply);
      writeIntegerPair("lastkey", find.lastKey, reply);
      writeIntegerPair("keystep", find.keyStep, reply);
      return writeIntegerPair("limit", find.limit, reply);
    case "keynum":
      startTypedSpec("keynum", 3, reply);
      writeIntegerPair("keynumidx", find.keyNumIndex, reply);
      writeIntegerPair("firstkey", find.firstKey, reply);
      return writeIntegerPair("keystep", find.keyStep, reply);
    case "unknown":
      return startTypedSpec("unknown", 0, reply);
  }
}

function startTypedSpec(type: string, pairCount: number, reply: ReplySink): void {
  reply.startMap(2);
  writeTextPair("type", type, reply);
  reply.text("spec");
  reply.startMap(pairCount);
}

function writeTextPair(name: string, value: string, reply: ReplySink): void {
  reply.text(name);
  reply.text(value);
}

function writeOptionalText(name: string, value: string | undefined, reply: ReplySink): void {
  if (value !== undefined) writeTextPair(name, value, reply);
}

function writeIntegerPair(name: string, value: number, reply: ReplySink): void {
  reply.text(name);
  reply.integer(value);
}

/** The value under a command's name in COMMAND DOCS; the caller writes the name. */
export function writeCommandDocs(facts: CommandFacts, reply: ReplySink): void {
  const { docs, subcommands } = facts;
  reply.startMap(countDefined(Object.values(docs)) + countDefined([subcommands]));
  writeTextPair("summary", docs.summary, reply);
  writeTextPair("since", docs.since, reply);
  writeTextPair("group", docs.group, reply);
  writeOptionalText("complexity", docs.complexity, reply);
  if (docs.docFlags !== undefined) {
    reply.text("doc_flags");
    writeStatusSet(docs.docFlags, reply);
  }
  writeOptionalText("deprecated_since", docs.deprecatedSince, reply);
  writeOptionalText("replaced_by", docs.replacedBy, reply);
  if (docs.history !== undefined) writeHistory(docs.history, reply);
  if (docs.arguments !== undefined) writeArguments(docs.arguments, reply);
  if (subcommands !== undefined) writeSubcommandDocs(subcommands, reply);
}

function countDefined(values: readonly unknown[]): number {
  let count = 0;
  for (const value of values) if (value !== undefined) count++;
  return count;
}

function writeHistory(history: readonly (readonly [string, string])[], reply: ReplySink): void {
  reply.text("history");
  reply.startSet(history.length);
  for (const [version, change] of history) {
    reply.startArray(2);
    writeTextPair(version, change, reply);
  }
}

function writeSubcommandDocs(subcommands: readonly CommandFacts[], reply: ReplySink): void {
  reply.text("subcommands");
  reply.startMap(subcommands.length);
  for (const subcommand of subcommands) {
    reply.text(subcommand.name);
    writeCommandDocs(subcommand, reply);
  }
}

function writeArguments(args: readonly ArgumentFacts[], reply: ReplySink): void {
  reply.text("arguments");
  reply.startArray(args.length);
  for (const argument of args) writeArgument(argument, reply);
}

function writeArgument(argument: ArgumentFacts, reply: ReplySink): void {
  const { name, type, keySpecIndex, token, since, deprecatedSince, arguments: parts } = argument;
  const flags = argumentFlags(argument);
  reply.startMap(2 + countDefined([keySpecIndex, token, since, deprecatedSince, parts]) + (flags.length > 0 ? 1 : 0));
  writeTextPair("name", name, reply);
  writeTextPair("type", type, reply);
  if (keySpecIndex !== undefined) writeIntegerPair("key_spec_index", keySpecIndex, reply);
  writeOptionalText("token", token, reply);
  writeOptionalText("since", since, reply);
  writeOptionalText("deprecated_since", deprecatedSince, reply);
  if (flags.length > 0) {
    reply.text("flags");
    writeStatusSet(flags, reply);
  }
  if (parts !== undefined) writeArguments(parts, reply);
}

function argumentFlags(argument: ArgumentFacts): readonly string[] {
  const flags: string[] = [];
  if (argument.optional) flags.push("optional");
  if (argument.multiple) flags.push("multiple");
  if (argument.multipleToken) flags.push("multiple_token");
  return flags;
}
