import assert from "node:assert/strict";
import { HsyncError } from "../../src/base/mod.ts";
import { fateOf } from "../../src/sync/fate.ts";

Deno.test("codes decide what follows a failed cycle", () => {
  const table: Array<[string, string, boolean | undefined]> = [
    ["STORE_LEASE_LOST", "end", undefined],
    ["STORE_DAMAGED", "end", undefined],
    ["STORE_CLOSED", "end", undefined],
    ["CONFLICTING_CERTIFICATES", "end", undefined],
    ["STORE_DISK_LOW", "pause", undefined],
    ["NO_STREAMS", "waitPeers", undefined],
    ["NO_HASHES", "retry", false],
    ["NO_BODIES", "retry", false],
    ["STORE_WRITE_FAILED", "retry", true],
    ["STORE_UNREACHABLE", "retry", true],
    ["STORE_NOT_CONTIGUOUS", "retry", true],
    ["UNEXPECTED", "retry", false],
  ];
  for (const [code, kind, store] of table) {
    const fate = fateOf(new HsyncError(code, "text never matters: STORE_LEASE_LOST"));
    assert.equal(fate.kind, kind, code);
    assert.equal(fate.kind === "retry" ? fate.store : undefined, store, code);
  }
});
