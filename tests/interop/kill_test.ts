/** kill -9 under load on all types, 20 times for each fsync policy, with a rewrite or a save in flight in two of three runs. */

import { assert, assertEquals } from "@std/assert";
import { infoField } from "../support/info.ts";
import { type ServerKind, ServerProcess } from "../support/server_fixture.ts";
import { writeKeys } from "./exchange_dataset.ts";
import { largeCollections, mixedCommand } from "../support/mixed_dataset.ts";
import { checkRecovered, Writers } from "./kill_harness.ts";

const KILLS = 20;
const WRITERS = 4;
/** Enough that a rewrite or a save takes longer than the time from its start to the kill. */
const BULK_KEYS = 100_000;
/** And values of all types, in a database of their own. */
const BULK_TYPED_KEYS = 2000;
const BULK_LARGE_SIZE = 2000;
const BULK_TYPED_DATABASE = 2;
const SEND_BATCH = 500;
const EVERYSEC_LOSS_MAX_MS = 2000;
/** Long enough for writes that are old enough to be promised. */
const EVERYSEC_RUN_MS = 2600;
const EVERYSEC_LANES = 4;
const SHORT_RUN_MIN_MS = 60;
const SHORT_RUN_SPREAD_MS = 200;
const IN_FLIGHT_MAX_MS = 80;
const BACKGROUND_COMMANDS = [undefined, "BGREWRITEAOF", "BGSAVE"] as const;
const KIND: ServerKind = "ours";

type Policy = "always" | "everysec" | "no";

/** One directory that is killed `kills` times; every restart continues on what the last kill left. */
async function killRepeatedly(policy: Policy, kills: number, runMs: (kill: number) => number): Promise<void> {
  const args = [
    "--enable-debug-command",
    "yes",
    "--appendonly",
    "yes",
    "--appendfsync",
    policy,
    "--auto-aof-rewrite-percentage",
    "0",
  ];
  let server = await ServerProcess.start(KIND, { args });
  let interrupted = 0;
  try {
    const otherKeys = await writeBulk(server), digests = await typedDigests(server);
    for (let kill = 0; kill < kills; kill++) {
      const writers = await Writers.start(server, kill, WRITERS);
      await sleep(runMs(kill));
      if (await startBackgroundWork(server, kill)) interrupted++;
      const record = await writers.killServer(server);
      server = await server.startAgain();
      await checkRecovered(server, record, otherKeys, (ageMs) => mayLose(policy, ageMs));
      assertEquals(await typedDigests(server), digests);
    }
  } catch (error) {
    console.error(`${policy}: the server's log:\n${server.log}`);
    throw error;
  } finally {
    await server.dispose();
  }
  assert(interrupted > 0, "no kill fell into a rewrite or a save: make the dataset larger");
}

function mayLose(policy: Policy, ageMs: number): boolean {
  if (policy === "always") return false;
  return policy === "no" || ageMs <= EVERYSEC_LOSS_MAX_MS;
}

/** Puts keys that every recovery must bring back: they are in a base file before the first kill. Returns their number in database 0. */
async function writeBulk(server: ServerProcess): Promise<number> {
  await using client = await server.connect();
  await writeKeys(client, 0, BULK_KEYS);
  await client.command("SELECT", BULK_TYPED_DATABASE);
  const commands = [
    ...Array.from({ length: BULK_TYPED_KEYS }, (_, n) => mixedCommand(n)),
    ...largeCollections(BULK_LARGE_SIZE),
  ];
  for (let at = 0; at < commands.length; at += SEND_BATCH) await client.pipeline(commands.slice(at, at + SEND_BATCH));
  await client.command("SELECT", 0);
  return await client.command("DBSIZE") as number;
}

/** Keys of all types with the digests of their values. */
async function typedDigests(server: ServerProcess): Promise<Map<string, string>> {
  await using client = await server.connect();
  await client.command("SELECT", BULK_TYPED_DATABASE);
  const names = (await client.command("KEYS", "*") as string[]).sort();
  const digests = await client.command("DEBUG", "DIGEST-VALUE", ...names) as string[];
  assert(names.length > BULK_TYPED_KEYS, `${names.length} keys of all types`);
  return new Map(names.map((name, at) => [name, digests[at]]));
}

/** Starts what this kill is to interrupt and leaves it a little time to get going. True when it still runs. */
async function startBackgroundWork(server: ServerProcess, kill: number): Promise<boolean> {
  const command = BACKGROUND_COMMANDS[kill % BACKGROUND_COMMANDS.length];
  if (command === undefined) return false;
  await using client = await server.connect();
  await client.command(command);
  await sleep((kill * 13) % IN_FLIGHT_MAX_MS);
  const field = command === "BGSAVE" ? "rdb_bgsave_in_progress" : "aof_rewrite_in_progress";
  return await infoField(client, "persistence", field) === "1";
}

function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}

/** Spreads the kills over a run evenly but not in step with anything. */
function shortRunMs(kill: number): number {
  return SHORT_RUN_MIN_MS + (kill * 61) % SHORT_RUN_SPREAD_MS;
}

Deno.test("kill -9, appendfsync always: no acknowledged write is lost, and what is left is a prefix", async () => {
  await killRepeatedly("always", KILLS, shortRunMs);
});

Deno.test("kill -9, appendfsync no: what is left is a prefix", async () => {
  await killRepeatedly("no", KILLS, shortRunMs);
});

Deno.test("kill -9, appendfsync everysec: no write acknowledged 2 s before is lost, and what is left is a prefix", async () => {
  const lanes = Array.from(
    { length: EVERYSEC_LANES },
    () => killRepeatedly("everysec", KILLS / EVERYSEC_LANES, (kill) => EVERYSEC_RUN_MS + (kill * 137) % 500),
  );
  await Promise.all(lanes);
});
