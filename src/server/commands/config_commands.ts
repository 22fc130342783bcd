/** The CONFIG command. CONFIG REWRITE replaces the file as a whole or not at all, also across a power cut. */
import type { CommandContext, Handlers } from "../../commands/context.ts";
import { ERROR } from "../../commands/errors.ts";
import { describeErrno, parentDirectory, readWhole, type Storage, StorageError, writeWhole } from "../../io/storage.ts";
import type { Client } from "../client.ts";
import { type ConfigPair, findDirective } from "../config/config.ts";
import { rewriteConfig } from "../config/config_rewrite.ts";
import { bytesOfByteString, type ByteString, textOfByteString } from "../config/config_text.ts";
import { isLocal, type Server } from "../server.ts";
import { help } from "./help.ts";

export function configCommands(server: Server): Handlers {
  function get(ctx: CommandContext): void {
    const patterns: ByteString[] = [];
    for (let i = 2; i < ctx.args.count; i++) patterns.push(ctx.args.latin1(i));
    const pairs = server.config.get(patterns);
    ctx.reply.startMap(pairs.length);
    for (const { name, value } of pairs) {
      ctx.reply.bytes(bytesOfByteString(name));
      ctx.reply.bytes(bytesOfByteString(value));
    }
  }

  function set(ctx: CommandContext): void {
    const { args } = ctx;
    if (args.count % 2 !== 0) return ctx.reply.error(ERROR.syntax);
    const pairs: ConfigPair[] = [];
    for (let i = 2; i < args.count; i += 2) {
      const name = args.latin1(i);
      if (findDirective(name)?.flags.has("sensitive")) args.redact(i + 1);
      pairs.push({ name, value: args.latin1(i + 1) });
    }
    const caller = { isLocal: isLocal((ctx.client as Client).connection), isLoading: server.isLoading };
    const failure = server.config.set(pairs, caller);
    server.settingsChanged();
    if (failure === null) return ctx.reply.ok();
    if (failure.log !== null) server.log.warning(failure.log);
    ctx.reply.errorWithCode(textOfByteString(failure.reply));
  }

  function rewrite(ctx: CommandContext): void {
    const path = server.system.configFile;
    if (path === "") return ctx.reply.error("The server is running without a config file");
    const failure = rewriteConfigFile(server, path, false);
    if (failure !== null) {
      server.log.warning(`CONFIG REWRITE failed: ${failure.message}`);
      return ctx.reply.error(`Rewriting config file: ${describeErrno(failure.code)}`);
    }
    server.log.warning("CONFIG REWRITE executed with success.");
    ctx.reply.ok();
  }

  function resetstat(ctx: CommandContext): void {
    const { keyspace, table } = server;
    server.statistics.reset();
    server.persistence.resetStatistics();
    server.dispatcher.executedCommands = 0;
    keyspace.hits = keyspace.misses = keyspace.expiredKeys = 0;
    keyspace.lazyFree.freedObjects = 0;
    for (const { statistics } of table.all()) {
      statistics.calls =
        statistics.microseconds =
        statistics.rejectedCalls =
        statistics.failedCalls =
          0;
    }
    for (const command of table.all()) command.latency = null;
    ctx.reply.ok();
  }

  return {
    "config|get": get,
    "config|set": set,
    "config|rewrite": rewrite,
    "config|resetstat": resetstat,
    "config|help": configHelp,
  };
}

/** The whole file; empty when there is none. */
function readIfThere(storage: Storage, path: string): Uint8Array {
  return storage.exists(path) ? readWhole(storage, path) : new Uint8Array(0);
}

/** Writes the configuration in use to the file it came from. Null, or why not: then the file is as it was. */
export function rewriteConfigFile(server: Server, path: string, forceAll: boolean): StorageError | null {
  const { storage, config, system, unixTime } = server;
  try {
    const bytes = rewriteConfig(readIfThere(storage, path), config, forceAll);
    replaceFile(storage, path, `${path}.${system.pid}-${unixTime.now()}.tmp`, bytes);
    return null;
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    return error;
  }
}

/** Writes beside the file, syncs, and renames over it. @throws {StorageError} with the old file as it was */
function replaceFile(storage: Storage, path: string, temporary: string, bytes: Uint8Array): void {
  try {
    writeWhole(storage, temporary, bytes);
    storage.rename(temporary, path);
  } catch (error) {
    if (storage.exists(temporary)) storage.remove(temporary);
    throw error;
  }
  storage.syncDirectory(parentDirectory(path));
}

const configHelp = help(
  "GET <pattern> [<pattern> ...]",
  "    Show parameters whose names match, and their values.",
  "SET <directive> <value> [<directive> <value> ...]",
  "    Set all these parameters, or none.",
  "RESETSTAT",
  "    Set the counters that INFO shows back to zero.",
  "REWRITE",
  "    Write the configuration in use to the configuration file.",
);
