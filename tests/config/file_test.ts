/** Reading the text of a `harmony.conf`: versions, spellings, renames, ignored sections, slips. */
import assert from "node:assert/strict";
import { readConfigText } from "../../src/config/file.ts";
import { blank, scanToml } from "../../src/config/toml_scan.ts";
import { codes, fixture, load } from "./support.ts";

Deno.test("files of every version load", () => {
  for (
    const name of [
      "go-2.6.5-mainnet.conf",
      "go-2.6.5-testnet.conf",
      "go-2.6.5-localnet.conf",
      "v1.0.4.conf",
      "v2.6.8.conf",
      "duplicates.conf",
    ]
  ) {
    const loaded = load("", { file: fixture(name) });
    assert.ok(!codes(loaded).includes("CFG-UNK-KEY"), `${name}: ${JSON.stringify(loaded.notices)}`);
  }
});

Deno.test("keys of the oldest version mean what they meant", () => {
  const { config } = load("", { file: fixture("v1.0.4.conf") });
  assert.deepEqual(config.dnsSync, {
    zone: "b.example.org",
    port: 6000,
    client: true,
    server: false,
    serverPort: 6001,
  });
  assert.equal(config.sync.client, true);
  assert.equal(config.sync.enabled, true);
  assert.deepEqual([config.network, config.shard, config.dataDir], ["testnet", 1, "/srv/old"]);
  assert.equal(config.p2p.keyFile, "./old.hmykey");
  assert.equal(config.log.rotateSizeBytes, 50 * 1024 * 1024);
});

Deno.test("keys of newer versions mean what they mean there", () => {
  const { config } = load("", { file: fixture("v2.6.8.conf") });
  assert.equal(config.sync.trustedNodes.length, 1);
  assert.equal(config.sync.dnsStaticNodes.length, 2);
  assert.equal(config.sync.client, false);
});

Deno.test("a newer or missing version is a notice, never an error", () => {
  const file = (version: string) => `${version}\n[Sync]\nNewThing = 1\n`;
  assert.ok(codes(load("", { file: file('Version = "3.0.0"') })).includes("CFG-VER-NEWER"));
  assert.ok(codes(load("", { file: file("") })).includes("CFG-VER-MISSING"));
  assert.ok(codes(load("", { file: file('Version = "abc"') })).includes("CFG-VER-UNREADABLE"));
  assert.ok(!codes(load("", { file: 'Version = "2.6.8"\n' })).some((c) => c.startsWith("CFG-VER")));
});

Deno.test("sections and keys may be spelled in four ways, and no other", () => {
  for (
    const [section, key] of [["Sync", "MinPeers"], ["sync", "minpeers"], ["SYNC", "MINPEERS"], [
      "sync",
      "minPeers",
    ]]
  ) {
    const file = `[${section}]\n${key} = 5\n`;
    assert.equal(load("", { file }).config.sync.minPeers, 5, file);
  }
  const odd = load("", { file: "[Sync]\nMinpeers = 5\n" });
  assert.equal(odd.config.sync.minPeers, 6);
  assert.ok(odd.notices.some((n) => n.text.includes("did you mean Sync.MinPeers?")));
  assert.equal(load("", { file: 'version = "2.6.6"\n' }).file?.version, "2.6.6");
});

Deno.test("inline tables, dotted keys and quotes are the same file", () => {
  for (
    const file of [
      "[Sync]\nStagedSyncCfg = { UseMemDB = false, InsertChainBatchSize = 64 }\n",
      "Sync.StagedSyncCfg.UseMemDB = false\nSync.StagedSyncCfg.InsertChainBatchSize = 64\n",
      '["Sync".StagedSyncCfg]\n"UseMemDB" = false\nInsertChainBatchSize = 0x40\n',
      "\uFEFF[Sync.StagedSyncCfg]\r\nUseMemDB = false\r\nInsertChainBatchSize = 64 # comment\r\n",
    ]
  ) {
    const { staged } = load("", { file }).config.sync;
    assert.deepEqual([staged.useMemDb, staged.insertChainBatchSize], [false, 64], file);
  }
});

Deno.test("durations may be texts or nanoseconds", () => {
  for (const value of ['"90s"', '"1m30s"', '"1.5m"', "90000000000"]) {
    const file = `[P2P]\nDialTimeout = ${value}\n`;
    assert.equal(load("", { file }).config.p2p.dialTimeoutMs, 90_000, value);
  }
});

Deno.test("a duplicate key in an ignored section is told, and the last one holds", () => {
  const loaded = load("", { file: fixture("duplicates.conf") });
  assert.equal(loaded.values.get("TxPool.GlobalSlots"), 4096);
  assert.ok(loaded.notices.some((n) => n.code === "CFG-DUP-IGNORED" && n.text.includes("lines 25 and 26")));
});

