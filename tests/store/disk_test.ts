/** Room on the disk: importing stops and resumes at two thresholds, serving never does. */
import assert from "node:assert/strict";
import { ManualClock, type Meter, nullLogger } from "../../src/base/mod.ts";
import { type ChainStore, openStore } from "../../src/store/mod.ts";
import { mayImport, PROBE_MS, probeOf } from "../../src/store/disk.ts";
import { chainFrom, GENESIS, testOptions } from "./support.ts";
import { assertHolds, rejects, using } from "./suite/case.ts";

const GB = 1024 ** 3;

Deno.test("importing stops below 5 % or 2 GiB and resumes above 7 %", () => {
  const rows: Array<[boolean, number, number, boolean]> = [
    [true, 51, 1000, true],
    [true, 49, 1000, false],
    [false, 51, 1000, false],
    [false, 70, 1000, false],
    [false, 71, 1000, true],
    [true, 1.9, 20, false],
    [true, 2.1, 20, true],
    [false, 1.9, 20, false],
    [false, 2.1, 20, true],
    [true, 3, 40, true],
    [false, 3, 100, false],
    [true, 0, 0, false],
  ];
  for (const [importing, free, total, expected] of rows) {
    assert.equal(mayImport(importing, free * GB, total * GB), expected, `${importing} ${free}/${total}`);
  }
});

Deno.test("a store that runs low refuses blocks, serves on, and resumes by itself", async () => {
  const clock = new ManualClock();
  const gauges = new Map<string, number>();
  const meter: Meter = {
    inc() {},
    observe() {},
    set: (name, _labels, value) => void gauges.set(name, value),
  };
  let free = 100;
  let fails = false;
  const dir = await Deno.makeTempDir();
  const settle = async (store: ChainStore) => {
    await clock.advance(PROBE_MS);
    // Waits for the measurement under way, which reads the real directory.
    await store.info();
  };
  try {
    const opening = openStore({
      ...testOptions(clock),
      location: { kind: "file", dir },
      staging: { blocks: 0, bytes: 0 },
      logger: nullLogger,
      meter,
      diskProbe: () =>
        fails
          ? Promise.reject(new Error("no such disk"))
          : Promise.resolve({ freeBytes: free * GB, totalBytes: 1000 * GB }),
    });
    await using(opening, async (store) => {
      const blocks = chainFrom(GENESIS, 4, { seed: 1 });
      await store.append(blocks.slice(0, 2));
      assert.ok((gauges.get("hmy_store_bytes") ?? 0) > 0);
      free = 49;
      await settle(store);
      assert.deepEqual({ ...store.disk(), storeBytes: 0 }, {
        storeBytes: 0,
        freeBytes: 49 * GB,
        totalBytes: 1000 * GB,
        writable: false,
      });
      const error = await rejects(store.append(blocks.slice(2)), "STORE_DISK_LOW");
      assert.ok(error.retryable && error.hint !== undefined);
      const row = {
        number: 3,
        hash: GENESIS.hash,
        bytes: GENESIS.bytes,
        commitSig: GENESIS.hash,
        streamId: "p",
      };
      await rejects(store.putStagedBlocks([row]), "STORE_DISK_LOW");
      await assertHolds(store, blocks.slice(0, 2));
      await store.setCheckpoints({ Heads: 3 });
      free = 60;
      await settle(store);
      await rejects(store.append(blocks.slice(2)), "STORE_DISK_LOW");
      free = 71;
      await settle(store);
      await store.append(blocks.slice(2));
      fails = true;
      await settle(store);
      assert.equal(store.disk().writable, true, "an unknown figure stops nothing");
      await assertHolds(store, blocks);
    });
    assert.equal(clock.pending, 0);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("the probe of a directory tells free and total bytes", async () => {
  const disk = await probeOf(".")();
  assert.ok(disk !== undefined && disk.freeBytes > 0 && disk.totalBytes >= disk.freeBytes);
});
