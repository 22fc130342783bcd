/**
 * Writers that record what a server acknowledged, a kill -9 in the middle, and the comparison after the restart.
 *
 * Every write is `MULTI; INCR counter; SET <writer>:<n> <value>; EXEC`. The reply of INCR numbers the atomic units of the whole server, so after a
 * restart the counter C says which prefix S_C was recovered, and it must hold that
 * - every acknowledged unit numbered ≤ C has its key, and no unit numbered > C has (no hole, nothing half applied);
 * - exactly C keys were set (no duplicate, no part of a MULTI);
 * - C is at least what the policy promises.
 */

import { assert, assertEquals } from "@std/assert";
import { ConnectionClosedError, type Reply, type RespClient, RespError } from "../support/resp_client.ts";
import type { ServerProcess } from "../support/server_fixture.ts";

const PIPELINED_UNITS = 8;
const READ_BATCH = 1000;

export interface AcknowledgedUnit {
  key: string;
  number: number;
  acknowledgedAtMs: number;
}

/** Unacknowledged keys may exist after the restart or not; acknowledged ones are in `units`. */
export interface WriteRecord {
  units: AcknowledgedUnit[];
  killedAtMs: number;
}

/** Writes from `writers` connections until the server dies. */
export class Writers {
  readonly #units: AcknowledgedUnit[] = [];
  readonly #running: Promise<void>[] = [];

  /** `run` makes key names unique among the runs on one directory. */
  static async start(server: ServerProcess, run: number, writers: number): Promise<Writers> {
    const result = new Writers();
    for (let writer = 0; writer < writers; writer++) {
      const client = await server.connect();
      result.#running.push(result.#write(client, `run${run}:writer${writer}`));
    }
    return result;
  }

  /** Kills the server, and returns what it had acknowledged. */
  async killServer(server: ServerProcess): Promise<WriteRecord> {
    const killedAtMs = performance.now();
    await server.kill("SIGKILL");
    await Promise.all(this.#running);
    return { units: this.#units, killedAtMs };
  }

  async #write(client: RespClient, prefix: string): Promise<void> {
    try {
      for (let next = 0;; next += PIPELINED_UNITS) await this.#writeBatch(client, prefix, next);
    } catch (error) {
      if (!(error instanceof ConnectionClosedError)) throw error;
    } finally {
      await client.close();
    }
  }

  async #writeBatch(client: RespClient, prefix: string, first: number): Promise<void> {
    const pending: Promise<void>[] = [];
    for (let unit = first; unit < first + PIPELINED_UNITS; unit++) {
      pending.push(this.#writeUnit(client, `${prefix}:${unit}`));
    }
    await Promise.all(pending);
  }

  async #writeUnit(client: RespClient, key: string): Promise<void> {
    const replies = await client.pipeline([["MULTI"], ["INCR", "counter"], ["SET", key, key], ["EXEC"]]);
    const executed = replies[3];
    if (executed instanceof RespError) throw executed;
    const number = (executed as Reply[])[0] as number;
    this.#units.push({ key, number, acknowledgedAtMs: performance.now() });
  }
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
