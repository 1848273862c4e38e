/**
 * Asks the node that uses a data directory.
 *
 * Why it exists: commands steer a running node through its socket (config-cli-metrics.md §8.3). What must stay true: "no
 * node runs here" is told apart from "it does not want to", and no call waits longer than its limit.
 */
import { type IncomingMessage, request } from "node:http";
import { ExitCode, HsyncError, safeText } from "../base/mod.ts";
import {
  ADMIN_TRANSPORT,
  adminPortPath,
  adminSocketPath,
  type AdminTransport,
  parseAdminPort,
} from "./admin_place.ts";

export interface AdminCall {
  readonly method: "GET" | "POST";
  /** For example `/forgive`. */
  readonly path: string;
  readonly body?: Readonly<Record<string, string>>;
}

const TIMEOUT_MS = 5_000;
/** A status document with all its streams is a megabyte at most. */
const MAX_ANSWER = 16 * 1024 * 1024;

function noNode(dir: string, why: string, cause?: unknown): HsyncError {
  return new HsyncError("NO_NODE", `no node answers for the store in ${dir}: ${why}`, {
    exitCode: ExitCode.NO_ANSWER,
    hint: "start it with `hsync run`, or name its data directory and shard with -d and --run.shard",
    ...(cause === undefined ? {} : { cause }),
  });
}

interface Place {
  readonly connect: { readonly socketPath: string } | { readonly host: string; readonly port: number };
  readonly headers: Record<string, string>;
}

async function findPlace(dir: string, transport: AdminTransport): Promise<Place> {
  const path = transport === "socket" ? adminSocketPath(dir) : adminPortPath(dir);
  try {
    if (transport === "port") {
      const port = parseAdminPort(await Deno.readTextFile(path));
      if (port === undefined) throw noNode(dir, `${path} is damaged`);
      return {
        connect: { host: "127.0.0.1", port: port.port },
        headers: { authorization: `Bearer ${port.token}` },
      };
    }
    await Deno.stat(path);
  } catch (cause) {
    if (cause instanceof HsyncError) throw cause;
    throw noNode(dir, cause instanceof Deno.errors.NotFound ? `there is no ${path}` : String(cause), cause);
  }
  return { connect: { socketPath: path }, headers: {} };
}

interface RawAnswer {
  readonly status: number;
  readonly text: string;
}

async function textOf(message: IncomingMessage): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of message) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    if (text.length > MAX_ANSWER) throw new Error("the answer does not end");
  }
  return text;
}

/** One exchange on a connection of its own. `fetch` over a socket loses an answer now and then; this does not. */
function exchange(place: Place, call: AdminCall, timeoutMs: number): Promise<RawAnswer> {
  const body = call.body === undefined ? "" : JSON.stringify(call.body);
  return new Promise((resolve, reject) => {
    const asked = request({
      ...place.connect,
      path: call.path,
      method: call.method,
      headers: { ...place.headers, host: "hsync", "content-length": new TextEncoder().encode(body).length },
      agent: false,
    }, (message) => {
      textOf(message).then((text) => resolve({ status: message.statusCode ?? 0, text }), reject)
        .finally(() => clearTimeout(timer));
    });
    const timer = setTimeout(
      () => asked.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)),
      timeoutMs,
    );
    asked.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    asked.end(body);
  });
}

/** What the node gave as its reason. */
function refusal(status: number, body: unknown): HsyncError {
  const error = typeof body === "object" && body !== null && "error" in body ? body.error : undefined;
  if (typeof error === "object" && error !== null && "message" in error && "hint" in error) {
    const code = "code" in error ? String(error.code) : "ADMIN_REFUSED";
    return new HsyncError(code, safeText(String(error.message)), { hint: safeText(String(error.hint)) });
  }
  return new HsyncError("ADMIN_REFUSED", `the node answered ${status}`, {
    hint: "look into the log of the node",
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Sends one request to the node whose store lies in `dir`; resolves with its JSON answer.
 *
 * @throws {HsyncError} NO_NODE (exit 4); ADMIN_DENIED; what the node refuses with (NO_STREAM, ADMIN_BODY …)
 */
export async function askAdmin(
  dir: string,
  call: AdminCall,
  options: { readonly transport?: AdminTransport; readonly timeoutMs?: number } = {},
): Promise<unknown> {
  const place = await findPlace(dir, options.transport ?? ADMIN_TRANSPORT);
  let answer: RawAnswer;
  try {
    answer = await exchange(place, call, options.timeoutMs ?? TIMEOUT_MS);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    if (/EACCES|permission denied/i.test(why)) {
      throw new HsyncError("ADMIN_DENIED", `the node of the store in ${dir} belongs to another user`, {
        exitCode: ExitCode.NO_ANSWER,
        hint: "run the command as the user that runs the node",
        cause,
      });
    }
    const ended = /ECONNREFUSED|connection refused/i.test(why);
    throw noNode(dir, ended ? "the node that was there has ended" : safeText(why), cause);
  }
  const body = jsonOf(answer.text);
  if (answer.status !== 200) throw refusal(answer.status, body);
  return body;
}
