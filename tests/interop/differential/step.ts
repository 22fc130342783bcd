/**
 * A step: what goes to both servers, and how their replies are compared.
 *
 * Most steps are plain: the same commands, the same bytes in reply. Commands whose outcome is up to the server are compared by their
 * effect: `forRedis` makes, from what ours replied, commands that do to Redis what ours did (SPOP -> SREM of what ours popped), and
 * `compare` judges. A comparison must never accept a reply that Redis could not have given.
 */

import type { Argument } from "../../support/resp_client.ts";
import { canonical, isError, isNull, showReply, type WireReply } from "./wire_reply.ts";

export type Words = readonly Argument[];

export interface Step {
  readonly commands: readonly Words[];
  /** What Redis gets instead, given our replies. */
  readonly forRedis?: (ours: readonly WireReply[]) => readonly Words[];
  /** What is wrong, or undefined. Without it replies must be equal byte for byte. */
  readonly compare?: (ours: readonly WireReply[], redis: readonly WireReply[]) => string | undefined;
  /** No mistake may be put into it: it would make the outcome random, or take long. */
  readonly fixed?: true;
}

export function plain(...words: Argument[]): Step {
  return { commands: [words] };
}

export function isPlain(step: Step): boolean {
  return step.compare === undefined && step.forRedis === undefined && step.commands.length === 1;
}

/** Several commands that only make sense together; shrinking keeps them together. */
export function group(...commands: Words[]): Step {
  return { commands, fixed: true };
}

/** `differ` shows both replies. */
export function differ(ours: WireReply, redis: WireReply): string {
  return `ours ${showReply(ours)}, redis ${showReply(redis)}`;
}

/** Elements, or pairs of them, in any order. Sets and maps of RESP3 and arrays of RESP2 alike, errors and nulls exactly. */
export function anyOrder(reply: WireReply, pairs: boolean): string {
  if (reply.items === null) return canonical(reply);
  const parts: string[] = [];
  for (let i = 0; i < reply.items.length; i += pairs ? 2 : 1) {
    parts.push(canonical(reply.items[i]) + (pairs ? canonical(reply.items[i + 1]) : ""));
  }
  return `${reply.type}{${parts.toSorted().join(",")}}`;
}

/** The last command's reply is a collection in no order. */
export function unordered(...words: Argument[]): Step {
  return { commands: [words], compare: ([ours], [redis]) => equalBy((reply) => anyOrder(reply, false), ours, redis) };
}

/** Field and value, or member and score, in turn, in no order. */
export function unorderedPairs(...words: Argument[]): Step {
  return { commands: [words], compare: ([ours], [redis]) => equalBy((reply) => anyOrder(reply, true), ours, redis) };
}

export function equalBy(
  form: (reply: WireReply) => string,
  ours: WireReply,
  redis: WireReply,
): string | undefined {
  return form(ours) === form(redis) ? undefined : differ(ours, redis);
}

/** Equal but for integers that depend on when the command ran: those may be `toleranceMs` apart if `isTime` says so. */
export function timed(
  toleranceMs: number,
  isTime: (path: readonly number[]) => boolean,
  ...words: Argument[]
): Step {
  return {
    commands: [words],
    compare: ([ours], [redis]) => nearlyEqual(ours, redis, toleranceMs, isTime, []) ? undefined : differ(ours, redis),
  };
}

function nearlyEqual(
  ours: WireReply,
  redis: WireReply,
  toleranceMs: number,
  isTime: (path: readonly number[]) => boolean,
  path: readonly number[],
): boolean {
  if (ours.type !== redis.type) return false;
  if (ours.items === null || redis.items === null) {
    if (ours.text === redis.text) return ours.items === redis.items;
    return ours.type === ":" && isTime(path) && bothTimes(Number(ours.text), Number(redis.text), toleranceMs);
  }
  const theirs = redis.items;
  return ours.items.length === theirs.length &&
    ours.items.every((item, i) => nearlyEqual(item, theirs[i], toleranceMs, isTime, [...path, i]));
}

/** -1 and -2 (no expiry, no key) are near nothing. */
function bothTimes(a: number, b: number, toleranceMs: number): boolean {
  return a >= 0 && b >= 0 && Math.abs(a - b) <= toleranceMs;
}

/** SCAN and its kin with a COUNT so large that one call returns everything; from any other cursor the answer is up to the table. */
export function scanAll(pairs: boolean, ...words: Argument[]): Step {
  const form = (reply: WireReply): string =>
    reply.items === null ? canonical(reply) : canonical(reply.items[0]) + anyOrder(reply.items[1], pairs);
  return { commands: [words], compare: ([ours], [redis]) => equalBy(form, ours, redis), fixed: true };
}

/** What no scan of a key accepts after the key. */
export const SCAN_MISTAKES: readonly Words[] = [
  ...[["abc"], ["0", "COUNT", "0"], ["0", "COUNT", "x"], ["0", "COUNT"], ["0", "MATCH"], ["0", "TYPE", "set"], [
    "0",
    "0",
  ]],
];

/** Latin1 text of a reply as the bytes that it stands for. */
export function bytesOf(reply: WireReply): Uint8Array {
  return Uint8Array.from(reply.text, (char) => char.charCodeAt(0));
}

/** Texts of an aggregate, or of a single element; none for an error or null. */
export function elements(reply: WireReply): readonly WireReply[] {
  if (reply.items !== null) return reply.items;
  return isError(reply) || isNull(reply) ? [] : [reply];
}

/**
 * A random choice that changes nothing: SRANDMEMBER, HRANDFIELD, ZRANDMEMBER, RANDOMKEY. Redis gets the same command, and the answer must have
 * the same shape; then `lookUp` asks Redis about what ours chose, and `verify` tells whether it could have chosen it.
 */
export function randomChoice(
  words: Words,
  lookUp: (ours: WireReply) => Words | null,
  verify: (ours: WireReply, found: WireReply) => boolean,
): Step {
  return {
    commands: [words],
    forRedis: ([ours]) => {
      const question = lookUp(ours);
      return question === null ? [words] : [words, question];
    },
    compare: ([ours], redis) => {
      if (shape(ours) !== shape(redis[0])) return differ(ours, redis[0]);
      if (redis.length === 1 || verify(ours, redis[1])) return undefined;
      return `ours chose ${showReply(ours)}, but redis finds ${showReply(redis[1])}`;
    },
  };
}

/** Types and lengths of aggregates; scalars other than errors by their type only. */
function shape(reply: WireReply): string {
  if (reply.items !== null) return `${reply.type}${reply.items.length}[${reply.items.map(shape).join("")}]`;
  if (isError(reply)) return canonical(reply);
  return reply.type;
}

const LONG_WORD = 120;

/** A command for people, and for redis-cli: words with other than plain characters are quoted. */
export function showWords(words: Words): string {
  return words.map(showWord).join(" ");
}

function showWord(word: Argument): string {
  const text = word instanceof Uint8Array ? String.fromCharCode(...word) : String(word);
  if (/^[\w:.*+()\[\]{}<>=,|@^%~$&!?\/-]+$/.test(text) && text.length <= LONG_WORD) return text;
  const run = /^(.)\1+$/s.exec(text);
  if (run !== null && text.length > LONG_WORD) return `"${run[1]}"×${text.length}`;
  return '"' + text.replace(/["\\]/g, "\\$&").replace(/[^\x20-\x7e]/g, (char) => {
    return "\\x" + char.charCodeAt(0).toString(16).padStart(2, "0");
  }) + '"';
}
