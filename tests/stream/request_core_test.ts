import assert from "node:assert/strict";
import { RequestCore } from "../../src/stream/request_core.ts";
import type { RequestEffect, RequestEvent, RequestSpec } from "../../src/stream/request_events.ts";

/** A core with a hand-turned time. */
class Bench {
  now = 0;
  #id = 0n;
  readonly core = new RequestCore(() => ++this.#id, 0);
  #key = 0;

  /** Set to keep requests in our own queues. */
  stalled = false;

  /** Requests are written as soon as they are sent. */
  step(event: RequestEvent): RequestEffect[] {
    const effects = this.core.step(this.now, event);
    for (const sent of sends(effects)) if (!this.stalled) this.written(sent);
    return effects;
  }
  written({ instance, id }: { readonly instance: number; readonly id: bigint }): RequestEffect[] {
    return this.step({ type: "written", instance, id });
  }
  add(instance: number, peer = `P${instance}`, failures = 0): RequestEffect[] {
    return this.step({ type: "added", instance, peer, failures });
  }
  /** Submits a request; @returns its key and the effects. */
  ask(options: Partial<RequestSpec> = {}): { readonly key: number; readonly effects: RequestEffect[] } {
    const key = ++this.#key;
    const spec: RequestSpec = {
      key,
      type: "getBlocksByHashes",
      priority: "low",
      whitelist: undefined,
      blacklist: undefined,
      waitMs: 60_000,
      hardMs: 180_000,
      idleMs: 60_000,
      ...options,
    };
    return { key, effects: this.step({ type: "submit", spec }) };
  }
  tick(ms: number): RequestEffect[] {
    this.now += ms;
    return this.step({ type: "tick" });
  }
  /** Answers the request of a `send` effect. */
  answer(sent: RequestEffect | undefined): RequestEffect[] {
    assert.ok(sent?.type === "send", `expected a send, got ${sent?.type}`);
    return this.step({ type: "deliver", instance: sent.instance, id: sent.id });
  }
}

type Sent = Extract<RequestEffect, { readonly type: "send" }>;
const sends = (effects: readonly RequestEffect[]) => effects.filter((e) => e.type === "send");
const instances = (effects: readonly RequestEffect[]) => sends(effects).map((e) => e.instance);
const failures = (effects: readonly RequestEffect[]) =>
  effects.flatMap((e) => e.type === "failed" ? [`${e.key}:${e.failure}`] : []);

Deno.test("request core: lowest failures first, then least recently used, then quickest", () => {
  const b = new Bench();
  b.add(1, "A", 2);
  b.add(2, "B", 0);
  b.add(3, "C", 0);
  const order: number[] = [];
  for (let i = 0; i < 4; i++) {
    b.now += 10;
    const { effects } = b.ask();
    order.push(...instances(effects));
    b.answer(effects[0]);
  }
  assert.deepEqual(order, [2, 3, 2, 3], "B and C take turns, A with its failures is left alone");
  b.step({ type: "failures", peer: "B", count: 3 });
  b.step({ type: "failures", peer: "C", count: 3 });
  assert.deepEqual(instances(b.ask().effects), [1], "A is now the best");
});

Deno.test("request core: among equals the quicker stream is taken", () => {
  const b = new Bench();
  b.add(1, "slow");
  b.add(2, "quick");
  const first = b.ask().effects[0];
  const second = b.ask().effects[0];
  assert.deepEqual([first, second].map((e) => e?.type === "send" && e.instance), [1, 2]);
  b.now += 20;
  b.answer(second);
  b.now += 500;
  b.answer(first);
  assert.deepEqual(instances(b.ask().effects), [2], "both were used at the same time, so latency decides");
});

Deno.test("request core: one request a stream; the rest waits and goes when a stream is free", () => {
  const b = new Bench();
  b.add(1);
  const first = b.ask();
  assert.equal(sends(first.effects).length, 1);
  const second = b.ask();
  assert.deepEqual(second.effects, []);
  assert.equal(b.core.waitingLow, 1);
  const effects = b.answer(first.effects[0]);
  assert.deepEqual(effects.map((e) => e.type), ["answered", "send"]);
  assert.equal(b.core.waitingLow, 0);
  assert.equal(b.core.pendingCount, 1);
});

// T-19
Deno.test("request core: high overtakes low", () => {
  const b = new Bench();
  b.add(1);
  const running = b.ask();
  const low = b.ask();
  const high = b.ask({ priority: "high" });
  let sent = sends(b.answer(running.effects[0]));
  assert.equal(sent[0]?.key, high.key);
  sent = sends(b.answer(sent[0]));
  assert.equal(sent[0]?.key, low.key);
});

// T-19
Deno.test("request core: a starving low request runs although highs keep coming", () => {
  const b = new Bench();
  b.add(1);
  let running = sends(b.ask({ priority: "high" }).effects)[0];
  const low = b.ask();
  b.ask({ priority: "high" });
  const started = b.now;
  for (let i = 0; i < 60; i++) {
    b.now += 100;
    b.ask({ priority: "high" });
    running = sends(b.answer(running))[0];
    if (running?.key === low.key) break;
  }
  assert.equal(running?.key, low.key);
  assert.ok(b.now - started <= 5_000, `it waited ${b.now - started} ms`);
});

// T-19
Deno.test("request core: a starving request runs although an older one wants a stream that stays busy", () => {
  const b = new Bench();
  b.add(1, "A");
  b.add(2, "B");
  b.ask({ whitelist: new Set(["A"]) });
  let running = sends(b.ask({ priority: "high", whitelist: new Set(["B"]) }).effects)[0];
  b.ask({ whitelist: new Set(["A"]), waitMs: 600_000 });
  const low = b.ask();
  b.ask({ priority: "high" });
  for (let i = 0; i < 100 && running?.key !== low.key; i++) {
    b.now += 100;
    b.ask({ priority: "high" });
    running = sends(b.answer(running))[0];
  }
  assert.equal(running?.key, low.key);
  assert.ok(b.now <= 5_000, `it waited ${b.now} ms`);
});

// T-19
Deno.test("request core: the 1,025th waiting request of a queue is refused, the other queue has room", () => {
  const b = new Bench();
  for (let i = 0; i < 1_024; i++) assert.deepEqual(b.ask().effects, []);
  const over = b.ask();
  assert.deepEqual(failures(over.effects), [`${over.key}:QUEUE_FULL`]);
  assert.deepEqual(b.ask({ priority: "high" }).effects, []);
  assert.equal(b.core.waitingLow, 1_024);
});

Deno.test("request core: what no idle stream may serve holds nobody up", () => {
  const b = new Bench();
  b.add(1, "A");
  b.add(2, "B");
  const onA = sends(b.ask({ whitelist: new Set(["A"]) }).effects)[0];
  const blocked = Array.from(
    { length: 40 },
    () => b.ask({ whitelist: new Set(["A"]), priority: "high" }).key,
  );
  const free = b.ask();
  assert.deepEqual(instances(free.effects), [2], "B serves the low request past forty high ones that want A");
  assert.equal(b.core.waitingHigh, 40);
  const next = sends(b.answer(onA));
  assert.deepEqual([next[0]?.key, next[0]?.instance], [blocked[0], 1], "their order is kept");
});

Deno.test("request core: even a thousand unassignable requests in front do not hide one for ever", () => {
  const b = new Bench();
  b.add(1, "A");
  b.add(2, "B");
  b.ask({ whitelist: new Set(["A"]) });
  const onB = sends(b.ask({ whitelist: new Set(["B"]) }).effects)[0];
  for (let i = 0; i < 900; i++) b.ask({ whitelist: new Set(["A"]) });
  const last = b.ask();
  assert.deepEqual(last.effects, []);
  let served = sends(b.answer(onB))[0];
  let runs = 0;
  while (served === undefined && runs++ < 40) {
    b.now += 100;
    served = sends(b.core.throttle(b.now, 16))[0];
  }
  assert.equal(served?.key, last.key, `after ${runs} throttle runs`);
});

Deno.test("request core: white- and blacklists are kept", () => {
  const b = new Bench();
  for (const [i, p] of ["A", "B", "C"].entries()) b.add(i + 1, p);
  assert.deepEqual(instances(b.ask({ whitelist: new Set(["C"]) }).effects), [3]);
  assert.deepEqual(instances(b.ask({ blacklist: new Set(["A"]) }).effects), [2]);
  assert.deepEqual(instances(b.ask({ whitelist: new Set(["A", "B"]), blacklist: new Set(["B"]) }).effects), [
    1,
  ]);
});

Deno.test("request core: a request that nobody connected may serve fails at once", () => {
  const b = new Bench();
  const alone = b.ask({ whitelist: new Set(["A"]) });
  assert.deepEqual(
    failures(alone.effects),
    [`${alone.key}:NO_ELIGIBLE_STREAM`],
    "no stream at all, but a whitelist",
  );
  assert.deepEqual(b.ask().effects, [], "without a list it waits for streams to come");
  b.add(1, "A");
  const black = b.ask({ blacklist: new Set(["A"]) });
  assert.deepEqual(failures(black.effects), [`${black.key}:NO_ELIGIBLE_STREAM`]);
});

Deno.test("request core: waiting requests fail when the last stream of their whitelist goes", () => {
  const b = new Bench();
  b.add(1, "A");
  b.add(2, "B");
  const a = b.ask({ whitelist: new Set(["A"]) });
  const waiting = b.ask({ whitelist: new Set(["A"]) });
  const other = b.ask({ whitelist: new Set(["A", "B"]) });
  assert.deepEqual(instances(other.effects), [2]);
  const effects = b.step({ type: "removed", instance: 1 });
  assert.deepEqual(failures(effects), [`${a.key}:STREAM_REMOVED`, `${waiting.key}:NO_ELIGIBLE_STREAM`]);
});

// T-20
Deno.test("request core: without any stream waiting requests fail after 60 s, not before", () => {
  const b = new Bench();
  const { key } = b.ask({ waitMs: 3_600_000 });
  assert.deepEqual(b.tick(59_999), []);
  assert.deepEqual(failures(b.tick(1)), [`${key}:NO_STREAM`]);
  b.now += 1_000_000;
  const later = b.ask({ waitMs: 3_600_000 });
  assert.deepEqual(b.tick(59_999), [], "the time counts from the request, not from the start");
  assert.deepEqual(failures(b.tick(1)), [`${later.key}:NO_STREAM`]);
});

Deno.test("request core: with streams that are all busy a request waits its own limit", () => {
  const b = new Bench();
  b.add(1);
  b.ask();
  const short = b.ask({ waitMs: 5_000 });
  const long = b.ask({ waitMs: 30_000 });
  assert.deepEqual(failures(b.tick(5_000)), [`${short.key}:WAIT_TIMEOUT`]);
  assert.deepEqual(failures(b.tick(25_000)), [`${long.key}:WAIT_TIMEOUT`]);
});

// T-20
Deno.test("request core: time-outs by kind are exact, and progress keeps a block answer alive to the hard limit", () => {
  const b = new Bench();
  b.add(1);
  const height = b.ask({ type: "getBlockNumber", hardMs: 10_000, idleMs: 10_000 });
  assert.deepEqual(b.tick(9_999), []);
  const effects = b.tick(1);
  assert.deepEqual(effects.map((e) => e.type), ["failed", "timedOut"]);
  assert.deepEqual(failures(effects), [`${height.key}:REQUEST_TIMEOUT`]);
  b.step({ type: "revived", instance: 1 });
  const blocks = b.ask();
  assert.equal(sends(blocks.effects).length, 1);
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(b.tick(59_000), []);
    b.step({ type: "progress", instance: 1 });
  }
  assert.deepEqual(b.tick(2_999), []);
  assert.deepEqual(failures(b.tick(1)), [`${blocks.key}:REQUEST_TIMEOUT`], "180 s altogether");
});

