/**
 * Sends a sequence of steps to both servers in pipelined batches, and finds the first difference: in a reply, or in DEBUG DIGEST, which is
 * asked after every batch on another connection (so also in the middle of a transaction).
 */

import type { ServerPair, Settings } from "./server_pair.ts";
import { showWords, type Step, type Words } from "./step.ts";
import { NoReplyError } from "./wire_client.ts";
import { parseReply, showReply, type WireReply } from "./wire_reply.ts";

export interface Round {
  readonly settings: Settings;
  /** 2 or 3. */
  readonly protocol: number;
}

export interface Difference {
  /** Steps up to this one (exclusive) bring it about. */
  readonly endStep: number;
  readonly text: string;
}

const BATCH_STEPS = 200;
const DATABASES = 3;

/** Runs the steps from an empty state; the first difference, or undefined. */
export async function runSteps(
  pair: ServerPair,
  round: Round,
  steps: readonly Step[],
): Promise<Difference | undefined> {
  await pair.reset(round.settings, round.protocol);
  for (let start = 0; start < steps.length; start += BATCH_STEPS) {
    const batch = steps.slice(start, start + BATCH_STEPS);
    const difference = await runBatch(pair, batch, start);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

async function runBatch(pair: ServerPair, batch: readonly Step[], start: number): Promise<Difference | undefined> {
  const commands = batch.flatMap((step) => step.commands);
  const ours = await repliesOrLoss(pair.ours.run(commands));
  const exchanges = pairUp(batch, ours.replies);
  const redis = await repliesOrLoss(pair.redis.run(exchanges.flatMap((one) => one.forRedis)));
  const found = firstDifference(exchanges, redis.replies, start);
  if (found !== undefined) return found;
  if (ours.loss !== undefined) {
    return { endStep: start + exchanges.length + 1, text: `${nameOf(batch, exchanges.length)}: ours: ${ours.loss}` };
  }
  if (redis.loss !== undefined) throw new Error(`redis-server: ${redis.loss}`);
  return await digestDifference(pair, start + batch.length);
}

function nameOf(batch: readonly Step[], index: number): string {
  return batch[index].commands.map(showWords).join("; ");
}

/** A server that closes the connection has replied to what came before. */
async function repliesOrLoss(
  running: Promise<Uint8Array[]>,
): Promise<{ replies: readonly Uint8Array[]; loss?: string }> {
  try {
    return { replies: await running };
  } catch (error) {
    if (!(error instanceof NoReplyError)) throw error;
    return { replies: error.replies, loss: error.message };
  }
}

interface Exchange {
  readonly step: Step;
  readonly ours: readonly Uint8Array[];
  readonly forRedis: readonly Words[];
  /** Nothing was executed, only queued: replies are as plain as those of a plain step. */
  readonly queued: boolean;
}

/** Steps that ours has replied to whole, with what Redis gets for them. */
function pairUp(batch: readonly Step[], replies: readonly Uint8Array[]): Exchange[] {
  const exchanges: Exchange[] = [];
  let at = 0;
  for (const step of batch) {
    const ours = replies.slice(at, at + step.commands.length);
    if (ours.length < step.commands.length) break;
    at += ours.length;
    const queued = ours.some(isQueued);
    const forRedis = step.forRedis === undefined || queued ? step.commands : step.forRedis(ours.map(parseReply));
    exchanges.push({ step, ours, forRedis, queued });
  }
  return exchanges;
}

const QUEUED = "+QUEUED\r\n";

function isQueued(reply: Uint8Array): boolean {
  return reply.length === QUEUED.length && String.fromCharCode(...reply) === QUEUED;
}

function firstDifference(
  exchanges: readonly Exchange[],
  replies: readonly Uint8Array[],
  start: number,
): Difference | undefined {
  let at = 0;
  for (const [index, exchange] of exchanges.entries()) {
    const redis = replies.slice(at, at + exchange.forRedis.length);
    at += redis.length;
    if (redis.length < exchange.forRedis.length) return undefined;
    const text = judge(exchange, redis);
    if (text !== undefined) return { endStep: start + index + 1, text };
  }
  return undefined;
}

function judge({ step, ours, queued }: Exchange, redis: readonly Uint8Array[]): string | undefined {
  if (ours.length === redis.length && ours.every((reply, i) => equalBytes(reply, redis[i]))) return undefined;
  const [oursParsed, redisParsed] = [ours.map(parseReply), redis.map(parseReply)];
  const compare = step.compare === undefined || queued ? exactly(step.commands) : step.compare;
  const text = compare(oursParsed, redisParsed);
  return text === undefined ? undefined : `${step.commands.map(showWords).join("; ")}: ${text}`;
}

function exactly(commands: readonly Words[]) {
  return (ours: readonly WireReply[], redis: readonly WireReply[]): string | undefined => {
    const index = ours.findIndex((reply, i) => showReply(reply) !== showReply(redis[i]));
    const at = Math.max(index, 0), where = commands.length > 1 ? `${showWords(commands[at])}: ` : "";
    return `${where}ours ${showReply(ours[at])}, redis ${showReply(redis[at])}`;
  };
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

async function digestDifference(pair: ServerPair, endStep: number): Promise<Difference | undefined> {
  const [ours, redis] = await Promise.all([pair.ours.ask("DEBUG", "DIGEST"), pair.redis.ask("DEBUG", "DIGEST")]);
  if (ours.text === redis.text) return undefined;
  return { endStep, text: `DEBUG DIGEST differs: ${(await differentKeys(pair)).join("; ") || "no key's value does"}` };
}

async function differentKeys(pair: ServerPair): Promise<string[]> {
  const found: string[] = [];
  for (let database = 0; database < DATABASES; database++) {
    for (const side of [pair.ours, pair.redis]) await side.ask("SELECT", database);
    const names = new Set<string>();
    for (const side of [pair.ours, pair.redis]) {
      for (const { text } of (await side.ask("KEYS", "*")).items!) names.add(text);
    }
    for (const name of names) {
      const [ours, redis] = await Promise.all([keyState(pair.ours, name), keyState(pair.redis, name)]);
      if (ours !== redis) found.push(`db ${database}, ${name}: ours ${ours}, redis ${redis}`);
    }
  }
  return found;
}

async function keyState(side: ServerPair["ours"], name: string): Promise<string> {
  const type = await side.ask("TYPE", name), value = await side.ask("DEBUG", "DIGEST-VALUE", name);
  const expires = (await side.ask("PEXPIRETIME", name)).text === "-1" ? "" : ", expires";
  return `${type.text} ${value.items?.[0].text.slice(0, 8) ?? showReply(value)}${expires}`;
}
