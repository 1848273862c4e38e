/**
 * Finding the node that a command is about.
 *
 * Why it exists: a node answers on its HTTP listener, where other programs ask too, and on the socket in its data directory,
 * where it can be steered; either may be missing. What must stay true: an address that the operator names is the only one
 * asked; 4 is the exit code when nobody answers (config-cli-metrics.md §8.2).
 */
import { asHsyncError, ExitCode, HsyncError, safeText } from "../base/mod.ts";
import { askAdmin } from "../api/mod.ts";
import { storeDirectory } from "../store/mod.ts";
import { type CommandCall, textOf } from "./command.ts";
import { outcome } from "./report_error.ts";
import { load } from "./run_command.ts";

const TIMEOUT_MS = 5_000;

/** The directory by which the node of a call is known. */
export function nodeDirectory(call: CommandCall): string {
  const { config } = load(call);
  return storeDirectory(config.dataDir, config.shard);
}

/** The listener to ask: named, or that of the configuration; undefined when it has none, or none that is known. */
export function listenerUrl(call: CommandCall): string | undefined {
  const named = textOf(call, "url");
  if (named !== undefined) return named.replace(/\/+$/, "");
  const { prometheus } = load(call).config;
  if (!prometheus.enabled || prometheus.port === 0) return undefined;
  const ip = prometheus.ip === "0.0.0.0" ? "127.0.0.1" : prometheus.ip === "::" ? "::1" : prometheus.ip;
  return `http://${ip.includes(":") ? `[${ip}]` : ip}:${prometheus.port}`;
}

/** A document from a listener, or why there is none. */
async function fromListener<T>(url: string, path: string, is: (v: unknown) => v is T): Promise<T | string> {
  try {
    const response = await fetch(`${url}${path}`, {
      signal: AbortSignal.timeout(TIMEOUT_MS),
      redirect: "error",
    });
    const body: unknown = await response.json();
    return response.ok && is(body) ? body : `it answers ${response.status}, but not as a node of hsync does`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function fromSocket<T>(
  call: CommandCall,
  path: string,
  is: (v: unknown) => v is T,
): Promise<T | string> {
  try {
    const body = await askAdmin(nodeDirectory(call), { method: "GET", path });
    return is(body) ? body : "the node there is of another version";
  } catch (error) {
    return asHsyncError(error).message;
  }
}

/** Where a document may come from, in the order of asking. */
export type Order = readonly ["listener", "socket"] | readonly ["socket", "listener"];

/**
 * A document of a running node.
 *
 * @param path the same on listener and socket, for example `/status`.
 * @param noAnswer called with where the node was looked for, before the error is thrown.
 * @throws {HsyncError} exit code 4 when nobody answers
 */
export async function askNode<T>(
  call: CommandCall,
  path: string,
  is: (value: unknown) => value is T,
  order: Order,
  noAnswer: (where: string) => void = () => {},
): Promise<T> {
  const url = listenerUrl(call);
  const named = textOf(call, "url") !== undefined;
  const tried: string[] = [];
  for (const way of order) {
    if (way === "socket" && named || way === "listener" && url === undefined) continue;
    const answer = way === "socket"
      ? await fromSocket(call, path, is)
      : await fromListener(url ?? "", path, is);
    if (typeof answer !== "string") return answer;
    tried.push(way === "socket" ? answer : `no node answers at ${url}: ${answer}`);
  }
  noAnswer(url ?? nodeDirectory(call));
  throw outcome(
    ExitCode.NO_ANSWER,
    safeText(tried.join("; "), 500),
    "start it with `hsync run`, name its listener with --url, or its data directory with -d",
  );
}

/** Sends an action to the node of the call. @throws {HsyncError} NO_NODE (exit 4), or what the node refuses with */
export async function tellNode(
  call: CommandCall,
  path: string,
  body?: Readonly<Record<string, string>>,
): Promise<Readonly<Record<string, unknown>>> {
  const answer = await askAdmin(nodeDirectory(call), {
    method: "POST",
    path,
    ...(body === undefined ? {} : { body }),
  });
  if (typeof answer === "object" && answer !== null) return answer as Readonly<Record<string, unknown>>;
  throw new HsyncError("NODE_ANSWER", "the node answered something else than it was asked for", {
    hint: "do node and command have the same version?",
  });
}
