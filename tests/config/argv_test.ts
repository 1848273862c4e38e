/** The command line is split as the Go node's flag library splits it, and slips end with exit code 2. */
import assert from "node:assert/strict";
import { extraFlags, FLAGS, parseArgv } from "../../src/config/mod.ts";
import { failure } from "./support.ts";

const SPECS = extraFlags("common", [
  ["number", "int", "a number", { short: "c" }],
  ["name", "string", "a name", { short: "n" }],
  ["yes", "bool", "a switch", { short: "V" }],
  ["no", "bool", "another switch", { short: "h" }],
  ["list", "strings", "a list"],
  ["count", "uint", "a count"],
  ["wait", "duration", "a time"],
]);

function values(...argv: string[]): Record<string, unknown> {
  const parsed = parseArgv(argv, SPECS);
  return { words: parsed.words, ...Object.fromEntries([...parsed.flags].map(([k, v]) => [k, v.value])) };
}

Deno.test("a value follows a flag after a space or an equals sign, and a letter also directly", () => {
  for (
    const argv of [["--number", "7"], ["--number=7"], ["-c", "7"], ["-c7"], ["-c=7"], [
      "--number",
      "1",
      "-c7",
    ]]
  ) {
    assert.deepEqual(values(...argv), { words: [], number: 7 }, argv.join(" "));
  }
});

Deno.test("a switch is on alone, and takes its value after an equals sign only", () => {
  assert.deepEqual(values("--yes"), { words: [], yes: true });
  assert.deepEqual(values("--yes=false"), { words: [], yes: false });
  assert.deepEqual(values("--yes=F", "-h"), { words: [], yes: false, no: true });
  assert.deepEqual(values("-Vh"), { words: [], yes: true, no: true });
  assert.deepEqual(values("--yes", "run"), { words: ["run"], yes: true });
});

Deno.test("lists may be repeated or comma separated", () => {
  assert.deepEqual(values("--list", "a,b", "--list=c", "--list", ""), { words: [], list: ["a", "b", "c"] });
});

Deno.test("words stay in order, and everything after -- is a word", () => {
  assert.deepEqual(values("db", "--count", "3", "import", "--", "--yes"), {
    words: ["db", "import", "--yes"],
    count: 3,
  });
});

Deno.test("negative numbers and durations are values, not flags", () => {
  assert.deepEqual(values("--number", "-1", "--wait", "90s"), { words: [], number: -1, wait: "1m30s" });
});

const SLIPS: ReadonlyArray<readonly [argv: string[], code: string, hint: RegExp]> = [
  [["--yes", "false"], "BOOLEAN_NEEDS_EQUALS", /write `--yes=false`/],
  [["-V", "true"], "BOOLEAN_NEEDS_EQUALS", /write `-V=true`/],
  [["--numbr", "1"], "UNKNOWN_FLAG", /did you mean --number\?/],
  [["--completely-different"], "UNKNOWN_FLAG", /--help/],
  [["-x"], "UNKNOWN_FLAG", /--help/],
  [["-xyz", "1"], "UNKNOWN_FLAG", /--/],
  [["--number"], "MISSING_VALUE", /--number VALUE/],
  [["--number", "seven"], "BAD_VALUE", /a number/],
  [["--number="], "BAD_VALUE", /a number/],
  [["--number", "1.5"], "BAD_VALUE", /a number/],
  [["--count", "-1"], "BAD_VALUE", /a count/],
  [["--yes=maybe"], "BAD_VALUE", /a switch/],
  [["--wait", "soon"], "BAD_VALUE", /a time/],
];

Deno.test("every slip ends with exit code 2 and a hint", () => {
  for (const [argv, code, hint] of SLIPS) {
    const error = failure(() => parseArgv(argv, SPECS));
    assert.equal(error.code, code, argv.join(" "));
    assert.equal(error.exitCode, 2, argv.join(" "));
    assert.match(error.hint ?? "", hint, argv.join(" "));
  }
});

Deno.test("control characters of a mistyped flag do not reach the message", () => {
  const error = failure(() => parseArgv(["--a\u001b[2Jb"], SPECS));
  assert.ok(!error.message.includes("\u001b"));
});

Deno.test("no flag name and no letter means two things", () => {
  const names = FLAGS.map((f) => f.name);
  assert.equal(new Set(names).size, names.length, names.filter((n, i) => names.indexOf(n) !== i).join());
  const letters = FLAGS.flatMap((f) => f.short ?? []);
  assert.deepEqual([...letters].sort(), ["c", "d", "n", "q", "v"]);
});

