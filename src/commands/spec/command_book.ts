/**
 * The facts of commands for whoever reads requests without a server: does such a command exist, may it have so many arguments, which of them
 * are keys. Looks commands up by name; runs nothing.
 */
import type { CommandFacts } from "./command_facts.ts";
import { ALL_FACTS } from "./all_facts.ts";
import { type ArgumentView, getKeys } from "./key_search.ts";

/** Arguments, and their bytes as text, one character a byte. */
export interface RequestView extends ArgumentView {
  latin1(index: number): string;
}

export const COMMAND_BOOK = {
  /** Why no server would run this: an unknown name, a wrong number of arguments. Empty when it would. */
  fault(args: RequestView): string {
    const facts = factsOf(args);
    if (facts === undefined) return "no such command";
    const { arity } = facts, fits = arity > 0 ? args.count === arity : args.count >= -arity;
    return fits ? "" : `${facts.name.replace("|", " ").toUpperCase()} cannot have ${args.count - 1} arguments`;
  },

  /** Which arguments are keys; of a request that is not whole, those that are there. */
  keys(args: RequestView): readonly number[] {
    const facts = args.count === 0 ? undefined : factsOf(args);
    if (facts === undefined) return NO_KEYS;
    return getKeys(facts, args).map((key) => key.index).filter((index) => index < args.count);
  },
};

const NO_KEYS: readonly number[] = [];
/** By names as they were spelt: a log has few spellings. */
const bySpelling = new Map<string, CommandFacts>();
const SPELLING_BYTES_MAX = 64;

function factsOf(args: RequestView): CommandFacts | undefined {
  const name = args.latin1(0);
  const known = bySpelling.get(name);
  const facts = known ?? ALL_FACTS.get(name.toLowerCase());
  if (facts === undefined || name.length > SPELLING_BYTES_MAX) return undefined;
  if (known === undefined) bySpelling.set(name, facts);
  if (facts.subcommands === undefined || args.count < 2) return facts;
  const full = `${facts.name}|${args.latin1(1).toLowerCase()}`;
  return facts.subcommands.find((sub) => sub.name === full);
}
