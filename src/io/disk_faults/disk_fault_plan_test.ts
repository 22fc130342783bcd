import { assertEquals, assertThrows } from "@std/assert";
import { DiskFaultPlanError, parseDiskFaultPlan } from "./disk_fault_plan.ts";

const OPERATIONS =
  "open, read, write, size, sync, syncDirectory, truncate, close, rename, link, remove, list, exists, stat, " +
  "makeDirectory";

function rule(fields: string): string {
  return `{"rules":[{"fault":{"kind":"readOnly"}},{${fields}}]}`;
}

/** Each plan and what is wrong with it. */
const REFUSED: readonly (readonly [plan: string, message: string])[] = [
  ["[]", "the plan is [], must be an object"],
  ["{}", 'the plan has neither "rules" nor "capacityBytes"'],
  ['{"rule":[]}', 'the plan has a field "rule"; there are rules, capacityBytes'],
  ['{"rules":{}}', "rules is {}, must be a list"],
  ['{"capacityBytes":-1}', "capacityBytes is -1, must be a whole number from 0 to 9007199254740991"],
  ['{"capacityBytes":"1mb"}', 'capacityBytes is "1mb", must be a whole number from 0 to 9007199254740991'],
  ['{"rules":[7]}', "rules[0] is 7, must be an object"],
  [rule(""), "rules[1].fault is missing, must be an object"],
  [
    rule('"operations":"sync"'),
    'rules[1] has a field "operations"; there are operation, path, nth, number, isSticky, fault',
  ],
  [rule('"operation":"fsync"'), `rules[1].operation is "fsync", must be one of ${OPERATIONS}`],
  [rule('"path":""'), 'rules[1].path is "", must be a path, or the end of one'],
  [rule('"nth":1.5'), "rules[1].nth is 1.5, must be a whole number from 0 to 2147483647"],
  [rule('"number":true'), "rules[1].number is true, must be a whole number from 0 to 2147483647"],
  [rule('"isSticky":"yes"'), 'rules[1].isSticky is "yes", must be true or false'],
  [
    rule('"fault":{"kind":"slow"}'),
    'rules[1].fault.kind is "slow", must be one of error, short, part, hang, lie, readOnly',
  ],
  [
    rule('"fault":{"kind":"misdirect"}'),
    'rules[1].fault.kind is "misdirect", must be one of error, short, part, hang, lie, readOnly',
  ],
  [
    rule('"fault":{"kind":"error"}'),
    "rules[1].fault.code is missing, must be the name of an error, such as EIO or ENOSPC",
  ],
  [
    rule('"fault":{"kind":"error","code":"EWHAT"}'),
    'rules[1].fault.code is "EWHAT", must be the name of an error, such as EIO or ENOSPC',
  ],
  [rule('"fault":{"kind":"error","code":"EIO","ms":5}'), 'rules[1].fault has a field "ms"; there are kind, code'],
  [
    rule('"fault":{"kind":"hang","ms":5}'),
    'rules[1].fault.kind "hang" needs an "operation" beside the fault: sync or syncDirectory',
  ],
  [
    rule('"operation":"write","fault":{"kind":"short","bytes":0}'),
    "rules[1].fault.bytes is 0, must be a whole number from 1 to 2147483647",
  ],
  [
    rule('"operation":"sync","fault":{"kind":"hang","ms":5,"code":1}'),
    "rules[1].fault.code is 1, must be the name of an error, such as EIO or ENOSPC",
  ],
];

for (const [plan, message] of REFUSED) {
  Deno.test(`parseDiskFaultPlan: ${plan} is refused by field and with what is allowed`, () => {
    assertEquals(assertThrows(() => parseDiskFaultPlan(plan), DiskFaultPlanError).message, message);
  });
}

Deno.test("parseDiskFaultPlan: what is no JSON is refused as that", () => {
  assertThrows(() => parseDiskFaultPlan("{rules:[]}"), DiskFaultPlanError, "is no JSON: ");
});

Deno.test("parseDiskFaultPlan: a plan with everything is taken as it is", () => {
  const plan = {
    capacityBytes: 0,
    rules: [
      { operation: "sync", path: "*.incr.aof", nth: 2, isSticky: true, fault: { kind: "hang", ms: 0, code: "EIO" } },
      { operation: "write", number: 7, fault: { kind: "part", bytes: 0, code: "ENOSPC" } },
      { operation: "write", fault: { kind: "short", bytes: 1 } },
      { operation: "syncDirectory", fault: { kind: "lie" } },
      { fault: { kind: "error", code: "EINTR" } },
    ],
  };
  assertEquals(parseDiskFaultPlan(JSON.stringify(plan)) as unknown, plan);
});
