/** The server program: arguments and configuration file, wiring, run. */
import { utf8Encode } from "./base/bytes.ts";
import { RealClock } from "./io/clock.ts";
import { type DiskFaultPlan, DiskFaultPlanError, parseDiskFaultPlan } from "./io/disk_faults/disk_fault_plan.ts";
import { DiskStorage } from "./io/disk_storage.ts";
import { ListenError } from "./io/network.ts";
import { process } from "./io/process.ts";
import { RealRandomness } from "./io/randomness.ts";
import { ShellStandIns } from "./io/stand_in_processes.ts";
import { TcpNetwork } from "./io/tcp_network.ts";
import { WorkerSnapshotChild } from "./persistence/snapshot/snapshot_child.ts";
import { findFacts } from "./commands/spec/all_facts.ts";
import { parseCommandLine, type StartCommandLine, USAGE_TEXT, VERSION_TEXT } from "./server/config/command_line.ts";
import { Config } from "./server/config/config.ts";
import {
  configError,
  ConfigFileError,
  type ConfigSource,
  joinConfigText,
  loadConfig,
  readConfigFile,
} from "./server/config/config_loader.ts";
import type { ShutdownOption } from "./server/config/settings.ts";
import { hostSystem } from "./mod.ts";
import { LoadFailedError } from "./server/loading.ts";
import { Log } from "./server/log.ts";
import { REDIS_VERSION, Server } from "./server/server.ts";

const source: ConfigSource = {
  readFile: process.readFile,
  listDirectory: process.listDirectory,
  isCommand: (name) => findFacts(name) !== undefined,
};

function print(text: string): void {
  process.writeOut(utf8Encode(text));
}

function fail(text: string): never {
  process.writeError(utf8Encode(text.endsWith("\n") ? text : text + "\n"));
  return process.exit(1);
}

function loadConfiguration(line: StartCommandLine): { config: Config; configFile: string } {
  const config = new Config({ workingDirectory: process.workingDirectory(), enterDirectory: process.enterDirectory });
  const configFile = line.configFile === null ? "" : absolute(line.configFile);
  const file = configFile === "" ? null : readConfigFile(configFile, source);
  loadConfig(config, joinConfigText(file, line.readsStdin ? process.readStdin() : null, line.options), source);
  return { config, configFile };
}

function absolute(path: string): string {
  return path.startsWith("/") ? path : `${process.workingDirectory()}/${path}`;
}

function openLog(config: Config, clock: RealClock): Log {
  const log = new Log(clock, process.pid);
  log.level = config.loglevel;
  log.write = process.writeOut;
  if (config.logfile === "") return log;
  try {
    log.write = process.openLog(config.logfile.startsWith("/") ? config.logfile : `${config.dir}/${config.logfile}`);
  } catch (error) {
    throw configError(`Can't open the log file: ${(error as Error).message}`);
  }
  return log;
}

function loadDiskFaults(path: string): DiskFaultPlan {
  const file = process.readFile(path);
  if ("error" in file) fail(`Cannot read the plan of disk faults "${path}": ${file.error}`);
  try {
    return parseDiskFaultPlan(new TextDecoder().decode(file.bytes));
  } catch (error) {
    if (error instanceof DiskFaultPlanError) fail(`Cannot use the plan of disk faults "${path}": ${error.message}`);
    throw error;
  }
}

async function run(line: StartCommandLine): Promise<void> {
  const diskFaults = line.diskFaultsFile === null ? null : loadDiskFaults(line.diskFaultsFile);
  const { config, configFile } = loadConfiguration(line), clock = new RealClock(), log = openLog(config, clock);
  log.warning("oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo");
  log.warning(`Redis version=${REDIS_VERSION}, bits=64, commit=00000000, modified=0, pid=${process.pid}, just started`);
  if (configFile !== "") log.warning("Configuration loaded");
  else log.warning("Warning: no config file specified, using the default config.");
  const server = new Server({
    config,
    log,
    clock,
    randomness: new RealRandomness(),
    storage: new DiskStorage(),
    network: new TcpNetwork(),
    system: hostSystem(configFile),
    spawnSnapshotChild: () => new WorkerSnapshotChild(),
    standIns: new ShellStandIns(),
  });
  if (diskFaults !== null) {
    log.warning(`The disk fails by the plan ${line.diskFaultsFile}`);
    server.diskFaults.start(diskFaults);
  }
  server.onStopped = (code) => process.exit(code);
  if (config.pidfile !== "") writePidFile(config.pidfile, log);
  process.onSignal("SIGTERM", () => stopOnSignal(server, "SIGTERM", config.shutdownOnSigterm));
  process.onSignal("SIGINT", () => stopOnSignal(server, "SIGINT", config.shutdownOnSigint));
  log.notice(`Running mode=standalone, port=${config.port}, PID: ${process.pid}`);
  server.listen();
  log.warning("Server initialized");
  await server.persistence.start();
  if (server.isStopped) return;
  server.cron.start();
  log.notice("Ready to accept connections");
}

function writePidFile(path: string, log: Log): void {
  try {
    process.writeFile(path, `${process.pid}\n`);
  } catch (error) {
    log.warning(`Failed to write PID file: ${(error as Error).message}`);
  }
}

function stopOnSignal(server: Server, signal: string, options: readonly ShutdownOption[]): void {
  const save = options.includes("save") ? true : options.includes("nosave") ? false : null;
  server.shutdown.request(signal, { save, now: options.includes("now"), force: options.includes("force") });
}

async function main(): Promise<void> {
  const line = parseCommandLine(process.args());
  if (line.kind === "version") return print(VERSION_TEXT);
  if (line.kind === "help") fail(USAGE_TEXT);
  if (line.kind === "refused") fail(line.message);
  try {
    await run(line);
  } catch (error) {
    if (error instanceof ConfigFileError) fail(error.report);
    if (error instanceof LoadFailedError || error instanceof ListenError) {
      const log = new Log(new RealClock(), process.pid);
      log.write = process.writeOut;
      log.warning(error.message);
      process.exit(1);
    }
    throw error;
  }
}

await main();
