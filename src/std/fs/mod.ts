/** Stand-in for jsr:@std/fs: what this project uses, with the same signatures and behaviour. */
import { mkdirSync, statSync } from "node:fs";
import { mkdir } from "node:fs/promises";

/** Makes sure that a directory exists, with its parents. @throws when something else is there */
export async function ensureDir(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
}

/** The same, at once. */
export function ensureDirSync(path: string): void {
  mkdirSync(path, { recursive: true });
}

/** Whether something is there. */
export function existsSync(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
