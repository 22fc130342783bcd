/** Searches of areas: GEOSEARCH, GEOSEARCHSTORE, and GEORADIUS with its relatives, which they replaced. */
import { ascii } from "../base/bytes.ts";
import { type Area, decode, distanceWithin, position, searchSpans } from "../base/geohash.ts";
import { TYPE } from "../keyspace/entry.ts";
import type { SortedSet } from "../keyspace/values/sorted_set.ts";
import { sortedSetsOf } from "../keyspace/values/sorted_set_value.ts";
import { type Address, NONE } from "../memory/mod.ts";
import { EVENT } from "../keyspace/key_events.ts";
import type { CommandContext, Handlers } from "./context.ts";
import { ERROR } from "./errors.ts";
import { coordinatesArgument, replyDistance, replyPosition, unitArgument } from "./geo_arguments.ts";
import { GeoPoints } from "./geo_points.ts";
import { doubleArgument, removeKey, storeSortedSet } from "./sorted_set_support.ts";

/** What a command's name says. */
interface SearchCommand {
  /** Argument with the key that is searched. */
  readonly source: number;
  /** Where the middle comes from: the arguments behind the key, or options. */
  readonly middle: "coordinates" | "member" | "options";
  /** Whether the options STORE and STOREDIST name a key. */
  readonly mayStore: boolean;
}

const WORD = {
  withdist: ascii("WITHDIST"),
  withhash: ascii("WITHHASH"),
  withcoord: ascii("WITHCOORD"),
  any: ascii("ANY"),
  asc: ascii("ASC"),
  desc: ascii("DESC"),
  count: ascii("COUNT"),
  store: ascii("STORE"),
  storedist: ascii("STOREDIST"),
  frommember: ascii("FROMMEMBER"),
  fromlonlat: ascii("FROMLONLAT"),
  byradius: ascii("BYRADIUS"),
  bybox: ascii("BYBOX"),
};
const MEMBER_ERROR = "could not decode requested zset member";

/** The search of the executing command. */
const area: Area = { longitude: 0, latitude: 0, isBox: false, radius: 0, width: 0, height: 0 };
const options = {
  withDistance: false,
  withHash: false,
  withCoordinates: false,
  any: false,
  order: 0,
  count: 0,
  /** Argument with the key to store at; 0 for a reply. */
  target: 0,
  storesDistances: false,
  hasMiddle: "" as "" | "member" | "coordinates",
  hasShape: "" as "" | "circle" | "box",
  /** Meters of the unit. */
  unit: 1,
};
const points = new GeoPoints();

// ---- arguments -----------------------------------------------------------------------------------------------------

function search(ctx: CommandContext, command: SearchCommand): void {
  const entry = ctx.lookupRead(command.source);
  if (!ctx.isType(entry, TYPE.zset)) return;
  const { set } = sortedSetsOf(ctx.keyspace);
  if (entry !== NONE) set.open(entry);
  reset(command);
  const from = parseMiddle(ctx, command, entry, set);
  if (from < 0) return;
  for (let i = from; i < ctx.args.count;) {
    const used = parseOption(ctx, command, entry, set, i);
    if (used === 0) return;
    i += used;
  }
  if (!isComplete(ctx, command)) return;
  if (entry === NONE) return replyNothing(ctx);
  find(set);
  if (options.target > 0) storePoints(ctx);
  else replyPoints(ctx);
}

function reset({ middle, source }: SearchCommand): void {
  options.withDistance =
    options.withHash =
    options.withCoordinates =
    options.any =
    options.storesDistances =
      false;
  options.order = options.count = 0, options.unit = 1, options.hasMiddle = options.hasShape = "";
  options.target = middle === "options" && source === 2 ? 1 : 0;
  area.isBox = false,
    area.radius =
      area.width =
      area.height =
      area.longitude =
      area.latitude =
        0;
}

/** Reads what has its place behind the key; returns where the options begin, or -1 with the error replied. */
function parseMiddle(ctx: CommandContext, { source, middle }: SearchCommand, entry: Address, set: SortedSet): number {
  if (middle === "options") return source + 1;
  const next = middle === "coordinates" ? source + 3 : source + 2;
  if (middle === "coordinates") {
    if (!coordinatesArgument(ctx, source + 1)) return -1;
    useCoordinates();
  } else {
    // Without a key its options are still read, as Redis does: they say what to reply.
    if (entry === NONE) return next + 2;
    if (!useMember(ctx, set, source + 1)) return -1;
  }
  return parseRadius(ctx, next) ? next + 2 : -1;
}

function useCoordinates(): void {
  area.longitude = position.longitude, area.latitude = position.latitude;
}

