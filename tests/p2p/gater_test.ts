/** The gate: who gets in, and how everybody is put out at once. */
import assert from "node:assert/strict";
import { peerIdFromString } from "@libp2p/peer-id";
import { type Multiaddr, multiaddr } from "@multiformats/multiaddr";
import type { MultiaddrConnection } from "@libp2p/interface";
import { ManualClock } from "../../src/base/mod.ts";
import { Gate, type RawConnection } from "../../src/p2p/gater.ts";

const ALICE = "12D3KooWBvxtHFnrjtfVta4Pqkx6TdBvDJL9GaXD9qViv66r2gie";
const BOB = "12D3KooWMbURfNX3vMFqWRcoTLCvW1gYDjYjqcrEDnm7etSH4JZJ";

/** A connection that writes down when it is cut. */
class Raw extends EventTarget implements Pick<RawConnection, "abort" | "status" | "timeline"> {
  status: "open" | "aborted" = "open";
  readonly timeline = { open: 0 };
  readonly remoteAddr: Multiaddr;
  constructor(readonly name: string, readonly log: string[], address = "/ip4/10.0.0.1/tcp/4000") {
    super();
    this.remoteAddr = multiaddr(address);
  }
  abort(): void {
    this.status = "aborted";
    this.log.push(this.name);
    this.dispatchEvent(new Event("close"));
  }
  /** As the library hands it over. */
  get raw(): MultiaddrConnection {
    return this as unknown as MultiaddrConnection;
  }
}

class Scene {
  readonly cut: string[] = [];
  readonly clock = new ManualClock();
  readonly gate = new Gate({ maxConnsPerIp: 10, maxIps: 0, privateAddresses: true, clock: this.clock });

  /** True when it is let in as far as the handshake. */
  async knocks(address?: string): Promise<boolean> {
    return await this.gate.rules.denyInboundConnection?.(new Raw("knock", [], address).raw) === false;
  }
  async inbound(name: string, peer?: string, address?: string): Promise<Raw> {
    const raw = new Raw(name, this.cut, address);
    assert.equal(await this.gate.rules.denyInboundConnection?.(raw.raw), false);
    if (peer !== undefined) {
      const id = peerIdFromString(peer);
      assert.equal(await this.gate.rules.denyInboundEncryptedConnection?.(id, raw.raw), false);
    }
    return raw;
  }
  async outbound(name: string, peer: string): Promise<Raw> {
    const raw = new Raw(name, this.cut);
    assert.equal(await this.gate.rules.denyOutboundConnection?.(peerIdFromString(peer), raw.raw), false);
    return raw;
  }
}

Deno.test("shutting the gate cuts the idle connections first, then each peer's busy ones together", async () => {
  const scene = new Scene();
  const busy = new Set<unknown>();
  busy.add((await scene.outbound("alice busy out", ALICE)).timeline);
  busy.add((await scene.inbound("bob busy in", BOB)).timeline);
  await scene.inbound("nobody yet");
  busy.add((await scene.inbound("alice busy in", ALICE)).timeline);
  await scene.outbound("bob idle out", BOB);
  scene.gate.shut("leaving", (raw) => busy.has(raw.timeline));
  assert.deepEqual(scene.cut, [
    "nobody yet",
    "bob idle out",
    "alice busy out",
    "alice busy in",
    "bob busy in",
  ]);
});

Deno.test("a shut gate lets nobody in or out, at whatever stage", async () => {
  const scene = new Scene();
  const half = await scene.inbound("half-way");
  scene.gate.shut("leaving", () => false);
  const { rules } = scene.gate;
  const id = peerIdFromString(ALICE);
  const late = new Raw("late", scene.cut).raw;
  assert.equal(await rules.denyDialPeer?.(id), true);
  assert.equal(await rules.denyInboundConnection?.(late), true);
  assert.equal(await rules.denyOutboundConnection?.(id, late), true);
  for (const raw of [late, half.raw]) {
    assert.equal(await rules.denyInboundEncryptedConnection?.(id, raw), true);
    assert.equal(await rules.denyOutboundEncryptedConnection?.(id, raw), true);
    assert.equal(await rules.denyInboundUpgradedConnection?.(id, raw), true);
    assert.equal(await rules.denyOutboundUpgradedConnection?.(id, raw), true);
  }
});

