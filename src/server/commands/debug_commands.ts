/**
 * The DEBUG command: what tests need to see or provoke. Facts have no subcommands for it, so it keeps a table of its own.
 * Subcommands that would only make sense for structures of Redis's that this server does not have are unknown.
 */
import { ascii, latin1Encode } from "../../base/bytes.ts";
import { assert } from "../../base/assert.ts";
import { blockThread } from "../../io/clock.ts";
import { DiskFaultPlanError, parseDiskFaultPlan } from "../../io/disk_faults/disk_fault_plan.ts";
import { describeErrno } from "../../io/storage.ts";
import type { CommandContext, Handler, Handlers } from "../../commands/context.ts";
import { ERROR } from "../../commands/errors.ts";
import { databaseArgument } from "../../commands/generic.ts";
import { debugDigest, valueDigest } from "../../keyspace/digest.ts";
import {
  accessOf,
  ENCODING,
  ENCODING_NAMES,
  encodingOf,
  keyLength,
  TYPE,
  typeOf,
  valueOf,
} from "../../keyspace/entry.ts";
import { idleSeconds } from "../../keyspace/access_clock.ts";
import type { ListValues } from "../../keyspace/values/list_value.ts";
import { type Address, NONE } from "../../memory/mod.ts";
import { depthOf, fillOf, LIST } from "../../structures/quicklist.ts";
import { PACKED_THRESHOLD_BYTES } from "../../structures/quicklists.ts";
import { parseMemory } from "../config/config_numbers.ts";
import { REPLY_PEAK_RESET_MS } from "../client_cron.ts";
import { dictReport } from "../dict_report.ts";
import { listpackReport } from "../listpack_report.ts";
import { quicklistReport } from "../quicklist_report.ts";
import { encodeCommand } from "../../resp/encode_command.ts";
import type { Server } from "../server.ts";
import { rewriteConfigFile } from "./config_commands.ts";
import { help } from "./help.ts";
import { debugProtocol } from "./debug_protocol.ts";

/** Bytes of a DUMP payload that are not the value: type, version, checksum. */
const PAYLOAD_FRAME_BYTES = 11;
/** Redis refuses thresholds next to what its lengths of 32 bits hold. */
const PACKED_THRESHOLD_BYTES_MAX = 2 ** 32 - 2 ** 20;
const NO_DIGEST = "0".repeat(40);

interface Subcommand {
  readonly run: Handler;
  /** Numbers of arguments, both words included. */
  readonly min: number;
  readonly max: number;
}

