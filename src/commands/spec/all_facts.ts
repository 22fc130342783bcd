/**
 * The facts of every command of Redis 7.0, of later ones that are here, and of our own, by name. Which of them the server has is the registry's
 * affair: it joins these facts to the handlers that exist.
 */
import { BITMAP_FACTS } from "./bitmap.ts";
import { CLUSTER_FACTS } from "./cluster.ts";
import type { CommandFacts } from "./command_facts.ts";
import { CONNECTION_FACTS } from "./connection.ts";
import { GENERIC_FACTS } from "./generic.ts";
import { GEO_FACTS } from "./geo.ts";
import { HASH_FACTS } from "./hash.ts";
import { HYPERLOGLOG_FACTS } from "./hyperloglog.ts";
import { LATER_FACTS } from "./later.ts";
import { LIST_FACTS } from "./list.ts";
import { OWN_FACTS } from "./own.ts";
import { PUBSUB_FACTS } from "./pubsub.ts";
import { SCRIPTING_FACTS } from "./scripting.ts";
import { SERVER_FACTS } from "./server.ts";
import { SET_FACTS } from "./set.ts";
import { SORTED_SET_FACTS } from "./sorted_set.ts";
import { STREAM_FACTS } from "./stream.ts";
import { STRING_FACTS } from "./string.ts";
import { TRANSACTIONS_FACTS } from "./transactions.ts";

const REDIS_GROUPS: readonly (readonly CommandFacts[])[] = [
  BITMAP_FACTS,
  CLUSTER_FACTS,
  CONNECTION_FACTS,
  GENERIC_FACTS,
  GEO_FACTS,
  HASH_FACTS,
  HYPERLOGLOG_FACTS,
  LIST_FACTS,
  PUBSUB_FACTS,
  SCRIPTING_FACTS,
  SERVER_FACTS,
  SET_FACTS,
  SORTED_SET_FACTS,
  STREAM_FACTS,
  STRING_FACTS,
  TRANSACTIONS_FACTS,
];

/** The commands of Redis 7.0 by lower-case name. Subcommands are inside their container. */
export const REDIS_FACTS: ReadonlyMap<string, CommandFacts> = byName(REDIS_GROUPS.flat());

/** All commands, likewise. */
export const ALL_FACTS: ReadonlyMap<string, CommandFacts> = byName([
  ...REDIS_GROUPS.flat(),
  ...LATER_FACTS,
  ...OWN_FACTS,
]);

/** A command by its full lower-case name: `get`, `client`, `client|id`. */
export function findFacts(fullName: string): CommandFacts | undefined {
  const bar = fullName.indexOf("|");
  if (bar < 0) return ALL_FACTS.get(fullName);
  return ALL_FACTS.get(fullName.slice(0, bar))?.subcommands?.find((sub) => sub.name === fullName);
}

function byName(commands: readonly CommandFacts[]): ReadonlyMap<string, CommandFacts> {
  return new Map(commands.map((facts): [string, CommandFacts] => [facts.name, facts]));
}
