/**
 * Views of the status document: metrics, health line, progress, and the form for strangers.
 *
 * Why it exists: whatever shows the state of the node derives it from the one document, so no two displays can
 * disagree (config-cli-metrics.md §8.4, §8.8 test 10). What must stay true: the redacted form holds no peer id, no
 * address and no path.
 */
import type { Cancel } from "../base/mod.ts";
import type { Metrics } from "./metrics.ts";
import { CODE_VALUES } from "./label_values.ts";
import type { ProgressSnapshot } from "./surface.ts";
import type { EpochChainStatus, ProtocolStatus, StatusDocument } from "./status_types.ts";

/** The document for callers who may not see peers, paths and settings (§8.3). */
export function redactStatus(doc: StatusDocument): StatusDocument {
  return {
    ...doc,
    node: { ...doc.node, peerId: "", listen: [] },
    sync: {
      ...doc.sync,
      waiting: doc.sync.waiting.map((w) => ({ ...w, what: hideNames(w.what) })),
      diagnosis: doc.sync.diagnosis.map((d) => ({ ...d, text: hideNames(d.text), hint: hideNames(d.hint) })),
    },
    epochChain: doc.epochChain === null ? null : redactEpochs(doc.epochChain),
    streams: {
      protocols: doc.streams.protocols.map(({ list: _list, cooldownList: _cooldown, ...rest }) => rest),
    },
    store: { ...doc.store, path: "" },
    config: { file: null, version: doc.config.version, notices: [] },
    lastErrors: [],
  };
}

function redactEpochs(chain: EpochChainStatus): EpochChainStatus {
  const { waiting, refused, failed } = chain;
  return {
    ...chain,
    waiting: waiting === null ? null : { ...waiting, what: hideNames(waiting.what) },
    refused: refused === null ? null : { ...refused, from: "", text: hideNames(refused.text) },
    failed: failed === null ? null : hideNames(failed),
  };
}

/** A sentence of ours with peer ids, addresses and paths taken out. */
function hideNames(text: string): string {
  return text
    .replace(/\b(?:Qm[1-9A-HJ-NP-Za-km-z]{44}|(?:12D3Koo|16Uiu2)[1-9A-HJ-NP-Za-km-z]{20,})\b/g, "(peer)")
    .replace(/(?:[A-Za-z]:)?(?:\.{0,2}\/)[^\s,;:()]+/g, "(hidden)")
    .replace(/\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b/g, "(address)");
}

function streamsOf(doc: StatusDocument): { active: number; need: number; reserved: number; cooling: number } {
  const main = doc.streams.protocols[0];
  return {
    active: main?.active ?? 0,
    need: main?.required.min ?? 0,
    reserved: main?.reserved ?? 0,
    cooling: main?.cooldown ?? 0,
  };
}

/** The one line of `hsync health` (§8.4). */
export function healthLine(doc: StatusDocument): string {
  const { sync } = doc;
  const streams = streamsOf(doc).active;
  if (sync.inSync) {
    return `ok in-sync height=${sync.current.height} behind=${sync.behind ?? 0} streams=${streams}`;
  }
  const behind = sync.behind === null ? "unknown" : String(sync.behind);
  const eta = sync.eta === null ? "unknown" : `${sync.eta.seconds}s`;
  return `not-in-sync height=${sync.current.height} behind=${behind} eta=${eta} streams=${streams}`;
}

/** Why `/ready` says no, in one word or code. */
export function notReadyReason(doc: StatusDocument): string {
  return doc.sync.diagnosis[0]?.code ?? (doc.sync.target === null ? "TARGET_UNKNOWN" : doc.sync.state);
}

/** What the progress line shows. */
export function progressOf(
  doc: StatusDocument,
  startHeight: number,
  bytesPerSecond?: number,
): ProgressSnapshot {
  const { sync } = doc;
  const perSecond = (name: string) => sync.stages.find((s) => s.name === name)?.perSecond;
  const hashes = perSecond("BlockHashes");
  const bodies = perSecond("BlockBodies");
  const insert = perSecond("States") ?? sync.rate.blocksPerSecond1m ?? undefined;
  return {
    network: doc.node.network,
    shard: doc.node.shard,
    state: sync.state,
    mode: sync.mode,
    height: sync.current.height,
    startHeight,
    target: sync.target?.height,
    stage: sync.stages.find((s) => s.state === "running")?.name,
    cycle: sync.cycle ?? undefined,
    rates: {
      ...(hashes === undefined ? {} : { hashes }),
      ...(bodies === undefined ? {} : { bodies }),
      ...(insert === undefined ? {} : { insert }),
    },
    etaSeconds: sync.eta?.seconds,
    bottleneck: sync.bottleneck ?? undefined,
    streams: streamsOf(doc),
    requests: {
      pending: doc.requests.pending,
      waiting: doc.requests.waitingHigh + doc.requests.waitingLow,
    },
    bytesPerSecond,
    note: noteOf(sync),
    assurance: sync.assurance.lowest,
  };
}