export function debugCommands(server: Server): Handlers {
  const { keyspace } = server;

  const subcommands: Readonly<Record<string, Subcommand>> = {
    "sleep": exactly(3, sleep),
    "reload": { run: reload, min: 2, max: Infinity },
    "loadaof": exactly(2, loadAof),
    "digest": exactly(2, digest),
    "digest-value": { run: digestValue, min: 2, max: Infinity },
    "populate": { run: populate, min: 3, max: 5 },
    "object": exactly(3, object),
    "sdslen": exactly(3, sdslen),
    "quicklist": { run: quicklist, min: 3, max: 4 },
    "quicklist-packed-threshold": exactly(3, packedThreshold),
    "listpack": exactly(3, listpack),
    "htstats": exactly(3, htstats),
    "htstats-key": exactly(3, htstatsKey),
    "set-active-expire": exactly(3, toggle((on) => server.cron.activeExpire = on)),
    "pause-cron": exactly(3, toggle((on) => server.cron.paused = on)),
    "config-rewrite-force-all": exactly(2, rewriteWholeConfig),
    "replybuffer": exactly(4, replyBuffer),
    "set-skip-checksum-validation": exactly(3, toggle((on) => server.persistence.skipChecksum = on)),
    "aof-flush-sleep": exactly(3, aofFlushSleep),
    "log": exactly(3, log),
    "error": exactly(3, error),
    "protocol": exactly(3, debugProtocol),
    "disk-faults": exactly(3, diskFaults),
    "change-repl-id": exactly(2, changeReplicationId),
    "replicate": { run: replicate, min: 3, max: Infinity },
    "panic": exactly(2, crash),
    "assert": exactly(2, crash),
    "segfault": exactly(2, crash),
    "help": exactly(2, debugHelp),
  };

  function debug(ctx: CommandContext): void {
    const { args } = ctx, name = args.latin1(1).toLowerCase();
    const found = Object.hasOwn(subcommands, name) ? subcommands[name] : undefined;
    if (found !== undefined && args.count >= found.min && args.count <= found.max) return found.run(ctx);
    const command = args.text(0).toUpperCase();
    ctx.reply.error(
      `unknown subcommand or wrong number of arguments for '${args.text(1).slice(0, 128)}'. Try ${command} HELP.`,
    );
  }

  // ---- the server's clockwork ----------------------------------------------------------------------------------

  /** Blocks the whole thread, as a slow command would. */
  function sleep(ctx: CommandContext): void {
    const seconds = parseFloat(ctx.args.latin1(2)) || 0;
    if (seconds > 0) blockThread(seconds * 1000);
    ctx.reply.ok();
  }

  function aofFlushSleep(ctx: CommandContext): void {
    server.persistence.aofFlushSleepUs = leadingInteger(ctx, 2);
    ctx.reply.ok();
  }

  function rewriteWholeConfig(ctx: CommandContext): void {
    const failure = rewriteConfigFile(server, server.system.configFile, true);
    if (failure === null) ctx.reply.ok();
    else ctx.reply.error(`CONFIG-REWRITE-FORCE-ALL failed: ${describeErrno(failure.code)}`);
  }

  function replyBuffer(ctx: CommandContext): void {
    const { args, reply } = ctx, cron = server.clientCron;
    if (args.equalsIgnoreCase(2, "resizing")) cron.resizesReplyBuffers = leadingInteger(ctx, 3) !== 0;
    else if (!args.equalsIgnoreCase(2, "peak-reset-time")) return reply.error(ERROR.syntax);
    else if (args.equalsIgnoreCase(3, "never")) cron.replyPeakResetMs = -1;
    else if (args.equalsIgnoreCase(3, "reset")) cron.replyPeakResetMs = REPLY_PEAK_RESET_MS;
    else {
      const milliseconds = ctx.integer(3);
      if (Number.isNaN(milliseconds)) return;
      cron.replyPeakResetMs = milliseconds;
    }
    reply.ok();
  }

  /** A plan is checked as a whole before it takes the place of the one so far. */
  function diskFaults(ctx: CommandContext): void {
    const { args, reply } = ctx, layer = server.diskFaults;
    if (args.equalsIgnoreCase(2, "status")) {
      return reply.verbatim(layer.active === null ? "off" : layer.status().join("\n"));
    }
    if (args.equalsIgnoreCase(2, "off")) layer.stop(), server.log.warning("The disk fails by no plan any more");
    else if (!startFaults(ctx)) return;
    reply.ok();
  }

  /** False with the error replied. */
  function startFaults({ args, reply }: CommandContext): boolean {
    try {
      server.diskFaults.start(parseDiskFaultPlan(args.text(2)));
    } catch (error) {
      if (!(error instanceof DiskFaultPlanError)) throw error;
      reply.error(`Cannot use this plan of disk faults: ${error.message}`);
      return false;
    }
    server.log.warning(`The disk fails by a new plan: ${args.text(2)}`);
    return true;
  }

  function changeReplicationId(ctx: CommandContext): void {
    server.log.warning("Changing replication IDs after receiving DEBUG change-repl-id");
    server.replication.changeId();
    ctx.reply.ok();
  }

  /** Sends replicas any command, without running it here. */
  function replicate(ctx: CommandContext): void {
    const { args } = ctx, { replication } = server, words: Uint8Array[] = [];
    for (let i = 2; i < args.count; i++) words.push(args.slice(i));
    if (!replication.isReplica && replication.stream.isOpen) replication.stream.appendAnywhere(encodeCommand(words));
    ctx.reply.ok();
  }

  function log(ctx: CommandContext): void {
    server.log.warning(`DEBUG LOG: ${ctx.args.text(2)}`);
    ctx.reply.ok();
  }

  // ---- persistence ---------------------------------------------------------------------------------------------

  function reload(ctx: CommandContext): void {
    const { args } = ctx, options = { save: true, flush: true, merge: false };
    for (let i = 2; i < args.count; i++) {
      if (args.equalsIgnoreCase(i, "merge")) options.merge = true;
      else if (args.equalsIgnoreCase(i, "noflush")) options.flush = false;
      else if (args.equalsIgnoreCase(i, "nosave")) options.save = false;
      else return ctx.reply.error("DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
    }
    replyLoaded(ctx, server.persistence.reload(options), "DB reloaded by DEBUG RELOAD");
  }

  function loadAof(ctx: CommandContext): void {
    replyLoaded(ctx, server.persistence.loadAof(), "Append Only File loaded by DEBUG LOADAOF");
  }

  function replyLoaded(ctx: CommandContext, failure: string | null, done: string): void {
    if (failure !== null) return ctx.reply.error(failure);
    server.log.warning(done);
    ctx.reply.ok();
  }

  // ---- data ----------------------------------------------------------------------------------------------------

  function digest(ctx: CommandContext): void {
    ctx.reply.status(debugDigest(keyspace.memory, keyspace.databases));
  }

  /** Keys that have expired count: this looks at what is there. */
  function digestValue(ctx: CommandContext): void {
    ctx.reply.startArray(ctx.args.count - 2);
    for (let i = 2; i < ctx.args.count; i++) {
      const entry = ctx.lookupEvenExpired(i);
      ctx.reply.status(entry === NONE ? NO_DIGEST : valueDigest(keyspace.memory, entry));
    }
  }

  /** Sets keys that are not there; not logged, as in Redis. */
  function populate(ctx: CommandContext): void {
    const { args, db } = ctx;
    const keys = positive(ctx, 2), valueBytes = args.count > 4 ? positive(ctx, 4) : 0;
    if (Number.isNaN(keys) || Number.isNaN(valueBytes)) return;
    const prefix = args.count > 3 ? args.latin1(3) : "key";
    keyspace.dict.reserve(db.dict, keyspace.size(db) + keys);
    for (let i = 0; i < keys; i++) {
      const key = latin1Encode(`${prefix}:${i}`);
      if (keyspace.lookupQuiet(db, key, 0, key.length) !== NONE) continue;
      const value = populatedValue(i, valueBytes);
      keyspace.setString(db, key, 0, key.length, value, 0, value.length);
    }
    ctx.reply.ok();
  }

  function object(ctx: CommandContext): void {
    const entry = ctx.lookupEvenExpired(2), { memory } = keyspace;
    if (entry === NONE) return ctx.reply.error(ERROR.noSuchKey);
    const serializedBytes = server.dumpPayload(entry).length - PAYLOAD_FRAME_BYTES;
    const access = accessOf(memory, entry), idle = server.usesLfu ? 0 : idleSeconds(access, ctx.nowMs);
    ctx.reply.status(
      `Value at:0x${(entry * 8).toString(16)} refcount:1 encoding:${ENCODING_NAMES[encodingOf(memory, entry)]} ` +
        `serializedlength:${serializedBytes} lru:${access} lru_seconds_idle:${idle}${quicklistFields(entry)}`,
    );
  }

  /** What DEBUG OBJECT says of a list besides. */
  function quicklistFields(entry: Address): string {
    const { memory } = keyspace, { lists } = keyspace.types[TYPE.list] as ListValues;
    if (typeOf(memory, entry) !== TYPE.list) return "";
    const list = valueOf(memory, entry), nodes = lists.nodes(list), options = memory.u32(list, LIST.options);
    return ` ql_nodes:${nodes} ql_avg_node:${twoDecimals(lists.length(list) / nodes)} ` +
      `ql_listpack_max:${fillOf(options)} ql_compressed:${depthOf(options) > 0 ? 1 : 0} ` +
      `ql_uncompressed_size:${lists.contentBytes(list)}`;
  }

  function packedThreshold(ctx: CommandContext): void {
    const parsed = parseMemory(ctx.args.latin1(2)), bytes = Number(parsed);
    if (parsed === null || bytes > PACKED_THRESHOLD_BYTES_MAX) {
      return ctx.reply.error("argument must be a memory value bigger than 1 and smaller than 4gb");
    }
    (keyspace.types[TYPE.list] as ListValues).lists.packedThresholdBytes = bytes === 0 ? PACKED_THRESHOLD_BYTES : bytes;
    ctx.reply.ok();
  }

  function sdslen(ctx: CommandContext): void {
    const entry = ctx.lookupEvenExpired(2), { memory, place, allocator } = keyspace;
    if (entry === NONE) return ctx.reply.error(ERROR.noSuchKey);
    if (typeOf(memory, entry) !== TYPE.string || encodingOf(memory, entry) === ENCODING.int) {
      return ctx.reply.error("Not an sds encoded string.");
    }
    place.locate(memory, entry);
    const blockBytes = allocator.allocatedBytes(place.block);
    const key = `key_sds_len:${keyLength(memory, entry)}, key_sds_avail:0, key_zmalloc: ${
      allocator.allocatedBytes(entry)
    }`;
    const free = blockBytes - place.offsetBytes - place.lengthBytes;
    ctx.reply.status(`${key}, val_sds_len:${place.lengthBytes}, val_sds_avail:${free}, val_zmalloc: ${blockBytes}`);
  }

  function listpack(ctx: CommandContext): void {
    const entry = ctx.lookupReadNoTouch(2), { memory } = keyspace;
    if (entry === NONE) return ctx.reply.error(ERROR.noSuchKey);
    if (encodingOf(memory, entry) !== ENCODING.listpack) return ctx.reply.error("Not a listpack encoded object.");
    const block = valueOf(memory, entry);
    server.log.warning(`Listpack: ${listpackReport(memory.bytesOf(block), memory.placeOf(block))}`);
    ctx.reply.status("Listpack structure printed on stdout");
  }

  function quicklist(ctx: CommandContext): void {
    const entry = ctx.lookupReadNoTouch(2), { memory } = keyspace;
    if (entry === NONE) return ctx.reply.error(ERROR.noSuchKey);
    if (encodingOf(memory, entry) !== ENCODING.quicklist) return ctx.reply.error("Not a quicklist encoded object.");
    const full = ctx.args.count === 4 && leadingInteger(ctx, 3) !== 0;
    server.log.warning(`Quicklist: ${quicklistReport(memory, valueOf(memory, entry), full)}`);
    ctx.reply.status("Quicklist structure printed on stdout");
  }

  function htstats(ctx: CommandContext): void {
    const db = databaseArgument(ctx, 2, "Out of range database");
    if (db === null) return;
    const expires = db.expiry.count === 0
      ? "No stats available for empty dictionaries\n"
      : ` number of elements: ${db.expiry.count}\n (an array, not a hash table)\n`;
    ctx.reply.verbatim(`[Dictionary HT]\n${dictReport(keyspace.dict, db.dict)}[Expires HT]\n${expires}`);
  }

  function htstatsKey(ctx: CommandContext): void {
    const entry = ctx.lookupReadNoTouch(2), { memory } = keyspace;
    if (entry === NONE) return ctx.reply.error(ERROR.noSuchKey);
    const table = keyspace.types[typeOf(memory, entry)]?.hashTable?.(valueOf(memory, entry), encodingOf(memory, entry));
    if (table) return ctx.reply.verbatim(dictReport(table.dict, table.header));
    ctx.reply.error("The value stored at the specified key is not represented using an hash table");
  }

  return { debug };
}

function exactly(count: number, run: Handler): Subcommand {
  return { run, min: count, max: count };
}

/** A switch: anything that starts with a number other than 0 is on. */
function toggle(set: (on: boolean) => void): Handler {
  return (ctx) => {
    set(leadingInteger(ctx, 2) !== 0);
    ctx.reply.ok();
  };
}

/** As atoi reads an argument: 0 when it starts with no number. */
function leadingInteger(ctx: CommandContext, index: number): number {
  return parseInt(ctx.args.latin1(index), 10) || 0;
}

/** A non-negative integer, or NaN with the error replied. */
function positive(ctx: CommandContext, index: number): number {
  const error = "value is out of range, must be positive", value = ctx.integer(index, error);
  if (value < 0) ctx.reply.error(error);
  return value < 0 ? NaN : value;
}

/** As "%.2f" prints a number: of what lies halfway between, to the even digit, where toFixed goes up. */
function twoDecimals(value: number): string {
  const hundredths = Math.floor(value * 100),
    isHalfway = Number.isInteger(value * 8) && value * 100 - hundredths === 0.5;
  return isHalfway && hundredths % 2 === 0 ? (hundredths / 100).toFixed(2) : value.toFixed(2);
}

/** "value:<i>", padded with zero bytes or cut to the length asked for. */
function populatedValue(i: number, lengthBytes: number): Uint8Array {
  const text = ascii(`value:${i}`);
  if (lengthBytes === 0) return text;
  const value = new Uint8Array(lengthBytes);
  value.set(text.subarray(0, lengthBytes));
  return value;
}

/** The bytes as they are: an error that no statistics count. */
function error(ctx: CommandContext): void {
  ctx.reply.raw(latin1Encode(`-${ctx.args.latin1(2).replace(/[\r\n]/g, " ")}\r\n`));
}

function crash(ctx: CommandContext): void {
  assert(false, `DEBUG ${ctx.args.text(1).toUpperCase()} was called`);
}

const debugHelp = help(
  "AOF-FLUSH-SLEEP <microsec>",
  "    Sleep before each write to the log.",
  "ASSERT",
  "    Stop the server by a failed assertion.",
  "CHANGE-REPL-ID",
  "    Make a new replication id.",
  "CONFIG-REWRITE-FORCE-ALL",
  "    Write all of the configuration to its file, what is at its default too.",
  "DIGEST",
  "    Show a digest of the whole dataset; equal data has equal digests, in Redis too.",
  "DIGEST-VALUE <key> [<key> ...]",
  "    Show digests of single values.",
  "DISK-FAULTS <json>|OFF|STATUS",
  "    Make the disk fail by a plan, see src/io/disk_faults/disk_fault_plan.ts.",
  "ERROR <string>",
  "    Reply with this error.",
  "HTSTATS <dbid>",
  "    Describe the hash table of a database.",
  "HTSTATS-KEY <key>",
  "    Describe the hash table that a value consists of.",
  "LISTPACK <key>",
  "    Write the elements of a listpack to the server's log.",
  "LOADAOF",
  "    Write and sync the log, then load it in place of the data.",
  "LOG <message>",
  "    Write this to the server's log.",
  "OBJECT <key>",
  "    Describe how a value is stored.",
  "PANIC",
  "    Stop the server by a failed assertion.",
  "PAUSE-CRON <0|1>",
  "    Stop what the server does by the clock, or go on.",
  "POPULATE <count> [<prefix>] [<size>]",
  "    Set <count> keys named <prefix>:<number> (default: key), of <size> bytes. Not logged.",
  "PROTOCOL <type>",
  "    Reply with an example of: string, integer, double, bignum, null, array, set, map,",
  "    attrib, push, verbatim, true, false.",
  "QUICKLIST <key> [<0|1>]",
  "    Write how a list's nodes are filled, and with 1 what is in them, to the server's log.",
  "QUICKLIST-PACKED-THRESHOLD <size>",
  "    Set from which size on list elements have a node of their own; 0 restores the default.",
  "REPLYBUFFER PEAK-RESET-TIME <NEVER|RESET|milliseconds>",
  "    How long the most that replies took of a client's buffer counts.",
  "REPLYBUFFER RESIZING <0|1>",
  "    Leave the reply buffers of clients as they are, or fit them to use.",
  "RELOAD [MERGE] [NOFLUSH] [NOSAVE]",
  "    Save the data and load it again; NOSAVE loads the file as it is, NOFLUSH keeps",
  "    the data, MERGE lets loaded keys replace those that are there.",
  "REPLICATE <string>",
  "    Send this to the replicas.",
  "SDSLEN <key>",
  "    Show the sizes of a key and of its string.",
  "SEGFAULT",
  "    Stop the server by a failed assertion.",
  "SET-ACTIVE-EXPIRE <0|1>",
  "    Stop removing expired keys that nobody looks at, or go on.",
  "SET-SKIP-CHECKSUM-VALIDATION <0|1>",
  "    Skip checksums when loading files and payloads, or check them.",
  "SLEEP <seconds>",
  "    Do nothing for this long; decimals allowed.",
);
