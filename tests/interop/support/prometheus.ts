/**
 * A real Prometheus that reads one of our nodes.
 *
 * Why it exists: only Prometheus itself knows whether a query of the operator guide returns data. What must stay true: nothing
 * but loopback is used; where the program is not on the machine the tests are left out, with one line that says so.
 */
import { fileURLToPath } from "node:url";
import { until } from "./ours.ts";

/** How often it reads, ms: `rate` needs two readings. */
const SCRAPE_MS = 500;
const RULES = fileURLToPath(new URL("../../../config/prometheus-rules.yml", import.meta.url));

/** One series of an answer. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  /** Seconds since 1970, and the value as text. */
  readonly value: readonly [number, string];
}

/** A rule as Prometheus sees it after evaluating it. */
export interface RuleHealth {
  readonly name: string;
  readonly health: string;
  readonly lastError?: string;
}

/** @returns the program's path, from the environment variable or by its name; undefined: it does not start. */
export async function findTool(variable: string, name: string): Promise<string | undefined> {
  const path = Deno.env.get(variable) ?? name;
  try {
    const { success } = await new Deno.Command(path, {
      args: ["--version"],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).output();
    return success ? path : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

export class Prometheus implements AsyncDisposable {
  private constructor(
    readonly url: string,
    private readonly child: Deno.ChildProcess,
    private readonly log: Promise<void>,
    private readonly dir: string,
  ) {}

  /** Starts one that reads `target` (host:port) and evaluates the shipped rules. */
  static async start(program: string, target: string): Promise<Prometheus> {
    const dir = await Deno.makeTempDir({ prefix: "hsync-prometheus-" });
    const every = `${SCRAPE_MS}ms`;
    // JSON is YAML.
    const config = {
      global: { scrape_interval: every, scrape_timeout: every, evaluation_interval: every },
      rule_files: [RULES],
      scrape_configs: [{ job_name: "hsync", static_configs: [{ targets: [target] }] }],
    };
    await Deno.writeTextFile(`${dir}/prometheus.yml`, JSON.stringify(config));
    const child = new Deno.Command(program, {
      args: [
        `--config.file=${dir}/prometheus.yml`,
        `--storage.tsdb.path=${dir}/data`,
        "--web.listen-address=127.0.0.1:0",
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const listening = Promise.withResolvers<string>();
    let text = "";
    const log = (async () => {
      for await (const part of child.stderr.pipeThrough(new TextDecoderStream())) {
        text += part;
        const address = /msg="Listening on" address=(\S+)/.exec(text)?.[1];
        if (address !== undefined) listening.resolve(address);
      }
      listening.reject(new Error(`Prometheus ended:\n${text}`));
    })();
    try {
      return new Prometheus(`http://${await listening.promise}`, child, log, dir);
    } catch (error) {
      await child.status;
      await Deno.remove(dir, { recursive: true });
      throw error;
    }
  }

  /** Asks the HTTP API. @throws {Error} when Prometheus refuses the question */
  async #ask<T>(path: string): Promise<T> {
    const response = await fetch(`${this.url}/api/v1/${path}`);
    const answer = await response.json() as { status: string; error?: string; data: T };
    if (answer.status !== "success") throw new Error(`${path}: ${answer.error}`);
    return answer.data;
  }
  /** The series that a query returns now. @throws {Error} when it is no query */
  async query(expr: string): Promise<readonly Sample[]> {
    const data = await this.#ask<{ result: readonly Sample[] }>(`query?query=${encodeURIComponent(expr)}`);
    return data.result;
  }
  async rules(): Promise<readonly RuleHealth[]> {
    const { groups } = await this.#ask<{ groups: readonly { rules: readonly RuleHealth[] }[] }>("rules");
    return groups.flatMap((group) => group.rules);
  }
  /** Resolves once a query returns a series whose value is above `least`. */
  async above(expr: string, least: number): Promise<void> {
    await until(expr, async () => {
      // It answers 503 until its storage is there.
      const found = await this.query(expr).catch(() => []);
      return found.some(({ value: [, value] }) => Number(value) > least);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.child.status;
    await this.log;
    await Deno.remove(this.dir, { recursive: true });
  }
}
