/** HELP of container commands: Redis's first and last lines around a list of the container's own. */
import type { CommandContext, Handler } from "../../commands/context.ts";

/** A handler that replies with help; `lines` alternate between a usage and its (indented) explanation. */
export function help(...lines: readonly string[]): Handler {
  return (ctx) => replyHelp(ctx, lines);
}

/** The command is named as the client named it, in upper case. */
export function replyHelp(ctx: CommandContext, lines: readonly string[]): void {
  const name = ctx.args.text(0).toUpperCase();
  ctx.reply.startArray(lines.length + 3);
  ctx.reply.status(`${name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`);
  for (const line of lines) ctx.reply.status(line);
  ctx.reply.status("HELP");
  ctx.reply.status("    Prints this help.");
}

/** The reply to a known subcommand with too many arguments. */
export function wrongUsage(ctx: CommandContext): string {
  const name = ctx.args.text(0).toUpperCase();
  return `unknown subcommand or wrong number of arguments for '${ctx.args.text(1)}'. Try ${name} HELP.`;
}

export const objectHelp: Handler = help(
  "ENCODING <key>",
  "    Tell how the value of <key> is stored.",
  "FREQ <key>",
  "    Tell how often <key> is used, by the LFU counter (LFU policies only).",
  "IDLETIME <key>",
  "    Tell how many seconds ago <key> was last used (not with LFU policies).",
  "REFCOUNT <key>",
  "    Tell how many references there are to the value of <key>.",
);

export const streamGroupHelp: Handler = help(
  "CREATE <key> <groupname> <id|$> [option]",
  "    Make a new consumer group. Options are:",
  "    * MKSTREAM",
  "      Make the stream too, if there is none.",
  "    * ENTRIESREAD entries_read",
  "      Set how many entries the group has read (for internal use).",
  "CREATECONSUMER <key> <groupname> <consumer>",
  "    Make a new consumer in the group.",
  "DELCONSUMER <key> <groupname> <consumer>",
  "    Delete the consumer, and what is pending with it.",
  "DESTROY <key> <groupname>",
  "    Delete the group.",
  "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
  "    Set the last id that the group has read, and how many entries.",
);

export const streamInfoHelp: Handler = help(
  "CONSUMERS <key> <groupname>",
  "    Tell about the consumers of the group.",
  "GROUPS <key>",
  "    Tell about the groups of the stream.",
  "STREAM <key> [FULL [COUNT <count>]",
  "    Tell about the stream.",
);
