/**
 * Plans of faults for the disk of a running server, as JSON: what `--disk-faults FILE` and `DEBUG DISK-FAULTS <json>` take.
 *
 *   { "capacityBytes": 1000000,
 *     "rules": [{ "operation": "sync", "path": "*.incr.aof", "nth": 2, "isSticky": true,
 *                 "fault": { "kind": "error", "code": "EIO" } }] }
 *
 * | field of a rule | which operations meet the fault; all that is given must match                                            |
 * | --------------- | -------------------------------------------------------------------------------------------------------- |
 * | operation       | open read write size sync syncDirectory truncate close rename link remove list exists stat makeDirectory |
 * | path            | the whole path, or its end from a slash on; `*` any part of a name, `?` one character of it              |
 * | nth             | the how-manieth operation that matches otherwise, from 0                                                 |
 * | number          | the how-manieth operation of all that change or sync something, from 0                                   |
 * | isSticky        | true: from there on; otherwise once                                                                      |
 *
 * | kind of fault | fields      | for                 | what happens                                                          |
 * | ------------- | ----------- | ------------------- | --------------------------------------------------------------------- |
 * | error         | code        | any                 | the operation does not happen and fails: EIO, ENOSPC, EINTR, EROFS, … |
 * | short         | bytes       | write               | so many bytes are written, and the call says so                       |
 * | part          | bytes, code | write               | so many bytes are written, and the call fails                         |
 * | hang          | ms, code?   | sync, syncDirectory | it takes that much longer, and fails then when there is a code        |
 * | lie           |             | sync, syncDirectory | it reports success and does nothing                                   |
 * | readOnly      |             | any                 | from then on everything that changes something fails with EROFS       |
 *
 * `capacityBytes`: once so many bytes have been written under this plan, writes fail with ENOSPC; the last one may be short.
 *
 * The words are those of the simulated disk (`simulated_disk/fault.ts`); what only a simulation can do is refused. A file goes by the name
 * that it was opened by. A plan is checked as a whole before any of it has effect, and a message names the field and what it may be.
 */
import type { Fault, FaultRule } from "../simulated_disk/fault.ts";
import { isErrno, STORAGE_OPERATIONS, type StorageOperation } from "../storage.ts";

export interface DiskFaultPlan {
  readonly rules: readonly FaultRule[];
  readonly capacityBytes?: number;
}

/** The plan cannot be used: `message` says where in it and why. */
export class DiskFaultPlanError extends Error {
  override readonly name: string = "DiskFaultPlanError";
}

type Fields = Readonly<Record<string, unknown>>;

const COUNT_MAX = 2 ** 31 - 1;
const SYNCS: readonly StorageOperation[] = ["sync", "syncDirectory"];
/** Fields of each kind, those that may be missing with a question mark; and the operations that it is for, when not all. */
const KINDS: Readonly<Record<string, { fields: readonly string[]; operations?: readonly StorageOperation[] }>> = {
  error: { fields: ["code"] },
  short: { fields: ["bytes"], operations: ["write"] },
  part: { fields: ["bytes", "code"], operations: ["write"] },
  hang: { fields: ["ms", "code?"], operations: SYNCS },
  lie: { fields: [], operations: SYNCS },
  readOnly: { fields: [] },
};

/** @throws {DiskFaultPlanError} */
export function parseDiskFaultPlan(text: string): DiskFaultPlan {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new DiskFaultPlanError(`is no JSON: ${(error as Error).message}`);
  }
  const plan = objectAt("the plan", json, ["rules", "capacityBytes"]);
  if (plan.rules === undefined && plan.capacityBytes === undefined) {
    throw new DiskFaultPlanError(`the plan has neither "rules" nor "capacityBytes"`);
  }
  if (plan.capacityBytes !== undefined) checkCount("capacityBytes", plan.capacityBytes, 0, Number.MAX_SAFE_INTEGER);
  const rules = plan.rules ?? [];
  if (!Array.isArray(rules)) throw refused("rules", rules, "a list");
  return { ...plan, rules: rules.map((rule, index) => ruleAt(`rules[${index}]`, rule)) };
}

function ruleAt(at: string, json: unknown): FaultRule {
  const rule = objectAt(at, json, ["operation", "path", "nth", "number", "isSticky", "fault"]);
  const { operation, path, nth, number, isSticky } = rule;
  if (operation !== undefined && !STORAGE_OPERATIONS.includes(operation as StorageOperation)) {
    throw refused(`${at}.operation`, operation, `one of ${STORAGE_OPERATIONS.join(", ")}`);
  }
  if (path !== undefined && (typeof path !== "string" || path === "")) {
    throw refused(`${at}.path`, path, "a path, or the end of one");
  }
  if (nth !== undefined) checkCount(`${at}.nth`, nth, 0);
  if (number !== undefined) checkCount(`${at}.number`, number, 0);
  if (isSticky !== undefined && typeof isSticky !== "boolean") {
    throw refused(`${at}.isSticky`, isSticky, "true or false");
  }
  checkFault(`${at}.fault`, rule.fault, operation as StorageOperation | undefined);
  return json as FaultRule;
}

function checkFault(at: string, json: unknown, operation: StorageOperation | undefined): asserts json is Fault {
  const kind = objectAt(at, json).kind, known = Object.keys(KINDS);
  if (typeof kind !== "string" || !known.includes(kind)) {
    throw refused(`${at}.kind`, kind, `one of ${known.join(", ")}`);
  }
  const { fields, operations } = KINDS[kind], names = fields.map((field) => field.replace("?", ""));
  const fault = objectAt(at, json, ["kind", ...names]);
  if (operations !== undefined && !operations.includes(operation!)) {
    throw new DiskFaultPlanError(
      `${at}.kind "${kind}" needs an "operation" beside the fault: ${operations.join(" or ")}`,
    );
  }
  for (const field of fields) checkFaultField(`${at}.${field.replace("?", "")}`, field, fault);
}

function checkFaultField(at: string, field: string, fault: Fields): void {
  const value = fault[field.replace("?", "")];
  if (value === undefined && field.endsWith("?")) return;
  if (field.startsWith("code")) {
    if (typeof value !== "string" || !isErrno(value)) {
      throw refused(at, value, "the name of an error, such as EIO or ENOSPC");
    }
  } else checkCount(at, value, fault.kind === "short" ? 1 : 0);
}

function checkCount(at: string, value: unknown, min: number, max = COUNT_MAX): void {
  if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) {
    throw refused(at, value, `a whole number from ${min} to ${max}`);
  }
}

/** An object with no other fields than these, if they are given. */
function objectAt(at: string, json: unknown, fields?: readonly string[]): Fields {
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw refused(at, json, "an object");
  const unknown = fields === undefined ? undefined : Object.keys(json).find((field) => !fields.includes(field));
  if (unknown === undefined) return json as Fields;
  throw new DiskFaultPlanError(`${at} has a field "${unknown}"; there are ${fields!.join(", ")}`);
}

function refused(at: string, value: unknown, allowed: string): DiskFaultPlanError {
  return new DiskFaultPlanError(
    `${at} is ${value === undefined ? "missing" : JSON.stringify(value)}, must be ${allowed}`,
  );
}
