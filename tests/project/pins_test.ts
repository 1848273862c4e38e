import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const read = (path: string) => Deno.readTextFile(ROOT + path);

interface ProjectFile {
  readonly imports: Readonly<Record<string, string>>;
  readonly tasks: Readonly<Record<string, string>>;
}
interface LockFile {
  readonly specifiers: Readonly<Record<string, string>>;
  readonly npm: Readonly<Record<string, { readonly integrity?: string }>>;
  readonly workspace: { readonly dependencies: readonly string[] };
}
const project = async () => JSON.parse(await read("deno.json")) as ProjectFile;
const lock = async () => JSON.parse(await read("deno.lock")) as LockFile;

/** Directories that no file of the project is in. */
const FOREIGN = new Set([".git", "node_modules", "dist", "coverage", "data"]);

async function* filesBelow(path: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(ROOT + path)) {
    const name = path + entry.name;
    if (entry.isDirectory) {
      if (!FOREIGN.has(entry.name)) yield* filesBelow(`${name}/`);
    } else if (entry.isFile) yield name;
  }
}

/** The files of the project: those that are tracked, or, outside a repository, all. */
async function projectFiles(): Promise<string[]> {
  try {
    const { success, stdout } = await new Deno.Command("git", {
      args: ["ls-files", "-z"],
      cwd: ROOT,
      stdout: "piped",
      stderr: "null",
    }).output();
    const names = new TextDecoder().decode(stdout).split("\0").filter((name) => name !== "");
    if (success && names.includes("deno.json")) return names;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return await Array.fromAsync(filesBelow(""));
}

Deno.test("gate, README and workflows name one and the same Deno version", async () => {
  const named = new Map<string, string[]>();
  const take = (where: string, text: string, pattern: RegExp) => {
    const found = [...text.matchAll(pattern)].map((match) => match[1] as string);
    assert.ok(found.length > 0, `${where} names no version`);
    for (const version of found) named.set(version, [...named.get(version) ?? [], where]);
  };
  take(".ci/run", await read(".ci/run"), /DENO_VERSION=(\S+)/g);
  take("README.md", await read("README.md"), /\bdeno[@ ]v?(\d+\.\d+\.\d+)/gi);
  const workflows: string[] = [];
  for await (const entry of Deno.readDir(`${ROOT}.github/workflows`)) workflows.push(entry.name);
  for (const name of workflows) {
    const text = await read(`.github/workflows/${name}`);
    if (text.includes("setup-deno")) take(name, text, /deno-version: *(\S+)/g);
  }
  assert.equal(named.size, 1, [...named].map(([version, where]) => `${version} in ${where}`).join("; "));
});

Deno.test("every dependency is pinned to one version, by its bare name", async () => {
  const { imports, tasks } = await project();
  for (const [name, target] of Object.entries(imports)) {
    const pin = /^npm:(.+)@(\d+\.\d+\.\d+(?:-[\w.]+)?)$/.exec(target);
    assert.equal(pin?.[1], name, `${name} is "${target}"`);
  }
  for (const [task, command] of Object.entries(tasks)) {
    for (const [, name] of command.matchAll(/-p (\S+)/g)) {
      assert.match(name as string, /@\d+\.\d+\.\d+$/, `task ${task} runs ${name}`);
    }
  }
});

Deno.test("the sources import packages by the names in deno.json alone", async () => {
  const offenders: string[] = [];
  for (const name of await projectFiles()) {
    if (!/\.ts$/.test(name)) continue;
    const text = await read(name).catch(() => "");
    if (/(?:from|import)\s*\(?\s*["'](?:npm|jsr|https?):/.test(text)) offenders.push(name);
  }
  assert.deepEqual(offenders, []);
});

Deno.test("the lock file knows exactly the dependencies of deno.json, each with its digest", async () => {
  const wanted = Object.values((await project()).imports).sort();
  const { specifiers, workspace, npm } = await lock();
  assert.deepEqual([...workspace.dependencies].sort(), wanted);
  assert.deepEqual(Object.keys(specifiers).sort(), wanted);
  for (const [name, { integrity }] of Object.entries(npm)) {
    assert.match(integrity ?? "", /^sha512-/, `${name} has no digest`);
  }
});

Deno.test("no file of the project names the host of a package registry", async () => {
  // Tools know their registries; a host name in a file would tie the project to one. In parts, so that this file passes.
  const hosts = [
    "npm" + "js.",
    "npm" + "mirror.",
    "jsr" + ".io",
    "deno" + ".land/",
    "esm" + ".sh",
    "unpkg" + ".com",
  ];
  const offenders: string[] = [];
  for (const name of await projectFiles()) {
    if (/\.(gz|blocks|bin)$/.test(name)) continue;
    const text = await read(name).catch(() => "");
    for (const host of hosts) if (text.includes(host)) offenders.push(`${name}: ${host}`);
  }
  assert.deepEqual(offenders, []);
});
