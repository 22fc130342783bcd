/**
 * Executes requests: looks the command up, refuses what may not run now, queues inside MULTI, runs the rest, and accounts for it.
 *
 * The order of checks is Redis's, because clients see which error wins. Commands run to completion, one at a time. One call of
 * `execute` is one atomic unit: everything it changes is logged together, before anyone's reply is sent.
 */
import { InvariantError } from "../base/assert.ts";
import { CommandContext } from "../commands/context.ts";
import { ERROR } from "../commands/errors.ts";
import { type Command, type CommandTable, FLAG } from "../commands/registry.ts";
import { OutOfArenaError } from "../memory/mod.ts";
import { Args } from "../resp/args.ts";
import { type Client, REPLY_MODE } from "./client.ts";
import type { Propagator } from "./propagation.ts";

/** What the dispatcher asks of the rest of the server. */
export interface DispatchHost {
  readonly context: CommandContext;
  readonly table: CommandTable;
  readonly propagator: Propagator;
  /** Non-zero when any of the checks in `refusalNow` may apply. */
  gates: number;
  /** Why a command may not run now (loading, disk error, memory, pause), or null. "postpone" makes it wait. */
  refusalNow(client: Client, command: Command, flags: number, args: Args): string | null;
  /** Whether this client must authenticate first. */
  authRequired(client: Client): boolean;
  /** Why a protected command is not allowed, or null. */
  protectedRefusal(client: Client, command: Command): string | null;
  /** Called before a command runs, when anyone monitors. */
  feedMonitors(client: Client, args: Args): void;
  readonly hasMonitors: boolean;
  /** Who waits for keys: served after each unit that made some ready. */
  readonly blocking: { readonly hasReady: boolean; serveReady(): void };
  /** Told of what clients do that track keys. */
  readonly tracking: {
    remember(client: Client, command: Command, args: Args): void;
    commandDone(client: Client, command: Command): void;
  };
  /** Whether every single command must be timed: a slow log or latency threshold that a quick one could reach. */
  readonly timesEachCommand: boolean;
  /** Called for each command with its time, or its share of a group's. */
  commandTimed(command: Command, microseconds: number): void;
  /** Called after a command that was timed by itself, or the last of a group with the group's time. */
  commandRan(client: Client, command: Command, args: Args, microseconds: number): void;
  errorReplied(text: string): void;
  nowUs(): number;
  /** The client's command has been logged. */
  logged(client: Client): void;
  /** Unix ms at the moment `nowUs` was read last. */
  commandTimeMs(nowUs: number): number;
  securityWarning(client: Client): void;
}

/**
 * Reading the clock costs a tenth of what GET does, so quick commands that follow one another are timed together, this many at most, and
 * share the time evenly; larger requests and other commands are timed one by one.
 */
const GROUP_MAX = 8;
const GROUP_BYTES_MAX = 4096;
export const POSTPONE = "postpone";
/** Arguments that a transaction may queue in all before it is refused for lack of memory. */
const UNKNOWN_ARGUMENTS_SHOWN_BYTES = 128;

export class Dispatcher {
  readonly #host: DispatchHost;
  readonly #ctx: CommandContext;
  /** Inside EXEC or a replayed transaction: the unit is still open. */
  #inTransaction = false;
  /** Errors its client had got when the last queue was done: those are its commands', and EXEC did not fail by them. */
  #errorsOfQueue = -1;
  /** When the last command ended, while nothing else has come in between; else 0. */
  #clockUs = 0;
  /** When the first command of the batch began. */
  #batchStartUs = 0;
  /** Commands that have run since the clock was read. */
  readonly #group: Command[] = [];
  #grouped = 0;
  /** Their requests and replies, in bytes. */
  #groupedBytes = 0;
  executedCommands = 0;
  /** Table id of commands that transactions need to know. */
  readonly #passesThroughMulti: ReadonlySet<Command>;

  constructor(host: DispatchHost) {
    this.#host = host, this.#ctx = host.context;
    const names = ["exec", "discard", "multi", "watch", "quit", "reset"];
    this.#passesThroughMulti = new Set(names.map((name) => host.table.named(name)!).filter((one) => one !== undefined));
  }

  /** Requests of a client follow: time that passed since the last command is not theirs. */
  beginBatch(): void {
    this.#clockUs = 0;
  }

  /** How long the client's requests have been running, as far as the clock was read. */
  get batchUs(): number {
    return this.#clockUs - this.#batchStartUs;
  }

