import assert from "node:assert/strict";
import { multiaddr } from "@multiformats/multiaddr";
import { HsyncError } from "../../src/base/mod.ts";
import { isPrivateAddress, isPrivateHost, networkOf, parsePeerAddress } from "../../src/p2p/addresses.ts";

const RSA = "Qmdfjtk6hPoyrH1zVD9PEH4zfWLo38dP2mDvvKXfh3tnEv";
const ED = "12D3KooWJAY1rU4FU1ny7X5DW3fWagTKGjYstKvdPfLpXBW5SrT8";

Deno.test("a complete peer address is taken apart, whatever its host and key type", () => {
  const cases: ReadonlyArray<readonly [string, string, number, string]> = [
    [`/ip4/54.86.126.90/tcp/9800/p2p/${RSA}`, "54.86.126.90", 9800, RSA],
    [`/ip6/2001:db8::1/tcp/1/p2p/${ED}`, "2001:db8::1", 1, ED],
    [`/dns4/boot.example/tcp/65535/p2p/${ED}`, "boot.example", 65535, ED],
    [`/dns/boot.example/tcp/9000/ipfs/${RSA}`, "boot.example", 9000, RSA],
  ];
  for (const [text, host, port, peerId] of cases) {
    const address = parsePeerAddress(text);
    assert.deepEqual([address.host, address.port, address.peerId], [host, port, peerId], text);
    assert.equal(address.text, text.replace("/ipfs/", "/p2p/"));
  }
});

Deno.test("an address that cannot be dialled is refused with the reason and an example", () => {
  const cases: ReadonlyArray<readonly [string, RegExp]> = [
    ["", /does not begin with ip4/],
    ["1.2.3.4:9000", /cannot be used/],
    ["/ip4/1.2.3.4", /only TCP is spoken here, not nothing/],
    [`/ip4/1.2.3.4/udp/9000/quic-v1/p2p/${RSA}`, /only TCP is spoken here, not udp/],
    ["/ip4/1.2.3.4/tcp/9000", /which peer is expected/],
    [`/ip4/1.2.3.4/tcp/0/p2p/${RSA}`, /port 0/],
    [`/ip4/1.2.3.400/tcp/9000/p2p/${RSA}`, /cannot be used/],
    [`/ip4/1.2.3.4/tcp/9000/ws/p2p/${RSA}`, /which peer is expected/],
    [`/ip4/1.2.3.4/tcp/9000/p2p/${RSA}/p2p-circuit`, /nothing may follow/],
    ["/ip4/1.2.3.4/tcp/9000/p2p/QmNotAPeerId", /cannot be used|not a peer id/],
    ["/dnsaddr/bootstrap.t.hmny.io", /does not begin with ip4/],
    [`/ip4/1.2.3.4/tcp/9000/p2p/${RSA}\u001b[2J`, /cannot be used|not a peer id/],
  ];
  for (const [text, reason] of cases) {
    assert.throws(() => parsePeerAddress(text), (error: unknown) => {
      assert.ok(error instanceof HsyncError, text);
      assert.match(error.code, /^(MULTIADDR|PEER_ID)_INVALID$/);
      assert.match(error.message, reason, text);
      assert.ok(error.hint !== undefined && error.hint.length > 0);
      assert.ok(!error.message.includes("\u001b"), "control characters are escaped");
      return true;
    });
  }
});

Deno.test("private and public hosts are told apart", () => {
  const privateHosts = [
    "127.0.0.1",
    "10.1.2.3",
    "192.168.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "169.254.1.1",
    "100.64.0.1",
    "100.127.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "198.18.0.1",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "fdff::1",
    "ff02::1",
    "::ffff:10.0.0.1",
    "localhost",
    "node.local",
  ];
  const publicHosts = [
    "8.8.8.8",
    "172.15.0.1",
    "172.32.0.1",
    "100.63.0.1",
    "100.128.0.1",
    "192.169.0.1",
    "2001:db8::1",
    "2a00:1450::1",
    "::ffff:8.8.8.8",
    "bootstrap.t.hmny.io",
  ];
  for (const host of privateHosts) assert.equal(isPrivateHost(host), true, host);
  for (const host of publicHosts) assert.equal(isPrivateHost(host), false, host);
  assert.equal(isPrivateAddress(multiaddr(`/p2p/${ED}`)), true, "an address without a host is nobody's");
});

Deno.test("an IPv4 address is one place, of IPv6 the 64 bits that a line gets, however they are written", () => {
  const cases: ReadonlyArray<readonly [string, string]> = [
    ["1.2.3.4", "1.2.3.4"],
    ["::ffff:1.2.3.4", "1.2.3.4"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2::6", "2001:db8:1:2::/64"],
    ["2001:0DB8:0001:0002::", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["2001:db8:1:3::6", "2001:db8:1:3::/64"],
  ];
  for (const [host, network] of cases) assert.equal(networkOf(host), network, host);
});
