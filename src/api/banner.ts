/**
 * What a node prints when it starts.
 *
 * Why it exists: scripts and guides look for `My peer id:` and `My proto id:` (config-cli-metrics.md §4.3). What must
 * stay true: those two lines keep their form; nothing secret is printed.
 */
import type { LoadedConfig } from "../config/mod.ts";
import { BUILD } from "./build_info.ts";

export interface BannerParts {
  readonly loaded: LoadedConfig;
  /** Chain id of the network, and the Ethereum one of the shard. */
  readonly chainId: bigint;
  readonly ethChainId: bigint;
  readonly storePath: string;
  readonly head: { readonly height: number; readonly hash: string; readonly ageSeconds: number };
  readonly peerId: string;
  /** Protocol ids without the leading slash. */
  readonly topics: readonly string[];
  readonly listen: readonly string[];
  /** URL of the status listener. */
  readonly statusUrl: string | undefined;
  readonly assurance: string;
}

/** `3h12m`, `4d2h`, `12s`: two units at most. */
export function ageText(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m${s % 60}s`;
  if (s < 86_400) return `${Math.floor(s / 3600)}h${Math.floor(s % 3600 / 60)}m`;
  return `${Math.floor(s / 86_400)}d${Math.floor(s % 86_400 / 3600)}h`;
}

/** The lines, for standard output and the log. */
export function bannerLines(parts: BannerParts): string[] {
  const { loaded } = parts;
  const { config } = loaded;
  const flags = [...loaded.origins.values()].filter((o) => o.source === "flag").length;
  const file = loaded.file === undefined
    ? "no file"
    : `${loaded.file.path} (version ${loaded.file.version ?? "not stated"})`;
  const flagText = flags === 0 ? "" : flags === 1 ? " + 1 flag" : ` + ${flags} flags`;
  const head = `head ${parts.head.height.toLocaleString("en-US")} (${parts.head.hash.slice(0, 10)}…)`;
  return [
    `hsync ${BUILD.version} (commit ${BUILD.commit}, deno ${BUILD.deno}, ${BUILD.target})`,
    `network   ${config.network}   shard ${config.shard}   chain id ${parts.chainId} / ${parts.ethChainId}`,
    `config    ${file}${flagText}`,
    `data      ${parts.storePath}   ${head}   age ${ageText(parts.head.ageSeconds)}   ${parts.assurance}`,
    `My peer id:  ${parts.peerId}`,
    ...parts.topics.map((t) => `My proto id: ${t}`),
    ...parts.listen.map((a) => `p2p       ${a}`),
    parts.statusUrl === undefined
      ? "status    no listener"
      : `metrics   ${parts.statusUrl}/metrics   status   ${parts.statusUrl}/status`,
  ];
}
