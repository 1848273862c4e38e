/**
 * Peers of real libp2p that serve chains out of memory, and nodes of this process that meet them.
 *
 * Why it exists: what a node does with its peers is seen over real sockets, while a test decides what a peer has. What must stay
 * true: a peer answers as a full node would; everything started here is ended by its `stop`.
 */
import { nullLogger, nullMeter, SeededRandom, SystemClock, toHex } from "../../src/base/mod.ts";
import { RecentErrors } from "../../src/api/mod.ts";
import { FLAGS, loadConfig, parseArgv } from "../../src/config/mod.ts";
import { HsyncNode } from "../../src/node/mod.ts";
import type { NodeOptions } from "../../src/node/node.ts";
import { createHost, newIdentity } from "../../src/p2p/mod.ts";
import {
  type ChainReader,
  type DeliveredBlock,
  type StreamInfo,
  SyncProtocol,
} from "../../src/stream/mod.ts";
import { localFlags } from "./support.ts";

export const clock = new SystemClock();

/** A whole chain from genesis, up to a height that may change. */
export function readerOf(
  blocks: readonly DeliveredBlock[],
  height: () => number = () => blocks.length - 1,
): ChainReader {
  const numbers = new Map(blocks.map(({ block }) => [toHex(block.hash), block.number]));
  const at = (number: number) => number <= height() ? blocks[number] : undefined;
  return {
    head: () => ({ number: height(), hash: blocks[height()]?.block.hash ?? new Uint8Array(32) }),
    lowest: () => 0,
    hashAt: (number) => Promise.resolve(at(number)?.block.hash),
    numberOf: (hash) => {
      const number = numbers.get(toHex(hash));
      return Promise.resolve(number === undefined || number > height() ? undefined : number);
    },
    blockAt: (number) => {
      const found = at(number);
      return Promise.resolve(
        found === undefined ? undefined : { bytes: found.block.bytes, commitSig: found.commitSig },
      );
    },
    receiptsAt: () => Promise.resolve(undefined),
  };
}

/** What a peer offers: `sync` of a shard, or `epochsync`. */
export interface PeerService {
  readonly service: "sync" | "epochsync";
  readonly shardId: number;
  readonly reader: ChainReader;
}

export interface Peer {
  readonly id: string;
  readonly address: string;
  /** Peers that offer it the first of its services. */
  speaking(): readonly string[];
  /** Its streams of that service, with the heights that the others tell. */
  streams(): readonly StreamInfo[];
  stop(): Promise<void>;
}

/** Starts a peer that only serves. */
export async function startPeer(services: readonly PeerService[], network = "localnet"): Promise<Peer> {
  const host = await createHost({
    identity: await newIdentity(),
    ip: "127.0.0.1",
    port: 0,
    userAgent: "test",
  });
  const protocols: SyncProtocol[] = [];
  for (const service of services) {
    const protocol = new SyncProtocol({
      host,
      ...service,
      network,
      caps: { hardLowCap: 0, softLowCap: 0, highCap: 64, discBatch: 1 },
      clock,
      logger: nullLogger,
      meter: nullMeter,
      rateLimits: { perStream: 0, global: 0 },
      advertise: false,
    });
    await protocol.start();
    protocols.push(protocol);
  }
  return {
    id: host.peerId,
    address: host.addresses()[0] as string,
    streams: () => protocols[0]?.streams() ?? [],
    speaking: () => protocols.slice(0, 1).flatMap(({ id }) => [...host.peersSpeaking(id)]),
    stop: async () => {
      for (const protocol of protocols) await protocol.stop();
      await host.stop();
    },
  };
}

/** A beacon node: the whole chain of shard 0, and its epochs. */
export function beaconPeer(reader: ChainReader, network = "localnet"): Promise<Peer> {
  return startPeer([
    { service: "sync", shardId: 0, reader },
    { service: "epochsync", shardId: 0, reader },
  ], network);
}

/** A node of another shard without an epoch chain that anybody could use. */
export function shardPeer(reader: ChainReader, network = "localnet"): Promise<Peer> {
  return startPeer([{ service: "sync", shardId: 1, reader }], network);
}

/** Settings of a node that trusts these peers, on loopback, everything below `dir`. */
export function nodeConfig(
  dir: string,
  shard: number,
  peers: readonly Peer[],
  more: readonly string[] = [],
): NodeOptions["loaded"] {
  const trusted = peers.flatMap((peer) => ["--sync.trusted-nodes", peer.address]);
  const args = localFlags(dir, ["--prometheus=false", "--run.shard", String(shard), ...trusted, ...more]);
  return loadConfig({ flags: parseArgv(args, FLAGS).flags, env: () => undefined });
}

/** Starts a node in this process. */
export function startNode(
  loaded: NodeOptions["loaded"],
  more: Partial<NodeOptions> = {},
): Promise<HsyncNode> {
  return HsyncNode.start({
    loaded,
    clock,
    random: new SeededRandom(1),
    logger: nullLogger,
    errors: new RecentErrors(),
    ...more,
  });
}

/** Resolves once the node's head is at `height`. Rejects with what ended its sync. */
export function reaches(node: HsyncNode, height: number): Promise<void> {
  const { driver } = node;
  return new Promise((resolve, reject) => {
    if (node.store.head().number >= height) return resolve();
    if (driver?.failed !== undefined) return reject(driver.failed);
    driver?.on((event) => {
      if (event.type === "committed" && event.head.number >= height) resolve();
      else if (event.type === "failed") reject(event.error);
    });
  });
}

/** Resolves with the error that ends the node's sync. */
export function failureOf(node: HsyncNode): Promise<Error> {
  const { driver } = node;
  return new Promise((resolve) => {
    if (driver?.failed !== undefined) resolve(driver.failed);
    driver?.on((event) => event.type === "failed" && resolve(event.error));
  });
}

/** Resolves once `is` holds; looked at several times a second, for facts that no event tells. */
export async function holds(is: () => boolean): Promise<void> {
  while (!is()) await clock.sleep(50);
}

/** What a test started, ended in reverse order. */
export class Started {
  readonly dir = Deno.makeTempDirSync();
  readonly #undo: Array<() => Promise<unknown>> = [];
  add<T extends { stop(): Promise<unknown> }>(part: T): T {
    this.#undo.push(() => part.stop());
    return part;
  }
  defer(undo: () => Promise<unknown>): void {
    this.#undo.push(undo);
  }
  async end(): Promise<void> {
    for (const undo of this.#undo.splice(0).reverse()) await undo();
    await Deno.remove(this.dir, { recursive: true });
  }
}

/** Streams to the node for one of its protocols, as another node would have them. */
export async function askerOf(
  node: HsyncNode,
  service: "sync" | "epochsync",
  shardId: number,
  all: Started,
): Promise<SyncProtocol> {
  const host = all.add(
    await createHost({ identity: await newIdentity(), ip: "127.0.0.1", port: 0, userAgent: "test" }),
  );
  const address = node.host.addresses()[0] as string;
  const protocol = all.add(
    new SyncProtocol({
      host,
      service,
      network: "localnet",
      shardId,
      reader: readerOf([]),
      caps: { hardLowCap: 1, softLowCap: 1, highCap: 4, discBatch: 1 },
      trusted: [{ peerId: node.host.peerId, addresses: [address] }],
      clock,
      logger: nullLogger,
      meter: nullMeter,
      advertise: false,
    }),
  );
  await protocol.start();
  await holds(() => protocol.streams().length > 0);
  return protocol;
}
