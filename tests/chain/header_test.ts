import assert from "node:assert/strict";
import { HsyncError, toHex } from "../../src/base/mod.ts";
import {
  decodeHeader,
  encodeHeader,
  type HeaderVersion,
  makeHeader,
  openTagged,
  rlpBytes,
  rlpList,
  rlpListItems,
  RlpReader,
  rlpUint,
  sealTagged,
} from "../../src/chain/mod.ts";
import { vectorJson } from "../vectors/load.ts";
import { hex, refuses, repeat, sameBytes, zeroHeader } from "./support.ts";

interface PublicHeaders {
  readonly mainnet_shard0_headers: readonly {
    readonly number: number;
    readonly epoch: number;
    readonly viewID: number;
    readonly headerRlp: string;
    readonly hash: string;
  }[];
  readonly genesis_headers_computed: readonly {
    readonly network: string;
    readonly shard: number;
    readonly headerVersion: number;
    readonly headerRlp: string;
    readonly hash: string;
    readonly stateRoot: string;
    readonly shardStateHash: string;
  }[];
}
const PUBLIC = vectorJson<PublicHeaders>("chain-public.json");
const HASH_V3 = "9f4eeb162c7986a483277efe1ea6b85dd01bcb3232cdc79af6d93aaca858cce4";

const EMPTY_ROOT = hex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421");

Deno.test("headers of zeros have the known length, prefix and hash in every version", () => {
  const table: [HeaderVersion, number, string, string][] = [
    ["v0", 589, "f9024aa0", "d6b8051d8f2615e7b63260ef76cc4f3fa118b9344edf3b0593d47097eabb1987"],
    [
      "v1",
      671,
      "f9029c87486d6e79546764827631f9028ea0",
      "c488c0ef0431872209fc9be4616b3232ac7a661c8df926497fbc40618c828afd",
    ],
    [
      "v2",
      672,
      "f9029d87486d6e79546764827632f9028fa0",
      "38bd93c77a9d521b4bb40dfff133fb386585671c57cc79f12eed8ef1393e94c9",
    ],
    ["v3", 640, "f9027d87486d6e79546764827633f9026fa0", HASH_V3],
  ];
  for (const [version, length, prefix, hash] of table) {
    const header = makeHeader(zeroHeader(version));
    assert.equal(header.bytes.length, length, version);
    assert.equal(toHex(header.bytes).slice(0, prefix.length), prefix, version);
    assert.equal(toHex(header.hash), hash, version);
  }
});

Deno.test("real mainnet headers decode to their facts, re-encode to the same bytes and have their hash", () => {
  assert.equal(PUBLIC.mainnet_shard0_headers.length, 6);
  for (const recorded of PUBLIC.mainnet_shard0_headers) {
    const header = decodeHeader(hex(recorded.headerRlp));
    assert.equal(header.number, recorded.number);
    assert.equal(header.epoch, recorded.epoch);
    assert.equal(header.viewId, BigInt(recorded.viewID));
    assert.equal(header.shardId, 0);
    assert.equal(toHex(header.hash), recorded.hash);
    sameBytes(encodeHeader(header), recorded.headerRlp);
  }
  const [first, second] = PUBLIC.mainnet_shard0_headers.map((h) => decodeHeader(hex(h.headerRlp)));
  sameBytes((second ?? assert.fail()).parentHash, (first ?? assert.fail()).hash);
});

Deno.test("computed genesis headers decode, re-encode and have their hash", () => {
  for (const recorded of PUBLIC.genesis_headers_computed) {
    const header = decodeHeader(hex(recorded.headerRlp));
    assert.equal(header.version, `v${recorded.headerVersion}`);
    assert.equal(header.shardId, recorded.shard);
    assert.equal(toHex(header.stateRoot), recorded.stateRoot);
    assert.equal(toHex(header.hash), recorded.hash, `${recorded.network} shard ${recorded.shard}`);
    sameBytes(encodeHeader(header), recorded.headerRlp);
  }
});

Deno.test("mainnet block 1 follows from its plain fields", () => {
  const header = makeHeader(zeroHeader("v0", {
    parentHash: hex("b4d158b82ac8a653c42b78697ab1cd0c6a0d9a15ab3bc34130f0b719fb174d2a"),
    coinbase: hex("45df588b05a675b5f16e253aa15d90333df9fedf"),
    stateRoot: hex("8be048c908585bbb6b155324ad8a854484994ab27e5987af134ad036079675bf"),
    txRoot: EMPTY_ROOT,
    receiptsRoot: EMPTY_ROOT,
    number: 1,
    gasLimit: 4716988n,
    time: 1561736306n,
  }));
  assert.equal(header.bytes.length, 596);
  assert.equal(toHex(header.hash), "61ce03ef5efa374b0d0d527ea38c3d13cb05cf765a4f898e91a5de1f6b224cdd");
});

