/** What the commands on one set and those on several share: replying with members, storing a set. */
import { TYPE } from "../keyspace/entry.ts";
import { type SetMember, type SetRef, SetWalk } from "../keyspace/values/set_value.ts";
import type { MemoryReader } from "../memory/mod.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import { MEMBER_BYTES_AT, memberLength } from "../structures/member_dict.ts";
import type { CommandContext } from "./context.ts";

const walk = new SetWalk();

export function replyMember(reply: ReplyWriter, memory: MemoryReader, member: SetMember): void {
  if (member.isInteger) reply.bulkInteger(member.integer);
  else reply.bulkFrom(memory, member.entry, MEMBER_BYTES_AT, memberLength(memory, member.entry));
}

/** Replies with all members of a set. */
export function replyMembers(ctx: CommandContext, one: SetRef): void {
  const memory = ctx.keyspace.memory, reply = ctx.reply;
  walk.start(memory, one.value, one.encoding);
  while (walk.next()) replyMember(reply, memory, walk.member);
}

/** Gives a new set to the key that an argument names, replacing what that held. */
export function storeSet(ctx: CommandContext, index: number, one: SetRef): void {
  const args = ctx.args, at = args.offsets[index], length = args.lengths[index];
  ctx.keyspace.setValue(ctx.db, args.bytes, at, length, TYPE.set, one.encoding, one.value);
}
