/**
 * Shows progress while other lines go on being printed.
 *
 * Why it exists: on a terminal a small region stays at the bottom and log lines scroll above it; elsewhere a plain
 * line appears now and then (config-cli-metrics.md §8.6). What must stay true: at most four redraws a second; no
 * escape code ever reaches a file or a pipe; whatever happens, the last thing on a terminal is a whole line.
 */
import type { Cancel, Clock } from "../base/mod.ts";
import type { ProgressSnapshot } from "../api/mod.ts";
import { plainLine, terminalLines } from "./progress.ts";

export interface ProgressOutput {
  /** Writes text as it is. */
  write(text: string): void;
  /** Width of the terminal in characters. */
  columns(): number;
}

const REDRAW_MS = 250;
const BUSY_MS = 10_000;
const IDLE_MS = 60_000;

export class ProgressPrinter {
  #drawn = 0;
  #shown: string[] = [];
  #latest: ProgressSnapshot | undefined;
  #lastAt = -Infinity;
  #lastState: string | undefined;
  #timer: Cancel | undefined;
  #finished = false;

  constructor(
    private readonly mode: "tty" | "plain" | "off",
    private readonly output: ProgressOutput,
    private readonly clock: Clock,
  ) {}

  /** The newest state; shown at once or soon. */
  update(snapshot: ProgressSnapshot): void {
    if (this.mode === "off" || this.#finished) return;
    this.#latest = snapshot;
    if (this.mode === "plain") this.#plain(snapshot);
    else this.#scheduleDraw();
  }

  /** Prints a line; the region moves down. */
  line(text: string): void {
    if (this.#drawn === 0) return this.output.write(text + "\n");
    this.#erase();
    this.output.write(text + "\n");
    this.#draw();
  }

  /** Shows the last state once more and leaves it standing. */
  finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#timer?.();
    this.#timer = undefined;
    if (this.mode === "tty" && this.#latest !== undefined) {
      this.#erase();
      this.#draw();
    }
    this.#drawn = 0;
  }

  #plain(snapshot: ProgressSnapshot): void {
    const now = this.clock.monotonic();
    const pause = snapshot.state === "inSync" || snapshot.mode === "idle" ? IDLE_MS : BUSY_MS;
    const changed = snapshot.state !== this.#lastState && now - this.#lastAt >= 1_000;
    if (!changed && now - this.#lastAt < pause) return;
    this.#lastAt = now;
    this.#lastState = snapshot.state;
    this.output.write(plainLine(snapshot) + "\n");
  }

  #scheduleDraw(): void {
    if (this.#timer !== undefined) return;
    const wait = REDRAW_MS - (this.clock.monotonic() - this.#lastAt);
    if (wait <= 0) return this.#redraw();
    this.#timer = this.clock.after(wait, () => {
      this.#timer = undefined;
      this.#redraw();
    });
  }

  #redraw(): void {
    this.#lastAt = this.clock.monotonic();
    this.#erase();
    this.#draw();
  }

  /** Removes the region; lines of an earlier, wider terminal may have wrapped, so their rows are counted anew. */
  #erase(): void {
    if (this.#drawn === 0) return;
    const columns = Math.max(1, this.output.columns());
    const rows = this.#shown.reduce((n, l) => n + Math.max(1, Math.ceil([...l].length / columns)), 0);
    this.output.write(`\u001b[${rows}A\r\u001b[J`);
    this.#drawn = 0;
  }

  #draw(): void {
    if (this.#latest === undefined) return;
    this.#shown = terminalLines(this.#latest, this.output.columns());
    this.output.write(this.#shown.join("\n") + "\n");
    this.#drawn = this.#shown.length;
  }
}
