/**
 * The real command line: standard output, standard error, progress and signals.
 *
 * Why it exists: everything below takes a `CliIo`; this is the one that touches the process. What must stay true: a
 * closed pipe never ends the program with a stack trace; a second signal, at least a second after the first,
 * ends it at once with 255 (config-cli-metrics.md §6.2).
 */
import { ExitCode, SystemClock } from "../base/mod.ts";
import type { Cancel } from "../base/mod.ts";
import type { CliIo, ProgressSnapshot } from "../api/mod.ts";
import type { ProgressMode } from "../config/mod.ts";
import { ProgressPrinter } from "./progress_printer.ts";

const STOP_SIGNALS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT", "SIGBREAK"]
  : ["SIGINT", "SIGTERM"];
/** One press of Ctrl-C may arrive twice, from the terminal and from a parent. */
const SECOND_SIGNAL_MS = 1_000;

interface Sink {
  writeSync(bytes: Uint8Array): number;
}

/** Writes everything; whoever reads may have gone away, and that is no error of ours. */
function writeAll(sink: Sink, text: string): void {
  const bytes = new TextEncoder().encode(text);
  try {
    for (let at = 0; at < bytes.length;) at += sink.writeSync(bytes.subarray(at));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

function columns(): number {
  try {
    return Deno.consoleSize().columns;
  } catch {
    return 80;
  }
}

export interface TerminalOptions {
  readonly progress: ProgressMode;
  readonly color: boolean;
  readonly quiet: boolean;
  /** How long after the first signal a second one counts; tests make it 0. */
  readonly secondSignalMs?: number;
}

/** A `CliIo` over the process; `close` leaves the terminal tidy and gives the signals back. */
export class TerminalIo implements CliIo {
  readonly terminal = Deno.stderr.isTerminal();
  readonly color: boolean;
  readonly #printer: ProgressPrinter;
  readonly #stop = new Set<() => void>();
  readonly #reload = new Set<() => void>();
  readonly #undo: Cancel[] = [];
  readonly #secondSignalMs: number;
  #listening = false;
  #stoppedAt: number | undefined;

  constructor(options: TerminalOptions) {
    this.#secondSignalMs = options.secondSignalMs ?? SECOND_SIGNAL_MS;
    this.color = options.color && this.terminal;
    const mode = options.quiet || options.progress === "off"
      ? "off"
      : options.progress === "auto"
      ? this.terminal ? "tty" : "plain"
      : options.progress;
    this.#printer = new ProgressPrinter(
      mode,
      { write: (text) => writeAll(Deno.stderr, text), columns },
      new SystemClock(),
    );
  }

  out(line: string): void {
    writeAll(Deno.stdout, line + "\n");
  }
  err(line: string): void {
    this.#printer.line(line);
  }
  progress(snapshot: ProgressSnapshot): void {
    this.#printer.update(snapshot);
  }
  onStop(listener: () => void): Cancel {
    if (!this.#listening) this.#listen();
    this.#stop.add(listener);
    return () => {
      this.#stop.delete(listener);
    };
  }
  onReload(listener: () => void): Cancel {
    if (Deno.build.os === "windows") return () => {};
    if (this.#reload.size === 0) this.#on("SIGHUP", () => this.#reload.forEach((l) => l()));
    this.#reload.add(listener);
    return () => {
      this.#reload.delete(listener);
    };
  }
  close(): void {
    this.#printer.finish();
    for (const undo of this.#undo.splice(0)) undo();
  }

  #on(signal: Deno.Signal, handler: () => void): void {
    Deno.addSignalListener(signal, handler);
    this.#undo.push(() => Deno.removeSignalListener(signal, handler));
  }

  #listen(): void {
    this.#listening = true;
    for (const signal of STOP_SIGNALS) this.#on(signal, () => this.#stopAsked());
  }

  #stopAsked(): void {
    const now = performance.now();
    if (this.#stoppedAt === undefined) {
      this.#stoppedAt = now;
      this.err("stopping; press again to end at once");
      for (const listener of [...this.#stop]) listener();
    } else if (now - this.#stoppedAt >= this.#secondSignalMs) {
      this.#printer.finish();
      writeAll(
        Deno.stderr,
        "error: ended at once by a second signal; hint: the next start repairs the store\n",
      );
      Deno.exit(ExitCode.FORCED);
    }
  }
}
