/**
 * Which connections and addresses we let in, and how all of them end at once.
 *
 * Why it exists: the library limits connections per second and in total; a single machine could still take every
 * place, and a stranger's address book could make us knock on private networks. It is also the one place that sees
 * every raw connection, which an orderly leave needs. What must stay true: the number of inbound connections of one IP
 * never exceeds the limit, counted from the first packet on; a closed connection gives its place back whatever ended
 * it; who is shunned has no connection, whatever its address, until its time is over; and once the gate is shut, no
 * connection comes about any more, in or out.
 */
import type { ConnectionGater, MultiaddrConnection, PeerId } from "@libp2p/interface";
import { type Clock, LruMap } from "../base/mod.ts";
import { hostOf, isPrivateAddress, networkOf } from "./addresses.ts";

export interface GaterOptions {
  /** Inbound connections of one IP at the same time; of IPv6, of one /64. */
  readonly maxConnsPerIp: number;
  /** Distinct IPs with inbound connections at the same time; 0: no limit. */
  readonly maxIps: number;
  /** False: private addresses that strangers tell are neither stored nor dialled. */
  readonly privateAddresses: boolean;
  /** True: nobody with a private address is dialled, whoever told of it (`DisablePrivateIPScan`). */
  readonly neverDialPrivate?: boolean;
  readonly clock: Clock;
}

/** Shunned peers remembered at once, and addresses that they came from. */
const MAX_SHUNNED = 2_048;
/**
 * Who a connection is from shows only after a handshake, which costs more than a stream. An address that a shunned peer
 * has come from is let in this seldom, for as long as it keeps coming; others may live behind the same address.
 */
const SLOW_ENTRY_MS = 1_000;
const SLOW_FOR_MS = 60_000;

/** A connection below encryption and muxer. */
export type RawConnection = Pick<
  MultiaddrConnection,
  "remoteAddr" | "status" | "timeline" | "abort" | "addEventListener"
>;

export class Gate {
  /** The rules as the library asks for them. */
  readonly rules: ConnectionGater;
  readonly #options: GaterOptions;
  readonly #byIp = new Map<string, number>();
  /** Every raw connection to the peer at its other end, once encryption has told who that is. */
  readonly #raw = new Map<RawConnection, string | undefined>();
  /** Peers that nobody wants to meet, and until when, ms on the monotonic clock. */
  readonly #shunned = new LruMap<string, number>(MAX_SHUNNED);
  /** IPs that they came from: until when these are let in slowly, and when the next one is. */
  readonly #slow = new LruMap<string, { readonly until: number; readonly next: number }>(MAX_SHUNNED);
  #shut = false;

  constructor(options: GaterOptions) {
    this.#options = options;
    const known = (peer: PeerId, raw: RawConnection) => this.#known(raw, peer.toString());
    const closed = () => this.#shut;
    this.rules = {
      denyDialPeer: (peer) => this.#shut || this.isShunned(peer.toString()),
      denyDialMultiaddr: (address) =>
        this.#shut || (options.neverDialPrivate === true && isPrivateAddress(address)),
      denyInboundConnection: (raw) => this.#inbound(raw),
      denyOutboundConnection: known,
      denyInboundEncryptedConnection: known,
      denyOutboundEncryptedConnection: known,
      denyInboundUpgradedConnection: closed,
      denyOutboundUpgradedConnection: closed,
      filterMultiaddrForPeer: (_peer, address) => options.privateAddresses || !isPrivateAddress(address),
    };
  }

  /**
   * Ends every connection to a peer at the transport. Its streams end with it and are not reset one by one: between a
   * reset and the end of the connection a Go node opens the next stream, and counts its loss too.
   */
  cut(peerId: string, reason: string): void {
    for (const [raw, peer] of [...this.#raw]) if (peer === peerId) raw.abort(new Error(reason));
  }

  /**
   * Lets no new connection with a peer come about for `ms`, or for longer where that was said before. Those that stand are
   * the caller's to cut.
   */
  shun(peerId: string, ms: number): void {
    const until = this.#options.clock.monotonic() + ms;
    this.#shunned.set(peerId, Math.max(until, this.#shunned.get(peerId) ?? until));
    for (const [raw, peer] of this.#raw) if (peer === peerId) this.#slowDown(raw);
  }
  /** Takes back `shun`; undefined: for everybody. */
  admit(peerId: string | undefined): void {
    if (peerId === undefined) this.#shunned.clear();
    else this.#shunned.delete(peerId);
  }
  isShunned(peerId: string): boolean {
    const until = this.#shunned.get(peerId);
    if (until === undefined) return false;
    if (this.#options.clock.monotonic() < until) return true;
    this.#shunned.delete(peerId);
    return false;
  }

  /**
   * Lets nobody in or out from now on and ends every connection at the transport, in one go. Those for which `last`
   * holds come last, so that a peer whose stream ends has no other connection left to open the next one on.
   */
  shut(reason: string, last: (raw: RawConnection) => boolean): void {
    this.#shut = true;
    const idle: RawConnection[] = [];
    const busy: Array<readonly [string, RawConnection]> = [];
    for (const [raw, peer] of this.#raw) {
      if (last(raw)) busy.push([peer ?? "", raw]);
      else idle.push(raw);
    }
    // Connections of one peer directly after one another.
    busy.sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0);
    for (const raw of [...idle, ...busy.map(([, raw]) => raw)]) raw.abort(new Error(reason));
  }

  #inbound(raw: RawConnection): boolean {
    if (this.#shut) return true;
    const host = hostOf(raw.remoteAddr);
    if (host !== undefined) {
      const ip = networkOf(host);
      if (this.#tooSoon(ip)) return true;
      const n = this.#byIp.get(ip) ?? 0;
      const { maxConnsPerIp, maxIps } = this.#options;
      if (n >= maxConnsPerIp) return true;
      if (n === 0 && maxIps > 0 && this.#byIp.size >= maxIps) return true;
      if (raw.status !== "open") return false;
      this.#byIp.set(ip, n + 1);
      raw.addEventListener("close", () => this.#leave(ip), { once: true });
    }
    this.#keep(raw, undefined);
    return false;
  }

  /** Who is at the other end of a connection has come out. */
  #known(raw: RawConnection, peer: string): boolean {
    this.#keep(raw, peer);
    if (!this.isShunned(peer)) return this.#shut;
    this.#slowDown(raw);
    return true;
  }

  #slowDown(raw: RawConnection): void {
    const host = hostOf(raw.remoteAddr);
    if (host === undefined) return;
    const now = this.#options.clock.monotonic();
    this.#slow.set(networkOf(host), { until: now + SLOW_FOR_MS, next: now + SLOW_ENTRY_MS });
  }
  /** True when an IP that shunned peers come from has had its turn. */
  #tooSoon(ip: string): boolean {
    const slow = this.#slow.get(ip);
    if (slow === undefined) return false;
    const now = this.#options.clock.monotonic();
    if (now >= slow.until) this.#slow.delete(ip);
    else if (now < slow.next) return true;
    else this.#slow.set(ip, { ...slow, next: now + SLOW_ENTRY_MS });
    return false;
  }

  #keep(raw: RawConnection, peer: string | undefined): void {
    if (raw.status !== "open") return;
    if (!this.#raw.has(raw)) raw.addEventListener("close", () => this.#raw.delete(raw), { once: true });
    this.#raw.set(raw, peer);
  }

  #leave(ip: string): void {
    const n = (this.#byIp.get(ip) ?? 1) - 1;
    if (n > 0) this.#byIp.set(ip, n);
    else this.#byIp.delete(ip);
  }
}
