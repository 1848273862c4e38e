/** The peer-to-peer layer: libp2p host, identity, bootstrap, discovery. */
export * from "./types.ts";
export { parsePeerAddress, type PeerAddress } from "./addresses.ts";
export * from "./advertise.ts";
export {
  parseBootnode,
  parseBootnodes,
  resolveBootnodes,
  systemTxtResolver,
  type TxtResolver,
} from "./bootnodes.ts";
export type { BootstrapKind, BootstrapPeer } from "./bootstrap.ts";
export { createHost, type HostOptions } from "./create.ts";
export type { LibP2PHost } from "./host.ts";
export type { HostStatus } from "./host_parts.ts";
export { decodeKeyFile, type Identity, keyFilePath, loadIdentity, newIdentity } from "./identity.ts";
export type { Muxer } from "./libp2p_options.ts";
export { namespaceCid, namespaceMultihash } from "./namespace.ts";