function useMember(ctx: CommandContext, set: SortedSet, index: number): boolean {
  const { args } = ctx, score = set.scoreOf(args.bytes, args.offsets[index], args.lengths[index]);
  if (Number.isNaN(score)) return refuse(ctx, MEMBER_ERROR);
  decode(score);
  useCoordinates();
  return true;
}

/** Reads a radius and its unit. */
function parseRadius(ctx: CommandContext, index: number): boolean {
  const radius = doubleArgument(ctx, index, "need numeric radius");
  if (Number.isNaN(radius)) return false;
  if (radius < 0) return refuse(ctx, "radius cannot be negative");
  options.unit = unitArgument(ctx, index + 1);
  area.radius = radius * options.unit, area.isBox = false;
  return !Number.isNaN(options.unit);
}

/** Reads width, height and their unit. */
function parseBox(ctx: CommandContext, index: number): boolean {
  const width = doubleArgument(ctx, index, "need numeric width");
  if (Number.isNaN(width)) return false;
  const height = doubleArgument(ctx, index + 1, "need numeric height");
  if (Number.isNaN(height)) return false;
  if (width < 0 || height < 0) return refuse(ctx, "height or width cannot be negative");
  options.unit = unitArgument(ctx, index + 2);
  area.width = width * options.unit, area.height = height * options.unit, area.isBox = true;
  return !Number.isNaN(options.unit);
}

/** Reads the option at argument `index`; returns how many arguments it took, 0 with the error replied. */
function parseOption(
  ctx: CommandContext,
  command: SearchCommand,
  entry: Address,
  set: SortedSet,
  index: number,
): number {
  const { args } = ctx, left = args.count - index - 1;
  if (args.is(index, WORD.withdist)) options.withDistance = true;
  else if (args.is(index, WORD.withhash)) options.withHash = true;
  else if (args.is(index, WORD.withcoord)) options.withCoordinates = true;
  else if (args.is(index, WORD.any)) options.any = true;
  else if (args.is(index, WORD.asc)) options.order = 1;
  else if (args.is(index, WORD.desc)) options.order = -1;
  else if (args.is(index, WORD.count) && left >= 1) return parseCount(ctx, index + 1) ? 2 : 0;
  else if (command.middle === "options") return parseSearchOption(ctx, command, entry, set, index, left);
  else {
    const isDistance = args.is(index, WORD.storedist);
    if (!command.mayStore || left < 1 || (!isDistance && !args.is(index, WORD.store))) return syntaxError(ctx);
    options.target = index + 1, options.storesDistances = isDistance;
    return 2;
  }
  return 1;
}

/** The options of GEOSEARCH and GEOSEARCHSTORE alone. */
function parseSearchOption(
  ctx: CommandContext,
  { source }: SearchCommand,
  entry: Address,
  set: SortedSet,
  index: number,
  left: number,
): number {
  const { args } = ctx;
  if (source === 2 && args.is(index, WORD.storedist)) {
    options.storesDistances = true;
    return 1;
  }
  if (args.is(index, WORD.frommember) && left >= 1 && options.hasMiddle !== "coordinates") {
    options.hasMiddle = "member";
    return entry === NONE || useMember(ctx, set, index + 1) ? 2 : 0;
  }
  if (args.is(index, WORD.fromlonlat) && left >= 2 && options.hasMiddle !== "member") {
    options.hasMiddle = "coordinates";
    if (!coordinatesArgument(ctx, index + 1)) return 0;
    useCoordinates();
    return 3;
  }
  if (args.is(index, WORD.byradius) && left >= 2 && options.hasShape !== "box") {
    options.hasShape = "circle";
    return parseRadius(ctx, index + 1) ? 3 : 0;
  }
  if (args.is(index, WORD.bybox) && left >= 3 && options.hasShape !== "circle") {
    options.hasShape = "box";
    return parseBox(ctx, index + 1) ? 4 : 0;
  }
  return syntaxError(ctx);
}

function parseCount(ctx: CommandContext, index: number): boolean {
  options.count = ctx.wideInteger(index);
  if (Number.isNaN(options.count)) return false;
  return options.count > 0 || refuse(ctx, "COUNT must be > 0");
}

