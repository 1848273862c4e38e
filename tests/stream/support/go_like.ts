/**
 * A peer with the Go node's manners, weaknesses included (sync-protocol.md §2.3, §2.8, §10.1).
 *
 * Why it exists: what an unlucky Go peer must never suffer from us is tested against a model of its misfortune: it
 * leaves refused streams unread, and it ends when a stream is taken away between accepting and reading.
 */
import { SyncServer } from "../../../src/stream/server.ts";
import { RecordedChain } from "./chain.ts";
import { TOPIC } from "./node.ts";
import { type Incoming, RawPeer } from "./raw_peer.ts";
import type { SimHost, SimNetwork } from "./sim_network.ts";
import type { SimStream } from "./sim_stream.ts";

/** Time between accepting a stream and reading from it. */
const ACCEPT_MS = 50;

export class GoLike {
  readonly host: SimHost;
  readonly chain: RecordedChain;
  /** Streams it uses, by peer; undefined while it does not read yet. */
  readonly peers = new Map<string, RawPeer | undefined>();
  /** Refused streams: neither read nor closed. */
  readonly ignored: SimStream[] = [];
  /** It has met the stream that ends a Go node. */
  crashed = false;
  /** Peers it takes no stream from. */
  readonly refuses = new Set<string>();
  readonly #server: SyncServer;
  #nextId = 1n;

  constructor(network: SimNetwork, height = 60) {
    this.host = network.host();
    this.chain = new RecordedChain(0, height);
    this.#server = new SyncServer(this.chain);
    void this.host.handle(TOPIC, (stream) => this.#accept(stream as SimStream));
    network.provide(TOPIC, this.host.peerId);
  }

  /** Opens a stream to a peer, as its own discovery would. */
  async open(peerId: string): Promise<void> {
    const stream = await this.host.openStream({ peerId, addresses: [] }, TOPIC, { timeoutMs: 1_000 });
    this.#accept(stream as SimStream);
  }

  #accept(stream: SimStream): void {
    if (this.peers.has(stream.peerId) || this.refuses.has(stream.peerId)) {
      this.ignored.push(stream);
      return;
    }
    // Known from here on, read from a moment later: the window in which a reset is fatal.
    this.peers.set(stream.peerId, undefined);
    this.host.network.clock.after(ACCEPT_MS, () => {
      if (stream.isReset) {
        this.crashed = true;
        return;
      }
      const peer = new RawPeer(stream, (message, p) => this.#serve(message, p));
      this.peers.set(stream.peerId, peer);
      peer.request(this.#nextId++, { type: "getBlockNumber" });
      void peer.done.then(() => this.peers.delete(stream.peerId));
    });
  }

  #serve(message: Incoming, peer: RawPeer): void {
    if (message.kind !== "request") return;
    void this.#server.answer(message.request).then(({ response }) => peer.respond(message.id, response));
  }
}
