import type { Handlers } from "./context.ts";

export const sortedSetCommands: Handlers = {};
