import assert from "node:assert/strict";
import { join } from "node:path";
import { generateKeyPair } from "@libp2p/crypto/keys";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { createLogger, HsyncError, type LogRecord } from "../../src/base/mod.ts";
import { keyFilePath, loadIdentity, newIdentity } from "../../src/p2p/mod.ts";
import { decodeKeyFile, encodeKeyFile } from "../../src/p2p/identity.ts";
import { vectorJson } from "../vectors/load.ts";
import { Hosts, streamPair } from "./support.ts";

const GO_KEY = vectorJson<{ readonly file: string; readonly peerId: string }>("hmykey-rsa.json");

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a missing key file is made: Ed25519, readable by its owner only, the same peer id ever after", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "deep", "er", ".hmykey");
    const made = await loadIdentity(path);
    assert.equal(made.created, true);
    assert.equal(made.path, path);
    assert.match(made.peerId, /^12D3KooW/);
    const again = await loadIdentity(path);
    assert.equal(again.created, false);
    assert.equal(again.peerId, made.peerId);
    const text = await Deno.readTextFile(path);
    assert.deepEqual(Object.keys(JSON.parse(text)), ["key"]);
    assert.ok(text.startsWith('{\n\t"key": "CAES'), "type Ed25519, indented as Go does");
    if (Deno.build.os !== "windows") assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
    assert.deepEqual([...Deno.readDirSync(join(folder, "deep", "er"))].map((e) => e.name), [".hmykey"]);
  });
});

Deno.test("the key file of a Go node gives the peer id that it announced, and is written back byte for byte", () => {
  const identity = decodeKeyFile(GO_KEY.file, "go");
  assert.equal(identity.peerId, GO_KEY.peerId);
  assert.equal(encodeKeyFile(identity).trim(), GO_KEY.file.trim());
});

for (const type of ["Ed25519", "secp256k1", "RSA"] as const) {
  Deno.test(`a ${type} key survives its file, and a host with it is reached under its peer id`, async () => {
    const privateKey = type === "RSA"
      ? decodeKeyFile(GO_KEY.file, "go").privateKey
      : await generateKeyPair(type as "Ed25519");
    const peerId = peerIdFromPrivateKey(privateKey).toString();
    const text = encodeKeyFile({ privateKey, peerId, path: undefined, created: true });
    const identity = decodeKeyFile(text, "test");
    assert.equal(identity.peerId, peerId);
    await using hosts = new Hosts();
    const host = await hosts.start({ identity });
    const other = await hosts.start();
    const stream = await streamPair(other, host);
    assert.equal(stream.out.peerId, peerId);
  });
}

Deno.test("a key file that is of no use is refused by name and left as it is", async () => {
  const truncated = JSON.stringify({ key: JSON.parse(GO_KEY.file).key.slice(0, 400) });
  const cases: ReadonlyArray<readonly [string, RegExp]> = [
    ["", /it is empty/],
    ["  \n", /it is empty/],
    ["CAESQ", /it is not JSON/],
    ["[]", /no text member "key"/],
    ["null", /no text member "key"/],
    ['{"Key":"CAES"}', /no text member "key"/],
    ['{"key":7}', /no text member "key"/],
    ['{"key":"***"}', /not base64/],
    ['{"key":""}', /damaged/],
    ['{"key":"CAESAgEC"}', /damaged/],
    ['{"key":"CAkSAgEC"}', /key type 9 is not supported/],
    ['{"key":"CAMSAgEC"}', /ECDSA keys are not supported/],
    [truncated, /damaged/],
  ];
  await inFolder(async (folder) => {
    const path = join(folder, ".hmykey");
    for (const [text, reason] of cases) {
      await Deno.writeTextFile(path, text, { mode: 0o600 });
      await assert.rejects(loadIdentity(path), (error: unknown) => {
        assert.ok(error instanceof HsyncError, text);
        assert.equal(error.code, "KEYFILE_UNREADABLE");
        assert.equal(error.exitCode, 1);
        assert.match(error.message, reason);
        assert.ok(error.message.includes(path));
        assert.match(error.hint ?? "", /--p2p\.keyfile/);
        return true;
      }, text);
      assert.equal(await Deno.readTextFile(path), text);
    }
  });
});

Deno.test("a key file that cannot be read or written is an error, not a new identity", async () => {
  await inFolder(async (folder) => {
    const isFolder = join(folder, "folder");
    await Deno.mkdir(isFolder);
    await assert.rejects(loadIdentity(isFolder), { code: "KEYFILE_UNREADABLE", exitCode: 1 });
    const underFile = join(folder, "file", ".hmykey");
    await Deno.writeTextFile(join(folder, "file"), "x");
    await assert.rejects(loadIdentity(underFile), { code: "KEYFILE_UNREADABLE", exitCode: 1 });
  });
});

Deno.test("a key file that others can read is used, with a warning", async () => {
  if (Deno.build.os === "windows") return;
  await inFolder(async (folder) => {
    const path = join(folder, ".hmykey");
    await Deno.writeTextFile(path, GO_KEY.file);
    await Deno.chmod(path, 0o644);
    const records: LogRecord[] = [];
    const log = createLogger({ level: "warn", sinks: [(r) => records.push(r)] });
    assert.equal((await loadIdentity(path, log)).peerId, GO_KEY.peerId);
    assert.equal(records.length, 1);
    assert.match(records[0]?.message ?? "", /chmod 600/);
  });
});

Deno.test("two processes that start at once agree on one identity", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, ".hmykey");
    const all = await Promise.all(Array.from({ length: 8 }, () => loadIdentity(path)));
    assert.equal(new Set(all.map((i) => i.peerId)).size, 1);
    assert.equal(all.filter((i) => i.created).length, 1);
  });
});

Deno.test("the key file's place: named, else of the working directory when there is one, else of the data directory", async () => {
  await inFolder(async (folder) => {
    const dataDir = join(folder, "data");
    assert.equal(await keyFilePath({ configured: "/x/key", dataDir, cwd: folder }), "/x/key");
    assert.equal(
      await keyFilePath({ configured: undefined, dataDir, cwd: folder }),
      join(dataDir, ".hmykey"),
    );
    assert.equal(await keyFilePath({ configured: "", dataDir, cwd: folder }), join(dataDir, ".hmykey"));
    await Deno.writeTextFile(join(folder, ".hmykey"), GO_KEY.file);
    assert.equal(await keyFilePath({ dataDir, cwd: folder }), join(folder, ".hmykey"));
  });
});

Deno.test("a new identity is a different one each time", async () => {
  const [a, b] = [await newIdentity(), await newIdentity()];
  assert.notEqual(a.peerId, b.peerId);
});
