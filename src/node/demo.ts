/**
 * `hsync demo`: a real chain, synchronised from real peers, with nothing to set up.
 *
 * Why it exists: whoever has just downloaded the program sees in a minute that it works. What must stay true: nothing
 * but loopback is used; the chain is one that Go nodes made, the four servers and the newcomer are full nodes of ours
 * over real TCP and libp2p, and the newcomer knows nothing but a boot node that serves no blocks; what it stored is
 * compared with the recorded hash.
 */
import {
  createLogger,
  ExitCode,
  fromHex,
  HsyncError,
  type Logger,
  nullLogger,
  SystemClock,
  SystemRandom,
  to0x,
} from "../base/mod.ts";
import { BUILD, type CliIo, type DemoOptions, progressOf, RecentErrors } from "../api/mod.ts";
import { FLAGS, loadConfig, type LoadedConfig, parseArgv } from "../config/mod.ts";
import { createHost, newIdentity } from "../p2p/mod.ts";
import { openChain, paramsOf } from "./chain.ts";
import chainFile from "./data/demo-localnet-0.blocks" with { type: "bytes" };
import { importInto } from "./db.ts";
import { HsyncNode } from "./node.ts";
import { makeVerifier } from "./verifier.ts";

/** Head of the recorded chain: shard 0 of a network of unmodified Go nodes. */
const HEAD = {
  number: 426,
  hash: fromHex("bbc460e593442cbb4ad7cf33a6c571e72b739ca14965be71be1d166abc64379a"),
};
const SERVERS = 4;
const LIMIT_MS = 60_000;

