import assert from "node:assert/strict";
import { createLogger, HsyncError, type LogRecord, ManualClock } from "../../src/base/mod.ts";
import { type AskTime, ClockWatch } from "../../src/node/clock_watch.ts";

function watched(servers: readonly string[], ask: AskTime) {
  const clock = new ManualClock();
  const logs: LogRecord[] = [];
  const logger = createLogger({ level: "debug", sinks: [(r) => logs.push(r)], now: () => clock.now() });
  return { clock, logs, watch: new ClockWatch({ servers, clock, logger, ask }) };
}

Deno.test("the clock is compared soon after the start and every hour, and told as an error when it is wrong", async () => {
  const answers = [12.4, -31_000, 5];
  const { clock, logs, watch } = watched(["a", "b"], (server) => {
    if (server === "a") return Promise.reject(new HsyncError("NTP_FAILED", "a: no answer"));
    return Promise.resolve(answers.shift() as number);
  });
  const offset = () => watch.last?.offsetMs;
  watch.start();
  assert.equal(offset(), undefined);
  await clock.advance(10_000);
  assert.deepEqual(watch.last, { offsetMs: 12, checkedAt: clock.now() });
  assert.equal(logs.length, 0);
  await clock.advance(60 * 60_000 - 10_000);
  assert.equal(offset(), -31_000);
  assert.deepEqual(logs.map((l) => l.level), ["error"]);
  await clock.advance(60 * 60_000);
  assert.equal(offset(), 5);
  await watch.stop();
  assert.equal(clock.pending, 0);
});

Deno.test("time servers that do not answer are no trouble, and without any nobody is asked", async () => {
  let asked = 0;
  const silent: AskTime = () => {
    asked++;
    return Promise.reject(new HsyncError("NTP_FAILED", "no answer"));
  };
  const { clock, logs, watch } = watched(["a", "b"], silent);
  watch.start();
  await clock.advance(10_000);
  assert.equal(asked, 2);
  assert.ok(watch.last === undefined);
  assert.deepEqual(logs.map((l) => l.level), ["info"]);
  await watch.stop();
  const none = watched([], silent);
  none.watch.start();
  await none.clock.advance(60 * 60_000);
  assert.equal(asked, 2);
  assert.equal(none.clock.pending, 0);
});

Deno.test("stopping ends a question that is under way", async () => {
  const { clock, logs, watch } = watched(
    ["a", "b"],
    (_server, { signal }) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  );
  watch.start();
  await clock.advance(10_000);
  await watch.stop();
  assert.deepEqual(logs, []);
});
