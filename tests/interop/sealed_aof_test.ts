/** Sealed logs between this server and redis-server: each goes on with what the other left, also with a torn end, and Redis's tools pass them. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { oracleTest, runTool, type ServerKind, ServerProcess } from "../support/server_fixture.ts";

const AOF = ["--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"];
const FOLDER = "appendonlydir", MANIFEST = `${FOLDER}/appendonly.aof.manifest`;
const INCREMENT = `${FOLDER}/appendonly.aof.1.incr.aof`;
const SEAL = /#AF:[0-9a-f]{8}:/g;

/** Starts a server on `dir`, checks what it holds, appends `word`, and ends it. */
async function append(
  kind: ServerKind,
  dir: string,
  before: string,
  word: string,
  args: string[] = [],
): Promise<string> {
  await using server = await ServerProcess.start(kind, { dir, args: [...AOF, ...args] });
  await using client = await server.connect();
  assertEquals(await client.command("GET", "words") ?? "", before, `${kind} before "${word}"`);
  await client.command("SELECT", "3");
  await client.command("SET", "other", word);
  await client.command("SELECT", "0");
  await client.command("APPEND", "words", word);
  await server.stop();
  return before + word;
}

function sealsIn(path: string): number {
  return Deno.readTextFileSync(path).match(SEAL)?.length ?? 0;
}

async function assertSound(dir: string): Promise<void> {
  const { code, output } = await runTool("redis-check-aof", [`${dir}/${MANIFEST}`]);
  assertEquals(code, 0, output);
}

oracleTest(
  "sealed log: redis-server and this server go on with one increment in turns, and redis-check-aof passes it",
  async () => {
    const dir = await Deno.makeTempDir();
    try {
      let words = "", turn = 0;
      for (const kind of ["ours", "redis", "redis", "ours", "ours", "redis", "ours"] as const) {
        words = await append(kind, dir, words, `${kind}${turn++} `);
        await assertSound(dir);
      }
      // A seal a turn and two for what Redis wrote, at least; one file all the time.
      assert(sealsIn(`${dir}/${INCREMENT}`) >= 6);
      const content = Deno.readFileSync(`${dir}/${INCREMENT}`),
        place = content.findIndex((_, i) => i > 200 && content[i] === 0x6f);
      content[place] ^= 4;
      Deno.writeFileSync(`${dir}/${INCREMENT}`, content);
      const refusal = await append("ours", dir, words, "").catch((error: Error) => error.message);
      assertMatch(refusal, new RegExp(`appendonly.aof.1.incr.aof: it is damaged at offset ${place}: `));
    } finally {
      Deno.removeSync(dir, { recursive: true });
    }
  },
);

oracleTest("sealed log: a torn end is cut by whoever starts first, and the other goes on", async () => {
  for (const first of ["ours", "redis"] as const) {
    // Redis does not see that an annotation is torn, whoever wrote it, and goes on in the middle of the line: not within a seal.
    for (const cutBytes of first === "ours" ? [1, 30, 62, 63, 70] : [63, 70]) {
      const dir = await Deno.makeTempDir();
      try {
        await append("ours", dir, "", "kept ");
        const keptBytes = Deno.statSync(`${dir}/${INCREMENT}`).size;
        await append("ours", dir, "kept ", "torn ");
        const content = Deno.readFileSync(`${dir}/${INCREMENT}`), end = content.length - cutBytes;
        assert(end > keptBytes);
        Deno.writeFileSync(`${dir}/${INCREMENT}`, content.subarray(0, end));
        // Redis keeps a whole command that has no seal.
        const before = first === "redis" && cutBytes === 63 ? "kept torn " : "kept ";
        const after = await append(first, dir, before, "after ");
        const last = await append(first === "ours" ? "redis" : "ours", dir, after, "last ");
        await append("ours", dir, last, "");
        await assertSound(dir);
      } finally {
        Deno.removeSync(dir, { recursive: true });
      }
    }
  }
});

oracleTest(
  "sealed log: redis-check-aof --truncate-to-timestamp leaves what this server loads to the last command",
  async () => {
    const dir = await Deno.makeTempDir(), timestamps = ["--aof-timestamp-enabled", "yes"];
    try {
      const states: [number, string][] = [];
      let words = "";
      for (let turn = 0; turn < 3; turn++) {
        words = await append("ours", dir, words, `${turn} `, timestamps);
        const stamps = [...Deno.readTextFileSync(`${dir}/${INCREMENT}`).matchAll(/#TS:([0-9]+)/g)].map((match) =>
          Number(match[1])
        );
        states.push([stamps[stamps.length - 1], words]);
        // The next stamp is of another second.
        await new Promise((resolve) => setTimeout(resolve, 1100));
      }
      for (const [stamp, expected] of states.reverse()) {
        const { code, output } = await runTool("redis-check-aof", [
          "--truncate-to-timestamp",
          String(stamp),
          `${dir}/${MANIFEST}`,
        ]);
        assertEquals(code, 0, output);
        await using server = await ServerProcess.start("ours", { dir, args: [...AOF, ...timestamps] });
        await using client = await server.connect();
        assertEquals(await client.command("GET", "words"), expected);
        assert(!server.log.includes("Truncating"), server.log);
        await server.stop();
      }
    } finally {
      Deno.removeSync(dir, { recursive: true });
    }
  },
);
