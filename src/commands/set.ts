import type { Handlers } from "./context.ts";

export const setCommands: Handlers = {};
