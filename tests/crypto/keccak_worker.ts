/**
 * Says `true` when it is ready, then hashes what it is sent, `rounds` times over, and answers whether every result
 * was `expected`. Readiness must be announced: what arrives while the hasher still loads is lost.
 */
import { equalBytes } from "../../src/base/mod.ts";
import { keccak256 } from "../../src/crypto/keccak.ts";

interface Port {
  onmessage:
    | ((event: MessageEvent<{ data: Uint8Array; expected: Uint8Array; rounds: number }>) => void)
    | null;
  postMessage(message: boolean): void;
}
const port = globalThis as unknown as Port;
port.onmessage = ({ data: { data, expected, rounds } }) => {
  let good = true;
  for (let i = 0; i < rounds; i++) good &&= equalBytes(keccak256(data), expected);
  port.postMessage(good);
};
port.postMessage(true);
