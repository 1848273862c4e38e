import assert from "node:assert/strict";
import { toHex } from "../../src/base/mod.ts";
import {
  decodeStakingMessage,
  decodeStakingTransaction,
  type Description,
  Directive,
  encodeStakingMessage,
  encodeStakingTransaction,
  indexTrieRoot,
  parseDec,
  rlpList,
  rlpListItems,
  rlpUint,
  type StakingMessage,
} from "../../src/chain/mod.ts";
import { vectorJson } from "../vectors/load.ts";
import { goRlp, hex, refuses, repeat, sameBytes } from "./support.ts";

const ONE = 10n ** 18n;
const A1 = repeat("11", 20);
const A2 = repeat("22", 20);
const K1 = repeat("33", 48);
const K2 = repeat("44", 48);
const SIG = repeat("55", 96);
const X = 45_123n * 10n ** 15n;

function description(
  name: string,
  identity: string,
  website: string,
  contact: string,
  details: string,
): Description {
  const text = (value: string) => new TextEncoder().encode(value);
  return {
    name: text(name),
    identity: text(identity),
    website: text(website),
    securityContact: text(contact),
    details: text(details),
  };
}

const EDIT_NOTHING: StakingMessage = {
  directive: "EditValidator",
  validator: A1,
  description: description("", "", "", "", ""),
  commissionRate: undefined,
  minSelfDelegation: 0n,
  maxTotalDelegation: 0n,
  slotKeyToRemove: undefined,
  slotKeyToAdd: undefined,
  slotKeyToAddSignature: undefined,
  eposStatus: 0,
};

Deno.test("messages have Go's bytes, both ways", () => {
  const messages: [string, StakingMessage][] = [
    ["Create", {
      directive: "CreateValidator",
      validator: A1,
      description: description("n", "i", "w", "s", "d"),
      rate: parseDec("0.1"),
      maxRate: parseDec("0.9"),
      maxChangeRate: parseDec("0.05"),
      minSelfDelegation: X,
      maxTotalDelegation: X,
      slotKeys: [K1],
      slotKeySignatures: [SIG],
      amount: X,
    }],
    ["EditNil", EDIT_NOTHING],
    ["EditFull", {
      directive: "EditValidator",
      validator: A1,
      description: description("n", "i", "w", "s", "d"),
      commissionRate: parseDec("0.1"),
      minSelfDelegation: X,
      maxTotalDelegation: X,
      slotKeyToRemove: K1,
      slotKeyToAdd: K2,
      slotKeyToAddSignature: SIG,
      eposStatus: 2,
    }],
    ["Delegate", { directive: "Delegate", delegator: A1, validator: A2, amount: X }],
  ];
  for (const [name, message] of messages) {
    sameBytes(encodeStakingMessage(message), goRlp(name), name);
    assert.deepEqual(decodeStakingMessage(Directive[message.directive], goRlp(name)), message, name);
  }
});

Deno.test("undelegating has delegating's form, collecting names the delegator alone", () => {
  const undelegate: StakingMessage = { directive: "Undelegate", delegator: A1, validator: A2, amount: X };
  sameBytes(encodeStakingMessage(undelegate), goRlp("Delegate"));
  assert.deepEqual(decodeStakingMessage(3, goRlp("Delegate")), undelegate);
  const collect: StakingMessage = { directive: "CollectRewards", delegator: A1 };
  sameBytes(encodeStakingMessage(collect), "d594" + "11".repeat(20));
  assert.deepEqual(decodeStakingMessage(4, encodeStakingMessage(collect)), collect);
});

Deno.test("an absent rate is an empty list: an empty string in its place is refused, as in Go", () => {
  const items = rlpListItems(goRlp("EditNil"), "message");
  assert.equal(toHex(items[2] ?? hex("")), "c0");
  const wrong = rlpList(items.map((item, i) => i === 2 ? hex("80") : item));
  refuses(() => decodeStakingMessage(1, wrong), "RLP_KIND");
  const keyAsList = rlpList(items.map((item, i) => i === 5 ? hex("c0") : item));
  refuses(() => decodeStakingMessage(1, keyAsList), "RLP_KIND");
});

