import assert from "node:assert/strict";
import { DownloadCore } from "../../src/sync/download_core.ts";
import { LegChain } from "../../src/sync/leg_chain.ts";
import type { BodyOrder, Effect, HashOrder, Order } from "../../src/sync/orders.ts";
import { fetched } from "../../src/sync/staging.ts";
import type { FetchedBlock } from "../../src/sync/types.ts";
import { at, hashAt, madeChain, type TestChain } from "./support/chains.ts";

const CHAIN = madeChain(2_000);
const FORK = madeChain(60, 1, { from: 15, of: CHAIN });
const GENESIS = { number: 0, hash: hashAt(CHAIN, 0) };

const blocks = (from: number, to: number, streamId: string, of = CHAIN): FetchedBlock[] =>
  Array.from({ length: to - from + 1 }, (_, i) => fetched(at(of, from + i), streamId));

/** A core with streams that answer when told to. */
class Bench {
  readonly core: DownloadCore;
  readonly open: Order[] = [];
  readonly effects: Effect[] = [];
  now = 0;

  constructor(
    ids: string[],
    options: { concurrency?: number; votes?: number; target?: number; window?: number; budget?: number } = {},
  ) {
    this.core = new DownloadCore(
      {
        concurrency: options.concurrency ?? 4,
        votes: options.votes ?? 3,
        budgetBytes: options.budget ?? 2 ** 28,
      },
      GENESIS,
      0,
    );
    this.streams(ids, options.target ?? 100);
    this.core.setGoal(options.target ?? 100, options.window ?? options.target ?? 100);
  }
  streams(ids: string[], height: number): void {
    this.core.setStreams(ids.map((id) => ({ id, reach: height, claimed: height, batch: 10 })), this.now);
  }
  /** New orders, which stay open until answered. */
  orders(): Order[] {
    const orders = this.core.orders(this.now);
    this.open.push(...orders);
    this.effects.push(...this.core.takeEffects());
    return orders;
  }
  take(id: string): Order {
    const i = this.open.findIndex((o) => o.streamId === id);
    assert.ok(i >= 0, `${id} has no order`);
    return this.open.splice(i, 1)[0] as Order;
  }
  /** Answers a stream's order from a chain. */
  answer(id: string, of: TestChain = CHAIN): Order {
    const order = this.take(id);
    if (order.kind === "hashes") {
      this.core.onHashes(order, order.numbers.map((n) => of.blocks[n]?.block.hash), this.now, 10);
    } else if (order.kind === "proof") {
      this.core.onProof(
        order,
        blocks(order.numbers[0] as number, order.numbers.at(-1) as number, id, of),
        this.now,
      );
    } else {
      this.core.onBodies(order, blocks(order.question.from, order.question.to, id, of), this.now, 10);
    }
    this.effects.push(...this.core.takeEffects());
    return order;
  }
  accepted(): number[] {
    return this.effects.flatMap((e) => e.kind === "accepted" ? e.blocks.map((b) => b.number) : []);
  }
  of<K extends Effect["kind"]>(kind: K): Array<Effect & { kind: K }> {
    return this.effects.filter((e): e is Effect & { kind: K } => e.kind === kind);
  }
}
const hashes = (o: Order | undefined) => (o as HashOrder).numbers;
const range = (o: Order | undefined) => [(o as BodyOrder).question.from, (o as BodyOrder).question.to];

