/**
 * The chain that every simulated network is about, what liars make of it, and certificates judged once.
 *
 * Why it exists: building and signing cost seconds, a simulation costs less; so all seeds share one chain. What must stay
 * true: signatures are real, and a verdict is remembered by all the bytes that it depends on.
 */
import { createHash } from "node:crypto";
import { toHex } from "../../../src/base/mod.ts";
import type { CertificateVerdict, CommitteeKeys } from "../../../src/crypto/mod.ts";
import type { BatchVerifier } from "../../../src/consensus/mod.ts";
import { type BuiltBlock, ChainBuilder, forgeNext } from "../../builder/mod.ts";
import { curves, signedNetwork } from "../../sync/support/certified.ts";
import { ServedChain } from "./served_chain.ts";

/** Height at which the network stands at the start. */
export const START = 100;
/** Height at which it ends. */
export const END = 120;
/** First forged block of the fork. */
const FORK = 85;

export const NETWORK = signedNetwork({ seed: 32, epochLength: 30, reservedSlots: 1, electedSlots: 3 });

function build(): { readonly honest: BuiltBlock[]; readonly forged: BuiltBlock[] } {
  const builder = ChainBuilder.start(NETWORK);
  const honest = [builder.head];
  while (honest.length < FORK) honest.push(builder.next());
  const fork = builder.fork(1);
  const forged = [...honest];
  while (forged.length <= END) forged.push(forgeNext(fork, "noise-signature"));
  while (honest.length <= END) honest.push(builder.next());
  return { honest, forged };
}
const chains = build();
export const HONEST: readonly BuiltBlock[] = chains.honest;
export const FORGED: readonly BuiltBlock[] = chains.forged;

const verdicts = new Map<string, CertificateVerdict>();
const names = new WeakMap<CommitteeKeys, string>();

function nameOf(keys: CommitteeKeys): string {
  let name = names.get(keys);
  if (name === undefined) {
    name = createHash("sha256").update(keys.bytes).digest("hex");
    names.set(keys, name);
  }
  return name;
}

/** Real verdicts, each worked out once in this process. */
export const remembered: BatchVerifier = {
  async verifyBatch(keys, inputs, signal) {
    const out: CertificateVerdict[] = [];
    for (const input of inputs) {
      const { payload, signature, bitmap } = input;
      const key = [nameOf(keys), toHex(payload), toHex(signature), toHex(bitmap)].join();
      let verdict = verdicts.get(key);
      if (verdict === undefined) {
        [verdict] = await curves.verifyBatch(keys, [input], signal);
        if (verdict === undefined) throw new Error("no verdict");
        verdicts.set(key, verdict);
      }
      out.push(verdict);
    }
    return out;
  },
};

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const out = bytes.slice();
  const i = at % out.length;
  out[i] = (out[i] as number) ^ 1;
  return out;
}

/** Changes a byte of every fifth block. */
class FlippingChain extends ServedChain {
  protected override deliver(
    block: BuiltBlock,
  ): { readonly bytes: Uint8Array; readonly commitSig: Uint8Array } {
    const bytes = block.number % 5 === 3 ? flipped(block.bytes, 97 * block.number) : block.bytes;
    return { bytes, commitSig: block.commitSig };
  }
}
/** Good blocks, false certificates beside them. */
class FalselySignedChain extends ServedChain {
  protected override deliver(
    block: BuiltBlock,
  ): { readonly bytes: Uint8Array; readonly commitSig: Uint8Array } {
    return { bytes: block.bytes, commitSig: flipped(block.commitSig, 5) };
  }
}
/** Names a height and hashes that it made up. */
class BoastingChain extends ServedChain {
  override head(): { readonly number: number; readonly hash: Uint8Array } {
    return { number: 5_000, hash: invented(5_000) };
  }
  override hashAt(number: number): Promise<Uint8Array | undefined> {
    return number > this.height && number <= 5_000 ? Promise.resolve(invented(number)) : super.hashAt(number);
  }
}
function invented(number: number): Uint8Array {
  return new Uint8Array(createHash("sha256").update(`block ${number}`).digest());
}
/** Names its height and says nothing more until it is released. */
export class MuteChain extends ServedChain {
  readonly #silence = Promise.withResolvers<undefined>();
  override hashAt(): Promise<Uint8Array | undefined> {
    return this.#silence.promise;
  }
  override blockAt(): Promise<undefined> {
    return this.#silence.promise;
  }
  release(): void {
    this.#silence.resolve(undefined);
  }
}

/** Ways to be of no use, and what is served then. */
export const LIARS: Readonly<Record<string, () => ServedChain>> = {
  flips: () => new FlippingChain(HONEST, START),
  falseCertificates: () => new FalselySignedChain(HONEST, START),
  boasts: () => new BoastingChain(HONEST, START),
  forgedFork: () => new ServedChain(FORGED, END),
  mute: () => new MuteChain(HONEST, START),
};
