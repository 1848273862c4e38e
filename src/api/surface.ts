/**
 * The contract between the commands above and the node below.
 *
 * Why it exists: `cli/` imports `node/`, never the other way round, yet a running node prints lines, shows
 * progress and listens for signals. What must stay true: nothing here touches a terminal or the process; `cli/`
 * hands in the real thing, tests hand in a recorder.
 */
import type { Cancel } from "../base/mod.ts";
import type { ExitCode } from "../base/mod.ts";
import type { LoadedConfig } from "../config/mod.ts";

/** What the progress display needs to know; any part may be unknown. */
export interface ProgressSnapshot {
  readonly network: string;
  readonly shard: number;
  /** `sync.state` of `/status`. */
  readonly state: string;
  /** `sync.mode` of `/status`. */
  readonly mode: string;
  readonly height: number;
  /** Height of the chain's start for the percentage: where this run began. */
  readonly startHeight: number;
  readonly target: number | undefined;
  readonly stage: string | undefined;
  readonly cycle: { readonly number: number; readonly from: number; readonly to: number } | undefined;
  /** Blocks per second of each phase, as far as known. */
  readonly rates: { readonly hashes?: number; readonly bodies?: number; readonly insert?: number };
  readonly etaSeconds: number | undefined;
  readonly bottleneck: string | undefined;
  readonly streams: {
    readonly active: number;
    readonly reserved: number;
    readonly cooling: number;
    readonly need: number;
  };
  readonly requests: { readonly pending: number; readonly waiting: number } | undefined;
  readonly bytesPerSecond: number | undefined;
  /** What the node waits for, or the newest warning; one line. */
  readonly note: string | undefined;
  /** Weakest assurance of a stored block, for example `linked`. */
  readonly assurance: string | undefined;
}

/** The command line as a running node sees it. */
export interface CliIo {
  /** One line to standard output. */
  out(line: string): void;
  /** One line to standard error. */
  err(line: string): void;
  /** True when standard error is a terminal. */
  readonly terminal: boolean;
  /** Shows how far it is; may be called as often as convenient. */
  progress(snapshot: ProgressSnapshot): void;
  /** Calls back on the first request to stop (SIGINT, SIGTERM). A second request ends the process. */
  onStop(listener: () => void): Cancel;
  /** Calls back on SIGHUP. */
  onReload(listener: () => void): Cancel;
}

export interface DbImportOptions {
  /** Path of a recording or an export, plain or gzipped. */
  readonly file: string;
}
export interface DbExportOptions {
  readonly file: string;
  readonly from: number | undefined;
  readonly to: number | undefined;
}
export interface DbInfoOptions {
  readonly json: boolean;
}
export interface DbVerifyOptions {
  readonly from: number | undefined;
  readonly to: number | undefined;
  readonly allSignatures: boolean;
  readonly json: boolean;
}
export interface DbUnwindOptions {
  /** The block that becomes the head. */
  readonly to: number;
  readonly json: boolean;
}
export interface LightOptions {
  readonly json: boolean;
}
export interface DoctorOptions {
  readonly json: boolean;
}
export interface PeerTrialOptions {
  /** Multiaddr with a peer id, or a `/dnsaddr/` name. */
  readonly address: string;
  readonly json: boolean;
}
export interface DemoOptions {
  readonly json: boolean;
}

/** What `node/` offers the commands. Each resolves with the exit code or throws an HsyncError that carries one. */
export interface NodeCommands {
  runNode(loaded: LoadedConfig, io: CliIo): Promise<ExitCode>;
  runLight(loaded: LoadedConfig, options: LightOptions, io: CliIo): Promise<ExitCode>;
  runDemo(options: DemoOptions, io: CliIo): Promise<ExitCode>;
  dbImport(loaded: LoadedConfig, options: DbImportOptions, io: CliIo): Promise<ExitCode>;
  dbExport(loaded: LoadedConfig, options: DbExportOptions, io: CliIo): Promise<ExitCode>;
  dbInfo(loaded: LoadedConfig, options: DbInfoOptions, io: CliIo): Promise<ExitCode>;
  dbVerify(loaded: LoadedConfig, options: DbVerifyOptions, io: CliIo): Promise<ExitCode>;
  dbUnwind(loaded: LoadedConfig, options: DbUnwindOptions, io: CliIo): Promise<ExitCode>;
  runDoctor(loaded: LoadedConfig, options: DoctorOptions, io: CliIo): Promise<ExitCode>;
  tryPeer(loaded: LoadedConfig, options: PeerTrialOptions, io: CliIo): Promise<ExitCode>;
}
