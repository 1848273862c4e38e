/**
 * How fast test chains are made, and how fast headers pass the rules: prints figures, asserts nothing.
 *
 * Run: deno run -A tests/bench/builder_bench.ts
 */
import { WasmBls } from "../../src/crypto/mod.ts";
import { networkParams } from "../../src/chain/mod.ts";
import { checkHeader, epochCommittee, planCertificate } from "../../src/consensus/mod.ts";
import { splitCommitSig } from "../../src/chain/mod.ts";
import { blsSigner, buildChain, type BuiltBlock } from "../builder/mod.ts";
import { figure } from "./support/figures.ts";

function report(what: string, count: number, work: () => void): void {
  const start = performance.now();
  work();
  const ms = performance.now() - start;
  console.log(`${what.padEnd(56)} ${Math.round(count / ms * 1000)}/s  (${count} in ${Math.round(ms)} ms)`);
  if (count > 1) figure({ what, value: count / ms * 1000, unit: "/s" });
}

let blocks: readonly BuiltBlock[] = [];
let params = networkParams("localnet");
report("blocks built, unsigned, 1 KiB", 10_000, () => {
  ({ blocks, params } = buildChain({ seed: 1, length: 10_000, epochLength: 100, bytesPerBlock: 1024 }));
});
report("headers held against the rules", 10_000, () => {
  for (let i = 1; i < blocks.length; i++) {
    checkHeader((blocks[i - 1] as BuiltBlock).block.header, (blocks[i] as BuiltBlock).block.header, params);
  }
});
const signer = blsSigner(await WasmBls.create());
report("blocks built, signed by committees of 9", 300, () => {
  buildChain({ seed: 1, length: 300, epochLength: 50, bytesPerBlock: 1024, signer });
});
report("blocks built, signed by committees of 250", 100, () => {
  buildChain({ seed: 1, length: 100, epochLength: 50, reservedSlots: 25, electedSlots: 225, signer });
});
{
  const { network, blocks: big } = buildChain({
    seed: 1,
    length: 60,
    epochLength: 20,
    reservedSlots: 25,
    electedSlots: 225,
  });
  const block = big.at(-1) as BuiltBlock;
  const { epoch } = block.block.header;
  const committee = epochCommittee(network.params, epoch, network.committee(epoch, 0));
  const sig = splitCommitSig(block.commitSig);
  planCertificate(block.block.header, sig, committee);
  report("quorums of 250 staked slots tallied", 2000, () => {
    for (let i = 0; i < 2000; i++) planCertificate(block.block.header, sig, committee);
  });
}
for (const shard of [0, 1]) {
  report(`genesis of mainnet shard ${shard}`, 1, () => {
    networkParams("mainnet").genesisBlock(shard);
  });
}
