/**
 * The command table: joins facts (`spec/`) with handlers, and finds commands by the bytes of their name without making strings.
 * A command that has no handler does not exist, whatever the facts say.
 */
import { ascii, equalsIgnoreCase } from "../base/bytes.ts";
import { assert } from "../base/assert.ts";
import type { CommandFacts, CommandFlag } from "./spec/command_facts.ts";
import { ALL_FACTS } from "./spec/all_facts.ts";
import type { Handler, Handlers } from "./context.ts";

/** Flags as bits, for dispatch. */
export const FLAG = {
  write: 1,
  readonly: 2,
  denyoom: 4,
  admin: 8,
  noScript: 16,
  blocking: 32,
  loading: 64,
  stale: 128,
  skipMonitor: 256,
  skipSlowlog: 512,
  fast: 1024,
  noAuth: 2048,
  noMulti: 4096,
  protected: 8192,
  mayReplicate: 16384,
  allowBusy: 32768,
  touchesArbitraryKeys: 65536,
} as const;

const FLAG_OF: Partial<Record<CommandFlag, number>> = {
  write: FLAG.write,
  readonly: FLAG.readonly,
  denyoom: FLAG.denyoom,
  admin: FLAG.admin,
  noscript: FLAG.noScript,
  blocking: FLAG.blocking,
  loading: FLAG.loading,
  stale: FLAG.stale,
  skip_monitor: FLAG.skipMonitor,
  skip_slowlog: FLAG.skipSlowlog,
  fast: FLAG.fast,
  no_auth: FLAG.noAuth,
  no_multi: FLAG.noMulti,
  protected: FLAG.protected,
  may_replicate: FLAG.mayReplicate,
  allow_busy: FLAG.allowBusy,
  touches_arbitrary_keys: FLAG.touchesArbitraryKeys,
};

/** Calls and time of a command, as INFO commandstats reports them. */
export class CommandStatistics {
  calls = 0;
  microseconds = 0;
  /** Refused before they ran, and ended with an error. */
  rejectedCalls = 0;
  failedCalls = 0;
}

/** Commands that are not `fast`, but take no longer than a step down a tree and writing the reply. */
const BOUNDED_BY_REPLY: ReadonlySet<string> = new Set([
  ...["set", "setex", "psetex", "getrange", "hgetall", "hkeys", "hvals", "smembers", "srandmember", "hrandfield"],
  ...[
    "zrange",
    "zrevrange",
    "zrangebyscore",
    "zrevrangebyscore",
    "zrangebylex",
    "zrevrangebylex",
    "xrange",
    "xrevrange",
  ],
]);

export class Command {
  readonly facts: CommandFacts;
  /** "client|id" for a subcommand. */
  readonly fullName: string;
  readonly arity: number;
  readonly flags: number;
  /** Index of the command in the table: attribution of page copies counts by it. */
  readonly id: number;
  readonly run: Handler;
  readonly statistics: CommandStatistics = new CommandStatistics();
  readonly subcommands: Map<string, Command> | null;
  /** What it does is bounded by its request and its reply: where those are short, reading the clock for each is not worth it. */
  readonly isQuick: boolean;
  /** Microseconds of recent calls, for latency percentiles; created with the first call when tracking is on. */
  latency: { record(microseconds: number): void } | null = null;

  constructor(facts: CommandFacts, id: number, run: Handler, subcommands: Map<string, Command> | null) {
    this.facts = facts, this.fullName = facts.name, this.arity = facts.arity, this.id = id, this.run = run;
    this.flags = facts.flags.reduce((bits, flag) => bits | (FLAG_OF[flag] ?? 0), 0);
    this.subcommands = subcommands;
    this.isQuick = (this.flags & FLAG.fast) !== 0 || BOUNDED_BY_REPLY.has(facts.name);
  }
}

interface Slot {
  readonly name: Uint8Array;
  readonly command: Command;
}

const SLOTS = 1024;

