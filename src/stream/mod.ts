/** The stream protocol: streams to peers, requests over them, answers to others. Other folders import only from here. */
export * from "./types.ts";
export { type BlockChecker, checkBlocksHere } from "./client_checks.ts";
export type { ManagerTimes } from "./constants.ts";
export { ERROR_LABELS, type ErrorLabel, type FailureName, FAILURES } from "./fault.ts";
export { leaveNetwork } from "./leave.ts";
export { REQUEST_TYPES, type RequestType } from "./message.ts";
export { METRIC as STREAM_METRIC } from "./meters.ts";
export { type RateLimits } from "./rate_limiter.ts";
export { protocolId, SyncProtocol, type SyncProtocolOptions } from "./protocol.ts";
export { type CooldownInfo, type ProtocolSnapshot } from "./snapshot.ts";
