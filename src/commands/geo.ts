import type { Handlers } from "./context.ts";

export const geoCommands: Handlers = {};
