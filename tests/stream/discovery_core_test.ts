import assert from "node:assert/strict";
import { ManagerCore } from "../../src/stream/manager_core.ts";
import type { ManagerConfig, ManagerEffect, ManagerEvent } from "../../src/stream/manager_events.ts";
import { PeerBook } from "../../src/stream/peer_book.ts";
import { type FailureName, FAILURES } from "../../src/stream/fault.ts";
import type { StreamCaps } from "../../src/stream/mod.ts";
import { simPeerId } from "./support/sim_network.ts";

const CAPS: StreamCaps = { hardLowCap: 2, softLowCap: 3, highCap: 300, discBatch: 8 };

class Bench {
  now = 0;
  readonly core: ManagerCore;
  #instance = 0;
  constructor(config: Partial<ManagerConfig> = {}, book = new PeerBook()) {
    this.core = new ManagerCore({ selfId: "M", caps: CAPS, ...config }, book);
  }
  step(event: ManagerEvent): ManagerEffect[] {
    return this.core.step(this.now, event);
  }
  found(...peers: string[]): string[] {
    const effects = this.step({
      type: "found",
      origin: "dht",
      peers: peers.map((peerId) => ({ peerId, addresses: [] })),
    });
    return dials(effects);
  }
  live(peer: string, effects: ManagerEffect[] = []): number {
    const instance = ++this.#instance;
    effects.push(...this.step({ type: "opened", instance, peer, direction: "out", address: "", muxer: "" }));
    effects.push(...this.step({ type: "probed", instance, height: 1 }));
    return instance;
  }
  gone(instance: number, failure: FailureName = "READ_FAILED"): ManagerEffect[] {
    const { fault, reason } = FAILURES[failure];
    return this.step({ type: "gone", instance, offence: { fault, reason, text: "" } });
  }
  /** Ticks second by second; @returns the seconds at which a discovery began. Each run finds nobody. */
  runs(seconds: number): number[] {
    const at: number[] = [];
    const start = this.now;
    for (let s = 0; s < seconds; s++) {
      this.now += 1_000;
      if (this.step({ type: "tick" }).some((e) => e.type === "discover")) {
        at.push((this.now - start) / 1_000);
        this.step({ type: "discovered" });
      }
    }
    return at;
  }
}

const dials = (effects: readonly ManagerEffect[]) =>
  effects.flatMap((e) => e.type === "dial" ? [e.peer.peerId] : []);
const discovers = (effects: readonly ManagerEffect[]) =>
  effects.flatMap((e) => e.type === "discover" ? [e.trigger] : []);

Deno.test("discovery: at most 16 set-ups at once, the rest follows as they end (T-22)", () => {
  const b = new Bench({ caps: { ...CAPS, discBatch: 200 } });
  b.step({ type: "start" });
  const peers = Array.from({ length: 200 }, (_, i) => `P${i}`);
  const first = b.found(...peers);
  assert.equal(first.length, 16);
  assert.equal(b.core.discovery.connecting, 16);
  let dialled = first.length;
  let most = 16;
  const running = [...first];
  while (running.length > 0) {
    const peer = running.shift() as string;
    const next = dials(b.step({ type: "dialFailed", peer, fault: "TRANSPORT" }));
    running.push(...next);
    dialled += next.length;
    most = Math.max(most, b.core.discovery.connecting);
  }
  assert.equal(dialled, 200);
  assert.equal(most, 16);
});

Deno.test("discovery: one run at a time, and no more peers than it wants", () => {
  const b = new Bench();
  const start = b.step({ type: "start" });
  assert.deepEqual(discovers(start), ["start"]);
  assert.deepEqual(discovers(b.step({ type: "wanted" })), []);
  assert.equal(b.found(...Array.from({ length: 20 }, (_, i) => `P${i}`)).length, CAPS.discBatch);
  assert.equal(b.core.discovery.wanted(), 0);
});

Deno.test("discovery: a lone node asks again after 1, 2, 4 … s, never sleeping for long", () => {
  const b = new Bench();
  b.step({ type: "start" });
  b.step({ type: "discovered" });
  const at = b.runs(1_800);
  assert.deepEqual(at.slice(0, 4), [1, 3, 7, 15]);
  assert.ok(at.every((t, i) => t - (at[i - 1] ?? 0) <= 60), `${at}`);
});

