/**
 * The effective values while they are being worked out, with where each came from.
 *
 * Why it exists: rules, checks and `config explain` all ask the same two questions: what is it, and who said so.
 * What must stay true: a getter for a key of the wrong type is a programming error and throws at once.
 */
import { parseDuration } from "./duration.ts";
import type { NetworkName } from "./networks.ts";
import { KEYS, keySpec } from "./schema.ts";
import type { ConfigValue, Notice, Origin } from "./types.ts";

export class Settings {
  readonly values = new Map<string, ConfigValue>();
  readonly origins = new Map<string, Origin>();
  readonly notices: Notice[] = [];

  /** Starts with the defaults of a network. */
  constructor(readonly network: NetworkName) {
    for (const spec of KEYS) {
      const value = spec.fallback(network);
      if (value === undefined) continue;
      this.values.set(spec.path, value);
      this.origins.set(spec.path, { source: "default", where: `default of ${network}` });
    }
  }

  set(path: string, value: ConfigValue, origin: Origin): void {
    if (keySpec(path) === undefined) throw new TypeError(`no key ${path} in the schema`);
    this.values.set(path, value);
    this.origins.set(path, origin);
  }

  /** Replaces a value by a rule, with a notice that says so. */
  adjust(path: string, value: ConfigValue, code: string, text: string): void {
    this.set(path, value, { source: "adjusted", where: text });
    this.notice(code, text);
  }

  notice(code: string, text: string): void {
    this.notices.push({ code, text });
  }

  /** True when file or flag set it. */
  chosen(path: string): boolean {
    const source = this.origins.get(path)?.source;
    return source === "file" || source === "flag";
  }

  #typed<T extends ConfigValue>(path: string, is: (value: ConfigValue) => value is T): T {
    const value = this.values.get(path);
    if (value === undefined || !is(value)) throw new TypeError(`${path} does not hold what was asked for`);
    return value;
  }
  bool(path: string): boolean {
    return this.#typed(path, (v): v is boolean => typeof v === "boolean");
  }
  num(path: string): number {
    return this.#typed(path, (v): v is number => typeof v === "number");
  }
  text(path: string): string {
    return this.#typed(path, (v): v is string => typeof v === "string");
  }
  list(path: string): readonly string[] {
    return this.#typed(path, (v): v is readonly string[] => Array.isArray(v));
  }
  /** A duration in ms. */
  ms(path: string): number {
    return parseDuration(this.text(path)) ?? 0;
  }
}
