import type { Handlers } from "./context.ts";

export const hyperloglogCommands: Handlers = {};
