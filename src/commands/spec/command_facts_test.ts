import { assert, assertEquals } from "@std/assert";
import { ALL_FACTS, findFacts } from "./all_facts.ts";
import type { ArgumentFacts, CommandFacts } from "./command_facts.ts";
import { visibleFlags, writeCommandInfo } from "./command_reply.ts";
import { allCategories, countedKeysAt, keyAt, keysAfter, keysFrom } from "./declare.ts";
import { commandGetKeys, getKeys } from "./key_search.ts";
import { hasMovableKeys, legacyRange } from "./legacy_range.ts";
import { respOf, viewOf } from "./testing.ts";

const EVERY: readonly CommandFacts[] = [...ALL_FACTS.values()].flatMap((facts) => [facts, ...facts.subcommands ?? []]);

function allArguments(args: readonly ArgumentFacts[] = []): readonly ArgumentFacts[] {
  return args.flatMap((argument) => [argument, ...allArguments(argument.arguments)]);
}

function keysOf(line: string): string[] {
  const words = line.split(" ").map((word) => word === "EMPTY" ? "" : word);
  return getKeys(findFacts(words[0]!)!, viewOf(words)).map(({ index, flags }) => `${words[index]} ${flags.join("+")}`);
}

Deno.test("ALL_FACTS: every summary is one sentence of its own", () => {
  for (const { name, docs } of EVERY) assert(/^[A-Z][^\n]*\.$/.test(docs.summary), name);
});

Deno.test("ALL_FACTS: every name is in lower case and found under it", () => {
  for (const facts of EVERY) {
    assertEquals(facts.name, facts.name.toLowerCase());
    assertEquals(findFacts(facts.name), facts);
  }
});

Deno.test("ALL_FACTS: an argument refers only to a key spec that its command has", () => {
  for (const { name, docs, keySpecs } of EVERY) {
    for (const { keySpecIndex } of allArguments(docs.arguments)) {
      assert(keySpecIndex === undefined || keySpecIndex < keySpecs.length, name);
    }
  }
});

Deno.test("ALL_FACTS: no command both reads only and writes", () => {
  for (const { name, flags } of EVERY) assert(!(flags.includes("readonly") && flags.includes("write")), name);
});

Deno.test("findFacts: unknown names and subcommands are not found", () => {
  assertEquals(findFacts("nosuch"), undefined);
  assertEquals(findFacts("client|nosuch"), undefined);
  assertEquals(findFacts("get|id"), undefined);
});

Deno.test("allCategories: flags imply categories, and what is not fast is slow", () => {
  assertEquals(allCategories(["@string"], ["write", "fast"]), ["@write", "@string", "@fast"]);
  assertEquals(allCategories([], ["admin", "blocking"]), ["@admin", "@slow", "@blocking", "@dangerous"]);
});

Deno.test("allCategories: a script that only reads is not @read", () => {
  assertEquals(allCategories(["@scripting"], ["readonly"]), ["@slow", "@scripting"]);
});

Deno.test("legacyRange: adjoining ranges are glued, and the keys do not move", () => {
  const specs = [keyAt(1, ["RW"]), keysFrom(2, ["RO"])];
  assertEquals(legacyRange(specs), { first: 1, last: -1, step: 1 });
  assertEquals(hasMovableKeys(specs), false);
});

Deno.test("legacyRange: a lone range keeps its step", () => {
  assertEquals(legacyRange([keysFrom(1, ["OW"], { keyStep: 2 })]), { first: 1, last: -1, step: 2 });
});

Deno.test("hasMovableKeys: counted, optional and far keys move", () => {
  assertEquals(hasMovableKeys([]), false);
  assertEquals(hasMovableKeys([countedKeysAt(1, ["RO"])]), true);
  assertEquals(hasMovableKeys([keyAt(1, ["RO"]), keysAfter("STORE", 5, ["OW"])]), true);
  assertEquals(hasMovableKeys([keyAt(1, ["RO"]), keyAt(3, ["OW"])]), true);
});

Deno.test("getKeys: access follows the options of SET and BITFIELD", () => {
  assertEquals(keysOf("set k v"), ["k OW+update"]);
  assertEquals(keysOf("set k v EX 5 GET"), ["k RW+access+update"]);
  assertEquals(keysOf("bitfield k GET u8 0"), ["k RO+access"]);
  assertEquals(keysOf("bitfield k GET u8 0 SET u8 0 1"), ["k RW+access+update"]);
});

Deno.test("getKeys: the last STORE of SORT counts, and option values are not options", () => {
  assertEquals(keysOf("sort k STORE a STORE b"), ["k RO+access", "b OW+update"]);
  assertEquals(keysOf("sort k BY STORE"), ["k RO+access"]);
});

Deno.test("getKeys: counted and listed keys are found after their count or word", () => {
  assertEquals(keysOf("eval s 2 a b c"), ["a RW+access+update", "b RW+access+update"]);
  assertEquals(keysOf("zunionstore d 2 a b"), ["d OW+update", "a RO+access", "b RO+access"]);
  assertEquals(keysOf("xread COUNT 1 STREAMS a b 0 0"), ["a RO+access", "b RO+access"]);
  assertEquals(keysOf("migrate h 1 EMPTY 0 9 KEYS a b"), ["a RW+access+delete", "b RW+access+delete"]);
});

Deno.test("commandGetKeys: each refusal says why", () => {
  const refusal = (line: string) => commandGetKeys(findFacts(line.split(" ")[0]!), viewOf(line.split(" ")));
  assertEquals(refusal("nosuch a"), { error: "Invalid command specified" });
  assertEquals(refusal("ping a"), { error: "The command has no key arguments" });
  assertEquals(refusal("get a b"), { error: "Invalid number of arguments specified for command" });
  assertEquals(refusal("lmpop 9 a left"), { error: "Invalid arguments specified for command" });
  assertEquals(refusal("eval s 0"), { keys: [] });
});

Deno.test("visibleFlags: hidden flags stay hidden, the others come in Redis's order", () => {
  assertEquals(visibleFlags(["may_replicate", "fast", "protected", "loading"]), ["loading", "fast"]);
});

Deno.test("writeCommandInfo: GET byte for byte, in both protocols", () => {
  const get = (protocol: 2 | 3) =>
    new TextDecoder().decode(respOf(protocol, (reply) => writeCommandInfo(findFacts("get"), reply)))
      .replaceAll("\r\n", " ");
  assertEquals(
    get(3),
    "*10 $3 get :2 ~2 +readonly +fast :1 :1 :1 ~3 +@read +@string +@fast ~0 " +
      "~1 %3 $5 flags ~2 +RO +access $12 begin_search %2 $4 type $5 index $4 spec %1 $5 index :1 " +
      "$9 find_keys %2 $4 type $5 range $4 spec %3 $7 lastkey :0 $7 keystep :1 $5 limit :0 ~0 ",
  );
  assertEquals(get(2), get(3).replaceAll("~", "*").replace(/%(\d)/g, (_, pairs) => `*${2 * Number(pairs)}`));
});

Deno.test("writeCommandInfo: a command that does not exist is null", () => {
  assertEquals(new TextDecoder().decode(respOf(2, (reply) => writeCommandInfo(undefined, reply))), "$-1\r\n");
});
