/**
 * One stream protocol of the node: everything of this folder put together for one protocol id.
 *
 * Why it exists: `node/` starts and stops it, `sync/` asks it for blocks, `api/` shows it. A node runs one for its
 * shard's chain and one for the epoch chain, each with managers and limits of its own (sync-protocol.md §2.1). What
 * must stay true: nothing above sees a stream object, and `stop` leaves nothing behind.
 */
import {
  type Cancel,
  type Clock,
  type FaultClass,
  type Logger,
  type Meter,
  type Random,
  SystemRandom,
} from "../base/mod.ts";
import { Advertiser, type DiscoveredPeer, type P2PHost } from "../p2p/mod.ts";
import { Allowances } from "./allowance.ts";
import { type BlockChecker, checkBlocksHere } from "./client_checks.ts";
import { SyncClient } from "./client.ts";
import type { ManagerTimes } from "./constants.ts";
import { StreamMeter } from "./meters.ts";
import { RateLimiter, type RateLimits } from "./rate_limiter.ts";
import { RequestManager } from "./request_manager.ts";
import type { Serving } from "./serve_loop.ts";
import { SyncServer } from "./server.ts";
import { type ProtocolSnapshot, snapshotOf, streamInfo } from "./snapshot.ts";
import { StreamManager } from "./stream_manager.ts";
import type {
  ChainReader,
  PeerMemory,
  PeerSource,
  RemovalReason,
  StreamCaps,
  StreamEvent,
  StreamHealthStats,
  StreamInfo,
} from "./types.ts";

export interface SyncProtocolOptions {
  readonly host: P2PHost;
  readonly service: "sync" | "epochsync";
  /** Name as in protocol ids, for example `localnet`. */
  readonly network: string;
  readonly shardId: number;
  /** The chain that is served. */
  readonly reader: ChainReader;
  readonly caps: StreamCaps;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
  /** For jitter only. */
  readonly random?: Random;
  readonly trusted?: readonly DiscoveredPeer[];
  /** `MaxAdvertiseWaitTime` in ms; default one hour. */
  readonly maxAdvertiseWaitMs?: number;
  readonly rateLimits?: RateLimits;
  readonly memory?: PeerMemory;
  readonly maxReserved?: number;
  readonly setupConcurrency?: number;
  /** Default: the guide's times. */
  readonly times?: ManagerTimes;
  /** Highest height that a peer can honestly have at a wall-clock time in ms (genesis time / block time, §2.9). */
  readonly heightBound?: (nowMs: number) => number;
  /** Decodes and checks delivered blocks; default: on this thread. */
  readonly checker?: BlockChecker;
  /** Request ids; default: the system's generator. Only a simulation that must replay gives its own. */
  readonly newId?: () => bigint;
  /** Default true: provide the protocol id in the DHT; `advertise()` begins it later. */
  readonly advertise?: boolean;
  /** Default true: take streams that peers open. False for a chain that this node has nothing of: it only asks. */
  readonly accepts?: boolean;
}

/** `harmony/<service>/<network>/<shard>/1.0.0`. */
export function protocolId(service: "sync" | "epochsync", network: string, shardId: number): string {
  return `harmony/${service}/${network}/${shardId}/1.0.0`;
}

/** A random 64-bit number, not 0: that one is left out on the wire and looks like no id. */
function randomId(): bigint {
  const word = new BigUint64Array(1);
  do crypto.getRandomValues(word); while (word[0] === 0n);
  return word[0] as bigint;
}

export class SyncProtocol implements PeerSource {
  /** The protocol id, also the label `topic`. */
  readonly id: string;
  readonly client: SyncClient;
  readonly #manager: StreamManager;
  readonly #requests: RequestManager;
  readonly #limiter: RateLimiter;
  readonly #makeAdvertiser: () => Advertiser;
  #wantsAdvertising: boolean;
  #state: "new" | "running" | "stopped" = "new";
  #advertiser: Advertiser | undefined;
  #ended: Promise<unknown> | undefined;
  readonly #clock: Clock;
  readonly #caps: StreamCaps;

