/**
 * Afterimage in process: open a server with a clock, randomness, disk and network of your choice, connect clients to it, freeze its
 * memory, step its time, stop it or kill it. Labs and tests use this; `main.ts` is the same thing as a program.
 */
import { ascii } from "./base/bytes.ts";
import { type Clock, ManualClock, RealClock } from "./io/clock.ts";
import { MemoryNetwork } from "./io/memory_network.ts";
import { MemoryStorage } from "./io/memory_storage.ts";
import type { Network } from "./io/network.ts";
import { type Randomness, SeededRandomness } from "./io/randomness.ts";
import type { Storage } from "./io/storage.ts";
import { Config, enterAnyDirectory } from "./server/config/config.ts";
import { byteStringOfText } from "./server/config/config_text.ts";
import { Log } from "./server/log.ts";
import { Server } from "./server/server.ts";

export { DiskStorage } from "./io/disk_storage.ts";
export { ManualClock, MemoryNetwork, MemoryStorage, RealClock, SeededRandomness, Server };
export type { Clock, Network, Randomness, Storage };
