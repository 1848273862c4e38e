/**
 * One simulated minute of a network of twenty, told by a seed.
 *
 * Why it exists: discovery, streams, requests, downloads, verdicts and the store meet latency, loss, churn, restarts and
 * liars all at once, in an order that nobody thought of. What must stay true: the seed decides everything; what is
 * asserted holds for every seed.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { equalBytes, nullLogger, nullMeter, SeededRandom } from "../../../src/base/mod.ts";
import { MAX_WAITING, SETUP_CONCURRENCY } from "../../../src/stream/constants.ts";
import { protocolId, type StreamEvent, SyncProtocol } from "../../../src/stream/mod.ts";
import { SimNetwork } from "../../stream/support/sim_network.ts";
import type { LinkProfile } from "../../stream/support/sim_stream.ts";
import { END, HONEST, LIARS, MuteChain, START } from "./chain.ts";
import { SimClock } from "./clock.ts";
import { ServedChain } from "./served_chain.ts";
import { CAPS, FullNode, MAX_RESERVED } from "./full_node.ts";

const NODES = 20;
const MINUTE_MS = 60_000;
/** Until then hosts lose their network and nodes are restarted. */
const CHURN_UNTIL_MS = 40_000;
const BLOCK_MS = 2_000;
/** A node that is behind, gets no further and does not say what it waits for, for this long, is silent. */
const SILENCE_MS = 15_000;

/** What a run left behind. */
export interface Story {
  readonly seed: number;
  /** Of everything that happened, in order. */
  readonly hash: string;
  readonly log: readonly string[];
  /** When the last node reached the head, virtual ms. */
  readonly reachedAt: number;
  /** Who was what. */
  readonly cast: string;
}

/** A node that only serves: a validator, an old or pruned node, a liar. */
interface Server {
  readonly name: string;
  readonly honest: boolean;
  readonly chain: ServedChain;
  readonly protocol: SyncProtocol;
  readonly id: string;
}

/** Looks at a running node once a virtual second: how a replay is debugged. */
export type Watcher = (name: string, node: FullNode, nowMs: number, nameOf: (peer: string) => string) => void;

class Play {
  readonly clock = new SimClock();
  readonly random: SeededRandom;
  readonly network: SimNetwork;
  readonly log: string[] = [];
  readonly servers: Server[] = [];
  readonly nodes: FullNode[] = [];
  readonly #liars = new Set<string>();
  readonly #names = new Map<string, string>();
  readonly #links = new Map<string, LinkProfile>();
  /** Height of a node, and when it last had it, was content or said what it waits for. */
  readonly #progress = new Map<FullNode, { head: number; at: number }>();
  readonly #work = new Set<Promise<void>>();
  #nextId = 0n;
  #failure: unknown;

  constructor(readonly seed: number, readonly watch: Watcher) {
    this.random = new SeededRandom(seed);
    this.network = new SimNetwork({
      clock: this.clock,
      random: this.random,
      link: (from, to) => this.#link(from, to),
    });
    this.#castRoles();
  }

