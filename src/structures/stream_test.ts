import { assert, assertEquals } from "@std/assert";
import { ascii } from "../base/bytes.ts";
import { I64 } from "../base/integer.ts";
import { Prng } from "../base/prng.ts";
import { type Address, Allocator, DebugMemory, NONE, OutOfArenaError } from "../memory/mod.ts";
import { TreeCursor } from "./ordered_tree.ts";
import { type EntryFields, Streams, TrimRule } from "./stream.ts";
import { StreamEntries } from "./stream_entries.ts";
import { formatStreamId, newStreamId, setId, type StreamId } from "./stream_id.ts";
import { CONSUMER, GROUP, NODE_WORDS, OWN_WORDS, readIdAt, STREAM, streamLength } from "./stream_layout.ts";
import { streamListpackFault } from "./stream_listpack_check.ts";

/** Fields and values as `Args` has them. */
function fieldsOf(words: readonly string[]): EntryFields {
  const bytes = ascii(words.join("")), offsets = new Int32Array(words.length), lengths = new Int32Array(words.length);
  for (let i = 0, at = 0; i < words.length; at += words[i++].length) offsets[i] = at, lengths[i] = words[i].length;
  return { bytes, offsets, lengths };
}

function idOf(number: number): StreamId {
  return setId(newStreamId(), 7, Math.floor(number / 10), 0xfffffff0, number % 10);
}

function textOf(id: StreamId): string {
  const text = new Uint8Array(64);
  return String.fromCharCode(...text.subarray(0, formatStreamId(id, text, 0)));
}

/** What redis-server 7.0.15 DUMPs after XADD 1000-1 a 1 b xyz, XADD 1000-2 a 2 b 300, XADD 1005-0 c hello, XDEL 1000-2. */
const GOLDEN = "460000001900020101010201816102816202000102010001000101018378797a040501030100" +
  "0101010201c12c02050100010501dfff0201018163028568656c6c6f060601ff";

interface Entry {
  readonly number: number;
  readonly words: readonly string[];
}

/** A stream in checked memory, and the entries that should be in it. */
class Model {
  readonly memory: DebugMemory = new DebugMemory({ arenaMaxBytes: 64 << 20, pageBytes: 4096 });
  readonly allocator: Allocator = new Allocator(this.memory, true);
  readonly streams: Streams = new Streams(this.memory, this.allocator);
  readonly stream: Address;
  entries: Entry[] = [];
  next = 1;
  /** Allocations that succeed before one fails. */
  allocationsLeft = Infinity;

  constructor() {
    this.memory.allocator = this.allocator;
    this.stream = this.streams.create();
    const allocate = this.allocator.allocate.bind(this.allocator);
    this.allocator.allocate = (sizeBytes, owner) => {
      if (--this.allocationsLeft < 0) throw new OutOfArenaError("no more for this test");
      return allocate(sizeBytes, owner);
    };
  }

  append(words: readonly string[], step: number, entriesMax = 100): void {
    const number = this.next + step;
    const fields = fieldsOf(words);
    this.streams.append(
      this.stream,
      idOf(number),
      fields,
      0,
      words.length / 2,
      fields.bytes.length,
      4096,
      entriesMax,
    );
    this.entries.push({ number, words });
    this.next = number;
  }

  delete(number: number): void {
    const place = this.entries.findIndex((entry) => entry.number === number);
    assertEquals(this.streams.delete(this.stream, idOf(number)), place >= 0);
    if (place >= 0) this.entries.splice(place, 1);
    this.streams.updateFirstId(this.stream);
  }

  check(stream: Address = this.stream): void {
    assertEquals(streamLength(this.memory, stream), this.entries.length);
    const texts = this.entries.map((entry) => `${textOf(idOf(entry.number))} ${entry.words.join(" ")}`);
    assertEquals(this.read(stream, null, null, false), texts);
    assertEquals(this.read(stream, null, null, true), texts.toReversed());
    const first = this.entries.length === 0 ? newStreamId() : idOf(this.entries[0].number);
    assertEquals(readIdAt(this.memory, stream, STREAM.firstId, newStreamId()), first);
    const nodes = new TreeCursor(this.memory, NODE_WORDS).open(stream, STREAM.nodes);
    for (let more = nodes.seekFirst(); more; more = nodes.next()) this.#checkNode(nodes.word(0) as Address);
  }