Deno.test("the synthetic staking transaction has Go's bytes", () => {
  const bytes = encodeStakingTransaction({
    directive: 2,
    messageBytes: goRlp("Delegate"),
    nonce: 7n,
    gasPrice: 1_000_000_000n,
    gasLimit: 21_000n,
    v: 37n,
    r: 1n,
    s: 2n,
  });
  sameBytes(bytes, goRlp("StakingTx"));
  const decoded = decodeStakingTransaction(bytes);
  sameBytes(encodeStakingTransaction(decoded), bytes);
  assert.equal(toHex(decoded.hash), "8cb92c8a9e6dcb9bee44b554299a8c6100fae25209255fcf678afb74415dd282");
});

Deno.test("signing hashes and hashes of the five directives", () => {
  const expected = [
    [
      "e5752d5d474f52b3ba942101b8b16c135aeee7afb9e38c12dc252c8a91afc80d",
      "a7462d2b9efb4d8b82d98bf1252229f584c2a9c3676af4f7fdf63b690d3f7607",
    ],
    [
      "a10ad682c4bd43b37074e1ecf92e59819c006e01fb3a5ee2967bb9972f0844a0",
      "0b546f3bea93653cb17771ae81c75cbdfbaf70bc1f3701e30c76235cb536ee52",
    ],
    [
      "77d195aef5698c39074452bf6ec033481a0528416b9660972a363f593d33696e",
      "d0ec3983a7d9b69d29f6dcf2f1c8f4c0c4450cd52a7c845f9711152964dd7be9",
    ],
    [
      "80b7147a04c242d8a6c18163546bf015411d65b267f7735385a7f4191b72c3dd",
      "ee637dc0416d1bc934db68e3072148ca010ea58d433f0cd4b0b563845d73f836",
    ],
    [
      "26e08af8489135300273c87cb955de1632c63836597560dd4ad96b10170287d4",
      "7912504779fba5c8d209669447197dd4159841bc982e2bdc4ac2238f984e8ec7",
    ],
  ] as const;
  const recorded = vectorJson<{ transactions: { kind: string; raw: string; unsigned?: string }[] }>(
    "chain-public.json",
  )
    .transactions.filter((tx) => tx.unsigned !== undefined);
  assert.equal(recorded.length, 5);
  recorded.forEach((vector, directive) => {
    const tx = decodeStakingTransaction(hex(vector.raw));
    assert.equal(tx.directive, directive);
    assert.equal(tx.chainId, 1n);
    assert.equal(toHex(tx.signingHash), expected[directive]?.[0]);
    assert.equal(toHex(tx.hash), expected[directive]?.[1]);
    assert.equal(toHex(tx.sender), "ebcd16e8c1d8f493ba04e99a56474122d81a9c58");
    sameBytes(encodeStakingMessage(tx.message()), tx.messageBytes);
    // The unsigned form differs in V, R and S only.
    const unsigned = decodeStakingTransaction(hex(vector.unsigned ?? ""));
    assert.deepEqual([unsigned.v, unsigned.r, unsigned.s], [0n, 0n, 0n]);
    sameBytes(unsigned.messageBytes, tx.messageBytes);
  });
});

