/** The MEMORY command. */
import type { CommandContext, Handlers } from "../../commands/context.ts";
import { ERROR } from "../../commands/errors.ts";
import { type ClassStatistics, NONE } from "../../memory/mod.ts";
import { humanBytes, type MemoryFigures, memoryFigures, percentOf, ratio } from "../memory_figures.ts";
import type { Server } from "../server.ts";
import { help } from "./help.ts";

const SAMPLES_DEFAULT = 5;
/** Below this there is too little to judge. */
const DOCTOR_BYTES_MIN = 5 << 20;
/** Waste that is not worth a word. */
const DOCTOR_WASTE_BYTES_MIN = 10 << 20;
const DOCTOR_CLIENT_BYTES_MAX = 200 << 10;

export function memoryCommands(server: Server): Handlers {
  function usage(ctx: CommandContext): void {
    const { args, keyspace, reply } = ctx;
    let samples = SAMPLES_DEFAULT;
    for (let i = 3; i < args.count; i += 2) {
      if (!args.equalsIgnoreCase(i, "samples") || i + 1 === args.count) return reply.error(ERROR.syntax);
      samples = ctx.integer(i + 1);
      if (Number.isNaN(samples)) return;
      if (samples < 0) return reply.error(ERROR.syntax);
    }
    const entry = ctx.lookupEvenExpired(2);
    if (entry === NONE) return reply.null();
    reply.integer(keyspace.memoryUsage(entry, samples === 0 ? Number.MAX_SAFE_INTEGER : samples));
  }

  function stats({ reply }: CommandContext): void {
    const figures = memoryFigures(server), { databases } = figures;
    const before = figuresBeforeDatabases(figures), after = figuresAfterDatabases(figures);
    reply.startMap(before.length + databases.length + after.length);
    for (const [name, value] of before) reply.text(name), reply.integer(value);
    for (const { index, mainBytes, expiresBytes } of databases) {
      reply.text(`db.${index}`);
      reply.startMap(3);
      reply.text("overhead.hashtable.main"), reply.integer(mainBytes);
      reply.text("overhead.hashtable.expires"), reply.integer(expiresBytes);
      reply.text("overhead.hashtable.slot-to-keys"), reply.integer(0);
    }
    for (const [name, value] of after) {
      reply.text(name);
      if (/percentage|ratio|fragmentation$/.test(name)) reply.double(value);
      else reply.integer(value);
    }
  }

  function mallocStats(ctx: CommandContext): void {
    ctx.reply.verbatim(classTable(server.allocator.statistics()));
  }

  function doctor(ctx: CommandContext): void {
    ctx.reply.verbatim(doctorReport(memoryFigures(server), server.clients.size, server.memory.frameBytes));
  }

  return {
    "memory|usage": usage,
    "memory|stats": stats,
    "memory|malloc-stats": mallocStats,
    "memory|doctor": doctor,
    // Empty slabs and the frames of ended snapshots have gone back already.
    "memory|purge": (ctx) => {
      server.memory.releaseSpareFrames();
      server.system.collectGarbage();
      ctx.reply.ok();
    },
    "memory|help": memoryHelp,
  };
}

function figuresBeforeDatabases(figures: MemoryFigures): [string, number][] {
  return [
    ["peak.allocated", figures.peakBytes],
    ["total.allocated", figures.usedBytes],
    ["startup.allocated", 0],
    ["replication.backlog", figures.backlogBytes],
    ["clients.slaves", figures.replicaBytes],
    ["clients.normal", figures.clientBytes],
    ["cluster.links", 0],
    ["aof.buffer", figures.aofBufferBytes],
    ["lua.caches", 0],
    ["functions.caches", 0],
  ];
}

function figuresAfterDatabases(figures: MemoryFigures): [string, number][] {
  const { usedBytes, residentBytes, allocatedBytes, activeBytes, committedBytes, keys } = figures;
  return [
    ["overhead.total", figures.overheadBytes],
    ["keys.count", keys],
    ["keys.bytes-per-key", keys === 0 ? 0 : Math.floor(usedBytes / keys)],
    ["dataset.bytes", figures.datasetBytes],
    ["dataset.percentage", percentOf(figures.datasetBytes, usedBytes)],
    ["peak.percentage", percentOf(usedBytes, figures.peakBytes)],
    ["allocator.allocated", allocatedBytes],
    ["allocator.active", activeBytes],
    ["allocator.resident", committedBytes],
    ["allocator-fragmentation.ratio", ratio(activeBytes, allocatedBytes)],
    ["allocator-fragmentation.bytes", activeBytes - allocatedBytes],
    ["allocator-rss.ratio", ratio(committedBytes, activeBytes)],
    ["allocator-rss.bytes", committedBytes - activeBytes],
    ["rss-overhead.ratio", ratio(residentBytes, committedBytes)],
    ["rss-overhead.bytes", residentBytes - committedBytes],
    ["fragmentation", ratio(residentBytes, usedBytes)],
    ["fragmentation.bytes", residentBytes - usedBytes],
  ];
}

