/**
 * `hsync light`: light mode from start to exit code.
 *
 * Why it exists: the answer is wanted once, or for as long as the process lives, by people and by scripts. What must stay true: the
 * answer is printed whatever ended the run, and on standard output nothing else with `--json`; whatever ends the run, it
 * stops cleanly within ten seconds.
 */
import { type Clock, createLogger, ExitCode, HsyncError, SystemClock, SystemRandom } from "../base/mod.ts";
import { type CliIo, openLogSinks, progressOf, RecentErrors } from "../api/mod.ts";
import type { LoadedConfig } from "../config/mod.ts";
import { isConflict } from "../consensus/mod.ts";
import { checkpointText, type LightStatusDocument } from "../sync/mod.ts";
import { LightNode } from "./light.ts";

const PROGRESS_MS = 1_000;
/** Signers that are named to people. */
const MAX_NAMED = 4;
/** A clean stop takes at most this long. */
const STOP_LIMIT_MS = 10_000;

/** The answer as lines for people. */
export function lightLines(status: LightStatusDocument): string[] {
  const { head, epochChain: epochs, checkpoint, failed } = status;
  const lines = [
    `epochs  ${epochs.epoch} is the newest whose committees are known (${
      epochs.caughtUp ? "no peer knows a newer one" : "still catching up"
    }), from ${epochs.origin}`,
  ];
  if (checkpoint !== null) {
    const { given, ageDays } = checkpoint;
    const base = checkpoint.begun && epochs.base !== null
      ? `0:${epochs.base.number}:${epochs.base.hash}`
      : null;
    const parts = [
      ...(base === null ? [] : [`begun at checkpoint ${base}`]),
      ...(given === null || given === base ? [] : [`held against checkpoint ${given}`]),
      ...(ageDays === null ? [] : [`${ageDays} days old`]),
    ];
    lines.push(`${parts.join(", ")}${checkpoint.old === true ? ": look for a newer one" : ""}`);
  }
  if (head === null) {
    lines.unshift(`shard ${status.shard}: no certified head yet (${status.waiting?.what ?? status.state})`);
  } else {
    const { certificate: c } = head;
    lines.unshift(
      `shard ${head.shard} head ${head.number} ${head.hash}`,
      `        epoch ${head.epoch}, ${head.ageSeconds} s old (${head.timestamp})`,
      `signed  by ${c.signers} of ${c.slots} seats, voting power ${c.votingPower}${
        c.quorum === "uniform" ? " (one seat, one vote)" : ""
      }`,
      `        ${addressesText(c.addresses)}`,
      `bitmap  ${c.bitmap}`,
    );
  }
  if (status.refused !== null) lines.push(`refused ${status.refused.text}`);
  if (failed !== null) lines.push(`failed  ${failed}`);
  return lines;
}

/** A few addresses with their seats; a committee may have hundreds. */
function addressesText(addresses: readonly string[]): string {
  const seats = new Map<string, number>();
  for (const address of addresses) seats.set(address, (seats.get(address) ?? 0) + 1);
  const most = [...seats].sort((a, b) => b[1] - a[1]);
  const named = most.slice(0, MAX_NAMED).map(([address, n]) => n === 1 ? address : `${address} (${n} seats)`);
  const rest = most.length - named.length;
  return `${named.join(", ")}${rest > 0 ? `, and ${rest} more, whom --json names` : ""}`;
}

interface Outcome {
  readonly code: ExitCode;
  readonly error?: HsyncError;
}

/**
 * Runs light mode until a signal, a failure (but for a conflict of certificates, which a run without an end of its own goes on
 * to show in its status), the deadline, or with `--exit-when-synced` until the certified head is where peers say
 * that the chain ends; the answer is printed whatever ended it.
 *
 * @throws {HsyncError} carrying the exit code
 */
