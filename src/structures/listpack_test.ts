import { assertEquals } from "@std/assert";
import { ascii } from "../base/bytes.ts";
import { I64 } from "../base/integer.ts";
import { Prng } from "../base/prng.ts";
import { type Address, Allocator, DebugMemory, OutOfArenaError } from "../memory/mod.ts";
import {
  elementEquals,
  findElement,
  firstElement,
  lastElement,
  ListpackCopy,
  listpackCount,
  ListpackElement,
  Listpacks,
  nextElement,
  previousElement,
  readElement,
  seekElement,
} from "./listpack.ts";

/** A listpack in checked memory, next to the array of strings that it should be. */
class Model {
  readonly memory: DebugMemory = new DebugMemory({ arenaMaxBytes: 256 << 20, pageBytes: 4096 });
  readonly allocator: Allocator = new Allocator(this.memory, true);
  readonly listpacks: Listpacks;
  readonly copy: ListpackCopy = new ListpackCopy();
  readonly element: ListpackElement = new ListpackElement();
  lp: Address;
  texts: string[] = [];

  constructor() {
    this.memory.allocator = this.allocator;
    this.listpacks = new Listpacks(this.memory, this.allocator);
    this.lp = this.listpacks.create();
  }

  textAt(at: number): string {
    readElement(this.copy.bytes, 0, at, this.element);
    const bytes = this.element.text(this.copy.bytes);
    return String.fromCharCode(...bytes.subarray(this.element.start, this.element.start + this.element.length));
  }

  load(): Uint8Array {
    this.copy.load(this.memory, this.lp);
    return this.copy.bytes;
  }

  place(index: number): number {
    return seekElement(this.load(), 0, index);
  }

  check(): void {
    const bytes = this.load(), forwards: string[] = [], backwards: string[] = [];
    for (let at = firstElement(bytes, 0); at >= 0; at = nextElement(bytes, 0, at)) forwards.push(this.textAt(at));
    for (let at = lastElement(bytes, 0); at >= 0; at = previousElement(bytes, 0, at)) backwards.push(this.textAt(at));
    assertEquals(forwards, this.texts);
    assertEquals(backwards.reverse(), this.texts);
    assertEquals(listpackCount(bytes, 0), this.texts.length);
  }

  append(text: string): void {
    this.lp = this.listpacks.append(this.lp, ascii(text), 0, text.length);
    this.texts.push(text);
  }
}

const INTEGERS = ["0", "127", "-1", "128", "4095", "-4096", "4096", "-32768", "8388607", "-8388608", "2147483647"]
  .concat(["-2147483648", "9223372036854775807", "-9223372036854775808"]);

function randomText(random: Prng): string {
  const kind = random.below(10);
  if (kind < 4) return INTEGERS[random.below(INTEGERS.length)];
  if (kind === 4) return "";
  const length = kind === 9 ? [63, 64, 125, 126, 4095, 4096, 16378, 16380][random.below(8)] : random.below(40);
  return String.fromCharCode(97 + random.below(26)).repeat(length);
}

Deno.test("listpack: its bytes are those Redis 7.0 has for the same elements", () => {
  const model = new Model();
  for (const text of [...INTEGERS, "x", "", "long", "y".repeat(60) + "z"]) model.append(text);
  const total = model.memory.u32(model.lp, 0);
  // The payload of DUMP for a hash with these fields and values, made by Redis 7.0.15 with rdbcompression off.
  const golden = [
    "93000000120000017f01dfff02c08002cfff02d00002f1001003f1008003f2ffff7f04f200008004f3ffffff7f05f300",
    "00008005f4ffffffffffffff7f09f40000000000000080098178028001846c6f6e6705bd797979797979797979797979",
    "797979797979797979797979797979797979797979797979797979797979797979797979797979797979797979797979",
    "7a3eff",
  ].join("");
  assertEquals(Array.from(model.load().subarray(0, total), (b) => b.toString(16).padStart(2, "0")).join(""), golden);
});

