import assert from "node:assert/strict";
import { createLogger, type LogRecord, ManualClock, SeededRandom } from "../../src/base/mod.ts";
import { parseBootnodes, type TxtResolver } from "../../src/p2p/bootnodes.ts";
import { Bootstrap, MAX_PARALLEL_DIALS, redialWait, RESOLVE_PERIOD } from "../../src/p2p/bootstrap.ts";
import { newIdentity } from "../../src/p2p/mod.ts";

const SECOND = 1000, MINUTE = 60_000, HOUR = 3_600_000;
const A = "QmPeuDo4kcfpWqVM9WLuG9wKwUo9ebCsLGtgY71bVKLZ5M";
const B = "Qmdfjtk6hPoyrH1zVD9PEH4zfWLo38dP2mDvvKXfh3tnEv";
const at = (peerId: string, port = 9000) => `/ip4/1.2.3.4/tcp/${port}/p2p/${peerId}`;

class NoJitter extends SeededRandom {
  override next(): number {
    return 0;
  }
}

/** A network of which the test decides who answers. */
class FakeNetwork {
  readonly clock = new ManualClock();
  readonly dials: Array<{ readonly at: number; readonly addresses: readonly string[] }> = [];
  readonly connected = new Set<string>();
  readonly reachable = new Set<string>();
  readonly log: LogRecord[] = [];
  /** Dials hang until aborted. */
  hangs = false;
  needsBootnodes = true;
  /** The static peers each time that they changed. */
  readonly statics: string[][] = [];
  resolver: TxtResolver = () => Promise.reject(new Error("no name server"));
  bootstrap: Bootstrap | undefined;

  start(bootnodes: readonly string[], staticPeers: readonly string[] = []): Bootstrap {
    this.bootstrap = new Bootstrap({
      bootnodes: parseBootnodes(bootnodes),
      staticPeers: parseBootnodes(staticPeers),
      resolver: (name, signal) => this.resolver(name, signal),
      clock: this.clock,
      random: new NoJitter(1),
      log: createLogger({ level: "warn", sinks: [(r) => this.log.push(r)] }),
      dial: (addresses, signal) => this.#dial(addresses, signal),
      isConnected: (peerId) => this.connected.has(peerId),
      needsBootnodes: () => this.needsBootnodes,
      isolated: () => this.connected.size === 0,
      onStatic: () => this.statics.push(this.bootstrap?.staticPeers().map((p) => p.peerId) ?? []),
    });
    this.bootstrap.start();
    return this.bootstrap;
  }
  #dial(addresses: readonly string[], signal: AbortSignal): Promise<void> {
    this.dials.push({ at: this.clock.monotonic(), addresses });
    if (this.hangs) {
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    }
    const peerId = addresses[0]?.split("/").pop() ?? "";
    if (!this.reachable.has(peerId)) return Promise.reject(new Error("connection refused"));
    this.connected.add(peerId);
    return Promise.resolve();
  }
  lose(peerId: string): void {
    this.connected.delete(peerId);
    this.bootstrap?.poke();
  }
  get times(): number[] {
    return this.dials.map((d) => d.at);
  }
}

Deno.test("waits between tries grow to a limit, shorter with no company and for static peers", () => {
  const cases: ReadonlyArray<readonly ["bootnode" | "static", number, boolean, number]> = [
    ["bootnode", 0, false, SECOND],
    ["bootnode", 1, false, SECOND],
    ["bootnode", 2, false, 2 * SECOND],
    ["bootnode", 9, false, 256 * SECOND],
    ["bootnode", 10, false, 5 * MINUTE],
    ["bootnode", 1000, false, 5 * MINUTE],
    ["bootnode", 1000, true, 10 * SECOND],
    ["static", 7, false, MINUTE],
    ["static", 1000, true, 10 * SECOND],
  ];
  for (const [kind, failures, isolated, wait] of cases) {
    assert.equal(redialWait(kind, failures, isolated, 0), wait, `${kind} ${failures} ${isolated}`);
    const jittered = redialWait(kind, failures, isolated, 0.999);
    assert.ok(jittered < wait && jittered >= wait * 0.8);
  }
});

Deno.test("all entries are dialled side by side at start, the addresses of one peer together", async () => {
  const network = new FakeNetwork();
  network.hangs = true;
  const bootstrap = network.start([at(A, 1), at(A, 2)], [at(B)]);
  await network.clock.advance(0);
  assert.deepEqual(network.dials.map((d) => d.addresses), [[at(B)], [at(A, 1), at(A, 2)]]);
  await bootstrap.stop();
  assert.equal(network.clock.pending, 0);
});

Deno.test("a peer that does not answer is tried on and on, and the log says so once a minute", async () => {
  const network = new FakeNetwork();
  const bootstrap = network.start([at(A)]);
  await network.clock.advance(40 * SECOND);
  assert.deepEqual(network.times, [0, 1, 3, 7, 15, 25, 35].map((s) => s * SECOND));
  assert.equal(bootstrap.peers()[0]?.failures, 7);
  assert.match(bootstrap.peers()[0]?.lastError ?? "", /refused/);
  await network.clock.advance(90 * SECOND);
  assert.equal(network.log.length, 3);
  network.reachable.add(A);
  await network.clock.advance(10 * SECOND);
  assert.equal(bootstrap.peers()[0]?.state, "connected");
  const dials = network.dials.length;
  await network.clock.advance(HOUR);
  assert.equal(network.dials.length, dials, "nobody dials who is connected");
  await bootstrap.stop();
});

