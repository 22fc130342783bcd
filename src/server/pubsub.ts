/**
 * Publish and subscribe: who listens to which channel, pattern and shard channel, and how messages reach them.
 *
 *   space (channels | patterns | shard channels) -> by name: Channel { its listeners, in order of arrival }
 *   client.subscriptions[space] -> the same Channel objects, in the order in which it subscribed
 *
 * Invariants: a channel that nobody listens to is in no space; a client is in a channel exactly when the channel is among its
 * subscriptions. A message is written into the listeners' reply buffers at once, so that it stands between their replies in the order
 * of execution, and sent at the end of the turn. A listener that does not read only fills its buffer, up to its output limit.
 * What a client is told may come from writes of others: it is sent once the log vouches for all that the turn wrote (`client.isTold`).
 */
import { ascii } from "../base/bytes.ts";
import { ByteMap } from "../base/byte_map.ts";
import { globMatch } from "../base/glob.ts";
import type { KeyedHash } from "../base/siphash.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import { type Client, REPLY_MODE } from "./client.ts";

export interface Channel {
  readonly name: Uint8Array;
  readonly listeners: Set<Client>;
}

/** Channels of one kind, and the words that replies and messages about them begin with, as bulks. */
export class ChannelSpace {
  readonly index: number;
  readonly channels: ByteMap<Channel>;
  readonly subscribed: Uint8Array;
  readonly unsubscribed: Uint8Array;
  readonly message: Uint8Array;

  constructor(index: number, hash: KeyedHash, prefix: string) {
    this.index = index, this.channels = new ByteMap(hash);
    this.subscribed = bulkOf(`${prefix}subscribe`), this.unsubscribed = bulkOf(`${prefix}unsubscribe`);
    this.message = bulkOf(`${prefix}message`);
  }

  /** How many listen to a channel of this name. */
  listenersOf(name: Uint8Array, offset: number, length: number): number {
    return this.channels.get(name, offset, length)?.listeners.size ?? 0;
  }
}

/** What a client is subscribed to, by index of the space. */
export type Subscriptions = readonly [channels: Set<Channel>, patterns: Set<Channel>, shards: Set<Channel>];

/** What publish/subscribe needs of the server. */
export interface PubSubHost {
  /** The client whose command is executing. */
  readonly currentClient: Client | null;
  queueFlush(client: Client): void;
  countMemory(client: Client): void;
  /** The client begins or ceases to be a subscriber: other output limits apply to it. */
  subscriberChanged(client: Client): void;
}

export class PubSub {
  readonly channels: ChannelSpace;
  readonly patterns: ChannelSpace;
  readonly shards: ChannelSpace;
  readonly #host: PubSubHost;

  constructor(host: PubSubHost, hash: KeyedHash) {
    this.#host = host;
    this.channels = new ChannelSpace(0, hash, "");
    this.patterns = new ChannelSpace(1, hash, "p");
    this.shards = new ChannelSpace(2, hash, "s");
  }

  // ---- subscriptions -------------------------------------------------------------------------------------------

  /** Subscribes and tells the client so; to what it listens already, it is only told. `name` may be part of a request. */
  subscribe(client: Client, space: ChannelSpace, name: Uint8Array): void {
    let channel = space.channels.get(name, 0, name.length);
    if (channel === undefined) {
      channel = { name: name.slice(), listeners: new Set() };
      space.channels.set(channel.name, channel);
    }
    client.subscriptions ??= [new Set(), new Set(), new Set()];
    channel.listeners.add(client);
    client.subscriptions[space.index].add(channel);
    this.#setSubscriber(client, true);
    this.#tellSubscription(client, space, space.subscribed, channel.name);
  }

  /** Unsubscribes and tells the client so, whether it was subscribed or not. */
  unsubscribe(client: Client, space: ChannelSpace, name: Uint8Array): void {
    const channel = space.channels.get(name, 0, name.length);
    if (channel !== undefined) this.#leave(client, space, channel);
    this.#tellSubscription(client, space, space.unsubscribed, name);
    this.#settle(client);
  }

  /** Unsubscribes from all of a space and tells the client of each, or of none. */
  unsubscribeAll(client: Client, space: ChannelSpace): void {
    const mine = [...client.subscriptions?.[space.index] ?? []];
    if (mine.length === 0) this.#tellSubscription(client, space, space.unsubscribed, null);
    for (const channel of mine) {
      this.#leave(client, space, channel);
      this.#tellSubscription(client, space, space.unsubscribed, channel.name);
    }
    this.#settle(client);
  }

