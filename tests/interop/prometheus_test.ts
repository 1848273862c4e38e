/**
 * The operator guide's queries, our rules and our dashboard against a real Prometheus that reads a syncing node.
 *
 * Why it exists: a name, a label or a missing series shows nothing in a dashboard, and no test of our own texts sees it. What
 * must stay true: these tests are left out, with one line that says why, where there is no Prometheus.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { nodeConfig, reaches, readerOf, Started, startNode, startPeer } from "../node/peers.ts";
import { recordedChain } from "../sync/support/chains.ts";
import { until } from "./support/ours.ts";
import { findTool, Prometheus, type RuleHealth } from "./support/prometheus.ts";

const CONFIG = new URL("../../config/", import.meta.url);
const TOPIC = "harmony/sync/localnet/0/1.0.0";
/** spec guide, "Monitoring Dashboard Queries", with the topic of this network. */
const GUIDE = [
  `hmy_stream_num_streams{topic="${TOPIC}"}`,
  `hmy_stream_num_reserved_streams{topic="${TOPIC}"}`,
  `rate(hmy_stream_stream_critical_errors{topic="${TOPIC}"}[5m])`,
  "rate(hmy_staged_stream_sync_num_blocks_synced_long_range[5m])",
  "rate(hmy_staged_stream_sync_failed_download[5m])",
  "histogram_quantile(0.95, rate(hmy_stream_sync_client_request_delay_bucket[5m]))",
  `hmy_stream_num_waiting_requests{topic="${TOPIC}"}`,
  `hmy_stream_request_manager_num_available_streams{topic="${TOPIC}"}`,
  `hmy_stream_request_manager_num_available_streams{topic="${TOPIC}"} / ` +
  `hmy_stream_request_manager_num_connected_streams{topic="${TOPIC}"}`,
];

const prometheus = await findTool("PROMETHEUS", "prometheus");
const promtool = await findTool("PROMTOOL", "promtool");
const missing = [
  ...prometheus === undefined ? ["prometheus"] : [],
  ...promtool === undefined ? ["promtool"] : [],
];
if (missing.length > 0) console.log(`tests with ${missing.join(" and ")} skipped: not on this machine`);

/** What the dashboard asks, for every node, protocol and the one shard. */
async function dashboardQueries(): Promise<string[]> {
  interface Panel {
    readonly targets?: readonly { readonly expr: string }[];
  }
  const text = await Deno.readTextFile(new URL("grafana-dashboard.json", CONFIG));
  const { panels } = JSON.parse(text) as { readonly panels: readonly Panel[] };
  return panels.flatMap((panel) => panel.targets ?? []).map(({ expr }) =>
    expr.replaceAll(/\$(instance|topic)/g, ".*").replaceAll("$shard", "0")
  );
}

Deno.test({
  name: "Prometheus: every query of the guide and of the dashboard returns data, every rule can be evaluated",
  ignore: prometheus === undefined,
  fn: async () => {
    const all = new Started();
    try {
      const { blocks } = recordedChain(0);
      let height = 100;
      const peer = all.add(
        await startPeer([{
          service: "sync",
          shardId: 0,
          reader: readerOf(blocks, () => height),
        }]),
      );
      const node = all.add(await startNode(nodeConfig(all.dir, 0, [peer], ["--prometheus=true"])));
      await reaches(node, height);
      await using server = await Prometheus.start(prometheus ?? "", new URL(node.statusUrl ?? "").host);
      // Seen before and after: the second stretch of the chain is a rate.
      await server.above("hmy_sync_current_height", height - 1);
      height = blocks.length - 1;
      await reaches(node, height);
      await server.above("rate(hmy_staged_stream_sync_num_blocks_synced_long_range[5m])", 0);

      for (const expr of GUIDE) assert.ok((await server.query(expr)).length > 0, `no data: ${expr}`);
      const value = async (expr: string) => Number((await server.query(expr))[0]?.value[1]);
      assert.equal(await value(GUIDE[0] as string), 1, "one stream");
      // A height may be asked for at the moment of a reading.
      await server.above(`${GUIDE[8]}`, 0.99);
      const asked = `${GUIDE[5]} > 0`;
      assert.ok((await server.query(asked)).length > 0, `nothing asked: ${asked}`);

      for (const expr of await dashboardQueries()) {
        const found = await server.query(expr);
        // What is shown only where something is wrong, or while something is left to do, is empty here.
        const mayBeEmpty = /( > 0| == 1)$|^hmy_sync_eta_seconds/.test(expr);
        if (!mayBeEmpty) assert.ok(found.length > 0, `no data: ${expr}`);
      }
      let rules: readonly RuleHealth[] = [];
      await until("every rule evaluated", async () => {
        rules = await server.rules();
        return rules.every(({ health }) => health !== "unknown");
      });
      assert.ok(rules.length >= 10);
      const bad = rules.filter(({ health }) => health === "err");
      assert.deepEqual(bad.map(({ name, lastError }) => `${name}: ${lastError}`), []);
    } finally {
      await all.end();
    }
  },
});

Deno.test({
  name: "promtool: the shipped rules and the shipped configuration are valid",
  ignore: promtool === undefined,
  fn: async () => {
    for (const args of [["rules", "prometheus-rules.yml"], ["config", "prometheus.yml"]]) {
      const { success, stdout, stderr } = await new Deno.Command(promtool ?? "", {
        args: ["check", ...args],
        cwd: fileURLToPath(CONFIG),
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      }).output();
      const said = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
      assert.ok(success, `promtool check ${args.join(" ")}:\n${said}`);
    }
  },
});
