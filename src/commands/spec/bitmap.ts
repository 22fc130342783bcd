/**
 * Facts of the commands that see a string as bits.
 */
import {
  block,
  defineGroup,
  integer,
  key,
  keyAt,
  keysFrom,
  MULTIPLE,
  oneOf,
  OPTIONAL,
  OPTIONAL_MULTIPLE,
  text,
  word,
} from "./declare.ts";

export const BITMAP_FACTS = defineGroup("bitmap", [
  {
    name: "bitcount",
    arity: -2,
    flags: ["readonly"],
    acl: ["@bitmap"],
    keys: [keyAt(1, ["RO", "access"])],
    summary: "Counts the bits that are set in a string, or in a range of it.",
    since: "2.6.0",
    complexity: "O(N)",
    history: [["7.0.0", "Added the `BYTE|BIT` option."]],
    args: [
      key("key", 0),
      block("index", [
        integer("start"),
        integer("end"),
        oneOf("index_unit", [word("byte"), word("bit")], { since: "7.0.0", optional: true }),
      ], OPTIONAL),
    ],
  },
  {
    name: "bitfield",
    arity: -2,
    flags: ["write", "denyoom"],
    acl: ["@bitmap"],
    keys: [
      keyAt(
        1,
        ["RW", "access", "update", "variable_flags"],
        "This command allows both access and modification of the key",
      ),
    ],
    keyRule: "bitfield",
    summary: "Reads, writes and increments integers of any width within a string.",
    since: "3.2.0",
    complexity: "O(1) for each subcommand specified",
    args: [
      key("key", 0),
      oneOf("operation", [
        block("encoding_offset", [text("encoding"), integer("offset")], { token: "GET" }),
        block("write", [
          oneOf("wrap_sat_fail", [word("wrap"), word("sat"), word("fail")], { token: "OVERFLOW", optional: true }),
          oneOf("write_operation", [
            block("encoding_offset_value", [text("encoding"), integer("offset"), integer("value")], { token: "SET" }),
            block("encoding_offset_increment", [text("encoding"), integer("offset"), integer("increment")], {
              token: "INCRBY",
            }),
          ]),
        ]),
      ], OPTIONAL_MULTIPLE),
    ],
  },
  {
    name: "bitfield_ro",
    arity: -2,
    flags: ["readonly", "fast"],
    acl: ["@bitmap"],
    keys: [keyAt(1, ["RO", "access"])],
    summary: "Reads integers of any width within a string; BITFIELD that never writes.",
    since: "6.0.0",
    complexity: "O(1) for each subcommand specified",
    args: [
      key("key", 0),
      block("encoding_offset", [text("encoding"), integer("offset")], {
        token: "GET",
        optional: true,
        multiple: true,
        multipleToken: true,
      }),
    ],
  },
  {
    name: "bitop",
    arity: -4,
    flags: ["write", "denyoom"],
    acl: ["@bitmap"],
    keys: [keyAt(2, ["OW", "update"]), keysFrom(3, ["RO", "access"])],
    summary: "Combines strings bit by bit and stores the result.",
    since: "2.6.0",
    complexity: "O(N)",
    args: [text("operation"), key("destkey", 0), key("key", 1, MULTIPLE)],
  },
  {
    name: "bitpos",
    arity: -3,
    flags: ["readonly"],
    acl: ["@bitmap"],
    keys: [keyAt(1, ["RO", "access"])],
    summary: "Finds the first bit of a string that is set, or clear.",
    since: "2.8.7",
    complexity: "O(N)",
    history: [["7.0.0", "Added the `BYTE|BIT` option."]],
    args: [
      key("key", 0),
      integer("bit"),
      block("index", [
        integer("start"),
        block("end_index", [
          integer("end"),
          oneOf("index_unit", [word("byte"), word("bit")], { since: "7.0.0", optional: true }),
        ], OPTIONAL),
      ], OPTIONAL),
    ],
  },
  {
    name: "getbit",
    arity: 3,
    flags: ["readonly", "fast"],
    acl: ["@bitmap"],
    keys: [keyAt(1, ["RO", "access"])],
    summary: "Reads one bit of a string.",
    since: "2.2.0",
    complexity: "O(1)",
    args: [key("key", 0), integer("offset")],
  },
  {
    name: "setbit",
    arity: 4,
    flags: ["write", "denyoom"],
    acl: ["@bitmap"],
    keys: [keyAt(1, ["RW", "access", "update"])],
    summary: "Writes one bit of a string and returns what it was.",
    since: "2.2.0",
    complexity: "O(1)",
    args: [key("key", 0), integer("offset"), integer("value")],
  },
]);
