/**
 * A node in light mode: the epoch chain and the newest certified header of a shard, and nothing else.
 *
 * Why it exists: "what is the head, how old is it, who signed it?" can be answered in seconds, by anybody, without trusting
 * anybody. What must stay true: no block of the shard is stored; what is answered is certified; parts start from the
 * bottom up and stop from the top down.
 */
import type { Clock, Logger, Random } from "../base/mod.ts";
import {
  buildStatus,
  EventLoopMonitor,
  type HttpServer,
  Metrics,
  readProcess,
  type RecentErrors,
  reportStatus,
  type StatusDocument,
  TrafficMeter,
} from "../api/mod.ts";
import type { Header, NetworkParams } from "../chain/mod.ts";
import type { LoadedConfig } from "../config/mod.ts";
import { createCertificateVerifier } from "../crypto/mod.ts";
import { createHost, type LibP2PHost, loadIdentity } from "../p2p/mod.ts";
import { type ChainStore, storeDirectory } from "../store/mod.ts";
import { leaveNetwork, protocolId, SyncProtocol } from "../stream/mod.ts";
import { DiagnosisLog, LightClient, type LightStatusDocument, lightStatusJson } from "../sync/mod.ts";
import { openConfiguredChain, paramsOf } from "./chain.ts";
import { type ClockWatch, watchClock } from "./clock_watch.ts";
import { EpochPart } from "./epochs.ts";
import { EvidenceFiles } from "./evidence.ts";
import { openListeners } from "./http.ts";
import { followedEpochs, hostOptions, ownProtocol } from "./network_parts.ts";
import { statusParts } from "./status.ts";

export interface LightNodeOptions {
  readonly loaded: LoadedConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly errors: RecentErrors;
  /** Default: those of the configured network. */
  readonly params?: NetworkParams;
}

/** A running light node. */
export class LightNode {
  readonly startedAt: number;
  readonly #o: LightNodeOptions;
  readonly #undo: Array<() => Promise<void> | void> = [];
  #stopped: Promise<void> | undefined;
  #store!: ChainStore;
  #genesis!: Header;
  #epochs!: EpochPart;
  #host!: LibP2PHost;
  #light!: LightClient;
  readonly #protocols: SyncProtocol[] = [];
  #http: HttpServer | undefined;
  #lag!: EventLoopMonitor;
  #traffic!: TrafficMeter;
  #clockWatch: ClockWatch | undefined;
  #tickedAt: number;
  readonly #findings = new DiagnosisLog();

  private constructor(options: LightNodeOptions, readonly params: NetworkParams) {
    // Whatever the file says: this node fetches.
    const { config } = options.loaded;
    const loaded = { ...options.loaded, config: { ...config, sync: { ...config.sync, client: true } } };
    this.#o = { ...options, loaded };
    this.startedAt = options.clock.now();
    this.#tickedAt = options.clock.monotonic();
  }

  /** @throws {HsyncError} what the parts throw; nothing is left running then. */
  static async start(options: LightNodeOptions): Promise<LightNode> {
    const node = new LightNode(options, options.params ?? paramsOf(options.loaded.config));
    try {
      await node.#start();
      return node;
    } catch (error) {
      await node.stop();
      throw error;
    }
  }

  get light(): LightClient {
    return this.#light;
  }
  get host(): LibP2PHost {
    return this.#host;
  }
  get statusUrl(): string | undefined {
    return this.#http?.url;
  }
  /** Protocol ids without a leading slash, the shard's own first. */
  get topics(): readonly string[] {
    return this.#protocols.map((p) => p.id);
  }