  constructor(options: SyncProtocolOptions) {
    const { host, service, clock, caps } = options;
    this.id = protocolId(service, options.network, options.shardId);
    this.#clock = clock;
    this.#caps = caps;
    const logger = options.logger.child("stream");
    const meter = new StreamMeter(options.meter, this.id);
    const limiter = new RateLimiter(clock, options.rateLimits);
    this.#limiter = limiter;
    const server = new SyncServer(options.reader, { epochChain: service === "epochsync" });
    const allowances = new Allowances(clock);
    const serving: Serving = { server, limiter, allowances, clock, meter, logger };
    const bound = options.heightBound ?? (() => Number.MAX_SAFE_INTEGER);
    const heightBound = () => bound(clock.now());
    const newId = options.newId ?? randomId;
    const requests = new RequestManager({
      clock,
      meter,
      logger,
      newId,
      service,
      port: {
        send: (instance, id, type, frame, signal) => {
          const stream = this.#manager.stream(instance);
          return stream === undefined
            ? Promise.reject(new Error("the stream is gone"))
            : stream.ask(id, type, frame, signal);
        },
        probe: (instance) => {
          const stream = this.#manager.stream(instance);
          return stream === undefined ? Promise.reject(new Error("the stream is gone")) : stream.probe();
        },
        report: (instance, offence) => this.#manager.reportInstance(instance, offence),
        drained: (instance) => this.#manager.drained(instance),
      },
    });
    this.#requests = requests;
    this.#manager = new StreamManager({
      host,
      protocolId: this.id,
      config: {
        selfId: host.peerId,
        caps,
        ...(options.trusted === undefined ? {} : { trusted: options.trusted }),
        ...(options.maxReserved === undefined ? {} : { maxReserved: options.maxReserved }),
        ...(options.setupConcurrency === undefined ? {} : { setupConcurrency: options.setupConcurrency }),
        ...(options.times === undefined ? {} : { times: options.times }),
      },
      clock,
      logger,
      serving,
      requests,
      newId,
      heightBound,
      ...(options.memory === undefined ? {} : { memory: options.memory }),
      ...(options.accepts === undefined ? {} : { accepts: options.accepts }),
    });
    this.client = new SyncClient({
      requests,
      port: this.#manager,
      clock,
      meter,
      shardId: options.shardId,
      service,
      heightBound,
      checker: options.checker ?? checkBlocksHere,
    });
    this.#wantsAdvertising = options.advertise ?? true;
    const maxWaitMs = options.maxAdvertiseWaitMs ?? 60 * 60_000;
    const random = options.random ?? new SystemRandom();
    this.#makeAdvertiser = () => new Advertiser(host, [this.id], { clock, random, log: logger, maxWaitMs });
  }

  /** Serves, advertises and looks for peers from now on. */
  async start(): Promise<void> {
    this.#requests.start();
    await this.#manager.start();
    if (this.#state === "stopped") return;
    this.#state = "running";
    if (this.#wantsAdvertising) this.advertise();
  }

  /** Advertises from now on, if it did not; for a node that had nothing to serve before. */
  advertise(): void {
    this.#wantsAdvertising = true;
    if (this.#state === "running") this.#advertiser ??= this.#makeAdvertiser();
  }
  /** Whether others can find this node for the sake of this protocol. */
  get advertises(): boolean {
    return this.#wantsAdvertising;
  }

  /**
   * Prepares for leaving the network: ends our requests, serves those of others on. See `leaveNetwork`.
   */
  async leave(): Promise<void> {
    this.#state = "stopped";
    // What these two wait for may need the cut: a write that a peer does not take.
    this.#ended ??= Promise.all([this.#requests.stop(), this.#advertiser?.stop()]);
    await this.#manager.leave();
  }

  /** Ends every request and stream. At most a few seconds; nothing is left running. */
  async stop(): Promise<void> {
    this.#state = "stopped";
    this.#ended ??= Promise.all([this.#requests.stop(), this.#advertiser?.stop()]);
    await this.#manager.stop();
    await this.#ended;
    this.#limiter.stop();
  }

  streams(): readonly StreamInfo[] {
    const sources = { manager: this.#manager, requests: this.#requests, clock: this.#clock };
    return this.#manager.core.streams.main().filter((s) => s.state === "active").map((s) =>
      streamInfo(s, sources)
    );
  }
  report(streamId: string, fault: FaultClass, reason: RemovalReason, text: string): void {
    this.#manager.report(streamId, { fault, reason, text });
  }
  wantPeers(why: string): void {
    this.#manager.wantPeers(why);
  }
  /** The operator's wish for more peers: it waits for no cooldown. */
  discover(): void {
    this.#manager.wantPeers("the operator asked", true);
  }
  release(streamIds: readonly string[], why: string): void {
    this.#manager.release(streamIds, why);
  }
  on(listener: (event: StreamEvent) => void): Cancel {
    return this.#manager.events.on(listener);
  }

  /** The guide's health figures. */
  getStreamHealthStats(): StreamHealthStats {
    return this.#requests.getStreamHealthStats();
  }
  /** Ends the cooldown of a peer, or of all. @returns how many there were. */
  forgive(peer: string | "all"): number {
    return this.#manager.forgive(peer === "all" ? undefined : peer);
  }
  /** Ends the streams of a peer. @returns false when it has none. */
  drop(peer: string): boolean {
    return this.#manager.drop(peer);
  }
  /** Everything about the streams for `/status` and `/streams`. */
  snapshot(): ProtocolSnapshot {
    return snapshotOf(this.id, this.#caps, this.#wantsAdvertising, {
      manager: this.#manager,
      requests: this.#requests,
      clock: this.#clock,
    });
  }
}
