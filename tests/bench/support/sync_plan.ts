/**
 * What the processes of the sync benchmark tell each other.
 *
 * Why it exists: servers and client each make the same network from the same seed, so that only addresses travel
 * between them. What must stay true: nothing here depends on the process it runs in.
 */
import { WasmBls } from "../../../src/crypto/mod.ts";
import { FLAGS, loadConfig, type LoadedConfig, parseArgv } from "../../../src/config/mod.ts";
import { blsSigner, type TestNetwork, testNetwork } from "../../builder/mod.ts";

/** The chain of a run. */
export interface ChainPlan {
  readonly seed: number;
  /** Blocks above genesis. */
  readonly length: number;
  readonly bytesPerBlock: number;
  readonly epochLength: number;
  /** Slots of the committee. */
  readonly slots: number;
  /** With real signatures; without, keys and signatures are noise. */
  readonly signed: boolean;
}

/** To the process of the servers, one JSON line each; its end of input ends it. */
export interface ServersCommand {
  /** 0: none any more. */
  readonly servers: number;
  /** `go`: the Go node's limits. */
  readonly limits: "none" | "go";
}

/** From it: what stands now. */
export interface ServersReady {
  /** Processor time since the command before, all threads. */
  readonly cpuSeconds: number;
  /** A node that serves no blocks. */
  readonly boot: string;
  readonly servers: readonly string[];
}

/** What a client process is to do. */
export interface ClientPlan {
  readonly chain: ChainPlan;
  /** Whom it knows, and how it is to work. */
  readonly flags: readonly string[];
  /** Ends there instead of at the target. */
  readonly stopAt?: number;
  /** Gives up then. */
  readonly limitSeconds: number;
  /** Where a V8 profile goes. */
  readonly profile?: string;
}

/** What a client process measured. */
export interface ClientResult {
  readonly blocks: number;
  /** From the start of the node to the last commit. */
  readonly seconds: number;
  /** From the first stream to the last commit. */
  readonly syncSeconds: number;
  /** Processor time of all threads over the whole run. */
  readonly cpuSeconds: number;
  /** Loading the program, before the node starts. */
  readonly importMs: number;
  /** From the start of the node. */
  readonly firstStreamMs: number;
  readonly firstCommitMs: number;
  readonly rssBytes: number;
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
  readonly assurance: string;
}

/** The network of a plan. */
export async function networkOf(plan: ChainPlan): Promise<TestNetwork> {
  const reservedSlots = Math.max(1, Math.floor(plan.slots / 3));
  return testNetwork({
    seed: plan.seed,
    epochLength: plan.epochLength,
    reservedSlots,
    electedSlots: plan.slots - reservedSlots,
    ...(plan.signed ? { signer: blsSigner(await WasmBls.create()) } : {}),
  });
}

/** A node on loopback that keeps everything below `dir`. */
export function configOf(dir: string, more: readonly string[]): LoadedConfig {
  const flags = [
    "--network=localnet",
    "--run.shard=0",
    `--datadir=${dir}`,
    "--p2p.ip=127.0.0.1",
    "--p2p.port=0",
    `--p2p.keyfile=${dir}/.hmykey`,
    "--prometheus=false",
    ...more,
  ];
  return loadConfig({ flags: parseArgv(flags, FLAGS).flags, env: () => undefined });
}

/** Lines of a stream. */
export async function* lines(source: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of source.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
}
