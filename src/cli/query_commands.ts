/**
 * `hsync health` and `hsync status`: ask a running node.
 *
 * Why it exists: probes and people read the same document that the node serves (config-cli-metrics.md §8.1, §8.4). What
 * must stay true: 0 means in sync, 3 means it answers but is not in sync, 4 means no answer.
 */
import { ExitCode, safeText } from "../base/mod.ts";
import { ageText, healthLine, notReadyReason, progressOf, type StatusDocument } from "../api/mod.ts";
import { type Command, type CommandCall, isSet, textOf } from "./command.ts";
import { terminalLines } from "./progress.ts";
import { outcome } from "./report_error.ts";
import { load } from "./run_command.ts";

const TIMEOUT_MS = 5_000;

/** The listener to ask: named, or that of the configuration. */
function listenerUrl(call: CommandCall): string {
  const named = textOf(call, "url");
  if (named !== undefined) return named.replace(/\/+$/, "");
  const { prometheus } = load(call).config;
  const ip = prometheus.ip === "0.0.0.0" ? "127.0.0.1" : prometheus.ip === "::" ? "::1" : prometheus.ip;
  return `http://${ip.includes(":") ? `[${ip}]` : ip}:${prometheus.port}`;
}

function isDocument(value: unknown): value is StatusDocument {
  return typeof value === "object" && value !== null && "schema" in value && value.schema === 1 &&
    "sync" in value && "streams" in value;
}

/** The status of the node behind `url`, or why there is none. */
async function fetchStatus(url: string): Promise<StatusDocument | string> {
  try {
    const response = await fetch(`${url}/status`, {
      signal: AbortSignal.timeout(TIMEOUT_MS),
      redirect: "error",
    });
    const body: unknown = await response.json();
    return response.ok && isDocument(body) ? body : `it answers ${response.status}, but not with a status`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function noAnswer(call: CommandCall, url: string, why: string): never {
  if (!isSet(call, "json")) call.io.out(`no-answer ${url}`);
  throw outcome(
    ExitCode.NO_ANSWER,
    `no node answers at ${url}: ${safeText(why, 200)}`,
    "start it with `hsync run`, or name its listener with --url",
  );
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
    const url = listenerUrl(call);
    const doc = await fetchStatus(url);
    if (typeof doc === "string") return noAnswer(call, url, doc);
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
    const url = listenerUrl(call);
    const doc = await fetchStatus(url);
    if (typeof doc === "string") return noAnswer(call, url, doc);
    if (isSet(call, "json")) call.io.out(JSON.stringify(doc));
    else statusScreen(doc, 120).forEach((l) => call.io.out(l));
    return verdict(doc);
  },
};

export const QUERY_COMMANDS: readonly Command[] = [health, status];
