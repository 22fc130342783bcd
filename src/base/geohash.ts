/**
 * Geohashes as Redis scores them: longitude and latitude as fractions of the world, `step` bits each, interleaved to one number, which
 * a double holds exactly (52 bits at the finest step). Source of constants and formulas: geohash.c and geohash_helper.c of Redis 7.0.
 *
 *   bit   51  50  49  48 …  1   0
 *        | x | y | x | y | … | x | y |      x: longitude from -180, y: latitude from -85.05112878 (what a Mercator map shows)
 *
 * A cell is (x, y, step) here, and becomes a score only where a set is asked. Nothing is allocated but by `searchCells`.
 */

export const LONGITUDE_MAX = 180;
export const LATITUDE_MAX = 85.05112878;
const STEP_MAX = 26;
const SCORE_BITS = 2 * STEP_MAX;
const EARTH_RADIUS_METERS = 6372797.560856;
const MERCATOR_MAX_METERS = 20037726.37;
const RADIANS_PER_DEGREE = Math.PI / 180;
const TWO_32 = 2 ** 32;
const ALPHABET = "0123456789bcdefghjkmnpqrstuvwxyz";
/** Letters of a geohash string that 52 bits fill; Redis appends one more, always "0". */
const LETTERS = 10, BITS_PER_LETTER = 5;

/** What `decode` found; one shared instance. */
export const position = { longitude: 0, latitude: 0 };

// ---- scores --------------------------------------------------------------------------------------------------------

/** The score of a position that is within the limits. */
export function encode(longitude: number, latitude: number): number {
  return interleave(
    cellOf(longitude, LONGITUDE_MAX, STEP_MAX),
    cellOf(latitude, LATITUDE_MAX, STEP_MAX),
  );
}

/** The middle of the cell that a score names, in `position`. Scores that are no geohashes give some position, too. */
export function decode(score: number): void {
  const whole = Math.trunc(score), high = Math.floor(whole / TWO_32), low = (whole - high * TWO_32) >>> 0;
  const y = evenBits(high >>> 0) * 0x10000 + evenBits(low), x = evenBits(high >>> 1) * 0x10000 + evenBits(low >>> 1);
  position.longitude = middle(x, LONGITUDE_MAX);
  position.latitude = middle(y, LATITUDE_MAX);
}

/** The standard geohash string of a position, eleven letters. */
export function geohashText(longitude: number, latitude: number): string {
  // The standard has latitudes from -90 to 90.
  let rest = interleave(cellOf(longitude, 180, STEP_MAX), cellOf(latitude, 90, STEP_MAX)), text = "";
  for (let i = 0, unit = 2 ** (SCORE_BITS - BITS_PER_LETTER); i < LETTERS; i++, unit /= 2 ** BITS_PER_LETTER) {
    const letter = Math.floor(rest / unit);
    text += ALPHABET[letter & 31];
    rest -= letter * unit;
  }
  return `${text}0`;
}

/** Which of 2^step cells from -max to max a coordinate is in. */
function cellOf(coordinate: number, max: number, step: number): number {
  return Math.trunc(((coordinate + max) / (max + max)) * 2 ** step);
}

function middle(cell: number, max: number): number {
  const scale = max + max,
    low = -max + (cell / 2 ** STEP_MAX) * scale,
    high = -max + ((cell + 1) / 2 ** STEP_MAX) * scale;
  return Math.max(-max, Math.min(max, (low + high) / 2));
}

/** x in the odd bits, y in the even ones; each below 2^28. */
function interleave(x: number, y: number): number {
  const high = spread(x >>> 13) * 2 + spread(y >>> 13), low = spread(x & 0x1fff) * 2 + spread(y & 0x1fff);
  return high * 2 ** 26 + low;
}

/** Spreads 15 bits to the even ones of 30. */
function spread(bits: number): number {
  let b = bits;
  b = (b | (b << 8)) & 0x00ff00ff;
  b = (b | (b << 4)) & 0x0f0f0f0f;
  b = (b | (b << 2)) & 0x33333333;
  return (b | (b << 1)) & 0x55555555;
}