Deno.test("garbage in ignored sections does not stop the node, and nothing else changes", () => {
  const file = [
    "[TxPool]",
    "  GlobalSlots = lots",
    "  what is this",
    '  Lifetime = "unclosed',
    "  AccountSlots = [1,",
    "  2]",
    "[BLSKeys]",
    "  MaxKeys = 3",
    "  PassEnabled = nonsense = 4",
    "[Sync]",
    "  MinPeers = 5",
    "[GPO]",
    "  Blocks = true",
  ].join("\n");
  const loaded = load("", { file });
  assert.equal(loaded.config.sync.minPeers, 5);
  assert.equal(loaded.values.get("BLSKeys.MaxKeys"), 3);
  assert.ok(codes(loaded).includes("CFG-IGN-GARBAGE"));
});

Deno.test("garbage that would swallow a section that counts is an error", () => {
  const file = "[TxPool]\nAccountSlots = [1,\n[Revert]\nRevertTo = 5\n";
  assert.throws(() => load("", { file }), { code: "CONFIG_SYNTAX", exitCode: 128 });
});

Deno.test("a whole second copy of an ignored section is passed over", () => {
  const file =
    "[TxPool]\nGlobalSlots = 1\n[Sync]\nMinPeers = 5\n[TxPool]\nGlobalQueue = 2\n[P2P]\nPort = 1\n";
  const loaded = load("", { file });
  assert.deepEqual([loaded.config.sync.minPeers, loaded.config.p2p.port], [5, 1]);
});

Deno.test("keys without meaning are silent in old files and told in new ones", () => {
  const file = (v: string) =>
    `Version = "${v}"\n[Sync]\nStagedSync = true\n[Sync.StagedSyncCfg]\nTurboMode = true\n`;
  assert.ok(!codes(load("", { file: file("2.6.5") })).includes("CFG-KEY-GONE"));
  const newer = load("", { file: file("2.6.6") }).notices.filter((n) => n.code === "CFG-KEY-GONE");
  assert.equal(newer.length, 2);
});

Deno.test("misplaced keys of the Go node's migrations are read from where they are", () => {
  const file = "[Localnet]\nLocalnetBlocksPerEpoch = 64\nLocalnetBlocksPerEpochV2 = 32\n[Sync]\n" +
    "ResourceMgrFileDescriptorsLimit = 9\n";
  const loaded = load("", { file });
  assert.deepEqual(loaded.config.localnet, { blocksPerEpoch: 64, blocksPerEpochV2: 32 });
  assert.equal(loaded.values.get("P2P.ResourceMgrFileDescriptorsLimit"), 9);
});

Deno.test("unknown sections are told with the nearest name", () => {
  const { notices } = readConfigText("[Sinc]\nMinPeers = 5\n", "x.conf");
  assert.match(notices[0]?.text ?? "", /no key is called "Sinc".*did you mean Sync\?/);
});

Deno.test("the scan finds where things stand, whatever the values hold", () => {
  const text = [
    "# [NoSection]",
    'a = "x # = [y]" # comment',
    "[One.Two]",
    "  b = [",
    '    "]", # bracket',
    "  ]",
    '  c = """',
    "[NotASection]",
    '"""',
    "  'd.e'.f = 'it'",
  ].join("\n");
  const { entries, headers } = scanToml(text);
  assert.deepEqual(entries.map((e) => [e.path.join("|"), e.line]), [
    ["a", 2],
    ["One|Two|b", 4],
    ["One|Two|c", 7],
    ["One|Two|d.e|f", 10],
  ]);
  assert.deepEqual(headers.map((h) => h.line), [3]);
});

Deno.test("blanking keeps every line number", () => {
  assert.equal(blank("ab\ncd\nef", 1, 7), "a \n  \n f");
});

Deno.test("no text makes the reader fail in any other way than a configuration error", () => {
  const pieces = [
    "[",
    "]",
    "=",
    '"',
    "'",
    "\n",
    "[Sync]",
    "MinPeers",
    " 5",
    "#",
    "{",
    "}",
    ",",
    "[TxPool]",
    '"""',
    "\\",
  ];
  let seed = 7;
  const next = (n: number) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed % n;
  };
  for (let i = 0; i < 2_000; i++) {
    const text = Array.from({ length: 1 + next(14) }, () => pieces[next(pieces.length)]).join("");
    try {
      readConfigText(text, "fuzz.conf");
    } catch (error) {
      assert.equal(
        (error as { exitCode?: number }).exitCode,
        128,
        `seed 7, round ${i}: ${JSON.stringify(text)} ${error}`,
      );
    }
  }
});
