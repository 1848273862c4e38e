/**
 * A node's facts for the tests of status, HTTP and metrics.
 *
 * Why it exists: each test states only what it is about; everything else is a healthy testnet node far behind.
 */
import { type EpochChainStatus, Metrics, type StatusParts } from "../../src/api/mod.ts";

export const TOPIC = "harmony/sync/testnet/0/1.0.0";
export const NOW = Date.parse("2026-11-22T11:02:03.123Z");
export const PEER = "12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo";

export function metrics(): Metrics {
  return new Metrics({ shards: [0], topics: [TOPIC], strict: true });
}

export function parts(over: Partial<StatusParts> = {}): StatusParts {
  return {
    now: NOW,
    startedAt: NOW - 4_711_000,
    version: "0.1.0",
    commit: "abc1234",
    peerId: PEER,
    network: "testnet",
    shard: 0,
    listen: [`/ip4/192.168.7.9/tcp/9000/p2p/${PEER}`],
    publicNetwork: true,
    phase: "running",
    stalled: false,
    client: true,
    head: { height: 900, hash: new Uint8Array(32).fill(0xab), epoch: 3, time: NOW - 17_400_000 },
    lowest: 0,
    startHeight: 400,
    target: { height: 1_400, source: "median of 5 streams", asOf: NOW - 2_000 },
    epochRunning: false,
    cycle: { number: 9, from: 800, to: 1_312, startedAt: NOW - 5_000 },
    stages: [
      { name: "BlockHashes", state: "done", height: 1_312, perSecond: 812.4 },
      { name: "BlockBodies", state: "done", height: 1_312, perSecond: 305.1 },
      { name: "States", state: "running", height: 900, from: 800, to: 1_312, percent: 19.5, perSecond: 96.2 },
    ],
    rate1m: 96.2,
    rate15m: 91,
    growth: 0.5,
    bottleneck: "execution",
    assurance: { lowest: "linked", text: "blocks are only linked" },
    waiting: [],
    diagnosis: [],
    epochChain: undefined,
    bodies: undefined,
    checkpoint: undefined,
    anchor: undefined,
    protocols: [{
      topic: TOPIC,
      advertised: true,
      active: 5,
      reserved: 2,
      cooldown: 3,
      expired: 1,
      refused: { peers: 1, nextAt: null },
      connecting: 1,
      trusted: 1,
      required: { min: 3, init: 3, softLow: 3, hardLow: 3, high: 1024, reservedMax: 100 },
      added: 21,
      removed: 16,
      removedCritical: 4,
      health: {
        totalStreams: 5,
        availableStreams: 4,
        totalFailures: 3,
        failureDistribution: { "0": 3, "1": 1, "2": 1 },
        averageFailures: 0.6,
      },
      discovery: {
        running: false,
        lastAt: null,
        lastFound: 4,
        lastConnected: 2,
        nextAt: null,
        cooldownUntil: null,
        outage: false,
      },
      list: [{
        id: PEER,
        addr: "/ip4/203.0.113.9/tcp/9000",
        state: "active",
        direction: "out",
        trusted: false,
        muxer: "/yamux/1.0.0",
        since: new Date(NOW).toISOString(),
        height: 1_400,
        heightAt: null,
        failures: 1,
        score: 0.7,
        success: 0.5,
        blocksPerSecond: 91.5,
        blocksPerRequest: 10,
        busy: true,
        requestType: "getBlocksByHashes",
        latencyMsP50: 180,
        suspended: false,
        bytesIn: 1,
        bytesOut: 1,
      }],
      cooldownList: [{
        id: PEER,
        removals: 2,
        reason: "invalid_blocks",
        critical: true,
        until: "2026-11-22T12:00:00Z",
        remainingSeconds: 3_477,
      }],
    }],
    requests: {
      waitingHigh: 0,
      waitingLow: 12,
      pending: 4,
      queueLimit: 1024,
      oldestWaitingMs: 220,
      completed: 9981,
      failed: 37,
      timeouts: 9,
    },
    server: { requestsPerMinute: 12, limiterWaitMsP95: 3 },
    p2p: { connected: 41, known: 310, bootnodesReachable: 3 },
    store: {
      path: "/srv/harmony/harmony_kv_0",
      bytes: 1_234,
      freeBytes: 98_765,
      lastCommitAt: NOW - 1_000,
      writable: true,
    },
    eventLoopLagMsP99: 4,
    heapLimitBytes: 4_294_967_296,
    clock: { offsetMs: 12, checkedAt: NOW - 60_000 },
    config: {
      file: "/etc/harmony/harmony.conf",
      version: "2.6.5",
      notices: [{ code: "CFG-UNK-KEY", text: 'line 3: no key is called "/secret/path"' }],
    },
    lastErrors: [{ at: "2026-11-22T11:00:00Z", code: "stream_closed", text: "reset", peer: PEER }],
    ...over,
  };
}

export const PROCESS = {
  rssBytes: 734_003_200,
  heapUsedBytes: 1,
  cpuSeconds: 2,
  openFds: 120,
  maxFds: 65_536,
};

/** An epoch chain that waits for somebody. */
export const EPOCH_CHAIN: EpochChainStatus = {
  origin: "genesis",
  base: { epoch: 0, number: 4, hash: "0x" + "01".repeat(32) },
  head: { epoch: 8, number: 132, hash: "0x" + "02".repeat(32) },
  headTimestamp: new Date(NOW - 60_000).toISOString(),
  headAgeSeconds: 60,
  epoch: 9,
  endedEpoch: 9,
  caughtUp: false,
  streams: 1,
  delivering: 0,
  epochsPerSecond: 0,
  waiting: { what: `the end of epoch 9 from ${PEER}`, since: new Date(NOW).toISOString() },
  refused: {
    epoch: 9,
    number: 148,
    code: "CERTIFICATE",
    text: `refused what /ip4/203.0.113.9/tcp/9000 sent`,
    from: PEER,
    at: new Date(NOW).toISOString(),
  },
  failed: null,
  committees: { checked: 7, unchecked: 2, contradicted: null },
};
