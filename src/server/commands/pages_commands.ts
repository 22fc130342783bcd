/**
 * PAGES: what copy-on-write does, page by page. It shows the running snapshot, or the last one once it has ended.
 *
 *   PAGES STATS                          figures and the timeline
 *   PAGES MAP, CHANGES, LEGEND           state of each page: `page_map_commands.ts`
 *   PAGES TOP [count]                    copies by structure, by command, and by key (while traced)
 *   PAGES TRACE ON|OFF                   whether copies are counted by key; the directive pages-trace is the same switch
 */
import { latin1Decode, latin1Encode } from "../../base/bytes.ts";
import type { CommandContext, Handlers } from "../../commands/context.ts";
import { ERROR } from "../../commands/errors.ts";
import { legacyRange } from "../../commands/spec/legacy_range.ts";
import { NO_COMMAND, OWNER_NAMES } from "../../memory/mod.ts";
import type { ReplyWriter } from "../../resp/reply_writer.ts";
import { PageTrace } from "../page_trace.ts";
import type { Server } from "../server.ts";
import { help } from "./help.ts";
import { pageMapCommands, SERVER_ITSELF } from "./page_map_commands.ts";

const TOP_DEFAULT = 10;
interface Copies {
  readonly name: string;
  readonly copies: number;
}

export function pagesCommands(server: Server): Handlers {
  const { memory } = server, { cow } = memory, trace = new PageTrace();
  cow.onTrace = () => trace.record(executingKey(), memory.epoch);

  /** First key of the command that is executing, one character a byte; "(server)" for work that no command asked for. */
  function executingKey(): string {
    const { args } = server.context, command = server.table.byId(cow.commandId);
    if (command === undefined) return SERVER_ITSELF;
    const { first } = legacyRange(command.facts.keySpecs);
    if (first <= 0 || first >= args.count) return "(no key)";
    return latin1Decode(args.slice(first));
  }

  function stats({ reply }: CommandContext): void {
    const fields: [string, number][] = [
      ["page-size", memory.pageBytes],
      ["pages", Math.ceil(memory.dataBytes / memory.pageBytes)],
      ["pages-frozen", cow.pagesFrozen],
      ["pages-copied", cow.pagesCopied],
      ["copied-bytes", cow.copiedBytes],
      ["logical-bytes-written", cow.logicalBytes],
      ["data-bytes-at-freeze", cow.dataBytesAtFreeze],
      ["data-bytes", memory.dataBytes],
      ["frame-bytes", memory.frameBytes],
      ["peak-bytes", cow.peakBytes],
      ["total-bytes", memory.dataBytes + memory.frameBytes],
      ["snapshot-live", memory.snapshotLive ? 1 : 0],
      ["snapshot-aborted", cow.aborted ? 1 : 0],
      ["tracing", cow.tracing ? 1 : 0],
    ];
    reply.startMap(fields.length + 2);
    for (const [name, value] of fields) reply.text(name), reply.integer(value);
    reply.text("amplification");
    reply.double(cow.amplification);
    reply.text("timeline");
    replyTimeline(reply);
  }

  /** Points of [milliseconds since the freeze, pages copied, bytes of data and frames]. */
  function replyTimeline(reply: ReplyWriter): void {
    reply.startArray(cow.samples.length);
    for (const { elapsedMs, pagesCopied, totalBytes } of cow.samples) {
      reply.startArray(3);
      reply.integer(Math.round(elapsedMs));
      reply.integer(pagesCopied);
      reply.integer(totalBytes);
    }
  }

  // ---- TOP and TRACE -------------------------------------------------------------------------------------------

  function top(ctx: CommandContext): void {
    const { args, reply } = ctx;
    if (args.count > 3) return reply.error(ERROR.syntax);
    const count = args.count === 3 ? ctx.count(2, "count must be 0 or more") : TOP_DEFAULT;
    if (Number.isNaN(count)) return;
    const keys = trace.top(count);
    reply.startMap(3);
    reply.text("owners"), replyCopies(reply, ranked(cow.byOwner, (owner) => OWNER_NAMES[owner]).slice(0, count));
    reply.text("commands"), replyCopies(reply, ranked(cow.byCommand, commandName).slice(0, count));
    reply.text("keys");
    reply.startArray(keys.length);
    for (const { key, copies } of keys) {
      reply.startArray(2);
      reply.bytes(latin1Encode(key));
      reply.integer(copies);
    }
  }

  function commandName(id: number): string {
    return id === NO_COMMAND ? SERVER_ITSELF : server.table.byId(id)?.fullName ?? "(unknown)";
  }

  function replyCopies(reply: ReplyWriter, rows: readonly Copies[]): void {
    reply.startArray(rows.length);
    for (const { name, copies } of rows) {
      reply.startArray(2);
      reply.text(name);
      reply.integer(copies);
    }
  }

  function switchTrace(ctx: CommandContext): void {
    const on = ctx.args.equalsIgnoreCase(2, "on");
    if (!on && !ctx.args.equalsIgnoreCase(2, "off")) return ctx.reply.error(ERROR.syntax);
    server.config.set([{ name: "pages-trace", value: on ? "yes" : "no" }], {
      isLocal: true,
      isLoading: server.isLoading,
    });
    server.settingsChanged();
    ctx.reply.ok();
  }

  return {
    ...pageMapCommands(server),
    "pages|stats": stats,
    "pages|top": top,
    "pages|trace": switchTrace,
    "pages|help": pagesHelp,
  };
}

/** What was copied at all, most first. */
function ranked(counts: Float64Array, nameOf: (index: number) => string): Copies[] {
  const rows: Copies[] = [];
  counts.forEach((copies, index) => copies > 0 && rows.push({ name: nameOf(index), copies }));
  return rows.sort((a, b) => b.copies - a.copies);
}

const pagesHelp = help(
  "CHANGES <sequence> [<count>]",
  "    Tell which pages changed since <sequence>, which is 0 or what an earlier answer",
  "    ended with, and the figures of memory. Eight bytes a change: page (4, little",
  "    endian), cell (see MAP), 0, number of the command that copied the page (2).",
  "    With 'lost' 1 the changes are no longer kept: read MAP CELLS.",
  "LEGEND",
  "    Name the states, owners and commands of cells and changes, by number.",
  "MAP [<start> <count>] [OWNERS|CELLS]",
  "    Draw pages from number <start>, one character a page; with OWNERS also which",
  "    structure each belongs to; with CELLS one byte a page: state + 4 * owner.",
  "STATS",
  "    Show what the running snapshot, or the last one, copied, and when.",
  "TOP [<count>]",
  "    Show which structures, commands and (with TRACE ON) keys caused most copies.",
  "TRACE (ON|OFF)",
  "    Count copies by key, or stop counting.",
);
