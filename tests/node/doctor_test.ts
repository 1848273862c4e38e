/** `hsync doctor`: what it finds, and what it leaves alone. */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { runDoctor } from "../../src/node/mod.ts";
import { clockOffset, offsetOf, parseTimeServer } from "../../src/node/doctor/ntp.ts";
import { createHost, newIdentity, type TxtResolver } from "../../src/p2p/mod.ts";
import { errorOf, inFolder, type Run, run } from "../cli/support.ts";

const ERA = 2_208_988_800;

function stamp(view: DataView, at: number, ms: number): void {
  view.setUint32(at, (Math.floor(ms / 1000) + ERA) % 2 ** 32);
  view.setUint32(at + 4, Math.floor((ms % 1000) / 1000 * 2 ** 32));
}

/** Runs a test beside a time server whose clock is `aheadMs` ahead of ours. */
async function besideClock(aheadMs: number, test: (address: string) => Promise<void>): Promise<void> {
  const socket = createSocket("udp4");
  socket.on("message", (question, from) => {
    const answer = new Uint8Array(48);
    const view = new DataView(answer.buffer);
    view.setUint8(0, 0x24);
    view.setUint8(1, 2);
    answer.set(new Uint8Array(question).subarray(40, 48), 24);
    stamp(view, 32, Date.now() + aheadMs);
    stamp(view, 40, Date.now() + aheadMs);
    socket.send(new Uint8Array(48).fill(0x24), from.port, from.address);
    socket.send(answer, from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", () => resolve()));
  try {
    await test(`127.0.0.1:${socket.address().port}`);
  } finally {
    await new Promise<void>((resolve) => socket.close(() => resolve()));
  }
}

interface Found {
  readonly result: Run;
  readonly states: Readonly<Record<string, string>>;
  text(name: string): string;
}

async function doctor(dir: string, flags: readonly string[], resolver?: TxtResolver): Promise<Found> {
  const argv = ["doctor", "--json", "-n", "localnet", "--shard", "0", "-d", dir, ...flags];
  const result = await run(
    [...argv, "--p2p.keyfile", `${dir}/.hmykey`, "--p2p.port", "0", "--prometheus.port", "0"],
    { runDoctor: (loaded, options, io) => runDoctor(loaded, options, io, resolver) },
  );
  const doc: { checks: Array<{ name: string; state: string; text: string }> } = JSON.parse(
    result.out.join(""),
  );
  return {
    result,
    states: Object.fromEntries(doc.checks.map((c) => [c.name, c.state])),
    text: (name) => doc.checks.find((c) => c.name === name)?.text ?? "",
  };
}

Deno.test("the offset is half of what both ways add up to, and only an answer to our question counts", async () => {
  const packet = new Uint8Array(48);
  const view = new DataView(packet.buffer);
  view.setUint8(0, 0x24);
  view.setUint8(1, 1);
  const sent = Date.parse("2026-11-22T12:00:00Z");
  stamp(view, 24, sent);
  stamp(view, 32, sent + 5_010);
  stamp(view, 40, sent + 5_020);
  assert.equal(Math.round(offsetOf(packet, sent, sent + 30) ?? 0), 5_000);
  assert.equal(offsetOf(packet, sent + 100, sent + 130), undefined, "another question");
  assert.equal(offsetOf(packet.subarray(0, 47), sent, sent + 30), undefined, "too short");
  view.setUint8(1, 0);
  assert.equal(offsetOf(packet, sent, sent + 30), undefined, "a refusal");
  assert.deepEqual(parseTimeServer("[::1]:5"), { host: "::1", port: 5 });
  assert.deepEqual(parseTimeServer("pool.ntp.org"), { host: "pool.ntp.org", port: 123 });
  await besideClock(-90_000, async (address) => {
    const { signal } = new AbortController();
    const offset = await clockOffset(address, { now: () => Date.now(), timeoutMs: 5_000, signal });
    assert.ok(Math.abs(offset + 90_000) < 1_000, String(offset));
  });
});

Deno.test("a healthy place passes, also by names and with a boot node that answers", async () => {
  const boot = await createHost({
    identity: await newIdentity(),
    ip: "127.0.0.1",
    port: 0,
    userAgent: "test",
  });
  try {
    await inFolder(async (dir) => {
      await besideClock(0, async (clock) => {
        const resolver: TxtResolver = (name) => {
          assert.equal(name, "_dnsaddr.boot.example");
          return Promise.resolve([`dnsaddr=${boot.addresses()[0]}`]);
        };
        const flags = ["--bootnodes", "/dnsaddr/boot.example", "--sys.ntp", clock];
        const { result, states, text } = await doctor(dir, flags, resolver);
        assert.equal(result.code, 0, result.out.join("\n"));
        for (
          const name of ["data directory", "key file", "store", "clock", "DNS", "boot nodes", "p2p port"]
        ) {
          assert.equal(states[name], "ok", `${name}: ${text(name)}`);
        }
        assert.match(text("boot nodes"), new RegExp(`reached ${boot.peerId} in \\d+ ms`));
        assert.deepEqual([...Deno.readDirSync(dir)], [], "nothing is left behind");
      });
    });
  } finally {
    await boot.stop();
  }
});

Deno.test("what is wrong is named with a way out: exit 6", async () => {
  await inFolder(async (dir) => {
    await besideClock(60_000, async (clock) => {
      await Deno.writeTextFile(`${dir}/.hmykey`, "{}");
      const resolver: TxtResolver = () => Promise.reject(new Error("the name server is out"));
      const flags = ["--bootnodes", "/dnsaddr/boot.example", "--sys.ntp", clock];
      const { result, states, text } = await doctor(dir, flags, resolver);
      assert.equal(result.code, 6);
      assert.match(
        errorOf(result),
        /^error: 4 of 13 checks failed: key file, clock, DNS, boot nodes; hint: /,
      );
      assert.deepEqual(
        [states["key file"], states["clock"], states["DNS"], states["boot nodes"]],
        Array(4).fill("fail"),
      );
      assert.match(text("clock"), /(60|59)\d{3} ms behind/);
      assert.match(text("DNS"), /name server is out/);
    });
  });
});

Deno.test({
  name:
    "a key file that others can read, and a port that is taken, are failures; a clock nobody tells is not",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await inFolder(async (dir) => {
      const { privateKeyToProtobuf } = await import("@libp2p/crypto/keys");
      const { privateKey } = await newIdentity();
      const key = btoa(String.fromCharCode(...privateKeyToProtobuf(privateKey)));
      await Deno.writeTextFile(`${dir}/.hmykey`, JSON.stringify({ key }), { mode: 0o644 });
      await Deno.chmod(`${dir}/.hmykey`, 0o644);
      const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      try {
        const result = await run(
          [
            ...["doctor", "-n", "localnet", "--shard", "0", "-d", dir, "--p2p.keyfile", `${dir}/.hmykey`],
            ...["--p2p.ip", "127.0.0.1", "--p2p.port", String((taken.addr as Deno.NetAddr).port)],
            ...["--prometheus=false", "--run.offline"],
          ],
          { runDoctor },
        );
        assert.equal(result.code, 6);
        const text = result.out.join("\n");
        assert.match(text, /FAIL {2}key file .*mode 644.*\n .*chmod 600/);
        assert.match(text, /FAIL {2}p2p port .*taken by another program\n .*--p2p\.port/);
        assert.doesNotMatch(text, /clock|DNS|boot nodes/, "an offline node asks nobody");
      } finally {
        taken.close();
      }
      const flags = [
        "--sys.ntp",
        "127.0.0.1:9",
        "--bootnodes",
        "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo",
      ];
      const { states } = await doctor(dir, flags);
      assert.deepEqual([states["clock"], states["DNS"], states["boot nodes"]], ["skip", "skip", "fail"]);
    });
  },
});

Deno.test("a time server that cannot be asked is an error of the question, whatever its name and however soon it ends", async () => {
  const ask = (server: string, timeoutMs: number, signal = new AbortController().signal) =>
    assert.rejects(clockOffset(server, { now: () => 0, timeoutMs, signal }), { code: "NTP_FAILED" });
  await ask("127.0.0.1:99999", 5_000);
  await ask("127.0.0.1:0", 5_000);
  const abort = new AbortController();
  const asked = ask("127.0.0.1:9", 5_000, abort.signal);
  abort.abort();
  await asked;
});
