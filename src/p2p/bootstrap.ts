/**
 * Keeps us connected to the nodes we were told about: bootnodes and trusted (static) peers.
 *
 * Why it exists: a Go node dials them one after another and stops for good on the first failure (sync-protocol.md
 * §1.3, §1.4); a node that lives for months meets dead bootnodes, changed names and its own network outages. What must
 * stay true: start never waits for it, entries are tried side by side, a failure is always followed by a later try, and
 * a peer that closes on us at once is not dialled in a tight loop. When to dial is decided by pure functions.
 */
import {
  asHsyncError,
  type Clock,
  isAbort,
  type Logger,
  type Random,
  safeText,
  Signal,
} from "../base/mod.ts";
import type { PeerAddress } from "./addresses.ts";
import { type BootnodeEntry, resolveBootnodes, type TxtResolver } from "./bootnodes.ts";
import type { DiscoveredPeer } from "./types.ts";

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE;

/** `bootnode`: a door into the DHT, left alone while we have other company. `static`: always wanted. */
export type BootstrapKind = "bootnode" | "static";

export const FIRST_BACKOFF = SECOND;
export const MAX_BACKOFF: Readonly<Record<BootstrapKind, number>> = { bootnode: 5 * MINUTE, static: MINUTE };
/** With no peer at all, nothing is waited for longer than this. */
export const ISOLATED_BACKOFF = 10 * SECOND;
/** A connection that ends sooner counts as a failure. */
export const STABLE_AFTER = MINUTE;
/** A name that resolved is looked up again after this time. */
export const RESOLVE_PERIOD = HOUR;
export const MAX_PARALLEL_DIALS = 16;
const DIAL_TIMEOUT = 20 * SECOND;
const RESOLVE_TIMEOUT = 10 * SECOND;
const WARN_PERIOD = MINUTE;

/**
 * Wait before the next try after `failures` failures in a row, ms.
 * @param jitter uniform in [0, 1): up to a fifth is taken off.
 */
export function redialWait(kind: BootstrapKind, failures: number, isolated: boolean, jitter: number): number {
  const limit = isolated ? Math.min(ISOLATED_BACKOFF, MAX_BACKOFF[kind]) : MAX_BACKOFF[kind];
  const wait = Math.min(FIRST_BACKOFF * 2 ** Math.min(Math.max(failures - 1, 0), 20), limit);
  return Math.round(wait * (1 - jitter / 5));
}

/** What is known of one bootnode or static peer. */
export interface BootstrapPeer {
  readonly peerId: string;
  readonly kind: BootstrapKind;
  readonly addresses: readonly string[];
  readonly state: "waiting" | "dialling" | "connected";
  /** Failures since the last connection that lasted. */
  readonly failures: number;
  readonly lastError: string | undefined;
}

interface Target {
  readonly peerId: string;
  kind: BootstrapKind;
  addresses: Set<string>;
  state: "waiting" | "dialling" | "connected";
  failures: number;
  lastError: string | undefined;
  /** Monotonic ms of the next try, while waiting. */
  dueAt: number;
  /** Monotonic ms of the connection, while connected. */
  connectedAt: number;
}

/** A configured entry together with what resolving it gave last. */
interface Source {
  readonly kind: BootstrapKind;
  readonly entry: BootnodeEntry;
  addresses: readonly PeerAddress[];
  dueAt: number;
  failures: number;
}

export interface BootstrapOptions {
  readonly bootnodes: readonly BootnodeEntry[];
  readonly staticPeers: readonly BootnodeEntry[];
  readonly resolver: TxtResolver;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Connects to the peer behind addresses of the same peer id; rejects when that fails. */
  readonly dial: (addresses: readonly string[], signal: AbortSignal, timeoutMs: number) => Promise<void>;
  readonly isConnected: (peerId: string) => boolean;
  /** True when a lost bootnode is worth dialling again. */
  readonly needsBootnodes: () => boolean;
  /** True when nobody at all is connected. */
  readonly isolated: () => boolean;
  /** A name of static peers was looked up, and stands for others than before. */
  readonly onStatic: () => void;
}

