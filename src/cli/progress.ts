/**
 * How progress reads: a few lines for a terminal, one line of key=value for everything else.
 *
 * Why it exists: an operator sees at a glance where a node is, and a script can parse the plain form
 * (config-cli-metrics.md §8.6). What must stay true: pure functions of a snapshot; never wider than the terminal,
 * never more than six lines, no text of a peer unescaped.
 */
import { safeText } from "../base/mod.ts";
import { ageText, type ProgressSnapshot } from "../api/mod.ts";

const MODE_NAMES: Readonly<Record<string, string>> = {
  longRange: "LONG RANGE",
  shortRange: "SHORT RANGE",
  epoch: "EPOCH",
  idle: "IDLE",
};

/** `54321987` as `54,321,987`. */
export function grouped(value: number): string {
  return value.toLocaleString("en-US");
}

function rate(value: number | undefined): string {
  if (value === undefined) return "-";
  return `${value >= 100 ? Math.round(value) : value.toFixed(1)}/s`;
}

function byteRate(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} MB/s`;
  return value >= 1e3 ? `${(value / 1e3).toFixed(1)} kB/s` : `${Math.round(value)} B/s`;
}

/** Part of the way done, 0 to 1; undefined while the target is unknown. */
function fraction(s: ProgressSnapshot): number | undefined {
  if (s.target === undefined) return undefined;
  const way = s.target - s.startHeight;
  return way <= 0 || s.height >= s.target ? 1 : Math.min(1, Math.max(0, (s.height - s.startHeight) / way));
}

function bar(part: number, width: number): string {
  const filled = Math.round(part * width);
  if (filled >= width) return `[${"#".repeat(width)}]`;
  return `[${"#".repeat(Math.max(0, filled - 1))}${filled > 0 ? ">" : ""}${" ".repeat(width - filled)}]`;
}

/** Cut to `width` characters. */
function fit(line: string, width: number): string {
  const chars = [...line];
  return chars.length <= width ? line : chars.slice(0, Math.max(0, width - 1)).join("") + "…";
}

/** The region for a terminal of `columns` characters: at most six lines. */
export function terminalLines(s: ProgressSnapshot, columns: number): string[] {
  const width = Math.max(20, columns - 1);
  const title = s.state === "syncing" ? MODE_NAMES[s.mode] ?? s.mode : s.state;
  const target = s.target === undefined ? "unknown" : grouped(s.target);
  const behind = s.target === undefined ? "" : `  behind ${grouped(Math.max(0, s.target - s.height))}`;
  const part = fraction(s);
  const done = part === undefined
    ? ""
    : `   ${bar(part, width >= 100 ? 24 : 12)} ${(Math.floor(part * 1000) / 10).toFixed(1)} %`;
  const eta = s.etaSeconds === undefined || s.etaSeconds === 0 ? "" : `   eta ${ageText(s.etaSeconds)}`;
  const lines = [
    `${s.network} s${s.shard}  ${title}  ${grouped(s.height)} / ${target}${behind}${done}${eta}`,
    `  hashes ${rate(s.rates.hashes)}   bodies ${rate(s.rates.bodies)}   insert ${rate(s.rates.insert)}` +
    (s.bottleneck === undefined ? "" : `   bottleneck: ${s.bottleneck}`),
  ];
  if (s.stage !== undefined) {
    const cycle = s.cycle === undefined
      ? ""
      : `  ${grouped(s.cycle.from)} → ${grouped(s.cycle.to)}     cycle ${s.cycle.number}`;
    lines.push(`  stage  ${s.stage}${cycle}`);
  }
  const { active, need, reserved, cooling } = s.streams;
  const requests = s.requests === undefined
    ? ""
    : `   requests ${s.requests.pending} running · ${s.requests.waiting} waiting`;
  const down = s.bytesPerSecond === undefined ? "" : `   down ${byteRate(s.bytesPerSecond)}`;
  lines.push(
    `  streams ${active} active (need ${need}) · ${reserved} reserved · ${cooling} cooling${requests}${down}`,
  );
  if (s.assurance !== undefined) lines.push(`  blocks are ${s.assurance}`);
  if (s.note !== undefined) lines.push(`  ${safeText(s.note)}`);
  return lines.slice(0, 6).map((l) => fit(l, width));
}

/** The line for logs and pipes. */
export function plainLine(s: ProgressSnapshot): string {
  const target = s.target === undefined ? "unknown" : String(s.target);
  const behind = s.target === undefined ? "unknown" : String(Math.max(0, s.target - s.height));
  const speed = s.rates.insert === undefined ? "-" : String(Math.round(s.rates.insert * 10) / 10);
  const eta = s.etaSeconds === undefined ? "unknown" : `${s.etaSeconds}s`;
  const assurance = s.assurance === undefined ? "" : ` assurance=${s.assurance}`;
  return `sync state=${s.state} mode=${s.mode} stage=${s.stage ?? "-"} height=${s.height} target=${target} ` +
    `behind=${behind} rate=${speed} eta=${eta} streams=${s.streams.active}/${s.streams.need} ` +
    `reserved=${s.streams.reserved} cooling=${s.streams.cooling}${assurance}` +
    (s.note === undefined ? "" : ` note=${JSON.stringify(safeText(s.note))}`);
}
