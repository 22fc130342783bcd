/** PING, ECHO, AUTH, HELLO, SELECT, QUIT, RESET. */
import { bytesEqual, latin1Decode } from "../../base/bytes.ts";
import type { CommandContext, Handlers } from "../../commands/context.ts";
import { databaseArgument } from "../../commands/generic.ts";
import { type Client, REPLY_MODE } from "../client.ts";
import { REDIS_VERSION, type Server } from "../server.ts";

const WRONG_PASSWORD = "WRONGPASS invalid username-password pair or user is disabled.";
const HELLO_NEEDS_AUTH =
  "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used " +
  "to authenticate the client and select the RESP protocol version at the same time";
const NAME_RULE = "Client names cannot contain spaces, newlines or special characters.";

/** Sets a client's name; false with the error replied when it has characters that would break CLIENT LIST. */
export function setClientName(client: Client, ctx: CommandContext, index: number): boolean {
  const name = ctx.args.slice(index);
  for (const byte of name) {
    if (byte < 0x21 || byte > 0x7e) {
      ctx.reply.error(NAME_RULE);
      return false;
    }
  }
  client.name = latin1Decode(name);
  return true;
}

export function connectionCommands(server: Server): Handlers {
  const clientOf = (ctx: CommandContext) => ctx.client as Client;

  function ping(ctx: CommandContext): void {
    if (ctx.args.count > 2) return ctx.reply.error("wrong number of arguments for 'ping' command");
    if (ctx.reply.protocol === 2 && clientOf(ctx).isSubscriber) return pong(ctx);
    if (ctx.args.count === 1) ctx.reply.status("PONG");
    else ctx.reply.bulk(ctx.args.bytes, ctx.args.offsets[1], ctx.args.lengths[1]);
  }

  /** To a subscriber that cannot tell messages from replies otherwise: like a message. */
  function pong({ args, reply }: CommandContext): void {
    reply.startArray(2);
    reply.text("pong");
    if (args.count === 1) reply.text("");
    else reply.bulk(args.bytes, args.offsets[1], args.lengths[1]);
  }

  function echo(ctx: CommandContext): void {
    ctx.reply.bulk(ctx.args.bytes, ctx.args.offsets[1], ctx.args.lengths[1]);
  }

  function select(ctx: CommandContext): void {
    const db = databaseArgument(ctx, 1);
    if (db === null) return;
    clientOf(ctx).db = db;
    ctx.reply.ok();
  }

  function signIn(client: Client, user: string, password: Uint8Array): boolean {
    const required = server.settings.requirepass;
    // All bytes are compared, so that the time taken does not tell how many were right.
    if (user !== "default" || (required.length > 0 && !constantTimeEqual(required, password))) return false;
    client.authenticated = true;
    client.parser.unauthenticated = false;
    server.updateGates();
    return true;
  }

  function auth(ctx: CommandContext): void {
    const args = ctx.args;
    if (args.count > 3) return ctx.reply.error("syntax error");
    for (let i = 1; i < args.count; i++) args.redact(i);
    if (args.count === 2 && server.settings.requirepass.length === 0) {
      return ctx.reply.error(
        "AUTH <password> called without any password configured for the default user. " +
          "Are you sure your configuration is correct?",
      );
    }
    const user = args.count === 3 ? args.latin1(1) : "default";
    if (signIn(clientOf(ctx), user, args.slice(args.count - 1))) return ctx.reply.ok();
    server.statistics.aclAccessDeniedAuth++;
    ctx.reply.errorWithCode(WRONG_PASSWORD);
  }

  function hello(ctx: CommandContext): void {
    const args = ctx.args, client = clientOf(ctx);
    let version = 0;
    if (args.count >= 2) {
      version = ctx.integer(1, "Protocol version is not an integer or out of range");
      if (Number.isNaN(version)) return;
      if (version < 2 || version > 3) return ctx.reply.errorWithCode("NOPROTO unsupported protocol version");
    }
    for (let i = 2; i < args.count; i++) {
      if (args.equalsIgnoreCase(i, "auth") && i + 2 < args.count) {
        args.redact(i + 1), args.redact(i + 2);
        if (!signIn(client, args.latin1(i + 1), args.slice(i + 2))) return ctx.reply.errorWithCode(WRONG_PASSWORD);
        i += 2;
      } else if (args.equalsIgnoreCase(i, "setname") && i + 1 < args.count) {
        if (!setClientName(client, ctx, ++i)) return;
      } else return ctx.reply.error(`Syntax error in HELLO option '${args.text(i)}'`);
    }
    if (!client.authenticated) return ctx.reply.errorWithCode(HELLO_NEEDS_AUTH);
    if (version !== 0) ctx.reply.protocol = version;
    replyHello(ctx, client);
  }

  function replyHello(ctx: CommandContext, client: Client): void {
    const reply = ctx.reply;
    reply.startMap(7);
    reply.text("server"), reply.text("redis");
    reply.text("version"), reply.text(REDIS_VERSION);
    reply.text("proto"), reply.integer(reply.protocol);
    reply.text("id"), reply.integer(client.id);
    reply.text("mode"), reply.text("standalone");
    reply.text("role"), reply.text(server.replication.isReplica ? "replica" : "master");
    reply.text("modules"), reply.startArray(0);
  }

  function quit(ctx: CommandContext): void {
    ctx.reply.ok();
    clientOf(ctx).closeAfterReply = true;
  }

  function reset(ctx: CommandContext): void {
    const client = clientOf(ctx);
    client.discardQueue();
    server.unwatchAll(client);
    server.monitors.delete(client);
    server.pubsub.forget(client);
    server.tracking.disable(client);
    client.isMonitor = client.noEvict = false;
    client.replyMode = REPLY_MODE.on;
    client.db = server.keyspace.databases[0];
    client.name = "";
    client.authenticated = server.settings.requirepass.length === 0;
    client.parser.unauthenticated = !client.authenticated;
    ctx.reply.protocol = 2;
    server.updateGates();
    ctx.reply.status("RESET");
  }

  return { ping, echo, select, auth, hello, quit, reset };
}

function constantTimeEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return bytesEqual(a, b);
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i] ^ b[i];
  return difference === 0;
}
