/** Reads single fields of INFO. */

import type { RespClient } from "./resp_client.ts";

/** One field of a section of INFO; undefined when the section has no such field. */
export async function infoField(client: RespClient, section: string, field: string): Promise<string | undefined> {
  const text = await client.command("INFO", section) as string;
  const line = text.split("\r\n").find((each) => each.startsWith(field + ":"));
  return line?.slice(field.length + 1);
}

/**
 * Waits until a background save is over.
 * @throws when it failed
 */
export async function untilSaved(client: RespClient, pollIntervalMs = 20): Promise<void> {
  while (await infoField(client, "persistence", "rdb_bgsave_in_progress") !== "0") {
    await new Promise((resolve) => setTimeout(resolve, pollIntervalMs));
  }
  const status = await infoField(client, "persistence", "rdb_last_bgsave_status");
  if (status !== "ok") throw new Error(`Background save ended with rdb_last_bgsave_status ${status}`);
}

/**
 * Waits until a rewrite of the AOF, scheduled or running, is over.
 * @throws when it failed
 */
export async function untilRewritten(client: RespClient, pollIntervalMs = 20): Promise<void> {
  while (await rewriteIsPending(client)) await new Promise((resolve) => setTimeout(resolve, pollIntervalMs));
  const status = await infoField(client, "persistence", "aof_last_bgrewrite_status");
  if (status !== "ok") throw new Error(`Rewrite ended with aof_last_bgrewrite_status ${status}`);
}

async function rewriteIsPending(client: RespClient): Promise<boolean> {
  if (await infoField(client, "persistence", "aof_rewrite_in_progress") !== "0") return true;
  return await infoField(client, "persistence", "aof_rewrite_scheduled") !== "0";
}
