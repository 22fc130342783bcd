import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import {
  type Area,
  decode,
  distanceMeters,
  distanceWithin,
  encode,
  geohashText,
  LATITUDE_MAX,
  position,
  searchSpans,
} from "./geohash.ts";
import { Prng } from "./prng.ts";

/** Scores, positions and distance of the two places of Redis's own documentation. */
const PALERMO = { longitude: 13.361389, latitude: 38.115556, score: 3479099956230698, text: "sqc8b49rny0" };
const CATANIA = { longitude: 15.087269, latitude: 37.502669, score: 3479447370796909, text: "sqdtr74hyu0" };

Deno.test("geohash: scores, texts and distance are Redis's", () => {
  for (const { longitude, latitude, score, text } of [PALERMO, CATANIA]) {
    assertEquals(encode(longitude, latitude), score);
    decode(score);
    assertEquals(geohashText(position.longitude, position.latitude), text);
  }
  decode(PALERMO.score);
  const { longitude, latitude } = position;
  assertEquals([longitude, latitude], [13.361389338970184, 38.1155563954963]);
  decode(CATANIA.score);
  assertAlmostEquals(distanceMeters(longitude, latitude, position.longitude, position.latitude), 166274.1516, 1e-4);
});

Deno.test("geohash: the edges of the world have scores, and come back", () => {
  for (const longitude of [-180, 0, 180]) {
    for (const latitude of [-LATITUDE_MAX, 0, LATITUDE_MAX]) {
      decode(encode(longitude, latitude));
      assert(Math.abs(position.longitude) <= 180 && Math.abs(position.latitude) <= LATITUDE_MAX);
    }
  }
  assertEquals([encode(-180, -LATITUDE_MAX), encode(-180, LATITUDE_MAX), encode(180, -LATITUDE_MAX)], [
    0,
    2 ** 52,
    2 ** 53,
  ]);
});

Deno.test("geohash: decoding finds the cell that was encoded", () => {
  const random = new Prng(6);
  for (let i = 0; i < 5_000; i++) {
    const longitude = random.below(2 ** 31) / 2 ** 31 * 360 - 180,
      latitude = (random.below(2 ** 31) / 2 ** 31 - 0.5) * 170;
    decode(encode(longitude, latitude));
    assertAlmostEquals(position.longitude, longitude, 3e-6);
    assertAlmostEquals(position.latitude, latitude, 3e-6);
    assertEquals(encode(position.longitude, position.latitude), encode(longitude, latitude));
  }
});

Deno.test("geohash: the spans of a search hold every position in the area", () => {
  const random = new Prng(8);
  for (let round = 0; round < 60; round++) {
    const area: Area = {
      longitude: random.below(36_000) / 100 - 180,
      latitude: random.below(12_000) / 100 - 60,
      isBox: round % 2 === 0,
      radius: 100 + random.below(1_000_000),
      width: 100 + random.below(1_000_000),
      height: 100 + random.below(1_000_000),
    };
    const spans = searchSpans(area);
    assert(spans.length <= 9);
    for (let i = 0; i < 200; i++) {
      const longitude = area.longitude + (random.below(2_000) - 1_000) / 100;
      const latitude = area.latitude + (random.below(2_000) - 1_000) / 100;
      if (Math.abs(longitude) > 180 || distanceWithin(area, longitude, latitude) < 0) continue;
      const score = encode(longitude, latitude);
      assert(
        spans.some(({ min, max }) => score >= min && score < max),
        `${longitude} ${latitude} of ${JSON.stringify(area)}`,
      );
    }
  }
});
