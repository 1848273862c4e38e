import assert from "node:assert/strict";
import { toHex } from "../../src/base/mod.ts";
import { namespaceCid, namespaceMultihash } from "../../src/p2p/mod.ts";

// sync-protocol.md §1.6
const VECTORS: ReadonlyArray<readonly [string, string, string]> = [
  [
    "harmony/sync/mainnet/0/1.0.0",
    "1220461ab9041b52b6c75889d20d60f86f2e752303123300db5c7eac0144c0d8fb5b",
    "bafkreicgdk4qig2sw3dvrcosbvqpq3zoourqgertadnvy7vmafcmbwh3lm",
  ],
  [
    "harmony/sync/mainnet/1/1.0.0",
    "12207599f69f1f17817d1b478e69212f53bf32222a02a333b2f930de3463a3a4553e",
    "bafkreidvth3j6hyxqf6rwr4oneqs6u57gircuavdgozpsmg6grr2hjcvhy",
  ],
  [
    "harmony/epochsync/mainnet/0/1.0.0",
    "12206a7fd96211d9fcceb05b4ba4adb6fb34ab2e5cf9e1eeaecb1de7db71d2769389",
    "bafkreidkp7mweeoz7thlaw2lusw3n6zuvmxfz6pb52xmwhph3ny5e5utre",
  ],
  [
    "harmony/sync/testnet/0/1.0.0",
    "1220574751b4906c4e344f1cdef80014c4252241ea82a26d8cfdc23d74faee02bce0",
    "bafkreicxi5i3jedmjy2e6hg67aabjrbfeja6vavcnwgp3qr5ot5o4av44a",
  ],
  [
    "harmony/sync/localnet/0/1.0.0",
    "1220c1e67353f06363b82dc72ad2f84ce0f7b90ac77a0b6d9dffa19422ab148b4c24",
    "bafkreigb4zzvh4ddmo4c3rzk2l4ezyhxxefmo6qlnwo77imuekvrjc2meq",
  ],
  [
    "harmony/sync/localnet/1/1.0.0",
    "1220432858e1883c43db6bbb3b6f618b9d7c9073f11ec7e9b54a3ad2cea1ca3401a3",
    "bafkreicdfbmodcb4ipnwxoz3n5qyxhl4sbz7chwh5g2uuowsz2q4unabum",
  ],
  [
    "harmony/epochsync/localnet/0/1.0.0",
    "1220ba82a651d310922753d693b9fc32d869c727721097509fd314cc765985cf4e6e",
    "bafkreif2qktfduyqsitvhvutxh6dfwdjy4txeeexkcp5gfgmozmylt2ony",
  ],
];

for (const [namespace, multihash, cid] of VECTORS) {
  Deno.test(`the DHT key of ${namespace} is the one that Go nodes use`, () => {
    assert.equal(toHex(namespaceMultihash(namespace)), multihash);
    assert.equal(namespaceCid(namespace).toString(), cid);
    assert.equal(toHex(namespaceCid(namespace).multihash.bytes), multihash);
  });
}
