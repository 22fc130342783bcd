/**
 * A server in process whose snapshot child is driven by hand: a recorded trace of writes is spread evenly over the child's walk, so that every
 * replay has the same writes between the freeze and the end, at the same places. Time stands still and randomness has a seed: what is counted
 * (not what is timed) is the same in every run.
 */
import { assert } from "@std/assert";
import {
  type Afterimage,
  type Client,
  ManualClock,
  MemoryStorage,
  openServer,
  SeededRandomness,
} from "../../src/mod.ts";
import { BATCH, type ValueType, WriteLoad } from "../kit/write_load.ts";
import type { BlockLayout } from "./forecast.ts";

const DUMP = "dump.rdb";
const UNIT_BYTES = 4096;
/** Keys that the child may walk over in one step, and some more: what is due within the next step is written before it. */
const KEYS_AHEAD = 2048;
/** Where the child counts them, in the words that it shares with the main thread. */
const KEYS_WRITTEN = 1;
const TICKS_AFTER_LOAD = 200;
const MINUTE_MS = 60_000;
const NEXT_TURN_EVERY = 64;

export interface SteppedOptions {
  readonly keys: number;
  readonly valueBytes: number;
  readonly pageBytes: number;
  readonly seed: number;
  readonly directives?: readonly string[];
  readonly onProgress?: (share: number) => void;
}

export interface SteppedSave {
  readonly isOk: boolean;
  readonly pagesFrozen: number;
  readonly pagesCopied: number;
  readonly copiedBytes: number;
  readonly amplification: number;
  readonly normalBytes: number;
  readonly peakBytes: number;
  readonly afterBytes: number;
  /** Pages copied after each pipeline, the start included. */
  readonly curve: readonly number[];
  /** Writes that were answered after an abort of the save, and where it was given up: null when it was not. */
  readonly abortedAtWrite: number | null;
  /** Keys that the child had written when it stopped. */
  readonly keysSaved: number;
  /** Longest time of one pipeline, before the save and during it. */
  readonly quietPauseMs: number;
  readonly pauseMs: number;
  readonly elapsedMs: number;
}

export class SteppedServer {
  readonly redis: Afterimage;
  readonly client: Client;
  readonly load: WriteLoad;
  readonly log: string[];
  readonly #storage: MemoryStorage;
  readonly #keys: number;
  readonly #clock: ManualClock;

  private constructor(redis: Afterimage, storage: MemoryStorage, clock: ManualClock, log: string[], o: SteppedOptions) {
    this.redis = redis, this.#clock = clock, this.#storage = storage, this.log = log, this.#keys = o.keys;
    this.client = redis.connect();
    this.load = new WriteLoad(this.client, "string" satisfies ValueType, o.valueBytes);
  }

  /** Opens a server and loads the keys in order. */
  static async open(o: SteppedOptions): Promise<SteppedServer> {
    const storage = new MemoryStorage(), clock = new ManualClock(), log: string[] = [];
    const redis = await openServer({
      directives: [
        ...["--save", "", "--rdbcompression", "no", "--enable-debug-command", "yes"],
        ...["--page-size", String(o.pageBytes), ...(o.directives ?? [])],
      ],
      clock,
      randomness: new SeededRandomness(o.seed),
      storage,
      onLog: (line) => log.push(line),
    });
    const server = new SteppedServer(redis, storage, clock, log, o);
    server.#fill(o);
    return server;
  }

