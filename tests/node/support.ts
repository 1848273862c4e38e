/** Starting hsync as a separate process, as an operator would. */
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

/** What a finished process left behind. */
export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running hsync process. */
export class Process {
  readonly #child: Deno.ChildProcess;
  readonly #readers: Promise<void>[];
  #stdout = "";
  #stderr = "";
  readonly #watchers = new Set<() => void>();

  constructor(
    args: readonly string[],
    options: { readonly cwd?: string; readonly env?: Record<string, string> } = {},
  ) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "--config", CONFIG, MAIN, ...args],
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1", ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    }).spawn();
    this.#readers = [
      this.#read(this.#child.stdout, (text) => this.#stdout += text),
      this.#read(this.#child.stderr, (text) => this.#stderr += text),
    ];
  }
  async #read(stream: ReadableStream<Uint8Array>, add: (text: string) => void): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      add(decoder.decode(chunk, { stream: true }));
      for (const watcher of [...this.#watchers]) watcher();
    }
    for (const watcher of [...this.#watchers]) watcher();
  }
  get stdout(): string {
    return this.#stdout;
  }
  get stderr(): string {
    return this.#stderr;
  }
  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }
  /** Resolves with the match once the output contains it. @throws {Error} when the process ends without it. */
  async line(pattern: RegExp): Promise<RegExpExecArray> {
    const ended = this.#child.status.then(() => Promise.all(this.#readers)).then(() => true);
    for (;;) {
      const found = pattern.exec(this.#stdout) ?? pattern.exec(this.#stderr);
      if (found !== null) return found;
      let wake = () => {};
      const more = new Promise<false>((resolve) => {
        wake = () => resolve(false);
        this.#watchers.add(wake);
      });
      const over = await Promise.race([ended, more]);
      this.#watchers.delete(wake);
      if (over && pattern.exec(this.#stdout + this.#stderr) === null) {
        throw new Error(`ended without ${pattern}:\n${this.#stdout}\n${this.#stderr}`);
      }
    }
  }
  /** Waits for the end. */
  async end(): Promise<Finished> {
    const { code } = await this.#child.status;
    await Promise.all(this.#readers);
    return { code, stdout: this.#stdout, stderr: this.#stderr };
  }
}

/** Runs hsync to its end. */
export function hsync(
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Record<string, string> } = {},
): Promise<Finished> {
  return new Process(args, options).end();
}

/** Flags of a node that stays on loopback and keeps everything below `dir`. */
export function localFlags(dir: string, more: readonly string[] = []): string[] {
  return [
    "-n",
    "localnet",
    "--run.shard",
    "0",
    "-d",
    dir,
    "--p2p.ip",
    "127.0.0.1",
    "--p2p.port",
    "0",
    "--p2p.keyfile",
    `${dir}/.hmykey`,
    "--prometheus.ip",
    "127.0.0.1",
    "--prometheus.port",
    "0",
    "--log.dir",
    `${dir}/log`,
    "--sync.min-peers",
    "1",
    "--sync.init-peers",
    "1",
    "--progress",
    "off",
    ...more,
  ];
}
