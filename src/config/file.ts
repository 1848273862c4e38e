/**
 * Reads the text of a `harmony.conf` into values of the schema table.
 *
 * Why it exists: the Go node's loader ignores slips silently and fails hard where it need not; this one tells what
 * it did not understand, takes every version, and is stopped only by what it would otherwise get wrong
 * (config-cli-metrics.md §1.1, §1.3, §1.7). What must stay true: the file is never written to, and nothing in an
 * ignored section stops the node.
 */
import { parse, TomlError } from "smol-toml";
import { configError, shown } from "./config_error.ts";
import type { KeySpec } from "./key_spec.ts";
import { nearest } from "./nearest.ts";
import {
  DUMP_VERSION,
  IGNORED_SECTIONS,
  KEYS,
  keySpec,
  NEWEST_VERSION,
  RENAMES,
  SECTIONS,
} from "./schema.ts";
import { blank, type Entry, type Scan, scanToml } from "./toml_scan.ts";
import type { ConfigValue, Notice } from "./types.ts";
import { fromToml, sameValue, TYPE_NAMES } from "./value.ts";
import { compareVersions, parseVersion } from "./version.ts";

export interface FileValue {
  readonly value: ConfigValue;
  readonly line: number;
  /** The path as the file spells it. */
  readonly written: string;
}

export interface FileConfig {
  /** What the file states; undefined when it states none. */
  readonly version: string | undefined;
  readonly values: ReadonlyMap<string, FileValue>;
  /** Top-level sections that occur, by their known names. */
  readonly sections: ReadonlySet<string>;
  readonly notices: readonly Notice[];
}

/** Known names below each section: what a written name is compared with. */
const CHILDREN: ReadonlyMap<string, ReadonlySet<string>> = (() => {
  const out = new Map<string, Set<string>>();
  const paths = ["Version", ...SECTIONS, ...KEYS.map((k) => k.path), ...RENAMES.map((r) => r.from)];
  for (const path of paths) {
    const cut = path.lastIndexOf(".");
    const parent = cut < 0 ? "" : path.slice(0, cut);
    const set = out.get(parent) ?? new Set();
    set.add(path.slice(cut + 1));
    out.set(parent, set);
  }
  return out;
})();

/** The known name that `written` is one of the four accepted spellings of (§1.1). */
function knownName(parent: string, written: string): string | undefined {
  const names = CHILDREN.get(parent);
  if (names === undefined) return undefined;
  if (names.has(written)) return written;
  for (const name of names) {
    if (
      written === name.toLowerCase() || written === name.toUpperCase() ||
      written === name.slice(0, 1).toLowerCase() + name.slice(1)
    ) return name;
  }
  return undefined;
}

/** The known path of a written one, as far as it is known. */
function knownPath(written: readonly string[]): string {
  let path = "";
  for (const part of written) {
    const name = knownName(path, part) ?? part;
    path = path === "" ? name : `${path}.${name}`;
  }
  return path;
}

function isIgnored(written: readonly string[]): boolean {
  return IGNORED_SECTIONS.has(knownName("", written[0] ?? "") ?? "");
}

/** Removes what the parser would stumble over in ignored sections; duplicates elsewhere are an error. */
function withoutDuplicates(text: string, scan: Scan, name: string, notices: Notice[]): string {
  const seen = new Map<string, Entry>();
  let out = text;
  for (const entry of scan.entries) {
    const key = entry.path.join("\u0000");
    const before = seen.get(key);
    seen.set(key, entry);
    if (before === undefined) continue;
    const path = knownPath(entry.path);
    if (!isIgnored(entry.path)) {
      throw configError(
        "CONFIG_DUPLICATE_KEY",
        `${name}: ${path} stands twice, in line ${before.line} and in line ${entry.line}`,
        "remove one of them",
      );
    }
    out = blank(out, before.start, before.end);
    notices.push({
      code: "CFG-DUP-IGNORED",
      text: `${path} stands twice (lines ${before.line} and ${entry.line}); the section is ignored anyway`,
    });
  }
  return out;
}

