/**
 * One block whose incoming receipts wait for their true bitmaps, and what peers have shown for them.
 *
 * Why it exists: the bitmap of a proof stands in the header that follows the source block, and that header comes from a peer
 * that nothing binds to the truth. It need not be: the block is certified, its header names the root over all of its proofs,
 * and the root matches for the true bytes alone (chain-format.md §8.4). So nothing here asks whether a peer's header
 * is certified. What must stay true: only a root that matched makes a body proven; a claim that leads nowhere costs a hash or
 * two and convicts nobody, since the body itself may be what is forged; claims are bounded in number and size.
 */
import { equalBytes } from "../../base/mod.ts";
import type { Block, CXReceiptsProof, Header } from "../../chain/mod.ts";
import { HeaderCertificates, proveIncomingReceipts, type SourceCertificate } from "../../consensus/mod.ts";

/** Claims kept for one proof; the oldest gives way. */
const MAX_CLAIMS = 8;
/** Longest bitmap that is taken: far more seats than a committee has. */
const MAX_BITMAP_BYTES = 1_024;
/** Combinations of claims tried after one answer; a block with several proofs has all of them from one peer first. */
const MAX_TRIALS = 64;

/** What one peer's headers said about the sources of a block. */
export type Shown =
  /** The root matches: the body is the one that was signed. */
  | "proven"
  /** The peer has not got the header yet. */
  | "lacking"
  /** The header does not carry the proof's signature, or the root does not match with its bitmap. */
  | "other";

export class BodyCase {
  readonly number: number;
  /** 32 bytes. */
  readonly hash: Uint8Array;
  /** Bytes it keeps in memory. */
  readonly size: number;
  /** How many source blocks it takes receipts of. */
  readonly sources: number;
  /** Source shards, ascending. */
  readonly shards: readonly number[];
  /** Who has answered, or failed to, since the case was opened: peer ids, by shard. */
  readonly asked = new Map<number, Set<string>>();
  /** Shards with a request under way. */
  readonly asking = new Set<number>();
  /** Its root has matched: what is left is to write that down. */
  proven = false;
  readonly #block: Block;
  readonly #proofs: readonly CXReceiptsProof[];
  /** For each proof the distinct certificates that fit it, newest first. */
  readonly #claims: SourceCertificate[][];

  /** @throws {HsyncError} fault DATA: the proofs do not decode. */
  constructor(block: Block) {
    this.#block = block;
    this.#proofs = block.incomingReceipts();
    this.#claims = this.#proofs.map(() => []);
    this.number = block.number;
    this.hash = block.hash;
    this.size = block.bytes.length;
    this.sources = this.#proofs.length;
    this.shards = [...new Set(this.#proofs.map((p) => p.header.shardId))].sort((a, b) => a - b);
    for (const shard of this.shards) this.asked.set(shard, new Set());
  }

  /** Heights of the headers of a shard that may hold the bitmaps, ascending: each follows a source block. */
  headersOf(shardId: number): number[] {
    const numbers = this.#proofs.filter((p) => p.header.shardId === shardId).map((p) => p.header.number + 1);
    return [...new Set(numbers)].sort((a, b) => a - b);
  }

  /** Takes headers of a shard, by number, that one peer gave. */
  async show(shardId: number, headers: ReadonlyMap<number, Header>): Promise<Shown> {
    const source = new HeaderCertificates((_, number) => Promise.resolve(headers.get(number)));
    let lacking = false, fits = false;
    for (const [i, proof] of this.#proofs.entries()) {
      if (proof.header.shardId !== shardId) continue;
      const claim = await source.certificate(shardId, proof.header.number);
      if (claim === undefined) lacking = true;
      else if (this.#claim(i, proof, claim)) fits = true;
    }
    this.proven ||= fits && await this.#try();
    if (this.proven) return "proven";
    return lacking ? "lacking" : "other";
  }

  /** @returns true when the claim is about the proof's block, by its signature, and new in what it says or in its order. */
  #claim(place: number, proof: CXReceiptsProof, claim: SourceCertificate): boolean {
    if (claim.bitmap.length > MAX_BITMAP_BYTES) return false;
    if (!equalBytes(claim.hash, proof.header.hash) || !equalBytes(claim.signature, proof.commitSig)) {
      return false;
    }
    const known = this.#claims[place] ?? [];
    const others = known.filter((c) => !equalBytes(c.bitmap, claim.bitmap));
    // Copies: a view would keep the peer's whole answer in memory.
    const own = { hash: proof.header.hash, signature: proof.commitSig, bitmap: claim.bitmap.slice() };
    this.#claims[place] = [own, ...others].slice(0, MAX_CLAIMS);
    return true;
  }

  /** Tries combinations of the claims, the newest of each proof first. */
  async #try(): Promise<boolean> {
    const places = this.#claims.map(() => 0);
    for (let trial = 0; trial < MAX_TRIALS; trial++) {
      const chosen = new Map<string, SourceCertificate>();
      for (const [i, { header }] of this.#proofs.entries()) {
        const claim = this.#claims[i]?.[places[i] ?? 0];
        if (claim === undefined) return false;
        chosen.set(`${header.shardId}/${header.number}`, claim);
      }
      const { proven } = await proveIncomingReceipts(this.#block, {
        certificate: (shardId, number) => chosen.get(`${shardId}/${number}`),
      });
      if (proven) return true;
      if (!this.#advance(places)) return false;
    }
    return false;
  }
  /** The next combination, counting like an odometer. @returns false after the last. */
  #advance(places: number[]): boolean {
    for (const [i, claims] of this.#claims.entries()) {
      const place = (places[i] ?? 0) + 1;
      if (place < claims.length) {
        places[i] = place;
        return true;
      }
      places[i] = 0;
    }
    return false;
  }
}