Deno.test("cutting a peer leaves the others, and what has closed by itself is forgotten", async () => {
  const scene = new Scene();
  await scene.inbound("alice in", ALICE);
  await scene.outbound("alice out", ALICE);
  await scene.outbound("bob out", BOB);
  (await scene.inbound("bob in", BOB)).abort();
  scene.gate.cut(ALICE, "disconnecting");
  assert.deepEqual(scene.cut, ["bob in", "alice in", "alice out"]);
  scene.gate.cut(BOB, "disconnecting");
  scene.gate.cut(ALICE, "disconnecting");
  assert.deepEqual(scene.cut, ["bob in", "alice in", "alice out", "bob out"]);
});

Deno.test("a line with a whole IPv6 network is let in as often as one address, and its neighbours are not counted", async () => {
  const gate = new Gate({
    maxConnsPerIp: 2,
    maxIps: 0,
    privateAddresses: false,
    clock: new ManualClock(),
  });
  const knock = async (host: string): Promise<readonly [boolean | undefined, Raw]> => {
    const raw = new Raw(host, [], `/ip6/${host}/tcp/4000`);
    return [await gate.rules.denyInboundConnection?.(raw.raw), raw];
  };
  const [first, raw] = await knock("2001:db8:1:2::1");
  assert.deepEqual([first, (await knock("2001:db8:1:2:ffff::2"))[0]], [false, false]);
  assert.equal((await knock("2001:db8:1:2:3:4:5:6"))[0], true);
  assert.equal((await knock("2001:db8:1:3::1"))[0], false);
  raw.abort();
  assert.equal((await knock("2001:db8:1:2::9"))[0], false, "a closed connection gives its place back");
});

Deno.test("a shunned peer has no connection in either direction until its time is over or it is admitted", async () => {
  const scene = new Scene();
  const { rules } = scene.gate;
  const { raw } = new Raw("alice", scene.cut);
  const [alice, bob] = [peerIdFromString(ALICE), peerIdFromString(BOB)];
  const denied = async (id: typeof alice) => [
    await rules.denyDialPeer?.(id),
    await rules.denyInboundEncryptedConnection?.(id, raw),
    await rules.denyOutboundConnection?.(id, raw),
    await rules.denyOutboundEncryptedConnection?.(id, raw),
  ];
  scene.gate.shun(ALICE, 60_000);
  scene.gate.shun(ALICE, 1_000);
  assert.deepEqual(await denied(alice), [true, true, true, true]);
  assert.deepEqual(await denied(bob), [false, false, false, false]);
  await scene.clock.advance(59_999);
  assert.equal(scene.gate.isShunned(ALICE), true, "a shorter time takes nothing back");
  await scene.clock.advance(1);
  assert.deepEqual(await denied(alice), [false, false, false, false]);
  for (const whom of [ALICE, undefined]) {
    scene.gate.shun(ALICE, 60_000);
    scene.gate.admit(BOB);
    assert.equal(scene.gate.isShunned(ALICE), true);
    scene.gate.admit(whom);
    assert.equal(scene.gate.isShunned(ALICE), false);
  }
});

Deno.test("an address that a shunned peer keeps coming from is let in once a second, others at once", async () => {
  const scene = new Scene();
  const { rules } = scene.gate;
  const home = "/ip4/10.0.0.1/tcp/4001";
  const alice = await scene.inbound("alice in", ALICE, home);
  scene.gate.shun(ALICE, 3_600_000);
  assert.deepEqual([await scene.knocks(home), await scene.knocks("/ip4/10.0.0.2/tcp/4001")], [false, true]);
  await scene.clock.advance(1_000);
  assert.deepEqual([await scene.knocks(home), await scene.knocks(home)], [true, false]);
  await scene.clock.advance(1_000);
  assert.equal(await rules.denyInboundEncryptedConnection?.(peerIdFromString(ALICE), alice.raw), true);
  await scene.clock.advance(999);
  assert.equal(await scene.knocks(home), false, "it came again");
  await scene.clock.advance(59_001);
  assert.deepEqual([await scene.knocks(home), await scene.knocks(home)], [true, true], "it stays away");
});

Deno.test("addresses and peers that are shunned are remembered up to a bound", () => {
  const scene = new Scene();
  for (let i = 0; i < 3_000; i++) scene.gate.shun(`peer ${i}`, 60_000);
  assert.deepEqual(["peer 0", "peer 2999"].map((p) => scene.gate.isShunned(p)), [false, true]);
});
