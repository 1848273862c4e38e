import assert from "node:assert/strict";
import { multiaddr } from "@multiformats/multiaddr";
import { Reachability } from "../../src/p2p/reachability.ts";

const own = [multiaddr("/ip4/127.0.0.1/tcp/9000"), multiaddr("/ip4/10.0.0.5/tcp/9000")];
const peer = (i: number) => multiaddr(`/ip4/8.8.${i >> 8}.${i & 255}/tcp/9000`);
const seen = (ip: string) => multiaddr(`/ip4/${ip}/tcp/51234`);

Deno.test("an address counts when two observers agree on it, with our port instead of the one they saw", () => {
  const reach = new Reachability();
  assert.deepEqual(reach.announced(own), [], "private addresses are never announced");
  assert.equal(reach.observe(peer(1), seen("5.6.7.8")), false);
  assert.equal(reach.observe(peer(1), seen("5.6.7.8")), false, "the same observer again is no second one");
  assert.deepEqual(reach.announced(own), []);
  assert.equal(reach.observe(peer(2), seen("5.6.7.8")), true);
  assert.equal(reach.observe(peer(3), seen("5.6.7.8")), false, "nothing changed");
  assert.deepEqual(reach.announced(own).map(String), ["/ip4/5.6.7.8/tcp/9000"]);
});

Deno.test("the addresses of one IPv6 network are one observer", () => {
  const reach = new Reachability();
  for (let i = 1; i < 9; i++) reach.observe(multiaddr(`/ip6/2001:db8:1:2::${i}/tcp/1`), seen("5.6.7.8"));
  assert.equal(reach.observedIp, undefined);
  reach.observe(multiaddr("/ip6/2001:db8:1:3::1/tcp/1"), seen("5.6.7.8"));
  assert.equal(reach.observedIp, "5.6.7.8");
});

Deno.test("the majority decides, and follows us to a new address", () => {
  const reach = new Reachability();
  for (let i = 0; i < 4; i++) reach.observe(peer(i), seen("5.6.7.8"));
  reach.observe(peer(10), seen("9.9.9.9"));
  reach.observe(peer(11), seen("9.9.9.9"));
  assert.equal(reach.observedIp, "5.6.7.8", "a minority changes nothing");
  for (let i = 0; i < 4; i++) reach.observe(peer(i), seen("6.6.6.6"));
  assert.equal(reach.observedIp, "6.6.6.6");
});

Deno.test("claims from or about private networks, and names, are ignored", () => {
  const reach = new Reachability();
  for (let i = 0; i < 5; i++) {
    reach.observe(multiaddr(`/ip4/10.0.0.${i}/tcp/1`), seen("5.6.7.8"));
    reach.observe(peer(i), seen("192.168.1.1"));
    reach.observe(peer(i), multiaddr("/dns4/evil.example/tcp/1"));
  }
  assert.equal(reach.observedIp, undefined);
});

Deno.test("a flood of observers stays bounded", () => {
  const reach = new Reachability();
  for (let i = 0; i < 10_000; i++) reach.observe(peer(i), seen(`5.6.${(i >> 8) & 255}.${i & 255}`));
  assert.equal(reach.observedIp, undefined);
  reach.observe(peer(1), seen("7.7.7.7"));
  reach.observe(peer(2), seen("7.7.7.7"));
  assert.equal(reach.observedIp, "7.7.7.7");
});

Deno.test("a public address of our own needs no observers", () => {
  const reach = new Reachability();
  reach.observe(peer(1), seen("5.6.7.8"));
  reach.observe(peer(2), seen("5.6.7.8"));
  const mixed = [...own, multiaddr("/ip4/93.184.216.34/tcp/9000")];
  assert.deepEqual(reach.announced(mixed).map(String), ["/ip4/93.184.216.34/tcp/9000"]);
});

Deno.test("a connection from outside proves that we can be reached, one from inside does not", () => {
  const reach = new Reachability();
  assert.equal(reach.inbound(multiaddr("/ip4/192.168.0.9/tcp/5")), false);
  assert.equal(reach.reached, false);
  assert.equal(reach.inbound(multiaddr("/ip4/8.8.8.8/tcp/5")), true);
  assert.equal(reach.inbound(multiaddr("/ip4/8.8.4.4/tcp/5")), false, "told once");
  assert.equal(reach.reached, true);
});
