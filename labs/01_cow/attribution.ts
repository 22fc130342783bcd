/**
 * Who causes copies: commands × structures. One save of values of all types, with the same number of calls of each command spread over it. The
 * server counts each copy by the command that was executing and by the structure whose block was written; here both are counted together, and
 * must agree with what PAGES TOP says.
 */
import { assertEquals } from "@std/assert";
import { cell, text } from "@observablehq/plot";
import { OWNER_NAMES } from "../../src/mod.ts";
import { bars, type Progress, thousands } from "../kit/terminal.ts";
import { BATCH, ELEMENTS, VALUE_TYPES, WriteLoad } from "../kit/write_load.ts";
import { type Outcome, percent } from "./experiment.ts";
import { keyName, SteppedServer } from "./stepped_server.ts";

/** A unit: a page of this size holds blocks of one structure only. */
const PAGE_BYTES = 4096;
/** Keys for each call of a command: few calls, so that most of them are the first on their pages. */
const KEYS_PER_CALL = 400;
const STRING_COMMANDS = 7;
/** A prime: multiples of it, modulo the number of keys, are all over them. */
const FAR_APART = 7_368_787;

export interface AttributionOptions {
  /** Strings, and elements of each other type. */
  readonly keys: number;
  readonly valueBytes: number;
  readonly seed: number;
}

interface CommandRow {
  readonly command: string;
  readonly calls: number;
  readonly pages: number;
  readonly structures: readonly { structure: string; pages: number }[];
}

export interface Attribution {
  readonly pagesFrozen: number;
  readonly pagesCopied: number;
  readonly commands: readonly CommandRow[];
}

/** What is called, a batch at a time; `round` counts the batches. */
type Call = (round: number) => void;

export async function measureAttribution(o: AttributionOptions, progress: Progress): Promise<Attribution> {
  const server = await SteppedServer.open({ ...o, pageBytes: PAGE_BYTES });
  try {
    const calls = fill(server, o, progress), { memory, table } = server.redis.server, { cow } = memory;
    const copies = new Map<number, Map<number, number>>(),
      nameOf = (id: number) => table.byId(id)?.fullName ?? "(server)";
    cow.tracing = true;
    cow.onTrace = (page) => count(copies, cow.commandId, cow.unitOwner[page]);
    const before = callsSoFar(server), rounds = Math.ceil(o.keys / KEYS_PER_CALL / BATCH / 2) * 2;
    server.saveWhile(rounds, (round) => {
      for (const call of calls) call(round);
      progress.update("attribution", round / rounds);
    });
    const after = callsSoFar(server), top = topOf(server);
    const commands = [...after.keys()].filter((name) =>
      name !== "bgsave" && after.get(name)! - (before.get(name) ?? 0) >= BATCH
    );
    const rows = commands.map((command) => {
      const id = [...copies.keys()].find((one) => nameOf(one) === command);
      return rowOf(command, after.get(command)! - (before.get(command) ?? 0), copies.get(id ?? -1) ?? new Map());
    }).sort((a, b) => per(b) - per(a));
    for (const row of rows) assertEquals(row.pages, top.get(row.command) ?? 0, `PAGES TOP agrees about ${row.command}`);
    assertEquals(rows.reduce((sum, row) => sum + row.pages, 0), cow.pagesCopied, "every copy has a command");
    return { pagesFrozen: cow.pagesFrozen, pagesCopied: cow.pagesCopied, commands: rows };
  } finally {
    server.close();
  }
}

/** Loads values of the other types, and returns what is called during the save. */
function fill(server: SteppedServer, { keys, valueBytes }: AttributionOptions, progress: Progress): Call[] {
  const { client } = server, holders = Math.floor(keys / ELEMENTS), stringsEach = Math.floor(keys / STRING_COMMANDS);
  const loads = VALUE_TYPES.filter((type) => type !== "string").map((type) => new WriteLoad(client, type, valueBytes));
  for (const [i, load] of loads.entries()) {
    progress.update("attribution: loading", i / loads.length);
    for (let first = 0; first < holders; first += BATCH) load.fill(Math.min(first, holders - BATCH));
  }
  server.settle();
  let part = 0;
  // Each command has strings of its own, loaded together: no other command has copied its pages before.
  const batch = (call: (key: string) => void): Call => {
    const first = stringsEach * part++;
    return (round) => {
      for (let i = 0; i < BATCH; i++) call(keyName(first + ((round * BATCH + i) * FAR_APART) % stringsEach));
    };
  };
  return [
    ...loads.map((load): Call => () => load.overwrite(holders)),
    batch((key) => client.command("SET", key, "y".repeat(valueBytes))),
    batch((key) => client.command("GET", key)),
    batch((key) => client.command("GETRANGE", key, 0, 9)),
    batch((key) => client.command("APPEND", key, "y")),
    batch((key) => client.command("EXPIRE", key, 100_000)),
    batch((key) => client.command("UNLINK", key)),
    batch((key) => client.command("SETNX", `new:${key}`, "x".repeat(valueBytes))),
  ];
}

function count(copies: Map<number, Map<number, number>>, command: number, owner: number): void {
  const owners = copies.get(command) ?? new Map<number, number>();
  copies.set(command, owners.set(owner, (owners.get(owner) ?? 0) + 1));
}

function rowOf(command: string, calls: number, owners: ReadonlyMap<number, number>): CommandRow {
  const structures = [...owners].map(([owner, pages]) => ({ structure: OWNER_NAMES[owner] as string, pages }));
  return {
    command,
    calls,
    pages: structures.reduce((sum, one) => sum + one.pages, 0),
    structures: structures.sort((a, b) => b.pages - a.pages),
  };
}

