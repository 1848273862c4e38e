/** Too many connections: who goes, who stays, and when. */
import assert from "node:assert/strict";
import type { Connection } from "@libp2p/interface";
import { ManualClock, nullLogger } from "../../src/base/mod.ts";
import { Trim } from "../../src/p2p/trim.ts";
import { Hosts, nextEvent, TIMEOUT } from "./support.ts";

interface Fake {
  readonly name: string;
  readonly streams: readonly unknown[];
  readonly direction: "inbound" | "outbound";
  readonly timeline: { readonly open: number };
}

class Scene {
  readonly clock = new ManualClock();
  readonly all: Connection[] = [];
  readonly closed: string[] = [];
  readonly busy = new Set<string>();
  readonly mute = new Set<string>();
  readonly trim: Trim;
  constructor(low: number, high: number) {
    this.trim = new Trim({
      marks: { low, high },
      clock: this.clock,
      log: nullLogger,
      connections: () => this.all,
      streamsOn: (c) => this.busy.has(c.remotePeer.toString()) ? 1 : 0,
      identified: (peer) => !this.mute.has(peer),
      isStatic: (peer) => peer === "static",
    });
  }
  add(name: string, { streams = 0, direction = "inbound", ageMs = 120_000 }: {
    readonly streams?: number;
    readonly direction?: Fake["direction"];
    readonly ageMs?: number;
  } = {}): void {
    const connection = {
      remotePeer: { toString: () => name },
      streams: Array(streams).fill(0),
      direction,
      timeline: { open: this.clock.now() - ageMs },
      close: () => {
        this.closed.push(name);
        return Promise.resolve();
      },
    };
    this.all.push(connection as unknown as Connection);
  }
}

Deno.test("trim: above the high mark the least useful go until the low mark is reached", async () => {
  const scene = new Scene(3, 5);
  scene.add("two streams", { streams: 2 });
  scene.add("idle, ours", { direction: "outbound" });
  scene.add("idle, old", { ageMs: 300_000 });
  scene.add("idle, newer");
  scene.add("one stream", { streams: 1 });
  await scene.trim.look();
  assert.deepEqual(scene.closed, [], "at the mark nobody goes");
  scene.add("just come", { ageMs: 1_000 });
  await scene.trim.look();
  assert.deepEqual(scene.closed, ["idle, newer", "idle, old", "idle, ours"]);
  await scene.trim.look();
  assert.equal(scene.closed.length, 3, "the next round comes later");
});

Deno.test("trim: protected peers, sync streams and newcomers stay even when too many are left", () => {
  const scene = new Scene(1, 2);
  for (const name of ["guarded", "static", "busy", "idle"]) scene.add(name);
  scene.add("new", { ageMs: 59_000 });
  scene.trim.guard("guarded", "a");
  scene.trim.guard("guarded", "b");
  scene.trim.unguard("guarded", "a");
  scene.busy.add("busy");
  const chosen = () => scene.trim.choose(scene.all).map((c) => c.remotePeer.toString());
  assert.deepEqual(chosen(), ["idle"]);
  scene.trim.unguard("guarded", "b");
  assert.deepEqual(chosen(), ["guarded", "idle"]);
});

Deno.test("trim: a connection from which nothing ever came goes after fifteen seconds, without anybody knocking", async () => {
  const scene = new Scene(1, 2);
  for (const name of ["mute", "speaks", "opens"]) {
    scene.add(name, { ageMs: 0, streams: name === "opens" ? 1 : 0 });
  }
  for (const name of ["mute", "opens"]) scene.mute.add(name);
  const looks: Promise<void>[] = [];
  const end = scene.trim.begin((look) => looks.push(look));
  await scene.clock.advance(10_000);
  assert.deepEqual(scene.closed, [], "it may still be setting up");
  await scene.clock.advance(10_000);
  assert.deepEqual(scene.closed, ["mute"]);
  end();
  await scene.clock.advance(60_000);
  assert.deepEqual([looks.length, scene.clock.pending], [2, 0]);
});

Deno.test("trim: both marks 0 send nobody away", async () => {
  const scene = new Scene(0, 0);
  for (let i = 0; i < 300; i++) scene.add(`N${i}`);
  await scene.trim.look();
  assert.deepEqual(scene.closed, []);
});

Deno.test("a host with watermarks sends old idle peers away when another one comes", async () => {
  await using hosts = new Hosts();
  const clock = new ManualClock(Date.now());
  const server = await hosts.start({ watermarks: { low: 1, high: 2 }, clock });
  const address = server.addresses()[0] ?? "";
  const [first, second, third] = [await hosts.start(), await hosts.start(), await hosts.start()];
  for (const client of [first, second]) {
    const known = nextEvent(server, "identified", client.peerId);
    await client.connect(address, { timeoutMs: TIMEOUT });
    await known;
  }
  server.protect(first.peerId, "sync");
  let lost = false;
  first.on((event) => lost ||= event.type === "disconnected");
  // The library tells ages by the wall clock.
  clock.jump(120_000);
  const gone = nextEvent(second, "disconnected", server.peerId);
  await third.connect(address, { timeoutMs: TIMEOUT });
  await gone;
  assert.equal(lost, false);
});

Deno.test("private addresses are not dialled where the operator forbids it", async () => {
  await using hosts = new Hosts();
  const server = await hosts.start();
  const careful = await hosts.start({ neverDialPrivate: true });
  const address = server.addresses()[0] ?? "";
  await assert.rejects(careful.connect(address, { timeoutMs: TIMEOUT }), { fault: "TRANSPORT" });
  await (await hosts.start()).connect(address, { timeoutMs: TIMEOUT });
});
