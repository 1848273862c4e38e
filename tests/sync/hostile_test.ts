import assert from "node:assert/strict";
import { HsyncError } from "../../src/base/mod.ts";
import type { DeliveredBlock } from "../../src/stream/mod.ts";
import { at, hashAt, madeChain, recordedChain, tip, upTo, variant } from "./support/chains.ts";
import type { Script } from "./support/peers.ts";
import { Rig, type RigOptions } from "./support/rig.ts";
import { FakeStore } from "./support/store.ts";

const CHAIN = recordedChain(0);
const TIP = tip(CHAIN);
const LONG = madeChain(900);

/** Three honest peers and one that is not; the sync must reach the end. */
async function against(script: Script, options: RigOptions = {}, chain = CHAIN): Promise<Rig> {
  const rig = new Rig(new FakeStore(chain), { minPeers: 4, initStreams: 4, ...options });
  rig.peers.add("liar", script);
  for (let i = 0; i < 3; i++) rig.peers.add(`honest${i}`, { chain });
  rig.driver.start();
  await rig.untilHead(tip(chain), 120_000);
  rig.assertHead(chain, tip(chain));
  assert.deepEqual(rig.peers.removed.filter((r) => r.id.startsWith("honest")), []);
  return rig;
}
function onlyLiarIsBlamed(rig: Rig): void {
  assert.ok(rig.peers.reports.length > 0, "nobody was blamed");
  for (const report of rig.peers.reports) {
    assert.equal(report.id, "liar");
    assert.equal(report.fault, "DATA");
    assert.equal(report.reason, "invalid_blocks");
  }
  assert.ok(!rig.peers.has("liar"));
}
/** Changes the block at a place of every answer, counted from its end when negative. */
function spoil(place: number, change: (b: DeliveredBlock) => DeliveredBlock): NonNullable<Script["bodies"]> {
  return (_numbers, honest) => {
    const i = place < 0 ? honest.length + place : place;
    return honest.map((b, j) => j === i ? change(b) : b);
  };
}
const otherContent = (b: DeliveredBlock) => variant(b, { extra: new Uint8Array([9]) });
const otherParent = (b: DeliveredBlock) => variant(b, { parentHash: new Uint8Array(32).fill(1) });

for (const place of [0, 4, -2, -1]) {
  Deno.test(`a peer that sends another block at place ${place} of an answer is removed, and only it`, async () => {
    const rig = await against({ chain: CHAIN, bodies: spoil(place, otherContent), latencyMs: 1 });
    onlyLiarIsBlamed(rig);
    assert.equal(rig.peers.count("bodies", "liar"), 1);
    await rig.stop();
  });
  Deno.test(`a peer that sends another parent hash at place ${place} of an answer is removed, and only it`, async () => {
    const rig = await against({ chain: CHAIN, bodies: spoil(place, otherParent), latencyMs: 1 });
    onlyLiarIsBlamed(rig);
    await rig.stop();
  });
}

Deno.test("a wrong block is fetched again elsewhere: one wasted request", async () => {
  const rig = await against({ chain: CHAIN, bodies: spoil(-1, otherContent), latencyMs: 1 });
  assert.equal(rig.peers.count("bodies"), 43 + 1);
  await rig.stop();
});

Deno.test("a peer whose bytes the stream client refused is given no more to do, and its word counts no more", async () => {
  const bad = new HsyncError("BLOCK_ROOT", "transaction root", { fault: "DATA" });
  const rig = await against({
    chain: CHAIN,
    fails: (kind) => kind === "bodies" ? bad : undefined,
    latencyMs: 1,
  });
  assert.equal(rig.peers.count("bodies", "liar"), 1);
  assert.deepEqual(rig.peers.reports, []);
  await rig.stop();
});

