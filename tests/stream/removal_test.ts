import assert from "node:assert/strict";
import { Bench, CAPS, MIN, of, types, why } from "./support/manager_bench.ts";

const FOUND = (peer: string) => ({
  type: "found",
  origin: "dht",
  peers: [{ peerId: peer, addresses: ["/a"] }],
} as const);

/** A bench whose first discovery is over. */
function started(config: ConstructorParameters<typeof Bench>[0] = {}): Bench {
  const b = new Bench({ caps: { ...CAPS, highCap: 100, discBatch: 32 }, ...config });
  b.step({ type: "start" });
  b.step({ type: "discovered" });
  return b;
}

Deno.test("removal: a set-up ends with its stream, whatever state that is in by then", () => {
  const ends: Array<(b: Bench, peer: string, inbound: number) => unknown> = [
    (b, _peer, inbound) => b.offend(inbound, "RESPONSE_TYPE"),
    (b, peer) => b.step({ type: "drop", peer }),
    (b, peer) => b.step({ type: "release", peers: [peer], why: "in a test" }),
  ];
  for (const end of ends) {
    const b = started();
    for (let i = 0; i < 20; i++) {
      const peer = `N${i}`;
      const dialled = of(b.step(FOUND(peer)), "dial").length;
      assert.equal(dialled, 1, `${peer} is dialled`);
      const inbound = b.live(peer, "in");
      const out = b.open(peer, "out").instance;
      end(b, peer, inbound);
      b.gone(inbound, "BANISHED");
      // The probe fails because the stream ends; that is heard first.
      b.step({ type: "probeFailed", instance: out, offence: why("BANISHED") });
      b.gone(out, "BANISHED");
      assert.equal(b.core.discovery.connecting, 0);
      b.now += 3 * MIN;
    }
  }
});

Deno.test("removal: the late end of an old stream does not end a newer set-up of the same peer", () => {
  const b = started();
  b.step(FOUND("N1"));
  const old = b.live("N1");
  const second = b.open("N1", "out").instance;
  b.gone(old);
  b.step({ type: "probeFailed", instance: second, offence: why("READ_FAILED") });
  b.gone(second);
  b.core.book.forgive("N1", b.now);
  b.now += 2 * MIN;
  assert.equal(of(b.step(FOUND("N1")), "dial").length, 1);
  const third = b.open("N1", "out").instance;
  b.gone(old);
  b.gone(second);
  assert.equal(b.core.discovery.connecting, 1);
  b.step({ type: "probed", instance: third, height: 1 });
  assert.equal(b.core.discovery.connecting, 0);
});

Deno.test("removal: a set-up of which nothing is heard any more does not hold its place for ever", () => {
  const b = started();
  for (let i = 0; i < 16; i++) b.step(FOUND(`N${i}`));
  assert.equal(of(b.step(FOUND("M1")), "dial").length, 0, "all places are taken");
  b.tick(2 * MIN);
  assert.equal(b.core.discovery.connecting, 1);
  assert.equal(of(b.effects, "dial").at(-1)?.peer.peerId, "M1");
});

Deno.test("removal: while a peer's last stream still lingers, it is not dialled", () => {
  const b = started();
  const instance = b.live("N1");
  b.step({ type: "drop", peer: "N1" });
  b.core.book.forgive("N1", b.now);
  b.now += 5_000;
  assert.deepEqual(of(b.step(FOUND("N1")), "dial"), [], "its end has not come yet");
  b.gone(instance, "DROPPED");
  b.now += 3_000;
  assert.equal(of(b.step(FOUND("N1")), "dial").length, 1);
});

