/**
 * Data of Redis modules in RDB: enough to name the module and to step over its data. This server has no modules.
 *
 * A module id is | 9 characters of 6 bits | 10 bits of encoding version |, the first character in the highest bits (module.c).
 * Its data is a sequence of | opcode | value |, ended by opcode 0; all are lengths but the values of opcodes 3 to 5.
 */
import type { I64 } from "../../base/integer.ts";
import type { RdbReader } from "./rdb_reader.ts";

const CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const NAME_LENGTH = 9, VERSION_BITS = 10, CHARACTER_BITS = 6;
const SIGNED = 1, UNSIGNED = 2, FLOAT = 3, DOUBLE = 4, STRING = 5;

export function moduleName(id: I64): string {
  let name = "";
  for (let i = NAME_LENGTH - 1; i >= 0; i--) name += CHARACTERS[sixBits(id, VERSION_BITS + i * CHARACTER_BITS)];
  return name;
}

function sixBits(id: I64, shift: number): number {
  if (shift >= 32) return (id.hi >>> (shift - 32)) & 63;
  return ((id.lo >>> shift) | (id.hi << (32 - shift))) & 63;
}

/** @throws {RdbCorruptError} */
export function skipModuleValue(reader: RdbReader): void {
  for (let opcode = reader.length(); opcode !== 0; opcode = reader.length()) {
    if (opcode === SIGNED || opcode === UNSIGNED) reader.length();
    else if (opcode === FLOAT) reader.bytes(4);
    else if (opcode === DOUBLE) reader.bytes(8);
    else if (opcode === STRING) reader.string();
    else throw reader.corrupt(`unknown module value opcode ${opcode}`);
  }
}