/** The even bits of 32, put together. */
function evenBits(bits: number): number {
  let b = bits & 0x55555555;
  b = (b | (b >>> 1)) & 0x33333333;
  b = (b | (b >>> 2)) & 0x0f0f0f0f;
  b = (b | (b >>> 4)) & 0x00ff00ff;
  return (b | (b >>> 8)) & 0xffff;
}

// ---- distances -----------------------------------------------------------------------------------------------------

function latitudeDistanceMeters(a: number, b: number): number {
  return EARTH_RADIUS_METERS * Math.abs(b * RADIANS_PER_DEGREE - a * RADIANS_PER_DEGREE);
}

/** Along the great circle, by the haversine formula. */
export function distanceMeters(longitudeA: number, latitudeA: number, longitudeB: number, latitudeB: number): number {
  const v = Math.sin((longitudeB * RADIANS_PER_DEGREE - longitudeA * RADIANS_PER_DEGREE) / 2);
  if (v === 0) return latitudeDistanceMeters(latitudeA, latitudeB);
  const a = latitudeA * RADIANS_PER_DEGREE, b = latitudeB * RADIANS_PER_DEGREE, u = Math.sin((b - a) / 2);
  return 2 * EARTH_RADIUS_METERS * Math.asin(Math.sqrt(u * u + Math.cos(a) * Math.cos(b) * v * v));
}

// ---- areas ---------------------------------------------------------------------------------------------------------

/** What is searched: a circle, or a box whose sides run along the parallels and meridians. Lengths in meters. */
export interface Area {
  longitude: number;
  latitude: number;
  isBox: boolean;
  radius: number;
  width: number;
  height: number;
}

/** The distance from the middle of an area to a position in it, in meters; -1 when the position is outside. */
export function distanceWithin(area: Area, longitude: number, latitude: number): number {
  const { longitude: middleLongitude, latitude: middleLatitude } = area;
  if (area.isBox) {
    if (latitudeDistanceMeters(latitude, middleLatitude) > area.height / 2) return -1;
    if (distanceMeters(longitude, latitude, middleLongitude, latitude) > area.width / 2) return -1;
    return distanceMeters(middleLongitude, middleLatitude, longitude, latitude);
  }
  const distance = distanceMeters(middleLongitude, middleLatitude, longitude, latitude);
  return distance > area.radius ? -1 : distance;
}

/** Scores from `min` up to but without `max`. */
export interface ScoreSpan {
  readonly min: number;
  readonly max: number;
}

interface Cell {
  readonly x: number;
  readonly y: number;
  readonly step: number;
}

interface Bounds {
  readonly west: number;
  readonly east: number;
  readonly south: number;
  readonly north: number;
}

/** Where the neighbours of a cell are, in the order in which Redis looks at them. */
const NEIGHBOURS: readonly (readonly [number, number])[] = [
  [0, 0],
  [0, 1],
  [0, -1],
  [1, 0],
  [-1, 0],
  [1, 1],
  [-1, 1],
  [1, -1],
  [-1, -1],
];

/** The spans of scores that hold everything in an area (and more): of up to nine cells. */
export function searchSpans(area: Area): ScoreSpan[] {
  const bounds = boundsOf(area),
    radius = area.isBox
      ? Math.sqrt((area.width / 2) * (area.width / 2) + (area.height / 2) * (area.height / 2))
      : area.radius;
  const { longitude, latitude } = area;
  let center = cellAt(longitude, latitude, stepsFor(radius, latitude));
  if (center.step > 1 && !neighboursCover(center, bounds)) center = cellAt(longitude, latitude, center.step - 1);
  const needed = neededNeighbours(center, bounds), spans: ScoreSpan[] = [];
  let last: Cell | null = null;
  for (const [index, [dx, dy]] of needed.entries()) {
    const cell = neighbour(center, dx, dy);
    // Around the world neighbours meet: the same cell is not searched twice in a row (Redis never compares with the center).
    if (last !== null && cell.x === last.x && cell.y === last.y) continue;
    spans.push(spanOf(cell));
    if (index > 0) last = cell;
  }
  return spans;
}