Deno.test("a peer that goes silent costs seconds, not the sync, and is no liar", async () => {
  let silent = false;
  const rig = new Rig(new FakeStore(CHAIN), { minPeers: 4, initStreams: 4 });
  rig.peers.add("silent", { chain: CHAIN, silent: () => silent, latencyMs: 5 });
  for (let i = 0; i < 3; i++) rig.peers.add(`honest${i}`, { chain: CHAIN });
  rig.driver.start();
  await rig.untilHead(0);
  await rig.clock.advance(30);
  silent = true;
  await rig.untilHead(TIP, 8_000);
  assert.deepEqual(rig.peers.reports, []);
  await rig.stop();
});

Deno.test("peers that are silent from the start delay the sync by seconds", async () => {
  const rig = new Rig(new FakeStore(CHAIN), { minPeers: 4, initStreams: 4 });
  for (let i = 0; i < 3; i++) rig.peers.add(`silent${i}`, { chain: CHAIN, silent: () => true });
  rig.peers.add("honest", { chain: CHAIN });
  rig.driver.start();
  await rig.untilHead(TIP, 20_000);
  assert.deepEqual(rig.peers.reports, []);
  await rig.stop();
});

Deno.test("a peer one block behind is used for what it has, and never removed", async () => {
  const rig = await against({ chain: upTo(CHAIN, TIP - 1), latencyMs: 1 });
  assert.deepEqual(rig.peers.removed, []);
  assert.ok(rig.peers.count("bodies", "liar") > 0);
  await rig.stop();
});

Deno.test("a peer that claims a block it does not have is never removed for it", async () => {
  const rig = await against({ chain: upTo(CHAIN, TIP - 3), claims: () => TIP, latencyMs: 1 });
  assert.deepEqual(rig.peers.removed, []);
  await rig.stop();
});

// T-12
Deno.test("a peer without old blocks is used for the new ones, and never removed", async () => {
  const lacks = (n: number) => n < 300;
  const rig = await against({
    chain: CHAIN,
    latencyMs: 1,
    hashes: (numbers, honest) => honest.map((h, i) => lacks(numbers[i] as number) ? undefined : h),
    bodies: (_numbers, honest) => honest.filter((b) => !lacks(b.block.number)),
  });
  assert.deepEqual(rig.peers.removed, []);
  assert.ok(rig.peers.requests.some((r) => r.id === "liar" && r.kind === "bodies"));
  await rig.stop();
});

Deno.test("a peer that vouches but delivers nothing is asked once per stretch", async () => {
  const rig = await against({ chain: CHAIN, bodies: () => [], latencyMs: 1 });
  const asked = rig.peers.requests.filter((r) => r.id === "liar" && r.kind === "bodies");
  assert.equal(new Set(asked.map((r) => r.numbers.at(-1))).size, asked.length);
  assert.deepEqual(rig.peers.removed, []);
  await rig.stop();
});

Deno.test("cut answers are completed, from the top and from the bottom", async () => {
  for (const keep of [(b: DeliveredBlock[]) => b.slice(0, 3), (b: DeliveredBlock[]) => b.slice(-3)]) {
    const rig = new Rig(new FakeStore(CHAIN));
    rig.peers.add("a", { chain: CHAIN, bodies: (_n, honest) => keep(honest) });
    rig.peers.add("b", { chain: CHAIN, bodies: (_n, honest) => keep(honest) });
    rig.driver.start();
    await rig.untilHead(TIP);
    rig.assertHead(CHAIN, TIP);
    assert.deepEqual(rig.peers.reports, []);
    await rig.stop();
  }
});

Deno.test("a cut answer that turns out to be off the chain convicts its sender, not who sent the rest", async () => {
  const rig = await against(
    {
      chain: LONG,
      latencyMs: 1,
      bodies: (_numbers, honest) => honest.slice(0, 8).map((b, i) => i === 7 ? otherContent(b) : b),
    },
    {},
    LONG,
  );
  onlyLiarIsBlamed(rig);
  await rig.stop();
});