Deno.test("request core: after a time-out the stream is not used before it has answered a probe", () => {
  const b = new Bench();
  b.add(1);
  b.ask({ hardMs: 20_000, idleMs: 20_000 });
  b.tick(20_000);
  const waiting = b.ask();
  assert.deepEqual(waiting.effects, []);
  assert.equal(b.core.available(b.now), 0);
  assert.equal(b.core.connected, 1);
  assert.deepEqual(instances(b.step({ type: "revived", instance: 1 })), [1]);
});

Deno.test("request core: cancelling frees the stream, blames nobody and drops the late answer", () => {
  const b = new Bench();
  b.add(1);
  const first = b.ask();
  const sent = sends(first.effects)[0];
  const next = b.ask();
  const effects = b.step({ type: "cancel", key: first.key });
  assert.deepEqual(failures(effects), [`${first.key}:CANCELLED`]);
  assert.equal(effects.some((e) => e.type === "timedOut"), false);
  assert.equal(sends(effects)[0]?.key, next.key, "the stream is used again at once");
  assert.ok(sent !== undefined);
  assert.equal(b.core.expects(1, sent.id), false);
  assert.deepEqual(b.step({ type: "deliver", instance: 1, id: sent.id }), [], "the late answer is nobody's");
  assert.equal(b.core.pendingCount, 1);
  const waiting = b.ask();
  assert.deepEqual(failures(b.step({ type: "cancel", key: waiting.key })), [`${waiting.key}:CANCELLED`]);
  assert.equal(b.core.waitingLow, 0);
});

