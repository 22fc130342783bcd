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
