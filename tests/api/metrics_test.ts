/** The metrics are the guide's, letter for letter, from the first scrape on. */
import assert from "node:assert/strict";
import { CATALOGUE, GUIDE_METRICS, Metrics, reportProcess } from "../../src/api/mod.ts";
import { readFedNames, readMetricNames } from "./metric_names.ts";
import { metrics, TOPIC } from "./support.ts";

const S8 = [0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56];

/** Name, type, label names, buckets that must be there. */
const GUIDE: ReadonlyArray<
  readonly [name: string, type: "C" | "G" | "H", labels: readonly string[], buckets?: readonly number[]]
> = [
  ["hmy_staged_stream_sync_consensus_trigger", "C", ["ShardID"]],
  ["hmy_staged_stream_sync_num_blocks_synced_long_range", "C", ["ShardID"]],
  ["hmy_staged_stream_sync_num_blocks_failed_long_range", "C", ["ShardID", "error"]],
  ["hmy_staged_stream_sync_num_short_range", "C", ["ShardID"]],
  ["hmy_staged_stream_sync_num_epoch_sync", "C", ["ShardID"]],
  ["hmy_staged_stream_sync_failed_download", "C", ["ShardID", "error"]],
  ["hmy_staged_stream_sync_num_blocks_inserted_short_range", "H", ["ShardID"], [0.5, 1, 2, 4, 8]],
  ["hmy_staged_stream_sync_num_blocks_inserted_epoch_sync", "H", ["ShardID"], [0.5, 1, 2, 4, 8]],
  ["hmy_staged_stream_sync_num_blocks_inserted_beacon_helper", "C", []],
  ["hmy_stream_sync_client_request", "C", ["topic", "request_type"]],
  ["hmy_stream_sync_failed_client_request", "C", ["topic", "request_type", "error"]],
  ["hmy_stream_sync_client_request_delay", "H", ["topic", "request_type"], S8],
  ["hmy_stream_sync_server_request", "C", ["topic", "request_type"]],
  ["hmy_stream_num_streams", "G", ["topic"]],
  ["hmy_stream_num_reserved_streams", "G", ["topic"]],
  ["hmy_stream_added_streams", "C", ["topic"]],
  ["hmy_stream_removed_streams", "C", ["topic"]],
  ["hmy_stream_stream_critical_errors", "C", ["topic"]],
  ["hmy_stream_stream_removal_reasons", "C", ["reason", "critical"]],
  ["hmy_stream_discover", "C", ["topic"]],
  ["hmy_stream_discover_peers", "C", ["topic"]],
  ["hmy_stream_setup_stream_duration", "H", ["topic"], S8],
  ["hmy_stream_bytes_read", "C", []],
  ["hmy_stream_bytes_write", "C", []],
  ["hmy_stream_msg_read", "C", []],
  ["hmy_stream_msg_write", "C", []],
  ["hmy_stream_msg_read_failed", "C", ["error"]],
  ["hmy_stream_msg_write_failed", "C", ["error"]],
  ["hmy_stream_request_manager_num_connected_streams", "G", ["topic"]],
  ["hmy_stream_request_manager_num_available_streams", "G", ["topic"]],
  ["hmy_stream_num_waiting_requests", "G", ["topic"]],
  ["hmy_stream_num_pending_requests", "G", ["topic"]],
  ["hmy_stream_num_server_request", "C", []],
  ["hmy_stream_server_request_delay", "H", [], [0.01, 0.02, 0.04, 0.08, 0.16]],
];

interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A scrape, read strictly: types and samples by name. */
function parse(text: string): { types: Map<string, string>; samples: Map<string, Sample[]> } {
  const types = new Map<string, string>();
  const samples = new Map<string, Sample[]>();
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("# HELP ")) continue;
    const type = /^# TYPE (\S+) (\S+)$/.exec(line);
    if (type !== null) {
      types.set(type[1] as string, type[2] as string);
      continue;
    }
    const m = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    assert.ok(m !== null, `not a sample: ${line}`);
    const labels: Record<string, string> = {};
    for (const l of (m[2] ?? "").matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)) {
      labels[l[1] as string] = l[2] as string;
    }
    const name = m[1] as string;
    samples.set(name, [...samples.get(name) ?? [], { labels, value: Number(m[3]) }]);
  }
  return { types, samples };
}

