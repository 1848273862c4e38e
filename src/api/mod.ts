/** Metrics, HTTP, status, and the contract between commands and node. */
export * from "./surface.ts";
export * from "./label_values.ts";
export { CATALOGUE, GUIDE_METRICS, type MetricSpec } from "./catalogue.ts";
export { Metrics, METRICS_CONTENT_TYPE, type MetricsOptions } from "./metrics.ts";
export {
  type BuildInfo,
  EventLoopMonitor,
  type ProcessFigures,
  readProcess,
  reportProcess,
} from "./process_metrics.ts";
export * from "./status_types.ts";
export {
  buildStatus,
  type HeightReport,
  IN_SYNC_MAX_AGE_SECONDS,
  IN_SYNC_TOLERANCE,
  targetOf,
} from "./status.ts";
export { healthLine, notReadyReason, progressOf, redactStatus, reportStatus } from "./status_views.ts";
export { createHandler, type RouteOptions, type StatusProvider } from "./routes.ts";
export { type HttpServer, serveHttp } from "./http.ts";
export {
  type AdminActions,
  type AdminOptions,
  createAdminHandler,
  type DiscoveryAnswer,
  isPeerText,
} from "./admin.ts";
export { type AdminCall, askAdmin } from "./admin_client.ts";
export { adminPortPath, adminSocketPath, type AdminTransport } from "./admin_place.ts";
export { type AdminServer, serveAdmin } from "./admin_server.ts";
export { DASHBOARD, RULES, SYSTEMD_UNIT } from "./shipped.ts";
export { jsonLine } from "./log_json.ts";
export { limitRepeats } from "./log_repeat.ts";
export { LogFile, type LogFileOptions } from "./log_file.ts";
export { type LogSinks, type LogTarget, openLogSinks } from "./log_sinks.ts";
export { BUILD, type FullBuildInfo } from "./build_info.ts";
export { ageText, bannerLines, type BannerParts } from "./banner.ts";
export { type StreamTotals, TrafficMeter } from "./traffic_meter.ts";
export { RecentErrors } from "./recent_errors.ts";
export { protocolStatus, requestsStatus } from "./protocol_status.ts";
