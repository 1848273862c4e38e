/**
 * Builds the Go peer of these tests, or says why it cannot be had.
 *
 * Why it exists: the tests are worth having wherever Go is, and must not fail where it is not. What must stay true:
 * a program built once from the same sources is used again; a gate on a machine without Go, or without the modules,
 * neither waits nor asks the network, and says in one line what it left out. `HSYNC_INTEROP=1` demands the tests:
 * modules are fetched, and whatever is missing fails; `HSYNC_INTEROP=0` leaves them out.
 *
 * Run as a program it fetches and builds what later runs use: `deno run -A tests/interop/support/build.ts`.
 */
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";

/** Where the built program is, or the reason why there is none. */
export type Built = { readonly path: string } | { readonly missing: string };

const SOURCES = fileURLToPath(new URL("../gopeer/", import.meta.url));
/** Optimising a program that runs for seconds takes longer than it saves. */
const FLAGS = ["-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-gcflags=all=-N -l -dwarf=false"];
/** Nothing of the caller's Go settings but where its caches are; and more memory instead of more time. */
const ENV = { CGO_ENABLED: "0", GOFLAGS: "", GOWORK: "off", GOTOOLCHAIN: "local", GOGC: "400" };

interface Run {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Nothing is fetched: what is not on this machine is missing. */
const OFFLINE = { GOPROXY: "off", GOSUMDB: "off" };

async function run(
  command: string,
  args: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Promise<Run> {
  const child = new Deno.Command(command, {
    args: [...args],
    cwd: SOURCES,
    env: { ...ENV, ...more },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const { success, stdout, stderr } = await child.output();
  const text = new TextDecoder();
  return { ok: success, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

/** The Go tool on the path or where its installer puts it, with its version. */
async function findGo(): Promise<{ readonly go: string; readonly version: string } | undefined> {
  const root = Deno.env.get("GOROOT");
  const places = ["go", ...(root === undefined ? [] : [`${root}/bin/go`]), "/usr/local/go/bin/go"];
  for (const go of places) {
    try {
      const { ok, stdout } = await run(go, ["env", "GOVERSION"]);
      if (ok) return { go, version: stdout.trim() };
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return undefined;
}

/** A name that changes with everything that goes into the program. */
async function fingerprint(version: string): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify([version, Deno.build.target, FLAGS]));
  const names = [...Deno.readDirSync(SOURCES)].filter((e) => e.isFile).map((e) => e.name).sort();
  for (const name of names) hash.update(name).update(await Deno.readFile(SOURCES + name));
  return hash.digest("hex").slice(0, 16);
}

async function cacheDir(name: string): Promise<string> {
  const home = Deno.env.get("HOME");
  const base = Deno.env.get("XDG_CACHE_HOME") ?? (home === undefined ? tmpdir() : `${home}/.cache`);
  const dir = `${base}/hsync-interop/${name}`;
  await Deno.mkdir(dir, { recursive: true });
  return dir;
}

/** @param fetch whether modules may be fetched, and every core be used. */
async function build(fetch: boolean): Promise<Built> {
  const found = await findGo();
  if (found === undefined) return { missing: "there is no Go toolchain (1.22 or later)" };
  const { go, version } = found;
  const dir = await cacheDir(await fingerprint(version));
  const path = `${dir}/gopeer`;
  try {
    if ((await Deno.stat(path)).isFile) return { path };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const more = fetch ? {} : OFFLINE;
  if (!fetch && !(await run(go, ["list", "-deps", "."], more)).ok) {
    return { missing: "the Go peer's modules are not on this machine (HSYNC_INTEROP=1 fetches them)" };
  }
  // Another test process may be building the same: whoever is ready last replaces the same bytes.
  const fresh = await Deno.makeTempFile({ dir });
  // One action at a time where other tests run beside: a minute or two once, and from then on nothing.
  const pace = fetch ? [] : ["-p", "1"];
  const { ok, stderr } = await run(go, ["build", ...pace, ...FLAGS, "-o", fresh, "."], more);
  if (!ok) {
    await Deno.remove(fresh);
    const why = stderr.trim().split("\n").pop() ?? "";
    return { missing: `the Go peer does not build with ${version}: ${why}` };
  }
  await Deno.rename(fresh, path);
  return { path };
}

/**
 * The Go peer for the tests.
 *
 * @throws {Error} when it cannot be had although HSYNC_INTEROP=1 demands it.
 */
export async function goPeer(): Promise<Built> {
  const wish = Deno.env.get("HSYNC_INTEROP");
  if (wish === "0") return { missing: "HSYNC_INTEROP=0" };
  const built = await build(wish === "1").catch((error): Built => ({ missing: String(error) }));
  if ("missing" in built && wish === "1") throw new Error(`interop tests cannot run: ${built.missing}`);
  return built;
}

if (import.meta.main) {
  const built = await build(true);
  console.log("path" in built ? built.path : built.missing);
  Deno.exit("path" in built ? 0 : 1);
}
