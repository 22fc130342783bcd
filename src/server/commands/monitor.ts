/** MONITOR: the client gets every command that runs, until it closes or resets. */
import type { Handlers } from "../../commands/context.ts";
import type { Client } from "../client.ts";
import type { Server } from "../server.ts";

export function monitorCommands(server: Server): Handlers {
  return {
    monitor: (ctx) => {
      const client = ctx.client as Client;
      if (client.queue !== null) return ctx.reply.error("MONITOR isn't allowed for DENY BLOCKING client");
      if (client.isMonitor) return;
      client.isMonitor = true;
      server.monitors.add(client);
      ctx.reply.ok();
    },
  };
}