export class CommandTable {
  readonly #slots: (Slot | undefined)[] = new Array(SLOTS).fill(undefined);
  readonly #byName = new Map<string, Command>();
  readonly #byId: Command[] = [];

  constructor(groups: readonly Handlers[]) {
    const handlers = new Map<string, Handler>();
    for (const group of groups) for (const [name, run] of Object.entries(group)) handlers.set(name, run);
    for (const facts of ALL_FACTS.values()) this.#register(facts, handlers);
    assert(handlers.size === 0, `every handler has facts: ${[...handlers.keys()].join(", ")}`);
  }

  /** By the bytes of a name, in any case. */
  find(bytes: Uint8Array, offset: number, length: number): Command | undefined {
    for (let at = slotOf(bytes, offset, length);; at = (at + 1) & (SLOTS - 1)) {
      const slot = this.#slots[at];
      if (slot === undefined) return undefined;
      if (equalsIgnoreCase(bytes, offset, length, slot.name)) return slot.command;
    }
  }

  /** By name in lower case; "container|subcommand" finds subcommands. */
  named(name: string): Command | undefined {
    const bar = name.indexOf("|");
    return bar < 0
      ? this.#byName.get(name)
      : this.#byName.get(name.slice(0, bar))?.subcommands?.get(name.slice(bar + 1));
  }

  byId(id: number): Command | undefined {
    return this.#byId[id];
  }

  /** Commands by the names they answer to (rename-command applied). */
  entries(): IterableIterator<[string, Command]> {
    return this.#byName.entries();
  }

  /** Commands and subcommands. */
  all(): readonly Command[] {
    return this.#byId;
  }

  /** rename-command; an empty name takes the command away. Returns why not, or null. */
  rename(from: string, to: string): string | null {
    const command = this.#byName.get(from.toLowerCase());
    if (command === undefined) return "No such command in rename-command";
    if (to !== "" && this.#byName.has(to.toLowerCase())) return "Target command name already exists";
    this.#byName.delete(from.toLowerCase());
    if (to !== "") this.#byName.set(to.toLowerCase(), command);
    this.#slots.fill(undefined);
    for (const [name, one] of this.#byName) this.#place(name, one);
    return null;
  }

  #register(facts: CommandFacts, handlers: Map<string, Handler>): void {
    const nested = facts.subcommands?.filter((one) => handlers.has(one.name)) ?? [];
    const own = handlers.get(facts.name);
    if (own === undefined && nested.length === 0) return;
    const subcommands = facts.subcommands === undefined || nested.length === 0 ? null : new Map<string, Command>();
    const shown = subcommands === null ? facts : { ...facts, subcommands: nested };
    const command = new Command(shown, this.#byId.length, own ?? unreachableContainer, subcommands);
    this.#byId.push(command);
    handlers.delete(facts.name);
    for (const one of nested) {
      const sub = new Command(one, this.#byId.length, handlers.get(one.name)!, null);
      this.#byId.push(sub);
      subcommands!.set(one.name.slice(one.name.indexOf("|") + 1), sub);
      handlers.delete(one.name);
    }
    this.#byName.set(facts.name, command);
    this.#place(facts.name, command);
  }

  #place(name: string, command: Command): void {
    const upper = ascii(name.toUpperCase());
    let at = slotOf(upper, 0, upper.length);
    while (this.#slots[at] !== undefined) at = (at + 1) & (SLOTS - 1);
    this.#slots[at] = { name: upper, command };
  }
}

/** A slot by length and a few letters, case folded. */
function slotOf(bytes: Uint8Array, offset: number, length: number): number {
  if (length === 0) return 0;
  const first = bytes[offset] & 0xdf,
    middle = bytes[offset + (length >>> 1)] & 0xdf,
    last = bytes[offset + length - 1] & 0xdf;
  return (length * 131 + first * 31 + middle * 17 + last * 7) & (SLOTS - 1);
}

/** Dispatch never runs a container: it runs the subcommand or refuses. */
function unreachableContainer(): void {
  assert(false, "a container command is never run itself");
}
