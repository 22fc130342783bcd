/**
 * Writers that record what a server acknowledged, a kill -9 in the middle, and the comparison after the restart.
 *
 * Every write is a MULTI that increments a counter, sets a key named after writer and number, and adds the number to a list, set, hash,
 * sorted set and stream of the writer's, in another database. The reply of INCR numbers the atomic units of the whole server, so after a
 * restart the counter C says which prefix S_C was recovered, and it must hold that
 * - every acknowledged unit numbered ≤ C has its key, and no unit numbered > C has (no hole, nothing half applied);
 * - exactly C keys were set (no duplicate, no part of a MULTI);
 * - each of a writer's collections holds its first L units, in order where there is one, with the same L for all of them, and an
 *   acknowledged unit is among them exactly when its number is ≤ C;
 * - C is at least what the policy promises.
 */

import { assert, assertEquals } from "@std/assert";
import {
  type Argument,
  ConnectionClosedError,
  type Reply,
  type RespClient,
  RespError,
} from "../support/resp_client.ts";
import type { ServerProcess } from "../support/server_fixture.ts";

const PIPELINED_UNITS = 8;
/** Keeps the log of many runs short: every restart loads all of it. */
const BATCH_PAUSE_MS = 3;
const READ_BATCH = 1000;
const COLLECTIONS_DATABASE = 1;

export interface AcknowledgedUnit {
  key: string;
  writer: string;
  /** Of the writer's units. */
  index: number;
  /** Of all units of the server. */
  number: number;
  acknowledgedAtMs: number;
}

/** Unacknowledged keys may exist after the restart or not; acknowledged ones are in `units`. */
export interface WriteRecord {
  units: AcknowledgedUnit[];
  writers: string[];
  killedAtMs: number;
}

/** Writes from `writers` connections until the server dies. */
export class Writers {
  readonly #units: AcknowledgedUnit[] = [];
  readonly #names: string[] = [];
  readonly #running: Promise<void>[] = [];

  /** `run` makes key names unique among the runs on one directory. */
  static async start(server: ServerProcess, run: number, writers: number): Promise<Writers> {
    const result = new Writers();
    for (let writer = 0; writer < writers; writer++) {
      const client = await server.connect();
      const name = `run${run}:writer${writer}`;
      result.#names.push(name);
      result.#running.push(result.#write(client, name));
    }
    return result;
  }

  /** Kills the server, and returns what it had acknowledged. */
  async killServer(server: ServerProcess): Promise<WriteRecord> {
    const killedAtMs = performance.now();
    await server.kill("SIGKILL");
    await Promise.all(this.#running);
    return { units: this.#units, writers: this.#names, killedAtMs };
  }

  async #write(client: RespClient, writer: string): Promise<void> {
    try {
      for (let next = 0;; next += PIPELINED_UNITS) {
        await this.#writeBatch(client, writer, next);
        await new Promise((resolve) => setTimeout(resolve, BATCH_PAUSE_MS));
      }
    } catch (error) {
      if (!(error instanceof ConnectionClosedError)) throw error;
    } finally {
      await client.close();
    }
  }

  async #writeBatch(client: RespClient, writer: string, first: number): Promise<void> {
    const pending: Promise<void>[] = [];
    for (let index = first; index < first + PIPELINED_UNITS; index++) {
      pending.push(this.#writeUnit(client, writer, index));
    }
    await Promise.all(pending);
  }

  async #writeUnit(client: RespClient, writer: string, index: number): Promise<void> {
    const key = `${writer}:${index}`, commands = unitCommands(writer, index, key);
    const executed = (await client.pipeline([["MULTI"], ...commands, ["EXEC"]])).at(-1);
    if (executed instanceof RespError) throw executed;
    const number = (executed as Reply[])[0] as number;
    this.#units.push({ key, writer, index, number, acknowledgedAtMs: performance.now() });
  }
}

