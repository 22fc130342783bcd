/**
 * The configuration of one server: parsed values in plain fields (see Settings), CONFIG GET and CONFIG SET over all
 * directives.
 * Invariants: fields and values always agree; a CONFIG SET takes effect as a whole or not at all; a refused directive
 * keeps its default.
 * Never touches a file, a socket or the working directory: whoever must act on a change registers a hook.
 */

import { matchesPattern } from "./config_pattern.ts";
import { asciiLower, type ByteString, byteStringOfText } from "./config_text.ts";
import { type Directive, type DirectiveFlag, DIRECTIVES } from "./config_directives.ts";
import { ConfigValueError, type DirectoryOutcome, type EnterDirectory, type RewriteLine } from "./config_kinds.ts";
import { type ProtectedActionPolicy, type RenamedCommand, Settings } from "./settings.ts";

/** What the configuration needs to know of the machine. */
export interface ConfigEnvironment {
  /** Absolute path of the directory the server starts in: the default of `dir`. */
  readonly workingDirectory: string;
  readonly enterDirectory: EnterDirectory;
}

export interface ConfigPair {
  readonly name: ByteString;
  readonly value: ByteString;
}

export interface ConfigCaller {
  /** The client is on this machine (loopback or Unix socket). */
  readonly isLocal: boolean;
  /** The server is loading its data set. */
  readonly isLoading: boolean;
}

export interface ConfigSetFailure {
  /** The error reply, with its code and without "-". */
  readonly reply: ByteString;
  /** A warning for the log, or null. */
  readonly log: string | null;
}

/**
 * Called after the values of one CONFIG SET changed; returns null, or why the change cannot be applied (an empty text
 * when there is nothing
 * to say). Then every value is put back and every hook of that CONFIG SET is called again, so a hook works from the
 * current fields only.
 */
export type ChangeHook = () => string | null;

/**
 * A name under which a directive is known. Redis keeps an alias apart from its directive: both may be in one CONFIG
 * SET.
 */
interface Entry {
  readonly name: string;
  readonly index: number;
  readonly directive: Directive;
}

interface Problem {
  readonly name: ByteString;
  readonly reason: string;
  readonly log?: string;
}

const ENTRIES: ReadonlyMap<string, Entry> = new Map(
  DIRECTIVES.flatMap((directive, index) => {
    const names = directive.alias === null ? [directive.name] : [directive.name, directive.alias];
    return names.map((name): [string, Entry] => [name, { name, index, directive }]);
  }),
);

const IMMUTABLE_REASON = "can't set immutable config";
const LOADING_REPLY = "LOADING Redis is loading the dataset in memory";

/** True when a client may do what `policy` guards. */
export function allowsProtectedAction(policy: ProtectedActionPolicy, isLocal: boolean): boolean {
  return policy === "yes" || (policy === "local" && isLocal);
}

/** The directive that `name` or alias means, in any case. */
export function findDirective(name: ByteString): Directive | null {
  return ENTRIES.get(asciiLower(name))?.directive ?? null;
}

