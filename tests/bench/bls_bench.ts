/**
 * What a certificate costs, alone, in batches and over workers: `deno run -A tests/bench/bls_bench.ts`.
 *
 * Goals, as ratios within one run: in a batch of 256 over a committee of 250 with up to 30 distinct absent keys
 * a certificate costs at most a third of a single verification (one thread), and two workers are at least 1.3 times as
 * fast as one (on an idle machine). Best rounds count: other work on the machine only ever makes a round slower; what is
 * compared takes turns.
 */
import process from "node:process";
import { SeededRandom } from "../../src/base/mod.ts";
import {
  type CertificateInput,
  createCertificateVerifier,
  secretKeyFromSeed,
  WasmBls,
} from "../../src/crypto/mod.ts";
import { ReferenceBls } from "../../src/crypto/bls_reference.ts";
import { FINE } from "../../src/crypto/bls_wasm_batch.ts";
import { figure } from "./support/figures.ts";
import { makeCommittee, signCertificate, somePayload } from "../crypto/support/bls.ts";

const SLOTS = 250;
const BATCH = 256;
const random = new SeededRandom(256);
const bls = await WasmBls.create();
const committee = makeCommittee(bls, random, SLOTS);
/** The 30 keys that are absent at times. */
const FLAKY = random.shuffle([...Array(SLOTS).keys()]).slice(0, 30);

const SCENARIOS: Record<string, () => number[]> = {
  "everybody signs": () => [],
  "the same 30 are absent": () => FLAKY,
  "8 always and 0-4 of 22 others are absent": () => [
    ...FLAKY.slice(0, 8),
    ...random.shuffle(FLAKY.slice(8)).slice(0, random.int(5)),
  ],
  "any of 30 absent, each time others": () => FLAKY.filter(() => random.int(4) === 0),
};

function certificates(count: number, absent: () => number[]): CertificateInput[] {
  return Array.from(
    { length: count },
    () => signCertificate(bls, committee, absent(), somePayload(random)),
  );
}
function elapsed(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}
/** Best times of several pieces of work that take turns, ms. */
function bestOf(rounds: number, ...work: Array<() => void>): number[] {
  const best = work.map(() => Infinity);
  for (let round = 0; round < rounds; round++) {
    work.forEach((piece, i) => best[i] = Math.min(best[i] as number, elapsed(piece)));
  }
  return best;
}
const ms = (value: number): string => value.toFixed(2).padStart(7) + " ms";
const mustHold = (valid: boolean): void => {
  if (!valid) throw new Error("a good certificate was refused");
};

console.log(`committee of ${SLOTS}, batches of ${BATCH}, one thread`);
let worstRatio = Infinity;
for (const [what, absent] of Object.entries(SCENARIOS)) {
  const inputs = certificates(BATCH, absent);
  const singles = inputs.slice(0, 16);
  const [single = 0, batch = 0] = bestOf(
    5,
    () => singles.forEach((input) => mustHold(bls.verifyCertificate(committee.handle, input).valid)),
    () => mustHold(bls.verifyCertificates(committee.handle, inputs).every(({ valid }) => valid)),
  );
  const [alone, together] = [single / singles.length, batch / BATCH];
  worstRatio = Math.min(worstRatio, alone / together);
  console.log(
    `  ${what.padEnd(42)} single ${ms(alone)}, in the batch ${ms(together)}: ${
      (alone / together).toFixed(1)
    } times cheaper`,
  );
}
console.log(`  least gain ${worstRatio.toFixed(1)} (goal 3)`);
figure({
  what: `batch of ${BATCH} over ${SLOTS} keys against single`,
  value: worstRatio,
  unit: "times",
  goal: 3,
});

{
  const inputs = certificates(BATCH, SCENARIOS["any of 30 absent, each time others"] as () => number[]);
  const oneBad = inputs.with(100, { ...inputs[100] as CertificateInput, payload: somePayload(random) });
  const allBad = inputs.map((input) => ({ ...input, payload: somePayload(random) }));
  const [good = 0, one = 0, all = 0] = bestOf(
    2,
    () => bls.verifyCertificates(committee.handle, inputs),
    () => bls.verifyCertificates(committee.handle, oneBad),
    () => bls.verifyCertificates(committee.handle, allBad),
  );
  console.log(
    `  naming one bad of ${BATCH}: ${(one / good).toFixed(1)} times a good batch; all bad: ${
      (all / good).toFixed(1)
    } times`,
  );
  let longest = 0;
  const steps = bls.verifySteps(committee.handle, inputs.slice(0, 64), FINE);
  for (let done = false; !done;) {
    longest = Math.max(longest, elapsed(() => done = steps.next().done === true));
  }
  console.log(`  longest step when sharing the event loop ${ms(longest)}`);
}

{
  const reference = new ReferenceBls();
  const secret = secretKeyFromSeed(random.bytes(48));
  const [key, payload] = [bls.publicKeyOf(secret), somePayload(random)];
  const signature = bls.sign(secret, payload);
  const [fast = 0, readable = 0, sign = 0] = bestOf(
    10,
    () => bls.verify(key, payload, signature),
    () => reference.verify(key, payload, signature),
    () => bls.sign(secret, payload),
  );
  console.log(`one key: verify ${ms(fast)}, reference ${ms(readable)}, sign ${ms(sign)}`);
  const fresh = await WasmBls.create();
  const [input] = certificates(1, () => []);
  const first = elapsed(() => fresh.verifyCertificate(committee.handle, input as CertificateInput));
  console.log(`first certificate of a new committee (${SLOTS} keys to decode) ${ms(first)}`);
}

{
  const inputs = certificates(
    2 * BATCH,
    SCENARIOS["8 always and 0-4 of 22 others are absent"] as () => number[],
  );
  const verifiers = [1, 2].map((workers) => createCertificateVerifier({ workers }));
  for (const verifier of verifiers) await verifier.verifyBatch(committee.handle, inputs);
  const best = verifiers.map(() => Infinity);
  const cpu = verifiers.map(() => Infinity);
  for (let round = 0; round < 5; round++) {
    for (const [i, verifier] of verifiers.entries()) {
      const start = performance.now();
      const used = process.cpuUsage();
      const verdicts = await verifier.verifyBatch(committee.handle, inputs);
      best[i] = Math.min(best[i] as number, performance.now() - start);
      const { user, system } = process.cpuUsage(used);
      cpu[i] = Math.min(cpu[i] as number, (user + system) / 1000);
      mustHold(verdicts.every(({ valid }) => valid));
    }
  }
  for (const verifier of verifiers) verifier.close();
  const [one = 0, two = 0] = best.map((time) => time / inputs.length);
  console.log(
    `${inputs.length} certificates: one worker ${ms(one)} each, two ${ms(two)} each: ${
      (one / two).toFixed(2)
    } times as fast (goal 1.3), ${Math.round(1000 / two)}/s`,
  );
  figure({ what: "two workers against one", value: one / two, unit: "times", goal: 1.3 });
  figure({ what: "certificates, two workers", value: 1000 / two, unit: "/s" });
  // Tells what two idle cores would give when the machine has none to spare.
  const [cpuOne = 0, cpuTwo = 0] = cpu.map((time) => time / inputs.length);
  console.log(
    `  processor time: one worker ${ms(cpuOne)} each, two ${ms(cpuTwo)} each: up to ${
      (2 * cpuOne / cpuTwo).toFixed(2)
    } times as fast on idle cores`,
  );
  figure({ what: "  the same by processor time", value: 2 * cpuOne / cpuTwo, unit: "times", goal: 1.3 });
}
