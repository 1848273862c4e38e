import assert from "node:assert/strict";
import { SeededRandom } from "../../src/base/mod.ts";
import type { FailureName } from "../../src/stream/fault.ts";
import { PEER_MOVES, type PeerState, STREAM_MOVES, type StreamState } from "../../src/stream/states.ts";
import { Bench, CAPS, MIN, of, why } from "./support/manager_bench.ts";
import { inWorld, TOPIC } from "./support/node.ts";
import { answerHeights, RawPeer } from "./support/raw_peer.ts";
import type { SimStream } from "./support/sim_stream.ts";

const PEERS = ["A", "B", "N1", "N2", "N3", "N4", "N5", "N6", "T"];
const FAILURES: readonly FailureName[] = [
  "READ_FAILED",
  "PEER_CLOSED",
  "PEER_RESET",
  "CAP_VIOLATIONS",
  "REQUEST_TIMEOUT",
  "NOT_DELIVERED",
  "BLOCK_HASH",
  "FLOOD",
];

/** Plays a random history and calls `look` after every event. */
function play(seed: number, look: (b: Bench) => void): void {
  const random = new SeededRandom(seed);
  const b = new Bench({
    caps: { ...CAPS, highCap: 3 },
    maxReserved: 2,
    trusted: [{ peerId: "T", addresses: [] }],
  });
  const pick = <T>(list: readonly T[]): T => list[random.int(list.length)] as T;
  const any = () => pick([...b.core.streams.all()].map((s) => s.instance));
  const seen = () => b.effects.splice(0);
  b.step({ type: "start" });
  for (let i = 0; i < 400; i++) {
    const peer = pick(PEERS);
    const instance = any() ?? 0;
    switch (random.int(12)) {
      case 0:
      case 1:
        b.open(peer, pick(["in", "out"] as const));
        break;
      case 2:
      case 3:
      case 4:
        b.step({ type: "probed", instance, height: 1 });
        break;
      case 5:
        b.step({
          type: "probeFailed",
          instance,
          offence: why(pick(["PROBE_SILENT", "HEIGHT_ABSURD"] as const)),
        });
        break;
      case 6:
        b.gone(instance, pick(FAILURES));
        break;
      case 7:
        b.step({ type: "offence", instance, peer, offence: why(pick(FAILURES)) });
        break;
      case 8:
        b.step(pick(
          [
            { type: "forgive", peer },
            { type: "drop", peer },
            { type: "release", peers: [peer], why: "in a test" },
            { type: "credit", peer, weight: 2 },
          ] as const,
        ));
        break;
      case 9:
        b.tick(pick([1_000, 20_000]));
        break;
      case 10:
        b.now += pick([10, 6 * MIN, 61 * MIN]);
        break;
      default:
        for (const e of of(seen(), "end")) b.gone(e.instance, e.failure);
    }
    look(b);
  }
}

Deno.test("states: no history moves a stream or a peer against the tables", () => {
  const moved = new Set<string>();
  for (let seed = 1; seed <= 60; seed++) {
    const streams = new Map<number, StreamState>();
    const peers = new Map<string, PeerState>();
    play(seed, (b) => {
      for (const { instance, state } of b.core.streams.all()) {
        const before = streams.get(instance) ?? "probing";
        streams.set(instance, state);
        if (before === state) continue;
        moved.add(`${before} ${state}`);
        assert.ok(
          STREAM_MOVES[before].includes(state),
          `seed ${seed}: a stream went from ${before} to ${state}`,
        );
      }
      for (const peer of PEERS) {
        const state = b.core.peerState(peer, b.now);
        const before = peers.get(peer) ?? "unknown";
        peers.set(peer, state);
        if (before === state) continue;
        moved.add(`peer ${before} ${state}`);
        assert.ok(
          PEER_MOVES[before].includes(state),
          `seed ${seed}: ${peer} went from ${before} to ${state}`,
        );
        assert.ok(
          peer !== "T" || (state !== "removed" && state !== "expired"),
          "a trusted peer has no record",
        );
      }
    });
  }
  const never = [
    ...Object.entries(STREAM_MOVES).flatMap(([from, to]) => to.map((t) => `${from} ${t}`)),
    ...Object.entries(PEER_MOVES).flatMap(([from, to]) => to.map((t) => `peer ${from} ${t}`)),
  ].filter((move) => !moved.has(move));
  assert.deepEqual(never, [], "every move of the tables happens");
});

Deno.test("states: a peer goes from active over removed to expired and back", () => {
  const b = new Bench();
  const states: PeerState[] = [];
  const look = () => states.push(b.core.peerState("N1", b.now));
  look();
  const first = b.live("N1");
  look();
  b.gone(first);
  look();
  b.gone(b.live("N1"));
  look();
  b.now += 5 * MIN;
  look();
  b.live("N1");
  look();
  assert.deepEqual(states, ["unknown", "active", "expired", "removed", "expired", "active"]);
});

Deno.test("states: a stream whose peer was removed meanwhile gets no place when its probe is answered", () => {
  const b = new Bench();
  b.gone(b.live("N1"));
  const main = b.live("N1");
  const second = b.open("N1", "in").instance;
  b.step({ type: "offence", instance: main, offence: why("CAP_VIOLATIONS") });
  assert.equal(b.core.peerState("N1", b.now), "removed");
  const effects = b.step({ type: "probed", instance: second, height: 1 });
  assert.deepEqual(of(effects, "end").map((e) => [e.instance, e.failure]), [[second, "OVER_CAPACITY"]]);
  assert.equal(b.core.peerState("N1", b.now), "removed");
});

Deno.test("states: every stream is shown with its state and what its score is made from", async () => {
  await inWorld({}, async (world) => {
    const passive = { hardLowCap: 0, softLowCap: 0, highCap: 1, discBatch: 1 };
    const node = world.node({ height: 60, caps: passive });
    await world.start(node);
    const open = async (host = world.network.host(), answers = true) => {
      const to = { peerId: node.host.peerId, addresses: [] };
      const stream = await host.openStream(to, TOPIC, { timeoutMs: 1_000 });
      new RawPeer(stream as SimStream, answers ? answerHeights(60) : undefined);
      await world.pass(10);
      return host;
    };
    const first = await open();
    await open();
    await open(first);
    const silent = await open(undefined, false);
    await open(silent, false);
    await open(silent, false);
    await open(silent, false);
    const { list } = node.protocol.snapshot();
    assert.deepEqual(list.map((s) => s.state), [
      "active",
      "reserved",
      "spare",
      "probing",
      "probing",
      "ending",
      "ending",
    ]);
    for (const s of list) assert.equal(s.success, 0.5);
    assert.ok(list.every((s) => s.itemsPerSecond === undefined));
    assert.deepEqual(node.protocol.streams().map((s) => s.id), [first.peerId]);
  });
});