/** Resolves a path by its text alone, for servers without a disk. */
export function enterAnyDirectory(path: string, from: string): DirectoryOutcome {
  const parts: string[] = [];
  for (const part of (path.startsWith("/") ? path : `${from}/${path}`).split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return { path: "/" + parts.join("/") };
}

export class Config extends Settings {
  /** What `rename-command` lines asked for, in their order. */
  renamedCommands: readonly RenamedCommand[] = [];
  readonly #environment: ConfigEnvironment;
  readonly #values: unknown[] = [];
  readonly #hooks = new Map<Directive, ChangeHook[]>();

  constructor(environment: ConfigEnvironment) {
    super();
    this.#environment = environment;
    DIRECTIVES.forEach((directive, index) => this.#store(directive, index, directive.kind.defaultValue));
    const dir = requireEntry("dir");
    this.#store(dir.directive, dir.index, byteStringOfText(environment.workingDirectory));
  }

  /** Calls `hook` whenever a CONFIG SET changed the directive `name`. Hooks of one CONFIG SET run once each. */
  onChange(name: string, hook: ChangeHook): void {
    const { directive } = requireEntry(name);
    this.#hooks.set(directive, [...this.#hooks.get(directive) ?? [], hook]);
  }

  /** The value as CONFIG GET prints it. `name` must exist. */
  textOf(name: string): ByteString {
    const { directive, index } = requireEntry(name);
    return directive.kind.format(this.#values[index]);
  }

  /** The lines that redis.conf should have for `directive`. */
  rewriteLinesOf(directive: Directive): readonly RewriteLine[] {
    return directive.kind.rewrite(this.#values[requireEntry(directive.name).index]);
  }

  /**
   * The reply of CONFIG GET: a name without wildcards appears as it was asked for, and each directive once per name.
   */
  get(patterns: readonly ByteString[]): ConfigPair[] {
    const found = new Map<string, ConfigPair>();
    for (const pattern of patterns) {
      if (/[*?[]/.test(pattern)) this.#addMatches(pattern, found);
      else this.#addExact(pattern, found);
    }
    return [...found.values()];
  }

  #addExact(name: ByteString, found: Map<string, ConfigPair>): void {
    const entry = ENTRIES.get(asciiLower(name));
    if (entry !== undefined && !found.has(entry.name)) found.set(entry.name, { name, value: this.#format(entry) });
  }

  #addMatches(pattern: ByteString, found: Map<string, ConfigPair>): void {
    for (const entry of ENTRIES.values()) {
      if (entry.directive.flags.has("hidden") || found.has(entry.name)) continue;
      if (!matchesPattern(pattern, entry.name)) continue;
      found.set(entry.name, { name: entry.name, value: this.#format(entry) });
    }
  }

  /**
   * CONFIG SET. All pairs are checked, then all are set, then the hooks of those that changed run; any failure puts
   * everything back.
   * @returns null when everything was set
   */
  set(pairs: readonly ConfigPair[], caller: ConfigCaller): ConfigSetFailure | null {
    const entries: Entry[] = [];
    for (const { name } of pairs) {
      const failure = this.#checkSettable(name, entries, caller);
      if (failure !== null) return failure;
    }
    const backup = entries.map((entry) => this.#values[entry.index]);
    const problem = this.#assignAll(entries, pairs, backup) ?? this.#applyChanges(entries, backup);
    if (problem === null) return null;
    this.#restore(entries, backup);
    if (problem.log !== undefined) this.#runHooks(entries);
    return setFailure(problem);
  }

  /** Adds the entry of `name` to `entries`, or says why it may not be set. */
  #checkSettable(name: ByteString, entries: Entry[], caller: ConfigCaller): ConfigSetFailure | null {
    const entry = ENTRIES.get(asciiLower(name));
    if (entry === undefined) {
      return { reply: `ERR Unknown option or number of arguments for CONFIG SET - '${name}'`, log: null };
    }
    const has = (flag: DirectiveFlag) => entry.directive.flags.has(flag);
    if (has("immutable")) return setFailure({ name, reason: IMMUTABLE_REASON });
    if (has("protected") && !allowsProtectedAction(this.enableProtectedConfigs, caller.isLocal)) {
      return setFailure({ name, reason: "can't set protected config" });
    }
    if (has("deny-loading") && caller.isLoading) return { reply: LOADING_REPLY, log: null };
    if (entries.includes(entry)) return setFailure({ name, reason: "duplicate parameter" });
    entries.push(entry);
    return null;
  }

  #assignAll(
    entries: readonly Entry[],
    pairs: readonly ConfigPair[],
    backup: readonly unknown[],
  ): Problem | null {
    for (let i = 0; i < entries.length; i++) {
      const { kind, flags } = entries[i].directive;
      const args = flags.has("multi-arg") ? splitAtSpaces(pairs[i].value) : [pairs[i].value];
      const reason = this.#tryAssign(entries[i], args, false);
      if (reason !== null) return { name: entries[i].name, reason };
      if (flags.has("fixed") && kind.format(this.#values[entries[i].index]) !== kind.format(backup[i])) {
        return { name: entries[i].name, reason: IMMUTABLE_REASON };
      }
    }
    return null;
  }

  #applyChanges(entries: readonly Entry[], backup: readonly unknown[]): Problem | null {
    const changed = entries.filter(({ directive, index }, i) =>
      directive.kind.format(this.#values[index]) !== directive.kind.format(backup[i])
    );
    const failed = this.#runHooks(changed);
    if (failed === null) return null;
    const log = `Failed applying new configuration. Possibly related to new ${failed.name} setting. ` +
      "Restoring previous settings.";
    return { ...failed, log };
  }

  /** Runs the hooks of `entries`, each once, until one fails. */
  #runHooks(entries: readonly Entry[]): Problem | null {
    const done = new Set<ChangeHook>();
    for (const entry of entries) {
      for (const hook of this.#hooks.get(entry.directive) ?? []) {
        if (done.has(hook)) continue;
        done.add(hook);
        const reason = hook();
        if (reason !== null) return { name: entry.name, reason };
      }
    }
    return null;
  }

  #restore(entries: readonly Entry[], backup: readonly unknown[]): void {
    entries.forEach((entry, i) => this.#store(entry.directive, entry.index, backup[i]));
  }

  /**
   * Sets one directive as a line of a configuration does: no flag forbids it and no hook runs.
   * @param isRepeated an earlier line of the same load set it
   * @returns null, or Redis's reason for refusing the value
   */
  assignFromLine(name: ByteString, args: readonly ByteString[], isRepeated: boolean): string | null {
    return this.#tryAssign(requireEntry(name), args, isRepeated);
  }

  #tryAssign(entry: Entry, args: readonly ByteString[], isRepeated: boolean): string | null {
    const { directive, index } = entry;
    const context = { isRepeated, enterDirectory: this.#environment.enterDirectory };
    try {
      const value = directive.kind.parse(args, this.#values[index], context);
      checkSupported(directive, value);
      this.#store(directive, index, value);
      return null;
    } catch (error) {
      if (error instanceof ConfigValueError) return error.message;
      throw error;
    }
  }

  #store(directive: Directive, index: number, value: unknown): void {
    this.#values[index] = value;
    const { kind, support } = directive;
    if (support.kind === "used") (this as Record<string, unknown>)[support.field] = kind.setting(value);
  }

  #format(entry: Entry): ByteString {
    return entry.directive.kind.format(this.#values[entry.index]);
  }
}

function requireEntry(name: string): Entry {
  const entry = ENTRIES.get(asciiLower(name));
  if (entry === undefined) throw new RangeError(`Cannot find the directive "${name}"`);
  return entry;
}

function checkSupported(directive: Directive, value: unknown): void {
  const { kind, name, support } = directive;
  if (support.kind !== "refused") return;
  const usual = kind.format(kind.defaultValue);
  if (kind.format(value) === usual) return;
  throw new ConfigValueError(`${name} must stay ${usual === "" ? "unset" : `'${usual}'`}: ${support.reason}`);
}

/** CONFIG SET splits the value of a directive with several arguments at every single space. */
function splitAtSpaces(value: ByteString): ByteString[] {
  return value === "" ? [] : value.split(" ");
}

function setFailure({ name, reason, log }: Problem): ConfigSetFailure {
  const tail = reason === "" ? "" : ` - ${reason}`;
  return { reply: `ERR CONFIG SET failed (possibly related to argument '${name}')${tail}`, log: log ?? null };
}
