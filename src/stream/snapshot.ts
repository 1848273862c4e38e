/**
 * The state of the stream layer as plain data, for `/status`, `/streams` and `PeerSource.streams()`
 * (config-cli-metrics.md §8.4).
 *
 * Why it exists: "nothing waits silently" needs everything that the managers know in one place. What must stay true:
 * times are wall-clock ms here, computed from the monotonic ones at the moment of asking; nothing returned is alive.
 */
import type { Clock } from "../base/mod.ts";
import type { RequestManager } from "./request_manager.ts";
import type { StreamState } from "./states.ts";
import type { StreamManager } from "./stream_manager.ts";
import type { CoreStream } from "./stream_set.ts";
import type { RemovalReason, StreamCaps, StreamHealthStats, StreamInfo } from "./types.ts";

/** A peer that may not come back yet. */
export interface CooldownInfo {
  readonly id: string;
  readonly removals: number;
  readonly reason: RemovalReason;
  readonly critical: boolean;
  readonly remainingMs: number;
  /** ms since 1970. */
  readonly until: number;
}

/** A stream in any state, with everything that its score is made from. */
export interface StreamDetail extends Omit<StreamInfo, "state"> {
  readonly state: StreamState;
  /** Share of good answers, 0..1; see score.ts. */
  readonly success: number;
  /** Blocks a second, the round trip left out; undefined before the first measurement. */
  readonly itemsPerSecond: number | undefined;
}

export interface ProtocolSnapshot {
  readonly topic: string;
  /** Whether others can find this node for the sake of this protocol. */
  readonly advertised: boolean;
  readonly active: number;
  readonly reserved: number;
  readonly cooldown: number;
  /** Peers whose cooldown is over but not forgotten: the next one takes it into account. */
  readonly expired: number;
  /** Peers that did not answer on our stream, or ended it at once, and when (ms since 1970) the first is tried again. */
  readonly refused: { readonly peers: number; readonly nextAt: number | undefined };
  readonly connecting: number;
  readonly trusted: number;
  readonly required: StreamCaps & { readonly reservedMax: number };
  readonly health: StreamHealthStats;
  readonly discovery: {
    readonly running: boolean;
    /** ms since 1970, as all times here. */
    readonly lastAt: number | undefined;
    readonly lastFound: number;
    readonly lastConnected: number;
    readonly nextAt: number | undefined;
    readonly cooldownUntil: number | undefined;
    /** True for some minutes after most streams were lost at once. */
    readonly outage: boolean;
  };
  readonly requests: ReturnType<RequestManager["snapshot"]>;
  /** Every stream: those that have a place first. */
  readonly list: readonly StreamDetail[];
  readonly cooldownList: readonly CooldownInfo[];
}

/** Where the data comes from. */
export interface SnapshotSources {
  readonly manager: StreamManager;
  readonly requests: RequestManager;
  readonly clock: Clock;
}

/** A monotonic time as wall-clock ms. */
function wall(clock: Clock, at: number): number {
  return Math.round(clock.now() + at - clock.monotonic());
}

/** What is known of a stream that carries requests. */
export function streamInfo(stream: CoreStream, sources: SnapshotSources): StreamInfo {
  const { success: _success, itemsPerSecond: _rate, ...info } = streamDetail(stream, sources);
  return { ...info, state: stream.state === "reserved" ? "reserved" : "active" };
}

function streamDetail(stream: CoreStream, { manager, requests, clock }: SnapshotSources): StreamDetail {
  const now = clock.monotonic();
  const { core } = manager;
  const live = manager.stream(stream.instance);
  const requestType = requests.working(stream.instance);
  return {
    id: stream.peer,
    instance: stream.instance,
    state: stream.state,
    direction: stream.direction,
    address: stream.address,
    muxer: stream.muxer,
    trusted: core.discovery.isTrusted(stream.peer),
    since: wall(clock, stream.openedAt),
    height: stream.height,
    heightAt: stream.heightAt === undefined ? undefined : wall(clock, stream.heightAt),
    failures: core.book.failures(stream.peer, now),
    busy: requestType !== undefined,
    requestType,
    latencyMs: stream.capacity.latencyMs,
    bytesIn: live?.bytesIn ?? 0,
    bytesOut: live?.bytesOut ?? 0,
    score: core.streams.score(stream, now),
    success: core.book.success(stream.peer),
    itemsPerSecond: stream.capacity.itemsPerSecond,
    blocksPerRequest: stream.capacity.blocksPerRequest(),
    suspended: requests.isSuspended(stream.peer),
  };
}

export function snapshotOf(
  topic: string,
  caps: StreamCaps,
  advertised: boolean,
  sources: SnapshotSources,
): ProtocolSnapshot {
  const { manager, requests, clock } = sources;
  const { core } = manager;
  const now = clock.monotonic();
  const { running, lastAt, lastFound, lastConnected, retryAt, cooldownUntil, outageUntil } =
    core.discovery.status;
  const refusing = core.book.refusing(now);
  const cooldownList = [...core.book.cooldowns.entries()]
    .filter(([id]) => core.peerState(id, now) === "removed")
    .sort(([, a], [, b]) => b.expireAt - a.expireAt)
    .map(([id, r]) => ({
      id,
      removals: r.count,
      reason: r.reason,
      critical: r.critical,
      remainingMs: Math.round(r.expireAt - now),
      until: wall(clock, r.expireAt),
    }));
  return {
    topic,
    advertised,
    active: core.streams.activeCount,
    reserved: core.streams.reservedCount,
    cooldown: cooldownList.length,
    expired:
      [...core.book.cooldowns.entries()].filter(([id]) => core.peerState(id, now) === "expired").length,
    refused: {
      peers: refusing.peers,
      nextAt: refusing.nextAt === undefined ? undefined : wall(clock, refusing.nextAt),
    },
    connecting: core.discovery.connecting,
    trusted: core.discovery.trustedCount,
    required: { ...caps, reservedMax: core.streams.maxReserved },
    health: requests.getStreamHealthStats(),
    discovery: {
      running,
      lastAt: lastAt === undefined ? undefined : wall(clock, lastAt),
      lastFound,
      lastConnected,
      nextAt: retryAt === undefined ? undefined : wall(clock, retryAt),
      cooldownUntil: now < cooldownUntil ? wall(clock, cooldownUntil) : undefined,
      outage: now < outageUntil,
    },
    requests: requests.snapshot(),
    list: [...new Set([...core.streams.main(), ...core.streams.all()])].map((s) => streamDetail(s, sources)),
    cooldownList,
  };
}
