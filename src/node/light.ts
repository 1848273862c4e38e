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
  type HttpServer,
  IN_SYNC_MAX_AGE_SECONDS,
  readProcess,
  type RecentErrors,
  reportStatus,
  type StatusDocument,
} from "../api/mod.ts";
import type { Header, NetworkParams } from "../chain/mod.ts";
import type { LoadedConfig } from "../config/mod.ts";
import { createHost, type LibP2PHost } from "../p2p/mod.ts";
import { leaveNetwork, SyncProtocol, type SyncProtocolOptions } from "../stream/mod.ts";
import {
  DiagnosisLog,
  LightClient,
  type LightStatusDocument,
  lightStatusJson,
  type LightTrust,
} from "../sync/mod.ts";
import { endAll, type NodeBase, openBase, type Undo } from "./base.ts";
import { paramsOf } from "./chain.ts";
import { conflictOf } from "./conflicts.ts";
import { openListeners } from "./http.ts";
import { followedEpochs, genesisReader, hostOptions, ownProtocol } from "./network_parts.ts";
import { isPublic, statusParts } from "./status.ts";

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
  readonly #undo: Undo[] = [];
  #stopped: Promise<void> | undefined;
  #base!: NodeBase;
  #genesis!: Header;
  #host!: LibP2PHost;
  #light!: LightClient;
  readonly #protocols: SyncProtocol[] = [];
  #http: HttpServer | undefined;
  readonly #findings = new DiagnosisLog();

  private constructor(options: LightNodeOptions, readonly params: NetworkParams) {
    // Whatever the file says: this node fetches.
    const { config } = options.loaded;
    const loaded = { ...options.loaded, config: { ...config, sync: { ...config.sync, client: true } } };
    this.#o = { ...options, loaded };
    this.startedAt = options.clock.now();
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
    const base = await openBase({
      config,
      params,
      clock,
      logger,
      startedAt: this.startedAt,
      ownChain: false,
      undo: this.#undo,
    });
    this.#base = base;
    const { metrics, traffic, certificates, epochs: trust, store } = base;
    this.#genesis = params.genesisBlock(config.shard).header;
    this.#host = await createHost(hostOptions(config, params, base.identity, this.#o));
    this.#undo.push(() => leaveNetwork(this.#host, this.#protocols));
    await this.#startProtocols();
    const [own, epochs = own] = this.#protocols;
    this.#light = new LightClient({
      params,
      shardId: config.shard,
      peers: own as SyncProtocol,
      epochs: trust.makeFollower(epochs as SyncProtocol),
      verifier: certificates,
      anchors: trust.anchors,
      records: store,
      clock,
      logger: logger.child("sync"),
      meter: traffic,
      ...(trust.checkpoints.beacon === undefined ? {} : { checkpoint: trust.checkpoints.beacon }),
      ...(isPublic(config.network) ? { maxHeadAgeSeconds: IN_SYNC_MAX_AGE_SECONDS } : {}),
    });
    this.#undo.push(this.#light.on((event) => {
      if (event.type === "failed") trust.keepEvidence(event.error);
    }));
    this.#undo.push(() => this.#light.stop());
    this.#undo.push(reportStatus(metrics, () => this.document()));
    this.#http = openListeners({
      loaded,
      clock,
      logger,
      metrics,
      status: () => this.document(),
      tickedAt: base.tickedAt,
      undo: this.#undo,
    });
    this.#light.start();
    if (trust.checkpoints.own !== undefined && config.shard !== 0) {
      logger.info("light mode needs no checkpoint of its own shard; the beacon chain's is used");
    }
  }

  /** Streams of the shard, and of the epoch chain unless the shard is the beacon chain, whose nodes have both. */
  async #startProtocols(): Promise<void> {
    const { clock, random, logger, loaded: { config } } = this.#o;
    const { store, traffic, epochs } = this.#base;
    const parts = { clock, random, logger, meter: traffic };
    const host = this.#host;
    const own = ownProtocol(config, this.params, store, parts);
    // There is no history here that anybody could come for, and blocks of a full node's store have not been checked.
    const reader = genesisReader(this.params, config.shard);
    const settings: Omit<SyncProtocolOptions, "host">[] = [{
      ...own,
      reader,
      advertise: false,
      accepts: false,
    }];
    if (config.shard !== 0) {
      settings.push({
        ...followedEpochs(config, this.params, store, epochs.reader(), parts),
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
    return lightStatusJson(this.#light.status(), this.#trust());
  }
  #trust(): LightTrust {
    const { epochs } = this.#base;
    return { anchor: epochs.anchorStatus(), age: epochs.checkpointAge() };
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
      ...this.#base.status(),
      head: this.#genesis,
      sync: undefined,
      starting: undefined,
      joined: true,
      epochs: { epochs: light.epochs, check: undefined },
      awaited: undefined,
      bodies: undefined,
      unadvertised: undefined,
      conflict: conflictOf(this.#light.failed, this.#base.evidence),
      findings: this.#findings,
      stopping: this.#stopped !== undefined,
      errors,
    });
    const waits = [light.waiting, light.epochs.waiting].filter((w) => w !== undefined);
    const doc = buildStatus({
      ...parts,
      client: true,
      inSync: light.state === "synced",
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
    const json = lightStatusJson(light, this.#trust());
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
    return this.#base.traffic.bytesPerSecond();
  }

  /** Stops everything in reverse order. Never rejects: a part that cannot stop cleanly is logged. */
  stop(): Promise<void> {
    this.#stopped ??= endAll(this.#undo, this.#o.logger);
    return this.#stopped;
  }
}
