/** What every experiment of lab 01 hands over: figures for --json, and a part for terminal and report. */
import type { ReportPart } from "../kit/html_report.ts";

/** A ratio within one run that must hold. */
export interface Claim {
  readonly text: string;
  readonly measured: string;
  readonly holds: boolean;
}

export interface Outcome {
  readonly figures: unknown;
  /** What a prediction is held against. */
  readonly answer: string;
  readonly part: ReportPart;
  /** A chart of the terminal, with its title. */
  readonly picture: string;
  readonly claims: readonly Claim[];
}

export function percent(share: number, digits = 1): string {
  return `${(share * 100).toFixed(digits)} %`;
}

/** How far a forecast is from what was measured, with its sign when it has one. */
export function errorText(forecast: number, measured: number): string {
  const error = forecast / measured - 1;
  if (Math.abs(error) < 0.0005) return percent(0);
  return `${error < 0 ? "−" : "+"}${percent(Math.abs(error))}`;
}

export function bytesText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 2 ** 20 ? `${bytes / 1024} KiB` : `${bytes / 2 ** 20} MiB`;
}
