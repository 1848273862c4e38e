/** When a node is announced to others, and what is said while it is not. */
import assert from "node:assert/strict";
import { createLogger, type LogRecord } from "../../src/base/mod.ts";
import { HistoryWatch, type Offer } from "../../src/node/history.ts";

class FakeOffer implements Offer {
  readonly id = "harmony/sync/localnet/0/1.0.0";
  calls = 0;
  constructor(public advertises: boolean) {}
  advertise(): void {
    this.calls++;
    this.advertises = true;
  }
}

function watch(
  chain: { lowest: number; head: number },
  options: { enabled?: boolean; awaits?: boolean } = {},
) {
  const records: LogRecord[] = [];
  const state = { awaits: options.awaits ?? false };
  const history = new HistoryWatch({
    store: {
      lowest: () => chain.lowest,
      head: () => ({ number: chain.head, hash: new Uint8Array(32) }),
    },
    enabled: options.enabled ?? true,
    awaitsCheckpoint: () => state.awaits,
    logger: createLogger({ level: "info", sinks: [(record) => records.push(record)] }),
  });
  return { history, records, state };
}

Deno.test("a chain from genesis is announced at once, and nothing is said", () => {
  const { history, records } = watch({ lowest: 0, head: 0 });
  assert.ok(history.enough);
  history.add(new FakeOffer(true));
  history.look();
  assert.deepEqual([history.missing(), records.length], [undefined, 0]);
});

Deno.test("one that begins at a checkpoint is announced once it has a good stretch, and that is said", () => {
  const chain = { lowest: 0, head: 0 };
  const { history, records, state } = watch(chain, { awaits: true });
  const offers = [new FakeOffer(history.enough), new FakeOffer(history.enough)];
  for (const offer of offers) history.add(offer);
  assert.match(history.missing() ?? "", /begins at the checkpoint: .*1024 blocks/);
  assert.equal(records.length, 1, "said once, not for each protocol");
  Object.assign(chain, { lowest: 5_000, head: 5_000 });
  state.awaits = false;
  history.look();
  chain.head = 6_023;
  history.look();
  assert.match(history.missing() ?? "", /begins at block 5000/);
  assert.deepEqual(offers.map((o) => o.calls), [0, 0]);
  chain.head = 6_024;
  history.look();
  history.look();
  assert.deepEqual(offers.map((o) => o.calls), [1, 1]);
  assert.equal(history.missing(), undefined);
  assert.equal(records.filter((r) => /advertised from now on/.test(r.message)).length, 2);
});

Deno.test("a node that does not serve is never announced", () => {
  const { history, records } = watch({ lowest: 0, head: 9_000 }, { enabled: false });
  const offer = new FakeOffer(history.enough);
  history.add(offer);
  history.look();
  assert.deepEqual([offer.calls, offer.advertises, history.missing(), records.length], [
    0,
    false,
    undefined,
    0,
  ]);
});
