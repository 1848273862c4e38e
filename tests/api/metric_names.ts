/**
 * Every metric name that occurs as a text in `src/`, `config/` rules and dashboards.
 *
 * Why it exists: a name that is counted or drawn but not in the catalogue would silently show nothing.
 */

async function walk(dir: URL, out: URL[]): Promise<void> {
  for await (const entry of Deno.readDir(dir)) {
    if (entry.isDirectory) await walk(new URL(`${entry.name}/`, dir), out);
    else if (/\.(ts|json|ya?ml)$/.test(entry.name)) out.push(new URL(entry.name, dir));
  }
}

/** The names, histogram suffixes removed. */
export async function readMetricNames(): Promise<Set<string>> {
  const files: URL[] = [];
  await walk(new URL("../../src/", import.meta.url), files);
  await walk(new URL("../../config/", import.meta.url), files);
  const names = new Set<string>();
  for (const file of files) {
    const text = await Deno.readTextFile(file);
    // In sources only whole texts are names; in rules and dashboards every word is.
    const pattern = file.pathname.endsWith(".ts") ? /"(hmy_[a-z0-9_]+)"/g : /\b(hmy_[a-zA-Z0-9_]+)/g;
    for (const m of text.matchAll(pattern)) names.add((m[1] as string).replace(/_(bucket|sum|count)$/, ""));
  }
  return names;
}

/**
 * The names of the catalogue's metrics that something in `src/` feeds. Beginning a series at zero is no feeding.
 *
 * @param names those to look for.
 */
export async function readFedNames(names: readonly string[]): Promise<Set<string>> {
  const files: URL[] = [];
  await walk(new URL("../../src/", import.meta.url), files);
  const keys = new Map<string, string>();
  let text = "";
  for (const file of files) {
    if (!file.pathname.endsWith(".ts") || file.pathname.endsWith("/api/catalogue.ts")) continue;
    let source = await Deno.readTextFile(file);
    if (file.pathname.endsWith("/stream/meters.ts")) {
      // Here names have keys, and the last method begins the series.
      const table = /export const METRIC = \{[^}]*\} as const;/.exec(source)?.[0] ?? "";
      for (const m of table.matchAll(/(\w+): "(\w+)"/g)) keys.set(m[2] as string, `METRIC.${m[1]}`);
      source = source.replace(table, "").replace(/\n {2}#zero\(\)[\s\S]*/, "");
    }
    text += source;
  }
  return new Set(names.filter((name) => {
    const key = keys.get(name);
    return text.includes(`"${name}"`) || (key !== undefined && new RegExp(`${key}\\b`).test(text));
  }));
}
