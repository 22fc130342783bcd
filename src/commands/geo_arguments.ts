/** Arguments and replies that geo commands share: coordinates, units, distances. */
import { ascii } from "../base/bytes.ts";
import { LATITUDE_MAX, LONGITUDE_MAX, position } from "../base/geohash.ts";
import type { ReplyWriter } from "../resp/reply_writer.ts";
import type { CommandContext } from "./context.ts";
import { doubleArgument } from "./sorted_set_support.ts";

/** Meters of each unit. */
const UNITS: readonly { readonly name: Uint8Array; readonly meters: number }[] = [
  { name: ascii("M"), meters: 1 },
  { name: ascii("KM"), meters: 1000 },
  { name: ascii("FT"), meters: 0.3048 },
  { name: ascii("MI"), meters: 1609.34 },
];
/** Distances have four decimals, coordinates up to seventeen. */
const DISTANCE_DIGITS = 4, DISTANCE_SCALE = 10 ** DISTANCE_DIGITS, COORDINATE_DIGITS = 17;
/** From here on toFixed writes an exponent. */
const FIXED_MAX = 1e21;

/** Reads longitude and latitude at argument `index` and the next into `position`; false with the error replied. */
export function coordinatesArgument(ctx: CommandContext, index: number): boolean {
  const longitude = doubleArgument(ctx, index);
  if (Number.isNaN(longitude)) return false;
  const latitude = doubleArgument(ctx, index + 1);
  if (Number.isNaN(latitude)) return false;
  position.longitude = longitude, position.latitude = latitude;
  if (Math.abs(longitude) <= LONGITUDE_MAX && Math.abs(latitude) <= LATITUDE_MAX) return true;
  ctx.reply.error(`invalid longitude,latitude pair ${sixDecimals(longitude)},${sixDecimals(latitude)}`);
  return false;
}

/** As "%f" writes a double. */
function sixDecimals(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  return Math.abs(value) < FIXED_MAX ? value.toFixed(6) : `${BigInt(value)}.000000`;
}

/** Meters of the unit that argument `index` names, or NaN with the error replied. */
export function unitArgument(ctx: CommandContext, index: number): number {
  for (const { name, meters } of UNITS) if (ctx.args.is(index, name)) return meters;
  ctx.reply.error("unsupported unit provided. please use M, KM, FT, MI");
  return NaN;
}

export function replyPosition(reply: ReplyWriter, longitude: number, latitude: number): void {
  reply.startArray(2);
  reply.doubleText(coordinateText(longitude));
  reply.doubleText(coordinateText(latitude));
}

/** As "%.17Lf" writes it, without the zeros at the end. */
function coordinateText(value: number): string {
  const text = value.toFixed(COORDINATE_DIGITS).replace(/\.?0+$/, "");
  return text === "-0" ? "0" : text;
}

/** A bulk in both protocols. */
export function replyDistance(reply: ReplyWriter, distance: number): void {
  const digits = String(roundToEven(distance * DISTANCE_SCALE)).padStart(DISTANCE_DIGITS + 1, "0");
  reply.text(`${digits.slice(0, -DISTANCE_DIGITS)}.${digits.slice(-DISTANCE_DIGITS)}`);
}

/** The nearest integer of a number that is not negative, of two the even one. */
function roundToEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 === 1 ? rounded - 1 : rounded;
}
