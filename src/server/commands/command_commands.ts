/** The COMMAND command: everything it says comes from the command table, so a command that is renamed or missing shows as such. */
import { latin1Encode } from "../../base/bytes.ts";
import { globMatch } from "../../base/glob.ts";
import type { CommandContext, Handlers } from "../../commands/context.ts";
import { ERROR } from "../../commands/errors.ts";
import type { Command } from "../../commands/registry.ts";
import { writeCommandDocs, writeCommandInfo, writeKeyFlags } from "../../commands/spec/command_reply.ts";
import { type ArgumentView, commandGetKeys } from "../../commands/spec/key_search.ts";
import type { Args } from "../../resp/args.ts";
import type { Server } from "../server.ts";
import { help } from "./help.ts";

/** Arguments of COMMAND GETKEYS that come before the command it is asked about. */
const GETKEYS_PREFIX = 2;

export function commandCommands(server: Server): Handlers {
  const commands = (): Command[] => Array.from(server.table.entries(), ([, command]) => command);

  /** By name in any case; "container|subcommand" for a subcommand. */
  function named(ctx: CommandContext, index: number): Command | undefined {
    return server.table.named(ctx.args.latin1(index).toLowerCase());
  }

  function namedFrom(ctx: CommandContext, first: number): (Command | undefined)[] {
    const found: (Command | undefined)[] = [];
    for (let i = first; i < ctx.args.count; i++) found.push(named(ctx, i));
    return found;
  }

  function replyInfo(ctx: CommandContext, shown: readonly (Command | undefined)[]): void {
    ctx.reply.startArray(shown.length);
    for (const command of shown) writeCommandInfo(command?.facts, ctx.reply);
  }

  function info(ctx: CommandContext): void {
    replyInfo(ctx, ctx.args.count === 2 ? commands() : namedFrom(ctx, 2));
  }

  function docs(ctx: CommandContext): void {
    const asked = ctx.args.count === 2 ? commands() : namedFrom(ctx, 2);
    const shown = asked.filter((command) => command !== undefined);
    ctx.reply.startMap(shown.length);
    for (const command of shown) {
      ctx.reply.text(command.fullName);
      writeCommandDocs(command.facts, ctx.reply);
    }
  }

  // ---- LIST ----------------------------------------------------------------------------------------------------

  function list(ctx: CommandContext): void {
    const filter = listFilter(ctx.args);
    if (filter === null) return ctx.reply.error(ERROR.syntax);
    const shown = commands().flatMap((one) => [one, ...one.subcommands?.values() ?? []]).filter(filter);
    ctx.reply.startArray(shown.length);
    for (const command of shown) ctx.reply.text(command.fullName);
  }

  // ---- GETKEYS -------------------------------------------------------------------------------------------------

  /** The command that arguments 2 and on would run. */
  function askedCommand(ctx: CommandContext): Command | undefined {
    const container = named(ctx, GETKEYS_PREFIX);
    if (container?.subcommands == null || ctx.args.count === GETKEYS_PREFIX + 1) return container;
    return container.subcommands.get(ctx.args.latin1(GETKEYS_PREFIX + 1).toLowerCase());
  }

  function getkeys(ctx: CommandContext, withFlags: boolean): void {
    const { args, reply } = ctx;
    const outcome = commandGetKeys(askedCommand(ctx)?.facts, shifted(args, GETKEYS_PREFIX));
    if ("error" in outcome) return reply.error(outcome.error);
    reply.startArray(outcome.keys.length);
    for (const { index, flags } of outcome.keys) {
      if (withFlags) reply.startArray(2);
      reply.bytes(args.slice(index + GETKEYS_PREFIX));
      if (withFlags) writeKeyFlags(flags, reply);
    }
  }

  return {
    command: (ctx) => replyInfo(ctx, commands()),
    "command|count": (ctx) => ctx.reply.integer(commands().length),
    "command|info": info,
    "command|docs": docs,
    "command|list": list,
    "command|getkeys": (ctx) => getkeys(ctx, false),
    "command|getkeysandflags": (ctx) => getkeys(ctx, true),
    "command|help": commandHelp,
  };
}

/** Which commands COMMAND LIST shows, or null when its options are wrong. */
function listFilter(args: Args): ((command: Command) => boolean) | null {
  if (args.count === 2) return () => true;
  if (args.count !== 5 || !args.equalsIgnoreCase(2, "filterby")) return null;
  const wanted = args.latin1(4);
  switch (args.latin1(3).toLowerCase()) {
    case "module": // there are none
      return () => false;
    case "aclcat": {
      const category = `@${wanted.toLowerCase()}`;
      return ({ facts }) => facts.aclCategories.some((one) => one === category);
    }
    case "pattern": {
      const pattern = latin1Encode(wanted);
      return ({ fullName }) => {
        const name = latin1Encode(fullName);
        return globMatch(pattern, 0, pattern.length, name, 0, name.length, true);
      };
    }
    default:
      return null;
  }
}

/** The arguments from `first` on, counted from 0. */
function shifted(args: Args, first: number): ArgumentView {
  return {
    count: args.count - first,
    text: (index) => args.text(index + first),
    equalsIgnoreCase: (index, word) => args.equalsIgnoreCase(index + first, word),
    integer: (index) => args.integer(index + first),
  };
}

const commandHelp = help(
  "(no subcommand)",
  "    Describe all commands.",
  "COUNT",
  "    Count the commands.",
  "LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]",
  "    List names of commands.",
  "INFO [<command-name> ...]",
  "    Describe the named commands, or all.",
  "DOCS [<command-name> ...]",
  "    Document the named commands, or all.",
  "GETKEYS <full-command>",
  "    Pick the keys out of a command with its arguments.",
  "GETKEYSANDFLAGS <full-command>",
  "    The same, with how each key is accessed.",
);
