/** Geo commands: sorted sets whose scores are geohashes. GEOADD to GEOPOS; searches are in `geo_search.ts`. */
import { decode, distanceMeters, encode, geohashText, position } from "../base/geohash.ts";
import { TYPE } from "../keyspace/entry.ts";
import { ADD, type SortedSet } from "../keyspace/values/sorted_set.ts";
import { sortedSetsOf } from "../keyspace/values/sorted_set_value.ts";
import { NONE } from "../memory/mod.ts";
import type { CommandContext, Handlers } from "./context.ts";
import { ERROR } from "./errors.ts";
import { coordinatesArgument, replyDistance, replyPosition, unitArgument } from "./geo_arguments.ts";
import { geoSearchCommands } from "./geo_search.ts";
import { addOption, addScored, CH, logPairs, type Pairs, scoresFor } from "./sorted_set_add.ts";
import { openForRead, replyNull } from "./sorted_set_support.ts";

const GEOADD_OPTIONS = ADD.nx | ADD.xx | CH;
const pairs: Pairs = { first: 0, stride: 3, count: 0, flags: 0 };

/** Logged as the ZADD that it is. */
function geoadd(ctx: CommandContext): void {
  const { args, reply, keyspace } = ctx;
  let flags = 0, from = 2;
  for (let one = geoaddOption(ctx, from); one !== 0; one = geoaddOption(ctx, from)) flags |= one, from++;
  const count = (args.count - from) / 3, both = ADD.nx | ADD.xx;
  if (count < 1 || !Number.isInteger(count) || (flags & both) === both) return reply.error(ERROR.syntax);
  const scores = scoresFor(count);
  for (let i = 0; i < count; i++) {
    if (!coordinatesArgument(ctx, from + 3 * i)) return;
    scores[i] = encode(position.longitude, position.latitude);
  }
  pairs.first = from + 2, pairs.count = count, pairs.flags = flags;
  const before = keyspace.dirty;
  addScored(ctx, pairs);
  if (keyspace.dirty !== before) logPairs(ctx, pairs, count);
}

function geoaddOption(ctx: CommandContext, index: number): number {
  return addOption(ctx, index) & GEOADD_OPTIONS;
}

/** Decodes the score of the member that argument `index` names into `position`; false when there is none. */
function locate({ args }: CommandContext, set: SortedSet, index: number): boolean {
  const score = set.scoreOf(args.bytes, args.offsets[index], args.lengths[index]);
  if (Number.isNaN(score)) return false;
  decode(score);
  return true;
}

function geodist(ctx: CommandContext): void {
  const { args, reply } = ctx;
  if (args.count > 5) return reply.error(ERROR.syntax);
  const meters = args.count === 5 ? unitArgument(ctx, 4) : 1;
  if (Number.isNaN(meters)) return;
  const set = openForRead(ctx, 1, replyNull);
  if (set === null) return;
  if (!locate(ctx, set, 2)) return reply.null();
  const { longitude, latitude } = position;
  if (!locate(ctx, set, 3)) return reply.null();
  replyDistance(reply, distanceMeters(longitude, latitude, position.longitude, position.latitude) / meters);
}

/** Replies for each member by `here`, or by `missing` for one that is not there; a key that is not there has none. */
function forMembers(
  ctx: CommandContext,
  here: (ctx: CommandContext) => void,
  missing: (ctx: CommandContext) => void,
): void {
  const entry = ctx.lookupRead(1), { set } = sortedSetsOf(ctx.keyspace), count = ctx.args.count;
  if (!ctx.isType(entry, TYPE.zset)) return;
  if (entry !== NONE) set.open(entry);
  ctx.reply.startArray(count - 2);
  for (let i = 2; i < count; i++) {
    if (entry !== NONE && locate(ctx, set, i)) here(ctx);
    else missing(ctx);
  }
}

const geohash = (ctx: CommandContext): void =>
  forMembers(
    ctx,
    ({ reply }) => reply.text(geohashText(position.longitude, position.latitude)),
    ({ reply }) => reply.null(),
  );

const geopos = (ctx: CommandContext): void =>
  forMembers(
    ctx,
    ({ reply }) => replyPosition(reply, position.longitude, position.latitude),
    ({ reply }) => reply.nullArray(),
  );

export const geoCommands: Handlers = { geoadd, geodist, geohash, geopos, ...geoSearchCommands };