export async function runLight(
  loaded: LoadedConfig,
  options: { readonly json: boolean },
  io: CliIo,
): Promise<ExitCode> {
  const { config } = loaded;
  const clock = new SystemClock();
  const errors = new RecentErrors();
  const sinks = openLogSinks(config.log, {
    terminal: io.terminal,
    color: config.run.color,
    err: (line) => io.err(line),
  });
  const logger = createLogger({ level: config.log.level, sinks: [...sinks.sinks, errors.sink] });
  const end = Promise.withResolvers<Outcome>();
  let running: LightNode | undefined;
  const cancels = [
    io.onStop(() => end.resolve(conflictOutcome(running) ?? { code: ExitCode.OK })),
    io.onReload(() => sinks.reopen()),
  ];
  try {
    const node = await LightNode.start({ loaded, clock, random: new SystemRandom(), logger, errors });
    running = node;
    cancels.push(...watch(node, loaded, options, io, clock, end.resolve));
    const outcome = await end.promise;
    const status = node.status();
    if (options.json) io.out(JSON.stringify(status));
    else lightLines(status).forEach((line) => io.out(line));
    await stopped(node, clock);
    if (outcome.error !== undefined) throw outcome.error;
    return outcome.code;
  } finally {
    for (const cancel of cancels) cancel();
    await sinks.close();
  }
}

/** What a run ends with that was stopped by two certified blocks of one height. */
function conflictOutcome(node: LightNode | undefined): Outcome | undefined {
  const error = node?.light.failed;
  return isConflict(error) ? { code: error.exitCode, error } : undefined;
}

/** Ties the ends that a run may have to `end`, and shows how far it is. */
function watch(
  node: LightNode,
  loaded: LoadedConfig,
  options: { readonly json: boolean },
  io: CliIo,
  clock: Clock,
  end: (outcome: Outcome) => void,
): Array<() => void> {
  const { run } = loaded.config;
  const { checkpoint, epochs } = node.light.status();
  const beginning = epochs.base === undefined
    ? checkpoint === undefined ? "genesis" : `checkpoint ${checkpointText(checkpoint)}`
    : epochs.origin === "genesis"
    ? "genesis"
    : `the checkpoint at block ${epochs.base.number} of shard 0`;
  if (!options.json && !run.quiet) {
    io.out(
      `light mode: shard ${loaded.config.shard} of ${node.params.name}, from ${beginning}${
        node.statusUrl === undefined ? "" : `, status at ${node.statusUrl}/status`
      }`,
    );
  }
  const show = () => io.progress(progressOf(node.document(), 0, node.bytesPerSecond()));
  const cancels = [
    clock.every(PROGRESS_MS, show),
    node.light.on((event) => {
      const bounded = run.exitWhenSynced || run.deadlineSeconds !== undefined;
      if (event.type === "failed" && isConflict(event.error) && !bounded) show();
      else if (event.type === "failed") end({ code: event.error.exitCode, error: event.error });
      else if (event.type === "synced" && run.exitWhenSynced) end({ code: ExitCode.OK });
      else show();
    }),
  ];
  if (run.deadlineSeconds !== undefined) {
    const seconds = run.deadlineSeconds;
    cancels.push(
      clock.after(seconds * 1000, () => end({ code: ExitCode.RUNTIME, error: late(node, seconds) })),
    );
  }
  return cancels;
}

function late(node: LightNode, seconds: number): HsyncError {
  const { state, head, waiting, epochChain } = node.status();
  const why = waiting?.what ?? epochChain.waiting?.what ?? state;
  const known = head === null
    ? "no head is certified"
    : `block ${head.number} is certified, ${head.ageSeconds} s old`;
  return new HsyncError("DEADLINE", `not ended after ${seconds} s: ${known}; waiting for: ${why}`, {
    exitCode: ExitCode.RUNTIME,
    hint: "run without --deadline to let it go on; what is known stays",
  });
}

async function stopped(node: LightNode, clock: Clock): Promise<void> {
  const over = new AbortController();
  const limit = clock.sleep(STOP_LIMIT_MS, over.signal).then(() => {
    throw new HsyncError("STOP_TIMEOUT", `light mode did not stop within ${STOP_LIMIT_MS / 1000} s`);
  }, () => undefined);
  try {
    await Promise.race([node.stop(), limit]);
  } finally {
    over.abort();
  }
}
