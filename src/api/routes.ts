/**
 * What each path of the status listener answers (config-cli-metrics.md §8.3).
 *
 * Why it exists: routing and rendering are a pure function of a request and the node's state, so tests need no
 * socket. What must stay true: no request changes anything; every body is fresh (`no-store`); strangers get the
 * redacted form.
 */
import type { ConfigValue, Notice, Origin } from "../config/mod.ts";
import { isAllowedHost, seesEverything } from "./callers.ts";
import { type Metrics, METRICS_CONTENT_TYPE } from "./metrics.ts";
import type { StatusDocument } from "./status_types.ts";
import { healthLine, notReadyReason, redactStatus } from "./status_views.ts";

/** What the routes ask a running node. */
export interface StatusProvider {
  /** The document now; the routes ask at most once a second. */
  status(): StatusDocument;
  /** ms since the main loop last made a step of any kind. */
  sinceTickMs(): number;
  /** Settings with their origin, for `/config`. */
  settings(): {
    readonly values: ReadonlyMap<string, ConfigValue>;
    readonly origins: ReadonlyMap<string, Origin>;
    readonly notices: readonly Notice[];
  };
}

export interface RouteOptions {
  readonly metrics: Metrics;
  readonly provider: StatusProvider;
  /** ms, never jumps back: for the one-second memory of the status. */
  readonly monotonic: () => number;
  /** Full detail for everybody. */
  readonly public: boolean;
  /** Only `/metrics` and `/health`. */
  readonly off: boolean;
  /** Host names that callers may use beside addresses and loopback names. */
  readonly hosts: readonly string[];
  readonly onError: (error: unknown) => void;
}

interface Asked {
  readonly full: boolean;
  readonly status: () => StatusDocument;
}

type Route = (asked: Asked) => Response | Promise<Response>;

/** The main loop may be busy for so long before `/health` says 503. */
const TICK_LIMIT_MS = 30_000;
/** Paths that probes and scrapers reach by any name: nothing there is worth a rebinding attack. */
const OPEN_PATHS: ReadonlySet<string> = new Set(["/metrics", "/health", "/ready", "/node-sync", "/height"]);

function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body) + "\n", {
    status,
    headers: { "content-type": "application/json; charset=utf-8", ...headers },
  });
}

function text(body: string, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(body + "\n", {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", ...headers },
  });
}

function metricsRoute({ metrics, onError }: RouteOptions): Route {
  let inFlight = 0;
  return async () => {
    metrics.set("promhttp_metric_handler_requests_in_flight", {}, ++inFlight);
    try {
      const body = await metrics.scrape();
      metrics.inc("promhttp_metric_handler_requests_total", { code: "200" });
      return new Response(body, { headers: { "content-type": METRICS_CONTENT_TYPE } });
    } catch (error) {
      onError(error);
      metrics.inc("promhttp_metric_handler_requests_total", { code: "500" });
      return text("the metrics could not be read", 500);
    } finally {
      metrics.set("promhttp_metric_handler_requests_in_flight", {}, --inFlight);
    }
  };
}

function settingsRoute({ provider }: RouteOptions): Route {
  return ({ full }) => {
    if (!full) return text("settings are shown to callers on the same machine only", 403);
    const { values, origins, notices } = provider.settings();
    const rows = [...values].map(([key, value]) => [key, {
      value: typeof value === "bigint" ? String(value) : value,
      source: origins.get(key)?.source ?? "default",
      where: origins.get(key)?.where ?? "",
    }]);
    return json({ schema: 1, values: Object.fromEntries(rows), notices });
  };
}

function buildRoutes(options: RouteOptions): ReadonlyMap<string, Route> {
  const { provider } = options;
  const routes = new Map<string, Route>([
    ["/metrics", metricsRoute(options)],
    ["/health", ({ status }) => {
      const alive = provider.sinceTickMs() <= TICK_LIMIT_MS;
      const body = { schema: 1, alive, uptimeSeconds: status().node.uptimeSeconds };
      return json(body, alive ? 200 : 503);
    }],
  ]);
  if (options.off) return routes;
  routes.set("/ready", ({ status }) => {
    const doc = status();
    return doc.sync.inSync
      ? json({ schema: 1, ready: true, reason: "in sync" })
      : json({ schema: 1, ready: false, reason: notReadyReason(doc) }, 503, { "retry-after": "10" });
  });
  routes.set("/node-sync", ({ status }) => {
    const { inSync } = status().sync;
    return text(String(inSync), inSync ? 200 : 418);
  });
  routes.set("/height", ({ status }) => {
    const doc = status();
    return json({ [doc.node.shard]: doc.sync.current.height });
  });
  routes.set("/status", ({ status, full }) => json(full ? status() : redactStatus(status())));
  routes.set("/streams", ({ status, full }) => {
    const doc = full ? status() : redactStatus(status());
    return json({ schema: 1, time: doc.time, ...doc.streams, requests: doc.requests });
  });
  routes.set("/config", settingsRoute(options));
  const paths = [...routes.keys()].join("\n");
  routes.set("/", ({ status }) => text(`hsync ${healthLine(status())}\n\n${paths}`));
  return routes;
}

/** The handler: a request and the address it came from give the answer. */
export function createHandler(
  options: RouteOptions,
): (request: Request, remoteIp: string) => Promise<Response> {
  const routes = buildRoutes(options);
  let memory: { readonly at: number; readonly doc: StatusDocument } | undefined;
  const status = () => {
    const now = options.monotonic();
    if (memory === undefined || now - memory.at >= 1_000) {
      memory = { at: now, doc: options.provider.status() };
    }
    return memory.doc;
  };
  const answer = async (request: Request, remoteIp: string): Promise<Response> => {
    const path = new URL(request.url).pathname;
    const route = routes.get(path);
    if (route === undefined) {
      const extra = path === "/metrics/eth" ? "the second metrics registry belongs to the Go node\n\n" : "";
      return text(`${extra}there is nothing here; the paths are:\n${[...routes.keys()].join("\n")}`, 404);
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      return text("only GET is answered here", 405, { allow: "GET, HEAD" });
    }
    if (!OPEN_PATHS.has(path) && !isAllowedHost(request.headers.get("host"), options.hosts)) {
      return text("this host name is not known here; add it with --status.hosts", 403);
    }
    return await route({ full: seesEverything(remoteIp, request.headers, options.public), status });
  };
  return async (request, remoteIp) => {
    let response: Response;
    try {
      response = await answer(request, remoteIp);
    } catch (error) {
      options.onError(error);
      response = text("this could not be answered; the log says why", 500);
    }
    response.headers.set("cache-control", "no-store");
    response.headers.set("x-content-type-options", "nosniff");
    return response;
  };
}