Deno.test("the first 34 rows of the catalogue are the guide's metrics", () => {
  const TYPES = { C: "counter", G: "gauge", H: "histogram" } as const;
  assert.equal(GUIDE_METRICS.length, 34);
  GUIDE.forEach(([name, type, labels, buckets], i) => {
    const spec = GUIDE_METRICS[i];
    assert.ok(spec !== undefined);
    assert.equal(spec.name, name);
    assert.equal(spec.type, TYPES[type], name);
    assert.deepEqual(Object.keys(spec.labels), labels, name);
    for (const b of buckets ?? []) assert.ok(spec.buckets?.includes(b), `${name} ${b}`);
  });
});

Deno.test("every name appears in the first scrape with type and zero values", async () => {
  const { types, samples } = parse(await metrics().scrape());
  for (const [name, type, labels, buckets] of GUIDE) {
    assert.equal(types.get(name), { C: "counter", G: "gauge", H: "histogram" }[type], name);
    const series = samples.get(type === "H" ? `${name}_count` : name) ?? [];
    assert.ok(series.length > 0, `${name} has no series`);
    for (const { labels: has, value } of series) {
      assert.equal(value, 0, name);
      assert.deepEqual(Object.keys(has).sort(), [...labels].sort(), name);
    }
    if (type !== "H") continue;
    const les = new Set((samples.get(`${name}_bucket`) ?? []).map((s) => s.labels["le"]));
    for (const b of [...buckets ?? [], "+Inf"]) assert.ok(les.has(String(b)), `${name} le=${b}`);
  }
});

Deno.test("the series that are divided by each other have equal label sets", async () => {
  const { samples } = parse(await metrics().scrape());
  const of = (n: string) =>
    (samples.get(`hmy_stream_request_manager_num_${n}_streams`) ?? []).map((s) => s.labels);
  assert.deepEqual(of("available"), of("connected"));
  assert.deepEqual(of("available"), [{ topic: TOPIC }]);
});

Deno.test("unknown targets are absent, not zero, and disappear again", async () => {
  const m = metrics();
  const labels = { ShardID: "0", chain: "shard" };
  const shown = async () => parse(await m.scrape()).samples.get("hmy_sync_target_height");
  assert.equal(await shown(), undefined);
  m.set("hmy_sync_target_height", labels, 7);
  assert.equal((await shown())?.[0]?.value, 7);
  m.set("hmy_sync_target_height", labels, NaN);
  assert.equal(await shown(), undefined);
});

Deno.test("a second topic brings its own zero series", async () => {
  const m = metrics();
  m.addTopic("harmony/epochsync/testnet/0/1.0.0");
  m.addTopic(TOPIC);
  const { samples } = parse(await m.scrape());
  assert.equal(samples.get("hmy_stream_num_streams")?.length, 2);
  assert.equal(samples.get("hmy_stream_setup_stream_duration_count")?.length, 2);
});

Deno.test("counting, setting and observing show in the scrape", async () => {
  const m = metrics();
  m.inc("hmy_stream_bytes_read", {}, 10);
  m.inc("hmy_stream_bytes_read");
  m.set("hmy_stream_num_streams", { topic: TOPIC }, 5);
  m.observe("hmy_stream_sync_client_request_delay", { topic: TOPIC, request_type: "getReceipts" }, 3);
  const { samples } = parse(await m.scrape());
  assert.equal(samples.get("hmy_stream_bytes_read")?.[0]?.value, 11);
  assert.equal(samples.get("hmy_stream_num_streams")?.[0]?.value, 5);
  const buckets = (samples.get("hmy_stream_sync_client_request_delay_bucket") ?? [])
    .filter((s) => s.labels["request_type"] === "getReceipts");
  assert.equal(buckets.find((s) => s.labels["le"] === "2.56")?.value, 0);
  assert.equal(buckets.find((s) => s.labels["le"] === "5")?.value, 1);
});

