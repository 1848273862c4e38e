/**
 * Asks a peer which branch it is on, where a network had to choose between two (consensus `anchors`).
 *
 * Why it exists: an abandoned branch is signed by a real committee, and who takes single headers only never meets the block
 * that tells the branches apart; so each peer is asked for its hash there. What must stay true: no peer is asked twice
 * about a height by the same connection, those that it reaches later are asked for then, and a peer that does not have the height (pruned, or epoch ends only) is not suspected.
 */
import { HsyncError, LruMap } from "../base/mod.ts";
import type { AnchorBook } from "../consensus/mod.ts";
import type { PeerSource, StreamInfo } from "../stream/mod.ts";

const MAX_ANCHORS = 50;
const TIMEOUT_MS = 15_000;

export class AnchorProbe {
  /** By peer: the connection, and the height up to which it has passed. */
  readonly #passed = new LruMap<string, { readonly instance: number; readonly upTo: number }>(512);

  constructor(
    private readonly peers: PeerSource,
    private readonly anchors: AnchorBook,
    private readonly shardId: number,
  ) {}

  /**
   * Whether the peer may be asked for anything: false when it is on another branch (it has been reported then).
   *
   * @throws {HsyncError} what the question fails with; the peer has not passed then.
   */
  async passes(stream: StreamInfo, signal: AbortSignal): Promise<boolean> {
    const { id, instance, height = 0 } = stream;
    const passed = this.#passed.get(id);
    const from = passed?.instance === instance ? passed.upTo : 0;
    if (passed?.instance === instance && height <= from) return true;
    const numbers = this.anchors.anchorsOf(this.shardId).map((anchor) => anchor.number)
      .filter((number) => number > from && number <= height).slice(-MAX_ANCHORS);
    if (numbers.length > 0) {
      const answer = await this.peers.client.getBlockHashes(numbers, {
        priority: "high",
        whitelist: new Set([id]),
        timeoutMs: TIMEOUT_MS,
        signal,
      });
      for (const [i, hash] of answer.value.entries()) {
        if (hash === undefined) continue;
        try {
          this.anchors.require(this.shardId, numbers[i] as number, hash);
        } catch (error) {
          if (!(error instanceof HsyncError) || error.fault !== "DATA") throw error;
          this.peers.report(id, "DATA", "invalid_blocks", error.message);
          return false;
        }
      }
    }
    this.#passed.set(id, { instance, upTo: height });
    return true;
  }
}