Deno.test("discovery: below the hard cap 30 s, then doubling up to 5 min; at the cap 5 min (isolation rule)", () => {
  const few = new Bench();
  few.step({ type: "start" });
  few.live("A");
  few.step({ type: "discovered" });
  const gaps = few.runs(1_800).map((t, i, all) => t - (all[i - 1] ?? 0));
  assert.deepEqual(gaps.slice(0, 5), [30, 60, 120, 240, 300]);
  const enough = new Bench();
  enough.step({ type: "start" });
  enough.live("A");
  enough.live("B");
  enough.step({ type: "discovered" });
  const first = enough.runs(600)[0];
  assert.ok(
    first !== undefined && first >= 300 && first <= 330,
    `two of three wanted streams: next run after ${first} s`,
  );
});

Deno.test("discovery: a removal below the hard cap starts a run at once, also during the cooldown", () => {
  const b = new Bench();
  b.step({ type: "start" });
  const a = b.live("A");
  b.live("B");
  b.step({ type: "discovered" });
  b.now += 1_000;
  assert.deepEqual(discovers(b.gone(a)), ["hard"]);
});

Deno.test("discovery: losing the last stream ends the sleep of many fruitless runs, and the waits begin anew", () => {
  const b = new Bench({ caps: { ...CAPS, hardLowCap: 3 } });
  b.step({ type: "start" });
  const a = b.live("A");
  b.step({ type: "discovered" });
  assert.ok(b.runs(1_000).length < 10);
  assert.deepEqual(discovers(b.gone(a)), ["hard"]);
  b.step({ type: "discovered" });
  assert.deepEqual(b.runs(10).slice(0, 3), [1, 3, 7]);
});

Deno.test("discovery: removals one after another below the hard cap make a run every five seconds at most", () => {
  const b = new Bench({ caps: { ...CAPS, hardLowCap: 50 } });
  b.step({ type: "start" });
  const instances = Array.from({ length: 30 }, (_, i) => b.live(`P${i}`));
  b.step({ type: "discovered" });
  b.now += 60_000;
  const at: number[] = [];
  for (const [i, instance] of instances.slice(0, 20).entries()) {
    b.now += 1_000;
    // Liars, so that it is no outage.
    const { fault, reason } = FAILURES.BLOCK_HASH;
    const effects = b.step({ type: "offence", instance, offence: { fault, reason, text: "" } });
    effects.push(...b.step({ type: "tick" }));
    if (discovers(effects).length > 0) {
      at.push(i);
      b.step({ type: "discovered" });
    }
  }
  assert.deepEqual(at, [0, 5, 10, 15]);
});

Deno.test("discovery: what the node wants waits for the cooldown, the operator for five seconds at most", () => {
  const b = new Bench();
  b.step({ type: "start" });
  b.live("A");
  b.live("B");
  b.step({ type: "discovered" });
  b.now += 4_000;
  assert.deepEqual(discovers(b.step({ type: "wanted", byHand: true })), []);
  assert.deepEqual(b.runs(20), [1], "kept until the pause is over");
  for (let s = 0; s < 200; s += 5) {
    b.now += 5_000;
    assert.deepEqual(discovers(b.step({ type: "wanted" })), []);
  }
  assert.deepEqual(discovers(b.step({ type: "wanted", byHand: true })), ["manual"]);
  b.step({ type: "discovered" });
  b.now += 300_000;
  assert.deepEqual(discovers(b.step({ type: "wanted" })), ["wanted"]);
});

Deno.test("discovery: an outage does not lengthen the waits after it", () => {
  const b = new Bench({ caps: { hardLowCap: 6, softLowCap: 8, highCap: 128, discBatch: 8 } });
  b.step({ type: "start" });
  const instances = Array.from({ length: 8 }, (_, i) => b.live(`P${i}`));
  b.step({ type: "discovered" });
  for (const i of instances) {
    if (discovers(b.gone(i)).length > 0) b.step({ type: "discovered" });
  }
  const at = b.runs(330);
  const after = at.filter((t) => t > 300);
  assert.ok(after.length >= 3, `runs after five minutes at ${after} s`);
});

Deno.test("discovery: a reserve that falls below a tenth of its size is filled up, though every place is taken", () => {
  const b = new Bench({ caps: { ...CAPS, highCap: 10 }, maxReserved: 20 });
  b.step({ type: "start" });
  const instances = Array.from({ length: 13 }, (_, i) => b.live(`P${i}`));
  b.step({ type: "discovered" });
  b.now += 5 * 60_000;
  assert.deepEqual(discovers(b.gone(instances[0] as number)), [], "two of twenty are a tenth");
  assert.deepEqual(discovers(b.gone(instances[1] as number)), ["reserve"]);
  assert.deepEqual(b.found("Q1", "Q2"), ["Q1", "Q2"]);
  for (const peer of ["Q1", "Q2"]) b.live(peer);
  b.step({ type: "discovered" });
  assert.deepEqual([b.core.streams.activeCount, b.core.streams.reservedCount], [10, 3]);
});

