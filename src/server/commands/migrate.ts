/** MIGRATE: reads the request, and has the keys sent (`migration.ts`). */
import { latin1Decode } from "../../base/bytes.ts";
import type { CommandContext, Handlers } from "../../commands/context.ts";
import { ERROR } from "../../commands/errors.ts";
import { NONE } from "../../memory/mod.ts";
import type { Args } from "../../resp/args.ts";
import type { Client } from "../client.ts";
import { Migration } from "../migration.ts";
import type { Server } from "../server.ts";

const HOST = 1, PORT = 2, KEY = 3, TARGET_DB = 4, TIMEOUT = 5, OPTIONS = 6;
const TIMEOUT_MS_DEFAULT = 1000;
/** The longest time a timer can be set for. */
const TIMER_MS_MAX = 2 ** 31 - 1;

interface Options {
  copy: boolean;
  replace: boolean;
  auth: Uint8Array[];
  /** Arguments that are keys. */
  firstKey: number;
  endKey: number;
}

export function migrateCommands(server: Server): Handlers {
  function migrate(ctx: CommandContext): void {
    const options = parseOptions(ctx);
    if (options === null) return;
    const timeout = ctx.wideInteger(TIMEOUT);
    if (Number.isNaN(timeout)) return;
    const targetDb = ctx.wideInteger(TARGET_DB);
    if (Number.isNaN(targetDb)) return;
    const client = ctx.client as Client;
    if (!client.mayBlock) return ctx.reply.error("MIGRATE cannot wait for the target inside a transaction");
    const keys: Uint8Array[] = [];
    for (let i = options.firstKey; i < options.endKey; i++) {
      if (ctx.lookupRead(i) !== NONE) keys.push(ctx.args.slice(i).slice());
    }
    if (keys.length === 0) return ctx.reply.status("NOKEY");
    const { copy, replace, auth } = options;
    void new Migration(server, client, {
      host: ctx.args.text(HOST),
      port: portOf(latin1Decode(ctx.args.slice(PORT))),
      targetDb,
      timeoutMs: timeout > 0 ? Math.min(timeout, TIMER_MS_MAX) : TIMEOUT_MS_DEFAULT,
      copy,
      replace,
      auth,
      db: ctx.db,
      keys,
    }).run();
  }
  return { migrate };
}

function secret(args: Args, index: number): Uint8Array {
  args.redact(index);
  return args.slice(index).slice();
}

function parseOptions(ctx: CommandContext): Options | null {
  const args = ctx.args, options: Options = { copy: false, replace: false, auth: [], firstKey: KEY, endKey: KEY + 1 };
  for (let i = OPTIONS; i < args.count; i++) {
    const left = args.count - 1 - i;
    if (args.equalsIgnoreCase(i, "copy")) options.copy = true;
    else if (args.equalsIgnoreCase(i, "replace")) options.replace = true;
    else if (args.equalsIgnoreCase(i, "auth") && left >= 1) options.auth = [secret(args, ++i)];
    else if (args.equalsIgnoreCase(i, "auth2") && left >= 2) {
      options.auth = [secret(args, ++i), secret(args, ++i)];
    } else if (args.equalsIgnoreCase(i, "keys")) {
      if (args.lengths[KEY] !== 0) {
        ctx.reply.error("When using MIGRATE KEYS option, the key argument must be set to the empty string");
        return null;
      }
      options.firstKey = i + 1, options.endKey = args.count;
      break;
    } else {
      ctx.reply.error(ERROR.syntax);
      return null;
    }
  }
  return options;
}

/** What C's atoi reads; 0, to which nothing connects, when it is no port. */
function portOf(text: string): number {
  const port = Number.parseInt(text, 10);
  return port > 0 && port < 65536 ? port : 0;
}
