/**
 * The Go peer as a test sees it: hosts and streams that do what they are told.
 *
 * Why it exists: the peer is a process that takes a JSON object a line; tests should read like any others. What must
 * stay true: every call settles, also when the process ends; disposing ends the process and waits for it; and what the
 * process says is checked before it is used.
 */
import assert from "node:assert/strict";
import { TextLineStream } from "./lines.ts";

type Fields = Readonly<Record<string, unknown>>;

function text(from: Fields, name: string): string {
  const value = from[name];
  assert.ok(typeof value === "string", `${name} is no text in ${JSON.stringify(from)}`);
  return value;
}
function number(from: Fields, name: string): number {
  const value = from[name];
  assert.ok(typeof value === "number", `${name} is no number in ${JSON.stringify(from)}`);
  return value;
}
function list(from: Fields, name: string): readonly unknown[] {
  const value = from[name];
  assert.ok(Array.isArray(value), `${name} is no list in ${JSON.stringify(from)}`);
  return value;
}
function fields(value: unknown): Fields {
  assert.ok(typeof value === "object" && value !== null && !Array.isArray(value));
  return value as Fields;
}

/** How a Go host answers on a stream; see gopeer/script.go. */
export interface Script {
  /** A gzipped file of recorded blocks. */
  readonly chain?: string;
  readonly height?: number;
  readonly then?: "silent" | "mute" | "resetMidFrame" | "halfClose" | "dribble" | "claim" | "big";
  /** Bytes a second, for `dribble`. */
  readonly rate?: number;
  /** Announced body bytes, for `claim`. */
  readonly claim?: number;
  /** Body bytes, for `claim` and `big`. */
  readonly size?: number;
}

export interface GoHostOptions {
  readonly key?: "ed25519" | "rsa";
  /** In order of preference; default mplex, yamux, as a Go node's. */
  readonly muxers?: ReadonlyArray<"mplex" | "yamux">;
  /** Addresses to connect to first. */
  readonly boot?: readonly string[];
  /** Asks the DHT without serving it. */
  readonly client?: boolean;
}

/** What an `ask` brought. */
export interface GoAnswer {
  /** Body bytes of the frame. */
  readonly bytes: number;
  readonly ms: number;
  readonly height: number | undefined;
  /** Bytes of each item. */
  readonly sizes: readonly number[];
  /** Hex, over all items. */
  readonly sha256: string | undefined;
}

/** What a flood came to. */
export interface GoFlood {
  /** Requests. */
  readonly sent: number;
  /** Streams. */
  readonly opened: number;
  readonly answers: number;
  /** Those among them that say `too busy`. */
  readonly busy: number;
  readonly ms: number;
}

interface Call {
  readonly command: string;
  readonly resolve: (result: Fields) => void;
  readonly reject: (error: Error) => void;
}

