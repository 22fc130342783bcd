/** SUBSCRIBE, PUBLISH and their like. Messages and replies to subscriptions are written by `PubSub`. */
import { globMatch } from "../../base/glob.ts";
import type { CommandContext, Handler, Handlers } from "../../commands/context.ts";
import type { Client } from "../client.ts";
import type { ChannelSpace } from "../pubsub.ts";
import type { Server } from "../server.ts";
import { help, wrongUsage } from "./help.ts";

export function pubsubCommands(server: Server): Handlers {
  const { pubsub } = server;
  const clientOf = (ctx: CommandContext) => ctx.client as Client;

  /** `inTransactions`: a transaction's client waits for one reply a command, which only the old commands may ignore. */
  function subscribeTo(space: ChannelSpace, name: string, inTransactions: boolean): Handler {
    return (ctx) => {
      const { args } = ctx, client = clientOf(ctx);
      const isTransaction = client.queue !== null;
      if (client.id === 0 || (isTransaction && !inTransactions)) {
        return ctx.reply.error(`${name} isn't allowed for a DENY BLOCKING client`);
      }
      for (let i = 1; i < args.count; i++) pubsub.subscribe(client, space, args.slice(i));
    };
  }

  function unsubscribeFrom(space: ChannelSpace): Handler {
    return (ctx) => {
      const { args } = ctx, client = clientOf(ctx);
      if (args.count === 1) return pubsub.unsubscribeAll(client, space);
      for (let i = 1; i < args.count; i++) pubsub.unsubscribe(client, space, args.slice(i));
    };
  }

  function publish(ctx: CommandContext): void {
    const { bytes, offsets, lengths } = ctx.args;
    const receivers = pubsub.publish(bytes, offsets[1], lengths[1], bytes, offsets[2], lengths[2]);
    ctx.propagation.forceToReplicas();
    ctx.reply.integer(receivers);
  }

  function spublish(ctx: CommandContext): void {
    const { bytes, offsets, lengths } = ctx.args;
    const receivers = pubsub.publishToShard(bytes, offsets[1], lengths[1], bytes, offsets[2], lengths[2]);
    ctx.propagation.forceToReplicas();
    ctx.reply.integer(receivers);
  }

  function listChannels(space: ChannelSpace): Handler {
    return (ctx) => {
      const { args, reply } = ctx;
      if (args.count > 3) return ctx.reply.error(wrongUsage(ctx));
      const pattern = args.count === 3 ? args.slice(2) : null, mark = reply.deferArray();
      let found = 0;
      for (const { name } of space.channels.values()) {
        if (pattern !== null && !globMatch(pattern, 0, pattern.length, name, 0, name.length, false)) continue;
        reply.bytes(name);
        found++;
      }
      reply.setDeferredArray(mark, found);
    };
  }

  function countListeners(space: ChannelSpace): Handler {
    return ({ args, reply }) => {
      reply.startArray((args.count - 2) * 2);
      for (let i = 2; i < args.count; i++) {
        reply.bulk(args.bytes, args.offsets[i], args.lengths[i]);
        reply.integer(space.listenersOf(args.bytes, args.offsets[i], args.lengths[i]));
      }
    };
  }

  return {
    subscribe: subscribeTo(pubsub.channels, "SUBSCRIBE", true),
    psubscribe: subscribeTo(pubsub.patterns, "PSUBSCRIBE", true),
    ssubscribe: subscribeTo(pubsub.shards, "SSUBSCRIBE", false),
    unsubscribe: unsubscribeFrom(pubsub.channels),
    punsubscribe: unsubscribeFrom(pubsub.patterns),
    sunsubscribe: unsubscribeFrom(pubsub.shards),
    publish,
    spublish,
    "pubsub|channels": listChannels(pubsub.channels),
    "pubsub|shardchannels": listChannels(pubsub.shards),
    "pubsub|numsub": countListeners(pubsub.channels),
    "pubsub|shardnumsub": countListeners(pubsub.shards),
    "pubsub|numpat": (ctx) => ctx.reply.integer(pubsub.patterns.channels.size),
    "pubsub|help": pubsubHelp,
  };
}

const pubsubHelp = help(
  "CHANNELS [<pattern>]",
  "    List the channels that have listeners, or those of them that match <pattern>.",
  "NUMPAT",
  "    Tell how many patterns have listeners.",
  "NUMSUB [<channel> ...]",
  "    Tell how many listen to each channel, patterns not counted.",
  "SHARDCHANNELS [<pattern>]",
  "    List the shard channels that have listeners, or those of them that match <pattern>.",
  "SHARDNUMSUB [<shardchannel> ...]",
  "    Tell how many listen to each shard channel.",
);
