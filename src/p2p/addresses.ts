/**
 * What multiaddrs mean to us: which are complete, which are private, and what is wrong with a bad one.
 *
 * Why it exists: addresses come from people (flags, files), from DNS and from peers; the first deserve a good error,
 * the last must never pass unchecked. What must stay true: an address that `parsePeerAddress` returns is dialable over
 * TCP and names its peer; nothing here resolves names or opens sockets.
 */
import { type Multiaddr, multiaddr } from "@multiformats/multiaddr";
import { peerIdFromString } from "@libp2p/peer-id";
import type { PeerId } from "@libp2p/interface";
import { HsyncError, safeText } from "../base/mod.ts";

/** A multiaddr that can be dialled, taken apart. */
export interface PeerAddress {
  /** Canonical text, ending in `/p2p/<id>`. */
  readonly text: string;
  /** base58btc peer id text. */
  readonly peerId: string;
  /** IP literal or DNS name. */
  readonly host: string;
  readonly port: number;
}

const EXAMPLE = "write /ip4/1.2.3.4/tcp/9000/p2p/Qm…, /dns4/host/tcp/9000/p2p/Qm… or /dnsaddr/host";
const HOST_PROTOCOLS = new Set(["ip4", "ip6", "dns", "dns4", "dns6"]);

/** The error for an address text that cannot be used. */
export function badAddress(text: string, why: string): HsyncError {
  return new HsyncError("MULTIADDR_INVALID", `address "${safeText(text, 120)}" cannot be used: ${why}`, {
    hint: EXAMPLE,
  });
}

/** The multiaddr of a text. @throws {HsyncError} MULTIADDR_INVALID. */
export function parseMultiaddr(text: string): Multiaddr {
  try {
    return multiaddr(text);
  } catch (cause) {
    throw badAddress(text, cause instanceof Error ? cause.message : "it is not a multiaddr");
  }
}

/** The multiaddrs of texts that somebody else gave; those that are none are left out. */
export function usableMultiaddrs(texts: readonly string[]): Multiaddr[] {
  return texts.flatMap((text) => {
    try {
      return [multiaddr(text)];
    } catch {
      return [];
    }
  });
}

/** The peer id of its base58btc text. @throws {HsyncError} PEER_ID_INVALID. */
export function parsePeerId(text: string): PeerId {
  try {
    return peerIdFromString(text);
  } catch (cause) {
    throw new HsyncError("PEER_ID_INVALID", `"${safeText(text, 80)}" is not a peer id`, {
      cause,
      hint: "a peer id is base58 text that starts with Qm, 12D3Koo or 16Uiu2",
    });
  }
}

/**
 * Checks that a text is `/<ip or dns>/tcp/<port>/p2p/<id>`, the one form that can be dialled by anybody.
 * @throws {HsyncError} MULTIADDR_INVALID saying which part is missing or wrong.
 */
export function parsePeerAddress(text: string): PeerAddress {
  const parts = parseMultiaddr(text).getComponents();
  const [host, transport, peer] = parts;
  if (host === undefined || !HOST_PROTOCOLS.has(host.name) || host.value === undefined) {
    throw badAddress(text, "it does not begin with ip4, ip6, dns, dns4 or dns6");
  }
  if (transport === undefined || transport.name !== "tcp") {
    throw badAddress(text, `only TCP is spoken here, not ${transport?.name ?? "nothing"}`);
  }
  const port = Number(transport.value);
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw badAddress(text, `port ${transport.value} is not in 1..65535`);
  }
  if (peer === undefined || peer.name !== "p2p" || peer.value === undefined) {
    throw badAddress(text, "it does not say which peer is expected there (/p2p/<peer id> after the port)");
  }
  if (parts.length > 3) throw badAddress(text, "nothing may follow the peer id");
  const peerId = parsePeerId(peer.value).toString();
  return { text: `/${host.name}/${host.value}/tcp/${port}/p2p/${peerId}`, peerId, host: host.value, port };
}

/** IP literal or DNS name of a multiaddr, undefined when it has neither. */
export function hostOf(address: Multiaddr): string | undefined {
  const first = address.getComponents().find((c) => HOST_PROTOCOLS.has(c.name));
  return first?.value;
}

/**
 * What counts as one place when connections are limited: an IPv4 address, or the 64 bits of an IPv6 address that a
 * provider gives to a line; whoever has these can take any of the addresses below.
 */
export function networkOf(host: string): string {
  const v4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(host)?.[1];
  if (v4 !== undefined || !host.includes(":")) return v4 ?? host;
  const [head = "", tail] = host.split("::");
  const groups = (text: string) => text === "" ? [] : text.split(":");
  const first = groups(head), last = groups(tail ?? "");
  const gap = tail === undefined ? 0 : Math.max(0, 8 - first.length - last.length);
  const all = [...first, ...Array<string>(gap).fill("0"), ...last];
  return `${all.slice(0, 4).map((g) => parseInt(g, 16).toString(16)).join(":")}::/64`;
}

/** First 16 bits of a textual IPv6 address as a number, -1 when they are left out (`::1`). */
function firstGroup(ip: string): number {
  const group = ip.split(":")[0] ?? "";
  return group === "" ? -1 : parseInt(group, 16);
}

/**
 * True for hosts that mean nothing to a stranger: loopback, link-local, private and shared ranges (RFC 1918, 4193,
 * 6598), unspecified, multicast and reserved ones, `localhost` and `.local` names.
 */
export function isPrivateHost(host: string): boolean {
  const v4 = /^(?:::ffff:)?(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/i.exec(host);
  if (v4 !== null) {
    const a = Number(v4[1]), b = Number(v4[2]);
    return a === 0 || a === 10 || a === 127 || a >= 224 || (a === 100 && b >= 64 && b < 128) ||
      (a === 169 && b === 254) || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168) ||
      (a === 198 && (b === 18 || b === 19));
  }
  if (host.includes(":")) {
    const group = firstGroup(host);
    return group <= 0 || (group & 0xfe00) === 0xfc00 || (group & 0xffc0) === 0xfe80 ||
      (group & 0xff00) === 0xff00;
  }
  return host === "localhost" || host.endsWith(".localhost") || host.endsWith(".local");
}

/** True when the address cannot be reached from the public Internet, or is of a form that we cannot judge. */
export function isPrivateAddress(address: Multiaddr): boolean {
  const host = hostOf(address);
  return host === undefined || isPrivateHost(host);
}

/** True for an IP literal of this machine itself. */
export function isLoopbackHost(host: string): boolean {
  return host === "::1" || host === "localhost" || /^127\./.test(host);
}
