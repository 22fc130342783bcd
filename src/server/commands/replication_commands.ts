/** REPLICAOF, ROLE, WAIT, WAITAOF, and what replicas and masters say to each other: SYNC, PSYNC, REPLCONF. */
import type { CommandContext, Handlers } from "../../commands/context.ts";
import { ERROR } from "../../commands/errors.ts";
import type { Client } from "../client.ts";
import type { ReplicaLink } from "../replication/replica_link.ts";
import { NO_LOG_TO_WAIT_FOR } from "../replication/durability_waits.ts";
import type { Server } from "../server.ts";

const NO_MASTER_LINK = "NOMASTERLINK Can't SYNC while not connected with my master";
const NO_WAIT_ON_REPLICA =
  "WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be writable " +
  "(which is not the default) writes to replicas are just local and are not propagated.";
const NO_WAITAOF_ON_REPLICA =
  "WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just local and are not propagated.";
const HOST_BYTES_MAX = 256;
const PORT_MAX = 65535;

export function replicationCommands(server: Server): Handlers {
  const { replication } = server, { replicas, stream } = replication;
  const clientOf = (ctx: CommandContext) => ctx.client as Client;

  // ---- synchronization -----------------------------------------------------------------------------------------

  function sync(ctx: CommandContext): void {
    const client = clientOf(ctx);
    if (client.isReplica || client.isMonitor || !maySync(ctx)) return;
    const link = replicas.linkOf(client);
    link.isOld = true;
    server.log.notice(`Replica ${link.name} asks for synchronization`);
    replicas.synchronize(link);
  }

  function psync(ctx: CommandContext): void {
    const client = clientOf(ctx);
    if (client.isReplica || client.isMonitor || !maySync(ctx)) return;
    const link = replicas.linkOf(client), offset = ctx.integer(2);
    if (Number.isNaN(offset)) {
      return server.log.warning(`Replica ${link.name} asks for synchronization but with a wrong offset`);
    }
    server.log.notice(`Replica ${link.name} asks for synchronization`);
    link.isOld = false;
    if (!replicas.resume(link, ctx.args.latin1(1), offset)) replicas.synchronize(link);
  }

  /** False with the error replied. */
  function maySync(ctx: CommandContext): boolean {
    if (replication.isReplica && !replication.isLinkUp) ctx.reply.errorWithCode(NO_MASTER_LINK);
    else if (ctx.reply.length > 0) ctx.reply.error("SYNC and PSYNC are invalid with pending output");
    else return true;
    return false;
  }

  // ---- REPLCONF ------------------------------------------------------------------------------------------------

  function replconf(ctx: CommandContext): void {
    const { args } = ctx;
    if (args.count % 2 === 0) return ctx.reply.error(ERROR.syntax);
    for (let i = 1; i < args.count; i += 2) if (!configure(ctx, i)) return;
    ctx.reply.ok();
  }

  /** Takes one option; false when there is no +OK for it. */
  function configure(ctx: CommandContext, index: number): boolean {
    const { args } = ctx, option = args.latin1(index).toLowerCase(), client = clientOf(ctx);
    switch (option) {
      case "ack":
        return acknowledge(ctx, index + 1);
      case "getack":
        if (client.isMaster) replication.master?.askAcknowledgement();
        return false;
      case "capa":
        if (args.equalsIgnoreCase(index + 1, "psync2")) replicas.linkOf(client).knowsPsync2 = true;
        return true;
      case "listening-port":
        return setPort(ctx, index + 1);
      case "ip-address":
        return setAddress(ctx, index + 1);
      case "rdb-only":
        return setRdbOnly(ctx, index + 1);
      case "rdb-filter-only":
        return setFilter(ctx, index + 1);
    }
    ctx.reply.error(`Unrecognized REPLCONF option: ${args.text(index)}`);
    return false;
  }

  /** Never replied to. */
  function acknowledge(ctx: CommandContext, index: number): false {
    const client = clientOf(ctx), offset = ctx.args.safeInteger(index);
    if (client.isReplica && !Number.isNaN(offset)) {
      replicas.acknowledged(client.feed as ReplicaLink, offset, durableOffset(ctx, index + 1));
    }
    return false;
  }

  /** FACK, of Redis 7.2: up to where the replica's log is synced; -1 when it is not there. */
  function durableOffset({ args }: CommandContext, index: number): number {
    if (args.count < index + 2 || !args.equalsIgnoreCase(index, "fack")) return -1;
    const offset = args.safeInteger(index + 1);
    return Number.isNaN(offset) ? -1 : offset;
  }

  function setPort(ctx: CommandContext, index: number): boolean {
    const port = ctx.integer(index);
    if (Number.isNaN(port)) return false;
    replicas.linkOf(clientOf(ctx)).listeningPort = port;
    return true;
  }

  function setAddress(ctx: CommandContext, index: number): boolean {
    const address = ctx.args.latin1(index);
    if (address.length < HOST_BYTES_MAX) replicas.linkOf(clientOf(ctx)).address = address;
    else {
      ctx.reply.error(`REPLCONF ip-address provided by replica instance is too long: ${address.length} bytes`);
      return false;
    }
    return true;
  }

  function setRdbOnly(ctx: CommandContext, index: number): boolean {
    const value = ctx.integer(index);
    if (Number.isNaN(value)) return false;
    if (value === 0 || value === 1) replicas.linkOf(clientOf(ctx)).wantsOnlyRdb = value === 1;
    else ctx.reply.error("value is out of range, value must between 0 and 1");
    return value === 0 || value === 1;
  }

  /** The parts that the file is to have, separated by blanks; none of them, none. */
  function setFilter(ctx: CommandContext, index: number): boolean {
    const parts = ctx.args.text(index).split(/\s+/).filter((part) => part !== "");
    const unknown = parts.find((part) => part.toLowerCase() !== "functions");
    if (unknown !== undefined) ctx.reply.error(`Unsupported rdb-filter-only option: ${unknown}`);
    else replicas.linkOf(clientOf(ctx)).wantedContent = { data: false, functions: parts.length > 0 };
    return unknown === undefined;
  }

  // ---- roles ---------------------------------------------------------------------------------------------------

  function replicaof(ctx: CommandContext): void {
    const { args } = ctx;
    if (args.equalsIgnoreCase(1, "no") && args.equalsIgnoreCase(2, "one")) promote(ctx);
    else follow(ctx);
  }

  function promote(ctx: CommandContext): void {
    if (replication.isReplica) {
      replication.unfollow();
      server.log.notice(`MASTER MODE enabled (user request from '${server.describe(clientOf(ctx))}')`);
    }
    ctx.reply.ok();
  }

  function follow(ctx: CommandContext): void {
    if (clientOf(ctx).isReplica) return ctx.reply.error("Command is not valid when client is a replica.");
    const host = ctx.args.latin1(1), port = ctx.integer(2, "Invalid master port");
    if (Number.isNaN(port)) return;
    if (port < 0 || port > PORT_MAX) return ctx.reply.error("Invalid master port");
    const { master } = replication;
    if (master !== null && master.host.toLowerCase() === host.toLowerCase() && master.port === port) {
      server.log.notice(
        "REPLICAOF would result into synchronization with the master we are already connected with. No operation performed.",
      );
      return ctx.reply.status("OK Already connected to specified master");
    }
    replication.follow(host, port);
    server.log.notice(`REPLICAOF ${host}:${port} enabled (user request from '${server.describe(clientOf(ctx))}')`);
    ctx.reply.ok();
  }

  function role(ctx: CommandContext): void {
    const { reply } = ctx, { master } = replication;
    if (master === null) return masterRole(ctx);
    reply.startArray(5);
    reply.text("slave");
    reply.text(master.host);
    reply.integer(master.port);
    reply.text(master.state);
    reply.integer(master.client === null ? -1 : stream.offset);
  }

  function masterRole({ reply }: CommandContext): void {
    const online = [...replicas.all].filter((link) => link.state === "online");
    reply.startArray(3);
    reply.text("master");
    reply.integer(stream.offset);
    reply.startArray(online.length);
    for (const { ip, listeningPort, ackOffset } of online) {
      reply.startArray(3);
      reply.text(ip), reply.text(String(listeningPort)), reply.text(String(ackOffset));
    }
  }

  function wait(ctx: CommandContext): void {
    if (replication.isReplica) return ctx.reply.error(NO_WAIT_ON_REPLICA);
    const wanted = ctx.integer(1);
    if (Number.isNaN(wanted)) return;
    const timeoutMs = ctx.integer(2, "timeout is not an integer or out of range");
    if (Number.isNaN(timeoutMs)) return;
    if (timeoutMs < 0) return ctx.reply.error("timeout is negative");
    const client = clientOf(ctx), acks = replicas.countAcks(client.streamOffset);
    if (acks >= wanted || !client.mayBlock) return ctx.reply.integer(acks);
    replicas.acknowledgements.hold(ctx, client.streamOffset, wanted, timeoutMs);
  }

  function waitaof(ctx: CommandContext): void {
    const local = ctx.integer(1);
    if (Number.isNaN(local)) return;
    if (local < 0 || local > 1) return ctx.reply.error("value is out of range, value must between 0 and 1");
    const wanted = ctx.integer(2);
    if (Number.isNaN(wanted)) return;
    if (wanted < 0) return ctx.reply.error("value is out of range, must be positive");
    const timeoutMs = ctx.integer(3, "timeout is not an integer or out of range");
    if (Number.isNaN(timeoutMs)) return;
    if (timeoutMs < 0) return ctx.reply.error("timeout is negative");
    if (replication.isReplica) return ctx.reply.error(NO_WAITAOF_ON_REPLICA);
    if (local > 0 && server.persistence.aof.state === "off") return ctx.reply.error(NO_LOG_TO_WAIT_FOR);
    const { logPosition, streamOffset } = clientOf(ctx);
    server.replication.durabilityWaits.begin(
      ctx,
      { local, replicas: wanted, position: logPosition, offset: streamOffset },
      timeoutMs,
    );
  }

  return { sync, psync, replconf, replicaof, slaveof: replicaof, role, wait, waitaof };
}
