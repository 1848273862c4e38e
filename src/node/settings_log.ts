/**
 * The effective configuration in the log.
 *
 * Why it exists: a log that is sent to somebody for help should say with which settings the node ran
 * (`[Log.VerbosePrints] Config`, config-cli-metrics.md §1.4). What must stay true: one line a section, only what hsync
 * uses, no password.
 */
import type { Logger } from "../base/mod.ts";
import { type ConfigValue, KEYS, type LoadedConfig } from "../config/mod.ts";

/** An address without user name and password. */
function withoutSecrets(text: string): string {
  return text.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/@\s]*@/i, "$1");
}

function shown(value: ConfigValue): unknown {
  return typeof value === "string" ? withoutSecrets(value) : value;
}

/** Logs every setting that hsync uses, a line for each section. */
export function logSettings(loaded: LoadedConfig, logger: Logger): void {
  if (!logger.enabled("info")) return;
  const sections = new Map<string, Record<string, unknown>>();
  for (const { path, class: kind } of KEYS) {
    const value = loaded.values.get(path);
    if (kind !== "used" || value === undefined) continue;
    const dot = path.lastIndexOf(".");
    const section = path.slice(0, dot);
    const fields = sections.get(section) ?? {};
    fields[path.slice(dot + 1)] = shown(value);
    sections.set(section, fields);
  }
  for (const [section, fields] of sections) logger.info(`[${section}]`, fields);
}
