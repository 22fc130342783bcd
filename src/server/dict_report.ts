/** What DEBUG HTSTATS says of a hash table: sizes and how long its chains are, in Redis's layout. */
import type { Address } from "../memory/mod.ts";
import type { Dict } from "../structures/dict.ts";

export function dictReport(dict: Dict, header: Address): string {
  const main = tableReport(dict.chainLengths(header, 0), 0, "main hash table");
  return dict.isRehashing(header) ? main + tableReport(dict.chainLengths(header, 1), 1, "rehashing target") : main;
}

/** `chains[n]` slots hold n entries. */
function tableReport(chains: readonly number[], table: number, role: string): string {
  const slots = sum(chains, (slotsOfLength) => slotsOfLength);
  const elements = sum(chains, (slotsOfLength, length) => slotsOfLength * length);
  const title = `Hash table ${table} stats (${role}):\n`;
  if (elements === 0) return title + "No stats available for empty dictionaries\n";
  const used = slots - (chains[0] ?? 0), average = (elements / used).toFixed(2);
  let text = title + ` table size: ${slots}\n number of elements: ${elements}\n different slots: ${used}\n` +
    ` max chain length: ${chains.length - 1}\n avg chain length (counted): ${average}\n` +
    ` avg chain length (computed): ${average}\n Chain length distribution:\n`;
  chains.forEach((count, length) => text += `   ${length}: ${count} (${((count / slots) * 100).toFixed(2)}%)\n`);
  return text;
}

function sum(chains: readonly number[], term: (slots: number, length: number) => number): number {
  return chains.reduce((total, slots, length) => total + term(slots, length), 0);
}
