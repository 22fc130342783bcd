/** All commands about the server itself, its clients and their transactions, as one table of handlers. */
import type { Handlers } from "../../commands/context.ts";
import type { Server } from "../server.ts";
import { clientCommands } from "./client_commands.ts";
import { commandCommands } from "./command_commands.ts";
import { configCommands } from "./config_commands.ts";
import { connectionCommands } from "./connection.ts";
import { debugCommands } from "./debug_commands.ts";
import { infoCommands } from "./info.ts";
import { latencyCommands } from "./latency_commands.ts";
import { memoryCommands } from "./memory_commands.ts";
import { migrateCommands } from "./migrate.ts";
import { monitorCommands } from "./monitor.ts";
import { objectHelp, streamGroupHelp, streamInfoHelp } from "./help.ts";
import { pagesCommands } from "./pages_commands.ts";
import { pubsubCommands } from "./pubsub_commands.ts";
import { replicationCommands } from "./replication_commands.ts";
import { serverCommands } from "./server_commands.ts";
import { slowlogCommands } from "./slowlog_commands.ts";
import { trackingCommands } from "./tracking_commands.ts";
import { transactionCommands } from "./transactions.ts";

export function adminCommands(server: Server): Handlers {
  return {
    ...connectionCommands(server),
    ...transactionCommands(server),
    ...serverCommands(server),
    ...replicationCommands(server),
    ...clientCommands(server),
    ...configCommands(server),
    ...commandCommands(server),
    ...slowlogCommands(server),
    ...latencyCommands(server),
    ...migrateCommands(server),
    ...monitorCommands(server),
    ...infoCommands(server),
    ...memoryCommands(server),
    ...pagesCommands(server),
    ...pubsubCommands(server),
    ...trackingCommands(server),
    ...debugCommands(server),
    "object|help": objectHelp,
    "xgroup|help": streamGroupHelp,
    "xinfo|help": streamInfoHelp,
  };
}