  #link(from: string, to: string): LinkProfile {
    const key = [from, to].sort().join();
    const known = this.#links.get(key);
    if (known !== undefined) return known;
    // Squared, so that near links are as common as far ones.
    const latencyMs = Math.round(5 + 495 * this.random.next() ** 2);
    const link = {
      latencyMs,
      jitterMs: latencyMs / 4,
      loss: 0.05,
      resendMs: 2 * latencyMs + 200,
      bytesPerMs: 100,
    };
    this.#links.set(key, link);
    return link;
  }

  #castRoles(): void {
    const { random } = this;
    const validators = 5 + random.int(4);
    for (let i = 0; i < validators; i++) this.#server(`validator${i}`, true, new ServedChain(HONEST, START));
    this.#server("old", true, new ServedChain(HONEST, START - 20 - random.int(60)));
    this.#server("pruned", true, new ServedChain(HONEST, START, START - 30));
    const kinds = random.shuffle(Object.keys(LIARS)).slice(0, 1 + random.int(4));
    for (const kind of kinds) this.#server(kind, false, (LIARS[kind] as () => ServedChain)());
    while (this.servers.length + this.nodes.length < NODES) this.#node(`node${this.nodes.length}`);
  }
  #say(who: string, text: string): void {
    this.log.push(`${Math.round(this.clock.monotonic())} ${who} ${text}`);
  }
  #server(name: string, honest: boolean, chain: ServedChain): void {
    const host = this.network.host();
    this.#names.set(host.peerId, name);
    if (!honest) this.#liars.add(host.peerId);
    const protocol = new SyncProtocol({
      host,
      service: "sync",
      network: "localnet",
      shardId: 0,
      reader: chain,
      caps: CAPS,
      maxReserved: MAX_RESERVED,
      clock: this.clock,
      logger: nullLogger,
      meter: nullMeter,
      random: this.random,
      newId: () => ++this.#nextId,
    });
    protocol.on((event) => this.#onStream(name, event));
    this.servers.push({ name, honest, chain, protocol, id: host.peerId });
  }
  #node(name: string): void {
    const host = this.network.host();
    this.#names.set(host.peerId, name);
    const node = new FullNode({
      host,
      clock: this.clock,
      random: this.random,
      newId: () => ++this.#nextId,
      onStart: ({ protocol, driver }) => {
        this.#say(name, "starts");
        this.#progress.delete(node);
        protocol.on((event) => this.#onStream(name, event));
        driver.on((event) => {
          if (event.type === "state") this.#say(name, `${event.previous} -> ${event.state}`);
          else if (event.type === "committed") this.#say(name, `head ${event.head.number}`);
          else if (event.type === "failed") this.#fail(event.error);
        });
      },
    });
    this.nodes.push(node);
  }
  #onStream(who: string, event: StreamEvent): void {
    const whom = this.#names.get(event.id) ?? event.id;
    if (event.type === "height") return this.#say(who, `height ${whom} ${event.height}`);
    if (event.type === "added") return this.#say(who, `+ ${whom}`);
    this.#say(who, `- ${whom} ${event.reason} ${event.fault}${event.critical ? " critical" : ""}`);
    if (event.critical && !this.#liars.has(event.id)) {
      this.#fail(new Error(`${who} punishes ${whom}, who is honest: ${event.reason}, ${event.fault}`));
    }
  }
  #fail(error: unknown): void {
    this.#failure ??= error;
  }
  /** Lets something go on in virtual time. */
  #start(work: Promise<void>): void {
    const job = work.catch((error: unknown) => this.#fail(error)).finally(() => this.#work.delete(job));
    this.#work.add(job);
  }

  async run(): Promise<number> {
    const { clock, random } = this;
    for (const { protocol } of this.servers) {
      clock.after(random.int(2_000), () => this.#start(protocol.start()));
    }
    for (const node of this.nodes) clock.after(random.int(8_000), () => this.#start(node.start()));
    for (let at = 0; at < MINUTE_MS; at += 1_000) {
      if (at > 0 && at % BLOCK_MS === 0) this.#produce();
      if (at >= 5_000 && at < CHURN_UNTIL_MS && at % 4_000 === 0) this.#churn();
      await clock.pass(1_000);
      if (this.#failure !== undefined) throw this.#failure;
      this.#look();
      if (this.#allThere()) break;
    }
    return clock.monotonic();
  }
  /** The validators take a block; not all of them in the same moment. */
  #produce(): void {
    for (const { name, chain } of this.servers) {
      if (!name.startsWith("validator") || chain.height >= END) continue;
      const next = chain.height + 1;
      this.clock.after(this.random.int(500), () => chain.height = next);
    }
  }
  #churn(): void {
    const { clock, random } = this;
    const pause = 1_000 + random.int(9_000);
    const all = [...this.network.hosts.values()];
    const host = all[random.int(all.length)];
    if (host !== undefined && host.isUp) {
      this.#say(this.#names.get(host.peerId) ?? "", "loses its network");
      host.down();
      clock.after(pause, () => host.up());
    }
    const node = this.nodes[random.int(this.nodes.length)];
    if (node === undefined || !node.running || random.next() < 0.5) return;
    this.#say(this.#names.get(node.host.peerId) ?? "", "is restarted");
    this.#start(node.stop().then(() => clock.sleep(pause)).then(() => node.start()));
  }

  /** What must hold at any time. */
  #look(): void {
    for (const node of this.nodes) {
      if (!node.running) continue;
      const name = this.#names.get(node.host.peerId);
      const { active, reserved, connecting, requests, list } = node.protocol.snapshot();
      assert.ok(
        active <= CAPS.highCap && reserved <= MAX_RESERVED,
        `${name} has ${active} + ${reserved} streams`,
      );
      assert.ok(connecting <= SETUP_CONCURRENCY, `${name} sets up ${connecting} streams`);
      assert.ok(
        Math.max(requests.waitingHigh, requests.waitingLow) <= MAX_WAITING,
        `${name} queues too much`,
      );
      assert.ok(
        requests.pending <= active + reserved + 1,
        `${name} has ${requests.pending} requests in flight`,
      );
      assert.equal(node.meter.waiting, requests.waitingHigh + requests.waitingLow, `${name}: the gauge`);
      assert.ok(
        requests.oldestWaitingMs <= 60_000,
        `${name}: a request waits ${requests.oldestWaitingMs} ms`,
      );
      const placed = list.filter((s) => s.state === "active" || s.state === "reserved");
      assert.equal(
        new Set(placed.map((s) => s.id)).size,
        placed.length,
        `${name} has two streams to one peer`,
      );
      this.#heed(node, name ?? "");
    }
    for (const host of this.network.hosts.values()) {
      for (const stream of host.streams) {
        assert.ok(stream.unread <= 512 * 1024, `${stream.unread} bytes unread`);
      }
    }
  }
  /** Nothing waits silently. */
  #heed(node: FullNode, name: string): void {
    const now = this.clock.monotonic();
    const head = node.store.head().number;
    this.watch(name, node, now, (peer) => this.#names.get(peer) ?? peer);
    const { waiting, diagnosis, target } = node.driver.status();
    const before = this.#progress.get(node);
    const content = target !== undefined && target.height <= head;
    if (before?.head !== head || content || waiting.length > 0 || diagnosis.length > 0) {
      this.#progress.set(node, { head, at: now });
    } else {
      const ms = now - before.at;
      assert.ok(
        ms < SILENCE_MS,
        `${name} stands at ${head} of ${target?.height} for ${ms} ms and does not say why`,
      );
    }
  }
  #allThere(): boolean {
    return this.nodes.every((node) => node.running && node.store.head().number === END);
  }

  /** Everybody is at the head, with the honest chain below. */
  async finish(): Promise<void> {
    for (const node of this.nodes) {
      const name = this.#names.get(node.host.peerId);
      assert.ok(node.running, `${name} is not back`);
      const { number, hash } = node.store.head();
      const why = JSON.stringify(node.driver.status().diagnosis);
      assert.equal(number, END, `${name} stands at ${number} of ${END}: ${why}`);
      assert.ok(equalBytes(hash, HONEST[END]?.hash ?? hash.subarray(1)), `${name} is on another chain`);
      assert.equal((await node.store.recordAt(END))?.assurance, "signed");
    }
  }
  /** Ends everything; no timer may be left. */
  async close(): Promise<void> {
    for (const { chain } of this.servers) if (chain instanceof MuteChain) chain.release();
    for (const host of this.network.hosts.values()) host.up();
    while (this.#work.size > 0) await this.clock.pass(1_000);
    const stopping = Promise.all([
      ...this.nodes.map((n) => n.stop()),
      ...this.servers.map((s) => s.protocol.stop()),
    ]);
    await this.clock.pass(30_000);
    await stopping;
  }
  get cast(): string {
    return this.servers.map((s) => s.name).join(" ");
  }
}

/** Plays a seed. @throws {Error} with the seed in its message when something does not hold. */
export async function play(seed: number, watch: Watcher = () => {}): Promise<Story> {
  const stage = new Play(seed, watch);
  let reachedAt = Infinity;
  let problem: unknown;
  try {
    reachedAt = await stage.run();
    await stage.finish();
  } catch (error) {
    problem = error;
  }
  await stage.close();
  if (problem === undefined && stage.clock.pending > 0) {
    problem = new Error(`${stage.clock.pending} timers are left`);
  }
  if (problem !== undefined) {
    const text = problem instanceof Error ? problem.message : String(problem);
    throw new Error(`seed ${seed} (${stage.cast}): ${text}`, { cause: { problem, log: stage.log } });
  }
  const hash = createHash("sha256").update(stage.log.join("\n")).digest("hex");
  return { seed, hash, log: stage.log, reachedAt, cast: stage.cast };
}

/** The topic of all nodes, for those who look into the network. */
export const TOPIC = protocolId("sync", "localnet", 0);