  /** The client's requests are done for now. */
  endBatch(): void {
    if (this.#grouped > 0) this.#settle(this.#clockUs);
    this.#clockUs = 0;
  }

  /** Runs the request that the client's parser holds. Returns false when it has to wait. */
  execute(client: Client): boolean {
    const args = client.parser.args, reply = client.reply, host = this.#host;
    let command = host.table.find(args.bytes, args.offsets[0], args.lengths[0]);
    if (command === undefined) return this.#unknown(client, args), true;
    if (command.subcommands !== null && args.count > 1) {
      const sub = this.#subcommand(client, command, args);
      if (sub === null) return true;
      command = sub;
    }
    client.lastCommand = command;
    const arity = command.arity;
    if (arity > 0 ? args.count !== arity : args.count < -arity) {
      return this.reject(client, command, `wrong number of arguments for '${command.fullName}' command`), true;
    }
    if (host.gates !== 0 || command.flags & FLAG.protected || client.queue !== null || client.isSubscriber) {
      const waits = this.#gate(client, command, args);
      if (waits !== null) return waits;
    }
    if (client.queue !== null && !this.#passesThroughMulti.has(command)) {
      this.#enqueue(client, command, args);
      return true;
    }
    const start = reply.length;
    this.call(client, command, args);
    const isWhole = (command.flags & FLAG.touchesArbitraryKeys) === 0;
    if (host.propagator.endUnit(isWhole)) host.logged(client);
    // What a client waits for is replied later.
    if (client.replyMode !== REPLY_MODE.on && client.waiting === null) this.applyReplyMode(client, start);
    if (client.tracking !== null) host.tracking.commandDone(client, command);
    if (host.blocking.hasReady) host.blocking.serveReady();
    return true;
  }

  /** Runs one command; used by `execute`, EXEC and replay. Leaves the unit open. */
  call(client: Client, command: Command, args: Args): void {
    const ctx = this.#ctx, host = this.#host, reply = client.reply, keyspace = ctx.keyspace;
    ctx.client = client, ctx.reply = reply, ctx.db = client.db, ctx.args = args;
    keyspace.memory.cow.commandId = command.id;
    // The end of one command is the start of the next: the clock is read once a command.
    const startUs = this.#clockUs > 0 ? this.#clockUs : this.#batchStartUs = host.nowUs();
    keyspace.nowMs = host.commandTimeMs(startUs);
    const dirty = keyspace.dirty, errors = reply.errors, start = reply.length;
    host.propagator.beginCommand(client.db.index);
    this.#errorsOfQueue = -1;
    try {
      command.run(ctx);
    } catch (error) {
      this.#failed(client, error, start);
    }
    if (client.tracking !== null && (command.flags & FLAG.readonly) !== 0) {
      host.tracking.remember(client, command, args);
    }
    // Afterwards, so that EXEC comes after what it ran.
    if (host.hasMonitors && (command.flags & (FLAG.skipMonitor | FLAG.admin)) === 0) host.feedMonitors(client, args);
    // A save sets the count of changes back: that is none.
    host.propagator.endCommand(args, keyspace.dirty > dirty);
    this.executedCommands++;
    command.statistics.calls++;
    if (reply.errors !== errors && reply.errors !== this.#errorsOfQueue) {
      command.statistics.failedCalls++, host.errorReplied(reply.lastError);
    }
    const group = this.#group;
    group[this.#grouped++] = command;
    this.#groupedBytes += args.rawEnd - args.rawStart + reply.length - start;
    if (
      command.isQuick && this.#grouped < GROUP_MAX && this.#groupedBytes < GROUP_BYTES_MAX && !host.timesEachCommand
    ) {
      this.#clockUs = startUs;
      return;
    }
    this.#settle(startUs, client.waiting !== null);
    if (client.waiting === null) host.commandRan(client, command, args, this.#clockUs - startUs);
  }

  /** Reads the clock and shares the time since `startUs` among the commands that ran since. One that waits counts once it is served. */
  #settle(startUs: number, lastWaits = false): void {
    const endUs = this.#clockUs = this.#host.nowUs(), share = (endUs - startUs) / this.#grouped;
    for (let i = 0; i < this.#grouped; i++) {
      const command = this.#group[i];
      command.statistics.microseconds += share;
      if (!lastWaits || i < this.#grouped - 1) this.#host.commandTimed(command, share);
    }
    this.#grouped = this.#groupedBytes = 0;
  }

  /** Runs the commands of a transaction as one unit. */
  callQueued(client: Client): void {
    this.#inTransaction = true;
    for (const { command, args } of client.queue!) this.callNested(client, command, args);
    this.#inTransaction = false;
    this.#errorsOfQueue = client.reply.errors;
    this.#host.propagator.suppress();
  }

  /** Runs a command while another one (EXEC, DEBUG LOADAOF) is running, whose context comes back afterwards. */
  callNested(client: Client, command: Command, args: Args): void {
    const ctx = this.#ctx, { client: outerClient, reply, db, args: outerArgs } = ctx;
    this.call(client, command, args);
    ctx.client = outerClient, ctx.reply = reply, ctx.db = db, ctx.args = outerArgs;
    this.#host.propagator.beginCommand(db === undefined ? 0 : db.index);
  }

  /** Whether a transaction's commands are being run. */
  get isInTransaction(): boolean {
    return this.#inTransaction;
  }

  /** Refuses a known command before it runs. */
  reject(client: Client, command: Command, error: string): void {
    if (client.queue !== null) client.queueRefused = true;
    command.statistics.rejectedCalls++;
    this.#replyError(client, error);
  }

  #replyError(client: Client, error: string): void {
    const start = client.reply.length;
    client.reply.error(error);
    this.#host.errorReplied(client.reply.lastError);
    if (client.replyMode !== REPLY_MODE.on) this.applyReplyMode(client, start);
  }

  #unknown(client: Client, args: Args): void {
    const name = args.latin1(0).toLowerCase();
    client.lastCommand = null;
    if (name === "host:" || name === "post") {
      this.#host.securityWarning(client);
      return client.close();
    }
    let shown = "";
    for (let i = 1; i < args.count && shown.length < UNKNOWN_ARGUMENTS_SHOWN_BYTES; i++) {
      shown += `'${args.text(i).slice(0, UNKNOWN_ARGUMENTS_SHOWN_BYTES - shown.length)}' `;
    }
    if (client.queue !== null) client.queueRefused = true;
    const shownName = args.text(0).slice(0, UNKNOWN_ARGUMENTS_SHOWN_BYTES);
    this.#replyError(client, `unknown command '${shownName}', with args beginning with: ${shown}`);
  }

  /** The subcommand that is meant, or null with the error replied. */
  #subcommand(client: Client, container: Command, args: Args): Command | null {
    const sub = container.subcommands!.get(args.latin1(1).toLowerCase());
    if (sub !== undefined) return sub;
    if (client.queue !== null) client.queueRefused = true;
    const shown = args.text(1).slice(0, UNKNOWN_ARGUMENTS_SHOWN_BYTES);
    this.#replyError(client, `unknown subcommand '${shown}'. Try ${container.fullName.toUpperCase()} HELP.`);
    return null;
  }

