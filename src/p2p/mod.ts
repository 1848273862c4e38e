/** The peer-to-peer layer: libp2p host, identity, bootstrap, discovery. */
export * from "./types.ts";
