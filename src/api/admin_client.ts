/**
 * Asks the node that uses a data directory.
 *
 * Why it exists: commands steer a running node through its socket (config-cli-metrics.md §8.3). What must stay true: "no
 * node runs here" is told apart from "it does not want to", and no call waits longer than its limit.
 */
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

function noNode(dir: string, why: string, cause?: unknown): HsyncError {
  return new HsyncError("NO_NODE", `no node answers for the store in ${dir}: ${why}`, {
    exitCode: ExitCode.NO_ANSWER,
    hint: "start it with `hsync run`, or name its data directory and shard with -d and --run.shard",
    ...(cause === undefined ? {} : { cause }),
  });
}

interface Place {
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly client: Deno.HttpClient | undefined;
}

async function findPlace(dir: string, transport: AdminTransport): Promise<Place> {
  const path = transport === "socket" ? adminSocketPath(dir) : adminPortPath(dir);
  try {
    if (transport === "port") {
      const port = parseAdminPort(await Deno.readTextFile(path));
      if (port === undefined) throw noNode(dir, `${path} is damaged`);
      return {
        url: `http://127.0.0.1:${port.port}`,
        headers: { authorization: `Bearer ${port.token}` },
        client: undefined,
      };
    }
    await Deno.stat(path);
  } catch (cause) {
    if (cause instanceof HsyncError) throw cause;
    throw noNode(dir, cause instanceof Deno.errors.NotFound ? `there is no ${path}` : String(cause), cause);
  }
  // The name is not resolved: the socket is what is connected to.
  return {
    url: "http://hsync",
    headers: {},
    client: Deno.createHttpClient({ proxy: { transport: "unix", path } }),
  };
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
  try {
    const response = await fetch(`${place.url}${call.path}`, {
      method: call.method,
      headers: place.headers,
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
      ...(place.client === undefined ? {} : { client: place.client }),
      signal: AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS),
      redirect: "error",
    });
    const body: unknown = await response.json().catch(() => undefined);
    if (!response.ok) throw refusal(response.status, body);
    return body;
  } catch (cause) {
    if (cause instanceof HsyncError) throw cause;
    const why = cause instanceof Error
      ? (cause.cause instanceof Error ? cause.cause.message : cause.message)
      : String(cause);
    if (/permission denied/i.test(why)) {
      throw new HsyncError("ADMIN_DENIED", `the node of the store in ${dir} belongs to another user`, {
        exitCode: ExitCode.NO_ANSWER,
        hint: "run the command as the user that runs the node",
        cause,
      });
    }
    throw noNode(
      dir,
      safeText(/connection refused/i.test(why) ? "the node that was there has ended" : why),
      cause,
    );
  } finally {
    place.client?.close();
  }
}
