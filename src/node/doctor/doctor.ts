/**
 * `hsync doctor`: everything that is usually wrong, looked at in one go.
 *
 * Why it exists: an operator whose node does not do what it should asks this first (config-cli-metrics.md §8.1). What must
 * stay true: one line a check, each failing one with a way out; exit 0 or 6.
 */
import { cancelled, ExitCode, HsyncError, safeText, SystemClock } from "../../base/mod.ts";
import type { CliIo, DoctorOptions } from "../../api/mod.ts";
import type { LoadedConfig } from "../../config/mod.ts";
import { systemTxtResolver, type TxtResolver } from "../../p2p/mod.ts";
import { storeDirectory } from "../../store/mod.ts";
import { type Check, type Finding, findingOf } from "./check.ts";
import {
  configCheck,
  dataDirCheck,
  descriptorCheck,
  diskSpaceCheck,
  diskSpeedCheck,
  heapCheck,
  keyFileCheck,
  portCheck,
  storeCheck,
} from "./local_checks.ts";
import { clockCheck, dialCheck, namesCheck } from "./network_checks.ts";

/** The checks of a configuration, cheap ones first. */
export function checksOf(loaded: LoadedConfig, resolver: TxtResolver = systemTxtResolver): Check[] {
  const { config } = loaded;
  const clock = new SystemClock();
  const dir = storeDirectory(config.dataDir, config.shard);
  const local = [
    configCheck(loaded),
    dataDirCheck(config.dataDir),
    diskSpaceCheck(config.dataDir),
    diskSpeedCheck(config.dataDir, clock),
    keyFileCheck(config.p2p.keyFile),
    descriptorCheck(),
    heapCheck(),
    portCheck({ name: "p2p port", ip: config.p2p.ip, port: config.p2p.port, flag: "--p2p.port", dir }),
    ...(config.prometheus.enabled
      ? [portCheck({ name: "status port", ...config.prometheus, flag: "--prometheus.port", dir })]
      : []),
    storeCheck(loaded, clock),
  ];
  if (config.offline) return local;
  const entries = [...config.bootNodes, ...config.sync.trustedNodes, ...config.sync.dnsStaticNodes];
  return [
    ...local,
    clockCheck(config.ntpServers, clock),
    namesCheck(entries, resolver),
    dialCheck(config, resolver, clock),
  ];
}

const MARKS: Readonly<Record<Finding["state"], string>> = {
  ok: "ok  ",
  warn: "warn",
  fail: "FAIL",
  skip: "skip",
};

/** @throws {HsyncError} DOCTOR_FAILED (exit 6) naming the checks that failed */
export async function runDoctor(
  loaded: LoadedConfig,
  options: DoctorOptions,
  io: CliIo,
  resolver?: TxtResolver,
): Promise<ExitCode> {
  const abort = new AbortController();
  const off = io.onStop(() => abort.abort());
  const found: Array<{ readonly name: string } & Finding> = [];
  try {
    for (const check of checksOf(loaded, resolver)) {
      if (abort.signal.aborted) throw cancelled("the checks");
      const finding = await findingOf(check, abort.signal);
      found.push({ name: check.name, ...finding });
      if (options.json) continue;
      io.out(safeText(`${MARKS[finding.state]}  ${check.name.padEnd(15)} ${finding.text}`, 500));
      if (finding.fix !== undefined) io.out(safeText(`      ${"".padEnd(15)} → ${finding.fix}`, 500));
    }
  } finally {
    off();
  }
  const failed = found.filter((f) => f.state === "fail");
  if (options.json) io.out(JSON.stringify({ schema: 1, ok: failed.length === 0, checks: found }));
  if (failed.length === 0) return ExitCode.OK;
  throw new HsyncError(
    "DOCTOR_FAILED",
    `${failed.length} of ${found.length} checks failed: ${failed.map((f) => f.name).join(", ")}`,
    { exitCode: ExitCode.DOCTOR_FAILED, hint: failed[0]?.fix ?? "see the lines above" },
  );
}
