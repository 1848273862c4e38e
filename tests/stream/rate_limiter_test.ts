import assert from "node:assert/strict";
import { HsyncError, ManualClock } from "../../src/base/mod.ts";
import { RateLimiter } from "../../src/stream/rate_limiter.ts";

/** Asks without pause for each stream; @returns served requests per stream after `ms`. */
async function flood(
  limiter: RateLimiter,
  clock: ManualClock,
  streams: string[],
  ms: number,
): Promise<number[]> {
  const served = streams.map(() => 0);
  const abort = new AbortController();
  const loops = streams.map(async (id, i) => {
    try {
      for (;;) {
        await limiter.take(id, abort.signal);
        served[i] = (served[i] as number) + 1;
      }
    } catch (error) {
      assert.ok(error instanceof HsyncError && error.code === "CANCELLED");
    }
  });
  await clock.advance(ms);
  abort.abort();
  await Promise.all(loops);
  limiter.stop();
  return served;
}

Deno.test("rate limiter: one stream gets its burst and then ten a second", async () => {
  const clock = new ManualClock();
  const [n = 0] = await flood(new RateLimiter(clock), clock, ["A"], 10_000);
  assert.ok(n >= 108 && n <= 111, `${n} in ten seconds: 10 saved up and 100`);
});

Deno.test("rate limiter: together fifty a second, shared fairly, and a flood of one does not cost the others", async () => {
  const clock = new ManualClock();
  const ids = Array.from({ length: 20 }, (_, i) => `S${i}`);
  const served = await flood(new RateLimiter(clock), clock, ids, 10_000);
  const sum = served.reduce((a, b) => a + b, 0);
  assert.ok(sum >= 545 && sum <= 555, `${sum} in ten seconds: 50 saved up and 500`);
  const most = Math.max(...served);
  const least = Math.min(...served);
  assert.ok(most - least <= 2, `between ${least} and ${most} each`);
});

Deno.test("rate limiter: a stream over its own rate waits for itself and takes no common slot", async () => {
  const clock = new ManualClock();
  const limiter = new RateLimiter(clock, { perStream: 1, burst: 1, global: 2 });
  await limiter.take("A");
  const abort = new AbortController();
  const second = limiter.take("A", abort.signal);
  await clock.advance(500);
  const waited = await Promise.race([limiter.take("B").then((ms) => ms), clock.sleep(1).then(() => -1)]);
  assert.equal(waited, 0, "B is served at once while A waits");
  abort.abort();
  await assert.rejects(second, HsyncError);
  await clock.advance(2);
  limiter.stop();
});

Deno.test("rate limiter: others' large answers hold a small question up for half a second at most", async () => {
  const clock = new ManualClock();
  const limiter = new RateLimiter(clock);
  const eager = Array.from({ length: 20 }, (_, i) => `S${i}`);
  for (const id of eager) await limiter.take(id);
  for (const id of eager) limiter.charge(id, 16 << 20);
  const [next] = await Promise.all([limiter.take("small"), clock.advance(1_000)]);
  assert.ok(next >= 500 && next <= 550, `${next} ms`);
  limiter.stop();
});

Deno.test("rate limiter: large answers are paid for by later requests", async () => {
  const clock = new ManualClock();
  const limiter = new RateLimiter(clock, { perStream: 10, burst: 1, global: 0 });
  await limiter.take("A");
  limiter.charge("A", 16 << 20);
  let done = false;
  const next = limiter.take("A").then((ms) => {
    done = true;
    return ms;
  });
  await clock.advance(3_000);
  assert.equal(done, false);
  await clock.advance(1_000);
  const waited = await next;
  assert.ok(waited >= 3_200 && waited <= 3_400, `32 tokens at ten a second: ${waited} ms`);
  limiter.charge("A", 400_000);
  await clock.advance(100);
  assert.equal(await limiter.take("A"), 0, "an ordinary answer costs nothing beyond its request");
});

Deno.test("rate limiter: off means off", async () => {
  const clock = new ManualClock();
  const limiter = new RateLimiter(clock, { perStream: 0, global: 0 });
  for (let i = 0; i < 10_000; i++) assert.equal(await limiter.take("A"), 0);
  limiter.charge("A", 1 << 30);
  assert.equal(await limiter.take("A"), 0);
});

Deno.test("rate limiter: peers that have rested are forgotten", async () => {
  const clock = new ManualClock();
  const limiter = new RateLimiter(clock);
  for (let i = 0; i < 8; i++) await limiter.take(`S${i}`);
  assert.equal(limiter.tracked, 8);
  await clock.advance(1_000);
  limiter.purge();
  assert.equal(limiter.tracked, 0);
});
