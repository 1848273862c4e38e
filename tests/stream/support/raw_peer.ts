/** A peer that speaks frames by hand, so that tests can misbehave in any way. */
import { concat, le32 } from "../../../src/base/mod.ts";
import { FrameReader } from "../../../src/stream/frame.ts";
import {
  decodeMessage,
  encodeRequest,
  encodeResponse,
  type SyncRequest,
  type SyncResponse,
  type WireMessage,
} from "../../../src/stream/message.ts";
import type { P2PStream } from "../../../src/p2p/mod.ts";
import type { SimStream } from "./sim_stream.ts";

export type Incoming = Exclude<WireMessage, { readonly kind: "empty" }>;

/** Lets every promise that can go on do so. */
export async function settle(rounds = 60): Promise<void> {
  for (let i = 0; i < rounds; i++) await Promise.resolve();
}

/** By default on a simulated stream; any other does as well. */
export class RawPeer<S extends P2PStream = SimStream> {
  readonly stream: S;
  readonly received: Incoming[] = [];
  /** Called for each message; by default nothing is answered. */
  onMessage: ((message: Incoming, peer: RawPeer<S>) => void) | undefined;
  ended: string | undefined;
  readonly done: Promise<void>;

  constructor(stream: S, onMessage?: (message: Incoming, peer: RawPeer<S>) => void) {
    this.stream = stream;
    this.onMessage = onMessage;
    this.done = this.#read();
  }
  async #read(): Promise<void> {
    const frames = new FrameReader();
    try {
      for await (const chunk of this.stream.source) {
        for (const body of frames.push(chunk)) {
          const message = decodeMessage(body);
          if (message.kind === "empty") continue;
          this.received.push(message);
          this.onMessage?.(message, this);
        }
      }
      this.ended = "end";
    } catch (error) {
      this.ended = error instanceof Error ? error.message : String(error);
    }
  }
  /** Sends a message body in a frame. */
  send(body: Uint8Array): void {
    this.raw(concat(le32(body.length), body));
  }
  /** Sends bytes as they are. */
  raw(bytes: Uint8Array): void {
    this.stream.write(bytes).catch(() => {});
  }
  respond(id: bigint, response: SyncResponse): void {
    this.send(encodeResponse(id, response));
  }
  request(id: bigint, request: SyncRequest): void {
    this.send(encodeRequest(id, request));
  }
  /** Requests received so far. */
  requests(): Extract<Incoming, { readonly kind: "request" }>[] {
    return this.received.filter((m) => m.kind === "request");
  }
  responses(): Extract<Incoming, { readonly kind: "response" }>[] {
    return this.received.filter((m) => m.kind === "response");
  }
}

/** Answers height queries and nothing else, as a Go node's reader would at least. */
export function answerHeights<S extends P2PStream = SimStream>(
  height: number,
): (message: Incoming, peer: RawPeer<S>) => void {
  return (message, peer) => {
    if (message.kind === "request" && message.request?.type === "getBlockNumber") {
      peer.respond(message.id, { type: "getBlockNumber", number: BigInt(height) });
    }
  };
}
