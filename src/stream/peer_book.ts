/**
 * What is known about peers beyond their present stream, and how it survives a restart.
 *
 * Why it exists: failures, refusals and good addresses outlive a stream, so that a restart is no amnesty and no
 * punishment either (issue: "cooldowns and scores persisted"). What must stay true: everything is bounded; times are
 * kept as remaining or elapsed time, never as wall-clock dates; and what is read back is checked like foreign input.
 */
import type { DiscoveredPeer } from "../p2p/mod.ts";
import { MANAGER_TIMES } from "./constants.ts";
import { CooldownTable, type CooldownTimes } from "./cooldown.ts";
import { INITIAL_SUCCESS } from "./score.ts";
import { REMOVAL_REASONS, type RemovalReason } from "./types.ts";
import type { Weight } from "./weight.ts";

/** Failures older than this are forgotten (§3.4). */
const RECOVERY_MS = 30 * 60_000;
/** Refusals back off per peer in these steps (§2.3). */
const REFUSAL_STEPS_MS = [1, 5, 15, 60].map((minutes) => minutes * 60_000);
/** The level is remembered for an hour after the pause, so that a refuser is not asked every minute. */
const REFUSAL_MEMORY_MS = 60 * 60_000;
/** Removals of the last hour count when the next cooldown is worked out. */
const REMOVAL_MEMORY_MS = 60 * 60_000;
const MAX_PEERS = 1_000;
const MAX_SAVED_PEERS = 150;
const MAX_SAVED_COOLDOWNS = 200;
const MAX_SAVED_BYTES = 56 * 1024;
const MAX_ADDRESSES = 3;
const VERSION = 1;

/** One peer's page. Times are ms on the monotonic clock. */
export interface PeerPage {
  failures: number;
  failedAt: number;
  /** Of the heaviest request among the failures: lighter answers do not make up for them. */
  failedWeight: Weight;
  success: number;
  /** Last good answer. */
  goodAt: number | undefined;
  addresses: readonly string[];
}

interface Refusal {
  level: number;
  until: number;
}

/** The saved form: elapsed and remaining ms, since both clocks mean nothing to the next process. */
interface Saved {
  readonly version: number;
  readonly cooldowns: ReadonlyArray<{
    readonly id: string;
    readonly count: number;
    readonly leftMs: number;
    readonly agoMs: number;
    readonly reason: string;
    readonly critical: boolean;
  }>;
  readonly refusals: ReadonlyArray<{ readonly id: string; readonly level: number; readonly leftMs: number }>;
  readonly peers: ReadonlyArray<{
    readonly id: string;
    readonly failures: number;
    readonly failedAgoMs: number;
    readonly success: number;
    readonly goodAgoMs: number | null;
    readonly addresses: readonly string[];
  }>;
}

export class PeerBook {
  readonly cooldowns: CooldownTable;
  /** Least recently used first. */
  readonly #pages = new Map<string, PeerPage>();
  readonly #refusals = new Map<string, Refusal>();
  /** Good peers of the last run, best first, until they are asked for. */
  #remembered: DiscoveredPeer[] = [];

  constructor(times: CooldownTimes = MANAGER_TIMES) {
    this.cooldowns = new CooldownTable(times);
  }

  page(peer: string): PeerPage {
    const page = this.#pages.get(peer) ??
      {
        failures: 0,
        failedAt: 0,
        failedWeight: 0,
        success: INITIAL_SUCCESS,
        goodAt: undefined,
        addresses: [],
      };
    this.#pages.delete(peer);
    this.#pages.set(peer, page);
    if (this.#pages.size > MAX_PEERS) {
      const oldest = this.#pages.keys().next();
      if (!oldest.done) this.#pages.delete(oldest.value);
    }
    return page;
  }
  /** Share of good answers of a peer, 0..1; of one that is not known, what everybody starts with. */
  success(peer: string): number {
    return this.#pages.get(peer)?.success ?? INITIAL_SUCCESS;
  }
  /** The failure count after decay. */
  failures(peer: string, now: number): number {
    const page = this.#pages.get(peer);
    if (page === undefined) return 0;
    if (page.failures > 0 && now - page.failedAt > RECOVERY_MS) page.failures = 0;
    return page.failures;
  }
  /** @param weight of what failed. @returns the count. */
  addFailures(peer: string, n: number, now: number, weight: Weight = 0): number {
    const page = this.page(peer);
    const before = this.failures(peer, now);
    if (before === 0 || weight > page.failedWeight) page.failedWeight = weight;
    page.failures = before + n;
    page.failedAt = now;
    return page.failures;
  }