function configure(dataDir: string, more: readonly string[]): LoadedConfig {
  const argv = [
    "--network=localnet",
    "--run.shard=0",
    `--datadir=${dataDir}`,
    "--p2p.ip=127.0.0.1",
    "--p2p.port=0",
    `--p2p.keyfile=${dataDir}/.hmykey`,
    "--prometheus.ip=127.0.0.1",
    "--prometheus.port=0",
    `--sync.min-peers=${SERVERS}`,
    `--sync.init-peers=${SERVERS}`,
    ...more,
  ];
  return loadConfig({ flags: parseArgv(argv, FLAGS).flags, env: () => undefined });
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

/** Runs the demo. @throws {HsyncError} exit code 1 when the chain does not arrive, or arrives wrong */
export async function runDemo(options: DemoOptions, io: CliIo): Promise<ExitCode> {
  const dir = await Deno.makeTempDir({ prefix: "hsync-demo-" });
  const undo: Array<() => Promise<unknown>> = [() => Deno.remove(dir, { recursive: true })];
  const say = (line: string) => options.json ? undefined : io.out(line);
  try {
    return await demo(dir, undo, say, options, io);
  } finally {
    for (const step of undo.reverse()) await step();
  }
}

async function demo(
  dir: string,
  undo: Array<() => Promise<unknown>>,
  say: (line: string) => void,
  options: DemoOptions,
  io: CliIo,
): Promise<ExitCode> {
  const clock = new SystemClock();
  say(`hsync ${BUILD.version} demo: ${HEAD.number} blocks that Go nodes made, over real libp2p on loopback`);
  const boot = await createHost({
    identity: await newIdentity(),
    ip: "127.0.0.1",
    port: 0,
    userAgent: `hsync/${BUILD.version}`,
  });
  undo.push(() => boot.stop());
  const [bootAddress] = boot.addresses();
  say(`boot node   ${bootAddress} (serves no blocks)`);
  for (let i = 1; i <= SERVERS; i++) {
    const server = await startServer(`${dir}/server${i}`, bootAddress as string, undo);
    say(`server ${i}    ${server.host.peerId} with ${server.store.head().number} blocks`);
  }

  const loaded = configure(`${dir}/newcomer`, [`--bootnodes=${bootAddress}`]);
  await Deno.mkdir(`${dir}/newcomer`, { recursive: true });
  const errors = new RecentErrors();
  const begun = clock.monotonic();
  const node = await HsyncNode.start({
    loaded,
    clock,
    random: new SystemRandom(),
    logger: demoLogger(io, errors, options.json),
    errors,
  });
  undo.push(() => node.stop());
  say(`newcomer    ${node.host.peerId} with ${node.store.head().number} blocks, knows only the boot node`);
  if (node.statusUrl !== undefined) say(`status      ${node.statusUrl}/status`);

  const arrived = await arrival(node, clock, say, io);
  const seconds = (clock.monotonic() - begun) / 1000;
  const rate = arrived.number / seconds;
  const assurance = node.store.lowestAssurance();
  const same = to0x(arrived.hash) === to0x(HEAD.hash);
  if (options.json) {
    io.out(JSON.stringify({
      number: arrived.number,
      hash: to0x(arrived.hash),
      seconds: Math.round(seconds * 100) / 100,
      blocksPerSecond: Math.round(rate * 10) / 10,
      assurance,
      matches: same,
    }));
  } else {
    say(`head        ${arrived.number}`);
    say(`hash        ${to0x(arrived.hash)}`);
    say(`time        ${seconds.toFixed(2)} s, ${rate.toFixed(1)} blocks/s`);
    say(`assurance   ${assurance}: ${node.status().sync.assurance.text}`);
  }
  if (!same || arrived.number !== HEAD.number) {
    throw new HsyncError(
      "DEMO_WRONG_HASH",
      `the head is not the recorded one: ${to0x(HEAD.hash)} at ${HEAD.number}`,
      {
        hint: "this is a defect of hsync; please report it with the lines above",
      },
    );
  }
  say("the hash is the recorded one: the demo has passed");
  return ExitCode.OK;
}

/** A full node with the recorded chain that only serves. */
async function startServer(
  dir: string,
  bootAddress: string,
  undo: Array<() => Promise<unknown>>,
): Promise<HsyncNode> {
  await Deno.mkdir(dir, { recursive: true });
  const loaded = configure(dir, [`--bootnodes=${bootAddress}`, "--sync.client=false", "--prometheus=false"]);
  const clock = new SystemClock();
  const params = paramsOf(loaded.config);
  const store = await openChain({ params, shardId: 0, location: { kind: "memory" }, clock });
  undo.push(() => store.close());
  const judge = makeVerifier({
    params,
    store,
    config: loaded.config.sync,
    logger: nullLogger,
    clock,
  });
  try {
    await importInto({ store, params, shardId: 0, verifier: judge.verifier }, once(chainFile));
  } finally {
    await judge.close();
  }
  const node = await HsyncNode.start({
    loaded,
    clock,
    random: new SystemRandom(),
    logger: nullLogger,
    errors: new RecentErrors(),
    store,
  });
  undo.push(() => node.stop());
  return node;
}

/** Warnings and errors of the newcomer are shown; the rest would only scroll. */
function demoLogger(io: CliIo, errors: RecentErrors, quiet: boolean): Logger {
  return createLogger({
    level: "warn",
    sinks: [errors.sink, (record) => quiet ? undefined : io.err(`${record.level} ${record.message}`)],
  });
}

/** Resolves with the head once the chain has arrived. @throws {HsyncError} DEMO_TIMEOUT */
async function arrival(
  node: HsyncNode,
  clock: SystemClock,
  say: (line: string) => void,
  io: CliIo,
): Promise<{ readonly number: number; readonly hash: Uint8Array }> {
  const cancels: Array<() => void> = [];
  try {
    return await new Promise((resolve, reject) => {
      const show = () => io.progress(progressOf(node.status(), 0, node.bytesPerSecond()));
      cancels.push(clock.every(250, show));
      cancels.push(clock.after(LIMIT_MS, () => {
        const { sync } = node.status();
        const why = sync.diagnosis[0]?.text ?? sync.waiting[0]?.what ?? sync.state;
        reject(
          new HsyncError(
            "DEMO_TIMEOUT",
            `the chain did not arrive within ${LIMIT_MS / 1000} s; waiting for: ${why}`,
            {
              hint: "is another program limiting connections on 127.0.0.1?",
            },
          ),
        );
      }));
      cancels.push(
        io.onStop(() => reject(new HsyncError("DEMO_STOPPED", "stopped before the chain had arrived"))),
      );
      const off = node.driver?.on((event) => {
        if (event.type === "committed") say(`stored      block ${event.head.number} of ${HEAD.number}`);
        else if (event.type === "synced" && event.head.number >= HEAD.number) resolve(event.head);
        else if (event.type === "failed") reject(event.error);
      });
      if (off !== undefined) cancels.push(off);
    });
  } finally {
    for (const cancel of cancels) cancel();
  }
}
