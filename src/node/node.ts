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
  BUILD,
  buildStatus,
  EventLoopMonitor,
  type HttpServer,
  Metrics,
  readProcess,
  type RecentErrors,
  reportProcess,
  reportStatus,
  serveAdmin,
  serveHttp,
  type StatusDocument,
  TrafficMeter,
} from "../api/mod.ts";
import { decodeHeader, type Header, type NetworkParams } from "../chain/mod.ts";
import type { LoadedConfig } from "../config/mod.ts";
import { createHost, type LibP2PHost, loadIdentity } from "../p2p/mod.ts";
import { type ChainStore, storeDirectory } from "../store/mod.ts";
import { protocolId, SyncProtocol } from "../stream/mod.ts";
import { SyncDriver } from "../sync/mod.ts";
import { adminActions } from "./admin_actions.ts";
import { openConfiguredChain, paramsOf, storeLocationOf } from "./chain.ts";
import { EvidenceFiles } from "./evidence.ts";
import { epochProtocol, hostOptions, ownProtocol } from "./network_parts.ts";
import { headHeader, statusParts } from "./status.ts";
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
}

/** How often a long check of the stored blocks is logged. */
const CHECK_LOG_MS = 10_000;

export class HsyncNode {
  readonly startedAt: number;
  readonly #undo: Array<() => Promise<void> | void> = [];
  #stopped: Promise<void> | undefined;
  #head!: Header;
  #startHeight = 0;
  #store!: ChainStore;
  #judge!: Judge;
  #host!: LibP2PHost;
  readonly #protocols: SyncProtocol[] = [];
  #driver: SyncDriver | undefined;
  #http: HttpServer | undefined;
  #lag!: EventLoopMonitor;
  #traffic!: TrafficMeter;
  #tickedAt: number;
  #starting: { readonly what: string; readonly since: number } | undefined;

  private constructor(private readonly options: NodeOptions, readonly params: NetworkParams) {
    this.startedAt = options.clock.now();
    this.#tickedAt = options.clock.monotonic();
    this.#starting = { what: "starting", since: this.startedAt };
  }

  /**
   * Starts everything that the configuration asks for.
   * @throws {HsyncError} what the parts throw: port in use, key file, store, configuration; STOP_AT_PASSED; CANCELLED
   * when the signal came first. Nothing is left running then.
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
    return this.#store;
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
    return this.#protocols[0] as SyncProtocol;
  }
  /** Protocol ids without a leading slash, the node's own chain first. */
  get topics(): readonly string[] {
    return this.#protocols.map((p) => p.id);
  }
  get statusUrl(): string | undefined {
    return this.#http?.url;
  }
  get startHeight(): number {
    return this.#startHeight;
  }

