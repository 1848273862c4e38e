/**
 * The stream manager's decisions, without clock, network or promises: (state, event) → effects.
 *
 * Why it exists: which stream is wanted, who is to blame, who stays away and for how long: tables in tests
 * (sync-protocol.md §3; guide "Stream Manager"; DESIGN.md rule 10). What must stay true: streams are told apart by
 * instance, so that a late end of an old one touches nothing; every removal has a reason, a class and at most one
 * entry in the cooldown table; and a trusted peer has none.
 */
import { isCritical } from "../base/mod.ts";
import { type Admission, type Refusal, refuseOpened, refuseProven } from "./admission.ts";
import { KEEP_ALIVE_MS, MANAGER_TIMES, type ManagerTimes } from "./constants.ts";
import { DiscoveryCore } from "./discovery_core.ts";
import { actionFor, type Offence } from "./fault.ts";
import { makeWay } from "./make_way.ts";
import type { ManagerConfig, ManagerEffect, ManagerEvent } from "./manager_events.ts";
import type { PeerBook } from "./peer_book.ts";
import { isRefusal, lasted, noteUse } from "./refusal.ts";
import { MAX_FAILURES, Removals } from "./removals.ts";
import { healthDegraded, smooth } from "./score.ts";
import { type PeerState, peerStateOf } from "./states.ts";
import { type CoreStream, StreamSet } from "./stream_set.ts";
import { type Weight, weightOfRequest } from "./weight.ts";

const TIMEOUTS_IN_A_ROW = 2;
/** A main stream without a sign of life for this long gives way to a newer one of the same peer. */
const STALE_MS = KEEP_ALIVE_MS + 20_000;

export class ManagerCore {
  readonly config: ManagerConfig;
  readonly times: ManagerTimes;
  readonly book: PeerBook;
  readonly discovery: DiscoveryCore;
  readonly streams: StreamSet;
  readonly #removals: Removals;
  readonly #admission: Admission;
  #nextCheckAt = 0;
  #started = false;
  #phase: "running" | "leaving" | "stopped" = "running";

  constructor(config: ManagerConfig, book: PeerBook) {
    this.config = config;
    this.times = config.times ?? MANAGER_TIMES;
    this.book = book;
    this.streams = new StreamSet(config, book, (peer) => this.discovery.isTrusted(peer));
    this.discovery = new DiscoveryCore(config, book, {
      hasStream: (peer) => this.streams.hasAny(peer),
      activeCount: () => this.streams.activeCount,
      room: () => this.streams.room,
    });
    const standing = () => this.streams.activeCount + this.streams.reservedCount;
    const isTrusted = (peer: string) => this.discovery.isTrusted(peer);
    this.#admission = { selfId: config.selfId, streams: this.streams, book, isTrusted };
    this.#removals = new Removals(book, this.discovery, standing);
  }

  /** Where a peer stands (guide, "Stream States"). */
  peerState(peer: string, now: number): PeerState {
    return peerStateOf(this.streams.mainOf(peer)?.state, this.book, peer, now);
  }

  /** Takes an event and says what is to be done. `now` is ms on the monotonic clock. */
  step(now: number, event: ManagerEvent): ManagerEffect[] {
    const out: ManagerEffect[] = [];
    // At the end only what keeps the books of raw streams straight is heard.
    const { type } = event;
    const heard = this.#phase === "running" || type === "gone" || type === "opened" || type === "stop";
    if (heard) this.#handle(now, event, out);
    return out;
  }

