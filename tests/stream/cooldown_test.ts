import assert from "node:assert/strict";
import { CooldownTable } from "../../src/stream/cooldown.ts";
import { PeerBook } from "../../src/stream/peer_book.ts";
import { simPeerId } from "./support/sim_network.ts";

const MIN = 60_000;

function cooldownMinutes(table: CooldownTable, peer: string, now: number): number {
  const record = table.get(peer);
  return record === undefined ? 0 : (record.expireAt - now) / MIN;
}

// T-16
Deno.test("cooldown: 0, 5, 10 … 55, 60, 60 minutes for ordinary removals, exactly", () => {
  const table = new CooldownTable();
  let now = 0;
  const got: number[] = [];
  for (let i = 0; i < 15; i++) {
    table.note("A", now, "peer_closed", false);
    got.push(cooldownMinutes(table, "A", now));
    now = Math.max(now + 1, table.get("A")?.expireAt ?? 0);
  }
  assert.deepEqual(got, [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 60, 60]);
});

// T-16
Deno.test("cooldown: critical is 60 minutes at once, and the count goes on behind it", () => {
  const table = new CooldownTable();
  table.note("A", 0, "invalid_blocks", true);
  assert.equal(cooldownMinutes(table, "A", 0), 60);
  assert.equal(table.active("A", 60 * MIN - 1), true);
  assert.equal(table.active("A", 60 * MIN), false, "expired on the minute");
  table.note("A", 60 * MIN, "peer_closed", false);
  assert.equal(cooldownMinutes(table, "A", 60 * MIN), 5, "the second removal of the hour");
});

// T-16
Deno.test("cooldown: after more than 60 quiet minutes the count starts anew", () => {
  const table = new CooldownTable();
  table.note("A", 0, "peer_closed", false);
  table.note("A", 1, "peer_closed", false);
  table.note("A", 1 + 60 * MIN, "peer_closed", false);
  assert.equal(cooldownMinutes(table, "A", 1 + 60 * MIN), 10, "sixty minutes are not yet more than sixty");
  table.note("A", 2 + 120 * MIN, "peer_closed", false);
  assert.equal(cooldownMinutes(table, "A", 2 + 120 * MIN), 0);
  assert.equal(table.get("A")?.count, 1);
});

Deno.test("cooldown: old records are forgotten, running ones never, and the table is bounded", () => {
  const table = new CooldownTable();
  table.note("old", 0, "peer_closed", false);
  table.purge(121 * MIN);
  assert.equal(table.get("old"), undefined);
  for (let i = 0; i < 5_000; i++) table.note(`P${i}`, i, "invalid_blocks", true);
  assert.ok([...table.entries()].length <= 2_000);
  assert.equal(table.active("P4999", 5_000), true, "the newest are kept");
});

Deno.test("cooldown: forgiving ends it and its history", () => {
  const table = new CooldownTable();
  table.note("A", 0, "invalid_blocks", true);
  table.note("B", 0, "invalid_blocks", true);
  assert.equal(table.forgive("A", 1), 1);
  assert.equal(table.active("A", 1), false);
  assert.equal(table.forgive(undefined, 1), 1);
  assert.equal(table.activeCount(1), 0);
});

Deno.test("peer book: failures decay after half an hour without one", () => {
  const book = new PeerBook();
  book.addFailures("A", 3, 0);
  assert.equal(book.failures("A", 30 * MIN), 3);
  assert.equal(book.failures("A", 30 * MIN + 1), 0);
});

Deno.test("peer book: refusals back off 1, 5, 15, 60, 60 minutes and end with an accepted stream", () => {
  const book = new PeerBook();
  const got: number[] = [];
  let now = 0;
  for (let i = 0; i < 5; i++) {
    book.refused("A", now);
    let minutes = 0;
    while (book.isRefused("A", now + minutes * MIN)) minutes++;
    got.push(minutes);
    now += minutes * MIN;
  }
  assert.deepEqual(got, [1, 5, 15, 60, 60]);
  book.accepted("A");
  assert.equal(book.isRefused("A", now), false);
});