  /** The client is gone or begins anew: it leaves everything without a word. */
  forget(client: Client): void {
    if (client.subscriptions === null) return;
    for (const space of [this.channels, this.patterns, this.shards]) {
      for (const channel of client.subscriptions[space.index]) this.#leave(client, space, channel);
    }
    this.#settle(client);
  }

  #leave(client: Client, space: ChannelSpace, channel: Channel): void {
    if (!channel.listeners.delete(client)) return;
    client.subscriptions![space.index].delete(channel);
    if (channel.listeners.size === 0) space.channels.delete(channel.name, 0, channel.name.length);
  }

  /** A client that listens to nothing any longer is none of ours. */
  #settle(client: Client): void {
    if (client.subscriptions === null || client.subscriptions.some((mine) => mine.size > 0)) return;
    client.subscriptions = null;
    this.#setSubscriber(client, false);
  }

  #setSubscriber(client: Client, isSubscriber: boolean): void {
    if (client.isSubscriber === isSubscriber) return;
    client.isSubscriber = isSubscriber;
    this.#host.subscriberChanged(client);
  }

  /** Shard channels are counted by themselves, channels and patterns together. */
  #tellSubscription(client: Client, space: ChannelSpace, word: Uint8Array, name: Uint8Array | null): void {
    const reply = this.begin(client), mine = client.subscriptions;
    const count = mine === null ? 0 : space === this.shards ? mine[2].size : mine[0].size + mine[1].size;
    if (reply === null) return;
    reply.startPush(3);
    reply.raw(word);
    if (name === null) reply.null();
    else reply.bytes(name);
    reply.integer(count);
    this.end(client);
  }

  /** Whether any message could reach anybody; shard channels get only what is published to them by name. */
  get isListenedTo(): boolean {
    return this.channels.channels.size + this.patterns.channels.size > 0;
  }

  // ---- messages ------------------------------------------------------------------------------------------------

  /** Sends a message to the listeners of a channel and of the patterns that match it; returns how many there are. */
  publish(
    channel: Uint8Array,
    channelAt: number,
    channelLength: number,
    message: Uint8Array,
    messageAt: number,
    messageLength: number,
  ): number {
    let receivers = this.#publishTo(
      this.channels,
      channel,
      channelAt,
      channelLength,
      message,
      messageAt,
      messageLength,
    );
    if (this.patterns.channels.size === 0) return receivers;
    for (const { name, listeners } of this.patterns.channels.values()) {
      if (!globMatch(name, 0, name.length, channel, channelAt, channelLength, false)) continue;
      receivers += listeners.size;
      for (const client of listeners) {
        const reply = this.begin(client);
        if (reply === null) continue;
        reply.startPush(4);
        reply.raw(this.patterns.message);
        reply.bytes(name);
        reply.bulk(channel, channelAt, channelLength);
        reply.bulk(message, messageAt, messageLength);
        this.end(client);
      }
    }
    return receivers;
  }

  /** Sends a message to the listeners of a shard channel, which no pattern matches. */
  publishToShard(
    channel: Uint8Array,
    channelAt: number,
    channelLength: number,
    message: Uint8Array,
    messageAt: number,
    messageLength: number,
  ): number {
    return this.#publishTo(this.shards, channel, channelAt, channelLength, message, messageAt, messageLength);
  }

  #publishTo(
    space: ChannelSpace,
    channel: Uint8Array,
    channelAt: number,
    channelLength: number,
    message: Uint8Array,
    messageAt: number,
    messageLength: number,
  ): number {
    const found = space.channels.get(channel, channelAt, channelLength);
    if (found === undefined) return 0;
    for (const client of found.listeners) {
      const reply = this.begin(client);
      if (reply === null) continue;
      reply.startPush(3);
      reply.raw(space.message);
      reply.bulk(channel, channelAt, channelLength);
      reply.bulk(message, messageAt, messageLength);
      this.end(client);
    }
    return found.listeners.size;
  }

  /** Where to write something out of band for a client, or null when it gets nothing any more. `end` follows. */
  begin(client: Client): ReplyWriter | null {
    // The stream of a replica holds nothing else.
    if (client.isClosing || client.isReplica) return null;
    if (client.replyMode !== REPLY_MODE.on && client === this.#host.currentClient) {
      client.keptReplies.push(client.reply.length);
    }
    return client.reply;
  }

  end(client: Client): void {
    if (client.keptReplies.length % 2 === 1) client.keptReplies.push(client.reply.length);
    client.isTold = true;
    this.#host.queueFlush(client);
    this.#host.countMemory(client);
  }
}

function bulkOf(word: string): Uint8Array {
  return ascii(`$${word.length}\r\n${word}\r\n`);
}