/** The offsets of whatever stands in `line` if it may be blanked: an ignored section's, and not past its end. */
function blankable(scan: Scan, text: string, line: number): { start: number; end: number } | undefined {
  const lineOf = (offset: number) => text.slice(0, offset).split("\n").length;
  for (const part of [...scan.entries, ...scan.headers]) {
    if (part.line > line || lineOf(part.end) < line || !isIgnored(part.path)) continue;
    const reachesFurther = /\n\s*\[\s*[A-Za-z]/.test(text.slice(part.start, part.end));
    return reachesFurther ? undefined : { start: part.start, end: part.end };
  }
  return undefined;
}

function parseToml(text: string, scan: Scan, name: string, notices: Notice[]): Record<string, unknown> {
  for (let attempt = 0;; attempt++) {
    try {
      return parse(text, { integersAsBigInt: "asNeeded", maxDepth: 32 }) as Record<string, unknown>;
    } catch (error) {
      if (!(error instanceof TomlError)) throw error;
      const part = attempt < 100 ? blankable(scan, text, error.line) : undefined;
      if (part !== undefined && text.slice(part.start, part.end).trim() !== "") {
        text = blank(text, part.start, part.end);
        notices.push({
          code: "CFG-IGN-GARBAGE",
          text: `line ${error.line} is not valid TOML; its section is ignored anyway`,
        });
        continue;
      }
      const what = (error.message.split("\n")[0] ?? "").replace(/^Invalid TOML document: /, "");
      throw configError(
        "CONFIG_SYNTAX",
        `${name}: line ${error.line}, column ${error.column}: ${what}`,
        "mend that line; `hsync config dump` shows what a valid file looks like",
        error,
      );
    }
  }
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

class Reader {
  readonly values = new Map<string, FileValue>();
  readonly sections = new Set<string>();
  version: string | undefined;

  constructor(
    private readonly name: string,
    private readonly scan: Scan,
    private readonly strict: boolean,
    readonly notices: Notice[],
  ) {}

  /** Line and column of a written path: its own, or its section's. */
  #position(written: readonly string[]): { line: number; column: number } {
    for (let n = written.length; n > 0; n--) {
      const prefix = written.slice(0, n).join("\u0000");
      const entry = this.scan.entries.find((e) => e.path.join("\u0000") === prefix);
      if (entry !== undefined) return entry;
      const header = this.scan.headers.find((h) => h.path.join("\u0000") === prefix);
      if (header !== undefined) return { line: header.line, column: 1 };
    }
    return { line: 1, column: 1 };
  }

  walk(table: Record<string, unknown>, written: readonly string[], parent: string): void {
    for (const [key, value] of Object.entries(table)) {
      const path = [...written, key];
      const name = knownName(parent, key);
      const known = name === undefined ? undefined : parent === "" ? name : `${parent}.${name}`;
      if (known === undefined) this.#unknown(path, parent);
      else if (known === "Version") this.#readVersion(value, path);
      else if (SECTIONS.has(known)) {
        if (parent === "") this.sections.add(known);
        if (isTable(value)) this.walk(value, path, known);
        else if (!isIgnored(path)) this.#mismatch(path, known, "a section", value);
      } else this.#leaf(known, path, value);
    }
  }

  #readVersion(value: unknown, written: readonly string[]): void {
    if (typeof value !== "string") this.#mismatch(written, "Version", "a text", value);
    else this.version = value;
  }

  #mismatch(written: readonly string[], path: string, wanted: string, found: unknown): never {
    const { line, column } = this.#position(written);
    throw configError(
      "CONFIG_TYPE",
      `${this.name}: line ${line}, column ${column}: ${path} must be ${wanted}, found ${shown(found)}`,
      `write ${path} as ${wanted}`,
    );
  }

  #unknown(written: readonly string[], parent: string): void {
    if (isIgnored(written)) return;
    const path = written.join(".");
    const { line } = this.#position(written);
    const key = written[written.length - 1] ?? "";
    const here = nearest(key, CHILDREN.get(parent) ?? []);
    const guess = here === undefined
      ? nearest(path, KEYS.map((k) => k.path))
      : parent === ""
      ? here
      : `${parent}.${here}`;
    const hint = guess === undefined ? "" : `; did you mean ${guess}?`;
    if (this.strict) {
      throw configError(
        "CONFIG_UNKNOWN_KEY",
        `${this.name}: line ${line}: there is no key ${shown(path)}${hint}`,
        "correct or remove it, or start without --config.strict",
      );
    }
    this.notices.push({
      code: "CFG-UNK-KEY",
      text: `line ${line}: no key is called ${shown(path)}; it has no effect${hint}`,
    });
  }

  #leaf(known: string, written: readonly string[], found: unknown): void {
    const rename = RENAMES.find((r) => r.from === known);
    const target = rename === undefined ? known : rename.to;
    if (target === undefined) return;
    const spec = keySpec(target) as KeySpec;
    const value = fromToml(spec.type, rename?.convert === undefined ? found : rename.convert(found));
    if (value === undefined) {
      if (spec.class === "ignored") return;
      this.#mismatch(written, known, TYPE_NAMES[spec.type], found);
    }
    const { line } = this.#position(written);
    const before = this.values.get(target);
    if (before !== undefined && !sameValue(before.value, value)) {
      throw configError(
        "CONFIG_CONTRADICTION",
        `${this.name}: ${before.written} = ${shown(before.value)} in line ${before.line} and ${known} = ` +
          `${shown(value)} in line ${line} mean the same setting and differ`,
        `keep ${target} only`,
      );
    }
    this.values.set(target, { value, line, written: known });
  }
}

