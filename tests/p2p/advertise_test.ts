import assert from "node:assert/strict";
import { HsyncError, ManualClock, nullLogger, SeededRandom } from "../../src/base/mod.ts";
import { Advertiser, type AdvertiseState, nextAnnouncement, type PeerEvent } from "../../src/p2p/mod.ts";

const SECOND = 1000, MINUTE = 60_000, HOUR = 3_600_000;

Deno.test("when to announce next, as a table", () => {
  const state = (successes: number, failures = 0): AdvertiseState => ({ successes, failures });
  const cases: ReadonlyArray<
    readonly [string, AdvertiseState, "succeeded" | "failed" | "addresses", number, AdvertiseState, number]
  > = [
    ["first success: again soon", state(0), "succeeded", HOUR, state(1), 10 * SECOND],
    ["second", state(1), "succeeded", HOUR, state(2), 30 * SECOND],
    ["third", state(2), "succeeded", HOUR, state(3), 90 * SECOND],
    ["then the period", state(3), "succeeded", HOUR, state(4), HOUR],
    ["never longer than three hours", state(9), "succeeded", 24 * HOUR, state(10), 3 * HOUR],
    ["a short period holds for the burst too", state(1), "succeeded", 20 * SECOND, state(2), 20 * SECOND],
    ["a success forgets failures", state(5, 7), "succeeded", HOUR, state(6), HOUR],
    ["first failure", state(0), "failed", HOUR, state(0, 1), 5 * SECOND],
    ["second failure", state(0, 1), "failed", HOUR, state(0, 2), 10 * SECOND],
    ["sixth failure", state(3, 5), "failed", HOUR, state(3, 6), 160 * SECOND],
    ["seventh failure: the limit", state(3, 6), "failed", HOUR, state(3, 7), 5 * MINUTE],
    ["many failures: still the limit", state(3, 5000), "failed", HOUR, state(3, 5001), 5 * MINUTE],
    ["new addresses: at once, nearly", state(4, 2), "addresses", HOUR, state(4, 2), 2 * SECOND],
  ];
  for (const [what, before, event, maxWaitMs, after, waitMs] of cases) {
    assert.deepEqual(
      nextAnnouncement(before, event, { maxWaitMs, jitter: 0 }),
      { state: after, waitMs },
      what,
    );
    if (event === "addresses") continue;
    const jittered = nextAnnouncement(before, event, { maxWaitMs, jitter: 0.999 }).waitMs;
    assert.ok(jittered < waitMs && jittered >= waitMs * 0.9, `${what}: a tenth at most is taken off`);
  }
});

/** A host that only counts announcements and answers as told. */
class FakeHost {
  readonly calls: Array<{ readonly at: number; readonly namespace: string }> = [];
  outcome: "ok" | "fails" | "hangs" = "ok";
  #listener: ((event: PeerEvent) => void) | undefined;
  constructor(readonly clock: ManualClock) {}

  advertise(namespace: string, options: { readonly signal?: AbortSignal }): Promise<void> {
    this.calls.push({ at: this.clock.monotonic(), namespace });
    if (this.outcome === "ok") return Promise.resolve();
    if (this.outcome === "fails") {
      return Promise.reject(new HsyncError("P2P_ADVERTISE_FAILED", "nobody took it"));
    }
    return new Promise((_, reject) => {
      options.signal?.addEventListener("abort", () => reject(new HsyncError("CANCELLED", "cancelled")));
    });
  }
  on(listener: (event: PeerEvent) => void): () => void {
    this.#listener = listener;
    return () => {
      this.#listener = undefined;
    };
  }
  emit(event: PeerEvent): void {
    this.#listener?.(event);
  }
  get times(): number[] {
    return this.calls.map((c) => c.at);
  }
}

/** Jitter zero, so that times are exact. */
class NoJitter extends SeededRandom {
  override next(): number {
    return 0;
  }
}

function start(outcome: FakeHost["outcome"] = "ok", namespaces = ["n"]) {
  const clock = new ManualClock();
  const host = new FakeHost(clock);
  host.outcome = outcome;
  const random = new NoJitter(1);
  const advertiser = new Advertiser(host, namespaces, { clock, random, log: nullLogger, maxWaitMs: HOUR });
  return { clock, host, advertiser };
}

Deno.test("a namespace is announced at start, early again, then once a period", async () => {
  const { clock, host, advertiser } = start();
  await clock.advance(3 * HOUR);
  const burst = [0, 10 * SECOND, 40 * SECOND, 130 * SECOND];
  assert.deepEqual(host.times, [...burst, 130 * SECOND + HOUR, 130 * SECOND + 2 * HOUR]);
  assert.equal(advertiser.status()[0]?.successes, 6);
  assert.equal(advertiser.status()[0]?.nextAt, clock.now() - 3 * HOUR + 130 * SECOND + 3 * HOUR);
  await advertiser.stop();
  assert.equal(clock.pending, 0);
});

Deno.test("a failure is retried ever more slowly, and the next success returns to the rhythm", async () => {
  const { clock, host, advertiser } = start("fails");
  await clock.advance(40 * SECOND);
  assert.deepEqual(host.times, [0, 5 * SECOND, 15 * SECOND, 35 * SECOND]);
  assert.equal(advertiser.status()[0]?.failures, 4);
  assert.match(advertiser.status()[0]?.lastError ?? "", /nobody took it/);
  host.outcome = "ok";
  await clock.advance(45 * SECOND);
  assert.deepEqual(host.times.slice(4), [75 * SECOND, 85 * SECOND]);
  const [status] = advertiser.status();
  assert.deepEqual([status?.failures, status?.successes, status?.lastError], [0, 2, undefined]);
  await advertiser.stop();
});

Deno.test("new addresses are announced once they have settled, not once for each", async () => {
  const { clock, host, advertiser } = start();
  await clock.advance(10 * MINUTE);
  const before = host.calls.length;
  for (let i = 0; i < 5; i++) {
    host.emit({ type: "addresses", addresses: [`/ip4/1.2.3.${i}/tcp/1`] });
    await clock.advance(SECOND);
  }
  assert.equal(host.calls.length, before);
  await clock.advance(2 * SECOND);
  assert.equal(host.calls.length, before + 1);
  host.emit({ type: "connected", peerId: "x" });
  await clock.advance(10 * SECOND);
  assert.equal(host.calls.length, before + 1, "other events change nothing");
  await advertiser.stop();
});

Deno.test("each namespace has its own rhythm, named once however often it is given", async () => {
  const { clock, host, advertiser } = start("ok", ["a", "b", "a"]);
  await clock.advance(0);
  assert.deepEqual(host.calls.map((c) => c.namespace), ["a", "b"]);
  assert.equal(advertiser.status().length, 2);
  await advertiser.stop();
});

Deno.test("stopping ends an announcement that is under way and leaves no timer", async () => {
  const { clock, host, advertiser } = start("hangs");
  await clock.advance(HOUR);
  assert.equal(host.calls.length, 1);
  assert.equal(advertiser.status()[0]?.nextAt, undefined, "under way");
  await advertiser.stop();
  assert.equal(clock.pending, 0);
  await clock.advance(HOUR);
  assert.equal(host.calls.length, 1);
});
