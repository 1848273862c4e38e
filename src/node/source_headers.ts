/**
 * Proving incoming receipts as a part of a node: streams to other shards, and the prover that asks them (`[Sync] ProveBodies`).
 *
 * Why it exists: a node of one shard has no header of another, and most never need one. What must stay true: no stream to
 * another shard is opened before a block needs it, and none is offered; a source shard that the network does not have
 * opens nothing, whatever a block says; whatever is started here is ended by `stop`, but for protocols that somebody else
 * was told to end.
 */
import { HsyncError } from "../base/mod.ts";
import type { BodiesStatus } from "../api/mod.ts";
import type { NetworkParams } from "../chain/mod.ts";
import type { HsyncConfig } from "../config/mod.ts";
import type { P2PHost } from "../p2p/mod.ts";
import { type PeerSource, protocolId, SyncProtocol } from "../stream/mod.ts";
import { BodyProver, type ProverStore, type SourceShards } from "../sync/mod.ts";
import { type Common, sourceProtocol } from "./network_parts.ts";

/** A wait shorter than this is the ordinary way of things, ms. */
const WAIT_MS = 60_000;

export interface SourceHeadersOptions {
  readonly config: HsyncConfig;
  readonly params: NetworkParams;
  readonly host: P2PHost;
  readonly store: ProverStore;
  readonly parts: Common;
  /** Told of every protocol that is to be opened; whoever is told ends it, together with its host. */
  readonly onOpened?: (protocol: SyncProtocol) => void;
}

export class SourceHeaders implements SourceShards {
  readonly prover: BodyProver;
  readonly #o: SourceHeadersOptions;
  readonly #opening = new Map<number, Promise<SyncProtocol>>();
  readonly #protocols: SyncProtocol[] = [];
  #stopped = false;

  constructor(options: SourceHeadersOptions) {
    this.#o = options;
    const { store, parts: { clock, logger, meter } } = options;
    this.prover = new BodyProver({ store, sources: this, clock, logger: logger.child("sync"), meter });
  }

  /** The protocols that are open, in the order in which they were opened. */
  get protocols(): readonly SyncProtocol[] {
    return this.#protocols;
  }
  start(): void {
    this.prover.start();
  }
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.prover.stop();
    await Promise.allSettled(this.#opening.values());
    if (this.#o.onOpened === undefined) await Promise.all(this.#protocols.map((p) => p.stop()));
  }

  async peersOf(shardId: number): Promise<PeerSource | undefined> {
    const known = this.#opening.get(shardId);
    if (known !== undefined) return await known;
    const { config, params, host, parts } = this.#o;
    if (this.#stopped) return undefined;
    let settings;
    try {
      settings = sourceProtocol(config, params, shardId, parts);
    } catch (error) {
      if (error instanceof HsyncError && error.code === "SHARD_UNKNOWN") return undefined;
      throw error;
    }
    const opening = this.#start(new SyncProtocol({ host, ...settings }));
    this.#opening.set(shardId, opening);
    try {
      return await opening;
    } catch (error) {
      this.#opening.delete(shardId);
      throw error;
    }
  }
  async #start(protocol: SyncProtocol): Promise<SyncProtocol> {
    this.#protocols.push(protocol);
    this.#o.onOpened?.(protocol);
    await protocol.start();
    return protocol;
  }

  /** For `/status`. */
  status(): BodiesStatus {
    const { since, lowest, lookedTo, streams, ...figures } = this.prover.status();
    return {
      ...figures,
      lowest: lowest ?? null,
      since: since === undefined ? null : new Date(since).toISOString(),
      lookedTo: Math.max(0, lookedTo),
      streams: Object.entries(streams).map(([shard, count]) => ({ shard: Number(shard), streams: count })),
    };
  }
}

/**
 * What the node waits for on their account, for `/status`, after a minute: somebody to ask. Blocks that everybody was asked
 * about in vain stand in `bodies` alone.
 */
export function bodyWaits(
  bodies: BodiesStatus | undefined,
  now: number,
): Array<{ readonly what: string; readonly since: number }> {
  const since = bodies?.since === null || bodies === undefined ? now : Date.parse(bodies.since);
  const waiting = bodies === undefined ? 0 : bodies.reasons.nobody + bodies.reasons.lacking;
  if (waiting === 0 || now - since < WAIT_MS) return [];
  const what = `headers of other shards, to prove the incoming receipts of ${waiting} block${
    waiting === 1 ? "" : "s"
  }`;
  return [{ what, since }];
}

/** Protocol ids of the shards that a node may ask for headers: labels are fixed when the node starts. */
export function sourceTopics(config: HsyncConfig, params: NetworkParams): string[] {
  if (!config.sync.proveBodies) return [];
  const shards = Array.from({ length: params.shardCountAt(0) }, (_, id) => id);
  return shards.filter((id) => id !== config.shard).map((id) => protocolId("sync", params.name, id));
}
