/**
 * Why a node is not where it should be, as far as the pipeline cannot see it: the host, the epoch chain, checkpoints.
 *
 * Why it exists: a wait must have a name, a cause and a hint, in the status, the metric and the progress line alike. What must stay
 * true: judging changes nothing; what passes by itself is no error.
 */
import type { Clock } from "../base/mod.ts";
import type { CheckpointStatus } from "../api/mod.ts";
import type { LoadedConfig } from "../config/mod.ts";
import type { CertificateVerifier } from "../crypto/mod.ts";
import type { HostStatus } from "../p2p/mod.ts";
import type { ProtocolSnapshot } from "../stream/mod.ts";
import type {
  AnchorDocument,
  BeaconCheckStatus,
  DiagnosisCode,
  EpochStatus,
  Finding,
  SyncStatus,
} from "../sync/mod.ts";

/** The epoch chain, and how the shard's own committees compare with it where they are compared. */
export interface EpochFacts {
  readonly epochs: EpochStatus;
  readonly check: BeaconCheckStatus | undefined;
}

/** What the findings about the host are made of. */
export interface HostFacts {
  readonly loaded: LoadedConfig;
  readonly clock: Clock;
  readonly host: HostStatus;
  /** The node's own chain first. */
  readonly protocols: readonly ProtocolSnapshot[];
  readonly sync: SyncStatus | undefined;
  readonly starting: { readonly what: string; readonly since: number } | undefined;
  readonly joined: boolean;
}

/** What the findings about epochs and checkpoints are made of. */
export interface TrustFacts {
  readonly protocols: readonly ProtocolSnapshot[];
  readonly epochs: EpochFacts | undefined;
  readonly checkpoint: CheckpointStatus | undefined;
  readonly anchor: AnchorDocument | undefined;
  readonly awaited: string | undefined;
  readonly joined: boolean;
  readonly unadvertised: string | undefined;
}

/** Codes that come before everything else. */
export const FIRST_CODES: ReadonlySet<DiagnosisCode> = new Set([
  "CONFLICTING_CERTIFICATES",
  "BEACON_CONTRADICTS",
]);
/** Codes that come after what the pipeline says. */
export const LATER_CODES: ReadonlySet<DiagnosisCode> = new Set([
  "EPOCH_CHAIN",
  "CHECKPOINT_OLD",
  "NO_HISTORY",
]);

/** The newest block that somebody vouched for is old: the operator's checkpoint or, without one, an anchor. */
function ageFindings({ checkpoint, anchor }: TrustFacts): Finding[] {
  const hint = "keys of old committees may leak: ";
  if (checkpoint?.old === true && anchor?.old !== false) {
    return [{
      code: "CHECKPOINT_OLD",
      severity: "warn",
      text: `the checkpoint is ${checkpoint.ageDays} days old`,
      hint: `${hint}begin anew at a newer one, checked in several places`,
    }];
  }
  if (anchor?.old === true && checkpoint === undefined) {
    return [{
      code: "CHECKPOINT_OLD",
      severity: "warn",
      text: `the newest block known beforehand (${anchor.block}) was announced ${anchor.ageDays} days ago`,
      hint:
        `${hint}a newer release brings newer ones, --sync.anchor-file adds your own, checked in several places`,
    }];
  }
  return [];
}

/** Findings about what the node trusts: its epoch chain and its checkpoints. */
export function epochFindings(s: TrustFacts): Finding[] {
  const out: Finding[] = [];
  const { epochs, check } = s.epochs ?? {};
  if (check?.contradicted !== undefined) {
    out.push({
      code: "BEACON_CONTRADICTS",
      severity: "error",
      text: check.contradicted.text,
      hint: "take away the blocks from that epoch on: hsync db unwind --to N",
    });
  }
  if (s.awaited !== undefined && s.joined) {
    out.push({
      code: "CHECKPOINT_AWAITED",
      severity: "warn",
      text: `the chain begins at checkpoint ${s.awaited}, and none of ${
        s.protocols[0]?.active ?? 0
      } streams has given that block yet`,
      hint:
        "check the hash in another place; peers that keep old blocks are needed: --sync.trusted-nodes adds one",
    });
  }
  if (epochs !== undefined) out.push(...chainFindings(epochs, check));
  out.push(...ageFindings(s));
  if (s.unadvertised !== undefined) {
    out.push({
      code: "NO_HISTORY",
      severity: "info",
      text: s.unadvertised,
      hint: "nothing to do: it is announced by itself once they are stored",
    });
  }
  return out;
}

