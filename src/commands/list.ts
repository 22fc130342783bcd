import type { Handlers } from "./context.ts";

export const listCommands: Handlers = {};
