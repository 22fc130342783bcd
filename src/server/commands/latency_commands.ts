/** The LATENCY command: spikes of events over the monitor's threshold, and how long each command takes. */
import type { CommandContext, Handlers } from "../../commands/context.ts";
import type { Command } from "../../commands/registry.ts";
import type { LatencyHistogram } from "../latency_histogram.ts";
import { latencyReport } from "../latency_report.ts";
import type { Server } from "../server.ts";
import { sparkline } from "../sparkline.ts";
import { help } from "./help.ts";

const GRAPH_COLUMNS = 80;

export function latencyCommands(server: Server): Handlers {
  const { events } = server.latency;

  function latest(ctx: CommandContext): void {
    ctx.reply.startArray(events.size);
    for (const { name, spikes, maxMilliseconds } of events.values()) {
      const last = spikes[spikes.length - 1];
      ctx.reply.startArray(4);
      ctx.reply.text(name);
      ctx.reply.integer(last.unixSeconds);
      ctx.reply.integer(last.milliseconds);
      ctx.reply.integer(maxMilliseconds);
    }
  }

  function history(ctx: CommandContext): void {
    const spikes = events.get(ctx.args.text(2))?.spikes ?? [];
    ctx.reply.startArray(spikes.length);
    for (const { unixSeconds, milliseconds } of spikes) {
      ctx.reply.startArray(2);
      ctx.reply.integer(unixSeconds);
      ctx.reply.integer(milliseconds);
    }
  }

  function reset(ctx: CommandContext): void {
    const { args } = ctx;
    let count = args.count === 2 ? server.latency.reset() : 0;
    for (let i = 2; i < args.count; i++) count += server.latency.reset(args.text(i));
    ctx.reply.integer(count);
  }

  function graph(ctx: CommandContext): void {
    const event = events.get(ctx.args.text(2));
    if (event === undefined) return ctx.reply.error(`No samples available for event '${ctx.args.text(2)}'`);
    const nowSeconds = Math.floor(ctx.nowMs / 1000), values = event.spikes.map((spike) => spike.milliseconds);
    const high = Math.max(...values), low = Math.min(...values);
    const samples = event.spikes.map(({ unixSeconds, milliseconds }) => {
      return { value: milliseconds, label: ageLabel(nowSeconds - unixSeconds) };
    });
    const title = `${event.name} - high ${high} ms, low ${low} ms (all time high ${event.maxMilliseconds} ms)`;
    ctx.reply.verbatim(`${title}\n${"-".repeat(GRAPH_COLUMNS)}\n${sparkline(samples)}`);
  }

  // ---- HISTOGRAM -----------------------------------------------------------------------------------------------

  function histogram(ctx: CommandContext): void {
    const { args, reply } = ctx, shown: Command[] = [];
    if (args.count === 2) shown.push(...server.table.all());
    for (let i = 2; i < args.count; i++) {
      const command = server.table.named(args.latin1(i).toLowerCase());
      if (command !== undefined) shown.push(command, ...command.subcommands?.values() ?? []);
    }
    const measured = shown.filter((command) => command.latency !== null);
    reply.startMap(measured.length);
    for (const command of measured) {
      reply.text(command.fullName);
      replyHistogram(ctx, command.latency as LatencyHistogram);
    }
  }

  function replyHistogram({ reply }: CommandContext, histogram: LatencyHistogram): void {
    const rows = histogram.cumulative();
    reply.startMap(2);
    reply.text("calls");
    reply.integer(histogram.count);
    reply.text("histogram_usec");
    reply.startMap(rows.length);
    for (const { microseconds, count } of rows) {
      reply.integer(microseconds);
      reply.integer(count);
    }
  }

  return {
    "latency|latest": latest,
    "latency|history": history,
    "latency|reset": reset,
    "latency|graph": graph,
    "latency|histogram": histogram,
    "latency|doctor": (ctx) => ctx.reply.verbatim(latencyReport(server)),
    "latency|help": latencyHelp,
  };
}

/** How long ago, in the largest unit that gives at least one. */
function ageLabel(seconds: number): string {
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86400)}d`;
}

const latencyHelp = help(
  "DOCTOR",
  "    Report on the recorded spikes, with advice.",
  "GRAPH <event>",
  "    Draw the spikes of <event>.",
  "HISTORY <event>",
  "    Show the spikes of <event>: Unix time and milliseconds.",
  "LATEST",
  "    Show the last and the worst spike of each event.",
  "RESET [<event> ...]",
  "    Forget the spikes of these events, or of all.",
  "HISTOGRAM [COMMAND ...]",
  "    Show how many calls of these commands, or of all, took up to how many microseconds.",
);