Deno.test("discovery: a network with too few peers for the reserve is asked every five minutes, a small one not at all", () => {
  const full = new Bench({ caps: { ...CAPS, highCap: 10 }, maxReserved: 20 });
  full.step({ type: "start" });
  for (let i = 0; i < 11; i++) full.live(`P${i}`);
  full.step({ type: "discovered" });
  const gaps = full.runs(3_600).map((t, i, all) => t - (all[i - 1] ?? 0));
  assert.ok(gaps.length > 0 && gaps.every((gap) => gap >= 270), `${gaps}`);
  const small = new Bench();
  small.step({ type: "start" });
  for (let i = 0; i < 5; i++) small.live(`P${i}`);
  small.found("X");
  small.step({ type: "discovered" });
  assert.deepEqual(small.runs(3_600), []);
});

Deno.test("discovery: the routine check looks for more below the soft cap and when health is bad", () => {
  const b = new Bench();
  b.step({ type: "start" });
  const instances = ["A", "B", "C"].map((p) => b.live(p));
  b.found("X");
  b.step({ type: "discovered" });
  b.step({ type: "dialFailed", peer: "X", fault: "TRANSPORT" });
  assert.deepEqual(b.runs(60), [], "three streams are enough");
  for (const instance of instances.slice(0, 2)) {
    for (let i = 0; i < 2; i++) {
      const { fault, reason } = FAILURES.REQUEST_TIMEOUT;
      b.step({ type: "offence", instance, offence: { fault, reason, text: "" } });
      b.step({ type: "alive", instance, weight: 0 });
    }
  }
  assert.equal(b.runs(31).length, 1, "two of three have failed twice");
});

Deno.test("discovery: who is connected, cooled down, refusing, just gone or ourselves is not dialled", () => {
  const b = new Bench();
  b.step({ type: "start" });
  b.live("connected");
  b.core.book.cooldowns.note("cooled", b.now, "invalid_blocks", true);
  b.core.book.refused("refusing", b.now);
  b.gone(b.live("gone"));
  assert.deepEqual(b.found("connected", "cooled", "refusing", "gone", "M", "fresh"), ["fresh"]);
  b.now += 3_000;
  assert.deepEqual(b.found("gone"), ["gone"], "after a pause of seconds");
});

Deno.test("discovery: a failed dial leaves the peer alone for a minute", () => {
  const b = new Bench();
  b.step({ type: "start" });
  b.found("A");
  b.step({ type: "dialFailed", peer: "A", fault: "TRANSPORT" });
  b.now += 59_999;
  assert.deepEqual(b.found("A"), []);
  b.now += 1;
  assert.deepEqual(b.found("A"), ["A"]);
});

Deno.test("discovery: trusted peers come first, and again when nobody else is found", () => {
  const b = new Bench({ trusted: [{ peerId: "T", addresses: ["/t"] }] });
  const start = b.step({ type: "start" });
  assert.deepEqual(start.map((e) => e.type), ["dial", "discover"]);
  b.step({ type: "dialFailed", peer: "T", fault: "TRANSPORT" });
  assert.deepEqual(dials(b.step({ type: "discovered" })), ["T"], "its dial cooldown does not count then");
});

Deno.test("discovery: good peers of the last run are dialled before anybody is asked", () => {
  const [a, c, d] = [simPeerId(1), simPeerId(2), simPeerId(3)];
  const before = new PeerBook();
  before.page(a).goodAt = 5;
  before.page(c).goodAt = 9;
  before.page(d).goodAt = 9;
  for (const peer of [a, c]) before.page(peer).addresses = ["/ip4/127.0.0.1/tcp/1"];
  before.cooldowns.note(a, 0, "invalid_blocks", true);
  const book = new PeerBook();
  book.import(before.export(10), 0);
  const b = new Bench({}, book);
  assert.deepEqual(dials(b.step({ type: "start" })), [c], "a liar of the last run is still cooled down");
  // One whose address nobody knows any more is not spoilt for whoever brings it.
  const found = { peerId: d, addresses: ["/ip4/127.0.0.1/tcp/2"] };
  assert.deepEqual(dials(b.step({ type: "found", peers: [found], origin: "dht" })), [d]);
});

Deno.test("discovery: a peer without a known address is dialled as soon as somebody brings one", () => {
  const b = new Bench();
  b.step({ type: "start" });
  const nameless = { peerId: "A", addresses: [] };
  assert.deepEqual(dials(b.step({ type: "found", peers: [nameless], origin: "connected" })), ["A"]);
  b.step({ type: "dialFailed", peer: "A", fault: "TRANSPORT", unknown: true });
  const found = { peerId: "A", addresses: ["/ip4/127.0.0.1/tcp/2"] };
  assert.deepEqual(dials(b.step({ type: "found", peers: [found], origin: "dht" })), ["A"]);
});

