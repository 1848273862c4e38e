/**
 * The module graph of `src/`, and the rules of the house held against it.
 *
 * Why it exists: the direction of imports is what keeps each layer testable alone (DESIGN: "The house"). The
 * rules are pure functions over a graph, so that the test can show that they do catch a breach.
 */
import { fileURLToPath, pathToFileURL } from "node:url";

/** What each folder may import directly; it may also import what these may (transitively). */
export const SOURCES: Readonly<Record<string, readonly string[]>> = {
  base: [],
  crypto: ["base"],
  chain: ["base", "crypto"],
  consensus: ["chain"],
  execution: ["chain", "consensus"],
  store: ["chain"],
  config: ["base", "chain"],
  p2p: ["base", "config"],
  stream: ["p2p", "chain"],
  dns: ["chain"],
  sync: ["stream", "dns", "store", "consensus", "execution"],
  api: ["sync", "config"],
  node: ["api"],
  cli: ["node"],
};

export interface Edge {
  /** Path relative to the project, with `/`. */
  readonly from: string;
  readonly to: string;
}

/** Every folder that `folder` may import. */
export function allowed(folder: string): Set<string> {
  const out = new Set<string>();
  const visit = (f: string) => {
    for (const s of SOURCES[f] ?? []) {
      if (!out.has(s)) {
        out.add(s);
        visit(s);
      }
    }
  };
  visit(folder);
  return out;
}

function folderOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1];
}

/** Breaches of direction and of "only through mod.ts", one line each. */
export function directionBreaches(edges: readonly Edge[]): string[] {
  const out: string[] = [];
  for (const { from, to } of edges) {
    const target = folderOf(to);
    if (target === undefined) continue;
    if (from === "main.ts") {
      if (to !== "src/cli/mod.ts") {
        out.push(`${from} imports ${to}: main.ts hands over to src/cli/mod.ts only`);
      }
      continue;
    }
    const source = folderOf(from);
    if (source === undefined || source === target) continue;
    if (SOURCES[source] === undefined) out.push(`${from}: folder ${source} is not part of the house`);
    else if (!allowed(source).has(target)) {
      out.push(`${from} imports ${to}: ${source} must not know ${target}`);
    }
    if (to !== `src/${target}/mod.ts`) {
      out.push(`${from} imports ${to}: other folders come in through src/${target}/mod.ts`);
    }
  }
  return out;
}

/** One cycle as a list of files, or undefined. */
export function findCycle(edges: readonly Edge[]): string[] | undefined {
  const next = new Map<string, string[]>();
  for (const { from, to } of edges) next.set(from, [...(next.get(from) ?? []), to]);
  const done = new Set<string>();
  const path: string[] = [];
  const onPath = new Set<string>();
  const visit = (file: string): string[] | undefined => {
    if (onPath.has(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return undefined;
    path.push(file);
    onPath.add(file);
    for (const to of next.get(file) ?? []) {
      const cycle = visit(to);
      if (cycle !== undefined) return cycle;
    }
    path.pop();
    onPath.delete(file);
    done.add(file);
    return undefined;
  };
  for (const file of next.keys()) {
    const cycle = visit(file);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

async function sourceFiles(dir: URL): Promise<URL[]> {
  const out: URL[] = [];
  for await (const entry of Deno.readDir(dir)) {
    if (entry.isDirectory) out.push(...await sourceFiles(new URL(entry.name + "/", dir)));
    else if (entry.name.endsWith(".ts")) out.push(new URL(entry.name, dir));
  }
  return out;
}

interface InfoModule {
  readonly specifier: string;
  readonly dependencies?: ReadonlyArray<{
    readonly code?: { readonly specifier?: string };
    readonly type?: { readonly specifier?: string };
  }>;
}

/** All edges between our own files, from `deno info --json`; files no one imports are included too. */
export async function readGraph(root: URL): Promise<Edge[]> {
  const files = [new URL("main.ts", root), ...await sourceFiles(new URL("src/", root))];
  const temp = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(temp, files.map((f) => `import ${JSON.stringify(f.href)};`).join("\n"));
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--config", fileURLToPath(new URL("deno.json", root)), temp],
      stdout: "piped",
      stderr: "piped",
    }).output();
    if (!success) throw new Error(`deno info failed: ${new TextDecoder().decode(stderr)}`);
    const info = JSON.parse(new TextDecoder().decode(stdout)) as { readonly modules: readonly InfoModule[] };
    const tempHref = pathToFileURL(temp).href;
    const relative = (href: string) => href.startsWith(root.href) ? href.slice(root.href.length) : undefined;
    const edges: Edge[] = [];
    for (const module of info.modules) {
      if (module.specifier === tempHref) continue;
      const from = relative(module.specifier);
      if (from === undefined) continue;
      for (const dep of module.dependencies ?? []) {
        for (const href of new Set([dep.code?.specifier, dep.type?.specifier])) {
          const to = href === undefined ? undefined : relative(href);
          if (to !== undefined) edges.push({ from, to });
        }
      }
    }
    return edges;
  } finally {
    await Deno.remove(temp);
  }
}
