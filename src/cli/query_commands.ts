/**
 * `hsync health` and `hsync status`: ask a running node.
 *
 * Why it exists: probes and people read the same document that the node serves (config-cli-metrics.md §8.1, §8.4). What
 * must stay true: 0 means in sync, 3 means it answers but is not in sync, 4 means no answer.
 */
import { ExitCode, safeText } from "../base/mod.ts";
import { ageText, healthLine, notReadyReason, progressOf, type StatusDocument } from "../api/mod.ts";
import { askNode } from "./ask_node.ts";
import { type Command, type CommandCall, isSet } from "./command.ts";
import { terminalLines } from "./progress.ts";
import { outcome } from "./report_error.ts";

function isDocument(value: unknown): value is StatusDocument {
  return typeof value === "object" && value !== null && "schema" in value && value.schema === 1 &&
    "sync" in value && "streams" in value;
}

/** @throws {HsyncError} exit code 4 after one line on standard output */
function fetchStatus(call: CommandCall): Promise<StatusDocument> {
  return askNode(call, "/status", isDocument, ["listener", "socket"], (where) => {
    if (!isSet(call, "json")) call.io.out(`no-answer ${where}`);
  });
}

/** Exit 0 when in sync; otherwise the one error line with the likeliest reason. */
function verdict(doc: StatusDocument): ExitCode {
  if (doc.sync.inSync) return ExitCode.OK;
  const behind = doc.sync.behind === null ? "target unknown" : `${doc.sync.behind} blocks behind`;
  throw outcome(
    ExitCode.NOT_IN_SYNC,
    `not in sync (${doc.sync.state}, ${behind}, ${notReadyReason(doc)})`,
    doc.sync.diagnosis[0]?.hint ?? "`hsync status` shows more",
  );
}

const health: Command = {
  name: "health",
  usage: "[--url URL] [--json]",
  help: "one line for probes; exit 0 in sync, 3 not, 4 no answer",
  flags: ["url", "json"],
  args: [0, 0],
  run: async (call) => {
    const doc = await fetchStatus(call);
    if (isSet(call, "json")) {
      const { sync } = doc;
      const streams = doc.streams.protocols[0]?.active ?? 0;
      call.io.out(JSON.stringify({
        schema: 1,
        inSync: sync.inSync,
        state: sync.state,
        height: sync.current.height,
        behind: sync.behind,
        streams,
      }));
    } else call.io.out(healthLine(doc));
    return verdict(doc);
  },
};

/** Lines about the beacon chain's epochs and the checkpoints; none where there are none. */
function trustLines({ epochChain: epochs, checkpoint, anchor }: Partial<StatusDocument>): string[] {
  const lines: string[] = [];
  if (epochs !== null && epochs !== undefined) {
    const { head, headAgeSeconds, committees } = epochs;
    const end = head === null ? "none stored yet" : `last end ${head.number}`;
    const age = headAgeSeconds === null ? "" : `, ${ageText(headAgeSeconds)} old`;
    const compared = committees === null
      ? ""
      : `; committees: ${committees.checked} compared, ${committees.unchecked} on the shard's own word`;
    lines.push(
      `  epochs ${epochs.epoch} of the beacon chain, ${end}${age}, from ${epochs.origin}${compared}`,
    );
  }
  if (checkpoint !== null && checkpoint !== undefined) {
    const { given, chainFrom, epochChainFrom, ageDays } = checkpoint;
    const begun = [
      ...(chainFrom === null ? [] : [`the chain begins at block ${chainFrom}`]),
      ...(epochChainFrom === null ? [] : [`the epochs at block ${epochChainFrom} of shard 0`]),
    ];
    const age = ageDays === null ? [] : [`${ageDays} days old`];
    const named = given.length === 0 ? "at a checkpoint" : given.join(" ");
    lines.push(
      begun.length > 0
        ? `  begun  ${[named, ...begun, ...age].join(", ")}`
        : `  held   ${[`against ${named}`, ...age].join(", ")}`,
    );
  }
  if (anchor !== null && anchor !== undefined) {
    lines.push(
      `  known  beforehand ${anchor.block}, announced ${anchor.announced}, ${anchor.ageDays} days ago${
        anchor.old ? ": look for a newer one" : ""
      }`,
    );
  }
  return lines;
}

/** The screen of `hsync status`. */
export function statusScreen(doc: StatusDocument, columns: number): string[] {
  const { node, sync, store, p2p } = doc;
  const lines = [
    `hsync ${node.version} (${node.commit})   up ${ageText(node.uptimeSeconds)}   peer ${
      node.peerId || "(hidden)"
    }`,
    ...terminalLines(progressOf(doc, sync.current.height), columns),
    `  head   ${sync.current.height} ${sync.current.hash}   epoch ${sync.current.epoch}   ${
      ageText(sync.current.ageSeconds)
    } old`,
    `  trust  ${sync.assurance.text}`,
    ...trustLines(doc),
    `  peers  ${p2p.connected} connected, ${p2p.known} known`,
    `  store  ${store.path || "(hidden)"}   ${store.bytes ?? "?"} bytes   ${
      store.writable ? "" : "NOT WRITABLE"
    }`,
  ];
  for (const d of sync.diagnosis) lines.push(`  ${d.severity}  ${d.code}: ${d.text}; ${d.hint}`);
  for (const w of sync.waiting) lines.push(`  waits for ${w.what} since ${w.since}`);
  for (const e of doc.lastErrors.slice(0, 5)) lines.push(`  ${e.at}  ${e.code}: ${e.text}`);
  return lines.map((l) => safeText(l.trimEnd(), 400));
}

const status: Command = {
  name: "status",
  usage: "[--url URL] [--json]",
  help: "one screen about a running node",
  flags: ["url", "json"],
  args: [0, 0],
  run: async (call) => {
    const doc = await fetchStatus(call);
    if (isSet(call, "json")) call.io.out(JSON.stringify(doc));
    else statusScreen(doc, 120).forEach((l) => call.io.out(l));
    return verdict(doc);
  },
};

export const QUERY_COMMANDS: readonly Command[] = [health, status];