function versionNotices(reader: Reader): Notice[] {
  const { version } = reader;
  if (version === undefined) {
    return [{ code: "CFG-VER-MISSING", text: "the file states no Version; it is read as the newest" }];
  }
  if (parseVersion(version) === undefined) {
    return [{
      code: "CFG-VER-UNREADABLE",
      text: `Version = ${shown(version)} is no version; it is read as the newest`,
    }];
  }
  if (compareVersions(version, NEWEST_VERSION) > 0) {
    return [{
      code: "CFG-VER-NEWER",
      text: `Version ${version} is newer than ${NEWEST_VERSION}, the newest whose keys hsync knows`,
    }];
  }
  return [];
}

function goneKeys(reader: Reader): Notice[] {
  if (reader.version === undefined || compareVersions(reader.version, DUMP_VERSION) < 0) return [];
  return ["Sync.StagedSync", "Sync.StagedSyncCfg.TurboMode"].filter((path) => reader.values.has(path))
    .map((path) => ({
      code: "CFG-KEY-GONE",
      text: `${path} has no effect since version ${DUMP_VERSION}`,
    }));
}

/**
 * Reads the text of a file called `name`.
 *
 * @param options.strict unknown keys are an error.
 * @throws {HsyncError} CONFIG_SYNTAX, CONFIG_DUPLICATE_KEY, CONFIG_TYPE, CONFIG_CONTRADICTION,
 *   CONFIG_UNKNOWN_KEY; exit code 128
 */
export function readConfigText(
  text: string,
  name: string,
  options: { readonly strict?: boolean } = {},
): FileConfig {
  const notices: Notice[] = [];
  const plain = text.replace(/^\uFEFF/, "");
  const scan = scanToml(plain);
  const table = parseToml(withoutDuplicates(plain, scan, name, notices), scan, name, notices);
  const reader = new Reader(name, scan, options.strict ?? false, notices);
  reader.walk(table, [], "");
  notices.push(...versionNotices(reader), ...goneKeys(reader));
  return { version: reader.version, values: reader.values, sections: reader.sections, notices };
}
