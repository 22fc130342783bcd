/**
 * What redis-benchmark measures: its whole default set, XADD, and commands on large values. Each test says what must be there before it, so
 * that tests don't depend on one another: pops find elements, ranges find a list of their length.
 */

/** Values of redis-benchmark's size. */
const VALUE = "xxx";
const RANDOM = "__rand_int__";
export const LARGE_ZSET_SIZE = 1_000_000;
export const LARGE_HASH_SIZE = 10_000;
const RANGE_LIST_SIZE = 1000;
/** So many different members that hardly any comes twice. */
const DISTINCT = 2_000_000_000;

/** Elements that are put in before: `words` are sent `count` times with random numbers below `range`. */
export interface Preparation {
  words: readonly string[];
  count: number;
  range: number;
}

export interface ThroughputTest {
  name: string;
  workload: { test: string } | { words: readonly string[] };
  /** How much dearer than a GET one request is: so many times fewer are sent. */
  weight: number;
  /** Key that is removed before the test, and again after it. */
  key?: string;
  prepare?(requests: number): Preparation;
}

const ELEMENT = `element:${RANDOM}`;
const LARGE_ZADD = ["ZADD", "large:zset", RANDOM, ELEMENT];

function pushed(words: readonly string[]): (requests: number) => Preparation {
  return (requests) => ({ words, count: requests, range: DISTINCT });
}

function own(test: string, key?: string, words?: readonly string[]): ThroughputTest {
  const prepare = words === undefined ? {} : { prepare: pushed(words) };
  return { name: test, workload: { test }, weight: 1, ...(key === undefined ? {} : { key }), ...prepare };
}

function range(length: number, weight: number): ThroughputTest {
  return {
    name: `lrange_${length}`,
    workload: { words: ["LRANGE", "mylist", "0", String(length - 1)] },
    weight,
    key: "mylist",
    prepare: () => ({ words: ["RPUSH", "mylist", VALUE], count: RANGE_LIST_SIZE, range: DISTINCT }),
  };
}

function onLargeZset(name: string, words: readonly string[], weight: number): ThroughputTest {
  const prepare = () => ({ words: LARGE_ZADD, count: LARGE_ZSET_SIZE, range: DISTINCT });
  return { name, workload: { words }, weight, key: "large:zset", prepare };
}

export const THROUGHPUT_TESTS: readonly ThroughputTest[] = [
  own("ping_inline"),
  own("ping_mbulk"),
  own("set"),
  own("get"),
  own("incr"),
  own("lpush", "mylist"),
  own("rpush", "mylist"),
  own("lpop", "mylist", ["RPUSH", "mylist", VALUE]),
  own("rpop", "mylist", ["RPUSH", "mylist", VALUE]),
  own("sadd", "myset"),
  own("hset", "myhash"),
  own("spop", "myset", ["SADD", "myset", ELEMENT]),
  own("zadd", "myzset"),
  own("zpopmin", "myzset", ["ZADD", "myzset", RANDOM, ELEMENT]),
  range(100, 5),
  range(300, 10),
  range(500, 15),
  range(600, 20),
  { ...own("mset"), weight: 5 },
  { name: "xadd", workload: { words: ["XADD", "mystream", "*", "field", VALUE] }, weight: 1, key: "mystream" },
  onLargeZset("zadd_1m", LARGE_ZADD, 1),
  onLargeZset("zrange_1m", ["ZRANGE", "large:zset", String(LARGE_ZSET_SIZE / 2), String(LARGE_ZSET_SIZE / 2 + 9)], 1),
  onLargeZset("zrange_score_1m", ["ZRANGE", "large:zset", RANDOM, "+inf", "BYSCORE", "LIMIT", "0", "10"], 1),
  {
    name: "hgetall_10k",
    workload: { words: ["HGETALL", "large:hash"] },
    weight: 500,
    key: "large:hash",
    prepare: () => ({
      words: ["HSET", "large:hash", `field:${RANDOM}`, VALUE],
      count: LARGE_HASH_SIZE,
      range: DISTINCT,
    }),
  },
];
