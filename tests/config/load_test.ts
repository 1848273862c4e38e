/** Precedence, rules and notices of loading. */
import assert from "node:assert/strict";
import { noticeLines } from "../../src/config/mod.ts";
import { codes, failure, fixture, load } from "./support.ts";

Deno.test("defaults give way to the file, the file to flags", () => {
  const file = 'Version = "2.6.6"\n[Sync]\n  MinPeers = 5\n  InitStreams = 9\n';
  const loaded = load("--sync.init-peers 7", { file });
  assert.equal(loaded.config.sync.minPeers, 5);
  assert.equal(loaded.config.sync.initStreams, 7);
  assert.equal(loaded.config.sync.discHighCap, 128);
  assert.deepEqual(loaded.origins.get("Sync.MinPeers"), { source: "file", where: "harmony.conf:3" });
  assert.deepEqual(loaded.origins.get("Sync.InitStreams"), { source: "flag", where: "--sync.init-peers" });
  assert.equal(loaded.origins.get("Sync.DiscHighCap")?.source, "default");
});

Deno.test("the file is the one after -c, else the one HSYNC_CONFIG names, else none", () => {
  const file = 'Version = "2.6.6"\n[P2P]\nPort = 1234\n';
  assert.equal(load("-c harmony.conf", { file }).config.p2p.port, 1234);
  assert.equal(load("", { file, env: { HSYNC_CONFIG: "harmony.conf" } }).config.p2p.port, 1234);
  assert.equal(load("").config.p2p.port, 9000);
  const error = failure(() => load("-c other.conf", { file, env: { HSYNC_CONFIG: "harmony.conf" } }));
  assert.equal(error.code, "CONFIG_UNREADABLE");
  assert.equal(error.exitCode, 128);
});

Deno.test("no other variable of the environment changes anything but colour", () => {
  const env = { SYNC_MIN_PEERS: "9", HSYNC_NETWORK: "testnet", NO_COLOR: "1" };
  const { config } = load("", { env });
  assert.equal(config.network, "mainnet");
  assert.equal(config.run.color, false);
});

Deno.test("missing keys take the defaults of the file's network, not zeros", () => {
  const { config } = load("", { file: '[Network]\nNetworkType = "testnet"\n' });
  assert.equal(config.sync.minPeers, 3);
  assert.deepEqual(config.bootNodes, ["/dnsaddr/bootstrap.b.hmny.io"]);
  assert.equal(config.p2p.port, 9000);
});

Deno.test("file and flag may name the same network, also by an alias, but not different ones", () => {
  const file = '[Network]\nNetworkType = "stressnet"\n';
  assert.equal(load("-n stn", { file }).config.network, "stressnet");
  const error = failure(() => load("-n mainnet", { file }));
  assert.equal(error.exitCode, 128);
  assert.match(error.message, /file says stressnet, the flag says mainnet/);
});

Deno.test("concurrency above MinPeers is limited, and says so", () => {
  const loaded = load("--sync.concurrency 8");
  assert.equal(loaded.config.sync.concurrency, 6);
  assert.ok(loaded.notices.some((n) => n.text === "Concurrency 8 limited to MinPeers 6"));
  assert.equal(load("--sync.concurrency 0").config.sync.concurrency, 6);
});

Deno.test("streams and caps below MinPeers are raised to it", () => {
  const loaded = load("--sync.min-peers 10");
  const { initStreams, discSoftLowCap, discHardLowCap } = loaded.config.sync;
  assert.deepEqual([initStreams, discSoftLowCap, discHardLowCap], [10, 10, 10]);
  for (const code of ["CFG-INITSTREAMS", "CFG-DISCSOFTLOWCAP", "CFG-DISCHARDLOWCAP"]) {
    assert.ok(codes(loaded).includes(code), code);
  }
  assert.equal(loaded.origins.get("Sync.InitStreams")?.source, "adjusted");
});

Deno.test("the client switches the server on; without the client the node says so", () => {
  const on = load("--sync=false");
  assert.equal(on.config.sync.enabled, true);
  assert.ok(codes(on).includes("CFG-SYNC-ENABLED"));
  const off = load("--sync.client=false");
  assert.equal(off.config.sync.client, false);
  assert.ok(off.notices.some((n) => n.code === "CFG-CLIENT-OFF" && n.text.includes("--sync.client")));
});

