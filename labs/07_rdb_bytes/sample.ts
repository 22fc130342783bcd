/** The file that the lab takes apart: what the server saves of one key of each type and encoding. */
import { type Afterimage, ManualClock, MemoryStorage, openServer, readWhole, SeededRandomness } from "../../src/mod.ts";

export const PATH = "//dump.rdb";
const NOW_MS = 1_700_000_000_000;
const EXPIRES_MS = 4_000_000_000_000;

type Words = readonly (string | number)[];

const COMMANDS: readonly Words[] = [
  ["SET", "greeting", "hello"],
  ["SET", "visits", 12345],
  ["SET", "zip", "abcabcabcabcabcabcabcabcabcabc"],
  ["SET", "session", "s17", "PXAT", EXPIRES_MS],
  ["RPUSH", "queue", "job", 7, 300],
  ["SADD", "primes", 2, 3, 257],
  ["SADD", "tags", "red", "blue"],
  ["HSET", "user", "name", "Ada", "age", 36],
  ["ZADD", "board", 10, "Ada", 2.5, "Bo"],
  ["XADD", "log", "1-1", "k", "v"],
];

export interface Sample {
  /** In process, with a clock that stands; started again for each flip. */
  readonly redis: Afterimage;
  readonly storage: MemoryStorage;
  readonly bytes: Uint8Array;
  readonly keys: readonly string[];
}

export async function makeSample(): Promise<Sample> {
  const storage = new MemoryStorage();
  const redis = await openServer({
    storage,
    clock: new ManualClock(NOW_MS),
    randomness: new SeededRandomness(1),
    directives: ["--save", "", "--enable-debug-command", "yes"],
  });
  const client = redis.connect();
  for (const words of COMMANDS) client.command(...words);
  client.command("SAVE");
  return { redis, storage, bytes: readWhole(storage, PATH), keys: COMMANDS.map(([, key]) => String(key)) };
}
