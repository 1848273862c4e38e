/** Stopping a real node: cleanly in every stage of its life, at once when asked twice. */
import assert from "node:assert/strict";
import { SystemClock } from "../../src/base/mod.ts";
import { createHost, newIdentity } from "../../src/p2p/mod.ts";
import { inFolder } from "../cli/support.ts";
import { writeRecording } from "./recording.ts";
import { type Finished, hsync, localFlags, Process } from "./support.ts";

const HEAD = 60;
const clock = new SystemClock();
const SIGNALS = Deno.build.os !== "windows";

async function listenAddress(node: Process): Promise<string> {
  return String((await node.line(/p2p\s+(\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/\S+)/))[1]);
}

/** A node that serves the recorded blocks up to `HEAD`, four requests a second. */
async function startServer(dir: string): Promise<Process> {
  await writeRecording(`${dir}/blocks.jsonl`, HEAD);
  const flags = localFlags(`${dir}/server`, ["--sync.server.rate-per-stream", "4"]);
  const imported = await hsync(["db", "import", `${dir}/blocks.jsonl`, ...flags]);
  assert.equal(imported.code, 0, imported.stderr);
  return new Process(["run", ...flags]);
}

/** Resolves once the node's status satisfies `is`. */
// deno-lint-ignore no-explicit-any
async function until(node: Process, is: (status: any) => boolean): Promise<void> {
  const url = String((await node.line(/status\s+(http:\S+\/status)/))[1]);
  while (!is(await (await fetch(url)).json()));
}

/** A stop that took more than ten seconds would have ended with another code, and said so. */
function assertClean(end: Finished, stage: string): void {
  assert.equal(end.code, 0, `${stage}: ${end.stderr}`);
  assert.doesNotMatch(end.stderr, /error:/, stage);
}

// T-39
Deno.test({
  name: "SIGTERM ends a node cleanly while it starts, waits, downloads and follows the head",
  ignore: !SIGNALS,
  fn: async () => {
    await inFolder(async (dir) => {
      const server = await startServer(dir);
      const bootnodes = ["--bootnodes", await listenAddress(server), "--sync.insert-batch", "10"];
      const stages: ReadonlyArray<readonly [string, readonly string[], (node: Process) => Promise<unknown>]> =
        [
          // With the log on the terminal, its first line comes after the signals are listened to.
          ["starting", ["--log.console"], (node) => node.line(/\[General\]/)],
          ["waiting for peers", [], (node) => until(node, (s) => s.sync.state === "waitingForStreams")],
          // From the first cycle on, which may be over by the time somebody looks.
          ["downloading", bootnodes, (node) => until(node, (s) => s.sync.cycle?.number > 0)],
          ["following the head", bootnodes, (node) => until(node, (s) => s.sync.current.height === HEAD)],
        ];
      for (const [stage, flags, reached] of stages) {
        const node = new Process(["run", ...localFlags(`${dir}/client`, flags)]);
        await reached(node);
        node.kill("SIGTERM");
        assertClean(await node.end(), stage);
      }
      server.kill("SIGTERM");
      assertClean(await server.end(), "serving");
    });
  },
});

// T-39
Deno.test({
  name: "a second signal ends a syncing node at once, and the next start goes on from what it had",
  ignore: !SIGNALS,
  fn: async () => {
    await inFolder(async (dir) => {
      const server = await startServer(dir);
      // A peer that takes streams and never answers holds up a clean stop for the three seconds that it is given.
      const mute = await createHost({
        identity: await newIdentity(),
        ip: "127.0.0.1",
        port: 0,
        userAgent: "test",
      });
      const taken = new Promise<void>((resolve) =>
        void mute.handle("harmony/sync/localnet/0/1.0.0", () => resolve())
      );
      try {
        const addresses = [await listenAddress(server), ...mute.addresses()].join(",");
        const flags = localFlags(`${dir}/client`, ["--bootnodes", addresses, "--sync.insert-batch", "10"]);
        const node = new Process(["run", ...flags]);
        await taken;
        await until(node, (s) => s.sync.current.height > 0);
        node.kill("SIGTERM");
        await node.line(/stopping; press again/);
        // A second press counts after a second; earlier it is taken for an echo of the first.
        await clock.sleep(1_100);
        node.kill("SIGTERM");
        const end = await node.end();
        assert.equal(end.code, 255, end.stderr);
        assert.equal(end.stderr.match(/^error: .*second signal; hint: /gm)?.length, 1, end.stderr);
        const last = await hsync(["run", ...flags, "--stop-at", String(HEAD), "--deadline", "180"]);
        assert.equal(last.code, 0, last.stderr);
        assert.match(last.stdout, new RegExp(`stopped at number=${HEAD} `));
        const passed = await hsync(["run", ...flags, "--stop-at", "5"]);
        assert.equal(passed.code, 1);
        assert.match(
          passed.stderr,
          /error: --stop-at 5 is below the stored head, block 60; hint: .*db unwind --to 5/,
        );
      } finally {
        await mute.stop();
        server.kill("SIGTERM");
        await server.end();
      }
    });
  },
});
