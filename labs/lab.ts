/** `deno task lab [name] [options]`: lists the labs, or runs one. */
import { fileURLToPath } from "node:url";
import { nearestOf } from "../src/mod.ts";

interface LabEntry {
  readonly folder: string;
  readonly line: string;
}

const LABS: Readonly<Record<string, LabEntry>> = {
  cow: {
    folder: "01_cow",
    line:
      "BGSAVE and copy-on-write: which writes double memory during a save, why huge pages do, and the peak forecast",
  },
  "power-cut": {
    folder: "02_power_cut",
    line: "pull the plug: what appendfsync keeps, and what the order of file operations decides",
  },
  fork: {
    folder: "03_fork",
    line: "user-space freeze against the real fork(): start pause, and the kernel's page copies, predicted",
  },
  "rdb-bytes": {
    folder: "07_rdb_bytes",
    line: "every byte of an RDB file explained; flip a bit and see who notices: the structure, or only the checksum",
  },
};

function list(): string {
  const width = Math.max(...Object.keys(LABS).map((name) => name.length));
  return Object.entries(LABS).map(([name, { line }]) => `  ${name.padEnd(width)}  ${line}`).join("\n");
}

const [name, ...rest] = Deno.args;
if (name === undefined) {
  console.log(`Labs:\n${list()}\n\nRun one with: deno task lab <name> [--help]`);
} else if (LABS[name] === undefined) {
  console.error(
    `There is no lab "${name}". Did you mean "${nearestOf(name, Object.keys(LABS))}"? The labs are:\n${list()}`,
  );
  Deno.exit(2);
} else {
  const script = fileURLToPath(new URL(`./${LABS[name].folder}/lab.ts`, import.meta.url));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", script, ...rest],
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  // The child gets the terminal's Ctrl-C itself and cleans up; this process waits for it.
  Deno.addSignalListener("SIGINT", () => {});
  Deno.exit((await child.status).code);
}