/** Calls by command, from INFO. */
function callsSoFar(server: SteppedServer): Map<string, number> {
  const text = String(server.client.command("INFO", "commandstats"));
  return new Map([...text.matchAll(/cmdstat_([^:]+):calls=(\d+)/g)].map(([, name, calls]) => [name, Number(calls)]));
}

/** Copies by command, as PAGES TOP says. */
function topOf(server: SteppedServer): Map<string, number> {
  const reply = server.client.command("PAGES", "TOP", 100) as unknown[];
  return new Map(reply[reply.indexOf("commands") + 1] as [string, number][]);
}

/** Pages copied for each 1000 calls. */
const per = (row: CommandRow) => (row.pages / row.calls) * 1000;
const structuresOf = (row: CommandRow) => row.structures.map(({ structure }) => structure).slice(0, 3).join(", ");

export function attributionOutcome(found: Attribution): Outcome {
  const { commands, pagesCopied, pagesFrozen } = found, read = pagesOfReads(commands);
  return {
    figures: { pagesFrozen, pagesCopied, commands },
    answer: commands.slice(0, 3).map((row) => row.command).join(", "),
    picture: `Pages copied for each 1000 calls\n${
      bars(commands.map((row) => ({ label: row.command, value: per(row), text: per(row).toFixed(0) })))
    }`,
    part: {
      title: "Which command copied which structure",
      note:
        "Values of all types, and the same number of calls of each command (stores and removals of a set take turns), few enough that " +
        "most are the first to write to their pages. Commands on strings have keys of their own. " +
        `${thousands(pagesCopied)} of ${thousands(pagesFrozen)} pages were copied; the table agrees with PAGES TOP.`,
      conclusions: conclusions(commands),
      charts: [heatChart(commands)],
      tables: [{
        title: "Commands",
        lastIsText: true,
        headings: ["command", "calls", "pages copied", "per 1000 calls", "of all copies", "structures"],
        rows: commands.map((row) => cells(row, pagesCopied)),
      }],
    },
    claims: [{
      text: "reads during a save copy no page, writes do",
      measured: `GET and GETRANGE: ${read} of ${thousands(pagesCopied)}`,
      holds: read === 0 && pagesCopied > 0,
    }],
  };
}

function pagesOfReads(commands: readonly CommandRow[]): number {
  return commands.filter(({ command }) => command === "get" || command === "getrange").reduce(
    (sum, row) => sum + row.pages,
    0,
  );
}

function conclusions(commands: readonly CommandRow[]): string[] {
  const most = commands[0], read = pagesOfReads(commands);
  const perCall = (command: string) => (per(commands.find((row) => row.command === command)!) / 1000).toFixed(2);
  return [
    `A call of ${most.command} copies most, ${perCall(most.command)} pages (${
      structuresOf(most)
    }): what counts is how many places a ` +
    "command changes, and whether others change the same pages.",
    `A new key copies next to nothing (SETNX: ${perCall("setnx")} pages a call; SET of a key that exists: ${
      perCall("set")
    }). Its memory was ` +
    "free at the freeze, so no snapshot needs it; only the place that leads to it is copied. Removing a key (UNLINK: " +
    `${
      perCall("unlink")
    }) does not write to what it frees. SADD mostly finds its member there already, and changes nothing.`,
    `Reads copied ${
      read === 0 ? "nothing" : `${thousands(read)} pages`
    }, although at other times they set access clocks: Redis does not ` +
    "while a child is saving, to avoid copies (lookupKey in db.c), nor does this server.",
    "A copy is charged to the command that wrote the page first: of two commands that share pages, the earlier one pays.",
  ];
}

function cells(row: CommandRow, pagesCopied: number): string[] {
  return [
    row.command,
    thousands(row.calls),
    thousands(row.pages),
    per(row).toFixed(0),
    percent(row.pages / pagesCopied),
    row.structures.map(({ structure, pages }) => `${structure} ${thousands(pages)}`).join(", "),
  ];
}

function heatChart(commands: readonly CommandRow[]) {
  const data = commands.flatMap(({ command, calls, structures }) =>
    structures.map(({ structure, pages }) => ({ command, structure, per: (pages / calls) * 1000 }))
  );
  const most = Math.max(...data.map((one) => one.per));
  /** A word a line, as columns are narrow. */
  const inLines = (structure: string) => structure.replaceAll(" ", "\n");
  return {
    title: "Pages copied for each 1000 calls, by structure",
    note: "Empty: that command copied no page of that structure.",
    options: {
      height: 90 + commands.length * 30,
      marginLeft: 90,
      marginBottom: 20,
      marginTop: 70,
      x: {
        label: null,
        axis: "top" as const,
        tickFormat: inLines,
        domain: [...new Set(data.map((one) => one.structure))],
      },
      y: { label: null, domain: commands.map((row) => row.command) },
      color: { type: "linear" as const, range: ["#cfe6f5", "#0072b2"] },
      marks: [
        cell(data, { x: "structure", y: "command", fill: "per", inset: 1 }),
        text(data, {
          x: "structure",
          y: "command",
          text: (one: { per: number }) => one.per < 10 ? one.per.toFixed(1) : one.per.toFixed(0),
          fill: (one: { per: number }) => one.per > most * 0.75 ? "white" : "black",
        }),
      ],
    },
  };
}