Deno.test("discovery: after an outage everybody lost is tried again within seconds of the return", () => {
  const b = new Bench({ caps: { hardLowCap: 6, softLowCap: 8, highCap: 128, discBatch: 8 } });
  b.step({ type: "start" });
  const peers = Array.from({ length: 20 }, (_, i) => `P${i}`);
  const instances = peers.map((p) => b.live(p));
  b.step({ type: "discovered" });
  for (const i of instances) b.gone(i, "READ_FAILED");
  // Sixty seconds without a network: every dial and every question fails.
  const backAt = b.now + 60_000;
  let doneAt: number | undefined;
  for (let s = 0; s < 120 && doneAt === undefined; s++) {
    b.now += 1_000;
    const queue = b.step({ type: "tick" });
    for (let e = queue.shift(); e !== undefined; e = queue.shift()) {
      if (e.type === "discover") queue.push(...b.step({ type: "discovered" }));
      if (e.type !== "dial") continue;
      if (b.now < backAt) {
        queue.push(...b.step({ type: "dialFailed", peer: e.peer.peerId, fault: "TRANSPORT" }));
      } else b.live(e.peer.peerId, queue);
    }
    if (b.core.streams.activeCount === 20) doneAt = b.now;
  }
  assert.ok(
    doneAt !== undefined && doneAt - backAt <= 30_000,
    `all back ${doneAt === undefined ? "never" : doneAt - backAt} ms after the return`,
  );
});

Deno.test("discovery: liars among the good peers of the last run take nobody's place", () => {
  const ids = Array.from({ length: 12 }, (_, i) => simPeerId(i + 1));
  const before = new PeerBook();
  for (const [i, id] of ids.entries()) {
    Object.assign(before.page(id), { goodAt: 100 - i, addresses: ["/ip4/127.0.0.1/tcp/1"] });
  }
  // The best eight of twelve, as many as one run wants.
  for (const id of ids.slice(0, 8)) before.cooldowns.note(id, 100, "invalid_blocks", true);
  const book = new PeerBook();
  book.import(before.export(100), 0);
  assert.deepEqual(dials(new Bench({}, book).step({ type: "start" })), ids.slice(8));
});

Deno.test("discovery: a trusted peer that has gone is dialled before whoever waits for a dial", () => {
  const b = new Bench({ caps: { ...CAPS, discBatch: 200 }, trusted: [{ peerId: "T", addresses: ["/t"] }] });
  b.step({ type: "start" });
  b.live("T");
  b.found(...Array.from({ length: 100 }, (_, i) => `P${i}`));
  b.gone(1);
  b.now += 3_000;
  b.step({ type: "tick" });
  assert.deepEqual(dials(b.step({ type: "dialFailed", peer: "P0", fault: "TRANSPORT" })), ["T"]);
});

Deno.test("discovery: a forgiven peer may come at once", () => {
  const b = new Bench();
  b.step({ type: "start" });
  b.step({ type: "discovered" });
  b.core.book.cooldowns.note("A", b.now, "invalid_blocks", true);
  b.core.book.refused("A", b.now);
  b.now += 6_000;
  assert.deepEqual(discovers(b.step({ type: "forgive", peer: "A" })), ["manual"]);
  assert.deepEqual(b.found("A"), ["A"]);
});

// T-02
Deno.test("discovery: below the hard cap a peer whose connection broke is dialled again after the pause, one that ended its stream is not", () => {
  const b = new Bench();
  b.step({ type: "start" });
  b.step({ type: "discovered" });
  b.now += 60_000;
  const redials = (broken: boolean) => {
    const peer = `N${b.now}`;
    const instance = b.live(peer);
    b.gone(instance);
    if (broken) b.step({ type: "disconnected", peer });
    const out: number[] = [];
    for (let s = 1; s <= 10; s++) {
      b.now += 1_000;
      const effects = b.step({ type: "tick" });
      if (dials(effects).includes(peer)) out.push(s);
      if (discovers(effects).length > 0) b.step({ type: "discovered" });
    }
    b.step({ type: "dialFailed", peer, fault: "TRANSPORT" });
    return out;
  };
  assert.deepEqual(redials(true), [4], "not within three seconds of its end");
  assert.deepEqual(redials(false), []);
  b.live("A");
  b.live("B");
  assert.deepEqual(redials(true), [], "there are enough of them");
});
