/**
 * Writes settings in the Go node's layout.
 *
 * Why it exists: `diff` against a file that the Go node wrote must be useful (config-cli-metrics.md §1.1): the
 * version, then sections and keys in byte order, two spaces a level. What must stay true: what is dumped loads
 * again to the same values.
 */
import { DUMP_VERSION, IGNORED_SECTIONS, KEYS } from "./schema.ts";
import type { KeySpec } from "./key_spec.ts";
import type { NetworkName } from "./networks.ts";
import type { ConfigValue } from "./types.ts";
import { sameValue, toToml } from "./value.ts";

export interface DumpOptions {
  /** Effective values; without them the defaults are dumped. */
  readonly values?: ReadonlyMap<string, ConfigValue>;
  /** Leaves out the sections that hsync passes over. */
  readonly onlyUsed?: boolean;
}

interface Node {
  readonly lines: Array<{ readonly key: string; readonly text: string }>;
  readonly children: Map<string, Node>;
}

const COMMENTS: Readonly<Record<string, string>> = {
  "Sync.Client": "hsync's own default; the Go node's is false",
};

function isDumped(spec: KeySpec, network: NetworkName, value: ConfigValue, options: DumpOptions): boolean {
  const section = spec.path.split(".")[0] as string;
  if (section === "Devnet" && network !== "devnet") return false;
  if (options.onlyUsed === true && (IGNORED_SECTIONS.has(section) || spec.class !== "used")) return false;
  // What the Go node's dump lacks is written only where it says something.
  return !spec.undumped || !sameValue(value, spec.fallback(network));
}

function byteOrder(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function render(node: Node, path: string, indent: string, out: string[]): void {
  for (const { key, text } of [...node.lines].sort((a, b) => byteOrder(a.key, b.key))) {
    out.push(`${indent}${key} = ${text}`);
  }
  for (const [name, child] of [...node.children].sort((a, b) => byteOrder(a[0], b[0]))) {
    const childPath = path === "" ? name : `${path}.${name}`;
    out.push("", `${indent}[${childPath}]`);
    render(child, childPath, `${indent}  `, out);
  }
}

/** The configuration of `network` as the text of a `harmony.conf`. */
export function dumpConfig(network: NetworkName, options: DumpOptions = {}): string {
  const root: Node = { lines: [], children: new Map() };
  for (const spec of KEYS) {
    const fallback = spec.fallback(network);
    const value = options.values?.get(spec.path) ?? fallback;
    if (value === undefined || !isDumped(spec, network, value, options)) continue;
    const parts = spec.path.split(".");
    const key = parts.pop() as string;
    let node = root;
    for (const part of parts) {
      const child = node.children.get(part) ?? { lines: [], children: new Map() };
      node.children.set(part, child);
      node = child;
    }
    const text = spec.raw !== undefined && sameValue(value, fallback) ? spec.raw : toToml(value);
    const comment = options.values === undefined ? COMMENTS[spec.path] : undefined;
    node.lines.push({ key, text: comment === undefined ? text : `${text} # ${comment}` });
  }
  const out = [`Version = "${DUMP_VERSION}"`];
  render(root, "", "", out);
  return out.join("\n") + "\n";
}