Deno.test("a real localnet's first staking transaction follows from its fields, with hash and root", () => {
  const bytes = encodeStakingTransaction({
    directive: Directive.CreateValidator,
    messageBytes: encodeStakingMessage({
      directive: "CreateValidator",
      validator: hex("7946f5ce1eeb290965deef936cd9154c22173efe"),
      description: description("test", "test0", "test", "test", "test"),
      rate: parseDec("0.1"),
      maxRate: parseDec("0.9"),
      maxChangeRate: parseDec("0.05"),
      minSelfDelegation: 10_000n * ONE,
      maxTotalDelegation: 0x84595161401484a000000n,
      slotKeys: [
        hex(
          "4f41a37a3a8d0695dd6edcc58142c6b7d98e74da5c90e79b587b3b960b6a4f5e048e6d8b8a000d77a478d44cd640270c",
        ),
      ],
      slotKeySignatures: [hex(
        "6e1204740c90329827178361b635109e515a2334d970f44f29f3a98ff10bb351d8dd7fa03ceadcbe3e53be7b1bd0940c" +
          "1e1fc58d2725e4bacf06831974edaf3291dfd5a0aa1e81c8a078e7e5e6cb9e58c750d6005afdd7b1548823804039a211",
      )],
      amount: 10_000n * ONE,
    }),
    nonce: 0n,
    gasPrice: 10n ** 9n,
    gasLimit: 0x5121c4n,
    v: 0x27n,
    r: 0x2348daabe696c4370379b9102dd85da6d4fed52f0f511ff0448a21c001ee75a7n,
    s: 0x1a67f9f40e0de02b50d5d7295f200fea7f950c1b59aa7efa8d225294c4fdbc5en,
  });
  const tx = decodeStakingTransaction(bytes);
  assert.equal(toHex(tx.hash), "f80460f1ad041a0a0e841da717fc5b7959b1a7e9a0ce9a25cd70c0ce40d5ff26");
  assert.equal(
    toHex(indexTrieRoot([bytes])),
    "f4ab626bfc3bf9781ddef818f85cc81c345010b7b6abaeb27d0237c8a1ee1ac5",
  );
  assert.equal(toHex(tx.sender), "7946f5ce1eeb290965deef936cd9154c22173efe");
});

Deno.test("a message of the wrong shape decodes with its transaction and is refused only when asked for", () => {
  const items = rlpListItems(goRlp("StakingTx"), "staking transaction");
  const withMessage = (directive: number, message: Uint8Array) =>
    rlpList([rlpUint(directive), message, ...items.slice(2)]);

  const odd = decodeStakingTransaction(withMessage(2, hex("c3010203")));
  sameBytes(encodeStakingTransaction(odd), odd.bytes);
  refuses(() => odd.message(), "RLP_FIXED_LENGTH");
  const text = decodeStakingTransaction(withMessage(2, hex("83616263")));
  refuses(() => text.message(), "RLP_KIND");
  const unknown = decodeStakingTransaction(withMessage(9, goRlp("Delegate")));
  refuses(() => unknown.message(), "DIRECTIVE_UNKNOWN");
  // But what no RLP decoder accepts is refused at once.
  refuses(() => decodeStakingTransaction(withMessage(2, hex("c28105"))), "RLP_SINGLE_BYTE");
  refuses(() => decodeStakingTransaction(withMessage(256, goRlp("Delegate"))), "RLP_INTEGER_TOO_LONG");
  refuses(() => decodeStakingTransaction(rlpList(items.slice(0, 7))), "RLP_TOO_FEW");
  refuses(() => decodeStakingTransaction(rlpList([...items, hex("80")])), "RLP_TRAILING");
});

Deno.test("amounts of any size survive, since a validator may have signed them", () => {
  const message: StakingMessage = { ...EDIT_NOTHING, maxTotalDelegation: 1n << 5000n };
  assert.deepEqual(decodeStakingMessage(1, encodeStakingMessage(message)), message);
});

Deno.test("a staking signature always names a chain", () => {
  const items = rlpListItems(goRlp("StakingTx"), "staking transaction");
  for (const v of [27, 28, 0, 34]) {
    const tx = decodeStakingTransaction(rlpList(items.map((item, i) => i === 5 ? rlpUint(v) : item)));
    refuses(() => tx.sender, "SIGNATURE_INVALID", `V ${v}`);
  }
});
