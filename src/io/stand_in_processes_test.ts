import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { USER_SIGNAL } from "./process.ts";
import { FakeStandIns, ShellStandIns } from "./stand_in_processes.ts";

type Heard = { pid: number } | { killed: number } | { missing: string };

/** Starts one; `next` waits for what is heard of it. */
function startOne(standIns: ShellStandIns, title: string) {
  const heard: Heard[] = [];
  let wake = () => {};
  const hear = (one: Heard) => (heard.push(one), wake());
  const standIn = standIns.start(title, {
    started: (pid) => hear({ pid }),
    killed: (killed) => hear({ killed }),
    missing: (missing) => hear({ missing }),
  });
  const next = async (): Promise<Heard> => {
    while (heard.length === 0) await new Promise<void>((resolve) => wake = resolve);
    return heard.shift()!;
  };
  const pid = async () => {
    const first = await next();
    assert("pid" in first, JSON.stringify(first));
    return first.pid;
  };
  return { standIn, next, pid };
}

/** Null when it has ended, whether or not somebody has asked how. */
function commandLineOf(pid: number): string | null {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/cmdline`) || null;
  } catch {
    return null;
  }
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 1));
}

const onLinux = { ignore: Deno.build.os !== "linux" };

Deno.test("ShellStandIns: who kills a stand-in is heard, with the signal's number", async () => {
  const standIns = new ShellStandIns();
  for (const [signal, number] of [["SIGKILL", 9], ["SIGTERM", 15], ["SIGUSR1", USER_SIGNAL]] as const) {
    const { next, pid } = startOne(standIns, "a-title 127.0.0.1:1");
    Deno.kill(await pid(), signal);
    assertEquals(await next(), { killed: number });
  }
  standIns.terminate();
});

Deno.test({
  name: "ShellStandIns: ps shows the title; `end` takes the process away",
  ...onLinux,
  async fn() {
    const standIns = new ShellStandIns(), { standIn, pid } = startOne(standIns, "a-title-that-is-long 127.0.0.1:1");
    const itsPid = await pid();
    assertStringIncludes(commandLineOf(itsPid)!, "a-title-that-is-long 127.0.0.1:1\0");
    await until(() => Deno.readTextFileSync(`/proc/${itsPid}/comm`) === "a-title-that-is\n");
    assertStringIncludes(Deno.readTextFileSync(`/proc/${itsPid}/status`), `PPid:\t${Deno.pid}\n`);
    standIn.end();
    await until(() => commandLineOf(itsPid) === null);
    standIns.terminate();
  },
});

Deno.test({
  name: "ShellStandIns: a stand-in does not outlive the process that started it, however that ends",
  ...onLinux,
  async fn() {
    const program = `import { ShellStandIns } from ${
      JSON.stringify(new URL("./stand_in_processes.ts", import.meta.url).href)
    };
      new ShellStandIns().start("a-title", { started: (pid) => console.log(pid), killed() {}, missing() {} });`;
    const owner = new Deno.Command(Deno.execPath(), { args: ["run", "-A", "-"], stdin: "piped", stdout: "piped" })
      .spawn();
    const writer = owner.stdin.getWriter();
    await writer.write(new TextEncoder().encode(program));
    await writer.close();
    const reader = owner.stdout.getReader(), pid = Number(new TextDecoder().decode((await reader.read()).value));
    assert(commandLineOf(pid) !== null);
    owner.kill("SIGKILL");
    await owner.status;
    await until(() => commandLineOf(pid) === null);
    await reader.cancel();
  },
});

Deno.test({
  name: "ShellStandIns: without permission there is none, nobody is asked, and that is all",
  permissions: { run: false, read: true },
  async fn() {
    const standIns = new ShellStandIns(), { next } = startOne(standIns, "a-title");
    assertEquals(await next(), { missing: "no permission to run /bin/sh" });
    standIns.terminate();
  },
});

Deno.test("FakeStandIns: kill is heard by the oldest, end by nobody", () => {
  const standIns = new FakeStandIns(), heard: string[] = [];
  const start = (title: string) =>
    standIns.start(title, {
      started: () => {},
      killed: (signal) => void heard.push(`${title} ${signal}`),
      missing: () => {},
    });
  const first = start("first");
  start("second");
  first.end();
  standIns.kill(9);
  assertEquals([heard, standIns.running], [["second 9"], []]);
});
