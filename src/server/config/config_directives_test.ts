import { assert, assertEquals } from "@std/assert";
import { Config, enterAnyDirectory } from "./config.ts";
import { DIRECTIVES } from "./config_directives.ts";
import { splitArguments } from "./config_text.ts";
import { Settings } from "./settings.ts";

Deno.test("directives: names and aliases are unique and lower case", () => {
  const names = DIRECTIVES.flatMap((
    directive,
  ) => [directive.name, ...directive.alias === null ? [] : [directive.alias]]);
  assertEquals(names.length, new Set(names).size);
  for (const name of names) assertEquals(name, name.toLowerCase());
});

Deno.test("directives: every field of Settings is filled by exactly one directive", () => {
  const filled = DIRECTIVES.flatMap(({ support }) => support.kind === "used" ? [support.field as string] : []);
  assertEquals(filled.toSorted(), Object.keys(new Settings()).toSorted());
});

Deno.test("directives: every default is accepted as a value, and printed the same again", () => {
  const config = new Config({ workingDirectory: "/", enterDirectory: enterAnyDirectory });
  for (const { name, flags } of DIRECTIVES) {
    const printed = config.textOf(name);
    if (name === "replicaof") continue; // it has no spelling for "none" in one argument
    const args = flags.has("multi-arg") && printed !== "" ? splitArguments(printed)! : [printed];
    assertEquals(config.assignFromLine(name, args, false), null, name);
    assertEquals(config.textOf(name), printed, name);
  }
});

Deno.test("directives: a refused directive says which one, what it must stay and why", () => {
  const config = new Config({ workingDirectory: "/", enterDirectory: enterAnyDirectory });
  for (const [name, args] of REFUSED_VALUES) {
    const before = config.textOf(name);
    const reason = config.assignFromLine(name, args, false);
    assert(reason?.startsWith(`${name} must stay `), `${name}: ${reason}`);
    assertEquals(config.textOf(name), before);
  }
});

const REFUSED_VALUES: [string, string[]][] = [
  ["cluster-enabled", ["yes"]],
  ["tls-port", ["6380"]],
  ["aclfile", ["users.acl"]],
  ["daemonize", ["yes"]],
  ["supervised", ["systemd"]],
  ["syslog-enabled", ["yes"]],
  ["oom-score-adj", ["relative"]],
  ["socket-mark-id", ["7"]],
];

Deno.test("directives: every refused one is tested above", () => {
  const refused = DIRECTIVES.filter(({ support }) => support.kind === "refused").map(({ name }) => name);
  assertEquals(refused.toSorted(), REFUSED_VALUES.map(([name]) => name).toSorted());
});