/** One line a size class, and a line with the sums. A class of block size 0 is the runs of whole units. */
function classTable(classes: readonly ClassStatistics[]): string {
  const lines = [["class", "blocks", "used bytes", "live bytes", "dead bytes", "fragmentation"]];
  const total: ClassStatistics = { blockBytes: 0, blocks: 0, usedBytes: 0, liveBytes: 0, deadBytes: 0 };
  for (const one of classes) {
    lines.push(classCells(one.blockBytes === 0 ? "runs" : String(one.blockBytes), one));
    total.blocks += one.blocks, total.usedBytes += one.usedBytes;
    total.liveBytes += one.liveBytes, total.deadBytes += one.deadBytes;
  }
  lines.push(classCells("total", total));
  return lines.map((cells) => cells.map((cell) => cell.padStart(14)).join("") + "\n").join("");
}

function classCells(name: string, { blocks, usedBytes, liveBytes, deadBytes }: ClassStatistics): string[] {
  const fragmentation = ratio(usedBytes, liveBytes).toFixed(2);
  return [name, String(blocks), String(usedBytes), String(liveBytes), String(deadBytes), fragmentation];
}

function doctorReport(figures: MemoryFigures, clients: number, frameBytes: number): string {
  const { usedBytes, peakBytes, residentBytes, allocatedBytes, activeBytes, committedBytes } = figures;
  if (usedBytes < DOCTOR_BYTES_MIN) {
    return "This server holds too little data to judge its memory. Come back with more.\n";
  }
  const wastes = (a: number, b: number, limit: number) => ratio(a, b) > limit && a - b > DOCTOR_WASTE_BYTES_MIN;
  const issues: string[] = [];
  if (ratio(peakBytes, usedBytes) > 1.5) {
    issues.push(`Peak memory: ${humanBytes(peakBytes)} was used once, more than 1.5 times what is used now.`);
  }
  if (wastes(activeBytes, allocatedBytes, 1.1)) {
    issues.push(
      `Fragmentation: ${
        humanBytes(activeBytes - allocatedBytes)
      } of the slabs hold nothing, more than 10 % of what is held. ` +
        "MEMORY MALLOC-STATS shows in which size classes.",
    );
  }
  if (frameBytes > DOCTOR_WASTE_BYTES_MIN && ratio(frameBytes, allocatedBytes) > 0.1) {
    issues.push(
      `Copy-on-write: before-images for the running save take ${
        humanBytes(frameBytes)
      }. PAGES TOP shows who causes them.`,
    );
  }
  if (wastes(residentBytes, committedBytes, 1.4)) {
    issues.push(
      `Resident set: the process holds ${
        humanBytes(residentBytes - committedBytes)
      } beyond its pages: buffers, the engine that runs ` +
        "it, or memory of an earlier peak that the operating system has not taken back.",
    );
  }
  if (clients > 0 && figures.clientBytes / clients > DOCTOR_CLIENT_BYTES_MAX) {
    issues.push("Client buffers: more than 200K a client on average. CLIENT LIST shows whose.");
  }
  if (issues.length === 0) return "No memory issue was found in this server.\n";
  return "Memory issues were found in this server:\n\n" + issues.map((issue) => ` * ${issue}\n\n`).join("");
}

const memoryHelp = help(
  "DOCTOR",
  "    Report on memory problems.",
  "MALLOC-STATS",
  "    Show the size classes of the allocator and what is dead in them.",
  "PURGE",
  "    Give free memory back (which happens by itself).",
  "STATS",
  "    Show what memory goes to.",
  "USAGE <key> [SAMPLES <count>]",
  "    Tell the bytes that <key> and its value take. Of nested values <count> are",
  "    sampled (default: 5, 0 for all).",
);
