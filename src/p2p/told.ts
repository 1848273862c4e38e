/**
 * What connected peers told us of themselves.
 *
 * Why it exists: who speaks a protocol can be had without asking the DHT, and where a peer listens is worth keeping for
 * the next start. What must stay true: the list of a stranger is cut to what a node of the network needs; addresses
 * that nobody outside can reach count only on a private network.
 */
import type { IdentifyResult } from "@libp2p/interface";
import { isPrivateAddress } from "./addresses.ts";
import { MAX_PEER_ADDRESSES } from "./discovery.ts";

/** What we remember of a peer's identify list: enough for every protocol of a Harmony node. */
const MAX_PROTOCOLS = 64;
const MAX_PROTOCOL_LENGTH = 140;

interface Told {
  readonly protocols: ReadonlySet<string>;
  readonly addresses: readonly string[];
}

export class PeersTold {
  readonly #told = new Map<string, Told>();

  constructor(private readonly privateNetwork: boolean) {}

  /** Takes what identify brought. A list without protocols says nothing and changes nothing. */
  note(result: IdentifyResult): void {
    if (result.protocols.length === 0) return;
    const short = result.protocols.filter((p) => p.length <= MAX_PROTOCOL_LENGTH);
    this.#told.set(result.peerId.toString(), {
      protocols: new Set(short.slice(0, MAX_PROTOCOLS)),
      addresses: this.#addresses(result),
    });
  }
  forget(peerId: string): void {
    this.#told.delete(peerId);
  }
  clear(): void {
    this.#told.clear();
  }

  /** True for a connected peer that has said who it is. */
  has(peerId: string): boolean {
    return this.#told.has(peerId);
  }
  protocolsOf(peerId: string): string[] {
    return [...this.#told.get(peerId)?.protocols ?? []];
  }
  speaking(protocol: string): string[] {
    return [...this.#told].flatMap(([peerId, { protocols }]) => protocols.has(protocol) ? [peerId] : []);
  }
  /** Multiaddr texts without the peer id. */
  addressesOf(peerId: string): readonly string[] {
    return this.#told.get(peerId)?.addresses ?? [];
  }

  /** Where a peer says that it listens; the address that we dialled comes first. */
  #addresses({ connection, listenAddrs }: IdentifyResult): string[] {
    const dialled = connection.direction === "outbound" ? [connection.remoteAddr] : [];
    const suffix = `/p2p/${connection.remotePeer}`;
    const texts = [...dialled, ...listenAddrs]
      .filter((a) => this.privateNetwork || !isPrivateAddress(a))
      .map((a) => a.toString())
      .map((a) => a.endsWith(suffix) ? a.slice(0, -suffix.length) : a);
    return [...new Set(texts)].slice(0, MAX_PEER_ADDRESSES);
  }
}
