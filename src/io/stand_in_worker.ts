/** The thread that starts stand-ins, waits for their end and reports it (see stand_in_processes.ts). It holds their pipes, and nothing else. */
import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import type { StandInReport, StandInRequest } from "./stand_in_processes.ts";
import { workerScope } from "./worker_thread.ts";

const SHELL = "/bin/sh";
/** Interrupts from the terminal are the server's to answer. What `ps` and `top` call a process is in `comm`, where there is one. */
const script = (name: string) => `trap '' HUP INT QUIT\necho ${name} 2>/dev/null >/proc/$$/comm\n`;

const scope = workerScope(), children = new Map<number, ChildProcess>();

function report(message: StandInReport): void {
  scope.post(message);
}

/** Where it is not granted yet, asking for it would be answered by somebody at the terminal. */
function mayRun(): boolean {
  return Deno.permissions.querySync({ name: "run", command: SHELL }).state === "granted";
}

/** The first process takes ten times as long to start as the others, so that is over before one is wanted. */
function warmUp(): void {
  if (mayRun()) spawn(SHELL, ["-c", ":"], { stdio: "ignore" }).on("error", () => {});
}

function start(id: number, title: string): void {
  if (!mayRun()) {
    return report({ id, kind: "missing", reason: `no permission to run ${SHELL}` });
  }
  const child = spawn(SHELL, [], { argv0: title, cwd: "/", env: {}, stdio: ["pipe", "ignore", "ignore"] });
  children.set(id, child);
  child.on("error", (error) => ended(id, { id, kind: "missing", reason: error.message }));
  child.on("exit", (code, signal) => ended(id, endOf(id, code, signal)));
  // It may have been killed already: its end is reported by `exit`.
  child.stdin!.on("error", () => {});
  child.stdin!.write(script(title.split(" ", 1)[0]));
  if (child.pid !== undefined) report({ id, kind: "started", pid: child.pid });
}

function endOf(id: number, code: number | null, signal: keyof typeof constants.signals | null): StandInReport {
  if (signal !== null) return { id, kind: "killed", signal: constants.signals[signal] };
  return { id, kind: "missing", reason: `${SHELL} ended with exit code ${code}` };
}

function ended(id: number, why: StandInReport): void {
  if (children.delete(id)) report(why);
}

function end(id: number): void {
  const child = children.get(id);
  children.delete(id);
  child?.kill("SIGKILL");
}

scope.onMessage((message) => {
  const { id, title } = message as StandInRequest;
  if (title === null) return end(id);
  try {
    start(id, title);
  } catch (error) {
    children.delete(id);
    report({ id, kind: "missing", reason: (error as Error).message });
  }
});
warmUp();
