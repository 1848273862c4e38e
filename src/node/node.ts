/**
 * The running node: builds the graph of parts, starts and stops it in order.
 *
 * Why it exists: no other folder knows all parts. The calls that go against the stream of imports are wired here: the
 * stream server reads the store, the pipeline reports to the stream manager, cooldowns are remembered in the store.
 * What must stay true: parts start from the bottom up and stop from the top down; a start that fails leaves nothing
 * running; `stop` may be called at any time, any number of times.
 */
import { cancelled, type Clock, HsyncError, type Logger, type Random } from "../base/mod.ts";
import {
  buildStatus,
  type HttpServer,
  readProcess,
  type RecentErrors,
  reportStatus,
  serveAdmin,
  type StatusDocument,
} from "../api/mod.ts";
import { decodeHeader, type Header, type NetworkParams } from "../chain/mod.ts";
import type { LoadedConfig } from "../config/mod.ts";
import { createHost, type LibP2PHost } from "../p2p/mod.ts";
import { type ChainStore, storeDirectory } from "../store/mod.ts";
import { leaveNetwork, type SyncProtocol } from "../stream/mod.ts";
import { DiagnosisLog, SyncDriver } from "../sync/mod.ts";
import { adminActions } from "./admin_actions.ts";
import { endAll, type NodeBase, openBase, type Undo } from "./base.ts";
import { paramsOf } from "./chain.ts";
import { type Conflict, conflictOf, standingConflictOf } from "./conflicts.ts";
import { openListeners } from "./http.ts";
import { hostOptions } from "./network_parts.ts";
import { StreamServices } from "./services.ts";
import { sourceTopics } from "./source_headers.ts";
import { headHeader, NO_HOST, statusParts } from "./status.ts";
import { type Judge, makeVerifier } from "./verifier.ts";

export interface NodeOptions {
  readonly loaded: LoadedConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly errors: RecentErrors;
  /** Default: those of the configured network. Tests pass a network of their own. */
  readonly params?: NetworkParams;
  /** Default: the configured store, opened and closed by the node. One that is passed in stays open. */
  readonly store?: ChainStore;
  /** Gives up a start that is under way; a node that runs is ended with `stop`. */
  readonly signal?: AbortSignal;
  /** Told what the start is about. */
  readonly onStep?: (what: string) => void;
  /** Told once the node is on the network; what the start does after that may wait for peers. */
  readonly onJoined?: (node: HsyncNode) => void;
}

/** How often a long check of the stored blocks is logged. */
const CHECK_LOG_MS = 10_000;

export class HsyncNode {
  readonly startedAt: number;
  readonly #undo: Undo[] = [];
  #stopped: Promise<void> | undefined;
  #head!: Header;
  #startHeight = 0;
  #base!: NodeBase;
  #judge!: Judge;
  #services!: StreamServices;
  #host!: LibP2PHost;
  #driver: SyncDriver | undefined;
  #joined = false;
  /** Found by an earlier run. */
  #standing: Conflict | undefined;
  readonly #findings = new DiagnosisLog();
  /** Ends the start when the node is stopped meanwhile. */
  readonly #abort = new AbortController();
  readonly #signal: AbortSignal;
  #http: HttpServer | undefined;
  #starting: { readonly what: string; readonly since: number } | undefined;

  private constructor(private readonly options: NodeOptions, readonly params: NetworkParams) {
    this.startedAt = options.clock.now();
    this.#starting = { what: "starting", since: this.startedAt };
    const { signal } = this.#abort;
    this.#signal = options.signal === undefined ? signal : AbortSignal.any([signal, options.signal]);
  }

  /**
   * Starts everything that the configuration asks for. With a checkpoint that the chain has yet to begin at, this waits until a
   * peer has given that block.
   * @throws {HsyncError} what the parts throw: port in use, key file, store, configuration, CHECKPOINT_CONFLICT,
   * CHECKPOINT_INVALID; STOP_AT_PASSED; CANCELLED when the signal or `stop` came first. Nothing is left running then.
   */
  static async start(options: NodeOptions): Promise<HsyncNode> {
    const node = new HsyncNode(options, options.params ?? paramsOf(options.loaded.config));
    try {
      await node.#start();
      node.#starting = undefined;
    } catch (error) {
      await node.stop();
      throw error;
    }
    return node;
  }

