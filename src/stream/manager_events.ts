/**
 * What happens to the stream manager's core and what it wants done: the alphabet of its tests.
 *
 * Why it exists: events and effects are the whole interface between decisions and the world. What must stay true:
 * nothing in here is alive, and every time is ms on the monotonic clock.
 */
import type { FaultClass } from "../base/mod.ts";
import type { DiscoveredPeer } from "../p2p/mod.ts";
import type { ManagerTimes } from "./constants.ts";
import type { FailureName, Offence } from "./fault.ts";
import type { StreamCaps } from "./types.ts";
import type { Weight } from "./weight.ts";

export interface ManagerConfig {
  /** Our own peer id text. */
  readonly selfId: string;
  readonly caps: StreamCaps;
  /** Default 100. */
  readonly maxReserved?: number;
  /** Default 16. */
  readonly setupConcurrency?: number;
  /** Default: the guide's times. */
  readonly times?: ManagerTimes;
  /**
   * Peers that are dialled first and never cooled down (§3.6). Given, though empty, those that the host looks up behind
   * names join them.
   */
  readonly trusted?: readonly DiscoveredPeer[];
}

/** Where a discovered peer came from. */
export type PeerOrigin = "memory" | "trusted" | "connected" | "dht";

export type DiscoveryTrigger =
  | "start"
  | "soft"
  | "hard"
  | "reserve"
  | "health"
  | "retry"
  | "wanted"
  | "manual"
  | "online";

export type ManagerEvent =
  | { readonly type: "start" }
  | { readonly type: "tick" }
  /** A raw stream stands, opened by whichever side. */
  | {
    readonly type: "opened";
    readonly instance: number;
    readonly peer: string;
    readonly direction: "in" | "out";
    readonly address: string;
    readonly muxer: string;
  }
  /** Its first exchange succeeded. */
  | {
    readonly type: "probed";
    readonly instance: number;
    readonly height: number;
    /** Where the peer can be found again. */
    readonly addresses?: readonly string[];
  }
  | { readonly type: "probeFailed"; readonly instance: number; readonly offence: Offence }
  /** The stream is gone. */
  | { readonly type: "gone"; readonly instance: number; readonly offence: Offence }
  /** Somebody found fault with a stream: by instance, or by peer where the instance is not known. */
  | {
    readonly type: "offence";
    readonly instance?: number;
    readonly peer?: string;
    readonly offence: Offence;
  }
  /** A checked, good answer. */
  | { readonly type: "credit"; readonly peer: string; readonly weight: Weight }
  /** Any sign of life. */
  | { readonly type: "alive"; readonly instance: number; readonly weight: Weight }
  | { readonly type: "height"; readonly instance: number; readonly height: number }
  /** A request was answered with `items` blocks (0: nothing that measures) after `ms`. */
  | { readonly type: "measured"; readonly instance: number; readonly items: number; readonly ms: number }
  | { readonly type: "found"; readonly peers: readonly DiscoveredPeer[]; readonly origin: PeerOrigin }
  /** The discovery run that `discover` started is over. */
  | { readonly type: "discovered" }
  | {
    readonly type: "dialFailed";
    readonly peer: string;
    readonly fault: FaultClass;
    /** Nobody could be dialled for want of an address: says nothing about the peer. */
    readonly unknown?: boolean;
  }
  /** Names of trusted peers were looked up: these are behind them, beside those of the configuration. */
  | { readonly type: "trusted"; readonly peers: readonly DiscoveredPeer[] }
  /** More peers are wanted: by the operator, or by a part of the node, which waits for its turn. */
  | { readonly type: "wanted"; readonly byHand?: boolean }
  /** The network came back, or a new connection stands. */
  | { readonly type: "online" }
  /** The last connection to a peer is gone. */
  | { readonly type: "disconnected"; readonly peer: string }
  | { readonly type: "forgive"; readonly peer: string | undefined }
  /** Others are to have the places of these peers; nobody is blamed. */
  | { readonly type: "release"; readonly peers: readonly string[]; readonly why: string }
  /** The operator wants to be rid of a peer's streams. */
  | { readonly type: "drop"; readonly peer: string }
  /** Our node is about to leave: what comes now is served, nobody is looked for or blamed any more. */
  | { readonly type: "leave" }
  | { readonly type: "stop" };

export type ManagerEffect =
  | { readonly type: "probe"; readonly instance: number }
  /** End the stream in the orderly way. */
  | { readonly type: "end"; readonly instance: number; readonly failure: FailureName; readonly text: string }
  /** End it now: it has been on its way out, and there are too many of these. */
  | { readonly type: "cut"; readonly instance: number; readonly failure: FailureName; readonly text: string }
  /** The stream may carry requests from now on. */
  | { readonly type: "activate"; readonly instance: number; readonly peer: string; readonly failures: number }
  | { readonly type: "deactivate"; readonly instance: number }
  /** No new requests on it; when it is empty, end it. */
  | { readonly type: "drain"; readonly instance: number }
  | { readonly type: "failures"; readonly peer: string; readonly count: number }
  | { readonly type: "suspend"; readonly peer: string; readonly ms: number }
  | { readonly type: "protect"; readonly peer: string }
  | { readonly type: "unprotect"; readonly peer: string }
  | { readonly type: "dial"; readonly peer: DiscoveredPeer }
  | { readonly type: "discover"; readonly trigger: DiscoveryTrigger; readonly limit: number }
  /** A set-up attempt is over. */
  | {
    readonly type: "setup";
    readonly ms: number;
    readonly ok: boolean;
    readonly origin: PeerOrigin;
    readonly trusted: boolean;
  }
  | { readonly type: "added"; readonly peer: string; readonly instance: number }
  | {
    readonly type: "removed";
    readonly peer: string;
    readonly instance: number;
    readonly offence: Offence;
    readonly critical: boolean;
    /** It had been active: listeners are told. */
    readonly wasActive: boolean;
  }
  | { readonly type: "height"; readonly peer: string; readonly height: number }
  | { readonly type: "criticalError"; readonly peer: string; readonly offence: Offence }
  /** A failure that a stream may survive; `ended`: it was one too many. */
  | { readonly type: "recoverable"; readonly offence: Offence; readonly ended: boolean }
  /** Most streams were lost at once: our own outage (§ appendix B). */
  | { readonly type: "outage"; readonly lost: number };