function unitCommands(writer: string, index: number, key: string): Argument[][] {
  return [
    ["INCR", "counter"],
    ["SET", key, key],
    ["SELECT", COLLECTIONS_DATABASE],
    ["RPUSH", `${writer}:list`, index],
    ["SADD", `${writer}:set`, index],
    ["HSET", `${writer}:hash`, index, key],
    ["ZADD", `${writer}:zset`, index, key],
    ["XADD", `${writer}:stream`, `${index + 1}-1`, "unit", key],
    ["SELECT", 0],
  ];
}

/**
 * Checks the recovered server against everything acknowledged before the kill. `mayLose` tells whether the policy allows a unit
 * of this age (at the kill) to be gone; `otherKeys` exist besides the units and the counter.
 */
export async function checkRecovered(
  server: ServerProcess,
  record: WriteRecord,
  otherKeys: number,
  mayLose: (ageMs: number) => boolean,
): Promise<void> {
  await using client = await server.connect();
  const recovered = Number(await client.command("GET", "counter") ?? 0);
  assertEquals(
    await client.command("DBSIZE"),
    otherKeys + (recovered > 0 ? recovered + 1 : 0),
    `counter is ${recovered}: as many units must exist, whole and once`,
  );
  for (let start = 0; start < record.units.length; start += READ_BATCH) {
    await checkUnits(client, record.units.slice(start, start + READ_BATCH), recovered);
  }
  for (const writer of record.writers) {
    await checkCollections(client, writer, record.units.filter((unit) => unit.writer === writer), recovered);
  }
  const lost = record.units.filter((unit) => unit.number > recovered);
  for (const unit of lost) {
    const ageMs = record.killedAtMs - unit.acknowledgedAtMs;
    assert(mayLose(ageMs), `unit ${unit.number} was acknowledged ${Math.round(ageMs)} ms before the kill, and is lost`);
  }
}

async function checkUnits(client: RespClient, units: readonly AcknowledgedUnit[], recovered: number): Promise<void> {
  const values = await client.command("MGET", ...units.map((unit) => unit.key)) as Reply[];
  units.forEach((unit, index) => {
    const expected = unit.number <= recovered ? unit.key : null;
    assertEquals(values[index], expected, `unit ${unit.number} with recovered counter ${recovered}`);
  });
}

/** The collections of one writer, whose acknowledged units are given. */
async function checkCollections(
  client: RespClient,
  writer: string,
  units: readonly AcknowledgedUnit[],
  recovered: number,
): Promise<void> {
  await client.command("SELECT", COLLECTIONS_DATABASE);
  const list = await client.command("LRANGE", `${writer}:list`, 0, -1) as string[], length = list.length;
  const indexes = Array.from({ length }, (_, index) => String(index));
  const keys = indexes.map((index) => `${writer}:${index}`);
  const members = await client.command("SMEMBERS", `${writer}:set`) as string[];
  const fields = await client.command("HGETALL", `${writer}:hash`) as string[];
  const scores = await client.command("ZRANGE", `${writer}:zset`, 0, -1, "WITHSCORES") as string[];
  const entries = await client.command("XRANGE", `${writer}:stream`, "-", "+") as [string, string[]][];
  await client.command("SELECT", 0);
  assertEquals(list, indexes, `${writer}: the list`);
  assertEquals(new Set(members), new Set(indexes), `${writer}: the set`);
  assertEquals(new Map(pairs(fields)), new Map(indexes.map((index, at) => [index, keys[at]])), `${writer}: the hash`);
  assertEquals(pairs(scores), keys.map((key, at) => [key, indexes[at]]), `${writer}: the sorted set`);
  assertEquals(entries, keys.map((key, at) => [`${at + 1}-1`, ["unit", key]]), `${writer}: the stream`);
  for (const { index, number } of units) {
    assertEquals(index < length, number <= recovered, `${writer}: unit ${index}, number ${number} of ${recovered}`);
  }
}

function pairs(flat: readonly string[]): [string, string][] {
  return Array.from({ length: flat.length / 2 }, (_, at) => [flat[2 * at], flat[2 * at + 1]]);
}
