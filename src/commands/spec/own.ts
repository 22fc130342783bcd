/** Facts of the commands that Redis does not have: PAGES, which shows the paged memory and what copy-on-write costs. */
import { block, defineGroup, integer, oneOf, OPTIONAL, word } from "./declare.ts";

export const OWN_FACTS = defineGroup("server", [
  {
    name: "pages",
    arity: -2,
    summary: "Groups the commands that show memory pages and copy-on-write.",
    since: "1.0.0",
    complexity: "Depends on subcommand.",
    subcommands: [
      {
        name: "changes",
        arity: -3,
        flags: ["admin", "noscript", "loading", "stale"],
        summary: "Tells which memory pages changed since an earlier answer, and the figures of memory.",
        since: "1.0.0",
        complexity: "O(N) where N is the number of changes told",
        args: [integer("sequence"), integer("count", OPTIONAL)],
      },
      {
        name: "help",
        arity: 2,
        flags: ["loading", "stale"],
        summary: "Explains the PAGES subcommands.",
        since: "1.0.0",
        complexity: "O(1)",
      },
      {
        name: "legend",
        arity: 2,
        flags: ["admin", "noscript", "loading", "stale"],
        summary: "Names the states, owners and commands that cells and changes have by number.",
        since: "1.0.0",
        complexity: "O(N) where N is the number of commands",
      },
      {
        name: "map",
        arity: -2,
        flags: ["admin", "noscript", "loading", "stale"],
        summary: "Draws the state of memory pages, one character or byte a page.",
        since: "1.0.0",
        complexity: "O(N) where N is the number of pages drawn",
        args: [
          block("range", [integer("start"), integer("count")], OPTIONAL),
          oneOf("form", [word("owners"), word("cells")], OPTIONAL),
        ],
      },
      {
        name: "stats",
        arity: 2,
        flags: ["admin", "noscript", "loading", "stale"],
        summary: "Shows what the running snapshot, or the last one, copied.",
        since: "1.0.0",
        complexity: "O(N) where N is the number of points of the timeline",
      },
      {
        name: "top",
        arity: -2,
        flags: ["admin", "noscript", "loading", "stale"],
        summary: "Tells which structures, commands and keys caused the copies.",
        since: "1.0.0",
        complexity: "O(N*log(N)) where N is the number of commands and traced keys",
        args: [integer("count", OPTIONAL)],
      },
      {
        name: "trace",
        arity: 3,
        flags: ["admin", "noscript", "loading", "stale"],
        summary: "Switches the counting of copies by key.",
        since: "1.0.0",
        complexity: "O(1)",
        args: [oneOf("switch", [word("on"), word("off")])],
      },
    ],
  },
]);
