/**
 * `hsync peers test MULTIADDR`: from a name to a height, step by step.
 *
 * Why it exists: "why no streams?" is answered by trying one peer and seeing which step fails (config-cli-metrics.md §8.1).
 * What must stay true: the peer meets a whole stream protocol of ours, which completes an exchange before it closes and
 * never opens twice (sync-protocol.md §2.8, never-lines); nothing else is dialled; the identity is thrown away.
 */
import {
  asHsyncError,
  ExitCode,
  HsyncError,
  nullLogger,
  nullMeter,
  safeText,
  SystemClock,
  to0x,
} from "../base/mod.ts";
import { BUILD, type CliIo, type PeerTrialOptions } from "../api/mod.ts";
import type { NetworkParams } from "../chain/mod.ts";
import type { HsyncConfig, LoadedConfig } from "../config/mod.ts";
import {
  createHost,
  type LibP2PHost,
  newIdentity,
  type P2PHost,
  parseBootnode,
  resolveBootnodes,
  systemTxtResolver,
} from "../p2p/mod.ts";
import { leaveNetwork, protocolId, SyncProtocol } from "../stream/mod.ts";
import { openChain, paramsOf } from "./chain.ts";

const RESOLVE_MS = 10_000;
const DIAL_MS = 15_000;
const IDENTIFY_MS = 10_000;
/** Dialling is over by then: what is left are the fifteen seconds that a peer has for its first answer. */
const STREAM_MS = 20_000;

interface Step {
  readonly step: string;
  readonly ok: boolean;
  readonly ms: number;
  readonly text: string;
}

/** Runs the steps one after another and tells each; the first that fails ends the trial. */
class Trial {
  readonly steps: Step[] = [];

  constructor(
    private readonly clock: SystemClock,
    private readonly signal: AbortSignal,
    private readonly tell: (step: Step) => void,
  ) {}

  async step<T>(step: string, work: (signal: AbortSignal) => Promise<readonly [T, string]>): Promise<T> {
    const begun = this.clock.monotonic();
    try {
      const [value, text] = await work(this.signal);
      this.#note({ step, ok: true, ms: this.clock.monotonic() - begun, text });
      return value;
    } catch (error) {
      this.#note({ step, ok: false, ms: this.clock.monotonic() - begun, text: asHsyncError(error).message });
      throw error;
    }
  }
  #note(step: Step): void {
    const whole = { ...step, ms: Math.round(step.ms), text: safeText(step.text, 400) };
    this.steps.push(whole);
    this.tell(whole);
  }
}

function failed(code: string, message: string, hint: string): HsyncError {
  return new HsyncError(code, message, { exitCode: ExitCode.RUNTIME, hint });
}

/** Resolves with the first value; rejects with `late` after `ms`, or when the operator gives up. */
async function within<T>(
  wait: (resolve: (value: T) => void, reject: (error: Error) => void) => () => void,
  clock: SystemClock,
  ms: number,
  late: HsyncError,
  signal: AbortSignal,
): Promise<T> {
  let undo = () => {};
  const hurry = new AbortController();
  const value = new Promise<T>((resolve, reject) => {
    undo = wait(resolve, reject);
  });
  const timer = clock.sleep(ms, AbortSignal.any([signal, hurry.signal])).then(() => {
    throw late;
  });
  try {
    return await Promise.race([value, timer]);
  } finally {
    undo();
    hurry.abort();
    await timer.catch(() => {});
  }
}

/** The host as a protocol sees it that shall meet one peer alone: nobody else is found. */
function onlyKnown(host: LibP2PHost): P2PHost {
  return {
    peerId: host.peerId,
    addresses: () => host.addresses(),
    handle: (protocol, onStream) => host.handle(protocol, onStream),
    openStream: (peer, protocol, options) => host.openStream(peer, protocol, options),
    connect: (address, options) => host.connect(address, options),
    discover: async function* () {},
    advertise: () => Promise.resolve(),
    peersSpeaking: () => [],
    addressesOf: (peerId) => host.addressesOf(peerId),
    staticPeers: () => [],
    connectedPeers: () => host.connectedPeers(),
    // The table is never asked; 1 says that there is nothing to wait for.
    routingTableSize: () => 1,
    protect: (peerId, tag) => host.protect(peerId, tag),
    unprotect: (peerId, tag) => host.unprotect(peerId, tag),
    disconnect: (peerId) => host.disconnect(peerId),
    shun: (peerId, ms) => host.shun(peerId, ms),
    admit: (peerId) => host.admit(peerId),
    on: (listener) => host.on(listener),
    stop: () => host.stop(),
  };
}

async function resolve(address: string, signal: AbortSignal): Promise<readonly [string[], string]> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(RESOLVE_MS)]);
  const { addresses, failures } = await resolveBootnodes([parseBootnode(address)], systemTxtResolver, limit);
  if (failures[0] !== undefined) throw failures[0];
  const texts = addresses.map((a) => a.text);
  return [texts, texts.length === 1 ? String(texts[0]) : `${texts.length} addresses`];
}