  #fill({ keys, onProgress }: SteppedOptions): void {
    for (let first = 0, batches = 0; first < keys; first += BATCH, batches++) {
      this.load.fill(Math.min(first, keys - BATCH));
      if (batches % NEXT_TURN_EVERY !== 0) continue;
      this.redis.tick();
      onProgress?.(first / keys);
    }
    this.settle();
  }

  /** After a load: hash tables reach their size, and a minute passes, so that a command that sets an access clock has something to write. */
  settle(): void {
    for (let i = 0; i < TICKS_AFTER_LOAD; i++) this.redis.tick();
    this.#clock.advance(MINUTE_MS);
  }

  get dataBytes(): number {
    return this.redis.server.memory.dataBytes;
  }

  /** How the blocks of keys lie, asked of the server: MEMORY USAGE, and the addresses of neighbours by DEBUG OBJECT. */
  layouts(pageBytes: number): BlockLayout[] {
    const entryBytes = this.addressOf(6) - this.addressOf(5),
      usage = Number(this.client.command("MEMORY", "USAGE", keyName(5)));
    const sizes = usage > entryBytes ? [entryBytes, usage - entryBytes] : [entryBytes];
    const blocks = sizes.map((bytes) => bytes > UNIT_BYTES ? Math.ceil(bytes / UNIT_BYTES) * UNIT_BYTES : bytes);
    // A unit holds blocks of one kind; pages of several units hold all kinds, and the tables between them.
    const spread = pageBytes > UNIT_BYTES
      ? this.dataBytes / this.#keys / blocks.reduce((sum, bytes) => sum + bytes)
      : 1;
    return pageBytes > UNIT_BYTES && blocks.length > 1
      ? [{ blockBytes: Math.max(...blocks), strideBytes: this.dataBytes / this.#keys }]
      : blocks.map((blockBytes) => ({ blockBytes, strideBytes: blockBytes * spread }));
  }

  /** Byte address of a key's entry. */
  addressOf(key: number): number {
    const text = String(this.client.command("DEBUG", "OBJECT", keyName(key)));
    return Number(/at:(0x[0-9a-f]+)/.exec(text)![1]);
  }

  /** The dump as it is on disk, or null. */
  dump(): Uint8Array | null {
    const path = `${String((this.client.command("CONFIG", "GET", "dir") as string[])[1])}/${DUMP}`;
    if (!this.#storage.exists(path)) return null;
    const file = this.#storage.open(path, "read"), bytes = new Uint8Array(this.#storage.size(file));
    this.#storage.read(file, 0, bytes);
    this.#storage.close(file);
    return bytes;
  }

  /** BGSAVE, with the whole trace written while it runs. `onCopy` gets each page that is copied, and the writes before its pipeline. */
  save(trace: Uint32Array, onCopy?: (page: number, writes: number) => void): SteppedSave {
    const { memory } = this.redis.server, { cow } = memory, curve = [0], normalBytes = memory.dataBytes;
    let sent = 0, pauseMs = 0, peakBytes = normalBytes, abortedAtWrite: number | null = null;
    const quietPauseMs = this.#pipeline(trace, 0);
    cow.tracing = onCopy !== undefined;
    cow.onTrace = (page) => onCopy?.(page, sent);
    const startedMs = performance.now();
    const write = () => {
      pauseMs = Math.max(pauseMs, this.#pipeline(trace, sent));
      sent += BATCH;
      curve.push(cow.pagesCopied);
      peakBytes = Math.max(peakBytes, memory.dataBytes + memory.frameBytes);
      if (cow.aborted) abortedAtWrite ??= sent;
    };
    const keysSaved = this.saveWhile(trace.length / BATCH, write);
    this.redis.tick();
    // After an abort the writes go on, as clients do.
    while (sent < trace.length) assert(abortedAtWrite !== null, "every write was made during the save"), write();
    return {
      isOk: String(this.client.command("INFO", "persistence")).includes("rdb_last_bgsave_status:ok"),
      pagesFrozen: cow.pagesFrozen,
      pagesCopied: cow.pagesCopied,
      copiedBytes: cow.copiedBytes,
      amplification: cow.amplification,
      normalBytes,
      peakBytes,
      afterBytes: memory.dataBytes + memory.frameBytes,
      curve,
      abortedAtWrite,
      keysSaved,
      quietPauseMs,
      pauseMs,
      elapsedMs: performance.now() - startedMs,
    };
  }

  /**
   * BGSAVE, with `write(0)` to `write(times - 1)` spread evenly over the child's walk; not all of them when the save is given up. Returns how many
   * keys the child wrote.
   */
  saveWhile(times: number, write: (index: number) => void): number {
    this.client.command("BGSAVE");
    const { control } = this.redis.server.memory, keys = Number(this.client.command("DBSIZE"));
    let made = 0;
    do {
      const due = times * Math.min(1, (control[KEYS_WRITTEN] + KEYS_AHEAD) / keys);
      while (made < due) write(made++);
    } while (this.redis.step());
    return control[KEYS_WRITTEN];
  }

  #pipeline(trace: Uint32Array, first: number): number {
    if (first >= trace.length) return 0;
    const startedMs = performance.now();
    this.load.overwriteRecorded(trace, first);
    return performance.now() - startedMs;
  }

  close(): void {
    this.redis.kill();
  }
}

export function keyName(key: number): string {
  return `string:${String(key).padStart(12, "0")}`;
}
