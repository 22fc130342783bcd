/**
 * A graph of numbers in ASCII, as LATENCY GRAPH draws it: four rows of bars, then each sample's label from top to bottom.
 * Each row tells three heights apart, so a bar has twelve steps between the lowest and the highest sample.
 */

export interface SparklineSample {
  readonly value: number;
  readonly label: string;
}

const ROWS = 4;
/** Heights within a row, and what stands below a taller bar. */
const TIPS = "_o#";
const BAR = "|";
const COLUMNS_MAX = 80;

/** The graph with a line break after every line; wider ones are cut into several below each other. */
export function sparkline(samples: readonly SparklineSample[]): string {
  const values = samples.map(({ value }) => value);
  const low = Math.min(...values), range = Math.max(...values) - low || 1;
  const parts: string[] = [];
  for (let first = 0; first < samples.length; first += COLUMNS_MAX) {
    parts.push(drawPart(samples.slice(first, first + COLUMNS_MAX), low, range));
  }
  return parts.join("\n");
}

function drawPart(samples: readonly SparklineSample[], low: number, range: number): string {
  const stepsMax = ROWS * TIPS.length;
  const steps = samples.map(({ value }) => Math.min(stepsMax - 1, Math.floor(((value - low) * stepsMax) / range)));
  const lines: string[] = [];
  for (let row = ROWS - 1; row >= 0; row--) {
    lines.push(steps.map((step) => barCharacter(step - row * TIPS.length)).join(""));
  }
  lines.push(" ".repeat(samples.length));
  const labelHeight = Math.max(...samples.map(({ label }) => label.length));
  for (let i = 0; i < labelHeight; i++) lines.push(samples.map(({ label }) => label[i] ?? " ").join(""));
  return lines.map((line) => line + "\n").join("");
}

function barCharacter(stepInRow: number): string {
  if (stepInRow < 0) return " ";
  return stepInRow < TIPS.length ? TIPS[stepInRow] : BAR;
}
