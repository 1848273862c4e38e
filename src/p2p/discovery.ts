/**
 * Questions to the DHT: who provides a namespace, and "I do".
 *
 * Why it exists: the library answers with raw query events, asks an empty routing table as readily as a full one,
 * and forgets to look addresses up that a server did not send along (sync-protocol.md §1.6). What must stay true: a
 * question waits until there is somebody to ask; a peer is reported once and never ourselves; everything ends at the
 * limit or the timeout; an announcement counts only when some server took it.
 */
import { peerIdFromString } from "@libp2p/peer-id";
import type { PeerId, PeerInfo } from "@libp2p/interface";
import type { KadDHT, QueryEvent } from "@libp2p/kad-dht";
import type { Multiaddr } from "@multiformats/multiaddr";
import { type Clock, HsyncError, isAbort, type Logger } from "../base/mod.ts";
import { isPrivateAddress } from "./addresses.ts";
import { Deadline } from "./deadline.ts";
import { namespaceCid } from "./namespace.ts";
import type { DiscoveredPeer } from "./types.ts";

/** Addresses kept of one peer: an address book without end is no address. */
export const MAX_PEER_ADDRESSES = 16;
/** Lookups of addresses at a time, within one question. */
const MAX_LOOKUPS = 8;
/** A first look around after the first entry of the routing table. */
const LOOK_AROUND_TIMEOUT = 20_000;

/** The part of the library's routing table that it does not declare. */
interface RoutingTable {
  readonly size: number;
  addEventListener(type: "peer:add", listener: () => void): void;
  removeEventListener(type: "peer:add", listener: () => void): void;
}

export interface DiscoveryOptions {
  readonly dht: KadDHT;
  readonly selfId: string;
  readonly privateNetwork: boolean;
  readonly clock: Clock;
  readonly log: Logger;
  /** True for peers that can be used without an address. */
  readonly isConnected: (peerId: string) => boolean;
  /** Number of addresses that an announcement would carry. */
  readonly announcedAddresses: () => number;
}

function routingTableOf(dht: KadDHT): RoutingTable {
  return (dht as unknown as { readonly routingTable: RoutingTable }).routingTable;
}

export class Discovery {
  readonly #table: RoutingTable;
  readonly #stopped = new AbortController();
  #lookAround: Promise<void> | undefined;

  constructor(private readonly options: DiscoveryOptions) {
    this.#table = routingTableOf(options.dht);
    this.#table.addEventListener("peer:add", this.#onPeer);
  }

  get routingTableSize(): number {
    return this.#table.size;
  }

  /** Ends everything that is under way. */
  async stop(): Promise<void> {
    this.#table.removeEventListener("peer:add", this.#onPeer);
    this.#stopped.abort();
    await this.#lookAround;
  }

  /** The first peer fills the table: asking for our own neighbourhood makes its table known to us. */
  readonly #onPeer = (): void => {
    if (this.#lookAround !== undefined) return;
    this.#lookAround = this.#fill();
  };

