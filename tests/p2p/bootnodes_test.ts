import assert from "node:assert/strict";
import { HsyncError } from "../../src/base/mod.ts";
import {
  MAX_ADDRESSES,
  parseBootnode,
  parseBootnodes,
  resolveBootnodes,
  type TxtResolver,
} from "../../src/p2p/bootnodes.ts";

const A = "QmPeuDo4kcfpWqVM9WLuG9wKwUo9ebCsLGtgY71bVKLZ5M";
const B = "Qmdfjtk6hPoyrH1zVD9PEH4zfWLo38dP2mDvvKXfh3tnEv";
const ADDRESS_A = `/ip4/52.40.84.2/tcp/9800/p2p/${A}`;
const ADDRESS_B = `/ip4/54.86.126.90/tcp/9800/p2p/${B}`;

/** A name server of a table; a missing name is an error, as with a real one. */
function zone(
  records: Readonly<Record<string, readonly string[] | "hangs">>,
): TxtResolver & { asked: string[] } {
  const asked: string[] = [];
  const resolver = (name: string, signal: AbortSignal): Promise<readonly string[]> => {
    asked.push(name);
    const found = records[name];
    if (found === "hangs") {
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    }
    return found === undefined ? Promise.reject(new Error(`no record for ${name}`)) : Promise.resolve(found);
  };
  return Object.assign(resolver, { asked });
}

const signal = new AbortController().signal;
const addresses = async (entries: readonly string[], resolver: TxtResolver) => {
  const found = await resolveBootnodes(parseBootnodes(entries), resolver, signal);
  return { texts: found.addresses.map((a) => a.text), failures: found.failures };
};

Deno.test("entries of a list are checked: addresses, names, comma lists, names of one peer", () => {
  assert.equal(parseBootnode(ADDRESS_A).kind, "peer");
  assert.deepEqual(parseBootnode("/dnsaddr/bootstrap.t.hmny.io"), {
    kind: "name",
    host: "bootstrap.t.hmny.io",
    peerId: undefined,
  });
  assert.deepEqual(parseBootnode(`/dnsaddr/x.io/p2p/${A}`), { kind: "name", host: "x.io", peerId: A });
  assert.equal(parseBootnodes([`${ADDRESS_A}, ${ADDRESS_B}`, "", "/dnsaddr/x.io"]).length, 3);
  for (const bad of ["nonsense", "/dnsaddr/x.io/tcp/9000", "/ip4/1.2.3.4/tcp/9000", "/dnsaddr"]) {
    assert.throws(() => parseBootnodes([ADDRESS_A, bad]), (e) => e instanceof HsyncError, bad);
  }
});

Deno.test("a plain address needs no name server", async () => {
  const resolver = zone({});
  assert.deepEqual(await addresses([ADDRESS_A], resolver), { texts: [ADDRESS_A], failures: [] });
  assert.deepEqual(resolver.asked, []);
});

Deno.test("TXT records are read as the table says", async () => {
  const cases: ReadonlyArray<readonly [string, readonly string[], readonly string[]]> = [
    ["one", [`dnsaddr=${ADDRESS_A}`], [ADDRESS_A]],
    ["several, doubles once", [`dnsaddr=${ADDRESS_A}`, `dnsaddr=${ADDRESS_B}`, `dnsaddr=${ADDRESS_A}`], [
      ADDRESS_A,
      ADDRESS_B,
    ]],
    ["other records beside", ["v=spf1 -all", `dnsaddr=${ADDRESS_A}`, "dnsaddr"], [ADDRESS_A]],
    ["unusable ones beside", [
      "dnsaddr=/ip4/1.2.3.4/tcp/9000",
      `dnsaddr=/ip4/1.2.3.4/udp/1/quic-v1/p2p/${A}`,
      "dnsaddr=garbage",
      `dnsaddr=${ADDRESS_B}`,
    ], [ADDRESS_B]],
  ];
  for (const [what, records, expected] of cases) {
    const found = await addresses(["/dnsaddr/boot.io"], zone({ "_dnsaddr.boot.io": records }));
    assert.deepEqual(found, { texts: expected, failures: [] }, what);
  }
});