  get store(): ChainStore {
    return this.#base.store;
  }
  get host(): LibP2PHost {
    return this.#host;
  }
  /** The pipeline; undefined on a node that only serves. */
  get driver(): SyncDriver | undefined {
    return this.#driver;
  }
  /** The stream protocol of the node's own chain. */
  get protocol(): SyncProtocol {
    return this.#services.own;
  }
  /** Protocol ids without a leading slash, the node's own chain first. */
  get topics(): readonly string[] {
    return this.#services.protocols.map((p) => p.id);
  }
  get statusUrl(): string | undefined {
    return this.#http?.url;
  }
  /** Why the chain must not go on, where two of its blocks contradict each other; the node serves all the same. */
  get conflict(): Conflict | undefined {
    return this.#standing ?? conflictOf(this.#driver?.failed, this.#base.evidence);
  }
  get startHeight(): number {
    return this.#startHeight;
  }

  /** @throws {HsyncError} CANCELLED */
  #step(what: string): void {
    if (this.#signal.aborted) throw cancelled(`starting (${what})`);
    this.#starting = { what, since: this.options.clock.now() };
    this.options.onStep?.(what);
  }

  async #start(): Promise<void> {
    const { loaded, clock, logger } = this.options;
    this.#step("opening the store");
    const { config } = loaded;
    const { params } = this;
    const base = await openBase({
      config,
      params,
      clock,
      logger,
      startedAt: this.startedAt,
      ownChain: config.sync.client,
      topics: sourceTopics(config, params),
      store: this.options.store,
      undo: this.#undo,
    });
    this.#base = base;
    this.#makeJudge();
    this.#head = await headHeader(this.store);