export class Bootstrap {
  readonly #targets = new Map<string, Target>();
  readonly #sources: Source[];
  readonly #wake = new Signal();
  readonly #abort = new AbortController();
  readonly #dials = new Set<Promise<void>>();
  #loop: Promise<void> | undefined;
  #warnedAt = -Infinity;
  #everConnected = false;

  constructor(private readonly options: BootstrapOptions) {
    const source = (kind: BootstrapKind) => (entry: BootnodeEntry): Source => ({
      kind,
      entry,
      addresses: entry.kind === "peer" ? [entry.address] : [],
      dueAt: entry.kind === "peer" ? Infinity : -Infinity,
      failures: 0,
    });
    this.#sources = [
      ...options.staticPeers.map(source("static")),
      ...options.bootnodes.map(source("bootnode")),
    ];
    this.#rebuild();
  }

  /** Begins to resolve and dial; returns at once. */
  start(): void {
    this.#loop ??= this.#run();
  }

  /** Something about connections changed: look again. */
  poke(): void {
    this.#wake.raise();
  }

  /** The peers and their state. */
  peers(): BootstrapPeer[] {
    return [...this.#targets.values()].map(({ peerId, kind, addresses, state, failures, lastError }) => ({
      peerId,
      kind,
      addresses: [...addresses],
      state,
      failures,
      lastError,
    }));
  }

  /** The trusted and static peers with their addresses. */
  staticPeers(): DiscoveredPeer[] {
    return [...this.#targets.values()].filter((t) => t.kind === "static")
      .map(({ peerId, addresses }) => ({ peerId, addresses: [...addresses] }));
  }

  /** True for a trusted or static peer: it is kept connected for good. */
  isStatic(peerId: string): boolean {
    return this.#targets.get(peerId)?.kind === "static";
  }

  /** Configured names that have given no address yet. */
  unresolved(): string[] {
    return this.#sources.flatMap((s) =>
      s.entry.kind === "name" && s.addresses.length === 0 ? [s.entry.host] : []
    );
  }

  /** Resolves when no dial and no lookup is under way any more. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#loop;
    await Promise.all(this.#dials);
  }

  async #run(): Promise<void> {
    const { clock } = this.options;
    const signal = this.#abort.signal;
    try {
      for (;;) {
        this.#startLookups();
        this.#refresh();
        this.#startDials();
        await this.#wake.wait(clock, Math.max(10, this.#nextDue() - clock.monotonic()), signal);
      }
    } catch (error) {
      if (!isAbort(error)) this.options.log.error("keeping bootnodes connected stopped", { error });
    }
  }

  /** Monotonic ms of whatever comes next; a minute at most, since `needsBootnodes` changes without an event. */
  #nextDue(): number {
    let due = this.options.clock.monotonic() + MINUTE;
    for (const source of this.#sources) due = Math.min(due, source.dueAt);
    // With every place taken, the end of a dial is what wakes us.
    if (this.#dials.size >= MAX_PARALLEL_DIALS) return due;
    for (const target of this.#targets.values()) {
      if (target.state === "waiting" && this.#wanted(target)) due = Math.min(due, target.dueAt);
    }
    return due;
  }

  #wanted(target: Target): boolean {
    return target.kind === "static" || this.options.needsBootnodes();
  }

  #wait(kind: BootstrapKind, failures: number): number {
    return redialWait(kind, failures, this.options.isolated(), this.options.random.next());
  }

  /** Takes over connections that came or went without our doing. */
  #refresh(): void {
    const now = this.options.clock.monotonic();
    for (const target of this.#targets.values()) {
      const connected = this.options.isConnected(target.peerId);
      if (connected && target.state !== "connected") {
        if (!this.#everConnected) {
          this.options.log.info("first bootstrap peer connected", { peerId: target.peerId });
        }
        this.#everConnected = true;
        target.state = "connected";
        target.connectedAt = now;
        target.lastError = undefined;
      } else if (!connected && target.state === "connected") {
        target.failures = now - target.connectedAt >= STABLE_AFTER ? 0 : target.failures + 1;
        target.state = "waiting";
        target.lastError = "the connection was closed";
        target.dueAt = now + this.#wait(target.kind, target.failures);
      }
    }
  }

  #startDials(): void {
    const now = this.options.clock.monotonic();
    for (const target of this.#targets.values()) {
      if (this.#dials.size >= MAX_PARALLEL_DIALS) return;
      if (target.state === "waiting" && target.dueAt <= now && this.#wanted(target)) {
        target.state = "dialling";
        const dial = this.#dial(target).finally(() => {
          this.#dials.delete(dial);
          this.#wake.raise();
        });
        this.#dials.add(dial);
      }
    }
  }

  async #dial(target: Target): Promise<void> {
    const { clock, log } = this.options;
    try {
      await this.options.dial([...target.addresses], this.#abort.signal, DIAL_TIMEOUT);
      if (!this.options.isConnected(target.peerId)) throw new Error("the connection was closed at once");
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      target.failures++;
      target.lastError = safeText(asHsyncError(error).message);
      log.debug("bootstrap dial failed", { peerId: target.peerId, failures: target.failures, error });
      this.#warn();
    }
    // A success shows as a connection in the next look, however it came about.
    if (target.state === "dialling") target.state = "waiting";
    target.dueAt = clock.monotonic() + this.#wait(target.kind, target.failures);
  }

  /** Says once a minute that nobody we were told about can be reached. */
  #warn(): void {
    const { clock, log } = this.options;
    const peers = [...this.#targets.values()];
    if (peers.some((t) => t.state === "connected") || !this.options.isolated()) return;
    if (clock.monotonic() - this.#warnedAt < WARN_PERIOD) return;
    this.#warnedAt = clock.monotonic();
    log.warn("no bootnode can be reached yet, trying on", {
      tried: peers.length,
      unresolved: this.unresolved(),
      lastError: peers.find((t) => t.lastError !== undefined)?.lastError,
    });
  }

  #startLookups(): void {
    const now = this.options.clock.monotonic();
    for (const source of this.#sources) {
      if (source.dueAt > now) continue;
      source.dueAt = Infinity;
      const lookup = this.#lookUp(source).finally(() => {
        this.#dials.delete(lookup);
        this.#wake.raise();
      });
      this.#dials.add(lookup);
    }
  }

  async #lookUp(source: Source): Promise<void> {
    const { clock, log } = this.options;
    const timeout = new AbortController();
    const cancel = clock.after(RESOLVE_TIMEOUT, () => timeout.abort());
    const signal = AbortSignal.any([this.#abort.signal, timeout.signal]);
    try {
      const { addresses, failures } = await resolveBootnodes([source.entry], this.options.resolver, signal);
      if (this.#abort.signal.aborted) return;
      const failure = failures[0];
      if (failure !== undefined) {
        source.failures++;
        log.warn(failure.message, { tries: source.failures, kept: source.addresses.length });
        source.dueAt = clock.monotonic() + this.#wait("static", source.failures);
        return;
      }
      source.failures = 0;
      const text = (list: readonly PeerAddress[]) => list.map((a) => a.text).sort().join();
      const changed = text(addresses) !== text(source.addresses);
      source.addresses = addresses;
      source.dueAt = clock.monotonic() + RESOLVE_PERIOD;
      this.#rebuild();
      if (changed && source.kind === "static") this.options.onStatic();
    } finally {
      cancel();
    }
  }

  /** One target per peer id from all sources; peers that no source names any more are forgotten. */
  #rebuild(): void {
    const wanted = new Map<string, { kind: BootstrapKind; addresses: Set<string> }>();
    for (const { kind, addresses } of this.#sources) {
      for (const { peerId, text } of addresses) {
        const entry = wanted.get(peerId) ?? { kind, addresses: new Set() };
        if (kind === "static") entry.kind = "static";
        entry.addresses.add(text);
        wanted.set(peerId, entry);
      }
    }
    for (const peerId of this.#targets.keys()) if (!wanted.has(peerId)) this.#targets.delete(peerId);
    for (const [peerId, entry] of wanted) {
      const target = this.#targets.get(peerId);
      if (target !== undefined) Object.assign(target, entry);
      else {
        this.#targets.set(peerId, {
          peerId,
          ...entry,
          state: "waiting",
          failures: 0,
          lastError: undefined,
          dueAt: -Infinity,
          connectedAt: 0,
        });
      }
    }
  }
}
