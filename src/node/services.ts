/**
 * The stream protocols of a full node: its own chain, the beacon chain's epochs, and other shards' headers.
 *
 * Why it exists: which shard offers, takes and advertises what is one decision (sync-protocol.md §2.1). What must stay true: a
 * beacon node offers the epoch chain out of its own; a node of another shard takes it from whoever has it and offers it
 * again; the protocols are ended by who owns the host, together with it (`leaveNetwork`); what uses a protocol is pushed to
 * `undo`, to be ended before.
 */
import type { NetworkParams } from "../chain/mod.ts";
import type { HsyncConfig } from "../config/mod.ts";
import type { P2PHost } from "../p2p/mod.ts";
import type { ChainStore } from "../store/mod.ts";
import { SyncProtocol, type SyncProtocolOptions } from "../stream/mod.ts";
import type { EpochFollower } from "../sync/mod.ts";
import type { EpochPart } from "./epochs.ts";
import { HistoryWatch } from "./history.ts";
import { type Common, epochProtocol, followedEpochs, ownProtocol } from "./network_parts.ts";
import { SourceHeaders } from "./source_headers.ts";

export interface ServiceOptions {
  readonly config: HsyncConfig;
  readonly params: NetworkParams;
  readonly store: ChainStore;
  readonly epochs: EpochPart;
  readonly parts: Common;
  /** What ends things, in the order in which they began; the host's end is in it already. */
  readonly undo: Array<() => Promise<void> | void>;
}

export class StreamServices {
  readonly #o: ServiceOptions;
  /** The node's own chain first; grows while the node starts, and when another shard is asked for the first time. */
  readonly protocols: SyncProtocol[] = [];
  readonly history: HistoryWatch;
  #follower: EpochFollower | undefined;
  #bodies: SourceHeaders | undefined;

  constructor(options: ServiceOptions) {
    this.#o = options;
    const { config, store, epochs, parts } = options;
    this.history = new HistoryWatch({
      store,
      enabled: config.sync.enabled,
      awaitsCheckpoint: () => epochs.awaited !== undefined,
      logger: parts.logger.child("sync"),
    });
  }

  /** The stream protocol of the node's own chain; only after `start` of a node that has one. */
  get own(): SyncProtocol {
    return this.protocols[0] as SyncProtocol;
  }
  /** Proves incoming receipts by headers of other shards; undefined where that is not asked for. */
  get bodies(): SourceHeaders | undefined {
    return this.#bodies;
  }
  /** Follows the beacon chain, on other shards than 0 that synchronise. */
  get follower(): EpochFollower | undefined {
    return this.#follower;
  }

  /** Starts what the configuration asks for. @throws what the protocols throw */
  async start(host: P2PHost): Promise<void> {
    const { config, params, store, parts } = this.#o;
    const { sync, shard } = config;
    if (!sync.enabled && !sync.client) return;
    const { history } = this;
    history.add(await this.#start(host, ownProtocol(config, params, store, parts, history.enough)));
    if (shard !== 0) await this.#followEpochs(host);
    else if (sync.enabled) {
      history.add(await this.#start(host, epochProtocol(config, params, store, parts, history.enough)));
    }
    if (sync.client && sync.proveBodies) this.#proveBodies(host);
  }

  /** Asks other shards' nodes for headers, beside everything else. */
  #proveBodies(host: P2PHost): void {
    const { config, params, store, parts, undo } = this.#o;
    const onOpened = (protocol: SyncProtocol) => void this.protocols.push(protocol);
    const bodies = new SourceHeaders({ config, params, host, store, parts, onOpened });
    undo.push(() => bodies.stop());
    bodies.start();
    this.#bodies = bodies;
  }

  /** The beacon chain's epochs: taken from whoever has them, and offered again. */
  async #followEpochs(host: P2PHost): Promise<void> {
    const { config, params, store, parts, epochs, undo } = this.#o;
    const protocol = await this.#start(host, followedEpochs(config, params, store, epochs.reader(), parts));
    if (!config.sync.client) return;
    undo.push(() => epochs.stop());
    this.#follower = await epochs.follow(protocol);
  }

  async #start(host: P2PHost, settings: Omit<SyncProtocolOptions, "host">): Promise<SyncProtocol> {
    const protocol = new SyncProtocol({ host, ...settings });
    this.protocols.push(protocol);
    await protocol.start();
    return protocol;
  }
}