/** What is waited for, and what is wrong; what has nothing to do with the moment has been said at the start. */
function noteOf({ waiting, diagnosis }: StatusDocument["sync"]): string | undefined {
  const findings = diagnosis.filter((d) => d.code !== "CHECKPOINT_OLD");
  const wait = waiting[0]?.what;
  if (wait === undefined) return findings[0]?.text;
  const wrong = findings.find((d) => d.severity !== "info");
  return wrong === undefined ? wait : `${wait}; ${wrong.text}`;
}

/** Sets the gauges that repeat the status before every scrape. */
export function reportStatus(metrics: Metrics, status: () => StatusDocument): Cancel {
  let introduced = false;
  return metrics.onScrape(() => {
    const doc = status();
    if (!introduced && doc.node.peerId !== "") {
      introduced = true;
      metrics.inc("hmy_node_metadata", { key: "version", value: doc.node.version });
      metrics.inc("hmy_node_metadata", { key: "peerid", value: doc.node.peerId });
    }
    const { sync } = doc;
    const ShardID = String(doc.node.shard);
    const labels = { ShardID, chain: "shard" };
    metrics.set("hmy_consensus_signatures", { consensus: "block_num" }, sync.current.height);
    metrics.set("hmy_sync_current_height", labels, sync.current.height);
    metrics.set("hmy_sync_target_height", labels, sync.target?.height ?? NaN);
    metrics.set("hmy_sync_blocks_behind", labels, sync.behind ?? NaN);
    metrics.set("hmy_sync_in_sync", labels, sync.inSync ? 1 : sync.target === null ? -1 : 0);
    metrics.set("hmy_sync_head_age_seconds", labels, sync.current.ageSeconds);
    metrics.set("hmy_sync_eta_seconds", { ShardID }, sync.eta?.seconds ?? NaN);
    reportEpochChain(metrics, doc);
    const phases = [["hashes", "BlockHashes"], ["bodies", "BlockBodies"], ["insert", "States"]] as const;
    for (const [phase, name] of phases) {
      const stage = sync.stages.find((s) => s.name === name);
      metrics.set("hmy_sync_blocks_per_second", { ShardID, phase }, stage?.perSecond ?? 0);
    }
    for (const stage of sync.stages) {
      metrics.set("hmy_sync_stage_height", { ShardID, stage: stage.name }, stage.height ?? NaN);
      metrics.set(
        "hmy_sync_current_stage",
        { ShardID, stage: stage.name },
        stage.state === "running" ? 1 : 0,
      );
    }
    const codes = new Set(sync.diagnosis.map((d) => d.code));
    for (const code of CODE_VALUES) {
      metrics.set("hmy_sync_stalled_reason", { ShardID, code }, codes.has(code) ? 1 : 0);
    }
    for (const protocol of doc.streams.protocols) reportProtocol(metrics, protocol, Date.parse(doc.time));
    metrics.set("hmy_store_bytes", {}, doc.store.bytes ?? 0);
    metrics.set("hmy_store_free_bytes", {}, doc.store.freeBytes ?? 0);
    metrics.set("hmy_config_notices", {}, doc.config.notices.length);
    metrics.set("hmy_event_loop_lag_seconds", {}, (doc.process.eventLoopLagMsP99 ?? 0) / 1000);
  });
}

/** The epoch chain, where one is followed: the height and age of its newest block. */
function reportEpochChain(metrics: Metrics, { epochChain }: StatusDocument): void {
  if (epochChain === null) return;
  const labels = { ShardID: "0", chain: "beacon" };
  metrics.set("hmy_sync_current_height", labels, epochChain.head?.number ?? 0);
  metrics.set("hmy_sync_head_age_seconds", labels, epochChain.headAgeSeconds ?? NaN);
}

/** Thresholds and plans of one protocol that only the status knows. */
function reportProtocol(metrics: Metrics, protocol: ProtocolStatus, now: number): void {
  const { topic, required, discovery } = protocol;
  metrics.set("hmy_stream_num_required_streams", { topic, kind: "min" }, required.min);
  metrics.set("hmy_stream_num_required_streams", { topic, kind: "init" }, required.init);
  const next = discovery.nextAt === null ? NaN : Math.max(0, (Date.parse(discovery.nextAt) - now) / 1000);
  metrics.set("hmy_stream_discovery_next_run_seconds", { topic }, next);
}