Deno.test("removal: a liar that has hung up before its lie was seen is cooled down like any other", () => {
  for (const known of ["instance", "peer"] as const) {
    const b = started();
    const instance = b.live("N1");
    b.gone(instance, "PEER_CLOSED");
    assert.equal(b.cooldownMinutes("N1"), 0);
    const verdict = {
      type: "offence",
      peer: "N1",
      ...(known === "instance" ? { instance } : {}),
      offence: why("BLOCK_HASH"),
    } as const;
    const effects = b.step(verdict);
    assert.equal(b.cooldownMinutes("N1"), 60, known);
    assert.equal(of(effects, "criticalError").length, 1, known);
    const { count } = b.core.book.cooldowns.get("N1") ?? {};
    // Ten bad blocks of one answer are one removal.
    assert.deepEqual(b.step(verdict), []);
    assert.equal(b.core.book.cooldowns.get("N1")?.count, count);
  }
});

Deno.test("removal: the verdict on a stream that is gone ends the peer's next one", () => {
  for (const state of ["active", "probing"]) {
    const b = started();
    const old = b.live("N1");
    b.gone(old, "PEER_CLOSED");
    b.now += 3_000;
    const fresh = state === "active" ? b.live("N1", "in") : b.open("N1", "in").instance;
    const effects = b.step({ type: "offence", peer: "N1", instance: old, offence: why("BLOCK_HASH") });
    assert.deepEqual(of(effects, "end").map((e) => e.instance), [fresh]);
    assert.deepEqual(b.active, []);
    assert.equal(b.cooldownMinutes("N1"), 60);
  }
});

Deno.test("removal: broken frames on a second stream, or on one that is on its way out, count like those on the first", () => {
  for (const state of ["spare", "ending"]) {
    const b = started();
    const main = b.live("N1", "in");
    let second = b.live("N1", "in");
    if (state === "ending") second = b.open("N1", "in").instance;
    assert.equal(b.core.streams.get(second)?.state, state);
    const effects = b.gone(second, "FRAME_TOO_LONG");
    assert.ok(of(effects, "end").some((e) => e.instance === main), state);
    assert.equal(b.cooldownMinutes("N1"), 60);
    for (const { instance } of of(effects, "end")) b.gone(instance, "FRAME_TOO_LONG");
    assert.equal(b.core.book.cooldowns.get("N1")?.count, 1, "once");
  }
});

Deno.test("removal: a trusted peer keeps its stream whatever it asks or answers", () => {
  const b = started({ trusted: [{ peerId: "T", addresses: [] }] });
  const instance = b.live("T");
  for (const failure of ["UNSOLICITED", "FLOOD", "CAP_VIOLATIONS"] as const) {
    const noted = failure === "CAP_VIOLATIONS" ? "recoverable" : "criticalError";
    assert.deepEqual(types(b.offend(instance, failure)), [noted]);
  }
  assert.deepEqual(b.active, ["T"]);
});

Deno.test("removal: a late report of something forgivable touches nobody", () => {
  const b = started();
  const old = b.live("N1");
  b.gone(old, "PEER_CLOSED");
  b.now += 3_000;
  b.live("N1", "in");
  for (const failure of ["REQUEST_TIMEOUT", "NOT_DELIVERED", "READ_FAILED"] as const) {
    assert.deepEqual(b.step({ type: "offence", peer: "N1", instance: old, offence: why(failure) }), []);
  }
  assert.deepEqual(b.active, ["N1"]);
});

Deno.test("removal: a trusted peer is not cooled down for what comes out after its stream has gone", () => {
  const b = started({ trusted: [{ peerId: "T", addresses: [] }] });
  const instance = b.live("T");
  b.gone(instance, "PEER_CLOSED");
  const effects = b.step({ type: "offence", peer: "T", instance, offence: why("BLOCK_HASH") });
  assert.deepEqual(types(effects), ["criticalError", "suspend"]);
  assert.equal(b.core.book.cooldowns.get("T"), undefined);
});