  /** @throws {HsyncError} CANCELLED */
  #step(what: string): void {
    if (this.options.signal?.aborted === true) throw cancelled(`starting (${what})`);
    this.#starting = { what, since: this.options.clock.now() };
    this.options.onStep?.(what);
  }

  async #start(): Promise<void> {
    const { loaded, clock, logger } = this.options;
    this.#step("opening the store");
    const { config } = loaded;
    const { params } = this;
    const identity = await loadIdentity(config.p2p.keyFile, logger.child("p2p"));
    const topics = [protocolId("sync", params.name, config.shard)];
    if (config.shard === 0) topics.push(protocolId("epochsync", params.name, 0));
    const metrics = new Metrics({
      shards: [...new Set([config.shard, 0])],
      topics,
      strict: false,
      logger: logger.child("api"),
    });
    this.#traffic = new TrafficMeter(metrics, clock);

    this.#store = this.options.store ?? await openConfiguredChain(config, {
      clock,
      logger: logger.child("store"),
      meter: this.#traffic,
      peerId: identity.peerId,
    });
    if (this.options.store === undefined) this.#undo.push(() => this.#store.close());
    this.#judge = makeVerifier({
      params,
      store: this.#store,
      config: config.sync,
      logger: logger.child("sync"),
      clock,
      evidence: new EvidenceFiles(
        `${storeDirectory(config.dataDir, config.shard)}/evidence`,
        logger.child("sync"),
      ),
    });
    this.#undo.push(() => this.#judge.close());
    this.#head = await headHeader(this.#store);

    this.#lag = new EventLoopMonitor(clock);
    this.#undo.push(() => this.#lag.stop());
    this.#undo.push(clock.every(1_000, () => {
      this.#tickedAt = clock.monotonic();
    }));
    const { version, commit, deno, target } = BUILD;
    this.#undo.push(reportProcess(metrics, { version, commit, deno, target }, this.startedAt));
    this.#undo.push(reportStatus(metrics, () => this.status()));
    // The listener before the network: a port in use must not cost peers a connection.
    this.#serveHttp(metrics);
    await this.#checkStored();

    this.#step("joining the network");
    this.#host = await createHost(hostOptions(config, params, identity, this.options));
    this.#undo.push(() => this.#host.stop());

    await this.#startProtocols();
    if (config.sync.client) this.#startDriver();
    await this.#serveAdmin();
  }

  /** Nothing is served, and nothing built upon, before it is known to be certified. */
  async #checkStored(): Promise<void> {
    const { clock, logger, signal, loaded: { config: { run } } } = this.options;
    this.#step("checking the stored blocks");
    let toldAt = clock.monotonic();
    await this.#judge.prepare(signal, ({ number, to }) => {
      const what = `checking the stored blocks: ${number} of ${to}`;
      this.#starting = { what, since: this.#starting?.since ?? clock.now() };
      if (clock.monotonic() - toldAt < CHECK_LOG_MS) return;
      toldAt = clock.monotonic();
      logger.info("checking the stored blocks", { number, to });
      this.options.onStep?.(what);
    });
    this.#head = await headHeader(this.#store);
    this.#startHeight = this.#head.number;
    if (run.stopAt !== undefined && run.stopAt < this.#startHeight) {
      throw new HsyncError(
        "STOP_AT_PASSED",
        `--stop-at ${run.stopAt} is below the stored head, block ${this.#startHeight}`,
        { hint: `name a higher block, or take blocks away with \`hsync db unwind --to ${run.stopAt}\`` },
      );
    }
  }

  #serveHttp(metrics: Metrics): void {
    const { loaded, clock, logger } = this.options;
    const { prometheus, status } = loaded.config;
    const log = logger.child("api");
    const routes = {
      metrics,
      provider: {
        status: () => this.status(),
        sinceTickMs: () => clock.monotonic() - this.#tickedAt,
        settings: () => ({ values: loaded.values, origins: loaded.origins, notices: loaded.notices }),
      },
      monotonic: () => clock.monotonic(),
      public: status.public,
      off: status.off,
      hosts: status.hosts,
      onError: (error: unknown) => log.error("answering an HTTP request failed", { error }),
    };
    if (prometheus.enabled) {
      this.#http = serveHttp(prometheus, routes, "--prometheus.port");
      const server = this.#http;
      this.#undo.push(() => server.close());
    }
    if (status.listen !== undefined) {
      const server = serveHttp(status.listen, routes, "--status.addr");
      this.#http ??= server;
      this.#undo.push(() => server.close());
    }
  }

  /** The operator's socket. A node that cannot have one runs all the same. */
  async #serveAdmin(): Promise<void> {
    const { loaded: { config }, logger, random } = this.options;
    // Whoever opened the store holds its lock, and with it the right to the socket.
    if (this.options.store !== undefined) return;
    const log = logger.child("api");
    try {
      const server = await serveAdmin(storeDirectory(config.dataDir, config.shard), {
        actions: adminActions(this.#protocols, log),
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

  async #startProtocols(): Promise<void> {
    const { clock, random, logger, loaded: { config } } = this.options;
    const { sync, shard } = config;
    if (!sync.enabled && !sync.client) return;
    const parts = { clock, random, logger, meter: this.#traffic };
    const host = this.#host;
    await this.#startProtocol(
      new SyncProtocol({ host, ...ownProtocol(config, this.params, this.#store, parts) }),
    );
    if (shard !== 0 || !sync.enabled) return;
    await this.#startProtocol(
      new SyncProtocol({ host, ...epochProtocol(config, this.params, this.#store, parts) }),
    );
  }

  async #startProtocol(protocol: SyncProtocol): Promise<void> {
    this.#undo.push(() => protocol.stop());
    await protocol.start();
    this.#protocols.push(protocol);
  }

  #startDriver(): void {
    const { clock, logger, loaded } = this.options;
    const { sync, shard, run } = loaded.config;
    const driver = new SyncDriver({
      store: this.#store,
      peers: this.protocol,
      params: this.params,
      config: sync,
      verifier: this.#judge.verifier,
      clock,
      logger: logger.child("sync"),
      meter: this.#traffic,
      ...(run.stopAt === undefined ? {} : { stopAt: run.stopAt }),
    });
    this.#driver = driver;
    this.#undo.push(driver.on((event) => {
      if (event.type === "committed") void this.#refreshHead();
    }));
    this.#undo.push(() => driver.stop());
    driver.start();
    logger.debug("synchronising", { shard });
  }

  async #refreshHead(): Promise<void> {
    try {
      const bytes = await this.#store.headerAt(this.#store.head().number);
      if (bytes !== undefined) this.#head = decodeHeader(bytes);
    } catch (error) {
      // The store closes while the last commit is announced; the page then shows the head before it.
      if (!(error instanceof HsyncError)) throw error;
    }
  }

  /** The `/status` document now. */
  status(): StatusDocument {
    const location = storeLocationOf(this.options.loaded.config);
    return buildStatus(
      statusParts({
        loaded: this.options.loaded,
        clock: this.options.clock,
        startedAt: this.startedAt,
        startHeight: this.#startHeight,
        peerId: this.#host?.peerId ?? "",
        host: this.#host?.status() ?? NO_HOST,
        protocols: this.#protocols.map((p) => p.snapshot()),
        store: this.#store,
        storePath: location.kind === "file"
          ? location.dir
          : location.kind === "remote"
          ? location.url
          : "memory",
        head: this.#head,
        sync: this.#driver?.status(),
        starting: this.#starting,
        stopping: this.#stopped !== undefined,
        traffic: this.#traffic,
        errors: this.options.errors,
        eventLoopLagMsP99: this.#lag.p99Ms(),
      }),
      readProcess(),
    );
  }

  /** Bytes read from peers a second, lately. */
  bytesPerSecond(): number {
    return this.#traffic.bytesPerSecond();
  }

  /** Stops everything in reverse order. Never rejects: a part that cannot stop cleanly is logged. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }
  async #stop(): Promise<void> {
    for (const undo of this.#undo.splice(0).reverse()) {
      try {
        await undo();
      } catch (error) {
        this.options.logger.error("a part of the node did not stop cleanly", { error });
      }
    }
  }
}

const NO_HOST = {
  peerId: "",
  addresses: [],
  connected: 0,
  routingTable: 0,
  dhtMode: "client" as const,
  observedIp: undefined,
  reached: false,
  bootstrap: [],
  unresolved: [],
};
