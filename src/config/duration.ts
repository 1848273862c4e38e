/**
 * Durations as the Go node writes them (`1m30s`, `500ms`, `2h45m`).
 *
 * Why it exists: operators copy such values from their `harmony.conf`. What must stay true: whatever
 * `formatDuration` writes, `parseDuration` reads back as the same time.
 */

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  "µs": 1e-3,
  "μs": 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/gy;

/**
 * The duration in ms, or undefined when the text is none: an optional sign, then one or more numbers, each with a
 * unit (config-cli-metrics.md §1.1). `0` alone needs no unit.
 */
export function parseDuration(text: string): number | undefined {
  let rest = text.trim();
  let sign = 1;
  if (rest.startsWith("+") || rest.startsWith("-")) {
    if (rest.startsWith("-")) sign = -1;
    rest = rest.slice(1);
  }
  if (rest === "0") return 0;
  if (rest === "") return undefined;
  let ms = 0;
  PART.lastIndex = 0;
  while (PART.lastIndex < rest.length) {
    const part = PART.exec(rest);
    if (part === null) return undefined;
    ms += Number(part[1]) * (UNIT_MS[part[2] as string] as number);
  }
  return sign * ms;
}

/** The text Go prints for a duration of `ms` milliseconds: `90_000` gives `1m30s`, `0` gives `0s`. */
export function formatDuration(ms: number): string {
  if (ms < 0) return "-" + formatDuration(-ms);
  if (ms === 0) return "0s";
  const ns = Math.round(ms * 1e6);
  if (ns < 1_000) return `${ns}ns`;
  if (ns < 1_000_000) return `${trim(ns / 1e3)}µs`;
  if (ns < 1_000_000_000) return `${trim(ns / 1e6)}ms`;
  const hours = Math.floor(ns / 3.6e12);
  const minutes = Math.floor((ns - hours * 3.6e12) / 6e10);
  const seconds = trim((ns - hours * 3.6e12 - minutes * 6e10) / 1e9);
  if (hours > 0) return `${hours}h${minutes}m${seconds}s`;
  return minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`;
}

function trim(value: number): string {
  return String(Number(value.toFixed(9)));
}