  #checkNode(listpack: Address): void {
    const bytes = new Uint8Array(this.memory.u32(listpack, 0));
    this.memory.copyOut(listpack, 0, bytes, 0, bytes.length);
    assertEquals(streamListpackFault(bytes, 0, bytes.length), "");
    assert(this.allocator.allocatedBytes(listpack) >= bytes.length);
  }

  /** Entries in a range as texts, half of them without looking at all fields. */
  read(stream: Address, start: StreamId | null, end: StreamId | null, reverse: boolean): string[] {
    const entries = StreamEntries.byCopy(this.memory).open(stream, start, end, reverse), texts: string[] = [];
    const inPlace = StreamEntries.inPlace(this.memory).open(stream, start, end, reverse);
    while (entries.next()) {
      assert(inPlace.next());
      assertEquals(inPlace.id, entries.id);
      let text = textOf(entries.id);
      for (let left = entries.fieldCount; left > 0; left--) {
        entries.nextField();
        for (const element of [entries.field, entries.value]) {
          const bytes = element.text(entries.bytes);
          text += " " + String.fromCharCode(...bytes.subarray(element.start, element.start + element.length));
        }
      }
      texts.push(text);
    }
    assert(!inPlace.next());
    return texts;
  }
}

function randomWords(random: Prng): string[] {
  const words = ["name", `n${random.below(50)}`, "count", String(random.below(100_000) - 500)];
  if (random.below(4) === 0) words.push("more", "x".repeat(random.below(300)));
  return words;
}

Deno.test("Streams: hold what a list of entries holds, whatever is appended, deleted and trimmed", () => {
  const model = new Model(), random = new Prng(21), rule = new TrimRule();
  let numberMin = 0;
  for (let i = 0; i < 4000; i++) {
    const choice = random.below(100);
    if (choice < 85) model.append(randomWords(random), 1 + random.below(3), i < 2000 ? 100 : 300);
    else if (choice < 98) model.delete(random.below(model.next + 5));
    else {
      rule.byId = random.below(2) === 0, rule.approximate = random.below(2) === 0;
      rule.lengthMax = random.below(600),
        numberMin = Math.max(0, model.next - random.below(900)),
        rule.idMin.set(idOf(numberMin));
      const before = model.entries.length, trimmed = model.streams.trim(model.stream, rule);
      const wanted = rule.byId
        ? model.entries.filter((entry) => entry.number < numberMin).length
        : Math.max(0, before - rule.lengthMax);
      assert(rule.approximate ? trimmed <= wanted : trimmed === wanted);
      model.entries.splice(0, trimmed);
    }
    if (i % 400 === 399) model.check();
  }
  for (let i = 0; i < 200; i++) model.append(randomWords(random), 1);
  const from = model.entries[20].number, to = model.entries[130].number;
  const range = model.entries.slice(20, 131).map((entry) => `${textOf(idOf(entry.number))} ${entry.words.join(" ")}`);
  assertEquals(model.read(model.stream, idOf(from), idOf(to), false), range);
  assertEquals(model.read(model.stream, idOf(from), idOf(to), true), range.toReversed());
});

Deno.test("Streams: a node has the bytes that Redis gives it", () => {
  const model = new Model(), { streams, stream, memory } = model, ids = [[1000, 1], [1000, 2], [1005, 0]];
  const words = [["a", "1", "b", "xyz"], ["a", "2", "b", "300"], ["c", "hello"]];
  for (let i = 0; i < 3; i++) {
    const id = setId(newStreamId(), 0, ids[i][0], 0, ids[i][1]);
    const fields = fieldsOf(words[i]);
    streams.append(stream, id, fields, 0, words[i].length / 2, fields.bytes.length, 4096, 100);
  }
  streams.delete(stream, setId(newStreamId(), 0, 1000, 0, 2));
  const nodes = new TreeCursor(memory, NODE_WORDS).open(stream, STREAM.nodes);
  assert(nodes.seekFirst());
  const bytes = new Uint8Array(memory.u32(nodes.word(0) as Address, 0));
  memory.copyOut(nodes.word(0) as Address, 0, bytes, 0, bytes.length);
  assertEquals(
    Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(""),
    GOLDEN,
  );
});

