import assert from "node:assert/strict";
import { concat, toHex } from "../../src/base/mod.ts";
import {
  commitPayload,
  decodeHeader,
  joinCommitSig,
  parentCommitSig,
  splitCommitSig,
} from "../../src/chain/mod.ts";
import { recordedBlocks } from "../vectors/load.ts";
import { hex, refuses, repeat, sameBytes } from "./support.ts";

Deno.test("the signed payload of mainnet blocks before and in the staking era", () => {
  sameBytes(
    commitPayload({
      number: 1753086,
      hash: hex("7f52ee50d938a32730412b9cb77f0e4eb3db5032f81f8a178719f0af74302484"),
      viewId: 1753134n,
    }, false),
    "febf1a00000000007f52ee50d938a32730412b9cb77f0e4eb3db5032f81f8a178719f0af74302484",
  );
  sameBytes(
    commitPayload({
      number: 23361200,
      hash: hex("ad30942c2fa352c1f341df356e905a7e25154590d5caf69b6eb56eb0a1cb1456"),
      viewId: 23363187n,
    }, true),
    "b076640100000000ad30942c2fa352c1f341df356e905a7e25154590d5caf69b6eb56eb0a1cb1456737e640100000000",
  );
});

Deno.test("the signed payload of every recorded block (staking from epoch 2)", () => {
  for (const shard of [0, 1] as const) {
    for (const recorded of recordedBlocks(shard).slice(1)) {
      const header = decodeHeader(hex(recorded.headerRLP));
      sameBytes(commitPayload(header, header.epoch >= 2), recorded.commitPayload, `block ${header.number}`);
    }
  }
});

Deno.test("a block's certificate is the one in its child's header", () => {
  const blocks = recordedBlocks(0);
  blocks.slice(0, -1).forEach((block, i) => {
    const child = decodeHeader(hex(blocks[i + 1]?.headerRLP ?? ""));
    sameBytes(joinCommitSig(parentCommitSig(child)), block.commitSig, `block ${block.number}`);
  });
});

Deno.test("certificate bytes are cut after 96 bytes", () => {
  const sig = splitCommitSig(concat(repeat("aa", 96), hex("ff03")));
  sameBytes(sig.signature, repeat("aa", 96));
  sameBytes(sig.bitmap, "ff03");
  assert.equal(toHex(joinCommitSig(sig)), "aa".repeat(96) + "ff03");
  assert.equal(splitCommitSig(new Uint8Array(96)).bitmap.length, 0);
  refuses(() => splitCommitSig(new Uint8Array(95)), "COMMIT_SIG_SHORT");
  assert.throws(() => joinCommitSig({ signature: new Uint8Array(95), bitmap: hex("") }), RangeError);
});
