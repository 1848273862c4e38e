/** Genesis of every network and shard, from the account tables. */
import assert from "node:assert/strict";
import { concat, equalBytes, fromHex, HsyncError, toHex } from "../../src/base/mod.ts";
import { keccak256 } from "../../src/crypto/mod.ts";
import {
  accountTable,
  type AccountTableName,
  type Committee,
  customNetwork,
  decodeBlock,
  decodeHeader,
  decodeShardState,
  EMPTY_ROOT,
  encodeShardState,
  formatAddress,
  type GenesisAllocation,
  type NetworkName,
  networkParams,
  parseAddress,
  parseNetworkName,
  rlpBytes,
  rlpList,
  rlpUint,
  sameCommittee,
  shardStateHash,
} from "../../src/chain/mod.ts";
import { recordedBlocks, vectorJson } from "../vectors/load.ts";

/** Hashes of chain-format.md §12.4, by network, shard 0 first. */
const HASHES: Readonly<Record<NetworkName, readonly string[]>> = {
  mainnet: [
    "b4d158b82ac8a653c42b78697ab1cd0c6a0d9a15ab3bc34130f0b719fb174d2a",
    "1992bd0c90e5e905cfcd5f4ae758dbfaeda5f58da9b6fc93682788641385ffd0",
    "dfeff1fba1aeed89fb75ef4ee9bf9e0fca1ff9b26d78d471565bf151f965274b",
    "d4f2794f58c5e3a1db0a8726a391403bdd7c81e70ffe2ee61bb851edf00c2b6b",
  ],
  testnet: [
    "c01dff5ebf967e4a18ad75daef1504a9b191ce4720c060ac139cf740049ff751",
    "6c0fe199332806fabdb5b1d633557e42f595bafcadcc233f57b7add410d78dba",
    "3dc930ba6b9f0fbcba23ebe00e44e1bd1db4488a02710f9378849bd4bdb3ebbd",
    "2a6ea378f6d6c0924bce4ba4debf268f721e8fff1a7a84556194251ce102609c",
  ],
  partner: [
    "2c597e604bee9c5b0a7ac99ec79d778d3d43f903c1050df1905b4e99fc7ec720",
    "445b144ddb41f596a04c3cb4e51cce366fb2039fc5ac1c6823954a10034c2382",
  ],
  pangaea: [
    "978a5a0e0e08090cd962587ecef16f10a53748220a3d08f2e723c3c542ba9886",
    "5bef26dd40d49f8d3819d950c0a5e6ef3468e52bf52e97576336c5577a2e2927",
    "113c768deae3584a6e43e6ad3f32dad85cfe146351ab5406ac3a0bf2af68b400",
    "3c9f1b2984dcde208f40c57f9a0fa7701b46ec53c83f1bd114600cd94a72b2ee",
  ],
  stressnet: [
    "e0ddfc8ed6a8c9e0b40b5ebcc862146f7ba63c2ccb6f5640b7419bac8e84fa0d",
    "e14572236fe316a0253c5a78dbf0c5d1bea0402efc72f0a14177874f935f866f",
  ],
  localnet: [
    "fa81103aaef70398017ef5b75b7de510f068771428569ec923f33ccd40bb3488",
    "3a74e31928d505eb8b4f46e6d657a9d4291fd1787bbe1b3d335dcc35130cbff5",
  ],
  devnet: [
    "bb9e4ef1d7fb58a7e2801a4f3e259e071377b6acdb7818e4991d9fdac21f2e1f",
    "33c7c7e772cd689694f2810bd250c9d3278244e52d2c9b11f00e1e7ff1f90a78",
  ],
};

interface ComputedGenesis {
  readonly network: string;
  readonly shard: number;
  readonly headerRlp: string;
  readonly hash: string;
  readonly stateRoot: string;
  readonly shardStateHash: string;
}

interface MainnetHeader {
  readonly number: number;
  readonly headerRlp: string;
  readonly hash: string;
}

