/** The epoch chain as others see it: recorded conversations on `epochsync`, with a beacon node and with a node of shard 1. */
import assert from "node:assert/strict";
import { equalBytes, toHex } from "../../src/base/mod.ts";
import { decodeBlock, networkParams } from "../../src/chain/mod.ts";
import type { DeliveredBlock } from "../../src/stream/mod.ts";
import { checkBlocksByNumber, checkBlocksHere } from "../../src/stream/client_checks.ts";
import { decodeMessage, encodeResponse, type SyncRequest } from "../../src/stream/message.ts";
import { SyncServer } from "../../src/stream/server.ts";
import { endedAt } from "../../src/sync/epoch/epoch_peers.ts";
import { RecordedChain } from "../stream/support/chain.ts";
import { recordedMessages } from "../stream/support/frames.ts";
import { recordedChain } from "./support/chains.ts";
import { EpochRig } from "./support/epoch_rig.ts";
import { fullNode } from "./support/epoch_world.ts";

const { schedule } = networkParams("localnet");
const beacon = recordedChain(0).blocks;

interface Exchange {
  readonly what: string;
  readonly request: SyncRequest;
  readonly answer: ReturnType<typeof decodeMessage> & { readonly kind: "response" };
  readonly bytes: Uint8Array;
}

/** Questions with their answers, in the recorded order. */
function exchanges(name: Parameters<typeof recordedMessages>[0]): Exchange[] {
  const asked = new Map<bigint, { readonly what: string; readonly request: SyncRequest }>();
  const out: Exchange[] = [];
  for (const { what, dir, bytes } of recordedMessages(name)) {
    const message = decodeMessage(bytes);
    if (dir === "out" && message.kind === "request" && message.request !== undefined) {
      asked.set(message.id, { what, request: message.request });
    } else if (dir === "in" && message.kind === "response") {
      const question = asked.get(message.id);
      assert.ok(question !== undefined, what);
      out.push({ ...question, answer: message, bytes });
    }
  }
  return out;
}

/** An epoch chain that has followed the recorded one up to a height, and its server. */
async function servedUpTo(height: number): Promise<{ readonly rig: EpochRig; readonly server: SyncServer }> {
  const rig = await EpochRig.start();
  if (height > 0) {
    rig.world.add("beacon", fullNode(beacon, () => height));
    await rig.untilEpoch(endedAt(schedule, height) + 1);
  }
  await rig.stop();
  return { rig, server: new SyncServer(rig.chain.reader(), { epochChain: true }) };
}

Deno.test("served beside a Go node of shard 1: the same heights, hashes and caps, and blocks where it has errors", async () => {
  const all = exchanges("frames-epoch-s1");
  const first = all.find((e) => e.answer.response?.type === "getBlockNumber");
  assert.ok(first?.answer.response?.type === "getBlockNumber");
  let height = Number(first.answer.response.number);
  assert.ok(schedule.isLastBlock(height), "its head is the end of an epoch");
  let { server } = await servedUpTo(height);
  const seen = { same: 0, kinder: 0 };
  for (const { what, request, answer, bytes } of all) {
    const recorded = answer.response;
    if (recorded === undefined) continue;
    if (recorded.type === "getBlockNumber" && Number(recorded.number) !== height) {
      height = Number(recorded.number);
      ({ server } = await servedUpTo(height));
    }
    const reply = await server.answer(request);
    const ours = reply.response;
    const cap = recorded.type === "error" && /exceed cap/.test(recorded.text);
    assert.equal(reply.violation, cap && request.type !== "getReceipts", what);
    if (recorded.type !== "error" || cap) {
      if (request.type === "getReceipts") assert.equal(ours.type, "getReceipts");
      else assert.equal(toHex(encodeResponse(answer.id, ours)), toHex(bytes), what);
      seen.same++;
      continue;
    }
    // Where the Go node fails and ends the stream, this one gives what it has.
    seen.kinder++;
    switch (ours.type) {
      case "getBlocksByNumber":
        assert.ok(request.type === "getBlocksByNumber");
        assert.deepEqual(
          ours.blocks.map((b) => decodeBlock(b).number),
          request.numbers.map(Number).filter((n) => n === 0 || (n <= height && schedule.isLastBlock(n))),
          what,
        );
        break;
      case "getBlocksByHashes":
        assert.ok(request.type === "getBlocksByHashes");
        for (const [i, block] of ours.blocks.entries()) {
          if (block.length > 1) {
            assert.ok(equalBytes(decodeBlock(block).hash, request.hashes[i] as Uint8Array));
          }
        }
        assert.ok(ours.blocks.some((b) => b.length > 1), what);
        break;
      case "getReceipts":
        assert.ok([...ours.receipts.values()].every((list) => list.length === 0));
        break;
      case "error":
        assert.equal(ours.text, "not supported", what);
        break;
      default:
        assert.fail(`${what}: ${ours.type}`);
    }
  }
  assert.ok(seen.same >= 10, JSON.stringify(seen));
  assert.ok(seen.kinder >= 5, JSON.stringify(seen));
});

