/**
 * From the configuration to the settings of the host and of the stream protocols.
 *
 * Why it exists: the node says when parts start, this file says with what. What must stay true: every key of
 * `[P2P]` and `[Sync]` that hsync uses ends up in a part, and nothing here starts anything.
 */
import { type Clock, equalBytes, type Logger, type Meter, type Random } from "../base/mod.ts";
import { BUILD } from "../api/mod.ts";
import type { NetworkParams } from "../chain/mod.ts";
import type { HsyncConfig } from "../config/mod.ts";
import { type DiscoveredPeer, type HostOptions, type Identity, parseBootnode } from "../p2p/mod.ts";
import type { ChainStore } from "../store/mod.ts";
import type { ChainReader, PeerMemory, SyncProtocolOptions } from "../stream/mod.ts";

/** Slack above the height that a chain of one block a second would have: clocks differ, and so do genesis times. */
const HEIGHT_SLACK = 100_000;

/** Most connections of a node whose operator wants none to be trimmed: each costs a descriptor. */
const UNTRIMMED_CONNECTIONS = 4_096;

/** What every part of a node gets. */
export interface Common {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
}

/** True when peers with private addresses are peers like others. */
function isPrivate(config: HsyncConfig, params: NetworkParams): boolean {
  return params.name === "localnet" || config.p2p.ip.startsWith("127.") || config.p2p.ip === "::1";
}

/** Settings of the peer-to-peer host. */
export function hostOptions(
  config: HsyncConfig,
  params: NetworkParams,
  identity: Identity,
  { clock, random, logger }: Omit<Common, "meter">,
): HostOptions {
  const { p2p, sync } = config;
  return {
    identity,
    ip: p2p.ip,
    port: p2p.port,
    userAgent: p2p.userAgent === "" ? `hsync/${BUILD.version}` : p2p.userAgent,
    bootnodes: config.bootNodes,
    staticPeers: [...sync.trustedNodes, ...sync.dnsStaticNodes],
    privateNetwork: isPrivate(config, params),
    muxers: p2p.muxers,
    ...(p2p.maxConnsPerIp > 0 && params.name !== "localnet" ? { maxConnsPerIp: p2p.maxConnsPerIp } : {}),
    maxPeers: p2p.maxPeers,
    watermarks: { low: p2p.connManagerLow, high: p2p.connManagerHigh },
    maxConnections: p2p.connManagerHigh === 0
      ? UNTRIMMED_CONNECTIONS
      : Math.max(512, 2 * p2p.connManagerHigh),
    neverDialPrivate: p2p.disablePrivateIpScan,
    dialTimeoutMs: p2p.dialTimeoutMs,
    dhtConcurrency: p2p.discConcurrency,
    clock,
    random,
    log: logger.child("p2p"),
  };
}

/**
 * Peers that are trusted by address or by id; who else is behind a `/dnsaddr/` name is known once the host has looked it up.
 */
function trustedPeers(config: HsyncConfig): DiscoveredPeer[] {
  const out = new Map<string, DiscoveredPeer>();
  for (const text of [...config.sync.trustedNodes, ...config.sync.dnsStaticNodes]) {
    const entry = parseBootnode(text);
    const peerId = entry.kind === "peer" ? entry.address.peerId : entry.peerId;
    if (peerId === undefined) continue;
    const known = out.get(peerId)?.addresses ?? [];
    out.set(peerId, { peerId, addresses: entry.kind === "peer" ? [...known, text] : known });
  }
  return [...out.values()];
}

/** Cooldowns and scores live in the store, so that a restart forgives and forgets nothing. */
function memoryIn(store: ChainStore, service: string): PeerMemory {
  const name = `peers.${service}`;
  return { load: () => store.record(name), save: (bytes) => store.putRecord(name, bytes) };
}

type ProtocolSettings = Omit<SyncProtocolOptions, "host" | "service" | "shardId" | "reader" | "caps">;

function common(config: HsyncConfig, params: NetworkParams, parts: Common): ProtocolSettings {
  const { sync } = config;
  const genesisMs = Number(params.genesisBlock(config.shard).header.time) * 1000;
  return {
    ...parts,
    network: params.name,
    maxAdvertiseWaitMs: sync.maxAdvertiseWaitMs,
    rateLimits: {
      perStream: sync.server.requestsPerSecondPerStream,
      global: sync.server.requestsPerSecond,
    },
    maxReserved: sync.streamManager.maxReservedStreams,
    setupConcurrency: sync.streamManager.setupConcurrency,
    times: sync.streamManager,
    // A block takes at least a second on every network (sync-protocol.md §2.9).
    heightBound: (nowMs: number) => Math.max(0, Math.ceil((nowMs - genesisMs) / 1000)) + HEIGHT_SLACK,
  };
}

