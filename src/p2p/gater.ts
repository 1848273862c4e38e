/**
 * Which connections and addresses we let in.
 *
 * Why it exists: the library limits connections per second and in total; a single machine could still take every
 * place, and a stranger's address book could make us knock on private networks. What must stay true: the number of
 * inbound connections of one IP never exceeds the limit, counted from the first packet on; a closed connection gives
 * its place back whatever ended it.
 */
import type { ConnectionGater, MultiaddrConnection } from "@libp2p/interface";
import { hostOf, isPrivateAddress } from "./addresses.ts";

export interface GaterOptions {
  /** Inbound connections of one IP at the same time. */
  readonly maxConnsPerIp: number;
  /** Distinct IPs with inbound connections at the same time; 0: no limit. */
  readonly maxIps: number;
  /** False: private addresses that strangers tell are neither stored nor dialled. */
  readonly privateAddresses: boolean;
}

/** The rules as the library asks for them. */
export function createGater(options: GaterOptions): ConnectionGater {
  const byIp = new Map<string, number>();
  const leave = (ip: string) => {
    const n = (byIp.get(ip) ?? 1) - 1;
    if (n > 0) byIp.set(ip, n);
    else byIp.delete(ip);
  };
  return {
    denyInboundConnection(connection: MultiaddrConnection): boolean {
      const ip = hostOf(connection.remoteAddr);
      if (ip === undefined) return false;
      const n = byIp.get(ip) ?? 0;
      if (n >= options.maxConnsPerIp) return true;
      if (n === 0 && options.maxIps > 0 && byIp.size >= options.maxIps) return true;
      byIp.set(ip, n + 1);
      if (connection.status === "open") connection.addEventListener("close", () => leave(ip), { once: true });
      else leave(ip);
      return false;
    },
    filterMultiaddrForPeer: (_peer, address) => options.privateAddresses || !isPrivateAddress(address),
  };
}
