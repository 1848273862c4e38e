/**
 * The HTTP listener for metrics, health and status.
 *
 * Why it exists: one port for everything an operator's tools read (config-cli-metrics.md §8.3). What must stay
 * true: host and port are always given explicitly; a port in use ends the start with a hint instead of a node
 * without monitoring; stopping never takes longer than two seconds.
 */
import { HsyncError } from "../base/mod.ts";
import { createHandler, type RouteOptions } from "./routes.ts";

export interface HttpServer {
  readonly ip: string;
  /** The real port, also when 0 was asked for. */
  readonly port: number;
  /** `http://IP:PORT`, with a loopback address in place of a wildcard. */
  readonly url: string;
  close(): Promise<void>;
}

/** Time that open answers get when the listener closes. */
const DRAIN_MS = 2_000;

function urlOf(ip: string, port: number): string {
  const host = ip === "0.0.0.0" ? "127.0.0.1" : ip === "::" ? "[::1]" : ip.includes(":") ? `[${ip}]` : ip;
  return `http://${host}:${port}`;
}

/**
 * Starts listening.
 *
 * @param flag what to name in the hint, for example `--prometheus.port`.
 * @throws {HsyncError} HTTP_LISTEN (exit code 1) when the address cannot be had
 */
export function serveHttp(
  address: { readonly ip: string; readonly port: number },
  options: RouteOptions,
  flag: string,
): HttpServer {
  const handler = createHandler(options);
  const abort = new AbortController();
  let server: Deno.HttpServer<Deno.NetAddr>;
  try {
    server = Deno.serve({
      hostname: address.ip,
      port: address.port,
      signal: abort.signal,
      onListen: () => {},
      onError: (error) => {
        options.onError(error);
        return new Response("internal error\n", { status: 500 });
      },
    }, (request, info) => handler(request, info.remoteAddr.hostname));
  } catch (error) {
    const inUse = error instanceof Deno.errors.AddrInUse;
    throw new HsyncError(
      "HTTP_LISTEN",
      inUse
        ? `port ${address.port} on ${address.ip} is in use, so metrics and status cannot be served`
        : `cannot serve metrics and status on ${address.ip}:${address.port}: ${
          error instanceof Error ? error.message : String(error)
        }`,
      {
        hint: `choose another port with ${flag} PORT, or do without with --prometheus=false`,
        cause: error,
      },
    );
  }
  const { port } = server.addr;
  return {
    ip: address.ip,
    port,
    url: urlOf(address.ip, port),
    close: async () => {
      const timer = setTimeout(() => abort.abort(), DRAIN_MS);
      try {
        await server.shutdown();
        await server.finished;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
