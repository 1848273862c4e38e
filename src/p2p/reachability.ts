/**
 * Which of our addresses strangers can use.
 *
 * Why it exists: a machine behind a router or in a cloud sees only private addresses of its own; a provider record
 * with those is useless. Peers tell in identify from which address they see us, and a connection that came in from
 * outside proves that our port is open. What must stay true: one peer's claim is never enough; at most
 * `MAX_OBSERVERS` claims are kept; on a public network no private address is ever announced.
 */
import { type Multiaddr, multiaddr } from "@multiformats/multiaddr";
import { LruMap } from "../base/mod.ts";
import { hostOf, isPrivateAddress, isPrivateHost, networkOf } from "./addresses.ts";

/** Different observers that must agree before an address counts. */
export const MIN_OBSERVERS = 2;
const MAX_OBSERVERS = 64;

/** Collects what peers see of us and answers which addresses to announce on a public network. */
export class Reachability {
  readonly #claims = new LruMap<string, string>(MAX_OBSERVERS);
  readonly #observers = new Set<string>();
  #observed: string | undefined;
  #reached = false;

  /** The public IP that most observers agree on, at least `MIN_OBSERVERS`. */
  get observedIp(): string | undefined {
    return this.#observed;
  }

  /** True once a connection came in from a public address: our port is open to the world. */
  get reached(): boolean {
    return this.#reached;
  }

  /**
   * A peer at `observer` says that it sees us at `seen`. @returns true when the agreed address changed by it.
   */
  observe(observer: Multiaddr, seen: Multiaddr): boolean {
    const host = hostOf(observer), ip = hostOf(seen);
    if (host === undefined || ip === undefined || isPrivateHost(host) || isPrivateHost(ip)) return false;
    if (!/^[0-9a-f.:]+$/i.test(ip)) return false;
    const from = networkOf(host);
    this.#claims.set(from, ip);
    this.#observers.add(from);
    const votes = new Map<string, number>();
    for (const observer of this.#observers) {
      const claim = this.#claims.get(observer);
      if (claim === undefined) this.#observers.delete(observer);
      else votes.set(claim, (votes.get(claim) ?? 0) + 1);
    }
    const best = [...votes].sort((a, b) => b[1] - a[1])[0];
    const agreed = best !== undefined && best[1] >= MIN_OBSERVERS ? best[0] : undefined;
    const changed = agreed !== undefined && agreed !== this.#observed;
    if (changed) this.#observed = agreed;
    return changed;
  }

  /** A connection came in from `remote`. @returns true when this is the first proof that we can be reached. */
  inbound(remote: Multiaddr): boolean {
    if (this.#reached || isPrivateAddress(remote)) return false;
    this.#reached = true;
    return true;
  }

  /**
   * The addresses to announce, from those that the host would: the public ones, or else the observed IP with our
   * listening port.
   */
  announced(own: readonly Multiaddr[]): Multiaddr[] {
    const known = own.filter((address) => !isPrivateAddress(address));
    if (known.length > 0 || this.#observed === undefined) return known;
    const port = own[0]?.getComponents().find((c) => c.name === "tcp")?.value;
    if (port === undefined) return [];
    const family = this.#observed.includes(":") ? "ip6" : "ip4";
    return [multiaddr(`/${family}/${this.#observed}/tcp/${port}`)];
  }
}