Deno.test("Streams: a full arena leaves the stream as it was, and deleting needs no memory", () => {
  const model = new Model(), random = new Prng(4);
  let failures = 0;
  for (let i = 0; i < 1500; i++) {
    model.allocationsLeft = random.below(4) === 0 ? random.below(3) : 0;
    try {
      model.append(randomWords(random), 1, 300);
    } catch (error) {
      if (!(error instanceof OutOfArenaError)) throw error;
      failures++;
      model.allocationsLeft = Infinity;
      model.append(randomWords(random), 1, 300);
    }
  }
  model.check();
  assert(failures > 20);
  model.allocationsLeft = 0;
  for (let i = 0; i < 1500; i++) model.delete(random.below(model.next));
  const rule = new TrimRule();
  rule.lengthMax = 150;
  model.entries.splice(0, model.streams.trim(model.stream, rule));
  model.check();
});

Deno.test("ConsumerGroups: an entry is pending with one consumer, which knows it", () => {
  const model = new Model(), { groups } = model.streams, random = new Prng(8), owners = new Map<number, number>();
  const name = ascii("group");
  assertEquals(groups.find(model.stream, name, 0, 5), NONE);
  const group = groups.create(model.stream, name, 0, 5, newStreamId(), new I64());
  const consumers = ["a", "b", "c", "d"].map((one) => {
    groups.findConsumer(group, ascii(one), 0, 1);
    return groups.createConsumer(group, ascii(one), 0, 1, 1000);
  });
  for (let i = 0; i < 6000; i++) {
    const number = random.below(1200), id = idOf(number), wasPending = owners.has(number);
    if (random.below(5) < 3) {
      const owner = random.below(4);
      assertEquals(groups.assign(group, consumers[owner], id), !wasPending);
      owners.set(number, owner);
    } else {
      assertEquals(groups.findPending(group, id), wasPending);
      if (wasPending) groups.removePending(group, id), owners.delete(number);
    }
  }
  groups.findConsumer(group, ascii("c"), 0, 1);
  groups.removeConsumer(group, consumers[2]);
  for (const [number, owner] of [...owners]) if (owner === 2) owners.delete(number);
  assertEquals(groups.pendingCount(group), owners.size);
  for (const owner of [0, 1, 3]) {
    const expected = [...owners].filter(([, one]) => one === owner).map(([number]) => number).sort((a, b) => a - b);
    const cursor = new TreeCursor(model.memory, OWN_WORDS).open(consumers[owner], CONSUMER.pending), ids: string[] = [];
    const id = newStreamId();
    for (let more = cursor.seekFirst(); more; more = cursor.next()) {
      cursor.readKey(id);
      ids.push(textOf(id));
      assert(groups.findPending(group, id) && groups.consumer === consumers[owner]);
    }
    assertEquals(ids, expected.map((number) => textOf(idOf(number))));
  }
});

Deno.test("Streams.copy and freeSome: a copy is equal and independent, and all of it is freed, in slices", () => {
  const model = new Model(), { streams } = model, { groups } = streams, random = new Prng(2);
  for (let i = 0; i < 1200; i++) model.append(randomWords(random), 1);
  for (const name of ["one", "two"]) {
    groups.find(model.stream, ascii(name), 0, 3);
    const group = groups.create(model.stream, ascii(name), 0, 3, idOf(5), new I64().setNumber(5));
    groups.findConsumer(group, ascii("me"), 0, 2);
    const consumer = groups.createConsumer(group, ascii("me"), 0, 2, 123);
    for (let i = 0; i < 700; i++) groups.assign(group, consumer, idOf(i)), groups.setDeliveredMs(i);
  }
  const before = model.allocator.liveBytes;
  model.allocationsLeft = 40;
  try {
    streams.copy(model.stream);
    assert(false, "there was too little memory for a copy");
  } catch (error) {
    if (!(error instanceof OutOfArenaError)) throw error;
  }
  assertEquals(model.allocator.liveBytes, before);
  model.allocationsLeft = Infinity;
  const copy = streams.copy(model.stream);
  assertEquals(streams.memoryUsage(copy, 0), model.allocator.liveBytes - before);
  let slices = 1;
  while (!streams.freeSome(model.stream, 8)) slices++;
  assert(slices > 8);
  model.check(copy);
  const group = groups.find(copy, ascii("two"), 0, 3), consumer = groups.findConsumer(group, ascii("me"), 0, 2);
  assertEquals([groups.pendingCount(group), groups.ownCount(consumer)], [700, 700]);
  assert(groups.findPending(group, idOf(600)));
  assertEquals([groups.deliveredMs, groups.consumer], [600, consumer]);
  assertEquals(readIdAt(model.memory, group, GROUP.lastId, newStreamId()), idOf(5));
  assert(streams.freeSome(copy, Infinity));
  assertEquals(model.allocator.liveBytes, 0);
});