Deno.test("removal: an outage pardons no lie that came out after the peer's stream had gone", () => {
  const b = started();
  const all = ["L", "A", "B", "C"].map((p) => b.live(p));
  b.gone(all[0] as number);
  b.step({ type: "offence", peer: "L", offence: why("BLOCK_HASH") });
  b.now += 1_000;
  for (const i of all.slice(1, 3)) b.gone(i);
  assert.equal(of(b.effects, "outage").length, 1);
  assert.equal(b.core.book.cooldowns.get("L")?.critical, true);
});

Deno.test("removal: a peer lost twice in one outage keeps the history from before the first loss", () => {
  const b = started();
  const all = ["N0", "N1", "N2", "N3", "N4", "N5"].map((p) => b.live(p));
  b.gone(all[0] as number);
  b.gone(b.live("N0", "in"));
  assert.equal(b.core.book.cooldowns.get("N0")?.count, 2);
  for (const i of all.slice(1, 4)) b.gone(i);
  assert.ok(of(b.effects, "outage").length > 0);
  assert.equal(b.core.book.cooldowns.get("N0"), undefined);
});

Deno.test("removal: one peer that comes and goes is no outage, nor are peers that break the rules of asking", () => {
  const b = started();
  b.live("A");
  b.live("B");
  for (let i = 0; i < 4; i++) {
    b.core.book.cooldowns.forgive("N1", b.now);
    b.gone(b.live("N1", "in"));
  }
  assert.equal(of(b.effects, "outage").length, 0);
  const c = started();
  const all = ["N1", "N2", "N3", "N4"].map((p) => c.live(p));
  for (const [i, instance] of all.entries()) {
    c.gone(instance, i % 2 === 0 ? "CAP_VIOLATIONS" : "FRAME_STALLED");
  }
  assert.equal(of(c.effects, "outage").length, 0);
});

Deno.test("removal: refused streams of one peer are few: the oldest is cut before its time, never the only ones", () => {
  const b = started();
  b.live("N1", "in");
  b.live("N1", "in");
  const refused: number[] = [];
  for (let i = 0; i < 40; i++) {
    b.now += 100;
    refused.push(b.open("N1", "in").instance);
    for (const { instance } of of(b.effects.splice(0), "cut")) b.gone(instance, "OVER_CAPACITY");
    const standing = [...b.core.streams.all()].filter((s) => s.peer === "N1");
    assert.ok(standing.length <= 4, `${standing.length} streams stand`);
  }
  const left = [...b.core.streams.all()].filter((s) => s.state === "ending").map((s) => s.instance);
  assert.deepEqual(left, refused.slice(-2));
});

Deno.test("removal: refused streams of all peers are bounded, but none is cut within its first second", () => {
  const b = started({ caps: { ...CAPS, highCap: 0 }, maxReserved: 0 });
  for (let i = 0; i < 300; i++) b.open(`N${i}`, "in");
  assert.equal(of(b.effects, "cut").length, 0, "a Go node that has just come may not have read yet");
  b.now += 1_000;
  b.open("N300", "in");
  const cut = of(b.effects, "cut").map((e) => e.instance);
  for (const instance of cut) b.gone(instance, "OVER_CAPACITY");
  assert.equal([...b.core.streams.all()].length, 128);
  assert.deepEqual(cut, Array.from({ length: 173 }, (_, i) => i + 1), "the oldest first");
});

Deno.test("removal: forgiving one peer or all takes their failures back, too, and the requests hear of it", () => {
  for (const peer of ["N1", undefined]) {
    const b = started();
    const [one, two] = [b.live("N1"), b.live("N2")];
    for (const instance of [one, two]) b.offend(instance, "REQUEST_TIMEOUT");
    const effects = b.step({ type: "forgive", peer });
    const told = of(effects, "failures").map((e) => [e.peer, e.count]);
    assert.deepEqual(told, peer === undefined ? [["N1", 0], ["N2", 0]] : [["N1", 0]]);
    assert.equal(b.core.book.failures("N1", b.now), 0);
    assert.equal(b.core.book.failures("N2", b.now), peer === undefined ? 0 : 1);
  }
});