  #handle(now: number, event: ManagerEvent, out: ManagerEffect[]): void {
    switch (event.type) {
      case "start":
        this.#started = true;
        this.#nextCheckAt = now + this.times.checkIntervalMs;
        return this.discovery.start(now, out);
      case "tick":
        return this.#tick(now, out);
      case "opened":
        return this.#opened(event, now, out);
      case "probed":
        return this.#probed(event, now, out);
      case "probeFailed":
        return this.#probeFailed(event.instance, event.offence, now, out);
      case "gone":
        return this.#gone(event.instance, event.offence, now, out);
      case "offence":
        return this.#accused(event, now, out);
      case "credit":
        return this.#credit(event.peer, event.weight, now, out);
      case "alive": {
        const stream = this.streams.get(event.instance);
        if (stream !== undefined) {
          stream.aliveAt = now;
          noteUse(stream, event.weight, now);
          if (this.book.redeems(stream.peer, event.weight, now)) stream.timeoutsInARow = 0;
        }
        return;
      }
      case "height":
        return this.#height(event.instance, event.height, now, out);
      case "measured":
        this.streams.get(event.instance)?.capacity.answered(event.items, event.ms);
        return;
      case "found":
        return this.discovery.found(event.peers, event.origin, now, out);
      case "discovered":
        return this.discovery.discovered(now, out);
      case "dialFailed":
        if (event.fault === "REFUSED") this.book.refused(event.peer, now);
        return this.discovery.setUp(event.peer, undefined, event.fault, now, out, event.unknown);
      case "trusted":
        for (const { peerId } of event.peers) this.book.forgive(peerId, now);
        return this.discovery.trust(event.peers, now, out);
      case "wanted":
        return this.discovery.trigger(event.byHand === true ? "manual" : "wanted", now, out);
      case "online":
        return this.discovery.online(now, out);
      case "disconnected":
        return this.discovery.lost(event.peer, now);
      case "forgive":
        this.book.forgive(event.peer, now);
        for (const peer of this.streams.activePeers()) {
          if (event.peer === undefined || event.peer === peer) out.push({ type: "failures", peer, count: 0 });
        }
        return this.discovery.trigger("manual", now, out);
      case "drop":
        return this.#dropPeer(event.peer, now, out);
      case "release":
        return makeWay(this.streams, this.discovery, event, now, out);
      case "leave":
        this.#phase = "leaving";
        return;
      case "stop":
        this.#phase = "stopped";
        for (const s of this.streams.all()) this.streams.end(s, "SHUTDOWN", "shutting down", out);
        return;
    }
  }

  #opened(event: Extract<ManagerEvent, { type: "opened" }>, now: number, out: ManagerEffect[]): void {
    const { instance, peer, direction } = event;
    // On the way out a stream is as welcome as any: refusing it would end it while its connection stands.
    const refusal: Refusal | undefined = this.#phase === "leaving"
      ? undefined
      : this.#phase === "stopped"
      ? ["SHUTDOWN", "shutting down"]
      : refuseOpened(this.#admission, peer, direction, now);
    const stream = this.streams.add(event, now);
    if (direction === "out") this.discovery.opened(peer, instance);
    if (refusal === undefined) {
      out.push({ type: "probe", instance });
      return;
    }
    this.#refuse(stream, refusal, now, out);
  }

  #refuse(stream: CoreStream, [failure, text]: Refusal, now: number, out: ManagerEffect[]): void {
    const { peer, instance, direction } = stream;
    this.streams.end(stream, failure, text, out);
    if (direction === "out") this.discovery.setUp(peer, instance, "NONE", now, out);
    else this.streams.thin(peer, now, out);
  }

  #probed(event: Extract<ManagerEvent, { type: "probed" }>, now: number, out: ManagerEffect[]): void {
    const { instance, height, addresses = [] } = event;
    const stream = this.streams.get(instance);
    if (stream === undefined || stream.state !== "probing") return;
    const { peer } = stream;
    const refusal = refuseProven(this.#admission, peer, now);
    if (refusal !== undefined) return this.#refuse(stream, refusal, now, out);
    stream.height = height;
    stream.heightAt = stream.aliveAt = stream.provenAt = now;
    // The probe is the first measurement; a reserved stream would have none otherwise.
    stream.capacity.answered(0, now - stream.openedAt);
    this.book.answered(peer, now);
    const page = this.book.page(peer);
    page.goodAt = now;
    if (addresses.length > 0) page.addresses = addresses;
    const main = this.streams.mainOf(peer);
    if (main === undefined) this.streams.place(stream, now, out);
    else this.#resolve(main, stream, now, out);
    // Only now, with the stream in its place, does the discovery see the right number of streams.
    if (stream.direction === "out") this.discovery.setUp(peer, instance, undefined, now, out);
    if (this.streams.isActive(stream)) out.push({ type: "height", peer, height });
  }

  /**
   * Two living streams with one peer. Opened by both sides at once, both sides must keep the same one: that of the
   * smaller peer id. Opened twice by one side, the older one stays unless it shows no life (§2.3).
   */
  #resolve(main: CoreStream, fresh: CoreStream, now: number, out: ManagerEffect[]): void {
    let keepFresh: boolean;
    if (main.direction !== fresh.direction) {
      const opener = this.config.selfId < fresh.peer ? "out" : "in";
      keepFresh = fresh.direction === opener;
    } else {
      keepFresh = now - main.aliveAt > STALE_MS;
    }
    if (keepFresh) this.streams.replace(main, fresh, now, out);
    const loser = keepFresh ? main : fresh;
    loser.state = "spare";
    out.push({ type: "drain", instance: loser.instance });
  }

  #probeFailed(instance: number, why: Offence, now: number, out: ManagerEffect[]): void {
    const stream = this.streams.get(instance);
    if (stream === undefined || stream.state !== "probing") return;
    if (isCritical(why.fault)) {
      this.#banish(stream, why, now, out);
    } else {
      this.streams.end(stream, "PROBE_SILENT", why.text, out);
      // A second stream that is left unanswered is how a Go node treats duplicates: no refusal.
      if (this.streams.ofPeer(stream.peer).length === 0) this.book.refused(stream.peer, now);
    }
    if (stream.direction === "out") this.discovery.setUp(stream.peer, instance, "REFUSED", now, out);
  }

  #gone(instance: number, why: Offence, now: number, out: ManagerEffect[]): void {
    const stream = this.streams.get(instance);
    if (stream === undefined) return;
    const { state, peer, direction } = stream;
    this.streams.forget(stream);
    stream.state = "ending";
    this.discovery.ended(peer, now);
    if (this.#phase !== "running") {
      this.streams.leave(stream, []);
      return;
    }
    const placed = state === "active" || state === "reserved";
    const refused = (placed || state === "probing") && isRefusal(stream, why, this.book, now);
    if (refused && this.streams.ofPeer(peer).length === 0) this.book.refused(peer, now);
    // In whatever state it ends: one that was sent away while it was being probed must not keep its set-up for ever.
    if (direction === "out") this.discovery.setUp(peer, instance, refused ? "REFUSED" : why.fault, now, out);
    if (isCritical(why.fault)) {
      if (!placed && this.discovery.isTrusted(peer)) return this.#reprimand(peer, why, out);
      // One that was on its way out may have been sent there for this very reason.
      if (state === "ending") return this.#convict(peer, why, now, out);
      if (!this.discovery.isTrusted(peer)) return this.#banish(stream, why, now, out);
    }
    const successor = this.streams.ofPeer(peer).find((s) => s.state === "spare");
    if (!placed) return;
    const end: Offence = refused ? { ...why, fault: "REFUSED" } : why;
    if (successor === undefined) return this.#remove(stream, end, now, out);
    this.streams.replace(stream, successor, now, out);
    if (state === "active") out.push({ type: "deactivate", instance });
    if (isCritical(why.fault)) this.#reprimand(peer, why, out);
  }

  /** Takes a stream off its place and fills the gap. The stream itself is ended by the caller, or is gone. */
  #remove(stream: CoreStream, why: Offence, now: number, out: ManagerEffect[]): void {
    const refused = why.fault === "REFUSED";
    if (lasted(stream, now)) this.book.accepted(stream.peer);
    if (!refused) this.discovery.stood(stream.peer, now);
    const wasLow = this.streams.reserveIsLow;
    const wasActive = this.streams.leave(stream, out);
    out.push({ type: "unprotect", peer: stream.peer });
    this.#removals.note({ peer: stream.peer, instance: stream.instance, wasActive }, why, now, out);
    this.streams.refill(now, out);
    if (!this.#started) return;
    // Nothing was lost that we had before.
    if (refused) return this.discovery.turnedAway(now);
    if (this.streams.activeCount === 0) this.discovery.isolated(now);
    if (this.streams.activeCount < this.config.caps.hardLowCap) this.discovery.trigger("hard", now, out);
    // The promotion has taken it below its mark; the active ones are all there.
    else if (!wasLow && this.streams.reserveIsLow) this.discovery.trigger("reserve", now, out);
  }

  /** Ends every stream of a peer that broke the rules, with one entry in the cooldown table. */
  #banish(stream: CoreStream, why: Offence, now: number, out: ManagerEffect[]): void {
    const { peer, instance } = stream;
    const main = this.streams.mainOf(peer);
    for (const s of this.streams.ofPeer(peer)) this.streams.end(s, "BANISHED", why.text, out);
    if (main === undefined) this.#removals.note({ peer, instance, wasActive: false }, why, now, out);
    else this.#remove(main, why, now, out);
  }

  /** Somebody found fault: with the stream that is named, else with whatever the peer has now. */
  #accused(event: Extract<ManagerEvent, { type: "offence" }>, now: number, out: ManagerEffect[]): void {
    const { instance, peer, offence } = event;
    const stream = instance === undefined ? this.streams.mainOf(peer ?? "") : this.streams.get(instance);
    if (stream !== undefined) this.#offend(stream, offence, now, out);
    else if (peer !== undefined && isCritical(offence.fault)) this.#convict(peer, offence, now, out);
  }

  /** A peer that ended its stream before its lie was seen: hanging up in time must gain nothing. */
  #convict(peer: string, why: Offence, now: number, out: ManagerEffect[]): void {
    if (this.discovery.isTrusted(peer)) return this.#reprimand(peer, why, out);
    const page = this.book.page(peer);
    page.success = smooth(page.success, false);
    const standing = this.streams.ofPeer(peer)[0];
    if (standing === undefined) this.#removals.convict(peer, why, now, out);
    else this.#banish(standing, why, now, out);
  }

  /** Trusted peers stay; they are only not asked for data for a while (§3.6). */
  #reprimand(peer: string, why: Offence, out: ManagerEffect[]): void {
    const { suspendTrustedMs } = actionFor(why.fault);
    out.push({ type: "criticalError", peer, offence: why });
    if (suspendTrustedMs > 0) out.push({ type: "suspend", peer, ms: suspendTrustedMs });
  }

  /** What is done about a stream that somebody found fault with (§3.7). */
  #offend(stream: CoreStream, why: Offence, now: number, out: ManagerEffect[]): void {
    if (stream.state === "ending") return;
    const { peer } = stream;
    const action = actionFor(why.fault);
    if (action.remove || action.failures > 0) {
      const page = this.book.page(peer);
      page.success = smooth(page.success, false);
    }
    if (action.failures > 0) {
      this.#failed(stream, why, action.failures, now, out);
    } else if (action.critical && this.discovery.isTrusted(peer)) {
      this.#reprimand(peer, why, out);
    } else if (why.deliberate === true && this.discovery.isTrusted(peer)) {
      out.push({ type: "recoverable", offence: why, ended: false });
    } else if (action.critical) {
      this.#banish(stream, why, now, out);
    } else if (action.remove) {
      this.#drop(stream, why, now, out);
    }
  }

  #failed(stream: CoreStream, why: Offence, by: number, now: number, out: ManagerEffect[]): void {
    const { peer } = stream;
    stream.timeoutsInARow++;
    stream.capacity.timedOut();
    const weight = why.request === undefined ? 0 : weightOfRequest(why.request);
    const count = this.book.addFailures(peer, by, now, weight);
    out.push({ type: "failures", peer, count });
    const tooMany = count >= MAX_FAILURES && !this.discovery.isTrusted(peer);
    const tooManyInARow = stream.timeoutsInARow >= TIMEOUTS_IN_A_ROW;
    out.push({ type: "recoverable", offence: why, ended: tooMany || tooManyInARow });
    if (tooMany) {
      this.#banish(stream, { ...why, reason: "too_many_failures" }, now, out);
    } else if (tooManyInARow) {
      this.#drop(stream, { ...why, reason: "read_failed" }, now, out);
    }
  }

  /** Ends one stream; when it was the peer's main one, that is a removal. */
  #drop(stream: CoreStream, why: Offence, now: number, out: ManagerEffect[]): void {
    const isMain = this.streams.mainOf(stream.peer) === stream;
    this.streams.end(stream, "DROPPED", why.text, out);
    if (isMain) this.#remove(stream, why, now, out);
  }

  /** The operator's wish blames nobody, but counts as a removal, so that a peer dropped twice stays away for a while. */
  #dropPeer(peer: string, now: number, out: ManagerEffect[]): void {
    const why: Offence = { fault: "NONE", reason: "other", text: "dropped by the operator" };
    const main = this.streams.mainOf(peer);
    for (const s of this.streams.ofPeer(peer)) this.streams.end(s, "DROPPED", why.text, out);
    if (main !== undefined) this.#remove(main, why, now, out);
  }

  #credit(peer: string, weight: Weight, now: number, out: ManagerEffect[]): void {
    const stream = this.streams.mainOf(peer);
    if (stream !== undefined) stream.aliveAt = now;
    if (!this.book.redeems(peer, weight, now)) return;
    const page = this.book.page(peer);
    const before = this.book.failures(peer, now);
    page.success = smooth(page.success, true);
    page.goodAt = now;
    if (stream !== undefined) stream.timeoutsInARow = 0;
    if (before > 0) {
      page.failures = before - 1;
      out.push({ type: "failures", peer, count: page.failures });
    }
  }

  #height(instance: number, height: number, now: number, out: ManagerEffect[]): void {
    const stream = this.streams.get(instance);
    if (stream === undefined) return;
    const changed = stream.height !== height;
    stream.height = height;
    stream.heightAt = stream.aliveAt = now;
    if (changed && this.streams.isActive(stream)) out.push({ type: "height", peer: stream.peer, height });
  }

  #tick(now: number, out: ManagerEffect[]): void {
    if (!this.#started) return;
    this.discovery.tick(now, out);
    if (now < this.#nextCheckAt) return;
    this.#nextCheckAt = now + this.times.checkIntervalMs;
    this.book.purge(now);
    const failures = [...this.streams.activePeers()].map((peer) => this.book.failures(peer, now));
    const { softLowCap, highCap } = this.config.caps;
    if (this.streams.activeCount < softLowCap) this.discovery.trigger("soft", now, out);
    else if (healthDegraded(failures)) this.discovery.trigger("health", now, out);
    // Only behind a full front is there anything to be gained: until then whoever comes becomes active.
    else if (this.streams.activeCount >= highCap && this.streams.reserveIsLow) {
      this.discovery.trigger("reserve", now, out);
    }
  }
}