Deno.test("request core: a peer that still works on two given-up requests gets no third", () => {
  const b = new Bench();
  b.add(1);
  const ids: bigint[] = [];
  for (let i = 0; i < 2; i++) {
    const { key, effects } = b.ask();
    ids.push(sends(effects)[0]?.id ?? 0n);
    b.step({ type: "cancel", key });
  }
  assert.deepEqual(b.ask().effects, []);
  assert.deepEqual(instances(b.step({ type: "deliver", instance: 1, id: ids[0] as bigint })), [1]);
});

Deno.test("request core: two given-up requests that have been answered keep nobody off the stream", () => {
  const b = new Bench();
  b.add(1);
  for (let i = 0; i < 5; i++) {
    const { key, effects } = b.ask();
    b.step({ type: "cancel", key });
    b.answer(effects[0]);
  }
  assert.equal(b.core.available(b.now), 1);
});

Deno.test("request core: what was taken back before it was written is nothing to the peer", () => {
  const b = new Bench();
  b.add(1);
  b.stalled = true;
  for (let i = 0; i < 5; i++) {
    const { key, effects } = b.ask();
    assert.equal(sends(effects).length, 1);
    b.step({ type: "cancel", key });
    assert.equal(b.core.available(b.now), 0, "its write may still happen");
    b.step({ ...sends(effects)[0] as Sent, type: "unsent" });
    assert.equal(b.core.available(b.now), 1);
  }
});

