/** Progress: what it says, how often, and that escape codes stay on terminals. */
import assert from "node:assert/strict";
import { ManualClock } from "../../src/base/mod.ts";
import { plainLine, ProgressPrinter, terminalLines } from "../../src/cli/mod.ts";
import { SNAPSHOT } from "./support.ts";

Deno.test("the terminal region tells height, speed, stage and streams", () => {
  assert.deepEqual(terminalLines(SNAPSHOT, 140), [
    "testnet s0  LONG RANGE  54,321,600 / 54,330,112  behind 8,512   [################>       ] 71.7 %   eta 1m29s",
    "  hashes 812/s   bodies 305/s   insert 96.2/s   bottleneck: execution",
    "  stage  States  54,321,472 → 54,321,984     cycle 129",
    "  streams 5 active (need 3) · 2 reserved · 3 cooling   requests 4 running · 12 waiting   down 2.1 MB/s",
    "  blocks are linked",
  ]);
});

Deno.test("the region never exceeds the terminal or six lines, and peers cannot write to it", () => {
  const hostile = { ...SNAPSHOT, note: "waits for \u001b[2J peer\nwith lines" };
  for (const columns of [20, 40, 80, 200]) {
    const lines = terminalLines(hostile, columns);
    assert.ok(lines.length <= 6);
    for (const line of lines) {
      assert.ok([...line].length < Math.max(21, columns), `${columns}: ${line}`);
      assert.ok(!line.includes("\u001b") && !line.includes("\n"));
    }
  }
});

Deno.test("an unknown target is called unknown", () => {
  const { target: _target, etaSeconds: _eta, ...rest } = SNAPSHOT;
  const unknown = { ...rest, target: undefined, etaSeconds: undefined, state: "waitingForStreams" };
  assert.equal(terminalLines(unknown, 100)[0], "testnet s0  waitingForStreams  54,321,600 / unknown");
  assert.match(plainLine(unknown), /target=unknown behind=unknown .* eta=unknown/);
});

Deno.test("the plain line is key=value", () => {
  assert.equal(
    plainLine(SNAPSHOT),
    "sync state=syncing mode=longRange stage=States height=54321600 target=54330112 behind=8512 rate=96.2 " +
      "eta=89s streams=5/3 reserved=2 cooling=3 assurance=linked",
  );
});

function printer(
  mode: "tty" | "plain" | "off",
): { printer: ProgressPrinter; clock: ManualClock; text: () => string } {
  const clock = new ManualClock();
  let text = "";
  const output = { write: (t: string) => text += t, columns: () => 100 };
  return { printer: new ProgressPrinter(mode, output, clock), clock, text: () => text };
}

Deno.test("plain progress comes every ten seconds, every minute when idle, and at once on a change", async () => {
  const { printer: p, clock, text } = printer("plain");
  const lines = () => text().split("\n").length - 1;
  for (let i = 0; i < 200; i++) {
    p.update({ ...SNAPSHOT, height: i });
    await clock.advance(100);
  }
  assert.equal(lines(), 2);
  p.update({ ...SNAPSHOT, state: "inSync" });
  assert.equal(lines(), 3);
  for (let i = 0; i < 59; i++) {
    await clock.advance(1_000);
    p.update({ ...SNAPSHOT, state: "inSync" });
  }
  assert.equal(lines(), 3);
  await clock.advance(1_000);
  p.update({ ...SNAPSHOT, state: "inSync" });
  assert.equal(lines(), 4);
  p.finish();
  assert.ok(!text().includes("\u001b"));
  assert.equal(clock.pending, 0);
});

Deno.test("a terminal is redrawn four times a second at most, ending with the newest state", async () => {
  const { printer: p, clock, text } = printer("tty");
  for (let i = 0; i < 100; i++) {
    p.update({ ...SNAPSHOT, height: 54_321_000 + i });
    await clock.advance(10);
  }
  const redraws = text().split("testnet s0").length - 1;
  assert.ok(redraws >= 4 && redraws <= 5, String(redraws));
  await clock.advance(300);
  assert.ok(text().includes("54,321,099"));
  p.finish();
  assert.equal(clock.pending, 0);
  assert.ok(text().endsWith("\n"));
});

Deno.test("lines scroll above the region", () => {
  const { printer: p, text } = printer("tty");
  p.line("before");
  p.update(SNAPSHOT);
  p.line("between");
  p.finish();
  p.line("after");
  const rows = terminalLines(SNAPSHOT, 100).length;
  assert.ok(text().startsWith("before\n"));
  assert.ok(text().includes(`\u001b[${rows}A\r\u001b[Jbetween\ntestnet s0`));
  assert.ok(text().endsWith("after\n"));
});

Deno.test("switched off, progress is silent and lines still come", () => {
  const { printer: p, text } = printer("off");
  p.update(SNAPSHOT);
  p.line("log");
  p.finish();
  assert.equal(text(), "log\n");
});