  /** True when an answer of this weight is as good as what the peer failed with. */
  redeems(peer: string, weight: Weight, now: number): boolean {
    return this.failures(peer, now) === 0 || weight >= this.page(peer).failedWeight;
  }

  /** Notes a refusal: the next stream to this peer comes later. */
  refused(peer: string, now: number): void {
    const known = this.#refusals.get(peer);
    const level = known === undefined ? 0 : Math.min(known.level + 1, REFUSAL_STEPS_MS.length - 1);
    if (this.#refusals.size >= MAX_PEERS && known === undefined) this.#purgeRefusals(now, true);
    this.#refusals.set(peer, { level, until: now + (REFUSAL_STEPS_MS[level] as number) });
  }
  isRefused(peer: string, now: number): boolean {
    return now < (this.#refusals.get(peer)?.until ?? 0);
  }
  /** True for a peer whose pause is the longest already: it does nothing but come and go. */
  refusesOften(peer: string): boolean {
    return this.#refusals.get(peer)?.level === REFUSAL_STEPS_MS.length - 1;
  }
  /** The peer answers: the pause is over. Its refusals count until a stream with it has lasted. */
  answered(peer: string, now: number): void {
    const known = this.#refusals.get(peer);
    if (known !== undefined) known.until = Math.min(known.until, now);
  }
  /** A stream with the peer has lasted. */
  accepted(peer: string): void {
    this.#refusals.delete(peer);
  }
  /** Peers that refused our stream and are left alone for now; and when the first may be asked again. */
  refusing(now: number): { readonly peers: number; readonly nextAt: number | undefined } {
    let peers = 0;
    let nextAt: number | undefined;
    for (const { until } of this.#refusals.values()) {
      if (now >= until) continue;
      peers++;
      nextAt = nextAt === undefined ? until : Math.min(nextAt, until);
    }
    return { peers, nextAt };
  }
  get refusalCount(): number {
    return this.#refusals.size;
  }

  /** Ends the cooldown, the refusals and the failures of a peer, or of all. @returns how many were in a cooldown. */
  forgive(peer: string | undefined, now: number): number {
    for (const id of peer === undefined ? [...this.#refusals.keys()] : [peer]) this.#refusals.delete(id);
    for (const page of peer === undefined ? this.#pages.values() : [this.page(peer)]) page.failures = 0;
    return this.cooldowns.forgive(peer, now);
  }

  purge(now: number): void {
    this.cooldowns.purge(now);
    this.#purgeRefusals(now, false);
  }

  #purgeRefusals(now: number, force: boolean): void {
    for (const [id, r] of this.#refusals) {
      if (now > r.until + REFUSAL_MEMORY_MS) this.#refusals.delete(id);
    }
    if (force && this.#refusals.size >= MAX_PEERS) {
      const oldest = this.#refusals.keys().next();
      if (!oldest.done) this.#refusals.delete(oldest.value);
    }
  }

  /** The good peers of the last run, once. */
  takeRemembered(): DiscoveredPeer[] {
    const peers = this.#remembered;
    this.#remembered = [];
    return peers;
  }

  /** The book as at most 56 KB of JSON, the most recently good peers first. */
  export(now: number): Uint8Array {
    const cooldowns = [...this.cooldowns.entries()]
      .filter(([, r]) => now < r.expireAt || now - r.removedAt < REMOVAL_MEMORY_MS)
      .sort(([, a], [, b]) => b.expireAt - a.expireAt)
      .map(([id, r]) => ({
        id,
        count: r.count,
        leftMs: Math.max(0, Math.round(r.expireAt - now)),
        agoMs: Math.round(now - r.removedAt),
        reason: r.reason,
        critical: r.critical,
      }));
    const refusals = [...this.#refusals]
      .filter(([, r]) => now < r.until)
      .map(([id, r]) => ({ id, level: r.level, leftMs: Math.round(r.until - now) }));
    const peers = [...this.#pages]
      .map(([id, page]) => ({ id, page, failures: this.failures(id, now) }))
      .filter(({ page, failures }) => page.goodAt !== undefined || failures > 0)
      .sort((a, b) => (b.page.goodAt ?? -1) - (a.page.goodAt ?? -1))
      .map(({ id, page, failures }) => ({
        id,
        failures,
        failedAgoMs: Math.round(now - page.failedAt),
        success: page.success,
        goodAgoMs: page.goodAt === undefined ? null : Math.round(now - page.goodAt),
        addresses: page.addresses.slice(0, MAX_ADDRESSES),
      }));
    for (let share = 1;; share /= 2) {
      const saved: Saved = {
        version: VERSION,
        cooldowns: cooldowns.slice(0, Math.floor(MAX_SAVED_COOLDOWNS * share)),
        refusals: refusals.slice(0, Math.floor(MAX_SAVED_COOLDOWNS * share)),
        peers: peers.slice(0, Math.floor(MAX_SAVED_PEERS * share)),
      };
      const bytes = new TextEncoder().encode(JSON.stringify(saved));
      if (bytes.length <= MAX_SAVED_BYTES || share < 1e-3) return bytes;
    }
  }

  /** Takes over what an earlier run saved; anything ill-formed is left out. @returns false when nothing was usable. */
  import(bytes: Uint8Array, now: number): boolean {
    let saved: unknown;
    try {
      saved = JSON.parse(new TextDecoder().decode(bytes));
    } catch {
      return false;
    }
    if (!isRecord(saved) || saved["version"] !== VERSION) return false;
    for (const c of rows(saved["cooldowns"], MAX_SAVED_COOLDOWNS)) this.#importCooldown(c, now);
    for (const r of rows(saved["refusals"], MAX_SAVED_COOLDOWNS)) {
      const level = count(r["level"], REFUSAL_STEPS_MS.length - 1);
      const left = count(r["leftMs"], REFUSAL_MEMORY_MS);
      if (isPeer(r["id"])) this.#refusals.set(r["id"], { level, until: now + left });
    }
    for (const p of rows(saved["peers"], MAX_SAVED_PEERS)) this.#importPeer(p, now);
    return true;
  }

  #importCooldown(c: Record<string, unknown>, now: number): void {
    if (!isPeer(c["id"])) return;
    const left = count(c["leftMs"], this.cooldowns.times.maxRemovalCooldownMs);
    const reason = REMOVAL_REASONS.find((r): r is RemovalReason => r === c["reason"]) ?? "other";
    this.cooldowns.restore(c["id"], {
      count: count(c["count"], 1_000),
      removedAt: now - count(c["agoMs"], REMOVAL_MEMORY_MS),
      expireAt: now + left,
      reason,
      critical: c["critical"] === true,
    });
  }

  #importPeer(p: Record<string, unknown>, now: number): void {
    if (!isPeer(p["id"])) return;
    const page = this.page(p["id"]);
    page.failures = count(p["failures"], 100);
    page.failedAt = now - count(p["failedAgoMs"], Number.MAX_SAFE_INTEGER);
    page.success = typeof p["success"] === "number" && p["success"] >= 0 && p["success"] <= 1
      ? p["success"]
      : INITIAL_SUCCESS;
    const addresses = Array.isArray(p["addresses"]) ? p["addresses"] : [];
    page.addresses = addresses.filter((a): a is string => typeof a === "string" && a.length < 300)
      .slice(0, MAX_ADDRESSES);
    // Without an address there is nothing to try first.
    if (typeof p["goodAgoMs"] === "number" && page.addresses.length > 0) {
      this.#remembered.push({ peerId: p["id"], addresses: page.addresses });
    }
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
function rows(value: unknown, limit: number): Record<string, unknown>[] {
  return Array.isArray(value) ? value.slice(0, limit).filter(isRecord) : [];
}
function isPeer(value: unknown): value is string {
  return typeof value === "string" && /^[1-9A-HJ-NP-Za-km-z]{10,128}$/.test(value);
}
/** A whole number from 0 to `max`; anything else is 0. */
function count(value: unknown, max: number): number {
  return typeof value === "number" && Number.isFinite(value)
    ? Math.min(max, Math.max(0, Math.floor(value)))
    : 0;
}