Deno.test("a name that gives nothing says why", async () => {
  const cases: ReadonlyArray<readonly [readonly string[] | undefined, RegExp]> = [
    [undefined, /no record for/],
    [[], /no records/],
    [["v=spf1"], /no record holds an address/],
    [["dnsaddr=/ip4/1.2.3.4/tcp/9000"], /no usable address .*which peer is expected/],
  ];
  for (const [records, reason] of cases) {
    const resolver = zone(records === undefined ? {} : { "_dnsaddr.boot.io": records });
    const { texts, failures } = await addresses(["/dnsaddr/boot.io"], resolver);
    assert.deepEqual(texts, []);
    assert.equal(failures.length, 1);
    assert.equal(failures[0]?.code, "BOOTNODES_UNRESOLVED");
    assert.match(failures[0]?.message ?? "", reason);
    assert.match(failures[0]?.message ?? "", /_dnsaddr\.boot\.io/);
    assert.match(failures[0]?.hint ?? "", /--bootnodes/);
  }
});

Deno.test("one name that fails does not spoil the others", async () => {
  const resolver = zone({ "_dnsaddr.good.io": [`dnsaddr=${ADDRESS_B}`] });
  const { texts, failures } = await addresses(["/dnsaddr/bad.io", ADDRESS_A, "/dnsaddr/good.io"], resolver);
  assert.deepEqual(texts, [ADDRESS_A, ADDRESS_B]);
  assert.equal(failures.length, 1);
});

Deno.test("names may refer to names, and a peer id keeps only that peer's addresses", async () => {
  const resolver = zone({
    "_dnsaddr.boot.io": ["dnsaddr=/dnsaddr/a.boot.io", `dnsaddr=/dnsaddr/b.boot.io/p2p/${B}`],
    "_dnsaddr.a.boot.io": [`dnsaddr=${ADDRESS_A}`],
    "_dnsaddr.b.boot.io": [`dnsaddr=${ADDRESS_B}`, `dnsaddr=/ip4/1.1.1.1/tcp/1/p2p/${A}`],
  });
  assert.deepEqual((await addresses(["/dnsaddr/boot.io"], resolver)).texts, [ADDRESS_A, ADDRESS_B]);
  assert.deepEqual((await addresses([`/dnsaddr/boot.io/p2p/${B}`], resolver)).texts, [ADDRESS_B]);
});

Deno.test("names that refer to each other end, and so does an endless list", async () => {
  const circle = zone({
    "_dnsaddr.a.io": ["dnsaddr=/dnsaddr/b.io"],
    "_dnsaddr.b.io": ["dnsaddr=/dnsaddr/a.io"],
  });
  const { texts, failures } = await addresses(["/dnsaddr/a.io"], circle);
  assert.deepEqual(texts, []);
  assert.match(failures[0]?.message ?? "", /names refer to names/);
  assert.ok(circle.asked.length <= 4);
  const many = Array.from({ length: 1000 }, (_, i) => `dnsaddr=/ip4/1.2.3.4/tcp/${i + 1}/p2p/${A}`);
  const endless = await addresses(["/dnsaddr/a.io"], zone({ "_dnsaddr.a.io": many }));
  assert.equal(endless.texts.length, MAX_ADDRESSES);
});

Deno.test("a name server that does not answer is waited for no longer than the signal says", async () => {
  const abort = new AbortController();
  const resolver = zone({ "_dnsaddr.slow.io": "hangs", "_dnsaddr.fast.io": [`dnsaddr=${ADDRESS_A}`] });
  const entries = parseBootnodes(["/dnsaddr/slow.io", "/dnsaddr/fast.io"]);
  const result = resolveBootnodes(entries, resolver, abort.signal);
  abort.abort();
  const { addresses, failures } = await result;
  assert.deepEqual(addresses.map((a) => a.text), [ADDRESS_A]);
  assert.match(failures[0]?.message ?? "", /no answer in time/);
});
