/** The SLOWLOG command. */
import type { CommandContext, Handlers } from "../../commands/context.ts";
import type { Server } from "../server.ts";
import type { SlowlogEntry } from "../slowlog.ts";
import { help } from "./help.ts";

const COUNT_DEFAULT = 10;
const COUNT_ERROR = "count should be greater than or equal to -1";

export function slowlogCommands(server: Server): Handlers {
  const { entries } = server.slowlog;

  function get(ctx: CommandContext): void {
    const count = ctx.args.count > 2 ? ctx.integer(2, COUNT_ERROR) : COUNT_DEFAULT;
    if (Number.isNaN(count)) return;
    if (count < -1) return ctx.reply.error(COUNT_ERROR);
    const shown = count === -1 ? entries : entries.slice(0, count);
    ctx.reply.startArray(shown.length);
    for (const entry of shown) replyEntry(ctx, entry);
  }

  function replyEntry({ reply }: CommandContext, entry: SlowlogEntry): void {
    reply.startArray(6);
    reply.integer(entry.id);
    reply.integer(entry.unixSeconds);
    reply.integer(entry.microseconds);
    reply.startArray(entry.args.length);
    for (const argument of entry.args) reply.bytes(argument);
    reply.text(entry.address);
    reply.text(entry.clientName);
  }

  function reset(ctx: CommandContext): void {
    server.slowlog.trim(0);
    ctx.reply.ok();
  }

  return {
    "slowlog|get": get,
    "slowlog|len": (ctx) => ctx.reply.integer(entries.length),
    "slowlog|reset": reset,
    "slowlog|help": slowlogHelp,
  };
}

const slowlogHelp = help(
  "GET [<count>]",
  "    Show the newest <count> entries (default: 10, -1 for all).",
  "    An entry is: id, Unix time, microseconds, arguments, address and name of the client.",
  "LEN",
  "    Count the entries.",
  "RESET",
  "    Forget all entries.",
);
