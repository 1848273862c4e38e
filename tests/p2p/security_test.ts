import assert from "node:assert/strict";
import { generateKeyPair } from "@libp2p/crypto/keys";
import type { ComponentLogger, MessageStream, Upgrader } from "@libp2p/interface";
import { noiseLikeGo } from "../../src/p2p/security.ts";

/** A logger of the library that says nothing. */
function silent(): ComponentLogger {
  const log = Object.assign(() => {}, {
    enabled: false,
    trace: () => {},
    error: () => {},
    newScope: () => log,
  });
  return { forComponent: () => log } as unknown as ComponentLogger;
}

/** A connection that shows what is sent first and never hears anything. */
class Wire extends EventTarget {
  readonly first = Promise.withResolvers<unknown>();
  readonly log = silent().forComponent("");
  readonly status = "open";
  readonly readBufferLength = 0;
  readonly maxMessageSize = undefined;
  send(data: unknown): boolean {
    this.first.resolve(data);
    return true;
  }
  push(): void {}
  unshift(): void {}
  abort(): void {}
}

Deno.test("what the library sends in parts, length and message, reaches the socket as one piece", async () => {
  const noise = noiseLikeGo()(
    {
      privateKey: await generateKeyPair("Ed25519"),
      logger: silent(),
      upgrader: { getStreamMuxers: () => new Map() } as unknown as Upgrader,
    } as Parameters<ReturnType<typeof noiseLikeGo>>[0],
  );
  const wire = new Wire();
  const stop = new AbortController();
  const handshake = noise.secureOutbound(wire as unknown as MessageStream, { signal: stop.signal });
  const failed = assert.rejects(Promise.resolve(handshake));
  const first = await wire.first.promise;
  stop.abort();
  await failed;
  assert.ok(first instanceof Uint8Array, "a list of parts would be written part by part");
  // Two bytes of length, then an ephemeral key.
  assert.deepEqual([first[0], first[1], first.length], [0, 32, 34]);
});
