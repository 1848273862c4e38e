/**
 * Splits a command line into words and flags, the way the Go node's flag library does.
 *
 * Why it exists: habits and unit files carry over (config-cli-metrics.md §2.1, §2.6): `--name value`,
 * `--name=value`, `-n value`, `-nvalue`; booleans only with `=`; lists repeated or comma separated. What must stay
 * true: a slip ends with exit code 2 and the nearest name, never with 0.
 */
import { shown, usageError } from "./config_error.ts";
import type { FlagSpec } from "./flags.ts";
import { nearest } from "./nearest.ts";
import type { ConfigValue } from "./types.ts";
import { fromText, parseBool, TYPE_NAMES } from "./value.ts";

/** One flag as typed. */
export interface FlagUse {
  readonly spec: FlagSpec;
  /** Lists of several uses are joined; otherwise the last use counts. */
  readonly value: ConfigValue;
}

export interface ParsedArgv {
  /** Words that are neither flags nor their values: the command and its arguments. */
  readonly words: readonly string[];
  /** By flag name. */
  readonly flags: ReadonlyMap<string, FlagUse>;
}

class Parser {
  readonly words: string[] = [];
  readonly flags = new Map<string, FlagUse>();
  readonly #byName: ReadonlyMap<string, FlagSpec>;
  readonly #byShort: ReadonlyMap<string, FlagSpec>;
  #at = 0;

  constructor(private readonly argv: readonly string[], specs: readonly FlagSpec[]) {
    this.#byName = new Map(specs.map((s) => [s.name, s]));
    this.#byShort = new Map(specs.flatMap((s) => s.short === undefined ? [] : [[s.short, s]]));
  }

  run(): void {
    while (this.#at < this.argv.length) {
      const arg = this.argv[this.#at++] as string;
      if (arg === "--") {
        this.words.push(...this.argv.slice(this.#at));
        return;
      }
      if (arg.startsWith("--")) this.#long(arg.slice(2));
      else if (arg.startsWith("-") && arg.length > 1) this.#shorts(arg);
      else this.words.push(arg);
    }
  }

  #long(text: string): void {
    const equals = text.indexOf("=");
    const name = equals < 0 ? text : text.slice(0, equals);
    const spec = this.#byName.get(name);
    if (spec === undefined) this.#unknown(`--${name}`, nearest(name, this.#visibleNames()));
    this.#take(spec, `--${name}`, equals < 0 ? undefined : text.slice(equals + 1));
  }

  #shorts(arg: string): void {
    for (let i = 1; i < arg.length; i++) {
      const letter = arg[i] as string;
      const spec = this.#byShort.get(letter);
      if (spec === undefined) {
        const meant = nearest(arg.slice(1).split("=")[0] ?? "", this.#visibleNames());
        this.#unknown(arg.length > 2 ? arg : `-${letter}`, meant);
      }
      const rest = arg.slice(i + 1);
      if (spec.type === "bool" && !rest.startsWith("=")) this.#take(spec, `-${letter}`, undefined);
      else {
        this.#take(spec, `-${letter}`, rest === "" ? undefined : rest.replace(/^=/, ""));
        return;
      }
    }
  }

  #visibleNames(): string[] {
    return [...this.#byName.values()].filter((s) => s.class === "used" && s.insteadUse === undefined)
      .map((s) => s.name);
  }

  #unknown(name: string, guess: string | undefined): never {
    throw usageError(
      "UNKNOWN_FLAG",
      `there is no flag ${shown(name).slice(1, -1)}`,
      guess === undefined ? "`hsync --help` lists the flags" : `did you mean --${guess}?`,
    );
  }

  #take(spec: FlagSpec, typed: string, inline: string | undefined): void {
    let text = inline;
    if (text === undefined) {
      if (spec.type === "bool") {
        const next = this.argv[this.#at];
        if (next !== undefined && parseBool(next) !== undefined) {
          throw usageError(
            "BOOLEAN_NEEDS_EQUALS",
            `${typed} ${next}: a yes-or-no flag takes its value after an equals sign`,
            `write \`${typed}=${next}\``,
          );
        }
        text = "true";
      } else {
        text = this.argv[this.#at++];
        if (text === undefined) {
          throw usageError(
            "MISSING_VALUE",
            `${typed} needs a value: ${TYPE_NAMES[spec.type]}`,
            `write \`${typed} VALUE\``,
          );
        }
      }
    }
    const value = fromText(spec.type, text);
    if (value === undefined) {
      throw usageError(
        "BAD_VALUE",
        `${typed} takes ${TYPE_NAMES[spec.type]}, not ${shown(text)}`,
        spec.help === "" ? "`hsync --help` explains the flags" : `${typed}: ${spec.help}`,
      );
    }
    const before = this.flags.get(spec.name);
    const joined = before !== undefined && Array.isArray(before.value) && Array.isArray(value)
      ? [...before.value, ...value] as ConfigValue
      : value;
    this.flags.set(spec.name, { spec, value: joined });
  }
}

/**
 * Splits `argv` (without the program's name) by the flags that `specs` knows.
 *
 * @throws {HsyncError} UNKNOWN_FLAG, MISSING_VALUE, BAD_VALUE, BOOLEAN_NEEDS_EQUALS; exit code 2
 */
export function parseArgv(argv: readonly string[], specs: readonly FlagSpec[]): ParsedArgv {
  const parser = new Parser(argv, specs);
  parser.run();
  return parser;
}