Deno.test("a slow peer does not hold up the others", async () => {
  const rig = new Rig(new FakeStore(LONG), { minPeers: 4, initStreams: 4 });
  rig.peers.add("slow", { chain: LONG, latencyMs: 1_500 });
  for (let i = 0; i < 3; i++) rig.peers.add(`quick${i}`, { chain: LONG });
  rig.driver.start();
  await rig.untilHead(tip(LONG), 10_000);
  assert.deepEqual(rig.peers.reports, []);
  await rig.stop();
});

Deno.test("error answers cost nothing but the question", async () => {
  let n = 0;
  const refusal = new HsyncError("PEER_ERROR", "server says no", { fault: "TIMEOUT" });
  const rig = await against({ chain: CHAIN, latencyMs: 1, fails: () => n++ % 2 === 0 ? refusal : undefined });
  assert.deepEqual(rig.peers.reports, []);
  await rig.stop();
});

for (const claimed of [TIP + 1, TIP + 7, 10 * TIP, 2 ** 40]) {
  // T-09
  Deno.test(`one peer among four that claims height ${claimed} changes nothing`, async () => {
    const rig = await against({ chain: CHAIN, claims: () => claimed, latencyMs: 1 });
    await rig.until(() => rig.event("synced").length > 0);
    assert.equal(rig.event("synced")[0]?.target, TIP);
    await rig.stop();
  });
}

// T-09
Deno.test("two peers that claim an absurd height keep nobody from the last true block", async () => {
  const rig = new Rig(new FakeStore(CHAIN), { minPeers: 4, initStreams: 4 });
  for (let i = 0; i < 2; i++) {
    rig.peers.add(`liar${i}`, {
      chain: CHAIN,
      claims: () => 2 ** 40,
      latencyMs: 1,
    });
  }
  for (let i = 0; i < 2; i++) rig.peers.add(`honest${i}`, { chain: CHAIN });
  rig.driver.start();
  await rig.untilHead(TIP, 20_000);
  await rig.until(() => rig.driver.status().driver === "Synced", 60_000);
  assert.deepEqual(rig.peers.reports, []);
  await rig.stop();
});

Deno.test("two peers that invent hashes beyond the end keep nobody from the last true block", async () => {
  const invented = (n: number) => new Uint8Array(32).fill(n & 255);
  const rig = new Rig(new FakeStore(CHAIN), { minPeers: 4, initStreams: 4 });
  for (let i = 0; i < 2; i++) {
    rig.peers.add(`liar${i}`, {
      chain: CHAIN,
      latencyMs: 1,
      claims: () => 5_000,
      hashes: (numbers, honest) => honest.map((h, j) => h ?? invented(numbers[j] as number)),
    });
  }
  for (let i = 0; i < 2; i++) rig.peers.add(`honest${i}`, { chain: CHAIN });
  rig.driver.start();
  await rig.untilHead(TIP, 20_000);
  assert.deepEqual(rig.peers.removed.filter((r) => r.id.startsWith("honest")), []);
  await rig.stop();
});

Deno.test("a lone peer that claims too much: what it has is synchronised, and the claim falls", async () => {
  const rig = new Rig(new FakeStore(CHAIN));
  rig.peers.add("only", { chain: CHAIN, claims: () => 5_000 });
  rig.driver.start();
  await rig.untilHead(420, 20_000);
  await rig.until(() => rig.driver.status().driver === "Synced", 60_000);
  await rig.stop();
});

Deno.test("when peers disagree the fork with most votes wins, and no voter is punished", async () => {
  const fork = madeChain(900, 1, { from: 333, of: LONG });
  const rig = new Rig(new FakeStore(LONG), { minPeers: 3, initStreams: 3 });
  rig.peers.add("minority", { chain: fork, latencyMs: 1 });
  rig.peers.add("a", { chain: LONG });
  rig.peers.add("b", { chain: LONG });
  rig.driver.start();
  await rig.untilHead(900);
  rig.assertHead(LONG, 900);
  assert.deepEqual(rig.peers.reports, []);
  assert.deepEqual(rig.peers.removed, []);
  await rig.stop();
});

