/** What lab 07 found: tallies by kind of byte, tables, sentences, and whether what the lab claims holds. */
import { thousands } from "../kit/terminal.ts";
import { type Kind, KINDS, type Part, type Span } from "./byte_map.ts";
import { type Flip, type Outcome, OUTCOMES } from "./flips.ts";
import type { ServerOutcome, ToolOutcome } from "./redis_tools.ts";

export interface KindTally {
  readonly kind: Kind;
  readonly bytes: number;
  readonly bits: Record<Outcome, number>;
}

/** What Redis's tools made of some of the flips; null where they are not installed. */
export interface ToolSample {
  readonly offset: number;
  readonly bit: number;
  readonly check: ToolOutcome | null;
  readonly server: ServerOutcome | null;
}

export function spanOf(parts: readonly Part[], offset: number): Span {
  return parts.flatMap(({ spans }) => spans).find(({ from, to }) => from <= offset && offset < to)!;
}

export function talliesOf(parts: readonly Part[], flips: readonly Flip[]): KindTally[] {
  const kindOfByte = new Map<number, Kind>();
  for (const { from, to, kind } of parts.flatMap(({ spans }) => spans)) {
    for (let at = from; at < to; at++) kindOfByte.set(at, kind);
  }
  return KINDS.map((kind) => {
    const bits = { refused: 0, "other data": 0, "same data": 0 };
    for (const { offset, outcome } of flips) if (kindOfByte.get(offset) === kind) bits[outcome]++;
    return { kind, bytes: [...kindOfByte.values()].filter((one) => one === kind).length, bits };
  });
}

export const KIND_HEADINGS = ["kind of byte", "bytes", "structure", "only the CRC:", "other data", "same data"];
export const KIND_NOTE =
  "Of the 8 bits of a byte, on average: how many flips the structure catches, so that a start refuses them with checksums off, and how many " +
  "only the CRC does; of these, how many would change what is served, and how many would not.";

export function kindCells({ kind, bytes, bits }: KindTally): string[] {
  const perByte = (count: number) => (count / Math.max(1, bytes)).toFixed(1);
  const [refused, other, same] = OUTCOMES.map((outcome) => bits[outcome]);
  return [kind, String(bytes), perByte(refused), perByte(other + same), perByte(other), perByte(same)];
}

export const WHO_HEADINGS = ["who", "flips", "noticed", "how"];

/** Who was given how many flips, how many of them were noticed, and how. */
export function whoRows(flips: readonly Flip[], samples: readonly ToolSample[]): string[][] {
  const row = (who: string, total: number, noticed: number, how: string) => {
    return [who, thousands(total), `${percent(noticed, total)} %`, how];
  };
  const checked = flips.filter(({ check }) => check !== null), named = checked.filter(({ check }) => check === "named");
  const refused = flips.filter(({ outcome }) => outcome === "refused").length;
  const rows = [
    row("this server", flips.length, flips.filter((one) => one.isRefusedByChecksum).length, "does not start"),
    row("… rdbchecksum no", flips.length, refused, "does not start"),
    row(
      "deno task check",
      checked.length,
      checked.filter(({ check }) => check !== "missed").length,
      `${percent(named.length, checked.length)} % named: byte and old value`,
    ),
  ];
  const tools = samples.filter(({ check }) => check !== null),
    servers = samples.filter(({ server }) => server !== null);
  if (tools.length > 0) {
    const by = (outcome: ToolOutcome) => tools.filter(({ check }) => check === outcome).length;
    rows.push(
      row(
        "redis-check-rdb",
        tools.length,
        tools.length - by("missed"),
        `${by("structure")} structure, ${by("checksum")} CRC`,
      ),
    );
  }
  if (servers.length > 0) {
    const by = (outcome: ServerOutcome) => servers.filter(({ server }) => server === outcome).length;
    const how = `${by("refused")} refused, ${by("crashed")} crashed, ${by("other data")} other data`;
    rows.push(row("redis-server … no", servers.length, by("refused") + by("crashed"), how));
  }
  return rows;
}

export function percent(part: number, whole: number): string {
  return whole === 0 ? "–" : (part / whole * 100).toFixed(0);
}

const share = ({ bits }: KindTally, outcome: Outcome) => {
  return bits[outcome] / Math.max(1, OUTCOMES.reduce((sum, one) => sum + bits[one], 0));
};

export function conclusions(tallies: readonly KindTally[], flips: readonly Flip[]): string[] {
  const of = (kind: Kind) => tallies.find((one) => one.kind === kind)!;
  const refused = flips.filter(({ outcome }) => outcome === "refused").length;
  const other = flips.filter(({ outcome }) => outcome === "other data").length;
  const named = flips.filter(({ check }) => check === "named").length,
    checked = flips.filter(({ check }) => check !== null).length;
  return [
    `Without the checksum a file vouches for its form, not for its content: of ${
      thousands(flips.length)
    } flips the structure catches ` +
    `${percent(refused, flips.length)} %, and ${
      percent(other, flips.length)
    } % would be served as other data without a word.`,
    `Where a byte says how to go on, a wrong one leads astray and is caught (length: ${
      percent(share(of("length"), "refused"), 1)
    } % of the bits, ` +
    `type: ${percent(share(of("type"), "refused"), 1)} %); where it is content, nothing contradicts it (key: ${
      percent(share(of("key"), "refused"), 1)
    } %, value: ` + `${percent(share(of("value"), "refused"), 1)} %).`,
    `The CRC catches every single flip, those in itself too, and it says more than that something is wrong: ${named} of ${checked} times ` +
    "deno task check named the very byte and what it had been. A flipped bit changes the CRC by a value that depends on its place alone.",
  ];
}

/** What the lab claims, and does not hold; empty when all does. */
export function faultsOf(tallies: readonly KindTally[], flips: readonly Flip[]): string[] {
  const of = (kind: Kind, outcome: Outcome) => share(tallies.find((one) => one.kind === kind)!, outcome),
    faults: string[] = [];
  const missed = flips.filter(({ isRefusedByChecksum }) => !isRefusedByChecksum).length;
  if (missed > 0) faults.push(`${missed} flips were served with the checksum on`);
  const unnamed = flips.filter(({ check }) => check !== null && check !== "named").length;
  if (unnamed > 0) faults.push(`the check did not name the byte of ${unnamed} flips`);
  if (of("length", "refused") < 3 * of("value", "refused")) {
    faults.push("lengths are not caught 3 times as often as values");
  }
  if (of("key", "other data") < 0.9) faults.push("less than 90 % of the flips in keys change the data");
  return faults;
}
