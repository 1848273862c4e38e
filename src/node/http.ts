/**
 * The listeners of a node: metrics, health and status.
 *
 * Why it exists: a full node and light mode are asked in the same way. What must stay true: the metrics listener, where there is
 * one, is the address that is told; every listener is closed by what was pushed to `undo`.
 */
import type { Clock, Logger } from "../base/mod.ts";
import { type HttpServer, type Metrics, serveHttp, type StatusDocument } from "../api/mod.ts";
import type { LoadedConfig } from "../config/mod.ts";

export interface ListenerParts {
  readonly loaded: LoadedConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly status: () => StatusDocument;
  /** Monotonic ms of the last sign of life. */
  readonly tickedAt: () => number;
  readonly undo: Array<() => Promise<void> | void>;
}

/** Opens what the configuration asks for. @returns the first. @throws {HsyncError} a port that is in use */
export function openListeners(parts: ListenerParts): HttpServer | undefined {
  const { loaded, clock, metrics, undo } = parts;
  const { prometheus, status } = loaded.config;
  const log = parts.logger.child("api");
  const routes = {
    metrics,
    provider: {
      status: parts.status,
      sinceTickMs: () => clock.monotonic() - parts.tickedAt(),
      settings: () => ({ values: loaded.values, origins: loaded.origins, notices: loaded.notices }),
    },
    monotonic: () => clock.monotonic(),
    public: status.public,
    off: status.off,
    hosts: status.hosts,
    onError: (error: unknown) => log.error("answering an HTTP request failed", { error }),
  };
  const places = [
    ...(prometheus.enabled ? [{ at: prometheus, flag: "--prometheus.port" }] : []),
    ...(status.listen === undefined ? [] : [{ at: status.listen, flag: "--status.addr" }]),
  ];
  let first: HttpServer | undefined;
  for (const { at, flag } of places) {
    const server = serveHttp(at, routes, flag);
    first ??= server;
    undo.push(() => server.close());
  }
  return first;
}