// T-41
Deno.test("peer book: a restart keeps what is left of a cooldown, wherever the clocks stand", () => {
  const [a, b, c] = [simPeerId(1), simPeerId(2), simPeerId(3)];
  const before = new PeerBook();
  before.cooldowns.note(a, 1_000, "invalid_blocks", true);
  before.cooldowns.note(b, 1_000, "peer_closed", false);
  before.refused(c, 1_000);
  before.addFailures(c, 2, 1_000);
  const page = before.page(b);
  page.goodAt = 900;
  page.addresses = ["/ip4/127.0.0.1/tcp/1"];
  const saved = before.export(1_000 + 20 * MIN);
  const after = new PeerBook();
  const now = 77_777_777;
  assert.equal(after.import(saved, now), true);
  assert.equal((after.cooldowns.get(a)?.expireAt ?? 0) - now, 40 * MIN);
  assert.equal(after.cooldowns.get(a)?.critical, true);
  assert.equal(after.cooldowns.get(a)?.reason, "invalid_blocks");
  assert.equal(after.cooldowns.active(b, now), false);
  after.cooldowns.note(b, now, "peer_closed", false);
  assert.equal(cooldownMinutes(after.cooldowns, b, now), 5, "the count has survived");
  assert.equal(after.failures(c, now), 2);
  assert.deepEqual(after.takeRemembered(), [{ peerId: b, addresses: ["/ip4/127.0.0.1/tcp/1"] }]);
  assert.deepEqual(after.takeRemembered(), [], "once");
});

Deno.test("peer book: what was saved is foreign input: lies are cut down, rubbish is left out", () => {
  const book = new PeerBook();
  const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  for (const bytes of [new Uint8Array([1, 2, 3]), text(null), text([]), text({ version: 99 })]) {
    assert.equal(book.import(bytes, 0), false);
  }
  const id = simPeerId(5);
  const lie = {
    version: 1,
    cooldowns: [
      { id, count: 1e9, leftMs: 1e15, agoMs: -5, reason: "\u001b[31m", critical: "yes" },
      { id: "../../etc/passwd", count: 1, leftMs: 1, agoMs: 1, reason: "other", critical: true },
      7,
    ],
    refusals: "none",
    peers: [{
      id,
      failures: -1,
      success: 7,
      goodAgoMs: 1,
      addresses: [1, "x".repeat(1_000), "/ip4/1.2.3.4/tcp/1"],
    }],
  };
  assert.equal(book.import(text(lie), 1_000), true);
  const record = book.cooldowns.get(id);
  assert.equal((record?.expireAt ?? 0) - 1_000, 60 * MIN, "no cooldown is longer than an hour");
  assert.equal(record?.reason, "other");
  assert.equal(record?.critical, false);
  assert.equal([...book.cooldowns.entries()].length, 1);
  assert.deepEqual(book.takeRemembered(), [{ peerId: id, addresses: ["/ip4/1.2.3.4/tcp/1"] }]);
  assert.equal(book.page(id).success, 0.5);
});

Deno.test("peer book: the saved form fits its record however much there is", () => {
  const book = new PeerBook();
  for (let i = 0; i < 3_000; i++) {
    const id = simPeerId(i);
    book.cooldowns.note(id, i, "invalid_blocks", true);
    book.refused(id, i);
    const page = book.page(id);
    page.goodAt = i;
    page.addresses = Array.from({ length: 9 }, () => "/ip4/123.123.123.123/tcp/12345/" + "x".repeat(200));
  }
  const bytes = book.export(4_000);
  assert.ok(bytes.length <= 56 * 1024, `${bytes.length} bytes`);
  assert.equal(new PeerBook().import(bytes, 0), true);
});