/** The process. */
export class GoPeers implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #calls = new Map<number, Call>();
  readonly #listeners = new Set<(event: Fields) => void>();
  readonly #reading: Promise<void>;
  #next = 1;
  #ended = false;

  private constructor(path: string) {
    this.#child = new Deno.Command(path, { stdin: "piped", stdout: "piped", stderr: "inherit" }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#reading = this.#read();
  }
  static start(path: string): GoPeers {
    return new GoPeers(path);
  }

  async #read(): Promise<void> {
    const lines = this.#child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
    for await (const line of lines) this.#line(fields(JSON.parse(line)));
    this.#ended = true;
    for (const call of this.#calls.values()) call.reject(new Error("the Go peer has ended"));
    this.#calls.clear();
  }
  #line(line: Fields): void {
    if ("event" in line) {
      for (const listener of [...this.#listeners]) listener(line);
      return;
    }
    const id = number(line, "id");
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if ("error" in line) call?.reject(new Error(`${call.command}: ${text(line, "error")}`));
    else call?.resolve(line);
  }

  /** Carries a command out. @throws {Error} with what the peer says when it fails. */
  async call(command: string, args: object): Promise<Fields> {
    if (this.#ended) throw new Error("the Go peer has ended");
    const id = this.#next++;
    const result = new Promise<Fields>((resolve, reject) =>
      this.#calls.set(id, { command, resolve, reject })
    );
    const line = JSON.stringify({ id, do: command, ...args }) + "\n";
    await this.#input.write(new TextEncoder().encode(line));
    return await result;
  }
  /** Calls `listener` for every event until the result is called. */
  on(listener: (event: Fields) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async host(options: GoHostOptions = {}): Promise<GoHost> {
    const result = await this.call("host", options);
    return new GoHost(
      this,
      number(result, "host"),
      text(result, "peerId"),
      list(result, "addresses").map(String),
    );
  }

  /** Ends the process without a word to anybody, as a power cut would. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {});
    await this.#child.status;
    await this.#reading;
  }
}

/** One libp2p host of the process. */
export class GoHost {
  constructor(
    private readonly peers: GoPeers,
    private readonly number: number,
    /** base58btc peer id text. */
    readonly peerId: string,
    /** Multiaddrs with the peer id. */
    readonly addresses: readonly string[],
  ) {}

  async #call(command: string, args: object = {}): Promise<Fields> {
    return await this.peers.call(command, { host: this.number, ...args });
  }
  /** Announces a namespace in the DHT, once. */
  async provide(namespace: string): Promise<void> {
    await this.#call("provide", { namespace });
  }
  /** The providers of a namespace: peer id to addresses. */
  async find(namespace: string): Promise<Map<string, string[]>> {
    const { peers } = await this.#call("find", { namespace, limit: 20 });
    assert.ok(Array.isArray(peers));
    return new Map(peers.map(fields).map((p) => [text(p, "peerId"), list(p, "addresses").map(String)]));
  }
  /** Accepts streams of a protocol and answers on them. */
  async handle(protocol: string, script: Script = {}): Promise<void> {
    await this.#call("handle", { protocol, script });
  }
  /** The next stream that somebody opens to this host. Ask before it can be opened. */
  accepted(): Promise<GoStream> {
    return new Promise((resolve) => {
      const stop = this.peers.on((event) => {
        if (event["event"] !== "stream" || event["host"] !== this.number) return;
        stop();
        resolve(new GoStream(this.peers, number(event, "stream"), text(event, "muxer")));
      });
    });
  }
  async open(
    to: { readonly peerId: string; readonly addresses: readonly string[] },
    protocol: string,
    script: Script = {},
  ): Promise<GoStream> {
    const result = await this.#call("open", { peer: to.peerId, addresses: to.addresses, protocol, script });
    return new GoStream(this.peers, number(result, "stream"), text(result, "muxer"));
  }
  /** Sends requests without waiting for answers, until `close` at the latest; opens a stream whenever one has ended. */
  async flood(
    to: { readonly peerId: string; readonly addresses: readonly string[] },
    protocol: string,
    options: { readonly perSecond: number; readonly forMs: number },
  ): Promise<GoFlood> {
    const { peerId: peer, addresses } = to;
    const timeoutMs = options.forMs + 30_000;
    const r = await this.#call("flood", { peer, addresses, protocol, ...options, timeoutMs });
    return {
      sent: number(r, "sent"),
      opened: number(r, "opened"),
      answers: number(r, "answers"),
      busy: number(r, "busy"),
      ms: number(r, "ms"),
    };
  }
  /**
   * Keeps a stream the way a Go node does that wants it: opens the next one whenever it ends.
   * @returns once none can be had any more: how many were lost, and why there was no other.
   */
  async cling(
    to: { readonly peerId: string; readonly addresses: readonly string[] },
    protocol: string,
    script: Script = {},
  ): Promise<{ readonly lost: number; readonly why: string }> {
    const { peerId: peer, addresses } = to;
    const r = await this.#call("cling", { peer, addresses, protocol, script, timeoutMs: 60_000 });
    return { lost: number(r, "lost"), why: text(r, "why") };
  }
  /** Leaves in an orderly way: closes every connection. */
  async close(): Promise<void> {
    await this.#call("closeHost");
  }
}

/** One stream of a Go host. */
export class GoStream {
  constructor(private readonly peers: GoPeers, private readonly number: number, readonly muxer: string) {}

  async #call(command: string, args: object = {}): Promise<Fields> {
    return await this.peers.call(command, { stream: this.number, ...args });
  }
  /** Sends so many bytes of filler, without a frame. */
  async send(size: number): Promise<void> {
    await this.#call("send", { size });
  }
  /** Sends a frame of filler; its prefix says `claim` bytes when given. */
  async frame(body: { readonly size: number; readonly claim?: number }): Promise<void> {
    await this.#call("frame", body);
  }
  /** Asks one question and waits for the answer. @throws {Error} for an error answer, or when the stream ends. */
  async ask(what: "height" | "hashes" | "blocks", from = 0, count = 0): Promise<GoAnswer> {
    const r = await this.#call("ask", { what, from, count });
    return {
      bytes: number(r, "bytes"),
      ms: number(r, "ms"),
      height: r["height"] === undefined ? undefined : number(r, "height"),
      sizes: r["sizes"] === undefined ? [] : list(r, "sizes").map(Number),
      sha256: r["sha256"] === undefined ? undefined : text(r, "sha256"),
    };
  }
  /** Downloads blocks the way a Go node does and compares them with the chain of the script. @returns ms. */
  async pull(from: number, count: number): Promise<number> {
    return number(await this.#call("pull", { from, count }), "ms");
  }
  /** Asks `count` times for the height, one after the other. @returns ms. */
  async pace(count: number): Promise<number> {
    return number(await this.#call("pace", { count }), "ms");
  }
  /** Answers that came: errors, the `too busy` among them, and those to questions never asked. */
  async stats(): Promise<{ readonly errors: number; readonly busy: number; readonly unasked: number }> {
    const r = await this.#call("stats");
    return { errors: number(r, "errors"), busy: number(r, "busy"), unasked: number(r, "unasked") };
  }
  /** Waits until nothing more can be read: `reset`, `eof`, or the text of another error. */
  async ended(): Promise<string> {
    return text(await this.#call("ended"), "how");
  }
}
