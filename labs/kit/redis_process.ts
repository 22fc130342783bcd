/** The real redis-server, where one is installed: started on files in a folder, listening on a socket file there, and killed again. */
import { encodeCommand, type Reply, ReplyError, ReplyParser } from "../../src/mod.ts";

const STARTS_WITHIN_MS = 10_000;
const POLL_MS = 20;
const decoder = new TextDecoder();

/** `7.0.15`, or null where Redis is not installed. */
export function redisVersion(): string | null {
  try {
    const { stdout } = new Deno.Command("redis-server", { args: ["--version"], stdout: "piped", stderr: "null" })
      .outputSync();
    return /v=([0-9.]+)/.exec(decoder.decode(stdout))?.[1] ?? null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/**
 * Starts it, asks `question` until that has an answer, and kills it; `onStart` gets the process meanwhile, for whoever is interrupted.
 * When it ends before it answers, the result is why, by its log.
 */
export async function startRedis<T>(
  directory: string,
  directives: Readonly<Record<string, string>>,
  question: (socket: string) => Promise<T | null>,
  onStart: (process: Deno.ChildProcess) => void,
): Promise<{ readonly value: T } | { readonly refusal: string }> {
  const socket = `${directory}/socket`, all = { ...directives, unixsocket: socket, port: "0" };
  const server = new Deno.Command("redis-server", {
    args: Object.entries(all).flatMap(([name, value]) => [`--${name}`, value]),
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  onStart(server);
  const log = new Response(server.stdout).text(), untilMs = performance.now() + STARTS_WITHIN_MS;
  let hasEnded = false, value: T | null = null;
  server.status.then(() => hasEnded = true);
  while (!hasEnded && (value = await question(socket)) === null) {
    if (performance.now() > untilMs) throw new Error("redis-server neither started nor ended");
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  try {
    server.kill("SIGKILL");
  } catch {
    // It has ended by itself.
  }
  await server.status;
  return value === null ? { refusal: whyRefused(await log) } : (await log, { value });
}

/** One command on a connection of its own; null when nobody listens yet, it still loads, or it has just ended. */
export async function askRedis(socket: string, words: readonly string[]): Promise<Reply | null> {
  try {
    using connection = await Deno.connect({ transport: "unix", path: socket });
    await connection.write(encodeCommand(words));
    const reply = await replyFrom(connection);
    return reply instanceof ReplyError ? null : reply;
  } catch (error) {
    const { NotFound, ConnectionRefused, ConnectionReset, BrokenPipe } = Deno.errors;
    if ([NotFound, ConnectionRefused, ConnectionReset, BrokenPipe].some((kind) => error instanceof kind)) return null;
    throw error;
  }
}

async function replyFrom(connection: Deno.UnixConn): Promise<Reply | null> {
  const parser = new ReplyParser(), bytes = new Uint8Array(1 << 16);
  for (;;) {
    const read = await connection.read(bytes);
    if (read === null) return null;
    parser.push(bytes.slice(0, read), read);
    const reply = parser.next();
    if (reply !== undefined) return reply;
  }
}

/** The line of the log that says it. */
function whyRefused(log: string): string {
  const warnings = log.split("\n").filter((line) => / # /.test(line)).map((line) => line.replace(/^.*? # /, ""));
  const isReason = (line: string) => /^(Fatal|Bad file format|Unexpected end|The AOF file|\*\*\*)/i.test(line);
  return (warnings.find(isReason) ?? warnings.at(-1) ?? "it ended").replace(/: make a backup.*/, "");
}
