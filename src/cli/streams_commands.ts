/**
 * `hsync streams …`: the streams of a running node, and what can be done about them.
 *
 * Why it exists: "why no streams?" is the question operators have most, and waiting out a cooldown is not always right
 * (config-cli-metrics.md §8.1). What must stay true: text of peers is escaped; looking changes nothing.
 */
import { ExitCode, safeText } from "../base/mod.ts";
import {
  ageText,
  isPeerText,
  type ProtocolStatus,
  type StatusDocument,
  type StreamStatus,
} from "../api/mod.ts";
import { usageError } from "../config/mod.ts";
import { askNode, tellNode } from "./ask_node.ts";
import { type Command, type CommandCall, isSet } from "./command.ts";

/** What `/streams` answers. */
interface StreamsDocument {
  readonly schema: 1;
  readonly time: string;
  readonly protocols: readonly ProtocolStatus[];
  readonly requests: StatusDocument["requests"];
}

function isStreams(value: unknown): value is StreamsDocument {
  return typeof value === "object" && value !== null && "schema" in value && value.schema === 1 &&
    "protocols" in value && Array.isArray(value.protocols);
}

/** Rows in columns as wide as they need to be; numbers are right-aligned. */
function table(head: readonly string[], rows: ReadonlyArray<readonly string[]>): string[] {
  const widths = head.map((h, i) => Math.max(h.length, ...rows.map((r) => (r[i] ?? "").length)));
  const numeric = head.map((_, i) => rows.every((r) => /^(-|[\d.,]+( ms| k?B| MB|s)?|)$/.test(r[i] ?? "")));
  return [head, ...rows].map((r) =>
    "  " + r.map((cell, i) => {
      const width = widths[i] ?? 0;
      return numeric[i] === true ? cell.padStart(width) : cell.padEnd(width);
    }).join("  ").trimEnd()
  );
}

function bytes(n: number): string {
  return n >= 1e6 ? `${(n / 1e6).toFixed(1)} MB` : n >= 1e3 ? `${(n / 1e3).toFixed(1)} kB` : `${n} B`;
}

function streamRow(s: StreamStatus, now: number): string[] {
  return [
    s.id,
    s.trusted ? `${s.state}, trusted` : s.state,
    s.direction,
    s.height === null ? "-" : String(s.height),
    String(s.failures),
    s.score.toFixed(2),
    s.success.toFixed(2),
    s.latencyMsP50 === null ? "-" : `${s.latencyMsP50} ms`,
    s.blocksPerSecond === null ? "-" : s.blocksPerSecond.toFixed(1),
    String(s.blocksPerRequest),
    bytes(s.bytesIn),
    bytes(s.bytesOut),
    ageText(Math.max(0, (now - Date.parse(s.since)) / 1000)),
    s.busy ? s.requestType ?? "busy" : s.suspended ? "suspended" : "idle",
    s.addr,
  ];
}

const STREAM_HEAD = "PEER|STATE|DIR|HEIGHT|FAILS|SCORE|GOOD|LATENCY|RATE|BLOCKS|IN|OUT|AGE|NOW|ADDRESS".split(
  "|",
);

/** The screen for one protocol. */
function protocolScreen(p: ProtocolStatus, now: number): string[] {
  const { required, discovery } = p;
  const next = discovery.nextAt === null
    ? ""
    : `, next in ${ageText(Math.max(0, (Date.parse(discovery.nextAt) - now) / 1000))}`;
  const lines = [
    p.topic,
    `  ${p.active} active (need ${required.min}, at most ${required.high}), ${p.reserved} reserved, ` +
    `${p.connecting} connecting, ${p.cooldown} in cooldown, ${p.refused.peers} refuse us; discovery ${
      discovery.running ? "running" : "at rest"
    }${next}`,
  ];
  if (p.list === undefined) {
    lines.push("  peers are shown to callers on the node's machine only");
    return lines;
  }
  if (p.list.length > 0) lines.push(...table(STREAM_HEAD, p.list.map((s) => streamRow(s, now))));
  if ((p.cooldownList ?? []).length > 0) {
    const rows = (p.cooldownList ?? []).map((c) => [
      c.id,
      c.reason,
      c.critical ? "critical" : "",
      String(c.removals),
      ageText(c.remainingSeconds),
    ]);
    lines.push("  in cooldown", ...table(["PEER", "REASON", "", "REMOVALS", "LEFT"], rows));
  }
  return lines;
}

const list: Command = {
  name: "streams list",
  usage: "[--url URL] [--json]",
  help: "the streams of a running node, with score and failures, and who is in cooldown",
  flags: ["url", "json"],
  args: [0, 0],
  run: async (call) => {
    const doc = await askNode(call, "/streams", isStreams, ["socket", "listener"]);
    if (isSet(call, "json")) call.io.out(JSON.stringify(doc));
    else {
      for (const protocol of doc.protocols) {
        for (const line of protocolScreen(protocol, Date.parse(doc.time))) call.io.out(safeText(line, 600));
      }
    }
    return ExitCode.OK;
  },
};

const discover: Command = {
  name: "streams discover",
  usage: "[--json]",
  help: "make a running node look for peers now",
  flags: ["json"],
  args: [0, 0],
  run: async (call) => {
    const answer = await tellNode(call, "/discover");
    if (isSet(call, "json")) call.io.out(JSON.stringify(answer));
    else {
      const protocols = Array.isArray(answer["protocols"]) ? answer["protocols"] : [];
      for (const p of protocols as ReadonlyArray<Record<string, unknown>>) {
        const text = p["running"] === true ? "looking for peers" : "has just looked; try again in 5 s";
        call.io.out(safeText(`${String(p["topic"])}: ${text}; ${String(p["active"])} active streams`));
      }
      if (protocols.length === 0) call.io.out("this node looks for nobody: it only serves");
    }
    return ExitCode.OK;
  },
};

/** The one word after the command. @throws {HsyncError} BAD_PEER (exit 2) */
function peerArgument(call: CommandCall, orAll: boolean): string {
  const peer = call.args[0] ?? "";
  if (isPeerText(peer) || (orAll && peer === "all")) return peer;
  throw usageError(
    "BAD_PEER",
    `${JSON.stringify(safeText(peer, 80))} is no peer id`,
    `\`hsync streams list\` shows the ids${orAll ? "; `all` means everybody" : ""}`,
  );
}

const drop: Command = {
  name: "streams drop",
  usage: "PEER [--json]",
  help: "end a running node's stream with a peer",
  flags: ["json"],
  args: [1, 1],
  run: async (call) => {
    const peer = peerArgument(call, false);
    const answer = await tellNode(call, "/drop", { peer });
    call.io.out(isSet(call, "json") ? JSON.stringify(answer) : `dropped ${peer}; it may come back by itself`);
    return ExitCode.OK;
  },
};

const forgive: Command = {
  name: "streams forgive",
  usage: "PEER|all [--json]",
  help: "end the cooldown of a peer, or all, on a running node",
  flags: ["json"],
  args: [1, 1],
  run: async (call) => {
    const peer = peerArgument(call, true);
    const answer = await tellNode(call, "/forgive", { peer });
    const n = Number(answer["forgiven"]);
    if (isSet(call, "json")) call.io.out(JSON.stringify(answer));
    else if (n === 0) call.io.out(peer === "all" ? "nobody was in a cooldown" : `${peer} was in no cooldown`);
    else call.io.out(`ended ${n} ${n === 1 ? "cooldown" : "cooldowns"}`);
    return ExitCode.OK;
  },
};

export const STREAMS_COMMANDS: readonly Command[] = [list, discover, drop, forgive];