Deno.test("request core: what was given up while it was being written is still answered one day", () => {
  const b = new Bench();
  b.add(1);
  b.stalled = true;
  const given = Array.from({ length: 2 }, () => {
    const { key, effects } = b.ask();
    b.step({ type: "cancel", key });
    b.written(sends(effects)[0] as Sent);
    return effects[0];
  });
  assert.equal(b.core.available(b.now), 0, "two answers are to come");
  b.answer(given[0]);
  assert.equal(b.core.available(b.now), 1);
});

Deno.test("request core: the peer's time begins when it has the request", () => {
  const b = new Bench();
  b.add(1);
  b.stalled = true;
  const { key, effects } = b.ask({ type: "getBlockNumber", hardMs: 10_000, idleMs: 10_000 });
  assert.deepEqual(b.tick(9_000), []);
  b.written(sends(effects)[0] as Sent);
  assert.deepEqual(b.tick(9_999), []);
  assert.deepEqual(failures(b.tick(1)), [`${key}:REQUEST_TIMEOUT`]);
});

Deno.test("request core: a request that cannot be written in time blames nobody, and others get the next ones", () => {
  const b = new Bench();
  b.add(1);
  b.stalled = true;
  const first = b.ask({ type: "getBlockNumber", hardMs: 10_000, idleMs: 10_000 });
  const effects = b.tick(10_000);
  assert.deepEqual(failures(effects), [`${first.key}:WRITE_TIMEOUT`]);
  assert.equal(effects.some((e) => e.type === "timedOut"), false);
  b.step({ ...sends(first.effects)[0] as Sent, type: "unsent" });
  assert.deepEqual(b.ask().effects, [], "not at once again on this stream");
  assert.deepEqual(instances(b.add(2)), [2]);
});