  async #start(): Promise<void> {
    const { loaded, clock, logger } = this.#o;
    const { config } = loaded;
    const { params } = this;
    const identity = await loadIdentity(config.p2p.keyFile, logger.child("p2p"));
    const topics = [protocolId("sync", params.name, config.shard), protocolId("epochsync", params.name, 0)];
    const metrics = new Metrics({
      // Figures of the epoch chain are those of shard 0.
      shards: [...new Set([config.shard, 0])],
      topics,
      strict: false,
      logger: logger.child("api"),
    });
    this.#traffic = new TrafficMeter(metrics, clock);
    this.#store = await openConfiguredChain(config, {
      clock,
      logger: logger.child("store"),
      meter: this.#traffic,
      peerId: identity.peerId,
    });
    this.#undo.push(() => this.#store.close());
    this.#genesis = params.genesisBlock(config.shard).header;
    const certificates = createCertificateVerifier({ logger, clock });
    this.#undo.push(() => certificates.close());
    this.#epochs = await EpochPart.open({
      config,
      params,
      store: this.#store,
      certificates,
      clock,
      logger: logger.child("sync"),
      meter: this.#traffic,
      evidence: new EvidenceFiles(
        `${storeDirectory(config.dataDir, config.shard)}/evidence`,
        logger.child("sync"),
      ),
    });
    this.#undo.push(() => this.#epochs.stop());
    this.#clockWatch = watchClock(config, params, { clock, logger: logger.child("node") });
    this.#undo.push(() => this.#clockWatch?.stop());
    this.#lag = new EventLoopMonitor(clock);
    this.#undo.push(() => this.#lag.stop());
    this.#undo.push(clock.every(1_000, () => {
      this.#tickedAt = clock.monotonic();
    }));
    this.#host = await createHost(hostOptions(config, params, identity, this.#o));
    this.#undo.push(() => leaveNetwork(this.#host, this.#protocols));
    await this.#startProtocols();
    const [own, epochs = own] = this.#protocols;
    this.#light = new LightClient({
      params,
      shardId: config.shard,
      peers: own as SyncProtocol,
      epochs: this.#epochs.makeFollower(epochs as SyncProtocol),
      verifier: certificates,
      anchors: this.#epochs.anchors,
      records: this.#store,
      clock,
      logger: logger.child("sync"),
      ...(this.#epochs.checkpoints.beacon === undefined
        ? {}
        : { checkpoint: this.#epochs.checkpoints.beacon }),
    });
    this.#undo.push(this.#light.on((event) => {
      if (event.type === "failed") this.#epochs.keepEvidence(event.error);
    }));
    this.#undo.push(() => this.#light.stop());
    this.#undo.push(reportStatus(metrics, () => this.document()));
    this.#http = openListeners({
      loaded,
      clock,
      logger,
      metrics,
      status: () => this.document(),
      tickedAt: () => this.#tickedAt,
      undo: this.#undo,
    });
    this.#light.start();
    if (this.#epochs.checkpoints.own !== undefined && config.shard !== 0) {
      logger.info("light mode needs no checkpoint of its own shard; the beacon chain's is used");
    }
  }

  /** Streams of the shard, and of the epoch chain unless the shard is the beacon chain, whose nodes have both. */
  async #startProtocols(): Promise<void> {
    const { clock, random, logger, loaded: { config } } = this.#o;
    const parts = { clock, random, logger, meter: this.#traffic };
    const host = this.#host;
    const own = ownProtocol(config, this.params, this.#store, parts);
    // There is no history here that anybody could come for.
    const settings = [{ ...own, advertise: false }];
    if (config.shard !== 0) {
      settings.push({
        ...followedEpochs(config, this.params, this.#store, this.#epochs.reader(), parts),
        advertise: config.sync.enabled,
      });
    }
    for (const options of settings) {
      const protocol = new SyncProtocol({ host, ...options });
      this.#protocols.push(protocol);
      await protocol.start();
    }
  }

  /** What light mode knows now. */
  status(): LightStatusDocument {
    return lightStatusJson(this.#light.status(), this.#epochs.anchorStatus());
  }

  /** The `/status` document, with what light mode knows as `light`; peers are not named there. */
  document(): StatusDocument & { readonly light: LightStatusDocument } {
    const { loaded, clock, errors } = this.#o;
    const light = this.#light.status();
    const head = light.head ?? this.#genesis;
    const parts = statusParts({
      loaded,
      clock,
      startedAt: this.startedAt,
      startHeight: 0,
      peerId: this.#host.peerId,
      host: this.#host.status(),
      protocols: this.#protocols.map((p) => p.snapshot()),
      store: this.#store,
      storePath: storeDirectory(loaded.config.dataDir, loaded.config.shard),
      head: this.#genesis,
      sync: undefined,
      starting: undefined,
      joined: true,
      ...this.#epochs.trust(),
      epochs: { epochs: light.epochs, check: undefined },
      awaited: undefined,
      bodies: undefined,
      unadvertised: undefined,
      findings: this.#findings,
      stopping: this.#stopped !== undefined,
      traffic: this.#traffic,
      errors,
      eventLoopLagMsP99: this.#lag.p99Ms(),
      clockOffset: this.#clockWatch?.last,
    });
    const waits = [light.waiting, light.epochs.waiting].filter((w) => w !== undefined);
    const doc = buildStatus({
      ...parts,
      client: true,
      phase: this.#stopped !== undefined
        ? "stopping"
        : light.state === "waitingForStreams"
        ? "waitingForStreams"
        : "running",
      head: { height: head.number, hash: head.hash, epoch: head.epoch, time: Number(head.time) * 1000 },
      target: light.target === undefined ? undefined : { ...light.target, source: "peers" },
      epochRunning: light.state === "epochs",
      waiting: waits,
      assurance: {
        lowest: "signed",
        text: "light mode: the head and the end of every epoch are certified; no block is stored",
      },
    }, readProcess());
    const json = lightStatusJson(light, this.#epochs.anchorStatus());
    const unnamed = <R extends { readonly from: string }>(refusal: R | null) =>
      refusal === null ? null : { ...refusal, from: "" };
    return {
      ...doc,
      light: {
        ...json,
        refused: unnamed(json.refused),
        epochChain: { ...json.epochChain, refused: unnamed(json.epochChain.refused) },
      },
    };
  }

  bytesPerSecond(): number {
    return this.#traffic.bytesPerSecond();
  }

  /** Stops everything in reverse order. Never rejects: a part that cannot stop cleanly is logged. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }
  async #stop(): Promise<void> {
    for (const undo of this.#undo.splice(0).reverse()) {
      try {
        await undo();
      } catch (error) {
        this.#o.logger.error("a part of the light node did not stop cleanly", { error });
      }
    }
  }
}
