/** What reading and claiming log: as Redis, commands that give a group's state without repeating how it came about. */
import { formatI64, I64, INTEGER_TEXT_BYTES_MAX } from "../base/integer.ts";
import { EVENT } from "../keyspace/key_events.ts";
import type { Address, MemoryReader } from "../memory/mod.ts";
import { newStreamId, type StreamId } from "../structures/stream_id.ts";
import { CONSUMER, GROUP, readI64At, readIdAt } from "../structures/stream_layout.ts";
import type { CommandContext } from "./context.ts";
import { idText, streamTools } from "./stream_common.ts";

const integer = new I64();
const lastId = newStreamId();
const digits = new Uint8Array(INTEGER_TEXT_BYTES_MAX);

/** Where a group is: the key and the group's name, in bytes that live until they are logged. */
export interface GroupNames {
  readonly key: Uint8Array;
  readonly group: Uint8Array;
}

/** The names that arguments give; null when nothing is logged and nobody is told. */
export function namesIn(ctx: CommandContext, keyIndex: number, groupIndex: number): GroupNames | null {
  return areNamesWanted(ctx) ? { key: ctx.args.slice(keyIndex), group: ctx.args.slice(groupIndex) } : null;
}

export function areNamesWanted(ctx: CommandContext): boolean {
  return ctx.propagation.isWanted || (ctx.keyspace.eventClasses & EVENT.stream) !== 0;
}

/** Logs the state of the pending entry that was found or assigned last. */
export function logClaim(ctx: CommandContext, names: GroupNames | null, group: Address, id: StreamId): void {
  if (names === null) return;
  const memory = ctx.keyspace.memory, groups = streamTools(ctx).streams.groups;
  ctx.propagation.replace(
    "XCLAIM",
    names.key,
    names.group,
    nameAt(memory, groups.consumer, CONSUMER.name),
    "0",
    idText(id),
    "TIME",
    integerText(groups.readDelivered(integer)),
    "RETRYCOUNT",
    integerText(groups.readDeliveries(integer)),
    "FORCE",
    "JUSTID",
    "LASTID",
    idText(readIdAt(memory, group, GROUP.lastId, lastId)),
  );
}

/** Logs how far the group has read. */
export function logLastId(ctx: CommandContext, names: GroupNames | null, group: Address): void {
  if (names === null) return;
  const memory = ctx.keyspace.memory;
  ctx.propagation.replace(
    "XGROUP",
    "SETID",
    names.key,
    names.group,
    idText(readIdAt(memory, group, GROUP.lastId, lastId)),
    "ENTRIESREAD",
    integerText(readI64At(memory, group, GROUP.entriesRead, integer)),
  );
}

export function logNewConsumer(ctx: CommandContext, names: GroupNames | null, consumer: Address): void {
  if (names === null) return;
  const name = nameAt(ctx.keyspace.memory, consumer, CONSUMER.name);
  ctx.propagation.replace("XGROUP", "CREATECONSUMER", names.key, names.group, name);
}

/** A group's or consumer's name; its length stands in the word before. */
function nameAt(memory: MemoryReader, block: Address, nameOffset: number): Uint8Array {
  const name = new Uint8Array(memory.u32(block, nameOffset - 4));
  memory.copyOut(block, nameOffset, name, 0, name.length);
  return name;
}

function integerText(value: I64): Uint8Array {
  return digits.slice(0, formatI64(value, digits, 0));
}
