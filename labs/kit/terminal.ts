/** Progress, tables and bars for a terminal; plain lines when it is none. */

const encoder = new TextEncoder();
const BAR_WIDTH = 28;
const COLUMNS = 80, READABLE_COLUMNS = 100;

export const isTerminal: boolean = Deno.stdout.isTerminal();

function write(text: string): void {
  Deno.stdout.writeSync(encoder.encode(text));
}

/** Columns of the terminal; 80 when it is none. */
export function columns(): number {
  return isTerminal ? Deno.consoleSize().columns : COLUMNS;
}

/** Text in lines that fit the terminal, and are not too long to read. */
export function wrapped(text: string, width = Math.min(columns(), READABLE_COLUMNS)): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join("\n");
}

/** Ctrl-C: cleans up, and ends with the code that shells expect. */
export function onInterrupt(cleanUp: () => void): void {
  Deno.addSignalListener("SIGINT", () => {
    cleanUp();
    Deno.exit(130);
  });
}

/** A progress bar that redraws itself; without a terminal it prints each label once, and nothing when it is silent. */
export class Progress {
  #label = "";
  #lastMs = 0;
  readonly #isSilent: boolean;

  constructor(isSilent = false) {
    this.#isSilent = isSilent;
  }

  update(label: string, share: number, note = ""): void {
    if (this.#isSilent) return;
    if (!isTerminal) {
      if (label !== this.#label) console.log(`${label} …`);
      this.#label = label;
      return;
    }
    const nowMs = performance.now();
    if (label === this.#label && share < 1 && nowMs - this.#lastMs < 50) return;
    this.#label = label, this.#lastMs = nowMs;
    const filled = Math.round(Math.min(1, share) * BAR_WIDTH);
    write(`\r\x1b[K${label} ${"█".repeat(filled)}${"░".repeat(BAR_WIDTH - filled)} ${note}`);
  }

  clear(): void {
    if (isTerminal && !this.#isSilent) write("\r\x1b[K");
    this.#label = "";
  }
}

/** Rows under headings, numbers to the right; with `lastIsText` the last column is text, to the left. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[], lastIsText = false): string {
  const widths = headings.map((heading, i) => Math.max(heading.length, ...rows.map((row) => row[i].length)));
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => lastIsText && i === cells.length - 1 ? cell : cell.padStart(widths[i])).join("  ");
  return [line(headings), widths.map((width) => "─".repeat(width)).join("  "), ...rows.map(line)].join("\n");
}

/** One bar a row, in proportion to the largest value. */
export function bars(rows: readonly { label: string; value: number; text: string }[], width = 40): string {
  const largest = Math.max(...rows.map((row) => row.value), 1e-9),
    labelWidth = Math.max(...rows.map((row) => row.label.length));
  return rows.map(({ label, value, text }) => {
    return `${label.padStart(labelWidth)} │${"█".repeat(Math.round((value / largest) * width))} ${text}`;
  }).join("\n");
}

/** Asks on a terminal; null when there is none or nothing was said. */
export function ask(question: string): string | null {
  return isTerminal && Deno.stdin.isTerminal() ? prompt(question) : null;
}

export function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(bytes < 100 * 2 ** 20 ? 1 : 0);
}

export function thousands(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}
