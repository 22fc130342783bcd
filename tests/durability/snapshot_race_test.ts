/**
 * Writes of every kind race the snapshot Worker. Whatever is written after the freeze, the RDB must hold exactly what was there at the
 * freeze: its DEBUG DIGEST, loaded by another server, equals the digest taken in the turn of the BGSAVE.
 */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { setImmediate } from "node:timers";
import { type Afterimage, type Client, DiskStorage, openServer, SeededRandomness } from "../../src/mod.ts";
import { streamsOf, TypedLoad } from "./typed_load.ts";

const ROUNDS_PER_PAGE_SIZE = 110;
const TYPED_ROUNDS = 30;
const TYPED_STEPS = 3000;
/** Large values shrink, or go: after so many rounds they are made again. */
const TYPED_REFILL_ROUNDS = 10;
const KEYS = 1000;
const FAR_FUTURE_SECONDS = 1_000_000;

const nextTurn = () => new Promise<void>((resolve) => void setImmediate(resolve));

/**
 * Two servers on one directory: one is written and saved, the other only loads what was saved. With `memory-debug` freed blocks are
 * overwritten at once, which shows stale addresses, but also copies their pages early: so one page size runs with it, the others without.
 */
async function openPair(dir: string, pageBytes: number): Promise<{ writer: Afterimage; reader: Afterimage }> {
  const directives = ["--save", "", "--dir", dir, "--enable-debug-command", "yes", "--page-size", String(pageBytes)];
  const debug = pageBytes === 4096 ? "yes" : "no";
  const writer = await openServer({ directives: [...directives, "--memory-debug", debug], storage: new DiskStorage() });
  const reader = await openServer({ directives, storage: new DiskStorage() });
  return { writer, reader };
}

function nameOf(number: number): string {
  return `key:${number}${number % 7 === 0 ? ":with a longer name, so that entries differ in size" : ""}`;
}

class Writer {
  readonly #client: Client;
  readonly #random: SeededRandomness;

  constructor(client: Client, random: SeededRandomness) {
    this.#client = client, this.#random = random;
  }

  #key(): string {
    return nameOf(this.#random.below(KEYS));
  }