Deno.test("gas limits above 2^53 are exact", () => {
  const header = makeHeader(zeroHeader("v1", { gasLimit: 500_000_000_000_000_001n }));
  assert.equal(header.gasLimit, 500_000_000_000_000_001n);
});

Deno.test("a version does not swallow fields it cannot carry", () => {
  const cases: [HeaderVersion, Record<string, Uint8Array>][] = [
    ["v0", { outgoingReceiptHash: repeat("11", 32) }],
    ["v0", { incomingReceiptHash: new Uint8Array(32) }],
    ["v0", { vrf: hex("01") }],
    ["v1", { crossLinks: hex("c0") }],
    ["v2", { slashes: hex("c0") }],
    ["v3", { shardStateHash: repeat("11", 32) }],
  ];
  for (const [version, change] of cases) {
    assert.throws(
      () => encodeHeader(zeroHeader(version, change)),
      (error: unknown) =>
        error instanceof HsyncError && error.code === "HEADER_FIELD" && error.fault === "NONE",
      `${version} ${Object.keys(change)}`,
    );
  }
  assert.throws(() => encodeHeader(zeroHeader("v3", { parentHash: hex("aa") })), RangeError);
});

/** The items of a zero header's inner list. */
function innerItems(version: HeaderVersion): Uint8Array[] {
  const { items } = openTagged(encodeHeader(zeroHeader(version)), "header");
  const out: Uint8Array[] = [];
  while (!items.done) out.push(items.raw("item"));
  return out;
}

Deno.test("wrong envelopes and item counts are refused", () => {
  const v3 = innerItems("v3");
  assert.equal(v3.length, 24);
  assert.equal(innerItems("v0").length, 19);
  assert.equal(innerItems("v1").length, 23);
  assert.equal(innerItems("v2").length, 24);
  const list = rlpList(v3);
  assert.equal(toHex(decodeHeader(sealTagged("v3", list)).hash), HASH_V3);
  refuses(() => decodeHeader(sealTagged("v3", rlpList(v3.slice(0, -1)))), "RLP_TOO_FEW");
  refuses(() => decodeHeader(sealTagged("v3", rlpList([...v3, hex("80")]))), "RLP_TRAILING");
  refuses(() => decodeHeader(sealTagged("v4", list)), "TAG_UNKNOWN");
  refuses(() => decodeHeader(sealTagged("v3\u0007", list)), "TAG_UNKNOWN");
  // v2 and v3 have as many items, told apart by the tag only.
  refuses(() => decodeHeader(sealTagged("v2", list)), "RLP_FIXED_LENGTH");
  const magic = rlpBytes(new TextEncoder().encode("HmnyTgd"));
  const tag = rlpBytes(new TextEncoder().encode("v3"));
  refuses(() => decodeHeader(rlpList([magic, tag])), "RLP_TOO_FEW");
  refuses(() => decodeHeader(rlpList([magic, tag, list, hex("80")])), "RLP_TRAILING");
  refuses(() => decodeHeader(rlpList([magic, hex("80"), list])), "TAG_UNKNOWN");
  refuses(() => decodeHeader(rlpList([magic, hex("c0"), list])), "RLP_KIND");
  refuses(() => decodeHeader(rlpList([magic, tag, rlpBytes(list)])), "RLP_KIND");
  refuses(() => decodeHeader(rlpBytes(list)), "RLP_KIND");
  refuses(() => decodeHeader(hex("c0")), "RLP_TOO_FEW");
  refuses(() => decodeHeader(hex("")), "RLP_TOO_FEW");
  const good = sealTagged("v3", list);
  refuses(() => decodeHeader(new Uint8Array([...good, 0x80])), "RLP_TRAILING");
});

Deno.test("numbers that no chain reaches are refused where the program could not count with them", () => {
  const at = { number: 8, time: 11, viewId: 14, epoch: 15 };
  for (const [field, index] of Object.entries(at)) {
    const items = innerItems("v3");
    items[index] = rlpUint(1n << 64n);
    refuses(() => decodeHeader(sealTagged("v3", rlpList(items))), "RLP_INTEGER_TOO_LONG", field);
  }
});

Deno.test("an envelope inside a list is its own matter: nothing is unwrapped twice", () => {
  const header = encodeHeader(zeroHeader("v3"));
  refuses(() => decodeHeader(sealTagged("v3", header)), "RLP_FIXED_LENGTH");
  assert.equal(rlpListItems(header, "envelope").length, 3);
  assert.equal(new RlpReader(header, "header").nextIsList("header"), true);
});
