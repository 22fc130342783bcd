import type { Handlers } from "./context.ts";

export const hashCommands: Handlers = {};
