/**
 * `hsync run`: a node from start to exit code.
 *
 * Why it exists: signals, deadlines and "stop when" conditions end a run, and each has its own exit code
 * (config-cli-metrics.md §8.2). What must stay true: whatever ends the run, the node stops cleanly within ten seconds,
 * and what was waited for is said when it did not come.
 */
import { createLogger, ExitCode, HsyncError, SystemClock, SystemRandom, to0x } from "../base/mod.ts";
import { bannerLines, type CliIo, openLogSinks, progressOf, RecentErrors } from "../api/mod.ts";
import type { LoadedConfig } from "../config/mod.ts";
import { HsyncNode } from "./node.ts";

/** A clean stop takes at most this long. */
const STOP_LIMIT_MS = 10_000;
const PROGRESS_MS = 1_000;

interface Outcome {
  readonly code: ExitCode;
  readonly error?: HsyncError;
}

/** Runs until a signal, a reached goal, a deadline or a failure. @throws {HsyncError} carrying the exit code */
export async function runNode(loaded: LoadedConfig, io: CliIo): Promise<ExitCode> {
  const { config } = loaded;
  const clock = new SystemClock();
  const errors = new RecentErrors();
  const sinks = openLogSinks(config.log, {
    terminal: io.terminal,
    color: config.run.color,
    err: (line) => io.err(line),
  });
  const logger = createLogger({ level: config.log.level, sinks: [...sinks.sinks, errors.sink] });
  const begun = clock.monotonic();
  let stopAsked: (() => void) | undefined;
  const stopping = new Promise<Outcome>((resolve) => {
    stopAsked = () => resolve({ code: ExitCode.OK });
  });
  const cancels = [io.onStop(() => stopAsked?.()), io.onReload(() => sinks.reopen())];
  try {
    const node = await HsyncNode.start({ loaded, clock, random: new SystemRandom(), logger, errors });
    let outcome: Outcome;
    try {
      announce(node, loaded, io);
      outcome = await Promise.race([
        stopping,
        goalOf(node, loaded, io, begun, clock),
        deadlineOf(node, loaded, clock),
      ]);
    } finally {
      await stopWithin(node, clock);
    }
    if (outcome.error !== undefined) throw outcome.error;
    return outcome.code;
  } finally {
    for (const cancel of cancels) cancel();
    await sinks.close();
  }
}

function announce(node: HsyncNode, loaded: LoadedConfig, io: CliIo): void {
  const { config } = loaded;
  const status = node.status();
  const lines = bannerLines({
    loaded,
    chainId: node.params.chainId,
    ethChainId: node.params.ethChainId(config.shard),
    storePath: status.store.path,
    head: {
      height: status.sync.current.height,
      hash: status.sync.current.hash,
      ageSeconds: status.sync.current.ageSeconds,
    },
    peerId: node.host.peerId,
    topics: node.topics,
    listen: node.host.addresses(),
    statusUrl: node.statusUrl,
    assurance: status.sync.assurance.lowest,
  });
  if (!config.run.quiet) lines.forEach((line) => io.out(line));
}

/** Shows progress, and resolves when the goal that the operator set is reached, or when nothing can go on. */
function goalOf(
  node: HsyncNode,
  loaded: LoadedConfig,
  io: CliIo,
  begun: number,
  clock: SystemClock,
): Promise<Outcome> {
  const { run } = loaded.config;
  const { driver } = node;
  return new Promise((resolve) => {
    const show = () => io.progress(progressOf(node.status(), node.startHeight, node.bytesPerSecond()));
    const timer = clock.every(PROGRESS_MS, show);
    const off = driver?.on((event) => {
      if (event.type === "progress") show();
      else if (event.type === "failed") {
        const error = event.error instanceof HsyncError
          ? event.error
          : new HsyncError("SYNC_FAILED", `synchronising stopped: ${event.error.message}`, {
            cause: event.error,
          });
        done({ code: error.exitCode, error });
      } else if (event.type === "stopAt" || (event.type === "synced" && run.exitWhenSynced)) {
        const seconds = (clock.monotonic() - begun) / 1000;
        const blocks = event.head.number - node.startHeight;
        io.out(
          `${event.type === "stopAt" ? "stopped at" : "synced"} number=${event.head.number} hash=${
            to0x(event.head.hash)
          } seconds=${seconds.toFixed(1)} blocks=${blocks} blocks/s=${
            (blocks / seconds).toFixed(1)
          } assurance=${node.store.lowestAssurance()}`,
        );
        done({ code: ExitCode.OK });
      }
    });
    const done = (outcome: Outcome) => {
      timer();
      off?.();
      resolve(outcome);
    };
  });
}

/** Resolves when `--deadline` passes: exit 1, saying what the node was waiting for. */
async function deadlineOf(node: HsyncNode, loaded: LoadedConfig, clock: SystemClock): Promise<Outcome> {
  const seconds = loaded.config.run.deadlineSeconds;
  if (seconds === undefined) return await new Promise<never>(() => {});
  await new Promise<void>((resolve) => void clock.after(seconds * 1000, resolve));
  const { sync, streams } = node.status();
  const why = sync.diagnosis[0]?.text ?? sync.waiting[0]?.what ?? `sync state ${sync.state}`;
  const error = new HsyncError(
    "DEADLINE",
    `not done after ${seconds} s: at height ${sync.current.height} of ${
      sync.target?.height ?? "an unknown target"
    }, with ${streams.protocols[0]?.active ?? 0} streams; waiting for: ${why}`,
    {
      exitCode: ExitCode.RUNTIME,
      hint: sync.diagnosis[0]?.hint ?? "run without --deadline to let it go on; what is stored stays",
    },
  );
  return { code: ExitCode.RUNTIME, error };
}

async function stopWithin(node: HsyncNode, clock: SystemClock): Promise<void> {
  let giveUp: (() => void) | undefined;
  const late = new Promise<never>((_, reject) => {
    giveUp = clock.after(STOP_LIMIT_MS, () =>
      reject(
        new HsyncError("STOP_TIMEOUT", `the node did not stop within ${STOP_LIMIT_MS / 1000} s`, {
          hint: "nothing that was acknowledged is lost; the next start repairs the store",
        }),
      ));
  });
  try {
    await Promise.race([node.stop(), late]);
  } finally {
    giveUp?.();
  }
}