/** Settings of the protocol of the node's own chain, but for the host. @param advertise whether others may find it by now */
export function ownProtocol(
  config: HsyncConfig,
  params: NetworkParams,
  store: ChainStore,
  parts: Common,
  advertise = config.sync.enabled,
): Omit<SyncProtocolOptions, "host"> {
  const { sync, shard } = config;
  return {
    ...common(config, params, parts),
    service: "sync",
    shardId: shard,
    reader: store,
    caps: {
      hardLowCap: sync.discHardLowCap,
      softLowCap: sync.discSoftLowCap,
      highCap: sync.discHighCap,
      discBatch: sync.discBatch,
    },
    trusted: trustedPeers(config),
    memory: memoryIn(store, "sync"),
    advertise,
  };
}

/** Streams of the epoch chain that are looked for: one is enough, another one is there when it goes. */
const EPOCH_STREAMS = { hardLowCap: 1, softLowCap: 3 };
const NO_STREAMS = { hardLowCap: 0, softLowCap: 0 };

/**
 * Settings of the epoch protocol of a beacon node, but for the host: it offers the epoch chain out of its full chain, and
 * needs nothing from others there.
 */
export function epochProtocol(
  config: HsyncConfig,
  params: NetworkParams,
  store: ChainStore,
  parts: Common,
  advertise = true,
): Omit<SyncProtocolOptions, "host"> {
  const { sync } = config;
  return {
    ...common(config, params, parts),
    service: "epochsync",
    shardId: 0,
    reader: store,
    caps: { ...NO_STREAMS, highCap: sync.discHighCap, discBatch: sync.discBatch },
    trusted: trustedPeers(config),
    memory: memoryIn(store, "epochsync"),
    advertise,
  };
}

/**
 * Settings of the epoch protocol of a node that follows the beacon chain by its epochs, but for the host: it takes what
 * beacon nodes have, and offers what it has taken.
 */
export function followedEpochs(
  config: HsyncConfig,
  params: NetworkParams,
  store: ChainStore,
  reader: ChainReader,
  parts: Common,
): Omit<SyncProtocolOptions, "host"> {
  const { sync } = config;
  return {
    ...common(config, params, parts),
    service: "epochsync",
    shardId: 0,
    reader,
    // Without a client nothing is taken: whoever comes gets what is stored.
    caps: {
      ...(sync.client ? EPOCH_STREAMS : NO_STREAMS),
      highCap: sync.discHighCap,
      discBatch: sync.discBatch,
    },
    trusted: trustedPeers(config),
    memory: memoryIn(store, "epochsync"),
    advertise: sync.enabled,
  };
}

/** A chain of which nobody is given more than what every node has: for protocols that only take. */
export function genesisReader(params: NetworkParams, shardId: number): ChainReader {
  const { hash, bytes } = params.genesisBlock(shardId);
  const nothing = Promise.resolve(undefined);
  const genesis = { bytes, commitSig: new Uint8Array(96) };
  return {
    head: () => ({ number: 0, hash }),
    lowest: () => 0,
    hashAt: (number) => Promise.resolve(number === 0 ? hash : undefined),
    numberOf: (wanted) => Promise.resolve(equalBytes(wanted, hash) ? 0 : undefined),
    blockAt: (number) => Promise.resolve(number === 0 ? genesis : undefined),
    receiptsAt: () => nothing,
  };
}

/** Streams to nodes of a shard whose headers are wanted: enough that a liar among them is not the only one asked. */
const SOURCE_STREAMS = { hardLowCap: 1, softLowCap: 3, highCap: 8, discBatch: 4 };

/**
 * Settings of the protocol of another shard, whose headers this node asks for, but for the host: it has nothing of that
 * chain but its genesis, so it neither advertises it nor takes streams that peers open.
 *
 * @throws {HsyncError} SHARD_UNKNOWN: the network has no such shard.
 */
export function sourceProtocol(
  config: HsyncConfig,
  params: NetworkParams,
  shardId: number,
  parts: Common,
): Omit<SyncProtocolOptions, "host"> {
  return {
    ...common(config, params, parts),
    service: "sync",
    shardId,
    reader: genesisReader(params, shardId),
    caps: SOURCE_STREAMS,
    advertise: false,
    accepts: false,
  };
}
