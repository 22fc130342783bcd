import type { Handlers } from "./context.ts";

export const sortCommands: Handlers = {};
