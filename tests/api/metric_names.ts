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
