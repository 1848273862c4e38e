/**
 * `hsync run`: a node from start to exit code.
 *
 * Why it exists: signals, deadlines and "stop when" conditions end a run, and each has its own exit code
 * (config-cli-metrics.md §8.2). What must stay true: whatever ends the run, the node stops cleanly within ten seconds,
 * what was waited for is said when it did not come, and a conflict of certificates is never followed by exit code 0.
 */
import { createLogger, ExitCode, HsyncError, isAbort, SystemClock, SystemRandom, to0x } from "../base/mod.ts";
import { bannerLines, type CliIo, openLogSinks, progressOf, RecentErrors } from "../api/mod.ts";
import type { LoadedConfig } from "../config/mod.ts";
import { isConflict } from "../consensus/mod.ts";
import { HsyncNode, type NodeOptions } from "./node.ts";
import { logSettings } from "./settings_log.ts";

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
  const abort = new AbortController();
  const asked = Promise.withResolvers<Outcome>();
  const end = (outcome: Outcome) => {
    asked.resolve(outcome);
    abort.abort();
  };
  const progress = { step: "starting", node: undefined as HsyncNode | undefined };
  const cancels = [
    io.onStop(() => end(conflictOutcome(progress.node) ?? { code: ExitCode.OK })),
    io.onReload(() => sinks.reopen()),
  ];
  const { deadlineSeconds } = config.run;
  if (deadlineSeconds !== undefined) {
    cancels.push(clock.after(deadlineSeconds * 1000, () => end(deadlinePassed(deadlineSeconds, progress))));
  }
  try {
    if (config.log.printConfig) logSettings(loaded, logger.child("config"));
    const node = await started(
      {
        loaded,
        clock,
        random: new SystemRandom(),
        logger,
        errors,
        onStep: (what) => {
          progress.step = what;
        },
        onJoined: (joined) => {
          progress.node = joined;
          announce(joined, loaded, io);
          cancels.push(clock.every(PROGRESS_MS, () => show(joined, io)));
        },
      },
      abort.signal,
      clock,
    );
    if (node === undefined) return finish(await asked.promise);
    let outcome: Outcome;
    try {
      outcome = await Promise.race([asked.promise, goalOf(node, loaded, io, begun, clock)]);
    } finally {
      await stopWithin(() => node.stop(), clock);
    }
    return finish(outcome);
  } finally {
    for (const cancel of cancels) cancel();
    await sinks.close();
  }
}

/** @throws {HsyncError} the outcome's error */
function finish(outcome: Outcome): ExitCode {
  if (outcome.error !== undefined) throw outcome.error;
  return outcome.code;
}

/** The running node; undefined when the signal came first, and then nothing is left of it. */
async function started(
  options: NodeOptions,
  signal: AbortSignal,
  clock: SystemClock,
): Promise<HsyncNode | undefined> {
  const starting = HsyncNode.start({ ...options, signal });
  const aborted = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  try {
    await Promise.race([starting, aborted]);
    if (!signal.aborted) return await starting;
    // It notices at its next step; one that was through with starting is stopped like any other.
    await stopWithin(async () => await (await starting).stop(), clock);
    return undefined;
  } catch (error) {
    if (signal.aborted && isAbort(error)) return undefined;
    throw error;
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

function show(node: HsyncNode, io: CliIo): void {
  io.progress(progressOf(node.status(), node.startHeight, node.bytesPerSecond()));
}

/** What a run ends with that was stopped by two certified blocks of one height. */
function conflictOutcome(node: HsyncNode | undefined): Outcome | undefined {
  const error = node?.conflict?.error;
  return error === undefined ? undefined : { code: error.exitCode, error };
}

/**
 * Shows progress, and resolves when the goal that the operator set is reached, or when nothing can go on.
 *
 * Two certified blocks of one height end a run that was to end by itself. Any other goes on to serve what is stored, so
 * that the reason can be read from the status and the figures for as long as it takes.
 */
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
    const failed = (cause: Error) => {
      const error = cause instanceof HsyncError
        ? cause
        : new HsyncError("SYNC_FAILED", `synchronising stopped: ${cause.message}`, { cause });
      const bounded = run.exitWhenSynced || run.stopAt !== undefined || run.deadlineSeconds !== undefined;
      if (isConflict(error) && !bounded) return;
      done({ code: error.exitCode, error });
    };
    const off = driver?.on((event) => {
      if (event.type === "progress") show(node, io);
      else if (event.type === "failed") failed(event.error);
      else if (event.type === "stopAt" || (event.type === "synced" && run.exitWhenSynced)) {
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
      off?.();
      resolve(outcome);
    };
    // It may have failed before anybody listened.
    if (driver?.failed !== undefined) failed(driver.failed);
  });
}

/** What `--deadline` ends a run with: exit 1, saying what the node was waiting for. */
function deadlinePassed(
  seconds: number,
  { step, node }: { readonly step: string; readonly node: HsyncNode | undefined },
): Outcome {
  const options = {
    exitCode: ExitCode.RUNTIME,
    hint: "run without --deadline to let it go on; what is stored stays",
  };
  const conflict = conflictOutcome(node);
  if (conflict !== undefined) return conflict;
  if (node === undefined) {
    const error = new HsyncError("DEADLINE", `not done after ${seconds} s: still ${step}`, options);
    return { code: error.exitCode, error };
  }
  const { sync, streams } = node.status();
  const why = sync.diagnosis[0]?.text ?? sync.waiting[0]?.what ?? `sync state ${sync.state}`;
  const error = new HsyncError(
    "DEADLINE",
    `not done after ${seconds} s: at height ${sync.current.height} of ${
      sync.target?.height ?? "an unknown target"
    }, with ${streams.protocols[0]?.active ?? 0} streams; waiting for: ${why}`,
    { ...options, hint: sync.diagnosis[0]?.hint ?? options.hint },
  );
  return { code: error.exitCode, error };
}

/** Runs `stop` to its end. @throws {HsyncError} STOP_TIMEOUT when it takes longer than a clean stop may */
async function stopWithin(stop: () => Promise<void>, clock: SystemClock): Promise<void> {
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
    await Promise.race([stop(), late]);
  } finally {
    giveUp?.();
  }
}
