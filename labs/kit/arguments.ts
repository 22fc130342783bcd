/** The command line of a lab, checked: whatever is wrong is said with what there is instead, and ends the lab with exit code 2. */
import { parseArgs } from "@std/cli";
import { nearestOf } from "../../src/mod.ts";

export interface LabOptions {
  readonly usage: string;
  /** Options that take a value, with the value they have when they are left out. */
  readonly defaults: Readonly<Record<string, string | number>>;
  readonly flags: readonly string[];
}

/** Options as they were given, or their defaults. */
export class LabArguments {
  readonly #o: LabOptions;
  readonly #values: Record<string, unknown>;

  constructor(options: LabOptions, words: readonly string[] = Deno.args) {
    this.#o = options;
    const { defaults, flags, usage } = options;
    const names = [...Object.keys(defaults), ...flags, "help"];
    this.#values = parseArgs(words, {
      boolean: [...flags, "help"],
      string: Object.keys(defaults),
      default: defaults,
      unknown: (arg, name) => {
        if (name === undefined) this.fail(`Unexpected argument "${arg}"`);
        this.fail(`Unknown option "${arg}". Did you mean "--${nearestOf(name, names)}"?`);
      },
    });
    if (this.#values.help !== true) return;
    console.log(usage);
    Deno.exit(0);
  }

  fail(message: string): never {
    console.error(`${message}\n\n${this.#o.usage}`);
    Deno.exit(2);
  }

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  isGiven(name: string): boolean {
    return this.#values[name] !== this.#o.defaults[name];
  }

  text(name: string): string {
    return String(this.#values[name]);
  }

  number(name: string, min: number, max: number): number {
    const text = this.text(name).trim(), value = text === "" ? NaN : Number(text);
    return value >= min && value <= max ? value : this.fail(`--${name} takes a number from ${min} to ${max}`);
  }

  choice<T extends string>(name: string, values: readonly T[]): T {
    const value = values.find((one) => one === this.#values[name]);
    if (value !== undefined) return value;
    const list = values.length === 1 ? values[0] : `${values.slice(0, -1).join(", ")} or ${values.at(-1)}`;
    return this.fail(`--${name} takes ${list}, not "${this.text(name)}"`);
  }
}
