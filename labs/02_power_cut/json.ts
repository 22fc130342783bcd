/** What `--json` prints. */
import type { Example, SubjectResult } from "./gaps.ts";
import { badOf, type GapFinding, isReproduced, operationRows, type TwoCuts } from "./findings.ts";
import type { Options } from "./options.ts";
import type { PolicyRow } from "./power_cut.ts";

export function jsonOf(
  o: Options,
  { schedule, writes, powerCut, kill }: TwoCuts,
  rows: readonly PolicyRow[],
  gaps: readonly GapFinding[],
  version: string | null,
): unknown {
  return {
    options: { ...schedule, cuts: o.cuts },
    cut: { atMs: powerCut.atMs, writes, powerCut, kill },
    policies: rows,
    gaps: gaps.map((finding) => ({
      gap: finding.scenario.gap,
      title: finding.scenario.title,
      redis: { version: finding.scenario.version, ...subject(finding.redis) },
      ours: subject(finding.ours),
      realRedis: finding.real === null ? null : { version, isReproduced: isReproduced(finding) },
    })),
  };
}

function subject(result: SubjectResult): Record<string, unknown> {
  const { tally, example } = result;
  return {
    ...tally,
    bad: badOf(tally),
    example: example === null ? null : exampleOf(example),
    operations: operationRows(result),
  };
}

function exampleOf({ verdict, secondVerdict, form, atMs, fates, explanation }: Example): unknown {
  return { verdict, secondVerdict, form, atMs, fates, explanation };
}