Deno.test("bodies are proven only when asked for, and a node without a client says that it cannot", () => {
  assert.equal(load("").config.sync.proveBodies, false);
  const on = load("--sync.prove-bodies");
  assert.equal(on.config.sync.proveBodies, true);
  assert.ok(!codes(on).includes("CFG-PROVE-OFF"));
  assert.ok(codes(load("--sync.prove-bodies --sync.client=false")).includes("CFG-PROVE-OFF"));
});

Deno.test("zeros of migrated files stand for the defaults, except where zero means all", () => {
  const loaded = load("", { file: fixture("duplicates.conf") });
  const { staged } = loaded.config.sync;
  assert.equal(staged.maxBlocksPerSyncCycle, 0);
  assert.equal(staged.insertChainBatchSize, 128);
  assert.equal(staged.maxBackgroundBlocks, 512);
  assert.equal(staged.verifyHeaderBatchSize, 100);
  assert.equal(staged.maxMemSyncCycleSize, 1024);
  assert.ok(codes(loaded).includes("CFG-ZERO"));
});

Deno.test("the shard is 0 when nobody names one", () => {
  const loaded = load("-n testnet");
  assert.equal(loaded.config.shard, 0);
  assert.ok(codes(loaded).includes("CFG-SHARD"));
  assert.ok(!codes(load("-n testnet --shard 0")).includes("CFG-SHARD"));
  assert.equal(load("-n testnet --shard 1").config.shard, 1);
});

Deno.test("the identity file is beside the store unless the working directory has one or it is named", () => {
  assert.equal(load("-d /srv/h/").config.p2p.keyFile, "/srv/h/.hmykey");
  assert.equal(load("-d /").config.p2p.keyFile, "/.hmykey");
  assert.equal(load("-d /srv/h", { existing: ["./.hmykey"] }).config.p2p.keyFile, "./.hmykey");
  const named = load("-d /srv/h --p2p.keyfile ./.hmykey").config.p2p;
  assert.deepEqual([named.keyFile, named.keyFileOrigin], ["./.hmykey", "chosen"]);
});

Deno.test("metrics are pushed only on request, and a mainnet file without the section hears about it", () => {
  const silent = load("", { file: '[Network]\nNetworkType = "mainnet"\n' });
  assert.equal(silent.config.prometheus.push, false);
  assert.ok(codes(silent).includes("CFG-NO-TELEMETRY"));
  assert.ok(codes(load("")).includes("CFG-METRICS-OPEN"));
  assert.ok(!codes(load("--prometheus.ip 127.0.0.1")).includes("CFG-METRICS-OPEN"));
  assert.ok(!codes(load("--prometheus=false")).includes("CFG-METRICS-OPEN"));
});

Deno.test("log files are bounded by default and unbounded only on request", () => {
  assert.equal(load("").config.log.rotateCount, 10);
  assert.ok(codes(load("")).includes("CFG-LOG-BOUNDED"));
  assert.equal(load("--log.rotate-count -1").config.log.rotateCount, undefined);
  assert.equal(load("--log.rotate-max-age 7").config.log.rotateCount, undefined);
  assert.equal(load("--log.rotate-count 3").config.log.rotateCount, 3);
});

Deno.test("verbosity maps to levels; debug mode logs every request", () => {
  const levels = [0, 1, 2, 3, 4, 5].map((v) => load(`-v ${v}`).config.log.level);
  assert.deepEqual(levels, ["off", "error", "warn", "info", "debug", "debug"]);
  assert.equal(load("--sync.debug").config.log.level, "trace");
});

Deno.test("muxers keep their order; unknown ones are told, and one always remains", () => {
  assert.deepEqual(load("").config.p2p.muxers, ["yamux", "mplex"]);
  const some = load("--p2p.muxer mplex,quic");
  assert.deepEqual(some.config.p2p.muxers, ["mplex"]);
  assert.ok(codes(some).includes("CFG-MUXER"));
  assert.deepEqual(load("--p2p.muxer quic").config.p2p.muxers, ["yamux", "mplex"]);
});

