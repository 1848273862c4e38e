/**
 * Notices about what a file says and hsync passes over.
 *
 * Why it exists: "ignored" must be said, once and in few lines (config-cli-metrics.md §1.3). What must stay true:
 * an unchanged operator file gives a handful of lines, not one per key.
 */
import { shown } from "./config_error.ts";
import type { FileConfig } from "./file.ts";
import { IGNORED_SECTIONS, KEYS } from "./schema.ts";
import type { Settings } from "./settings.ts";
import type { Notice } from "./types.ts";
import { sameValue } from "./value.ts";

/** Sections that stand in every dump and matter only when their switch is on. */
const SWITCHES: Readonly<Record<string, string>> = {
  Pprof: "Pprof.Enabled",
  ShardData: "ShardData.EnableShardData",
};

/** One notice per ignored section, and one per ignored key that was changed in a section that is used. */
export function noticeIgnored(s: Settings, file: FileConfig): void {
  for (const section of IGNORED_SECTIONS) {
    // WebSocket is told together with the rest of JSON-RPC, see `featureNotices`.
    if (section === "WS" || !file.sections.has(section)) continue;
    const toggle = SWITCHES[section];
    if (toggle !== undefined && s.values.get(toggle) !== true) continue;
    s.notice(`CFG-IGN-${section.toUpperCase()}`, `section [${section}] has no effect`);
  }
  const keys: string[] = [];
  for (const spec of KEYS) {
    const section = spec.path.split(".")[0] as string;
    if (spec.class !== "ignored" || IGNORED_SECTIONS.has(section)) continue;
    const written = file.values.get(spec.path);
    if (written === undefined || sameValue(written.value, spec.fallback(s.network))) continue;
    // Rosetta is told with the rest of JSON-RPC; ignored keys of [Sync] are leftovers of old versions.
    if (spec.path === "HTTP.RosettaEnabled" || section === "Sync") continue;
    keys.push(`${spec.path} = ${shown(written.value)}`);
  }
  if (keys.length > 0) s.notice("CFG-IGN-KEY", `no effect in hsync: ${keys.join(", ")}`);
}

/** The notices as lines to print: the ignored sections share one. */
export function noticeLines(notices: readonly Notice[]): string[] {
  const sections: string[] = [];
  const lines: string[] = [];
  for (const { code, text } of notices) {
    const section = /^section \[(\w+)\] has no effect$/.exec(text)?.[1];
    if (section !== undefined) sections.push(section);
    else lines.push(`${text} (${code})`);
  }
  if (sections.length > 0) {
    lines.unshift(`ignored sections: ${sections.join(" ")} (they concern validators and RPC)`);
  }
  return lines;
}