  /** The checks that seldom apply: null when the command may go on, else what `execute` returns. */
  #gate(client: Client, command: Command, args: Args): boolean | null {
    const host = this.#host;
    let flags = command.flags;
    if ((flags & FLAG.protected) !== 0) {
      const refusal = host.protectedRefusal(client, command);
      if (refusal !== null) return this.reject(client, command, refusal), true;
    }
    if (host.authRequired(client) && (flags & FLAG.noAuth) === 0) {
      return this.reject(client, command, ERROR.noAuth), true;
    }
    if (client.queue !== null) {
      if ((flags & FLAG.noMulti) !== 0) {
        return this.reject(client, command, "Command not allowed inside a transaction"), true;
      }
      if (command.fullName === "exec") flags = queueFlags(client, flags);
    }
    const refusal = host.refusalNow(client, command, flags, args);
    if (refusal === null) return null;
    if (refusal === POSTPONE) return false;
    if (command.fullName === "exec") {
      // Redis aborts the transaction, and says why.
      client.discardQueue();
      this.reject(client, command, `EXECABORT Transaction discarded because of: ${refusal.replace(/^ERR /, "")}`);
      return true;
    }
    return this.reject(client, command, refusal), true;
  }

  #enqueue(client: Client, command: Command, args: Args): void {
    const copy = new Args();
    copy.copyFrom(args);
    client.queue!.push({ command, args: copy });
    client.queueBytes += copy.bytes.length;
    const start = client.reply.length;
    client.reply.status("QUEUED");
    if (client.replyMode !== REPLY_MODE.on) this.applyReplyMode(client, start);
  }

  /** CLIENT REPLY OFF and SKIP: what was written since `start` is taken back; messages stay. */
  applyReplyMode(client: Client, start: number): void {
    if (client.replyMode === REPLY_MODE.skipNext) {
      client.replyMode = REPLY_MODE.skip;
      client.keptReplies.length = 0;
      return;
    }
    client.dropReplies(start);
    if (client.replyMode === REPLY_MODE.skip) client.replyMode = REPLY_MODE.on;
  }

  #failed(client: Client, error: unknown, start: number): void {
    if (!(error instanceof OutOfArenaError) || error instanceof InvariantError) throw error;
    client.reply.truncate(start);
    client.reply.error(ERROR.arenaFull);
  }
}

/** EXEC is as much of a write (or of a memory user) as what it runs. */
function queueFlags(client: Client, flags: number): number {
  const allowing = FLAG.loading | FLAG.stale;
  let all = flags, allowed = flags & allowing;
  for (const { command } of client.queue!) {
    all |= command.flags & (FLAG.write | FLAG.readonly | FLAG.denyoom);
    allowed &= command.flags;
  }
  return (all & ~allowing) | allowed;
}