Deno.test("a majority hash that nobody can deliver gives way to the next candidate", async () => {
  const wrong = new Uint8Array(32).fill(7);
  const lie: Script["hashes"] = (numbers, honest) => honest.map((h, i) => numbers[i] === 50 ? wrong : h);
  const rig = new Rig(new FakeStore(CHAIN), { minPeers: 3, initStreams: 3 });
  for (const id of ["x", "y"]) {
    rig.peers.add(id, {
      chain: CHAIN,
      latencyMs: 1,
      hashes: lie,
      bodies: (numbers, honest) => numbers.includes(50) ? [] : honest,
    });
  }
  rig.peers.add("honest", { chain: CHAIN });
  rig.driver.start();
  await rig.untilHead(TIP);
  rig.assertHead(CHAIN, TIP);
  assert.deepEqual(rig.peers.reports, []);
  await rig.stop();
});

Deno.test("a majority on another chain in one stretch only is found out when nothing links to it", async () => {
  const fork = madeChain(60, 1, { from: 45, of: LONG });
  const rig = new Rig(new FakeStore(LONG), { minPeers: 3, initStreams: 3 });
  const script: Script = {
    chain: LONG,
    latencyMs: 1,
    hashes: (numbers, honest) => honest.map((h, i) => numbers[i] === 50 ? hashAt(fork, 50) : h),
    bodies: (numbers, honest) => numbers.includes(50) ? numbers.map((n) => at(fork, n)) : honest,
  };
  rig.peers.add("x", script);
  rig.peers.add("y", script);
  rig.peers.add("honest", { chain: LONG });
  rig.driver.start();
  await rig.untilHead(900);
  rig.assertHead(LONG, 900);
  assert.ok(rig.peers.has("honest"));
  await rig.stop();
});

Deno.test("a chain from another genesis convicts whoever sends its block 1", async () => {
  const rig = await against({ chain: madeChain(900, 2), latencyMs: 1 }, { concurrency: 1 }, LONG);
  await rig.stop();
  const alone = new Rig(new FakeStore(LONG));
  alone.peers.add("liar", { chain: madeChain(900, 2) });
  alone.driver.start();
  await alone.until(() => !alone.peers.has("liar"), 10_000);
  onlyLiarIsBlamed(alone);
  assert.equal(alone.store.head().number, 0);
  await alone.stop();
});

// T-10
Deno.test("30 liars and one honest peer: the end is reached, the honest peer is not punished", async () => {
  const other = variant(at(LONG, 10), { extra: new Uint8Array([9]) });
  const rig = new Rig(new FakeStore(LONG), { minPeers: 6, initStreams: 8, concurrency: 6 });
  for (let i = 0; i < 30; i++) {
    const number = 5 + 17 * i;
    const wrong = variant(at(LONG, number), { extra: new Uint8Array([9]) });
    rig.peers.add(`liar${i}`, {
      chain: LONG,
      latencyMs: 1 + i % 7,
      silent: (kind) => i % 5 === 4 && kind === "bodies",
      bodies: i % 5 === 0
        ? (numbers, honest) =>
          numbers[0] === 1 ? honest.map((b) => b.block.number === 10 ? other : b) : honest
        : i % 5 === 1
        ? (_numbers, honest) => honest.map((b) => b.block.number === number ? wrong : b)
        : i % 5 === 2
        ? () => []
        : (_numbers, honest) => honest.slice(0, 1),
    });
  }
  rig.peers.add("honest", { chain: LONG, latencyMs: 20 });
  rig.driver.start();
  await rig.untilHead(900, 300_000);
  rig.assertHead(LONG, 900);
  assert.ok(rig.peers.has("honest"));
  assert.ok(rig.peers.reports.every((r) => r.id.startsWith("liar")));
  await rig.stop();
});
