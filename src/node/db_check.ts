/**
 * `hsync db verify` and `hsync db unwind`: doubting a store, and mending it.
 *
 * Why it exists: an operator who doubts a disk wants the first wrong block named, and one whose store went along an
 * abandoned branch wants to go back to where it was right. What must stay true: verifying changes nothing and may run beside
 * a node; unwinding needs the store for itself, takes the ends of later epochs along, and never asks anchors, since a
 * store that breaks them is what it mends.
 */
import { cancelled, type Clock, ExitCode, HsyncError, nullLogger, SystemClock, to0x } from "../base/mod.ts";
import type { CliIo, DbUnwindOptions, DbVerifyOptions } from "../api/mod.ts";
import type { LoadedConfig } from "../config/mod.ts";
import { createCertificateVerifier } from "../crypto/mod.ts";
import { STAGE_IDS, type StoreReport, verifyStore } from "../sync/mod.ts";
import { configuredAnchors } from "./anchor_file.ts";
import { openConfiguredChain, paramsOf } from "./chain.ts";
import { unwindEpochs } from "./epoch_store.ts";

/** Progress is told this often. */
const TELL_MS = 2_000;

/** `hsync db verify`. @throws {HsyncError} STORE_UNSOUND (exit 10) naming the first block that is not in order */
export async function dbVerify(
  loaded: LoadedConfig,
  options: DbVerifyOptions,
  io: CliIo,
  clock: Clock = new SystemClock(),
): Promise<ExitCode> {
  const { config } = loaded;
  const params = paramsOf(config);
  const anchors = await configuredAnchors(params, config.sync);
  const store = await openConfiguredChain(config, { clock, readOnly: true });
  const certificates = createCertificateVerifier({ logger: nullLogger, clock });
  const abort = new AbortController();
  const off = io.onStop(() => abort.abort());
  const begun = clock.monotonic();
  let toldAt = begun;
  try {
    const [first, last] = [store.lowest() + 1, store.head().number];
    if ((options.from ?? 0) > last || (options.to ?? first) < first) {
      throw new HsyncError(
        "VERIFY_RANGE",
        `the blocks to check are ${first} to ${last}; none of them was asked for`,
        {
          exitCode: ExitCode.USAGE,
          hint: "leave out --from and --to to check all of them",
        },
      );
    }
    const report = await verifyStore(store, params, certificates, {
      anchors,
      from: options.from,
      to: options.to,
      allSignatures: options.allSignatures,
      everyNth: config.sync.staged.verifyHeaderBatchSize,
      signal: abort.signal,
      onProgress: ({ number, from, to, certificates }) => {
        const now = clock.monotonic();
        if (config.run.quiet || now - toldAt < TELL_MS) return;
        toldAt = now;
        const done = number - from + 1;
        const percent = Math.floor(done / (to - from + 1) * 1000) / 10;
        const rate = Math.round(done / (now - begun) * 1000);
        io.err(
          `verified up to block ${number} of ${to} (${percent} %, ${rate} blocks/s, ${certificates} certificates)`,
        );
      },
    });
    tell(report, (clock.monotonic() - begun) / 1000, options.json, io);
    return ExitCode.OK;
  } finally {
    off();
    certificates.close();
    await store.close();
  }
}

function tell(report: StoreReport, seconds: number, json: boolean, io: CliIo): void {
  const { from, to, blocks, failure, disputes } = report;
  if (json) {
    io.out(JSON.stringify({
      schema: 1,
      from,
      to,
      blocks,
      certificates: report.certificates,
      failure: failure === undefined
        ? null
        : { number: failure.number, code: failure.error.code, text: failure.error.message },
      disputes: {
        count: disputes.count,
        named: disputes.named.map(({ source, first, second, proven }) => ({
          source,
          blocks: [first, second],
          proven: proven ?? null,
        })),
      },
    }));
  }
  for (const { source, first, second, proven } of disputes.named) {
    const suspect = proven === undefined
      ? "one of the two"
      : `that of block ${proven === first ? second : first}`;
    io.err(
      `blocks ${first} and ${second} both take in the receipts of shard ${source.shardId} block ${source.number}: ` +
        `of their bodies ${suspect} is forged`,
    );
  }
  if (disputes.count > disputes.named.length) {
    io.err(`${disputes.count - disputes.named.length} more such pairs of blocks`);
  }
  if (failure !== undefined) {
    const good = Math.max(0, failure.number - 1);
    throw new HsyncError(
      "STORE_UNSOUND",
      `block ${failure.number} is not in order: ${failure.error.message}`,
      {
        exitCode: ExitCode.STORE_DAMAGED,
        blockNumber: failure.number,
        hint:
          `\`hsync db unwind --to ${good}\` takes it and all above it away; \`hsync run\` fetches them again`,
        cause: failure.error,
      },
    );
  }
  if (!json) {
    io.out(
      `verified blocks=${blocks} from=${from} to=${to} certificates=${report.certificates} seconds=${
        seconds.toFixed(1)
      }: ${
        disputes.count === 0 ? "all in order" : `in order but for ${disputes.count} receipts taken in twice`
      }`,
    );
  }
}

/** `hsync db unwind --to N`. @throws {HsyncError} UNWIND_RANGE; STORE_LOCKED (exit 11) beside a running node */
export async function dbUnwind(loaded: LoadedConfig, options: DbUnwindOptions, io: CliIo): Promise<ExitCode> {
  const store = await openConfiguredChain(loaded.config, { clock: new SystemClock() });
  const abort = new AbortController();
  const off = io.onStop(() => abort.abort());
  try {
    const { number: from } = store.head();
    const { to } = options;
    if (to > from || to < store.lowest()) {
      throw new HsyncError(
        "UNWIND_RANGE",
        `cannot unwind to block ${to}: the store holds blocks ${store.lowest()} to ${from}`,
        { exitCode: ExitCode.USAGE, hint: "give --to a block that is stored; it becomes the head" },
      );
    }
    if (abort.signal.aborted) throw cancelled(`unwinding to block ${to}`);
    const lower = STAGE_IDS.map((id) => [id, Math.min(store.checkpoint(id) ?? to, to)] as const);
    await store.unwindTo(to, Object.fromEntries(lower));
    const epochs = await unwindEpochs(store, paramsOf(loaded.config));
    const { number, hash } = store.head();
    if (options.json) {
      const head = { number, hash: to0x(hash) };
      io.out(JSON.stringify({ schema: 1, removed: from - number, epochsRemoved: epochs, from, head }));
      return ExitCode.OK;
    }
    if (epochs > 0) io.out(`removed epochs=${epochs} of the beacon chain`);
    if (from === number) io.out(`nothing removed: block ${number} is the head already`);
    else {
      io.out(
        `removed blocks=${from - number} (${number + 1} to ${from}) head=${number} hash=${to0x(hash)}`,
      );
    }
    return ExitCode.OK;
  } finally {
    off();
    await store.close();
  }
}
