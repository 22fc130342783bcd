/**
 * Publishes keyspace events as messages, as notify-keyspace-events asks for:
 *
 *   K: channel __keyspace@<db>__:<key>   message <event>
 *   E: channel __keyevent@<db>__:<event> message <key>
 *
 * Channels are put together in one buffer that is reused; with nobody listening to anything, nothing is put together at all.
 */
import { ascii } from "../base/bytes.ts";
import type { Database } from "../keyspace/database.ts";
import { EVENT, type KeyEvents } from "../keyspace/key_events.ts";
import type { PubSub } from "./pubsub.ts";

/** Classes by letter; "d", for events of modules, is none that ever happens here. */
const CLASS_OF: Readonly<Record<string, number>> = {
  g: EVENT.generic,
  $: EVENT.string,
  l: EVENT.list,
  s: EVENT.set,
  h: EVENT.hash,
  z: EVENT.zset,
  t: EVENT.stream,
  x: EVENT.expired,
  e: EVENT.evicted,
  n: EVENT.new,
  m: EVENT.miss,
};
const CLASSES_OF_A = "g$lshzxet";
const CHANNEL_BYTES_START = 256;

export class KeyspaceEvents implements KeyEvents {
  readonly #pubsub: PubSub;
  #ofKeys = false;
  #ofEvents = false;
  #channel = new Uint8Array(CHANNEL_BYTES_START);
  /** What channels of a database begin with. */
  readonly #keyPrefixes: Uint8Array[];
  readonly #eventPrefixes: Uint8Array[];
  /** Names of events as bytes; there are a few dozen. */
  readonly #names: Map<string, Uint8Array> = new Map();

  constructor(pubsub: PubSub, databases: number) {
    this.#pubsub = pubsub;
    const prefixes = (kind: string) => Array.from({ length: databases }, (_, i) => ascii(`__${kind}@${i}__:`));
    this.#keyPrefixes = prefixes("keyspace"), this.#eventPrefixes = prefixes("keyevent");
  }

  /** Takes a setting as CONFIG GET shows it; returns the classes that are wanted, none unless K or E is there too. */
  configure(text: string): number {
    this.#ofKeys = text.includes("K"), this.#ofEvents = text.includes("E");
    if (!this.#ofKeys && !this.#ofEvents) return 0;
    let classes = 0;
    for (const letter of text.replace("A", CLASSES_OF_A)) classes |= CLASS_OF[letter] ?? 0;
    return classes;
  }

  keyEvent(event: string, db: Database, key: Uint8Array, keyBytes: number, length: number): void {
    if (!this.#pubsub.isListenedTo) return;
    const name = this.#bytesOf(event), pubsub = this.#pubsub;
    if (this.#ofKeys) {
      const end = this.#write(this.#keyPrefixes[db.index], key, keyBytes, length);
      pubsub.publish(this.#channel, 0, end, name, 0, name.length);
    }
    if (this.#ofEvents) {
      const end = this.#write(this.#eventPrefixes[db.index], name, 0, name.length);
      pubsub.publish(this.#channel, 0, end, key, keyBytes, length);
    }
  }

  #bytesOf(event: string): Uint8Array {
    let name = this.#names.get(event);
    if (name === undefined) this.#names.set(event, name = ascii(event));
    return name;
  }

  /** Puts a channel's name together; returns its length. */
  #write(prefix: Uint8Array, rest: Uint8Array, restBytes: number, length: number): number {
    const end = prefix.length + length;
    if (end > this.#channel.length) this.#channel = new Uint8Array(end * 2);
    this.#channel.set(prefix);
    this.#channel.set(rest.subarray(restBytes, restBytes + length), prefix.length);
    return end;
  }
}
