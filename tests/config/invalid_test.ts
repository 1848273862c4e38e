/** Every setting that cannot be honoured ends the start, with the exit code of config-cli-metrics.md §8.2. */
import assert from "node:assert/strict";
import { failure, load } from "./support.ts";

const PEER = "/ip4/10.0.0.7/tcp/9000/p2p/12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo";

/** A command line, and what the message must name. */
const FLAGS: ReadonlyArray<readonly [line: string, exit: number, names: RegExp]> = [
  ["-n nonsense", 128, /no network "nonsense"/],
  ["--run collator", 128, /General\.NodeType/],
  ["--run explorer", 128, /explorer must name its shard/],
  ["--shard 2", 128, /General\.ShardID = 2 \(--shard\).*shards 0 to 1/],
  ["--run.shard -2", 128, /General\.ShardID/],
  ["--run.offline", 128, /P2P\.IP/],
  ["--sync.mode 1", 128, /FastSync is reserved/],
  ["--sync.mode 2", 128, /SnapSync is reserved/],
  ["--sync.mode 7", 128, /no such mode/],
  ["--sync.min-peers 0", 128, /Sync\.MinPeers/],
  ["--sync.disc.batch 0", 128, /Sync\.DiscBatch/],
  ["--sync.disc.hi-cap 3", 128, /DiscHighCap = 3.*DiscSoftLowCap 8/],
  ["--sync.max-advertise-wait-time 0", 128, /MaxAdvertiseWaitTime/],
  ["--sync.checkpoint 0:1:abcd", 128, /is no checkpoint/],
  ["--p2p.port 70000", 128, /P2P\.Port/],
  ["--p2p.port -1", 128, /P2P\.Port/],
  ["--p2p.ip localhost", 128, /P2P\.IP/],
  ["--prometheus.ip nowhere", 128, /Prometheus\.IP/],
  ["--prometheus.port 9000", 128, /P2P\.Port is the same/],
  ["--p2p.dial-timeout 0s", 128, /P2P\.DialTimeout/],
  ["--p2p.connmgr-low 200", 128, /ConnManagerHighWatermark/],
  ["--bootnodes not-an-address", 128, /BootNodes.*not-an-address/],
  [`--bootnodes /ip4/10.0.0.1/tcp/9000,${PEER}`, 128, /10\.0\.0\.1/],
  ["--sync.trusted-nodes /ip4/1.2.3.4", 128, /TrustedNodes/],
  ["--log.verb 6", 128, /Log\.Verbosity/],
  ["--log.max-size 0", 128, /Log\.RotateSize/],
  ["--log.name a/b.log", 128, /Log\.FileName/],
  ["--db.url ftp://x", 128, /Store\.URL/],
  ["--status.addr 9901", 128, /Status\.Listen/],
  ["--localnet.blocks_per_epoch 0", 128, /Localnet\.BlocksPerEpoch/],
  ["--revert.to 5", 128, /revert/],
  ["--revert_beacon", 128, /revert/],
  ["--preimage.export x", 128, /preimage/],
  ["--p2p.no-transport-security", 128, /NoTransportSecurity = true.*encrypts/],
  ["--exit-when-synced --sync.client=false", 128, /--exit-when-synced would never be reached/],
  ["--stop-at 5 --sync.client=false", 128, /--stop-at 5 would never be reached/],
  ["--progress fast", 2, /--progress/],
  ["--deadline 0", 2, /--deadline/],
  ["--sync.concurrency many", 2, /whole number/],
];

Deno.test("flags that cannot be honoured name the key and where it was set", () => {
  for (const [line, exit, names] of FLAGS) {
    const error = failure(() => load(line));
    assert.equal(error.exitCode, exit, `${line}: ${error.message}`);
    assert.match(error.message, names, line);
  }
});

const FILES: ReadonlyArray<readonly [file: string, names: RegExp]> = [
  ["[Sync]\nMinPeers = 6\nMinPeers = 7\n", /Sync\.MinPeers stands twice, in line 2 and in line 3/],
  ['[Sync]\nMinPeers = "six"\n', /line 2, column 1: Sync\.MinPeers must be a whole number, found "six"/],
  [
    '[Sync]\n  [Sync.StagedSyncCfg]\n    UseMemDB = "no"\n',
    /line 3, column 5: Sync\.StagedSyncCfg\.UseMemDB/,
  ],
  ["[Sync.StagedSyncCfg]\nMaxBackgroundBlocks = -1\n", /not negative, found -1/],
  ["[P2P]\nPort = 9000.5\n", /P2P\.Port must be a whole number/],
  ['[P2P]\nDialTimeout = "soon"\n', /P2P\.DialTimeout must be a duration/],
  ["[Network]\nBootNodes = [1, 2]\n", /Network\.BootNodes must be a list of texts/],
  ["Sync = 3\n", /Sync must be a section/],
  ["Version = 2\n", /Version must be a text/],
  ["[Sync\nMinPeers = 6\n", /line 1/],
  ["[Sync]\nMinPeers == 6\n", /line 2, column 11/],
  [
    "[Sync]\nClient = true\nDownloader = false\n",
    /Sync\.Client = true in line 2 and Sync\.Downloader = false in line 3/,
  ],
  ["[Revert]\nRevertTo = 5\n", /Revert\.RevertTo = 5 \(harmony\.conf:2\)/],
  ['[Preimage]\nExportTo = "x"\n', /Preimage\.ExportTo/],
  ["[General]\nRunElasticMode = true\n", /TiKV/],
  ['[Network]\nBootNodes = ["nowhere"]\n', /nowhere/],
  [
    '[Sync.StreamManager]\nMaxRemovalCooldownDuration = "1m"\n',
    /MaxRemovalCooldownDuration = "1m0s" .*:2.*not be below .*"5m0s"/,
  ],
];

Deno.test("files that cannot be honoured name line and key, exit 128", () => {
  for (const [file, names] of FILES) {
    const error = failure(() => load("", { file }));
    assert.equal(error.exitCode, 128, file);
    assert.match(error.message, names, file);
  }
});

Deno.test("an unknown key is an error only in strict mode", () => {
  const file = "[Sync]\nDiscSoftLoCap = 6\n";
  const loaded = load("", { file });
  const notice = loaded.notices.find((n) => n.code === "CFG-UNK-KEY");
  assert.match(notice?.text ?? "", /line 2.*did you mean Sync\.DiscSoftLowCap\?/);
  const error = failure(() => load("--config.strict", { file }));
  assert.equal(error.exitCode, 128);
});

Deno.test("an unusable address in a file is left out while others remain", () => {
  const file = `[Network]\nBootNodes = ["nowhere", "${PEER}"]\n`;
  const loaded = load("", { file });
  assert.deepEqual(loaded.config.bootNodes, [PEER]);
  assert.ok(loaded.notices.some((n) => n.code === "CFG-BAD-ADDRESS"));
});

Deno.test("a revert section that asks for nothing is no obstacle", () => {
  load("", { file: "[Revert]\nRevertBeacon = false\nRevertTo = 0\nRevertBefore = 0\n" });
  load("", { file: '[Preimage]\nImportFrom = ""\nGenerateStart = 0\n' });
});