Deno.test("three of four peers are asked for the same hashes; bodies wait for their word", () => {
  const b = new Bench(["a", "b", "c", "d"]);
  const orders = b.orders();
  assert.deepEqual(orders.map((o) => o.kind), ["hashes", "hashes", "hashes"]);
  for (const o of orders) assert.deepEqual(hashes(o), [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
  b.answer("a");
  b.answer("b");
  assert.deepEqual(b.orders(), []);
  b.answer("c");
  const bodies = b.orders();
  assert.deepEqual(bodies.filter((o) => o.kind === "bodies").map(range), [[1, 10], [11, 20], [21, 30]]);
  // The fourth did not vouch yet: it is asked for the hashes of what still waits for a stream.
  assert.deepEqual(bodies.filter((o) => o.kind === "hashes").map((o) => [o.streamId, hashes(o)]), [
    ["d", [40, 50, 60, 70, 80, 90, 100]],
  ]);
});

Deno.test("a lone peer is enough", () => {
  const b = new Bench(["a"]);
  b.orders();
  b.answer("a");
  for (let i = 0; i < 10; i++) {
    assert.equal(b.orders().length, 1);
    b.answer("a");
  }
  assert.equal(b.core.frontier.number, 100);
  assert.deepEqual(b.accepted(), Array.from({ length: 100 }, (_, i) => i + 1));
  assert.deepEqual(b.orders(), []);
  assert.equal(b.core.starved, undefined);
});

Deno.test("with a peer's own height above the asked ones, it is asked to support it", () => {
  const b = new Bench(["a"], { target: 2_000, window: 100 });
  const [order] = b.orders();
  assert.equal(hashes(order).length, 50);
  assert.equal(hashes(order).at(-1), 2_000);
});

Deno.test("legs that come early wait for those below them; accepted blocks come in order", () => {
  const b = new Bench(["a", "b", "c"]);
  b.orders();
  for (const id of ["a", "b", "c"]) b.answer(id);
  const byFrom = new Map(b.orders().map((o) => [range(o)[0] as number, o.streamId]));
  b.answer(byFrom.get(21) as string);
  b.answer(byFrom.get(11) as string);
  assert.equal(b.core.frontier.number, 0);
  assert.equal(b.core.held().blocks, 20);
  b.answer(byFrom.get(1) as string);
  assert.equal(b.core.frontier.number, 30);
  assert.deepEqual(b.accepted(), Array.from({ length: 30 }, (_, i) => i + 1));
});

Deno.test("nothing is asked above the window, and beyond the budget only what is next", () => {
  const b = new Bench(["a", "b", "c"], { window: 15 });
  b.orders();
  for (const id of ["a", "b", "c"]) b.answer(id);
  assert.deepEqual(b.orders().map(range), [[1, 10], [11, 20]]);
  const tight = new Bench(["a", "b", "c"], { budget: 1 });
  tight.orders();
  for (const id of ["a", "b", "c"]) tight.answer(id);
  assert.deepEqual(tight.orders().map(range), [[1, 10]]);
});

Deno.test("an overdue question is put to another voucher; the late answer changes nothing and blames nobody", () => {
  const b = new Bench(["a", "b", "c"], { target: 10 });
  b.orders();
  for (const id of ["a", "b", "c"]) b.answer(id);
  const [first] = b.orders();
  assert.ok(first !== undefined);
  assert.deepEqual(b.orders(), []);
  assert.equal(b.core.nextChange(b.now), 2_000);
  b.now = 2_000;
  const [second] = b.orders();
  assert.ok(second !== undefined && second.streamId !== first.streamId);
  assert.deepEqual(range(second), [1, 10]);
  b.answer(second.streamId);
  assert.equal(b.core.frontier.number, 10);
  b.answer(first.streamId);
  assert.deepEqual(b.of("blame"), []);
  assert.deepEqual(b.accepted().length, 10);
});

Deno.test("a wrong end convicts its sender: its votes are void and others fill in", () => {
  const b = new Bench(["a", "b", "c"], { target: 20 });
  b.orders();
  for (const id of ["a", "b", "c"]) b.answer(id);
  const order = b.orders().find((o) => range(o)[0] === 11);
  assert.ok(order !== undefined);
  b.answer(order.streamId, FORK);
  assert.deepEqual(b.of("blame").map((e) => [e.streamId, e.number]), [[order.streamId, 20]]);
  const again = b.orders();
  assert.ok(again.every((o) => o.streamId !== order.streamId));
  assert.deepEqual(again.map(range), [[11, 20]]);
});

Deno.test("a fork with fewer votes is never fetched; with equal votes, who delivered before decides", () => {
  const b = new Bench(["fork", "b", "c"], { target: 30 });
  b.orders();
  b.answer("fork", FORK);
  b.answer("b");
  b.answer("c");
  for (const order of b.orders()) if (order.streamId === "fork") assert.deepEqual(range(order), [1, 10]);
});

Deno.test("when the voted chain does not link, the next candidate is tried, and nobody is blamed", () => {
  const b = new Bench(["x", "y", "c"], { target: 30 });
  b.orders();
  const lie = (order: HashOrder) => order.numbers.map((n) => n === 20 ? hashAt(FORK, 20) : hashAt(CHAIN, n));
  for (const id of ["x", "y"]) {
    const order = b.take(id) as HashOrder;
    b.core.onHashes(order, lie(order), 0, 10);
  }
  b.answer("c");
  for (let i = 0; i < 30 && b.core.frontier.number < 30; i++) {
    for (const order of b.orders()) {
      const forked = order.kind === "bodies" && order.question.to === 20 &&
        order.question.hash[0] === hashAt(FORK, 20)[0];
      b.answer(order.streamId, forked ? FORK : CHAIN);
    }
    b.now += 100;
  }
  assert.deepEqual(b.core.frontier, { number: 30, hash: hashAt(CHAIN, 30) });
  assert.deepEqual(b.of("blame"), []);
  assert.ok(b.of("refused").length > 0);
  assert.ok(b.of("rewound").length > 0);
});

Deno.test("a stream that comes back is asked again for what it failed on", () => {
  const b = new Bench(["a"], { target: 10 });
  b.orders();
  b.answer("a");
  const order = b.orders()[0] as BodyOrder;
  assert.deepEqual(range(order), [1, 10]);
  b.take("a");
  b.core.onFailure(order, "TRANSPORT", b.now);
  b.now += 1_000;
  assert.deepEqual(b.orders(), [], "not while it stands");
  b.streams([], 10);
  b.streams(["a"], 10);
  assert.deepEqual(b.orders().map((o) => o.kind), ["bodies"]);
});

Deno.test("a candidate set aside because nobody delivered it is tried again when one of those who named it comes back", () => {
  const b = new Bench(["a", "b"], { target: 10, votes: 2 });
  b.orders();
  b.answer("a");
  b.answer("b", madeChain(20, 3));
  b.orders();
  // Whichever is tried first: both come to nothing, one because its stream breaks.
  for (let i = 0; i < 4 && b.open.length > 0; i++) {
    for (const order of [...b.open]) {
      b.take(order.streamId);
      b.core.onFailure(order, order.streamId === "a" ? "TRANSPORT" : "BEHIND", b.now);
    }
    b.now += 1_000;
    b.orders();
  }
  assert.equal(b.core.starved?.why, "noBodies");
  b.streams(["b"], 10);
  assert.deepEqual(b.orders(), []);
  b.streams(["a", "b"], 10);
  const again = b.orders().find((o) => o.streamId === "a");
  assert.equal(again?.kind, "bodies", "at once, without waiting for the next round of questions");
  b.answer("a");
  assert.deepEqual(b.accepted(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

Deno.test("a stream that leaves gives its work back", () => {
  const b = new Bench(["a", "b", "c"], { target: 10 });
  b.orders();
  for (const id of ["a", "b", "c"]) b.answer(id);
  const [order] = b.orders();
  assert.ok(order !== undefined);
  b.streams(["a", "b", "c"].filter((id) => id !== order.streamId), 100);
  assert.deepEqual(b.orders().map(range), [[1, 10]]);
});

Deno.test("what is missing is named: no stream, no hashes, no bodies", () => {
  const none = new Bench([], { target: 10 });
  none.orders();
  assert.equal(none.core.starved?.why, "noStreams");
  const hashless = new Bench(["a"], { target: 10 });
  hashless.orders();
  const order = hashless.take("a") as HashOrder;
  hashless.core.onHashes(order, order.numbers.map(() => undefined), 0, 10);
  assert.deepEqual(hashless.orders(), []);
  assert.deepEqual([hashless.core.starved?.why, hashless.core.starved?.number], ["noHashes", 1]);
  const bodiless = new Bench(["a"], { target: 10 });
  bodiless.orders();
  bodiless.answer("a");
  bodiless.orders();
  bodiless.core.onBodies(bodiless.take("a") as BodyOrder, [], 0, 10);
  assert.deepEqual(bodiless.orders(), []);
  assert.equal(bodiless.core.starved?.why, "noBodies");
});

Deno.test("who had nothing is asked again after five seconds, then ten, and a newcomer at once", () => {
  const b = new Bench(["a"], { target: 10 });
  const lacks = () => {
    b.orders();
    const order = b.take("a") as HashOrder;
    b.core.onHashes(order, order.numbers.map(() => undefined), b.now, 10);
    b.orders();
    return b.core.nextChange(b.now);
  };
  assert.equal(lacks(), 5_000);
  b.now = 5_000;
  assert.equal(lacks(), 15_000);
  b.streams(["a", "b"], 100);
  assert.deepEqual(b.orders().map((o) => o.streamId), ["b"]);
});

Deno.test("a claim that the peer refutes itself is reported, with what it could show", () => {
  const b = new Bench(["a"], { target: 40 });
  b.core.setStreams([{ id: "a", reach: 40, claimed: 5_000, batch: 10 }], 0);
  b.orders();
  const order = b.take("a") as HashOrder;
  assert.deepEqual(order.numbers, [10, 20, 30, 40, 5_000]);
  b.core.onHashes(
    order,
    [10, 20].map((n) => hashAt(CHAIN, n)).concat([undefined, undefined, undefined] as never),
    0,
    10,
  );
  b.effects.push(...b.core.takeEffects());
  assert.deepEqual(b.of("unsupported"), [{ kind: "unsupported", streamId: "a", height: 20 }]);
});

Deno.test("the target comes down and goes up again: the last block is still a point of the skeleton", () => {
  const b = new Bench(["a"], { target: 95 });
  b.orders();
  b.core.setGoal(42, 42);
  b.core.setGoal(43, 43);
  b.answer("a");
  for (let i = 0; i < 10 && b.core.frontier.number < 43; i++) {
    for (const order of b.orders()) b.answer(order.streamId);
  }
  assert.equal(b.core.frontier.number, 43);
});

const witness = { heard: () => true, weight: () => 0 };
function chainWith(votes: Array<[string, TestChain]>, target = 30): LegChain {
  const chain = new LegChain(GENESIS, 0, witness);
  chain.skeleton.extend(500, target);
  const numbers = chain.skeleton.points.map((p) => p.number);
  for (const [id, of] of votes) chain.skeleton.answered(id, numbers, numbers.map((n) => hashAt(of, n)));
  return chain;
}
function fill(chain: LegChain, of: TestChain, streamId = "s"): void {
  for (const { leg } of chain.open(30)) {
    const question = leg?.segment.question(10);
    if (leg !== undefined && question !== undefined) {
      leg.segment.offer(question, blocks(question.from, question.to, streamId, of));
    }
  }
  while (chain.join() !== undefined);
}

Deno.test("a rewind keeps what is below, shuns the bad sender, and refuses a hash only where told", () => {
  const chain = chainWith([["a", CHAIN], ["b", CHAIN]]);
  fill(chain, CHAIN);
  assert.equal(chain.frontier.number, 30);
  chain.rewind({ number: 14, hash: hashAt(CHAIN, 14) }, ["a"]);
  const [leg] = [...chain.open(30)].map((o) => o.leg);
  assert.deepEqual([leg?.segment.from, leg?.to], [15, 20]);
  assert.deepEqual([...leg?.segment.excluded ?? []], ["a"]);
  chain.forgive();
  assert.deepEqual([...leg?.segment.excluded ?? []], ["a"]);
  fill(chain, CHAIN);
  assert.equal(chain.frontier.number, 30);
});

Deno.test("the hash that is hopeless may cover a later block than the one above the head", () => {
  const chain = chainWith([["x", FORK], ["y", FORK], ["honest", CHAIN]]);
  const refused: number[] = [];
  chain.onRefused = (number) => refused.push(number);
  fill(chain, FORK);
  assert.deepEqual(chain.frontier.hash, hashAt(FORK, 30));
  chain.rewind({ number: 9, hash: hashAt(CHAIN, 9) }, [], "no certificate", 22);
  assert.deepEqual(refused, [30]);
  const legs = [...chain.open(30)].map((o) => o.leg);
  assert.deepEqual(legs.map((l) => l?.to), [10, 20, 30]);
  assert.deepEqual(legs[2]?.segment.hash, hashAt(CHAIN, 30));
});

Deno.test("when all who vouched for accepted blocks lied, these are reopened, but never what is in the store", () => {
  const chain = chainWith([["other", FORK], ["x", CHAIN], ["y", CHAIN]]);
  fill(chain, CHAIN);
  assert.equal(chain.frontier.number, 30);
  chain.committed(16);
  assert.equal(chain.discard("x"), false);
  assert.equal(chain.frontier.number, 30);
  assert.equal(chain.discard("y"), true);
  assert.equal(chain.frontier.number, 20);
});