Deno.test("every network's genesis has the expected hash on every shard", () => {
  for (const [name, hashes] of Object.entries(HASHES)) {
    const params = networkParams(parseNetworkName(name));
    assert.equal(params.shardCountAt(0), hashes.length, name);
    for (const [shardId, hash] of hashes.entries()) {
      const block = params.genesisBlock(shardId);
      assert.equal(toHex(block.hash), hash, `${name}, shard ${shardId}`);
      assert.equal(params.genesisBlock(shardId), block, "computed once");
      assert.ok(equalBytes(decodeBlock(block.bytes).header.bytes, block.header.bytes));
    }
    assert.throws(
      () => params.genesisBlock(hashes.length),
      (e: unknown) => e instanceof HsyncError && e.code === "SHARD_UNKNOWN",
    );
  }
});

Deno.test("every genesis header equals the separately computed one byte for byte", () => {
  const { genesis_headers_computed: computed } = vectorJson<{ genesis_headers_computed: ComputedGenesis[] }>(
    "chain-public.json",
  );
  assert.equal(computed.length, 20);
  for (const expected of computed) {
    const params = networkParams(parseNetworkName(expected.network.replace(/\(.*/, "")));
    const { header } = params.genesisBlock(Number(expected.shard));
    const where = `${expected.network}, shard ${expected.shard}`;
    assert.equal(toHex(header.bytes), expected.headerRlp, where);
    assert.equal(toHex(header.stateRoot), expected.stateRoot, where);
    assert.equal(
      toHex(shardStateHash(decodeShardState(header.shardState).committees)),
      expected.shardStateHash,
      where,
    );
  }
});

Deno.test("mainnet's genesis is the parent of the real block 1", () => {
  const genesis = networkParams("mainnet").genesisBlock(0);
  const { mainnet_shard0_headers: headers } = vectorJson<{ mainnet_shard0_headers: MainnetHeader[] }>(
    "chain-public.json",
  );
  assert.ok(headers.length > 0);
  // Block 1 from its published fields (chain-format.md §16.2); its hash is known independently.
  const zero = (n: number) => new Uint8Array(n);
  const block1 = rlpList([
    rlpBytes(genesis.hash),
    rlpBytes(fromHex("45df588b05a675b5f16e253aa15d90333df9fedf")),
    rlpBytes(genesis.header.stateRoot),
    rlpBytes(EMPTY_ROOT),
    rlpBytes(EMPTY_ROOT),
    rlpBytes(zero(256)),
    rlpUint(1),
    rlpUint(4_716_988),
    rlpUint(0),
    rlpUint(1_561_736_306),
    rlpBytes(zero(0)),
    rlpBytes(zero(32)),
    rlpUint(0),
    rlpUint(0),
    rlpUint(0),
    rlpBytes(zero(96)),
    rlpBytes(zero(0)),
    rlpBytes(zero(32)),
    rlpBytes(zero(0)),
  ]);
  assert.equal(block1.length, 596);
  assert.equal(
    toHex(keccak256(block1)),
    "61ce03ef5efa374b0d0d527ea38c3d13cb05cf765a4f898e91a5de1f6b224cdd",
  );
});

Deno.test("localnet's genesis is block 0 of both recorded shards", () => {
  const params = networkParams("localnet");
  for (const shard of [0, 1] as const) {
    const recorded = recordedBlocks(shard)[0];
    assert.ok(recorded !== undefined && recorded.number === 0);
    assert.equal("0x" + toHex(params.genesisBlock(shard).bytes), recorded.blockRLP);
  }
});

/** Lengths and hashes of the full mainnet states before staking (chain-format.md §10.4). */
const MAINNET_STATES: ReadonlyArray<readonly [number, number, number, string]> = [
  [0, 0, 43_231, "f60f9e0223aba9ec229f396f102e92416804f81127f08258b8a560dc38ddaf52"],
  [1, 4, 43_807, "da6c5377762b3820954edde41feb21e9da09efc9ae54e1b374e502f9a5c02593"],
  [5, 7, 57_631, "f587a478283c8df2835ca3a8da9807b48a38b4ccc1087bd9ae6ff14e3086808c"],
  [8, 9, 60_511, "5e639ee154ec230da8d5168ecf25bb8501079e13a8b12eae29a6c367d3309481"],
  [10, 11, 62_239, "dd44e4a3ece099c4b4634478146d1675ead43fd4a9f8f226248577de91336366"],
  [12, 18, 72_032, "db7b85806d4bcb4cc90ec2d2d7ba1e356f257df7d812c6aa801f2582275c5bc7"],
  [19, 24, 72_032, "2b3b2fbbd4cf91fe71d262362a9e5bec75bbe386b67c597a4dc0f6dc1d1f560f"],
  [25, 35, 72_032, "d9b84a36e8bb23d07dbc78e2038b1cb37171c5b456fd0c1c3467fe6c793de9fe"],
  [36, 45, 72_032, "65f3eb65a2862cc9011d5b08bac2d2958b441a6f316a92edec88762ca87266da"],
  [46, 53, 72_032, "0382248731dc512ea24928da69571c4c5ae08cb50ebf820e43ff61b5c3e8f04e"],
  [54, 185, 72_032, "64025de008617f9fb73a9ec1dd55d6be0b581f749ff1c83700ec21754edea033"],
];

Deno.test("mainnet's committees before staking have the known lengths and hashes", () => {
  const params = networkParams("mainnet");
  for (const [from, to, length, hash] of MAINNET_STATES) {
    for (const epoch of [from, to]) {
      const committees = params.tableCommittees(epoch);
      assert.ok(committees !== undefined, `epoch ${epoch}`);
      assert.equal(encodeShardState({ epoch: undefined, committees }).length, length, `epoch ${epoch}`);
      assert.equal(toHex(shardStateHash(committees)), hash, `epoch ${epoch}`);
    }
  }
  assert.equal(params.tableCommittees(186), undefined, "from staking on they are elected");
});

Deno.test("real mainnet headers hand over exactly the committees of the tables", () => {
  const params = networkParams("mainnet");
  const { mainnet_shard0_headers: headers } = vectorJson<{ mainnet_shard0_headers: MainnetHeader[] }>(
    "chain-public.json",
  );
  let handOvers = 0;
  for (const { headerRlp, number } of headers) {
    const header = decodeHeader(fromHex(headerRlp));
    assert.equal(header.shardState.length > 0, params.schedule.isLastBlock(header.number), `block ${number}`);
    if (header.shardState.length === 0) continue;
    handOvers++;
    const state = decodeShardState(header.shardState);
    const expected = params.tableCommittees(header.epoch + 1) ?? [];
    assert.equal(state.committees.length, expected.length);
    for (const [i, committee] of state.committees.entries()) {
      assert.ok(sameCommittee(committee, expected[i] as Committee), `block ${number}, shard ${i}`);
    }
    assert.ok(equalBytes(shardStateHash(state.committees), header.shardStateHash), `block ${number}`);
  }
  assert.equal(handOvers, 3);
});

Deno.test("the packed account tables unpack to the recorded ones", () => {
  const { accounts } = vectorJson<{ accounts: Record<string, Array<[string, string]>> }>(
    "genesis-accounts.json",
  );
  for (const [name, expected] of Object.entries(accounts)) {
    const ours = accountTable(name as AccountTableName);
    assert.deepEqual(ours.map((a) => [formatAddress(a.address), toHex(a.blsKey)]), expected, name);
  }
});

Deno.test("addresses with a wrong checksum, prefix or length are refused", () => {
  const good = "one1gh043zc95e6mtutwy5a2zhvsxv7lnlklkj42ux";
  assert.equal(formatAddress(parseAddress(good)), good);
  const bad = [
    "",
    "one1",
    good.slice(0, -1) + "q",
    good.replace("one", "two"),
    good.toUpperCase().replace("ONE", "one"),
    "one1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9",
    "one1" + "q".repeat(200),
  ];
  for (const text of bad) {
    assert.throws(
      () => parseAddress(text),
      (e: unknown) => e instanceof HsyncError && e.code === "ADDRESS_INVALID",
      text,
    );
  }
});

/** Root of a state trie of one or two accounts, straight from the definition. */
function smallStateRoot(allocations: readonly GenesisAllocation[]): Uint8Array {
  const leaves = allocations.map(({ address, balance }) => ({
    path: toHex(keccak256(address)),
    value: rlpList([
      rlpUint(0),
      rlpUint(balance),
      rlpBytes(EMPTY_ROOT),
      rlpBytes(keccak256(new Uint8Array(0))),
    ]),
  }));
  const node = (path: string, flag: number, content: Uint8Array) => {
    const odd = path.length % 2 === 1;
    const compact = odd ? (flag + 1).toString(16) + path : flag.toString(16) + "0" + path;
    return keccak256(rlpList([rlpBytes(fromHex(compact)), rlpBytes(content)]));
  };
  const leaf = (path: string, value: Uint8Array) => node(path, 2, value);
  const [first, second] = leaves;
  if (first === undefined) return EMPTY_ROOT;
  if (second === undefined) return leaf(first.path, first.value);
  let shared = 0;
  while (first.path[shared] === second.path[shared]) shared++;
  const children: Uint8Array[] = Array.from({ length: 17 }, () => Uint8Array.of(0x80));
  for (const { path, value } of [first, second]) {
    children[parseInt(path.slice(shared, shared + 1), 16)] = rlpBytes(leaf(path.slice(shared + 1), value));
  }
  const branch = keccak256(rlpList(children));
  return shared === 0 ? branch : node(first.path.slice(0, shared), 0, branch);
}

Deno.test("each genesis state root is the root of the allocations beside it", () => {
  for (const [name, hashes] of Object.entries(HASHES)) {
    const params = networkParams(parseNetworkName(name));
    for (const shardId of hashes.keys()) {
      const { allocations, root } = params.genesisState(shardId);
      assert.equal(toHex(smallStateRoot(allocations)), toHex(root), `${name}, shard ${shardId}`);
    }
  }
});

Deno.test("a devnet's size can be chosen, within what its account tables hold", () => {
  const params = networkParams("devnet", {
    devnet: { shardCount: 3, slotsPerShard: 6, harmonySlotsPerShard: 4 },
  });
  assert.equal(params.shardCountAt(0), 3);
  const state = decodeShardState(params.genesisBlock(0).header.shardState);
  assert.deepEqual(state.committees.map((c) => c.slots.length), [6, 6, 6]);
  assert.equal(decodeShardState(params.genesisBlock(2).header.shardState).committees.length, 1);
  const tooBig = networkParams("devnet", { devnet: { shardCount: 100, slotsPerShard: 10 } });
  assert.throws(
    () => tooBig.genesisBlock(0),
    (e: unknown) => e instanceof HsyncError && e.code === "ACCOUNT_TABLE_SHORT",
  );
  assert.throws(
    () => networkParams("devnet", { devnet: { harmonySlotsPerShard: 11 } }),
    (e: unknown) => e instanceof HsyncError && e.code === "NETWORK_OVERRIDE",
  );
});

Deno.test("a custom network has its own name, epochs, committees and genesis", () => {
  const committees = [0, 1].map((shardId): Committee => ({
    shardId,
    slots: [1, 2, 3, 4].map((i) => ({
      address: new Uint8Array(20).fill(16 * shardId + i),
      blsKey: new Uint8Array(48).fill(16 * shardId + i),
      stake: undefined,
    })),
  }));
  const params = customNetwork({
    name: "toy",
    genesisCommittees: committees,
    epochLength: 7,
    firstEpochLength: 3,
  });
  assert.deepEqual([2, 3, 9, 10].map((n) => params.schedule.epochOf(n)), [0, 1, 1, 2]);
  assert.equal(params.stakingEpoch, 2);
  assert.equal(params.headerVersionAt(0), "v3");
  assert.deepEqual(decodeShardState(params.genesisBlock(0).header.shardState).committees, committees);
  assert.equal(params.genesisBlock(1).header.shardId, 1);
  assert.equal(params.tableCommittees(0), undefined);
  const old = customNetwork({
    name: "old-forms",
    genesisCommittees: committees,
    epochLength: 7,
    forks: { crossTx: 1, preStaking: 2, staking: 3, crossLink: 3 },
  });
  assert.deepEqual([0, 1, 2, 3].map((e) => old.headerVersionAt(e)), ["v0", "v1", "v3", "v3"]);
  assert.ok(concat(old.genesisBlock(0).header.shardStateHash).some((b) => b !== 0));
  for (const name of ["", "mainnet", "Toy", "a/b", "x".repeat(33)]) {
    assert.throws(
      () => customNetwork({ name, genesisCommittees: committees, epochLength: 7 }),
      (e: unknown) => e instanceof HsyncError && e.code === "NETWORK_INVALID",
      name,
    );
  }
});