/** How fine cells may be so that a cell and its neighbours cover a circle. */
function stepsFor(radiusMeters: number, latitude: number): number {
  if (radiusMeters === 0) return STEP_MAX;
  let step = 1;
  for (let range = radiusMeters; range < MERCATOR_MAX_METERS; range *= 2) step++;
  step -= 2;
  // Meridians are closer together towards the poles.
  const north = Math.abs(latitude);
  if (north > 66) step--;
  if (north > 80) step--;
  return Math.max(1, Math.min(STEP_MAX, step));
}

function boundsOf({ longitude, latitude, isBox, radius, width, height }: Area): Bounds {
  const up = isBox ? height / 2 : radius, across = isBox ? width / 2 : radius;
  const latitudeDelta = up / EARTH_RADIUS_METERS / RADIANS_PER_DEGREE;
  // Its sides bend: what is wide on the pole's side is what counts.
  const widest = latitude < 0 ? latitude - latitudeDelta : latitude + latitudeDelta;
  const longitudeDelta = across / EARTH_RADIUS_METERS / Math.cos(widest * RADIANS_PER_DEGREE) / RADIANS_PER_DEGREE;
  return {
    west: longitude - longitudeDelta,
    east: longitude + longitudeDelta,
    south: latitude - latitudeDelta,
    north: latitude + latitudeDelta,
  };
}

function cellAt(longitude: number, latitude: number, step: number): Cell {
  return { x: cellOf(longitude, LONGITUDE_MAX, step), y: cellOf(latitude, LATITUDE_MAX, step), step };
}

function neighbour({ x, y, step }: Cell, dx: number, dy: number): Cell {
  const mask = 2 ** step - 1;
  return { x: dx === 0 ? x : (x + dx) & mask, y: dy === 0 ? y : (y + dy) & mask, step };
}

/** Where a cell begins (`end` 0) or ends (1), in degrees. */
function edge(cell: number, end: number, max: number, step: number): number {
  return -max + ((cell + end) / 2 ** step) * (max + max);
}

function neighboursCover(center: Cell, { west, east, south, north }: Bounds): boolean {
  const { step } = center, up = neighbour(center, 0, 1), down = neighbour(center, 0, -1);
  const right = neighbour(center, 1, 0), left = neighbour(center, -1, 0);
  return !(edge(up.y, 1, LATITUDE_MAX, step) < north || edge(down.y, 0, LATITUDE_MAX, step) > south ||
    edge(right.x, 1, LONGITUDE_MAX, step) < east || edge(left.x, 0, LONGITUDE_MAX, step) > west);
}

/** Neighbours that the area may reach into; the cell itself always. */
function neededNeighbours(
  { x, y, step }: Cell,
  { west, east, south, north }: Bounds,
): readonly (readonly [number, number])[] {
  if (step < 2) return NEIGHBOURS;
  const noSouth = edge(y, 0, LATITUDE_MAX, step) < south, noNorth = edge(y, 1, LATITUDE_MAX, step) > north;
  const noWest = edge(x, 0, LONGITUDE_MAX, step) < west, noEast = edge(x, 1, LONGITUDE_MAX, step) > east;
  return NEIGHBOURS.filter(([dx, dy]) =>
    !(dy < 0 && noSouth) && !(dy > 0 && noNorth) && !(dx < 0 && noWest) && !(dx > 0 && noEast)
  );
}

function spanOf({ x, y, step }: Cell): ScoreSpan {
  const bits = interleave(x, y), unit = 2 ** (SCORE_BITS - 2 * step);
  return { min: bits * unit, max: (bits + 1) * unit };
}