Deno.test("old flag names work and say what to write instead; the new name wins", () => {
  const loaded = load(
    "--db_dir /old --network_type testnet --shard_id 1 --key k --verbosity 4 --log_folder l",
  );
  const { dataDir, network, shard, p2p, log } = loaded.config;
  assert.deepEqual([dataDir, network, shard, p2p.keyFile, log.verbosity, log.folder], [
    "/old",
    "testnet",
    1,
    "k",
    4,
    "l",
  ]);
  assert.ok(loaded.notices.some((n) => n.text === "--db_dir is an old name; write --datadir"));
  assert.equal(load("--datadir /new --db_dir /old").config.dataDir, "/new");
  assert.equal(load("--sync.downloader=false").config.sync.client, false);
});

Deno.test("the one port of old command lines moves every service", () => {
  const loaded = load("--port 9100");
  assert.equal(loaded.config.p2p.port, 9100);
  assert.equal(loaded.config.http.port, 9600);
  assert.equal(loaded.config.dnsSync.port, 6100);
  assert.equal(loaded.values.get("WS.AuthPort"), 9901);
  assert.equal(load("--port 9100 --p2p.port 7000").config.p2p.port, 7000);
});

Deno.test("ignored flags are read with their types and told once for each group", () => {
  const loaded = load(
    "--bls.keys a,b --bls.pass --txpool.pricelimit 5 --txpool.lifetime 3m --metrics --blspass x",
  );
  const ignored = codes(loaded).filter((c) => c.startsWith("CFG-IGN-FLAG"));
  assert.deepEqual(ignored.sort(), ["CFG-IGN-FLAG-BLS", "CFG-IGN-FLAG-METRICS", "CFG-IGN-FLAG-TXPOOL"]);
  assert.equal(failure(() => load("--txpool.accountslots many")).exitCode, 2);
});

Deno.test("how a run ends comes from flags alone", () => {
  const { run } = load("--stop-at 100 --exit-when-synced --deadline 30 --progress plain -q").config;
  assert.deepEqual(run, {
    stopAt: 100,
    exitWhenSynced: true,
    deadlineSeconds: 30,
    progress: "plain",
    color: true,
    quiet: true,
  });
});

Deno.test("a deadline without anything to reach says how the run will end", () => {
  assert.ok(codes(load("--deadline 30")).includes("CFG-DEADLINE"));
  assert.ok(codes(load("--deadline 30 --sync.client=false")).includes("CFG-DEADLINE"));
  assert.ok(!codes(load("--deadline 30 --stop-at 9")).includes("CFG-DEADLINE"));
});

Deno.test("what a file asks of the peer-to-peer host and does not get is told once", () => {
  const file = '[P2P]\nNAT = true\nNoRelay = false\nDHTDataStore = "dht"\nPort = 9001\n';
  const told = load("", { file }).notices.filter((n) => n.code === "CFG-P2P");
  assert.equal(told.length, 1);
  assert.match(told[0]?.text ?? "", /forward TCP 9001.*NoRelay.*DHTDataStore/);
  const quiet = load("", { file: '[P2P]\nNAT = false\nNoRelay = true\nDHTDataStore = ""\n' });
  assert.ok(!codes(quiet).includes("CFG-P2P"));
  assert.ok(!codes(load("")).includes("CFG-P2P"));
});

Deno.test("checkpoints carry shard, number and hash", () => {
  const hash = "ab".repeat(32);
  const [first, second] =
    load(`--sync.checkpoint 0:344063:0x${hash} --sync.checkpoint 1:9:${hash}`).config.sync
      .checkpoints;
  assert.deepEqual([first?.shardId, first?.number, first?.hash.length], [0, 344063, 32]);
  assert.deepEqual([second?.shardId, second?.number], [1, 9]);
});

Deno.test("ignored sections share one printed line", () => {
  const loaded = load("", { file: fixture("go-2.6.5-mainnet.conf") });
  const lines = noticeLines(loaded.notices);
  assert.ok(lines.length <= 9, lines.join("\n"));
  assert.match(lines[0] ?? "", /^ignored sections: BLSKeys TxPool GPO Cache /);
});
