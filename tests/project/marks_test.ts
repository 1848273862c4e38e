/** The table of marks in `tests/README.md` points at tests that name them. */
import assert from "node:assert/strict";

const TESTS = new URL("../", import.meta.url);

/** The text of what a cell names: a test file, a benchmark, or every file of a folder. */
async function textOf(name: string, bench: boolean): Promise<string> {
  if (bench) return await Deno.readTextFile(new URL(`bench/${name}_bench.ts`, TESTS));
  if (!name.endsWith("/")) return await Deno.readTextFile(new URL(`${name}_test.ts`, TESTS));
  let text = "";
  for await (const entry of Deno.readDir(new URL(name, TESTS))) {
    if (entry.isFile) text += await Deno.readTextFile(new URL(`${name}${entry.name}`, TESTS));
  }
  return text;
}

Deno.test("each test that the table of marks names carries its mark", async () => {
  const readme = await Deno.readTextFile(new URL("README.md", TESTS));
  const rows = [...readme.matchAll(/^\| (T-\d+) \|[^|]*\|([^|]*)\|([^|]*)\|([^|]*)\|$/gm)];
  assert.ok(rows.length >= 24, `${rows.length} rows`);
  const missing: string[] = [];
  for (const [, mark = "", byHand = "", sockets = "", bench = ""] of rows) {
    for (const [cell, inBench] of [[byHand, false], [sockets, false], [bench, true]] as const) {
      for (const [, name = ""] of cell.matchAll(/`([^`]+)`/g)) {
        if (!(await textOf(name, inBench)).includes(mark)) missing.push(`${mark} in ${name}`);
      }
    }
  }
  assert.deepEqual(missing, []);
});
