/** A real server on a disk that fails by plan, with clients at the other end: what they are told, and how it ends. */
import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { type RespClient, RespError } from "../support/resp_client.ts";
import { commandFor, freePort, type ServerOptions, type ServerProcess } from "../support/server_process.ts";
import { temporaryDirectory, withServer } from "../support/server_fixture.ts";

const INCREMENTS = "*.incr.aof";

/** A server of ours; `plan` is given on its command line. */
function withFaults(plan: unknown, args: string[], body: (server: ServerProcess, client: RespClient) => Promise<void>) {
  return withPlanFile(plan, async (planArgs) => {
    const options: ServerOptions = { args: ["--enable-debug-command", "yes", ...args, ...planArgs] };
    await withServer("ours", options, async (server) => {
      await using client = await server.connect();
      await body(server, client);
    });
  });
}

async function withPlanFile(plan: unknown, body: (args: string[]) => Promise<void>): Promise<void> {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/plan.json`;
  await Deno.writeTextFile(path, typeof plan === "string" ? plan : JSON.stringify(plan));
  await body(plan === null ? [] : ["--disk-faults", path]);
}

async function field(client: RespClient, name: string): Promise<string> {
  return new RegExp(`^${name}:(.*)\r$`, "m").exec(String(await client.command("INFO", "everything")))![1];
}

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!await isTrue()) await new Promise((resolve) => setTimeout(resolve, 10));
}

function untilField(client: RespClient, name: string, value: string): Promise<void> {
  return until(async () => await field(client, name) === value);
}

async function refusal(client: RespClient, ...words: string[]): Promise<string> {
  return (await assertRejects(() => client.command(...words), RespError)).message;
}

function faults(client: RespClient, plan: unknown): Promise<unknown> {
  return client.command("DEBUG", "DISK-FAULTS", JSON.stringify(plan));
}

Deno.test("--disk-faults: a BGSAVE whose sync fails, in its thread: MISCONF, no dump, and a good save ends it", () =>
  withFaults(
    { rules: [{ operation: "sync", path: "temp-*", fault: { kind: "error", code: "EIO" } }] },
    ["--save", "3600 1"],
    async (server, client) => {
      await client.command("SET", "k", "v");
      await client.command("BGSAVE");
      await untilField(client, "rdb_last_bgsave_status", "err");
      assertStringIncludes(await refusal(client, "SET", "k", "w"), "MISCONF");
      assertEquals([...Deno.readDirSync(server.dir)].map(({ name }) => name), []);
      assertMatch(server.log, /# Disk fault by rule 0: sync ".*temp-.*\.rdb": \{"kind":"error","code":"EIO"\}/);
      // The fault came once, though each save is a thread's job of its own.
      await client.command("BGSAVE");
      await untilField(client, "rdb_last_bgsave_status", "ok");
      assertEquals(await client.command("SET", "k", "w"), "OK");
    },
  ));

Deno.test("everysec: a sync that hangs holds replies to writes, not to reads, and aof_delayed_fsync rises (G9)", () =>
  withFaults(null, ["--appendonly", "yes", "--appendfsync", "everysec"], async (server, client) => {
    await using other = await server.connect();
    await faults(other, { rules: [{ operation: "sync", path: INCREMENTS, fault: { kind: "hang", ms: 6000 } }] });
    const before = Number(await field(other, "aof_delayed_fsync"));
    await client.command("SET", "k", "v");
    await until(async () => await field(other, "aof_pending_bio_fsync") === "1");
    // The sync that hangs does not cover it: two seconds later nothing that is newer is acknowledged.
    assertEquals(await client.command("SET", "k", "uncovered"), "OK");
    await until(async () => Number(await field(other, "aof_delayed_fsync")) > before);
    let isAnswered = false;
    const held = client.command("SET", "k", "held").finally(() => isAnswered = true);
    await until(async () => await other.command("GET", "k") === "held");
    assertEquals([isAnswered, await field(other, "aof_pending_bio_fsync")], [false, "1"]);
    assertEquals(await held, "OK");
    assertEquals(await field(other, "aof_last_write_status"), "ok");
  }));

Deno.test("ENOSPC: writes are refused, reads go on, and freed space lets writes go on by itself; a restart has all of them", () =>
  withFaults(null, ["--appendonly", "yes", "--appendfsync", "everysec"], async (server, client) => {
    await using other = await server.connect();
    await other.command("SET", "before", "v");
    await faults(other, { capacityBytes: 100 });
    let isFreed = false;
    const writing = (async () => {
      // The write that found no space is answered once it is in the log.
      for (let i = 1;; i++) if (await client.command("SET", `k${i}`, "v") === "OK" && isFreed) return i;
    })();
    await untilField(other, "aof_last_write_status", "err");
    assertStringIncludes(await refusal(other, "SET", "k", "v"), "MISCONF Errors writing to the AOF file: Cannot write");
    assertEquals(await other.command("GET", "before"), "v");
    isFreed = true;
    await other.command("DEBUG", "DISK-FAULTS", "OFF");
    const accepted = await writing;
    assertEquals(await field(other, "aof_last_write_status"), "ok");
    assertEquals(await client.command("SET", "after", "v"), "OK");
    const keys = await client.command("DBSIZE");
    await server.kill("SIGTERM");
    await using again = await server.startAgain();
    await using reader = await again.connect();
    assertEquals(await reader.command("DBSIZE"), keys);
    assertEquals([keys, await reader.command("EXISTS", "after", `k${accepted}`)], [accepted + 2, 2]);
  }));

Deno.test("always: a sync that fails stops the server with exit code 1, and nothing was acknowledged", () =>
  withFaults(null, ["--appendonly", "yes", "--appendfsync", "always"], async (server, client) => {
    await client.command("SET", "k", "v");
    await faults(client, { rules: [{ operation: "sync", path: INCREMENTS, fault: { kind: "error", code: "EIO" } }] });
    await assertRejects(() => client.command("SET", "k", "lost"));
    assertEquals(await server.ended(), 1);
    assertStringIncludes(server.log, "Can't persist AOF for fsync error when the AOF fsync policy is 'always'");
  }));

for (const operation of ["write", "rename", "open"] as const) {
  Deno.test(`BGREWRITEAOF: ENOSPC at ${operation} of the base keeps the old generation, and the next one works`, () =>
    withFaults(null, ["--appendonly", "yes"], async (server, client) => {
      await client.command("SET", "k", "v");
      const directory = `${server.dir}/appendonlydir`;
      const bases = () => [...Deno.readDirSync(directory)].map(({ name }) => name).filter((name) => /base/.test(name));
      assertEquals(bases(), ["appendonly.aof.1.base.rdb"]);
      await faults(client, {
        rules: [{ operation, path: "temp-rewriteaof*", fault: { kind: "error", code: "ENOSPC" } }],
      });
      await client.command("BGREWRITEAOF");
      await untilField(client, "aof_last_bgrewrite_status", "err");
      assertEquals([bases(), await client.command("SET", "k", "w")], [["appendonly.aof.1.base.rdb"], "OK"]);
      await client.command("BGREWRITEAOF");
      await untilField(client, "aof_last_bgrewrite_status", "ok");
      await until(() => Promise.resolve(bases().join() === "appendonly.aof.2.base.rdb"));
      await server.kill("SIGKILL");
      await using again = await server.startAgain();
      await using reader = await again.connect();
      assertEquals(await reader.command("GET", "k"), "w");
    }));
}

Deno.test("short writes and interrupts are nobody's business: all that was acknowledged is there after a kill", () =>
  withFaults(
    {
      rules: [
        { operation: "write", path: INCREMENTS, nth: 5, fault: { kind: "error", code: "EINTR" } },
        { operation: "write", path: INCREMENTS, isSticky: true, fault: { kind: "short", bytes: 3 } },
      ],
    },
    ["--appendonly", "yes", "--appendfsync", "always"],
    async (server, client) => {
      for (let i = 0; i < 20; i++) await client.command("SET", `k${i}`, "value");
      await server.kill("SIGKILL");
      await using again = await server.startAgain();
      await using reader = await again.connect();
      assertEquals(await reader.command("DBSIZE"), 20);
    },
  ));

Deno.test("DEBUG DISK-FAULTS: a plan that is wrong changes nothing and says why; STATUS tells what has happened, OFF ends it", () =>
  withFaults(null, [], async (_server, client) => {
    const status = async () => String(await client.command("DEBUG", "DISK-FAULTS", "STATUS"));
    assertEquals(await status(), "off");
    await faults(client, { rules: [{ operation: "open", path: "temp-*", fault: { kind: "error", code: "EMFILE" } }] });
    assertStringIncludes(await refusal(client, "SAVE"), "Too many open files");
    const before = await status();
    assertStringIncludes(before, "matched 1, happened 1");
    assertEquals(
      await refusal(client, "DEBUG", "DISK-FAULTS", '{"rules":[{"fault":{"kind":"error","code":"EWHAT"}}]}'),
      'ERR Cannot use this plan of disk faults: rules[0].fault.code is "EWHAT", must be the name of an error, such as EIO or ENOSPC',
    );
    assertEquals(await status(), before);
    assertEquals(await client.command("DEBUG", "DISK-FAULTS", "OFF"), "OK");
    assertEquals([await status(), await client.command("SAVE")], ["off", "OK"]);
  }));

Deno.test("--disk-faults: a plan that cannot be read or used ends the start with exit code 1 and says what is wrong", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/plan.json`;
  const started = async () => {
    const { code, stderr } = await commandFor("ours", freePort(), directory.path, ["--disk-faults", path]).output();
    return { code, message: new TextDecoder().decode(stderr) };
  };
  assertEquals(await started(), {
    code: 1,
    message: `Cannot read the plan of disk faults "${path}": No such file or directory\n`,
  });
  await Deno.writeTextFile(path, '{"capacity":5}');
  assertEquals(await started(), {
    code: 1,
    message:
      `Cannot use the plan of disk faults "${path}": the plan has a field "capacity"; there are rules, capacityBytes\n`,
  });
});