    const { metrics } = base;
    this.#undo.push(reportStatus(metrics, () => this.status()));
    // The listener before the network: a port in use must not cost peers a connection.
    this.#http = openListeners({
      loaded,
      clock,
      logger,
      metrics,
      status: () => this.status(),
      tickedAt: base.tickedAt,
      undo: this.#undo,
    });
    await this.#checkStored();

    this.#step("joining the network");
    this.#host = await createHost(hostOptions(config, params, base.identity, this.options));
    this.#undo.push(() => leaveNetwork(this.#host, this.#services.protocols));

    await this.#services.start(this.#host);
    await this.#serveAdmin();
    this.#joined = true;
    this.options.onJoined?.(this);
    if (config.sync.client) {
      await this.#beginChain();
      this.#startDriver();
    }
  }

  /** What decides about blocks: certificates, the checkpoints, and on other shards than 0 the beacon chain. */
  #makeJudge(): void {
    const { loaded: { config }, clock, logger } = this.options;
    const { params } = this;
    const { store, evidence, certificates, epochs, traffic } = this.#base;
    const { anchors, beaconStateAt } = epochs;
    this.#judge = makeVerifier({
      params,
      store,
      config: config.sync,
      logger: logger.child("sync"),
      clock,
      meter: traffic,
      evidence,
      certificates,
      anchors,
      ...(config.shard === 0 ? {} : { beaconStateAt }),
    });
    this.#undo.push(() => this.#judge.close());
    const { random } = this.options;
    const parts = { clock, random, logger, meter: traffic };
    this.#services = new StreamServices({ config, params, store, epochs, parts, undo: this.#undo });
  }

  /** Nothing is served, and nothing built upon, before it is known to be certified. */
  async #checkStored(): Promise<void> {
    const { clock, logger } = this.options;
    this.#step("checking the stored blocks");
    let toldAt = clock.monotonic();
    await this.#judge.prepare(this.#signal, ({ number, to }) => {
      const what = `checking the stored blocks: ${number} of ${to}`;
      this.#starting = { what, since: this.#starting?.since ?? clock.now() };
      if (clock.monotonic() - toldAt < CHECK_LOG_MS) return;
      toldAt = clock.monotonic();
      logger.info("checking the stored blocks", { number, to });
      this.options.onStep?.(what);
    });
    const { anchors } = this.#judge;
    this.#standing = await standingConflictOf(this.store, anchors, this.#base.evidence, logger.child("sync"));
    await this.#beginAtHead();
  }

  /** The run counts from the stored head. @throws {HsyncError} STOP_AT_PASSED */
  async #beginAtHead(): Promise<void> {
    this.#head = await headHeader(this.store);
    this.#startHeight = this.#head.number;
    this.#mustNotPass(this.#startHeight, `the stored head, block ${this.#startHeight}`);
  }
  /** @throws {HsyncError} STOP_AT_PASSED: the run would begin above the block that it is to stop at */
  #mustNotPass(number: number, what: string): void {
    const { stopAt } = this.options.loaded.config.run;
    if (stopAt === undefined || stopAt >= number) return;
    const kept = this.#base.epochs.awaited === undefined && stopAt >= this.store.lowest();
    throw new HsyncError("STOP_AT_PASSED", `--stop-at ${stopAt} is below ${what}`, {
      hint: kept
        ? `name a higher block, or take blocks away with \`hsync db unwind --to ${stopAt}\``
        : "name a higher block: there are none below a checkpoint",
    });
  }

  /** The operator's socket. A node that cannot have one runs all the same. */
  async #serveAdmin(): Promise<void> {
    const { loaded: { config }, logger, random } = this.options;
    // Whoever opened the store holds its lock, and with it the right to the socket.
    if (this.options.store !== undefined) return;
    const log = logger.child("api");
    try {
      const server = await serveAdmin(storeDirectory(config.dataDir, config.shard), {
        actions: adminActions(this.#services.protocols, log),
        status: () => this.status(),
        onError: (error) => log.error("an operator's request failed", { error }),
        random,
      });
      this.#undo.push(() => server.close());
    } catch (error) {
      if (!(error instanceof HsyncError)) throw error;
      log.warn(`commands to the running node are not possible: ${error.message}`, { hint: error.hint });
    }
  }

  /** Gets the block that the chain begins with, if the operator named one and it has not begun. */
  async #beginChain(): Promise<void> {
    const { awaited } = this.#base.epochs;
    const { own } = this.#base.epochs.checkpoints;
    if (awaited === undefined || own === undefined) return;
    this.#mustNotPass(own.number, `the checkpoint ${awaited}`);
    this.#step(`waiting for the checkpoint block ${awaited}`);
    await this.#base.epochs.beginChain(this.protocol, this.#signal);
    await this.#beginAtHead();
    this.#step("synchronising");
  }

  #startDriver(): void {
    const { clock, logger, loaded } = this.options;
    const { sync, shard, run } = loaded.config;
    const { follower, history, bodies } = this.#services;
    const driver = new SyncDriver({
      store: this.store,
      peers: this.protocol,
      params: this.params,
      config: sync,
      verifier: this.#judge.verifier,
      clock,
      logger: logger.child("sync"),
      meter: this.#base.traffic,
      ...(run.stopAt === undefined ? {} : { stopAt: run.stopAt }),
      ...(follower === undefined ? {} : { epochs: follower }),
    });
    this.#driver = driver;
    void this.#base.epochs.failure.then((error) => driver.fail(error));
    this.#undo.push(driver.on((event) => {
      if (event.type !== "committed") return;
      history.look();
      bodies?.prover.notice();
      void this.#refreshHead();
    }));
    this.#undo.push(() => driver.stop());
    if (this.#standing !== undefined) return driver.fail(this.#standing.error);
    driver.start();
    logger.debug("synchronising", { shard });
  }

  async #refreshHead(): Promise<void> {
    try {
      const bytes = await this.store.headerAt(this.store.head().number);
      if (bytes !== undefined) this.#head = decodeHeader(bytes);
    } catch (error) {
      // The store closes while the last commit is announced; the page then shows the head before it.
      if (!(error instanceof HsyncError)) throw error;
    }
  }

  /** The `/status` document now. */
  status(): StatusDocument {
    return buildStatus(
      statusParts({
        loaded: this.options.loaded,
        clock: this.options.clock,
        startedAt: this.startedAt,
        startHeight: this.#startHeight,
        peerId: this.#host?.peerId ?? "",
        host: this.#host?.status() ?? NO_HOST,
        protocols: this.#services.protocols.map((p) => p.snapshot()),
        ...this.#base.status(),
        head: this.#head,
        sync: this.#driver?.status(),
        starting: this.#starting,
        joined: this.#joined,
        bodies: this.#services.bodies?.status(),
        unadvertised: this.#services.history.missing(),
        conflict: this.conflict,
        findings: this.#findings,
        stopping: this.#stopped !== undefined,
        errors: this.options.errors,
      }),
      readProcess(),
    );
  }

  /** Bytes read from peers a second, lately. */
  bytesPerSecond(): number {
    return this.#base.traffic.bytesPerSecond();
  }

  /** Stops everything in reverse order. Never rejects: a part that cannot stop cleanly is logged. */
  stop(): Promise<void> {
    this.#abort.abort();
    this.#stopped ??= endAll(this.#undo, this.options.logger);
    return this.#stopped;
  }
}
