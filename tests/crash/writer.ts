/**
 * A process that writes a store until it is killed; the other half of `crash_test.ts`.
 *
 * Why it exists: only a killed process shows what a killed process leaves. What must stay true: every step is a
 * function of the seed and the state it began from; it is announced before it begins and acknowledged after it
 * ended, each by one write to standard output, so that the parent knows which two states are allowed.
 *
 * Arguments: directory, seed, and where to die: `before N`, `during N` or `after N` (the Nth commit of this run), or
 * `never` (the parent kills).
 */
import { SeededRandom, SystemClock, toHex } from "../../src/base/mod.ts";
import { type ChainStore, type Kv, openDenoKv, openStore } from "../../src/store/mod.ts";
import { chainFrom, type TestBlock, testOptions } from "../store/support.ts";

/** Blocks of a step by its seed: mostly small ones, now and then many big ones, so that batches take many commits. */
export function stepBlocks(
  head: { readonly number: number; readonly hash: Uint8Array },
  seed: number,
): TestBlock[] {
  const random = new SeededRandom(seed);
  const big = random.int(3) === 0;
  return chainFrom(head, 1 + random.int(big ? 24 : 128), {
    seed,
    bodySize: (_n, r) => big ? r.int(400_000) : r.int(1_500),
  });
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));
}

function die(): void {
  Deno.kill(Deno.pid, "SIGKILL");
}

async function step(store: ChainStore, seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const head = store.head();
  if (head.number > 50 && random.int(5) === 0) {
    const to = head.number - 1 - random.int(Math.min(300, head.number - 1));
    const hash = await store.hashAt(to) as Uint8Array;
    say(`begin ${to} ${toHex(hash)} ${seed} unwind`);
    await store.unwindTo(to, { States: seed });
  } else {
    const blocks = stepBlocks(head, seed);
    const last = blocks[blocks.length - 1] ?? head;
    say(`begin ${last.number} ${toHex(last.hash)} ${seed} append`);
    await store.append(blocks, { States: seed });
  }
  say("done");
}

async function main([dir, seedText, when, nthText]: string[]): Promise<void> {
  const seed = Number(seedText);
  const nth = Number(nthText);
  let commits = 0;
  const kvFactory = async (target: string): Promise<Kv> => {
    const kv = await openDenoKv(target);
    const commit = kv.commit.bind(kv);
    kv.commit = async (checks, mutations) => {
      commits++;
      if (when === "before" && commits === nth) die();
      const done = commit(checks, mutations);
      // The database works on it in a thread of its own.
      if (when === "during" && commits === nth) die();
      const stamp = await done;
      if (when === "after" && commits === nth) die();
      return stamp;
    };
    return kv;
  };
  const store = await openStore({
    ...testOptions(new SystemClock()),
    location: { kind: "file", dir: dir as string },
    kvFactory,
  });
  say(`open ${store.head().number} ${toHex(store.head().hash)} ${store.checkpoint("States") ?? -1}`);
  for (let i = 0;; i++) await step(store, seed * 1_000 + i);
}

if (import.meta.main) await main(Deno.args);