/** Whether the options fit together; false with the error replied. */
function isComplete(ctx: CommandContext, { middle, source }: SearchCommand): boolean {
  const { target, withDistance, withHash, withCoordinates } = options;
  if (target > 0 && (withDistance || withHash || withCoordinates)) {
    const name = middle === "options" && source === 2 ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS";
    return refuse(ctx, `${name} is not compatible with WITHDIST, WITHHASH and WITHCOORD options`);
  }
  if (middle === "options") {
    const name = ctx.args.text(0);
    if (options.hasMiddle === "") {
      return refuse(ctx, `exactly one of FROMMEMBER or FROMLONLAT can be specified for ${name}`);
    }
    if (options.hasShape === "") {
      return refuse(ctx, `exactly one of BYRADIUS and BYBOX can be specified for ${name}`);
    }
  }
  return !options.any || options.count > 0 || refuse(ctx, "the ANY argument requires COUNT argument");
}

function refuse(ctx: CommandContext, error: string): false {
  ctx.reply.error(error);
  return false;
}

function syntaxError(ctx: CommandContext): 0 {
  ctx.reply.error(ERROR.syntax);
  return 0;
}

// ---- searching and replying ----------------------------------------------------------------------------------------

/** Puts what is in the area in `points`, in order. With COUNT and no order the nearest are meant, unless ANY will do. */
function find(set: SortedSet): void {
  const order = options.count > 0 && options.order === 0 && !options.any ? 1 : options.order;
  const enough = options.any ? options.count : Infinity;
  points.clear();
  for (const span of searchSpans(area)) {
    if (points.count >= enough) break;
    findBetween(set, span.min, span.max, enough);
  }
  points.sort(order);
}

const scores = { min: 0, max: 0, minExclusive: false, maxExclusive: true };

function findBetween(set: SortedSet, min: number, max: number, enough: number): void {
  scores.min = min, scores.max = max;
  let left = set.selectScores(scores);
  if (left === 0) return;
  set.seek(set.from);
  for (; left > 0 && points.count < enough; left--) {
    const score = set.score;
    decode(score);
    const distance = distanceWithin(area, position.longitude, position.latitude);
    if (distance >= 0) {
      set.readMember();
      points.add(distance, score, position.longitude, position.latitude, set.bytes, set.start, set.length);
    }
    if (left > 1) set.next();
  }
}

function replyNothing(ctx: CommandContext): void {
  if (options.target === 0) return ctx.reply.startArray(0);
  if (removeKey(ctx, options.target)) ctx.keyspace.dirty++;
  ctx.reply.integer(0);
}

/** How many of the points are wanted. */
function wanted(): number {
  return options.count > 0 ? Math.min(options.count, points.count) : points.count;
}

function replyPoints({ reply, a }: CommandContext): void {
  const { withDistance, withHash, withCoordinates, unit } = options, count = wanted();
  const extras = (withDistance ? 1 : 0) + (withHash ? 1 : 0) + (withCoordinates ? 1 : 0);
  reply.startArray(count);
  for (let i = 0; i < count; i++) {
    points.read(i);
    if (extras > 0) reply.startArray(1 + extras);
    reply.bulk(points.bytes, points.start, points.length);
    if (withDistance) replyDistance(reply, points.distance / unit);
    if (withHash) reply.i64(a.setNumber(Math.trunc(points.score)));
    if (withCoordinates) replyPosition(reply, points.longitude, points.latitude);
  }
}

function storePoints(ctx: CommandContext): void {
  const { set } = sortedSetsOf(ctx.keyspace), count = wanted();
  if (count === 0) return replyNothing(ctx);
  set.createLarge(count);
  try {
    fill(set, count);
  } catch (error) {
    set.discard();
    throw error;
  }
  storeSortedSet(ctx, options.target, set);
  // Whatever the search was: GEOSEARCHSTORE names its target first, GEORADIUS last.
  ctx.notify(EVENT.zset, options.target === 1 ? "geosearchstore" : "georadiusstore", options.target);
  ctx.keyspace.dirty += count;
  ctx.reply.integer(count);
}

function fill(set: SortedSet, count: number): void {
  let longestBytes = 0, totalBytes = 0;
  set.startFilling(true);
  for (let i = 0; i < count; i++) {
    points.read(i);
    const score = options.storesDistances ? points.distance / options.unit : points.score;
    set.append(score, points.bytes, points.start, points.length);
    longestBytes = Math.max(longestBytes, points.length), totalBytes += points.length;
  }
  set.finish();
  set.shrinkToListpack(longestBytes, totalBytes);
}

function command(source: number, middle: SearchCommand["middle"], mayStore: boolean): (ctx: CommandContext) => void {
  const one = { source, middle, mayStore };
  return (ctx) => search(ctx, one);
}

export const geoSearchCommands: Handlers = {
  georadius: command(1, "coordinates", true),
  georadius_ro: command(1, "coordinates", false),
  georadiusbymember: command(1, "member", true),
  georadiusbymember_ro: command(1, "member", false),
  geosearch: command(1, "options", false),
  geosearchstore: command(2, "options", false),
};