/** Connects, and waits for the list of protocols that the peer names. */
async function meet(
  host: LibP2PHost,
  addresses: readonly string[],
  clock: SystemClock,
  trial: Trial,
): Promise<{ readonly peerId: string; readonly protocols: readonly string[] }> {
  const named = new Map<string, readonly string[]>();
  const listeners = new Set<() => void>();
  const off = host.on((event) => {
    if (event.type === "identified") named.set(event.peerId, event.protocols);
    for (const listener of [...listeners]) listener();
  });
  try {
    const peerId = await trial.step("connect", async (signal) => {
      let last: unknown;
      for (const address of addresses) {
        try {
          const id = await host.connect(address, { signal, timeoutMs: DIAL_MS });
          return [id, `TCP, encryption and muxer agreed with ${id}`];
        } catch (error) {
          last = error;
        }
      }
      const { message } = asHsyncError(last);
      throw failed("PEER_UNREACHABLE", message, "does it run, and do both firewalls let TCP through?");
    });
    const protocols = await trial.step("identify", async (signal) => {
      const list = await within<readonly string[]>(
        (done) => {
          const look = () => {
            const known = named.get(peerId);
            if (known !== undefined) done(known);
          };
          listeners.add(look);
          look();
          return () => listeners.delete(look);
        },
        clock,
        IDENTIFY_MS,
        failed("IDENTIFY_SILENT", "the peer does not say what it speaks", "is it a libp2p node at all?"),
        signal,
      );
      const sync = list.filter((p) => /^\/?harmony\/(epoch)?sync\//.test(p));
      return [
        list,
        `speaks ${list.length} protocols${
          sync.length === 0 ? ", none of them sync" : `: ${sync.join(", ")}`
        }`,
      ];
    });
    return { peerId, protocols };
  } finally {
    off();
  }
}

function notSpoken(id: string, protocols: readonly string[]): HsyncError {
  const sync = protocols.filter((p) => /^\/?harmony\/(epoch)?sync\//.test(p));
  return failed(
    "PROTOCOL_REFUSED",
    `the peer does not speak ${id}`,
    sync.length === 0
      ? "it is a boot node, or it does not serve stream sync; try another peer"
      : `it speaks ${sync.join(", ")}: check --network and --run.shard`,
  );
}

/** Opens the stream, asks height and genesis, and ends it in the orderly way. */
async function converse(
  host: LibP2PHost,
  peerId: string,
  parts: { readonly config: HsyncConfig; readonly params: NetworkParams; readonly clock: SystemClock },
  trial: Trial,
): Promise<number> {
  const { config, params, clock } = parts;
  const store = await openChain({ params, shardId: config.shard, location: { kind: "memory" }, clock });
  const protocol = new SyncProtocol({
    host: onlyKnown(host),
    service: "sync",
    network: params.name,
    shardId: config.shard,
    reader: store,
    caps: { hardLowCap: 0, softLowCap: 0, highCap: 1, discBatch: 1 },
    trusted: [{ peerId, addresses: [] }],
    clock,
    logger: nullLogger,
    meter: nullMeter,
    advertise: false,
  });
  try {
    const height = await trial.step("open, height", async (signal) => {
      const silent = failed(
        "STREAM_SILENT",
        `no stream: the peer takes it and does not answer within ${STREAM_MS / 1000} s`,
        "a Go node does so while it has streams enough, or while it remembers this machine's peer id as a bad one",
      );
      const added = within<number>(
        (done) =>
          protocol.on((event) => {
            if (event.type === "height" && event.id === peerId) done(event.height);
          }),
        clock,
        STREAM_MS,
        silent,
        signal,
      );
      await protocol.start();
      const answer = await added;
      return [answer, `the peer is at block ${answer}`];
    });
    await trial.step("genesis", async (signal) => {
      const ours = params.genesisBlock(config.shard).hash;
      const { value } = await protocol.client.getBlockHashes([0], {
        signal,
        waitMs: 5_000,
        timeoutMs: 15_000,
      });
      const theirs = value[0];
      if (theirs === undefined) return [undefined, "the peer does not have block 0"];
      if (to0x(theirs) === to0x(ours)) return [undefined, "the same chain as ours"];
      throw failed(
        "OTHER_CHAIN",
        `its chain begins with ${to0x(theirs)}, ours with ${to0x(ours)}`,
        "it is another network of the same name",
      );
    });
    return height;
  } finally {
    await leaveNetwork(host, [protocol]);
    await store.close();
  }
}

/** Runs the trial. @throws {HsyncError} of the step that failed, exit code 1 */
export async function tryPeer(loaded: LoadedConfig, options: PeerTrialOptions, io: CliIo): Promise<ExitCode> {
  const { config } = loaded;
  const clock = new SystemClock();
  const abort = new AbortController();
  const off = io.onStop(() => abort.abort());
  const params = paramsOf(config);
  const trial = new Trial(clock, abort.signal, (s) => {
    if (!options.json) {
      io.out(`${s.ok ? "ok  " : "FAIL"}  ${s.step.padEnd(13)} ${String(s.ms).padStart(6)} ms  ${s.text}`);
    }
  });
  const id = protocolId("sync", params.name, config.shard);
  const identity = await newIdentity();
  if (!options.json) io.out(`asking for ${id} as ${identity.peerId}, an identity for this once`);
  let height: number | undefined;
  try {
    const addresses = await trial.step("resolve", (signal) => resolve(options.address, signal));
    const host = await createHost({
      identity,
      ip: config.p2p.ip.includes(":") ? "::1" : "127.0.0.1",
      port: 0,
      userAgent: `hsync/${BUILD.version}`,
      privateNetwork: true,
      servesDht: false,
      muxers: config.p2p.muxers,
      dialTimeoutMs: DIAL_MS,
      clock,
    });
    try {
      const { peerId, protocols } = await meet(host, addresses, clock, trial);
      if (!protocols.includes(id)) throw notSpoken(id, protocols);
      height = await converse(host, peerId, { config, params, clock }, trial);
    } finally {
      await host.stop();
    }
  } finally {
    off();
    if (options.json) {
      io.out(JSON.stringify({ schema: 1, protocol: id, height: height ?? null, steps: trial.steps }));
    }
  }
  if (!options.json) io.out(`the peer can be synchronised from, up to block ${height}`);
  return ExitCode.OK;
}