  async #fill(): Promise<void> {
    const { dht, selfId, clock, log } = this.options;
    const deadline = new Deadline(clock, LOOK_AROUND_TIMEOUT, this.#stopped.signal);
    try {
      const key = peerIdFromString(selfId).toMultihash().bytes;
      for await (
        const _ of dht.getClosestPeers(key, { signal: deadline.signal })
      ) { /* answers fill the table */ }
      log.debug("routing table filled", { size: this.#table.size });
    } catch (error) {
      if (!deadline.over) log.debug("first look around failed", { error });
    } finally {
      deadline.end();
    }
  }

  /** Resolves to true once the routing table has an entry, to false when `signal` aborts first. */
  #tableFilled(signal: AbortSignal): Promise<boolean> {
    if (this.#table.size > 0) return Promise.resolve(true);
    if (signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const done = () => {
        this.#table.removeEventListener("peer:add", done);
        signal.removeEventListener("abort", done);
        resolve(this.#table.size > 0);
      };
      this.#table.addEventListener("peer:add", done);
      signal.addEventListener("abort", done, { once: true });
    });
  }

  /** @see P2PHost.discover */
  async *discover(
    namespace: string,
    limits: { readonly limit: number; readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
  ): AsyncGenerator<DiscoveredPeer, void, undefined> {
    const deadline = new Deadline(this.options.clock, limits.timeoutMs, limits.signal, this.#stopped.signal);
    const limit = limits.limit > 0 ? limits.limit : Infinity;
    const seen = new Set<string>([this.options.selfId]);
    const unplaced: PeerId[] = [];
    let given = 0;
    try {
      if (!(await this.#tableFilled(deadline.signal))) return;
      for await (const event of this.#query(namespace, deadline)) {
        if (event.name !== "PROVIDER") continue;
        for (const provider of event.providers) {
          const peerId = provider.id.toString();
          if (seen.has(peerId)) continue;
          seen.add(peerId);
          const addresses = this.#usable(provider.multiaddrs);
          if (addresses.length === 0 && !this.options.isConnected(peerId)) {
            unplaced.push(provider.id);
            continue;
          }
          yield { peerId, addresses };
          if (++given >= limit) return;
        }
      }
      for (let at = 0; at < unplaced.length && !deadline.over; at += MAX_LOOKUPS) {
        const batch = unplaced.slice(at, at + MAX_LOOKUPS);
        for (const peer of await Promise.all(batch.map((id) => this.#lookUp(id, deadline)))) {
          if (peer === undefined) continue;
          yield peer;
          if (++given >= limit) return;
        }
      }
    } finally {
      deadline.end();
    }
  }

  /** The events of a provider query; ends quietly at the deadline. */
  async *#query(namespace: string, deadline: Deadline): AsyncGenerator<QueryEvent, void, undefined> {
    try {
      yield* this.options.dht.findProviders(namespaceCid(namespace), { signal: deadline.signal });
    } catch (error) {
      if (deadline.over) return;
      throw new HsyncError("P2P_DISCOVERY_FAILED", `asking the DHT for providers of ${namespace}`, {
        retryable: true,
        cause: error,
      });
    }
  }

  async #lookUp(id: PeerId, deadline: Deadline): Promise<DiscoveredPeer | undefined> {
    try {
      for await (const event of this.options.dht.findPeer(id, { signal: deadline.signal })) {
        if (event.name !== "FINAL_PEER") continue;
        const addresses = this.#usable(event.peer.multiaddrs);
        if (addresses.length > 0) return { peerId: id.toString(), addresses };
      }
    } catch (error) {
      if (!deadline.over) {
        this.options.log.debug("no address of a provider found", { peerId: id.toString(), error });
      }
    }
    return undefined;
  }

  /** TCP addresses that may be dialled on this network, at most `MAX_PEER_ADDRESSES`. */
  #usable(addresses: PeerInfo["multiaddrs"]): string[] {
    const texts = addresses.filter((a) => this.#dialable(a)).map((a) => a.toString());
    return [...new Set(texts)].slice(0, MAX_PEER_ADDRESSES);
  }

  #dialable(address: Multiaddr): boolean {
    const names = address.getComponents().map((c) => c.name);
    if (names[1] !== "tcp" || names.slice(2).some((n) => n !== "p2p")) return false;
    return this.options.privateNetwork || !isPrivateAddress(address);
  }

  /** @see P2PHost.advertise */
  async advertise(
    namespace: string,
    limits: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
  ): Promise<void> {
    const failed = (why: string, cause?: unknown) =>
      new HsyncError("P2P_ADVERTISE_FAILED", `announcing ${namespace}: ${why}`, { retryable: true, cause });
    const deadline = new Deadline(this.options.clock, limits.timeoutMs, limits.signal, this.#stopped.signal);
    try {
      if (!(await this.#tableFilled(deadline.signal))) {
        deadline.throwIfCancelled(`announcing ${namespace}`);
        throw failed(`no DHT server known after ${limits.timeoutMs} ms`);
      }
      if (this.options.announcedAddresses() === 0) {
        throw failed("we have no address yet that others could use");
      }
      let taken = 0;
      let refusal: unknown;
      for await (
        const event of this.options.dht.provide(namespaceCid(namespace), { signal: deadline.signal })
      ) {
        if (event.name === "PEER_RESPONSE" && event.messageName === "ADD_PROVIDER") taken++;
        else if (event.name === "QUERY_ERROR") refusal = event.error;
      }
      deadline.throwIfCancelled(`announcing ${namespace}`);
      if (taken === 0) throw failed(deadline.over ? "no time left" : "no DHT server took it", refusal);
    } catch (error) {
      if (error instanceof HsyncError) throw error;
      deadline.throwIfCancelled(`announcing ${namespace}`);
      throw failed(deadline.over || isAbort(error) ? "no time left" : "the query failed", error);
    } finally {
      deadline.end();
    }
  }
}