const SLIPS: ReadonlyArray<readonly [string, (m: Metrics) => void]> = [
  ["unknown name", (m) => m.inc("hmy_nothing")],
  ["wrong type", (m) => m.set("hmy_stream_bytes_read", {}, 1)],
  ["unknown label", (m) => m.inc("hmy_stream_bytes_read", { peer: "x" })],
  ["missing label", (m) => m.set("hmy_stream_num_streams", {}, 1)],
  ["value outside the list", (m) => m.inc("hmy_stream_msg_read_failed", { error: "EOF from 12D3…" })],
  ["unknown topic", (m) => m.set("hmy_stream_num_streams", { topic: "x" }, 1)],
  ["unknown shard", (m) => m.inc("hmy_staged_stream_sync_num_short_range", { ShardID: "7" })],
  ["falling counter", (m) => m.inc("hmy_stream_bytes_read", {}, -1)],
  ["not a number", (m) => m.observe("hmy_stream_server_request_delay", {}, NaN)],
];

Deno.test("what the catalogue does not know throws in tests and is left out in production", async () => {
  const lenient = new Metrics({ shards: [0], topics: [TOPIC], strict: false });
  const before = await lenient.scrape();
  for (const [what, slip] of SLIPS) {
    assert.throws(() => slip(metrics()), TypeError, what);
    slip(lenient);
  }
  assert.equal(await lenient.scrape(), before);
});

Deno.test("a collector that fails does not take the scrape with it", async () => {
  const m = metrics();
  m.onScrape(() => {
    throw new Error("no");
  });
  m.onScrape(() => m.set("hmy_store_bytes", {}, 4));
  assert.equal(parse(await m.scrape()).samples.get("hmy_store_bytes")?.[0]?.value, 4);
});

Deno.test("process and build figures are reported, unknown descriptors are absent", async () => {
  const m = metrics();
  const stop = reportProcess(m, { version: "1", commit: "c", deno: "2", target: "t" }, 5_000);
  const { samples } = parse(await m.scrape());
  assert.ok((samples.get("process_resident_memory_bytes")?.[0]?.value ?? 0) > 1e6);
  assert.equal(samples.get("process_start_time_seconds")?.[0]?.value, 5);
  assert.deepEqual(samples.get("hmy_build_info")?.[0]?.labels, {
    version: "1",
    commit: "c",
    deno: "2",
    target: "t",
  });
  const fds = samples.get("process_open_fds");
  assert.ok(fds === undefined || (fds[0]?.value ?? 0) > 0);
  stop();
});

Deno.test("counter names carry a _total suffix only where the Go node's or a standard's do", () => {
  const allowed = new Set([
    "hmy_stream_trusted_peer_streams_added_total",
    "hmy_stream_trusted_peer_setup_attempts_total",
    "hmy_stream_trusted_peer_connect_failures_total",
    "hmy_stream_recoverable_errors_total",
    "hmy_stream_critical_errors_total",
    "hmy_stream_streams_closed_by_recoverable_errors_total",
    "promhttp_metric_handler_requests_total",
    "process_cpu_seconds_total",
  ]);
  for (const { name } of CATALOGUE) assert.equal(name.endsWith("_total"), allowed.has(name), name);
});

Deno.test("every metric name that the sources use is in the catalogue", async () => {
  const known = new Set(CATALOGUE.map((s) => s.name));
  const used = await readMetricNames();
  assert.ok(used.size >= 34, `only ${used.size} names found`);
  assert.deepEqual([...used].filter((n) => !known.has(n)), []);
});

Deno.test("every metric of the catalogue is fed by something: a zero that nobody counts is a lie", async () => {
  const names = CATALOGUE.map((s) => s.name);
  const fed = await readFedNames(names);
  assert.deepEqual(names.filter((n) => !fed.has(n)), []);
});
