/** A dump has the Go node's layout and loads again to the same values. */
import assert from "node:assert/strict";
import { dumpConfig, KEYS, NETWORK_NAMES } from "../../src/config/mod.ts";
import { fixture, load } from "./support.ts";

/** Keys in which version 2.6.6 and our decisions differ from a 2.6.5 dump. */
const DIFFERENT = new Set([
  "Client",
  "Downloader",
  "Enabled",
  "Muxer",
  "StagedSync",
  "TurboMode",
  "Concurrency",
  "DiscHardLowCap",
  "DiscSoftLowCap",
  "InitStreams",
  "MinPeers",
  "Version",
]);

function keyLines(text: string): string[] {
  let section = "";
  return text.split("\n").flatMap((line) => {
    const header = /^\s*\[(.+)\]$/.exec(line)?.[1];
    if (header !== undefined) section = header;
    const key = /^\s*(\w+) =/.exec(line)?.[1];
    const inSync = section === "Sync" || section === "Sync.StagedSyncCfg" || section === "P2P" ||
      section === "";
    return key !== undefined && inSync && DIFFERENT.has(key) ? [] : [line];
  });
}

Deno.test("a dump equals the Go node's, apart from what its next version changed", () => {
  for (const network of ["mainnet", "testnet", "localnet"] as const) {
    const ours = dumpConfig(network);
    const theirs = fixture(`go-2.6.5-${network}.conf`);
    assert.deepEqual(keyLines(ours), keyLines(theirs).concat(theirs.endsWith("\n") ? [] : [""]), network);
  }
});

Deno.test("a dump loads again to the same values on every network", () => {
  for (const network of NETWORK_NAMES) {
    const direct = load(`-n ${network} --shard 0`);
    const again = load("--shard 0", { file: dumpConfig(network) });
    assert.deepEqual({ ...again.config, p2p: { ...again.config.p2p, keyFile: "", keyFileOrigin: "" } }, {
      ...direct.config,
      p2p: { ...direct.config.p2p, keyFile: "", keyFileOrigin: "" },
    });
    for (const spec of KEYS) {
      assert.deepEqual(again.values.get(spec.path), direct.values.get(spec.path), `${network} ${spec.path}`);
    }
  }
});

Deno.test("effective values survive a round trip, our own sections too", () => {
  const line =
    "-n testnet --shard 1 --sync.min-peers 2 --status.addr 127.0.0.1:9901 --sync.use-mem-db=false " +
    '--db.url http://127.0.0.1:4512 --prometheus.port 0 --p2p.dial-timeout 5s --p2p.user-agent a"b\\c';
  const first = load(line);
  const text = dumpConfig("testnet", { values: first.values });
  const second = load("", { file: text });
  assert.deepEqual(second.config, {
    ...first.config,
    p2p: { ...first.config.p2p, keyFileOrigin: "chosen", keyFile: "./.hmykey" },
  });
});

Deno.test("the one deviation from the guide is marked in the dump", () => {
  assert.match(dumpConfig("mainnet"), /^ {2}Client = true # /m);
});

Deno.test("only-used leaves out what hsync ignores", () => {
  const text = dumpConfig("mainnet", { onlyUsed: true });
  assert.ok(!/\[(TxPool|BLSKeys|Cache|GPO|WS|Pprof)\]/.test(text));
  assert.match(text, /\[Sync\.StagedSyncCfg\]/);
});