Deno.test("a beacon node's epochsync is its whole chain: answers as the Go node's", async () => {
  const chain = new RecordedChain(0, 0);
  const server = new SyncServer(chain, { epochChain: true });
  let compared = 0;
  for (const { what, request, answer, bytes } of exchanges("frames-epoch-s0")) {
    const recorded = answer.response;
    if (recorded?.type === "getBlockNumber") chain.height = Number(recorded.number);
    const plain = ["getBlockNumber", "getBlockHashes", "getBlocksByNumber", "getBlocksByHashes"];
    if (recorded === undefined || !plain.includes(request.type)) continue;
    const reply = await server.answer(request);
    assert.equal(toHex(encodeResponse(answer.id, reply.response)), toHex(bytes), what);
    compared++;
  }
  assert.ok(compared >= 12, `${compared} answers compared`);
});

Deno.test("another node can follow what is served, from genesis to the newest epoch", async () => {
  const { server } = await servedUpTo(426);
  const asked = Array.from({ length: 27 }, (_, epoch) => schedule.lastBlock(epoch));
  const served: DeliveredBlock[] = [];
  for (let i = 0; i < asked.length; i += 10) {
    const numbers = asked.slice(i, i + 10);
    const { response } = await server.answer({ type: "getBlocksByNumber", numbers: numbers.map(BigInt) });
    assert.ok(response.type === "getBlocksByNumber");
    served.push(...await checkBlocksByNumber(response, numbers, 0, checkBlocksHere));
  }
  const sparse: DeliveredBlock[] = [];
  for (const delivered of served) sparse[delivered.block.number] = delivered;
  const rig = await EpochRig.start();
  rig.world.add("hsync", fullNode(sparse, () => 420));
  await rig.untilEpoch(27);
  await rig.stop();
  assert.ok(
    equalBytes(rig.chain.head()?.hash ?? new Uint8Array(), beacon[420]?.block.hash ?? new Uint8Array()),
  );
});

Deno.test("an epoch chain that has not begun serves genesis and nothing else", async () => {
  const { rig, server } = await servedUpTo(0);
  const reader = rig.chain.reader();
  const genesis = networkParams("localnet").genesisBlock(0);
  assert.deepEqual(reader.head(), { number: 0, hash: genesis.hash });
  assert.equal(server.height(), 0);
  assert.equal(await reader.numberOf(genesis.hash), 0);
  assert.equal(await reader.numberOf(new Uint8Array(0)), undefined);
  assert.equal(await reader.hashAt(4), undefined);
  assert.equal(await reader.blockAt(-1), undefined);
  const { response } = await server.answer({ type: "getBlocksByNumber", numbers: [0n, 4n, 2n ** 60n] });
  assert.ok(response.type === "getBlocksByNumber");
  assert.deepEqual(response.commitSigs, [new Uint8Array(96)]);
});