Deno.test("a lost static peer is dialled again, a lost bootnode only while we lack company", async () => {
  const network = new FakeNetwork();
  network.reachable.add(A).add(B);
  const bootstrap = network.start([at(A)], [at(B)]);
  await network.clock.advance(2 * MINUTE);
  assert.equal(network.connected.size, 2);
  network.needsBootnodes = false;
  network.lose(A);
  network.lose(B);
  await network.clock.advance(10 * MINUTE);
  assert.deepEqual([...network.connected], [B]);
  network.needsBootnodes = true;
  await network.clock.advance(MINUTE);
  assert.deepEqual([...network.connected], [B, A]);
  await bootstrap.stop();
});

Deno.test("a peer that closes on us at once is not dialled in a tight loop", async () => {
  const network = new FakeNetwork();
  network.reachable.add(A);
  network.connected.add("somebody");
  const bootstrap = network.start([], [at(A)]);
  for (let i = 0; i < 600; i++) {
    await network.clock.advance(SECOND);
    if (network.connected.has(A)) network.lose(A);
  }
  assert.ok(network.dials.length <= 20, `${network.dials.length} dials in ten minutes`);
  assert.ok(network.dials.length >= 10);
  await bootstrap.stop();
});

Deno.test("a connection that came from the other side counts", async () => {
  const network = new FakeNetwork();
  const bootstrap = network.start([at(A)]);
  await network.clock.advance(SECOND / 2);
  network.connected.add(A);
  bootstrap.poke();
  await network.clock.advance(HOUR);
  assert.equal(network.dials.length, 1);
  assert.equal(bootstrap.peers()[0]?.state, "connected");
  await bootstrap.stop();
});

Deno.test("a name is looked up until it answers, then every hour, and new addresses replace old ones", async () => {
  const network = new FakeNetwork();
  network.reachable.add(A).add(B);
  let asked = 0;
  let answer: readonly string[] | undefined;
  network.resolver = () => {
    asked++;
    return answer === undefined ? Promise.reject(new Error("SERVFAIL")) : Promise.resolve(answer);
  };
  const bootstrap = network.start(["/dnsaddr/boot.io"]);
  await network.clock.advance(8 * SECOND);
  assert.equal(asked, 4, "at 0, 1, 3 and 7 seconds");
  assert.deepEqual(bootstrap.unresolved(), ["boot.io"]);
  assert.equal(network.log.length, 4);
  answer = [`dnsaddr=${at(A)}`];
  await network.clock.advance(10 * SECOND);
  assert.deepEqual(bootstrap.unresolved(), []);
  assert.deepEqual([...network.connected], [A]);
  answer = [`dnsaddr=${at(B)}`];
  await network.clock.advance(RESOLVE_PERIOD);
  assert.deepEqual(bootstrap.peers().map((p) => p.peerId), [B]);
  assert.ok(network.connected.has(B));
  answer = undefined;
  await network.clock.advance(RESOLVE_PERIOD);
  assert.deepEqual(
    bootstrap.peers().map((p) => p.peerId),
    [B],
    "what was known stays when the name server is gone",
  );
  await bootstrap.stop();
  assert.equal(network.clock.pending, 0);
});

Deno.test("whoever is behind a name of static peers is told once when it is looked up, and again when that changes", async () => {
  const network = new FakeNetwork();
  network.reachable.add(A).add(B);
  let answer: readonly string[] = [`dnsaddr=${at(A)}`];
  network.resolver = () => Promise.resolve(answer);
  const bootstrap = network.start([], ["/dnsaddr/friends.io"]);
  assert.deepEqual(bootstrap.staticPeers(), []);
  await network.clock.advance(SECOND);
  assert.deepEqual(bootstrap.staticPeers(), [{ peerId: A, addresses: [at(A)] }]);
  await network.clock.advance(3 * RESOLVE_PERIOD);
  assert.deepEqual(network.statics, [[A]]);
  answer = [`dnsaddr=${at(B)}`];
  await network.clock.advance(RESOLVE_PERIOD);
  assert.deepEqual(network.statics, [[A], [B]]);
  await bootstrap.stop();
});

Deno.test("a long list is worked off with a bounded number of dials at a time", async () => {
  const network = new FakeNetwork();
  network.hangs = true;
  const identities = await Promise.all(Array.from({ length: MAX_PARALLEL_DIALS + 4 }, () => newIdentity()));
  const bootstrap = network.start(identities.map((identity) => at(identity.peerId)));
  await network.clock.advance(10 * MINUTE);
  assert.equal(network.dials.length, MAX_PARALLEL_DIALS);
  await bootstrap.stop();
});
