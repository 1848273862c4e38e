/** The same tests for every kind of database: memory, local file, and a Deno KV server where one is installed. */
import { findDenokv, startDenokv } from "./denokv.ts";
import { beginningCases } from "./suite/beginning.ts";
import { chainCases } from "./suite/chain.ts";
import { failingCases } from "./suite/failing.ts";
import { openingCases } from "./suite/opening.ts";
import { stagingCases } from "./suite/staging.ts";
import { unwindCases } from "./suite/unwind.ts";
import { makePlace, type Place } from "./support.ts";

const CASES = [
  ...chainCases,
  ...beginningCases,
  ...unwindCases,
  ...stagingCases,
  ...failingCases,
  ...openingCases,
];

async function at(name: Place["name"], run: (place: Place) => Promise<void>, target?: string): Promise<void> {
  const place = await makePlace(name, target);
  try {
    await run(place);
  } finally {
    await place.close();
  }
}

for (const name of ["memory", "file"] as const) {
  for (const { name: what, run } of CASES) {
    Deno.test(`store on ${name}: ${what}`, () => at(name, run));
  }
}

const program = findDenokv();
Deno.test({
  name: program === undefined
    ? "store on denokv: skipped, no denokv program (cargo install denokv; PATH or DENOKV names it)"
    : "store on denokv",
  ignore: program === undefined,
  fn: async (t) => {
    const server = await startDenokv(program as string);
    try {
      for (const { name: what, run } of CASES) await t.step(what, () => at("denokv", run, server.url));
    } finally {
      await server.stop();
    }
  },
});