  #value(): string {
    const kind = this.#random.below(20);
    if (kind < 6) return String(this.#random.nextU32());
    const length = kind < 16
      ? this.#random.below(120)
      : kind < 19
      ? this.#random.below(2000)
      : this.#random.below(10_000);
    return String.fromCharCode(0x61 + this.#random.below(26)).repeat(length);
  }

  fill(count: number): void {
    for (let i = 0; i < count; i++) this.#client.send("SET", this.#key(), this.#value());
    this.drain();
  }

  /** One write of a random kind. Errors (a string where INCR wants a number) are part of life. */
  write(): void {
    const key = this.#key(), n = this.#random.below(100), client = this.#client;
    if (n < 25) client.send("SET", key, this.#value());
    else if (n < 33) client.send("SET", key, this.#value(), "EX", FAR_FUTURE_SECONDS);
    else if (n < 43) client.send("APPEND", key, this.#value());
    else if (n < 50) client.send("SETRANGE", key, this.#random.below(3000), this.#value());
    else if (n < 58) client.send("INCR", key);
    else if (n < 62) client.send("EXPIRE", key, FAR_FUTURE_SECONDS);
    else if (n < 64) client.send("PEXPIRE", key, 1);
    else if (n < 69) client.send("PERSIST", key);
    else if (n < 77) client.send(n % 2 === 0 ? "DEL" : "UNLINK", key, this.#key());
    else if (n < 82) client.send("RENAME", key, this.#key());
    else if (n < 87) client.send("COPY", key, this.#key(), "REPLACE");
    else if (n < 90) client.send("MOVE", key, 1);
    else if (n < 94) client.send("SETBIT", key, this.#random.below(8000), 1);
    else if (n < 97) client.send("MSET", key, this.#value(), this.#key(), this.#value());
    else if (n < 99) client.send("GETEX", key, "PX", FAR_FUTURE_SECONDS * 1000);
    else if (this.#random.below(30) === 0) client.send("FLUSHDB", "ASYNC");
    else if (this.#random.below(10) === 0) client.send("SWAPDB", 0, 1);
    this.drain();
  }

  /** Removes what has expired: a loader would leave it out, though the digest at the freeze counts it. */
  async settle(): Promise<void> {
    const names = [...Array(KEYS).keys()].map(nameOf);
    await new Promise((resolve) => setTimeout(resolve, 3));
    for (const db of [1, 0]) this.#client.send("SELECT", db), this.#client.send("EXISTS", ...names);
    this.drain();
  }

  drain(): void {
    while (this.#client.receive() !== undefined);
  }
}

/** BGSAVE, with writes until the Worker is done; returns the digest at the freeze and that of the file. */
async function saveWhileWriting(
  writer: Afterimage,
  reader: Afterimage,
  write: () => void,
): Promise<{ frozen: string; saved: string; copied: number }> {
  const client = writer.connect(), loader = reader.connect();
  const frozen = String(client.command("DEBUG", "DIGEST"));
  client.command("BGSAVE");
  // At least these race it, even when the Worker is quick.
  for (let i = 0; i < 50; i++) write();
  while (writer.server.memory.cow.live) {
    for (let i = 0; i < 20; i++) write();
    await nextTurn();
  }
  client.close();
  loader.command("DEBUG", "RELOAD", "NOSAVE");
  const saved = String(loader.command("DEBUG", "DIGEST"));
  loader.close();
  return { frozen, saved, copied: writer.server.memory.cow.pagesCopied };
}

for (const pageBytes of [512, 4096, 65536]) {
  Deno.test(`BGSAVE: the file holds the state at the freeze while writes of every kind race it, page size ${pageBytes}`, async () => {
    const seed = Number(Deno.env.get("SEED") ?? 20261124 + pageBytes), random = new SeededRandomness(seed);
    const dir = Deno.makeTempDirSync();
    const { writer, reader } = await openPair(dir, pageBytes);
    const load = new Writer(writer.connect(), random);
    let copied = 0;
    try {
      load.fill(KEYS);
      for (let round = 0; round < ROUNDS_PER_PAGE_SIZE; round++) {
        await load.settle();
        const result = await saveWhileWriting(writer, reader, () => load.write());
        assertEquals(result.saved, result.frozen, `round ${round}; replay with SEED=${seed}`);
        copied += result.copied;
        if (writer.connect().command("DBSIZE") as number < KEYS / 2) load.fill(KEYS);
      }
      assert(copied > 1000, "the writes really made pages copy");
    } finally {
      writer.kill(), reader.kill();
      Deno.removeSync(dir, { recursive: true });
    }
  });
}

for (const pageBytes of [512, 4096, 65536]) {
  Deno.test(`BGSAVE: values of all types are saved as they were at the freeze, page size ${pageBytes}`, async () => {
    const seed = Number(Deno.env.get("SEED") ?? 20261125 + pageBytes), dir = Deno.makeTempDirSync();
    const { writer, reader } = await openPair(dir, pageBytes);
    const load = new TypedLoad(writer.connect(), seed);
    let copied = 0;
    try {
      for (let round = 0; round < TYPED_ROUNDS; round++) {
        if (round % TYPED_REFILL_ROUNDS === 0) load.fill(TYPED_STEPS);
        await load.settle();
        const frozenStreams = streamsOf(writer.connect());
        const result = await saveWhileWriting(writer, reader, () => load.write());
        const what = `round ${round}; replay with SEED=${seed}`;
        assertEquals(result.saved, result.frozen, what);
        assertEquals(streamsOf(reader.connect()), frozenStreams, what);
        copied += result.copied;
      }
      assert(copied > 1000, "the writes really made pages copy");
    } finally {
      writer.kill(), reader.kill();
      Deno.removeSync(dir, { recursive: true });
    }
  });
}

Deno.test("BGSAVE race: a store that skips the write barrier is caught", async () => {
  const dir = Deno.makeTempDirSync();
  const { writer, reader } = await openPair(dir, 4096);
  const client = writer.connect(), { keyspace, memory } = writer.server, db = keyspace.databases[0];
  const key = new TextEncoder().encode("key:1");
  try {
    client.command("DEBUG", "POPULATE", KEYS, "key", 64);
    // The save must still be running when the store happens: it waits 1 ms after each key.
    client.command("CONFIG", "SET", "rdb-key-save-delay", 100);
    let different = false;
    for (let round = 0; round < 5 && !different; round++) {
      let stored = false;
      const { frozen, saved } = await saveWhileWriting(writer, reader, () => {
        if (stored) return;
        stored = true;
        const entries = [...Array(KEYS).keys()].map((i) => new TextEncoder().encode(`key:${i}`));
        for (const one of [key, ...entries]) {
          const entry = keyspace.dict.find(db.dict, one, 0, one.length);
          if (entry !== 0) memory.bytesOf(entry)[memory.placeOf(entry) + 30] ^= 1;
        }
      });
      different = frozen !== saved;
    }
    assertNotEquals(different, false, "the digest of the file must differ when stores bypass the barrier");
  } finally {
    writer.kill(), reader.kill();
    Deno.removeSync(dir, { recursive: true });
  }
});
