/** A chain out of a file is judged as one that comes from peers. */
import assert from "node:assert/strict";
import { SystemClock } from "../../src/base/mod.ts";
import { importInto, openChain } from "../../src/node/mod.ts";
import { networkParams } from "../../src/chain/mod.ts";
import type { BatchVerifier } from "../../src/sync/mod.ts";
import { vectorBytes } from "../vectors/load.ts";

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

Deno.test("only the last blocks of a file are judged as the end of the chain, where every certificate counts", async () => {
  const params = networkParams("localnet");
  const store = await openChain({
    params,
    shardId: 0,
    location: { kind: "memory" },
    clock: new SystemClock(),
  });
  const seen: Array<readonly [number, number]> = [];
  const verifier: BatchVerifier = {
    certifies: true,
    verify: (batch, { target }) => {
      seen.push([batch.at(-1)?.number ?? 0, target]);
      const accepted = batch.map(() => ({ assurance: "linked" as const, commitSig: undefined }));
      return Promise.resolve({ accepted });
    },
  };
  try {
    const file = once(await vectorBytes("localnet/s0.blocks.jsonl.gz"));
    await importInto({ store, params, shardId: 0, verifier }, file);
    const far = Number.MAX_SAFE_INTEGER;
    assert.deepEqual(seen, [[128, far], [256, far], [384, far], [426, 426]]);
  } finally {
    await store.close();
  }
});
