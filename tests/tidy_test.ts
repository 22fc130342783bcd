/** The rules of the tree: who may import whom, who may name Deno, what may stand in no file, and that a table of tests names them all. */
import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Folder -> folders it may import from, besides itself. Arrows point down only. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "src/std": [],
  "src/base": [],
  "src/memory": ["src/base"],
  "src/io": ["src/base"],
  "src/resp": ["src/base"],
  "src/structures": ["src/memory", "src/base"],
  "src/keyspace": ["src/structures", "src/memory", "src/base"],
  "src/commands": ["src/keyspace", "src/structures", "src/memory", "src/resp", "src/base"],
  "src/persistence": ["src/keyspace", "src/structures", "src/memory", "src/resp", "src/io", "src/base"],
  "src/server": [
    "src/persistence",
    "src/commands",
    "src/keyspace",
    "src/structures",
    "src/memory",
    "src/resp",
    "src/io",
    "src/base",
  ],
};
const ANYTHING_IN_SRC = ["src/main.ts", "src/mod.ts", "src/check.ts", "src/inspect.ts"];
const BANNED: readonly RegExp[] = [
  new RegExp("/" + "work/|/" + "root/|/" + "farm/"),
  new RegExp("https?://[a-z0-9.-]*(registry|mirror)", "i"),
];

interface SourceFile {
  path: string;
  text: string;
}

function filesUnder(folder: string, suffix: string): SourceFile[] {
  const found: SourceFile[] = [];
  for (const entry of Deno.readDirSync(`${ROOT}/${folder}`)) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory && !["node_modules", ".git", "reports"].includes(entry.name)) {
      found.push(...filesUnder(path, suffix));
    } else if (entry.isFile && path.endsWith(suffix)) {
      found.push({ path, text: Deno.readTextFileSync(`${ROOT}/${path}`) });
    }
  }
  return found;
}

function folderOf(path: string): string {
  return Object.keys(MAY_IMPORT).find((folder) => path.startsWith(folder + "/")) ?? path;
}

/** Paths that a file imports by relative specifiers, from the root. */
function importsOf(file: SourceFile): string[] {
  const specifiers = [...file.text.matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)].map((match) => match[1]);
  return specifiers.map((specifier) => new URL(specifier, `file:///${file.path}`).pathname.slice(1));
}

const isTest = (path: string) => path.endsWith("_test.ts") || path.includes("/testing") || path.includes("_testing");

Deno.test("imports point down only, as the table says", () => {
  const wrong: string[] = [];
  for (const file of filesUnder("src", ".ts")) {
    if (isTest(file.path) || ANYTHING_IN_SRC.includes(file.path)) continue;
    const folder = folderOf(file.path), allowed = [folder, ...MAY_IMPORT[folder] ?? []];
    for (const path of importsOf(file)) {
      if (!allowed.includes(folderOf(path))) wrong.push(`${file.path} imports ${path}`);
    }
  }
  for (const file of filesUnder("labs", ".ts")) {
    for (const path of importsOf(file)) {
      if (path.startsWith("src/") && path !== "src/mod.ts") wrong.push(`${file.path} imports ${path}`);
    }
  }
  assertEquals(wrong, []);
});

Deno.test("only src/io, src/std and the checksum of src/base import from node:", () => {
  const wrong = filesUnder("src", ".ts").filter(({ path, text }) =>
    !isTest(path) && !/^src\/(io\/|std\/|base\/crc32\.ts$)/.test(path) && /from "node:/.test(text)
  );
  assertEquals(wrong.map((file) => file.path), []);
});

Deno.test("only src/io names Deno", () => {
  const wrong = filesUnder("src", ".ts").filter(({ path, text }) => {
    const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*|"[^"\n]*"|`[^`]*`/g, "");
    return !isTest(path) && !path.startsWith("src/io/") && path !== "src/main.ts" && /\bDeno\./.test(code);
  });
  assertEquals(wrong.map((file) => file.path), []);
});

Deno.test("no file names a path of one machine or a registry's host", () => {
  const files = [
    ...filesUnder("", ".ts"),
    ...filesUnder("", ".md"),
    ...filesUnder("", ".json"),
    ...filesUnder("", ".lock"),
  ];
  const wrong = files.filter(({ path, text }) =>
    path !== "tests/tidy_test.ts" && BANNED.some((pattern) => pattern.test(text))
  );
  assertEquals(wrong.map((file) => file.path), []);
});

Deno.test("files are named in snake case, and no test is singled out", () => {
  const files = [...filesUnder("src", ".ts"), ...filesUnder("tests", ".ts"), ...filesUnder("labs", ".ts")];
  const badNames = files.filter(({ path }) => !/^[a-z0-9_/]+(?:_test)?\.ts$/.test(path));
  const singled = files.filter(({ path, text }) =>
    path !== "tests/tidy_test.ts" && /Deno\.test\.only|only: *true/.test(text)
  );
  assertEquals([...badNames, ...singled].map((file) => file.path), []);
});

const GAPS_TABLE = "src/persistence/README.md", GAPS = 12;

/** Rows of the table of Redis's gaps: "G1", and the test. A gap goes on in rows whose first cell is empty. */
function gapRows(): { gap: string; test: string }[] {
  const rows: { gap: string; test: string }[] = [];
  let gap = "";
  for (const line of Deno.readTextFileSync(`${ROOT}/${GAPS_TABLE}`).split("\n")) {
    const [, first, , , last] = line.split("|").map((cell) => cell.trim()), test = /^`([^`]+)`$/.exec(last ?? "");
    gap = /^G[0-9]+(?= )/.exec(first ?? "")?.[0] ?? gap;
    if (test !== null) rows.push({ gap, test: test[1] });
  }
  return rows;
}

/** Names of tests; what is put into one stands as "…". */
function testNames(): string[] {
  return ["src", "tests", "labs"].flatMap((folder) => filesUnder(folder, "_test.ts")).flatMap(({ text }) =>
    [...text.matchAll(/Deno\.test\(\s*(?:"([^"]+)"|`([^`]+)`)/g)].map(([, plain, template]) =>
      plain ?? template.replace(/\$\{[^}]*\}/g, "…")
    )
  );
}

Deno.test("every test of a gap of Redis ends with its number and is in the table, each gap has one, and each one there exists", () => {
  const rows = gapRows(), named = testNames().filter((name) => /\bG[0-9]+\b/.test(name));
  assertEquals(rows.map(({ test }) => test).sort(), named.sort());
  assertEquals(rows.filter(({ gap, test }) => !test.endsWith(` (${gap})`)), []);
  assertEquals([...new Set(rows.map(({ gap }) => gap))], Array.from({ length: GAPS }, (_, i) => `G${i + 1}`));
});
