/** The CLIENT command: who is connected, their names, and what is done to their connections. */
import type { CommandContext, Handlers } from "../../commands/context.ts";
import { ERROR } from "../../commands/errors.ts";
import { type Client, REPLY_MODE } from "../client.ts";
import type { Server } from "../server.ts";
import { setClientName } from "./connection.ts";
import { help, wrongUsage } from "./help.ts";

/** Kinds of clients by the names that LIST and KILL take. */
const CLIENT_TYPES: readonly string[] = ["normal", "slave", "replica", "pubsub", "master"];
const ID_ERROR = "client-id should be greater than 0";

/** Which clients CLIENT KILL means; what is null does not matter. */
interface KillFilter {
  id: number | null;
  address: string | null;
  localAddress: string | null;
  type: string | null;
  skipMe: boolean;
}

export function clientCommands(server: Server): Handlers {
  const clientOf = (ctx: CommandContext) => ctx.client as Client;

  function info(ctx: CommandContext): void {
    ctx.reply.verbatim(server.describe(clientOf(ctx)) + "\n");
  }

  // ---- LIST ----------------------------------------------------------------------------------------------------

  function list(ctx: CommandContext): void {
    const { args } = ctx;
    if (args.count === 2) return replyClients(ctx, server.clients.values());
    if (args.count === 4 && args.equalsIgnoreCase(2, "type")) {
      const type = clientType(ctx, 3);
      if (type !== null) replyClients(ctx, [...server.clients.values()].filter((client) => isOfType(client, type)));
      return;
    }
    if (args.count > 3 && args.equalsIgnoreCase(2, "id")) return listByIds(ctx);
    ctx.reply.error(ERROR.syntax);
  }

  function listByIds(ctx: CommandContext): void {
    const found: Client[] = [];
    for (let i = 3; i < ctx.args.count; i++) {
      const id = ctx.integer(i, "Invalid client ID");
      if (Number.isNaN(id)) return;
      const client = server.clients.get(id);
      if (client !== undefined) found.push(client);
    }
    replyClients(ctx, found);
  }

  function replyClients(ctx: CommandContext, clients: Iterable<Client>): void {
    let text = "";
    for (const client of clients) text += server.describe(client) + "\n";
    ctx.reply.verbatim(text);
  }

  /** A type that exists in Redis, or null with the error replied. */
  function clientType(ctx: CommandContext, index: number): string | null {
    const name = ctx.args.text(index), type = name.toLowerCase();
    if (CLIENT_TYPES.includes(type)) return type;
    ctx.reply.error(`Unknown client type '${name}'`);
    return null;
  }

  // ---- KILL ----------------------------------------------------------------------------------------------------

  function kill(ctx: CommandContext): void {
    const oldForm = ctx.args.count === 3;
    const filter = oldForm ? addressFilter(ctx.args.text(2)) : killFilter(ctx);
    if (filter === null) return;
    const me = clientOf(ctx);
    const killed = [...server.clients.values()].filter((client) => isMeant(client, me, filter));
    for (const client of killed) if (client !== me) client.close();
    if (!oldForm) ctx.reply.integer(killed.length);
    else if (killed.length > 0) ctx.reply.ok();
    else ctx.reply.error("No such client");
    if (killed.includes(me)) me.closeAfterReply = true;
  }

  /** The options of the new form, or null with the error replied. */
  function killFilter(ctx: CommandContext): KillFilter | null {
    const { args } = ctx, filter = { ...addressFilter(null), skipMe: true };
    for (let i = 2; i < args.count; i += 2) {
      if (i + 1 === args.count || !readKillOption(ctx, i, filter)) {
        if (i + 1 === args.count) ctx.reply.error(ERROR.syntax);
        return null;
      }
    }
    return filter;
  }

  /** Reads the option at `index` and its value; false with the error replied. */
  function readKillOption(ctx: CommandContext, index: number, filter: KillFilter): boolean {
    const option = ctx.args.latin1(index).toLowerCase(), value = ctx.args.text(index + 1);
    switch (option) {
      case "id":
        filter.id = ctx.integer(index + 1, ID_ERROR);
        if (filter.id < 1) ctx.reply.error(ID_ERROR);
        return filter.id >= 1;
      case "type": {
        const type = clientType(ctx, index + 1);
        filter.type = type;
        return type !== null;
      }
      case "addr":
        filter.address = value;
        return true;
      case "laddr":
        filter.localAddress = value;
        return true;
      case "user": // everybody is the default user
        if (value !== "default") ctx.reply.error(`No such user '${value}'`);
        return value === "default";
      case "skipme":
        filter.skipMe = value.toLowerCase() === "yes";
        if (filter.skipMe || value.toLowerCase() === "no") return true;
    }
    ctx.reply.error(ERROR.syntax);
    return false;
  }

  // ---- names, replies, eviction --------------------------------------------------------------------------------

  function setname(ctx: CommandContext): void {
    if (setClientName(clientOf(ctx), ctx, 2)) ctx.reply.ok();
  }

  function getname(ctx: CommandContext): void {
    const { name } = clientOf(ctx);
    if (name === "") ctx.reply.null();
    else ctx.reply.text(name);
  }

  function reply(ctx: CommandContext): void {
    const client = clientOf(ctx), { args } = ctx;
    if (args.equalsIgnoreCase(2, "on")) {
      client.replyMode = REPLY_MODE.on;
      client.keptReplies.length = 0;
      ctx.reply.ok();
    } else if (args.equalsIgnoreCase(2, "off")) client.replyMode = REPLY_MODE.off;
    else if (!args.equalsIgnoreCase(2, "skip")) ctx.reply.error(ERROR.syntax);
    else if (client.replyMode !== REPLY_MODE.off) client.replyMode = REPLY_MODE.skipNext;
  }

  function noEvict(ctx: CommandContext): void {
    const on = ctx.args.equalsIgnoreCase(2, "on");
    if (!on && !ctx.args.equalsIgnoreCase(2, "off")) return ctx.reply.error(ERROR.syntax);
    clientOf(ctx).noEvict = on;
    ctx.reply.ok();
  }

  // ---- pausing -------------------------------------------------------------------------------------------------

  function pause(ctx: CommandContext): void {
    const { args } = ctx;
    if (args.count > 4) return ctx.reply.error(wrongUsage(ctx));
    const onlyWrites = args.count === 4 && args.equalsIgnoreCase(3, "write");
    if (args.count === 4 && !onlyWrites && !args.equalsIgnoreCase(3, "all")) {
      return ctx.reply.error("CLIENT PAUSE mode must be WRITE or ALL");
    }
    const milliseconds = ctx.integer(2, "timeout is not an integer or out of range");
    if (Number.isNaN(milliseconds)) return;
    if (milliseconds < 0) return ctx.reply.error("timeout is negative");
    server.pause.start(milliseconds, !onlyWrites);
    ctx.reply.ok();
  }

  function unpause(ctx: CommandContext): void {
    server.pause.end();
    ctx.reply.ok();
  }

  function unblock(ctx: CommandContext): void {
    const { args } = ctx;
    if (args.count > 4) return ctx.reply.error(wrongUsage(ctx));
    if (args.count === 4 && !args.equalsIgnoreCase(3, "timeout") && !args.equalsIgnoreCase(3, "error")) {
      return ctx.reply.error("CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    }
    const id = ctx.integer(2);
    if (Number.isNaN(id)) return;
    const client = server.clients.get(id), withError = args.count === 4 && args.equalsIgnoreCase(3, "error");
    ctx.reply.integer(client !== undefined && server.blocking.unblock(client, withError) ? 1 : 0);
  }

  return {
    "client|id": (ctx) => ctx.reply.integer(ctx.client.id),
    "client|info": info,
    "client|list": list,
    "client|kill": kill,
    "client|setname": setname,
    "client|getname": getname,
    "client|reply": reply,
    "client|no-evict": noEvict,
    "client|pause": pause,
    "client|unpause": unpause,
    "client|unblock": unblock,
    "client|help": clientHelp,
  };
}

/** All clients at an address (all when null), the caller included. */
function addressFilter(address: string | null): KillFilter {
  return { id: null, address, localAddress: null, type: null, skipMe: false };
}

function isOfType(client: Client, type: string): boolean {
  if (client.isReplica) return type === "slave" || type === "replica";
  return type === (client.isMaster ? "master" : client.isSubscriber ? "pubsub" : "normal");
}

function isMeant(client: Client, me: Client, filter: KillFilter): boolean {
  const { connection } = client;
  return (filter.id === null || client.id === filter.id) && (filter.type === null || isOfType(client, filter.type)) &&
    (filter.address === null || connection.remoteAddress === filter.address) &&
    (filter.localAddress === null || connection.localAddress === filter.localAddress) &&
    !(filter.skipMe && client === me);
}

const clientHelp = help(
  "GETNAME",
  "    Tell the name of this connection.",
  "CACHING (YES|NO)",
  "    Track the keys of the next command (in OPTIN mode), or do not (in OPTOUT mode).",
  "GETREDIR",
  "    Tell which client invalidations go to (0: this one, -1: tracking is off).",
  "ID",
  "    Tell the number of this connection.",
  "INFO",
  "    Describe this connection.",
  "KILL <ip:port>",
  "    Close the connection from that address.",
  "KILL <option> <value> [<option> <value> [...]]",
  "    Close connections that match all of:",
  "    * ADDR (<ip:port>|<unixsocket>:0)",
  "      the address they come from",
  "    * LADDR (<ip:port>|<unixsocket>:0)",
  "      the address they came to",
  "    * ID <client-id>",
  "      their number",
  "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
  "      their kind",
  "    * USER <username>",
  "      their user",
  "    * SKIPME (YES|NO)",
  "      whether this connection is spared (default: yes)",
  "LIST [TYPE <type>|ID <client-id> [...]]",
  "    Describe all connections, or some.",
  "NO-EVICT (ON|OFF)",
  "    Protect this connection from being dropped for its memory.",
  "PAUSE <timeout> [WRITE|ALL]",
  "    Hold back all commands, or only writes, for <timeout> milliseconds.",
  "REPLY (ON|OFF|SKIP)",
  "    Switch the replies to this connection.",
  "SETNAME <name>",
  "    Name this connection.",
  "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
  "         [OPTIN] [OPTOUT] [NOLOOP]",
  "    Be told when keys change that this connection has read, or (BCAST) that begin with prefixes.",
  "TRACKINGINFO",
  "    Tell what is tracked for this connection.",
  "UNBLOCK <clientid> [TIMEOUT|ERROR]",
  "    End the blocking command of a connection.",
  "UNPAUSE",
  "    End a pause.",
);