Deno.test("request core: a request that cannot be encoded is our own failure and leaves the stream as it was", () => {
  const b = new Bench();
  b.add(1);
  b.stalled = true;
  const { key, effects } = b.ask();
  const after = b.step({ ...sends(effects)[0] as Sent, type: "unsent" });
  assert.deepEqual(failures(after), [`${key}:REQUEST_INVALID`]);
  assert.equal(b.core.available(b.now), 1);
});

Deno.test("request core: an answer counts only on the stream that was asked", () => {
  const b = new Bench();
  b.add(1, "A");
  b.add(2, "B");
  const { effects } = b.ask({ whitelist: new Set(["A"]) });
  const id = sends(effects)[0]?.id ?? 0n;
  assert.deepEqual(b.step({ type: "deliver", instance: 2, id }), []);
  assert.deepEqual(b.step({ type: "deliver", instance: 1, id: id + 1n }), []);
  assert.equal(b.core.pendingCount, 1);
  assert.equal(b.step({ type: "deliver", instance: 1, id })[0]?.type, "answered");
});

Deno.test("request core: a failed write fails the request and leaves the stream unused", () => {
  const b = new Bench();
  b.add(1);
  b.stalled = true;
  const { key, effects } = b.ask();
  const failed = { ...sends(effects)[0] as Sent, type: "writeFailed" } as const;
  assert.deepEqual(failures(b.step(failed)), [`${key}:WRITE_FAILED`]);
  assert.deepEqual(b.ask().effects, []);
  assert.deepEqual(b.step(failed), [], "twice is once");
});

Deno.test("request core: a stream that makes way finishes its request and gets no new one", () => {
  const b = new Bench();
  b.add(1, "A");
  const first = b.ask();
  assert.deepEqual(b.step({ type: "drain", instance: 1 }), []);
  b.add(2, "A");
  assert.deepEqual(instances(b.ask().effects), [2]);
  assert.deepEqual(b.answer(first.effects[0]).map((e) => e.type), ["answered", "drained"]);
  b.add(3, "B");
  assert.deepEqual(
    b.step({ type: "drain", instance: 3 }).map((e) => e.type),
    ["drained"],
    "an idle one at once",
  );
});

Deno.test("request core: unsupported kinds, pauses and suspensions keep requests off a stream", () => {
  const b = new Bench();
  b.add(1, "A");
  b.step({ type: "unsupported", instance: 1, request: "getNodeData" });
  const { key, effects } = b.ask({ type: "getNodeData" });
  assert.deepEqual(failures(effects), [`${key}:NO_ELIGIBLE_STREAM`]);
  b.step({ type: "pause", instance: 1, ms: 1_000 });
  assert.deepEqual(b.ask().effects, []);
  b.now += 1_000;
  const sent = b.core.throttle(b.now, 16);
  assert.deepEqual(instances(sent), [1]);
  b.answer(sent[0]);
  b.step({ type: "suspend", peer: "A", ms: 300_000 });
  const data = b.ask();
  assert.deepEqual(failures(data.effects), [`${data.key}:NO_ELIGIBLE_STREAM`]);
  assert.deepEqual(
    instances(b.ask({ type: "getBlockNumber" }).effects),
    [1],
    "its height may still be asked",
  );
  b.tick(300_000);
});

Deno.test("request core: the throttle hands out at most its batch", () => {
  const b = new Bench();
  for (let i = 1; i <= 40; i++) {
    b.add(i);
    b.step({ type: "pause", instance: i, ms: 1_000 });
  }
  for (let i = 0; i < 40; i++) assert.deepEqual(b.ask().effects, []);
  b.now += 1_000;
  assert.equal(sends(b.core.throttle(b.now, 16)).length, 16);
  assert.equal(sends(b.core.throttle(b.now, 16)).length, 16);
  assert.equal(sends(b.core.throttle(b.now, 16)).length, 8);
});

Deno.test("request core: stopping fails everything and later requests too", () => {
  const b = new Bench();
  b.add(1);
  const a = b.ask();
  const c = b.ask();
  const d = b.ask({ priority: "high" });
  const all = failures(b.step({ type: "stop" })).sort();
  assert.deepEqual(all, [a, c, d].map(({ key }) => `${key}:CLOSED`).sort());
  const late = b.ask();
  assert.deepEqual(failures(late.effects), [`${late.key}:CLOSED`]);
});
