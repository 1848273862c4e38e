/** Defaults per network are the guide's, number for number. */
import assert from "node:assert/strict";
import { NETWORK_NAMES, type NetworkName } from "../../src/config/mod.ts";
import { load } from "./support.ts";

/** Concurrency, MinPeers, InitStreams, soft, hard, high, batch, advertise minutes. */
const GUIDE: Readonly<Record<NetworkName, readonly number[]>> = {
  mainnet: [6, 6, 8, 8, 6, 128, 8, 60],
  testnet: [3, 3, 3, 3, 3, 1024, 3, 5],
  partner: [3, 3, 3, 3, 3, 1024, 5, 5],
  localnet: [4, 4, 4, 4, 4, 1024, 8, 5],
  stressnet: [4, 4, 4, 4, 4, 1024, 8, 2],
  pangaea: [4, 4, 4, 4, 4, 1024, 8, 2],
  devnet: [4, 4, 4, 4, 4, 1024, 8, 2],
};

Deno.test("the sync numbers of every network are the guide's", () => {
  for (const network of NETWORK_NAMES) {
    const s = load(`-n ${network} --shard 0`).config.sync;
    assert.deepEqual(
      [
        s.concurrency,
        s.minPeers,
        s.initStreams,
        s.discSoftLowCap,
        s.discHardLowCap,
        s.discHighCap,
        s.discBatch,
        s.maxAdvertiseWaitMs / 60_000,
      ],
      GUIDE[network],
      network,
    );
  }
});

Deno.test("sync is on, and the client too, on every network", () => {
  for (const network of NETWORK_NAMES) {
    const { enabled, client } = load(`-n ${network}`).config.sync;
    assert.deepEqual([enabled, client], [true, true], network);
  }
});

Deno.test("the staged sync settings are the guide's", () => {
  assert.deepEqual(load("").config.sync.staged, {
    doubleCheckBlockHashes: false,
    maxBlocksPerSyncCycle: 512,
    maxBackgroundBlocks: 512,
    insertChainBatchSize: 128,
    verifyAllSig: false,
    verifyHeaderBatchSize: 100,
    maxMemSyncCycleSize: 1024,
    useMemDb: true,
    logProgress: false,
    debugMode: false,
  });
});

Deno.test("the advanced stream settings are the guide's", () => {
  assert.deepEqual(load("").config.sync.streamManager, {
    maxReservedStreams: 100,
    removalCooldownMs: 5 * 60_000,
    maxRemovalCooldownMs: 60 * 60_000,
    setupConcurrency: 16,
    checkIntervalMs: 30_000,
    discoveryTimeoutMs: 10_000,
    discoveryCooldownMs: 5 * 60_000,
    connectTimeoutMs: 60_000,
  });
  assert.deepEqual(load("").config.sync.server, { requestsPerSecond: 50, requestsPerSecondPerStream: 10 });
});

Deno.test("boot nodes and zones differ per network", () => {
  const of = (n: string) => load(`-n ${n}`).config;
  assert.deepEqual(of("mainnet").bootNodes, ["/dnsaddr/bootstrap.t.hmny.io"]);
  assert.deepEqual(of("partner").bootNodes, ["/dnsaddr/bootstrap.ps.hmny.io"]);
  assert.deepEqual(of("stn").bootNodes, ["/dnsaddr/bootstrap.stn.hmny.io"]);
  assert.equal(of("pangaea").bootNodes.length, 2);
  assert.deepEqual(of("localnet").bootNodes, []);
  assert.deepEqual(of("devnet").bootNodes, []);
  assert.equal(of("testnet").dnsSync.zone, "b.hmny.io");
  assert.equal(of("localnet").dnsSync.zone, "");
  assert.deepEqual([of("testnet").dnsSync.client, of("partner").dnsSync.client], [true, false]);
});

Deno.test("the rest of the defaults are the Go node's", () => {
  const { p2p, prometheus, log, http } = load("").config;
  assert.deepEqual([p2p.port, p2p.ip, p2p.maxConnsPerIp, p2p.maxPeers], [9000, "0.0.0.0", 10, 0]);
  assert.deepEqual([p2p.connManagerLow, p2p.connManagerHigh, p2p.dialTimeoutMs], [160, 192, 60_000]);
  assert.deepEqual(prometheus, {
    enabled: true,
    ip: "0.0.0.0",
    port: 9900,
    push: false,
    gateway: "https://gateway.harmony.one",
  });
  assert.deepEqual([log.folder, log.fileName, log.rotateSizeBytes], ["./latest", "harmony.log", 104_857_600]);
  assert.deepEqual([http.ip, http.port, http.idleTimeoutMs], ["127.0.0.1", 9500, 120_000]);
});