/** Every flag that config-cli-metrics.md §2.2, §2.4 and §2.5 name. */
const NAMED =
  `config network bootnodes run run.shard shard run.archive run.beacon-archive run.offline run.legacy
  run.backup datadir tracing p2p.port p2p.ip p2p.keyfile p2p.dht.datastore p2p.disc.concurrency
  p2p.no-private-ip-scan p2p.security.max-conn-per-ip p2p.security.max-peers p2p.connmgr-low p2p.connmgr-high
  p2p.resmgr-enabled p2p.resmgr-memory-limit-bytes p2p.resmgr-file-descriptor-limit p2p.no-transport-security
  p2p.nat p2p.user-agent p2p.muxer p2p.no-relay p2p.wait-for-connections p2p.dial-timeout dns.zone dns.port
  dns.server-port dns.client dns.server sync sync.mode sync.client sync.downloader sync.stagedsync
  sync.concurrency sync.min-peers sync.init-peers sync.init-streams sync.disc.soft-low-cap
  sync.disc.hard-low-cap sync.disc.hi-cap sync.disc.high-cap sync.disc.batch sync.max-advertise-wait-time
  sync.max-blocks-per-cycle sync.insert-batch sync.max-background-blocks sync.max-mem-cycle sync.verify-all-sig
  sync.verify-header-batch sync.double-check-hashes sync.use-mem-db sync.log-progress sync.debug
  sync.trusted-nodes sync.dns-static-nodes sync.checkpoint sync.anchor-file sync.prove-bodies stop-at exit-when-synced deadline
  db.url progress status.addr status.public status.off http http.ip http.port http.auth-port http.rosetta
  http.rosetta.port http.timeout.read http.timeout.write http.timeout.idle ws ws.ip ws.port ws.auth-port
  rpc.ratelimiter rpc.ratelimit rpc.evm-call-timeout rpc.debug rpc.preimages rpc.eth rpc.staking rpc.legacy
  rpc.filterspath log.dir log.name log.max-size log.rotate-count log.rotate-max-age log.verb
  log.verbose-prints log.console log.ctx.ip log.ctx.port prometheus prometheus.ip prometheus.port
  prometheus.pushgateway prometheus.push metrics metrics.expensive pprof pprof.addr pprof.folder
  pprof.profile.names pprof.profile.intervals pprof.profile.debug sys.ntp localnet.blocks_per_epoch
  localnet.blocks_per_epoch_v2 devnet.num-shard devnet.shard-size devnet.hmy-node-size bls.dir bls.keys
  bls.maxkeys bls.pass bls.pass.src bls.pass.file bls.pass.save bls.kms bls.kms.src bls.kms.config
  consensus.min-peers consensus.aggregate-sig txpool.accountslots txpool.globalslots txpool.accountqueue
  txpool.globalqueue txpool.lifetime txpool.pricelimit txpool.pricebump txpool.blacklist txpool.allowedtxs
  txpool.locals txpool.rosettafixfile gpo.blocks gpo.transactions gpo.percentile gpo.defaultprice gpo.maxprice
  gpo.low-usage-threshold gpo.block-gas-limit sharddata.enable sharddata.disk_count sharddata.shard_count
  sharddata.cache_time sharddata.cache_size revert.beacon revert.to revert.do-before preimage.import
  preimage.export preimage.start preimage.end cache.disabled cache.trie_node_limit cache.tries_in_memory
  cache.preimages cache.snapshot_limit cache.snapshot_no_build cache.snapshot_wait network_type node_type
  shard_id is_archival db_dir staking dns_zone dns_port dns sync.legacy.client sync.legacy.server key log_folder
  log_max_size verbosity min_peers ip public_rpc port blskey_file blsfolder blspass save-passphrase
  max_bls_keys_per_node aws-config-source blacklist broadcast_invalid_tx webhook_yaml dn_num_shards
  dn_shard_size dn_hmy_size delay_commit block_period revert_beacon revert_to do_revert_before`.split(/\s+/);

Deno.test("every flag of the Go node, its old names and our own are known", () => {
  const known = new Set(FLAGS.map((f) => f.name));
  assert.deepEqual(NAMED.filter((n) => !known.has(n)), []);
});
