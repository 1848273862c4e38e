import assert from "node:assert/strict";
import { SeededRandom, toHex } from "../../src/base/mod.ts";
import {
  EMPTY_ROOT,
  indexedTrieRoot,
  indexTrieRoot,
  rlpBytes,
  rlpList,
  rlpUint,
} from "../../src/chain/mod.ts";
import { keccak256 } from "../../src/crypto/mod.ts";
import { goRlp, hex } from "./support.ts";

/**
 * The definition, word for word and slow: a trie of nodes into which entries are inserted one by one.
 * Keys are prefix-free, so a branch needs no value.
 */
type Node = { kind: "leaf"; path: number[]; value: Uint8Array } | {
  kind: "branch";
  children: Map<number, Node>;
};

function insert(node: Node | undefined, path: number[], value: Uint8Array): Node {
  if (node === undefined) return { kind: "leaf", path, value };
  const branch: Node = node.kind === "branch" ? node : {
    kind: "branch",
    children: new Map([[node.path[0] as number, { ...node, path: node.path.slice(1) }]]),
  };
  if (branch.kind !== "branch") return branch;
  const [head, ...tail] = path as [number, ...number[]];
  branch.children.set(head, insert(branch.children.get(head), tail, value));
  return branch;
}

function compact(path: number[], leaf: boolean): Uint8Array {
  const flag = (leaf ? 2 : 0) + path.length % 2;
  const digits = [flag, ...(path.length % 2 === 0 ? [0] : []), ...path];
  return rlpBytes(hex(digits.map((d) => d.toString(16)).join("")));
}

function reference(node: Node, prefix: number[] = []): Uint8Array {
  const rlp = encode(node, prefix);
  return rlp.length < 32 ? rlp : rlpBytes(keccak256(rlp));
}

function encode(node: Node, prefix: number[] = []): Uint8Array {
  if (node.kind === "leaf") return rlpList([compact([...prefix, ...node.path], true), rlpBytes(node.value)]);
  if (node.children.size === 1) {
    const [[nibble, child]] = node.children as unknown as [[number, Node]];
    return encode(child, [...prefix, nibble]);
  }
  if (prefix.length > 0) return rlpList([compact(prefix, false), reference(node)]);
  const slots = Array.from({ length: 16 }, (_, i) => {
    const child = node.children.get(i);
    return child === undefined ? hex("80") : reference(child);
  });
  return rlpList([...slots, hex("80")]);
}

function slowRoot(items: readonly Uint8Array[], indexes: readonly number[]): Uint8Array {
  let root: Node | undefined;
  items.forEach((item, i) => {
    const path = [...toHex(rlpUint(indexes[i] as number))].map((digit) => parseInt(digit, 16));
    root = insert(root, path, item);
  });
  return root === undefined ? keccak256(hex("80")) : keccak256(encode(root));
}

Deno.test("no items give the empty root", () => {
  assert.equal(toHex(indexTrieRoot([])), toHex(EMPTY_ROOT));
  assert.equal(toHex(keccak256(hex("80"))), toHex(EMPTY_ROOT));
});

Deno.test("roots of short and long lists agree with the definition", () => {
  const random = new SeededRandom(21);
  const lengths = [1, 2, 3, 15, 16, 17, 127, 128, 129, 130, 143, 144, 255, 256, 257, 300, 700];
  for (const length of lengths) {
    for (const size of [1, 40, 200]) {
      const items = Array.from({ length }, () => random.bytes(1 + random.int(size)));
      const indexes = items.map((_, i) => i);
      assert.equal(
        toHex(indexTrieRoot(items)),
        toHex(slowRoot(items, indexes)),
        `${length} items, seed ${random.seed}`,
      );
    }
  }
});

Deno.test("roots under indexes with gaps agree with the definition, in any order of the items", () => {
  const random = new SeededRandom(22);
  for (let round = 0; round < 40; round++) {
    const indexes = random.shuffle(Array.from({ length: 1 + random.int(60) }, (_, i) => i * (1 + round % 7)));
    const items = indexes.map(() => random.bytes(1 + random.int(60)));
    const expected = toHex(slowRoot(items, indexes));
    assert.equal(toHex(indexedTrieRoot(items, indexes)), expected, `seed ${random.seed}, round ${round}`);
  }
});

Deno.test("the synthetic transaction and staking transaction have their roots", () => {
  assert.equal(
    toHex(indexTrieRoot([goRlp("Tx"), goRlp("StakingTx")])),
    "6ccbaae92eddd8c97c3b672d96cfbb19bd1e66d3dd5d894d3dbdb0511d603e16",
  );
  assert.equal(
    toHex(indexTrieRoot([goRlp("StakingTx")])),
    "e58f50812c7def839b18aac1651a579c7b871d4e099c3b3d481ba919a33569ac",
  );
});
