import type { Handlers } from "./context.ts";

export const streamCommands: Handlers = {};
