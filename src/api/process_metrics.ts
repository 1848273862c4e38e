/**
 * What the process itself reports: memory, processor time, descriptors, event-loop delay.
 *
 * Why it exists: the standard names that every dashboard knows (config-cli-metrics.md §3.5). What must stay true:
 * a figure that the system does not give is absent, not zero.
 */
import process from "node:process";
import type { Cancel, Clock } from "../base/mod.ts";
import type { Metrics } from "./metrics.ts";

export interface ProcessFigures {
  readonly rssBytes: number;
  readonly heapUsedBytes: number;
  readonly cpuSeconds: number;
  readonly openFds: number | undefined;
  readonly maxFds: number | undefined;
}

/** The figures now. */
export function readProcess(): ProcessFigures {
  const memory = Deno.memoryUsage();
  const cpu = process.cpuUsage();
  return {
    rssBytes: memory.rss,
    heapUsedBytes: memory.heapUsed,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    openFds: openFds(),
    maxFds: maxFds(),
  };
}

/** Some systems and permissions do not show them. */
function openFds(): number | undefined {
  try {
    // Reading the folder opens one more.
    return [...Deno.readDirSync("/proc/self/fd")].length - 1;
  } catch {
    return undefined;
  }
}

let knownMaxFds: number | undefined | "unread" = "unread";

function maxFds(): number | undefined {
  if (knownMaxFds !== "unread") return knownMaxFds;
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(Deno.readTextFileSync("/proc/self/limits"))?.[1];
    knownMaxFds = limit === undefined ? undefined : Number(limit);
  } catch {
    knownMaxFds = undefined;
  }
  return knownMaxFds;
}

const SAMPLE_MS = 25;
const SAMPLES = 1_200;

/** Measures how late timers fire; keeps the newest half minute. */
export class EventLoopMonitor {
  readonly #late: number[] = [];
  #next = 0;
  #due: number;
  readonly #stop: Cancel;

  constructor(clock: Clock) {
    this.#due = clock.monotonic() + SAMPLE_MS;
    this.#stop = clock.every(SAMPLE_MS, () => {
      const now = clock.monotonic();
      this.#late[this.#next] = Math.max(0, now - this.#due);
      this.#next = (this.#next + 1) % SAMPLES;
      this.#due = now + SAMPLE_MS;
    });
  }
  /** Delay in ms that 99 of 100 ticks stay below; 0 before the first tick. */
  p99Ms(): number {
    if (this.#late.length === 0) return 0;
    const sorted = [...this.#late].sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))] as number;
  }
  stop(): void {
    this.#stop();
  }
}

/** Facts that stay the same while the process runs. */
export interface BuildInfo {
  readonly version: string;
  readonly commit: string;
  readonly deno: string;
  readonly target: string;
}

/** Adds the process figures and the build to every scrape. */
export function reportProcess(metrics: Metrics, build: BuildInfo, startedAt: number): Cancel {
  metrics.set("hmy_build_info", { ...build }, 1);
  metrics.set("process_start_time_seconds", {}, startedAt / 1000);
  let cpuBefore = 0;
  return metrics.onScrape(() => {
    const now = readProcess();
    metrics.set("process_resident_memory_bytes", {}, now.rssBytes);
    metrics.inc("process_cpu_seconds_total", {}, Math.max(0, now.cpuSeconds - cpuBefore));
    cpuBefore = now.cpuSeconds;
    metrics.set("process_open_fds", {}, now.openFds ?? NaN);
    metrics.set("process_max_fds", {}, now.maxFds ?? NaN);
  });
}
