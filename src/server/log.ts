/** Redis's log: one line an event, `<pid>:<role> <day> <month> <year> <time> <mark> <text>`, to standard output or a file. */
import { utf8Encode } from "../base/bytes.ts";
import type { Clock } from "../io/clock.ts";
import type { LogLevel } from "./config/settings.ts";

const RANK: Record<LogLevel, number> = { debug: 0, verbose: 1, notice: 2, warning: 3 };
const MARK: Record<LogLevel, string> = { debug: ".", verbose: "-", notice: "*", warning: "#" };
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

export class Log {
  level: LogLevel = "notice";
  /** Where whole lines go. */
  write: (line: Uint8Array) => void = () => {};
  readonly #clock: Clock;
  readonly #pid: number;

  constructor(clock: Clock, pid: number) {
    this.#clock = clock, this.#pid = pid;
  }

  log(level: LogLevel, text: string): void {
    if (RANK[level] < RANK[this.level]) return;
    this.write(utf8Encode(`${this.#pid}:M ${timestamp(this.#clock.nowMs())} ${MARK[level]} ${text}\n`));
  }

  debug(text: string): void {
    this.log("debug", text);
  }

  verbose(text: string): void {
    this.log("verbose", text);
  }

  notice(text: string): void {
    this.log("notice", text);
  }

  warning(text: string): void {
    this.log("warning", text);
  }
}

/** "24 Nov 2026 09:00:00.123", local time. */
function timestamp(ms: number): string {
  const date = new Date(ms);
  const two = (n: number) => String(n).padStart(2, "0");
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${two(date.getDate())} ${MONTHS[date.getMonth()]} ${date.getFullYear()} ${time}.${
    String(date.getMilliseconds()).padStart(3, "0")
  }`;
}
