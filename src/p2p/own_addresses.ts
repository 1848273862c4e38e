/**
 * What we tell others of the ways to reach us: our addresses in identify, and whether we answer DHT questions.
 *
 * Why it exists: both follow from what strangers see of us, which is learned bit by bit while the node runs. What must
 * stay true: a private network keeps its own addresses, whatever a peer claims; on a public one we answer DHT questions only
 * once others can reach us; nothing here waits for the network.
 */
import type { Connection, IdentifyResult, Libp2p } from "@libp2p/interface";
import type { Logger } from "../base/mod.ts";
import { isPrivateAddress } from "./addresses.ts";
import type { HostServices } from "./libp2p_options.ts";
import type { Reachability } from "./reachability.ts";

export interface OwnAddressesOptions {
  readonly node: Libp2p<HostServices>;
  readonly reachability: Reachability;
  readonly privateNetwork: boolean;
  /** Whether it may ever answer DHT questions. */
  readonly servesDht: boolean;
  readonly log: Logger;
  /** Keeps work that nobody waits for, and what it is for the log. */
  readonly run: (work: Promise<void>, what: string) => void;
}

export class OwnAddresses {
  readonly #o: OwnAddressesOptions;
  readonly #suffix: string;

  constructor(options: OwnAddressesOptions) {
    this.#o = options;
    this.#suffix = `/p2p/${options.node.peerId}`;
  }

  /** Multiaddr texts with our peer id. */
  texts(): readonly string[] {
    const suffix = this.#suffix;
    return this.#o.node.getMultiaddrs().map(String).map((a) => a.endsWith(suffix) ? a : a + suffix);
  }

  /** The port is open now. */
  listening(): void {
    if (this.#o.node.getMultiaddrs().some((a) => !isPrivateAddress(a))) this.#serveDht();
  }

  /** Takes where a peer sees us. */
  identified({ connection, observedAddr }: IdentifyResult): void {
    const { privateNetwork, reachability, log, run } = this.#o;
    if (privateNetwork || observedAddr === undefined) return;
    if (reachability.observe(connection.remoteAddr, observedAddr)) {
      log.info("others see us at", { ip: reachability.observedIp });
      run(this.#publish(), "publishing our addresses");
    }
  }

  /** Takes a new connection, which may be the first from outside. */
  connected(connection: Connection): void {
    const { privateNetwork, reachability, log } = this.#o;
    if (privateNetwork || connection.direction !== "inbound") return;
    if (reachability.inbound(connection.remoteAddr)) {
      log.info("a peer reached us from outside");
      this.#serveDht();
    }
  }

  /** Makes identify tell our peers what we announce now; the library raises `self:peer:update` when that changed. */
  async #publish(): Promise<void> {
    const { node } = this.#o;
    const multiaddrs = node.getMultiaddrs().map((a) => a.decapsulate(this.#suffix));
    await node.peerStore.patch(node.peerId, { multiaddrs });
  }

  #serveDht(): void {
    const { node: { services: { dht } }, servesDht, run } = this.#o;
    if (servesDht && dht.getMode() === "client") {
      run(dht.setMode("server"), "switching the DHT to server mode");
    }
  }
}
