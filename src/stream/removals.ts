/**
 * The books of removals: cooldowns, critical errors, and the pardon after an outage of our own.
 *
 * Why it exists: a stream may be gone before its peer is found guilty, and a pardon comes seconds after the losses; both
 * need the books apart from the streams. What must stay true: a removal makes one entry, a refusal and a trusted peer
 * none, and nothing but the operator's word takes back the entry of a lie.
 */
import { isCritical } from "../base/mod.ts";
import type { DiscoveryCore } from "./discovery_core.ts";
import type { Offence } from "./fault.ts";
import type { ManagerEffect } from "./manager_events.ts";
import { OutageDetector } from "./outage.ts";
import type { PeerBook } from "./peer_book.ts";

/** Failures that cost a stream its place (§3.1). */
export const MAX_FAILURES = 5;

/** A stream that lost its place, or never had one. */
export interface Removed {
  readonly peer: string;
  readonly instance: number;
  readonly wasActive: boolean;
}

export class Removals {
  readonly #book: PeerBook;
  readonly #discovery: DiscoveryCore;
  /** How many streams hold a place. */
  readonly #standing: () => number;
  readonly #outages = new OutageDetector();

  constructor(book: PeerBook, discovery: DiscoveryCore, standing: () => number) {
    this.#book = book;
    this.#discovery = discovery;
    this.#standing = standing;
  }

  /** Enters a removal. */
  note({ peer, instance, wasActive }: Removed, why: Offence, now: number, out: ManagerEffect[]): void {
    const tooMany = why.reason === "too_many_failures" && this.#book.failures(peer, now) >= MAX_FAILURES;
    const critical = isCritical(why.fault) || tooMany;
    // A refusal is dealt with by the pause before the next dial.
    if (!this.#discovery.isTrusted(peer) && why.fault !== "REFUSED") {
      this.#cool(peer, why, critical, now, out);
    }
    if (critical) out.push({ type: "criticalError", peer, offence: why });
    out.push({ type: "removed", peer, instance, offence: why, critical, wasActive });
  }

  /** A peer without a stream is found guilty. @returns false when it is in the long cooldown already. */
  convict(peer: string, why: Offence, now: number, out: ManagerEffect[]): boolean {
    const { cooldowns } = this.#book;
    if (cooldowns.active(peer, now) && cooldowns.get(peer)?.critical === true) return false;
    cooldowns.note(peer, now, why.reason, true);
    out.push({ type: "criticalError", peer, offence: why });
    return true;
  }

  #cool(peer: string, why: Offence, critical: boolean, now: number, out: ManagerEffect[]): void {
    const { cooldowns } = this.#book;
    const before = cooldowns.note(peer, now, why.reason, critical);
    const wrote = cooldowns.get(peer);
    const lost = why.fault === "TRANSPORT" || why.fault === "TIMEOUT";
    if (critical || !lost || why.deliberate === true || wrote === undefined) return;
    const losses = this.#outages.note({ peer, at: now, before, wrote }, this.#standing());
    if (losses.length === 0) return;
    for (const loss of losses) {
      // Whatever was found out about the peer since stays.
      if (cooldowns.get(loss.peer) === loss.wrote) cooldowns.restore(loss.peer, loss.before);
    }
    this.#discovery.outage(losses.map((l) => l.peer), now);
    out.push({ type: "outage", lost: losses.length });
  }
}