Deno.test("listpack: any sequence of inserts, replacements and deletions leaves the elements that an array would have", () => {
  for (let seed = 1; seed <= 6; seed++) {
    const model = new Model(), random = new Prng(seed);
    for (let step = 0; step < 400; step++) {
      const action = random.below(8), text = randomText(random), bytes = ascii(text);
      const index = model.texts.length === 0 ? 0 : random.below(model.texts.length);
      if (action < 2 || model.texts.length === 0) model.append(text);
      else if (action === 2) {
        model.lp = model.listpacks.prepend(model.lp, bytes, 0, bytes.length), model.texts.unshift(text);
      } else if (action === 3) {
        model.lp = model.listpacks.insertBefore(model.lp, model.place(index), bytes, 0, bytes.length);
        assertEquals(model.listpacks.at, model.place(index));
        model.texts.splice(index, 0, text);
      } else if (action === 4) {
        model.lp = model.listpacks.insertAfter(model.lp, model.place(index), bytes, 0, bytes.length);
        model.texts.splice(index + 1, 0, text);
      } else if (action === 5) {
        model.lp = model.listpacks.replace(model.lp, model.place(index), bytes, 0, bytes.length);
        model.texts[index] = text;
      } else if (action === 6) {
        const count = 1 + random.below(4);
        model.lp = model.listpacks.deleteRange(model.lp, model.place(index), count);
        model.texts.splice(index, count);
        assertEquals(model.listpacks.at, index < model.texts.length ? model.place(index) : -1);
      } else {
        const value = new I64().set(random.nextU32(), random.nextU32());
        model.lp = model.listpacks.replaceInteger(model.lp, model.place(index), value);
        model.load();
        model.texts[index] = model.textAt(model.place(index));
        assertEquals(BigInt(model.texts[index]), BigInt.asIntN(64, (BigInt(value.hi) << 32n) | BigInt(value.lo)));
      }
      if (step % 8 === 0) model.check();
    }
    model.check();
  }
});

Deno.test("listpack: an element is found by its text, among fields only when values are skipped", () => {
  const model = new Model();
  for (const text of ["a", "12", "12", "a", "0012", "-4096", "c".repeat(70), "d"]) model.append(text);
  const bytes = model.load(), first = firstElement(bytes, 0);
  const find = (text: string, skip: number) => findElement(bytes, 0, first, ascii(text), 0, text.length, skip);
  assertEquals(find("12", 0), model.place(1));
  assertEquals(find("12", 1), model.place(2));
  assertEquals(find("0012", 1), model.place(4));
  assertEquals(find("c".repeat(70), 1), model.place(6));
  assertEquals(find("d", 1), -1);
  assertEquals(find("c".repeat(69), 0), -1);
  assertEquals(elementEquals(bytes, 0, model.place(5), ascii("-4096"), 0, 5), true);
  assertEquals(elementEquals(bytes, 0, model.place(5), ascii("-4095"), 0, 5), false);
});

Deno.test("listpack: beyond 65535 elements the count is found by walking, and is kept again below", () => {
  const model = new Model();
  for (let i = 0; i < 65540; i++) model.append("1");
  assertEquals(model.listpacks.count(model.lp), 65540);
  assertEquals(seekElement(model.load(), 0, 65539), 6 + 65539 * 2);
  assertEquals(seekElement(model.load(), 0, -65540), 6);
  assertEquals(seekElement(model.load(), 0, 65540), -1);
  model.lp = model.listpacks.deleteRange(model.lp, 6, 40);
  assertEquals(model.listpacks.count(model.lp), 65500);
  assertEquals(model.memory.u8(model.lp, 4) | (model.memory.u8(model.lp, 5) << 8), 65500);
});

Deno.test("listpack: deleting works in a full arena, and an insert without room changes nothing", () => {
  const model = new Model();
  for (let i = 0; i < 200; i++) model.append(`element ${i}`);
  model.allocator.allocate = () => {
    throw new OutOfArenaError("no more for this test");
  };
  model.lp = model.listpacks.deleteRange(model.lp, model.place(10), 150);
  model.texts.splice(10, 150);
  model.check();
  let failed = 0;
  for (let i = 0; i < 400 && failed === 0; i++) {
    try {
      model.append("more");
    } catch (error) {
      if (!(error instanceof OutOfArenaError)) throw error;
      failed++;
    }
  }
  assertEquals(failed, 1);
  model.check();
});