/** What is wrong with the epoch chain, in one sentence. */
function chainFindings(epochs: EpochStatus, check: BeaconCheckStatus | undefined): Finding[] {
  const code = "EPOCH_CHAIN";
  const hint = "a beacon node gives them: add one with --sync.trusted-nodes";
  if (epochs.failed !== undefined) {
    return [{
      code,
      severity: "error",
      text: `the epoch chain cannot go on: ${epochs.failed}`,
      hint: "see the log",
    }];
  }
  const unchecked = check?.unchecked ?? 0;
  if (unchecked > 0) {
    const why = epochs.waiting !== undefined
      ? `, waiting for ${epochs.waiting.what}`
      : epochs.origin === "checkpoint"
      ? `, the epoch chain begins at epoch ${epochs.base?.epoch ?? epochs.epoch}`
      : "";
    return [{
      code,
      severity: "warn",
      text: `the committees of ${unchecked} ${
        unchecked === 1 ? "epoch stands" : "epochs stand"
      } on the shard's own word: the beacon chain's are not known${why}`,
      hint,
    }];
  }
  if (epochs.waiting === undefined) return [];
  return [{
    code,
    severity: "warn",
    text: `the beacon chain is followed up to epoch ${epochs.epoch} and waits for ${epochs.waiting.what}`,
    hint,
  }];
}

/** Certificates are verified where everything else runs, too. */
export function workerFindings(
  { inProcess, stats }: Pick<CertificateVerifier, "inProcess" | "stats">,
): Finding[] {
  if (!inProcess) return [];
  return [{
    code: "NO_WORKERS",
    severity: "warn",
    text:
      `no worker thread could be started: certificates are verified on the main thread, ${stats.queued} wait`,
    hint: "it is tried again by itself, at first after half a minute; the log says why it failed",
  }];
}

/** Findings about the host, which the pipeline cannot see. */
export function hostFindings(s: HostFacts): Finding[] {
  const out: Finding[] = [];
  if (s.starting !== undefined && !s.joined) return out;
  if (!s.loaded.config.sync.client) {
    out.push({
      code: "CLIENT_DISABLED",
      severity: "warn",
      text: "this node serves but does not synchronise",
      hint: "pass --sync.client or set [Sync] Client = true",
    });
    return out;
  }
  if (s.sync?.driver === "Synced") return out;
  if (s.host.unresolved.length > 0 && s.host.connected === 0) {
    out.push({
      code: "BOOTNODES_UNRESOLVED",
      severity: "error",
      text: `no answer for the boot node names ${s.host.unresolved.join(", ")}`,
      hint: "check the name server, or give addresses with --bootnodes",
    });
  } else if (s.host.connected === 0 && s.host.bootstrap.length > 0) {
    const [first] = s.host.bootstrap;
    out.push({
      code: "NO_CONNECTIVITY",
      severity: "error",
      text: `none of ${s.host.bootstrap.length} boot nodes and trusted nodes can be reached${
        first?.lastError === undefined ? "" : ` (${first.lastError})`
      }`,
      hint: "check that outbound TCP is open, and that --bootnodes names a running node",
    });
  } else if (s.host.bootstrap.length === 0 && s.host.connected === 0) {
    out.push({
      code: "NO_PEERS_FOUND",
      severity: "error",
      text: "no boot node and no trusted node is configured, so nobody can be found",
      hint: "give at least one address with --bootnodes or --sync.trusted-nodes",
    });
  } else if ((s.protocols[0]?.active ?? 0) === 0 && (s.protocols[0]?.refused.peers ?? 0) > 0) {
    const { peers, nextAt } = s.protocols[0]?.refused ?? { peers: 0, nextAt: undefined };
    const wait = nextAt === undefined ? 0 : Math.max(0, Math.ceil((nextAt - s.clock.now()) / 1000));
    out.push({
      code: "PROTOCOL_REFUSED",
      severity: "warn",
      text:
        `${peers} peers take our stream and say nothing on it, or end it at once; the next try is in ${wait} s`,
      hint:
        "they have no room, or keep us away for some minutes because we came back soon after we left; it passes, " +
        "or start with a new key file (--p2p.keyfile)",
    });
  } else if ((s.protocols[0]?.active ?? 0) === 0) {
    out.push({
      code: "NO_PEERS_FOUND",
      severity: "warn",
      text: `${s.host.connected} peers are connected, but none serves ${
        s.protocols[0]?.topic ?? "this chain"
      }`,
      hint: "check network and shard; discovery goes on by itself",
    });
  }
  return out;
}
