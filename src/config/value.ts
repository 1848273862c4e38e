/**
 * One value: from a file's typed form or a flag's text to the form the table wants, and back to text.
 *
 * Why it exists: file, flags and dump must agree about what a value may look like. What must stay true: a
 * conversion that is not exact fails instead of guessing.
 */
import { formatDuration, parseDuration } from "./duration.ts";
import type { ValueType } from "./key_spec.ts";
import type { ConfigValue } from "./types.ts";

/** What a type is called in messages. */
export const TYPE_NAMES: Readonly<Record<ValueType, string>> = {
  bool: "true or false",
  int: "a whole number",
  uint: "a whole number, not negative",
  float: "a number",
  string: "a text",
  strings: "a list of texts",
  ints: "a list of whole numbers",
  duration: 'a duration such as "1m30s"',
};

function wholeNumber(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) ? value : undefined;
}

/** A value as the TOML parser gave it; undefined when it is not of the type. */
export function fromToml(type: ValueType, value: unknown): ConfigValue | undefined {
  switch (type) {
    case "bool":
      return typeof value === "boolean" ? value : undefined;
    case "int":
      return wholeNumber(value);
    case "uint": {
      if (typeof value === "bigint" && value >= 0n && value < 1n << 64n) return value;
      const n = wholeNumber(value);
      return n !== undefined && n >= 0 ? n : undefined;
    }
    case "float":
      return typeof value === "number" && Number.isFinite(value) ? value : undefined;
    case "string":
      return typeof value === "string" ? value : undefined;
    case "strings":
      return Array.isArray(value) && value.every((v) => typeof v === "string")
        ? value as string[]
        : undefined;
    case "ints":
      return Array.isArray(value) && value.every((v) => wholeNumber(v) !== undefined)
        ? value as number[]
        : undefined;
    case "duration": {
      const nanoseconds = wholeNumber(value);
      if (nanoseconds !== undefined) return formatDuration(nanoseconds / 1e6);
      if (typeof value !== "string") return undefined;
      const ms = parseDuration(value);
      return ms === undefined ? undefined : formatDuration(ms);
    }
  }
}

const TRUE = new Set(["1", "t", "T", "TRUE", "true", "True"]);
const FALSE = new Set(["0", "f", "F", "FALSE", "false", "False"]);

/** A truth value in the spellings Go accepts; undefined for any other text. */
export function parseBool(text: string): boolean | undefined {
  if (TRUE.has(text)) return true;
  return FALSE.has(text) ? false : undefined;
}

function parseWhole(text: string): number | undefined {
  if (!/^[+-]?(0x[0-9a-fA-F]+|\d+)$/.test(text)) return undefined;
  const negative = text.startsWith("-");
  const value = Number(text.replace(/^[+-]/, "")) * (negative ? -1 : 1);
  return Number.isSafeInteger(value) ? value : undefined;
}

function splitList(text: string): string[] {
  return text.split(",").map((t) => t.trim()).filter((t) => t !== "");
}

/** A value as typed on the command line; undefined when it is not of the type. */
export function fromText(type: ValueType, text: string): ConfigValue | undefined {
  switch (type) {
    case "bool":
      return parseBool(text);
    case "int":
      return parseWhole(text);
    case "uint": {
      const n = parseWhole(text);
      return n !== undefined && n >= 0 ? n : undefined;
    }
    case "float": {
      const n = text.trim() === "" ? NaN : Number(text);
      return Number.isFinite(n) ? n : undefined;
    }
    case "string":
      return text;
    case "strings":
      return splitList(text);
    case "ints": {
      const numbers = splitList(text).map(parseWhole);
      return numbers.every((n) => n !== undefined) ? numbers as number[] : undefined;
    }
    case "duration": {
      const ms = parseDuration(text);
      return ms === undefined ? undefined : formatDuration(ms);
    }
  }
}

/** The value in TOML. */
export function toToml(value: ConfigValue): string {
  if (typeof value === "string") return tomlString(value);
  if (Array.isArray(value)) {
    return `[${value.map((v) => typeof v === "string" ? tomlString(v) : v).join(", ")}]`;
  }
  return String(value);
}

function tomlString(text: string): string {
  // JSON escapes are TOML escapes, except that TOML also wants DEL escaped.
  return JSON.stringify(text).replaceAll("\u007f", "\\u007F");
}

/** True when both are the same value. */
export function sameValue(a: ConfigValue | undefined, b: ConfigValue | undefined): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((v, i) => v === b[i]);
  return a === b;
}
