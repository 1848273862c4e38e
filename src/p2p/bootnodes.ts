/**
 * From the list of bootnodes that an operator gives to addresses that can be dialled.
 *
 * Why it exists: the public networks publish their bootnodes in DNS (`/dnsaddr/…`), and the name server that fails
 * for a second must not stop a node that knows other addresses (sync-protocol.md §1.3). What must stay true: an entry
 * that is wrong is refused at start with its text; what DNS answers is checked like any peer's word, bounded in number
 * and depth, and never followed to anything but `/dnsaddr` and dialable addresses.
 */
import { asHsyncError, HsyncError, safeText } from "../base/mod.ts";
import { badAddress, parseMultiaddr, parsePeerAddress, parsePeerId, type PeerAddress } from "./addresses.ts";

/** Looks the TXT records of a name up; each record is one text. May reject. */
export type TxtResolver = (name: string, signal: AbortSignal) => Promise<readonly string[]>;

/** One configured entry. */
export type BootnodeEntry =
  | { readonly kind: "peer"; readonly address: PeerAddress }
  /** `peerId` keeps only the records of that peer. */
  | { readonly kind: "name"; readonly host: string; readonly peerId: string | undefined };

/** What resolving gave. */
export interface ResolvedBootnodes {
  /** Distinct addresses, in the order of the list. */
  readonly addresses: readonly PeerAddress[];
  /** One error for each entry that gave nothing. */
  readonly failures: readonly HsyncError[];
}

/** A name may refer to another name this many times. */
export const MAX_DEPTH = 3;
/** Addresses taken from all records of one entry. */
export const MAX_ADDRESSES = 64;

/** The platform's resolver. */
export async function systemTxtResolver(name: string, signal: AbortSignal): Promise<readonly string[]> {
  const records = await Deno.resolveDns(name, "TXT", { signal });
  return records.map((parts) => parts.join(""));
}

/**
 * Checks one entry of a bootnode or trusted node list.
 * @throws {HsyncError} MULTIADDR_INVALID or PEER_ID_INVALID saying what is wrong with it.
 */
export function parseBootnode(text: string): BootnodeEntry {
  const trimmed = text.trim();
  const [first, second, ...rest] = parseMultiaddr(trimmed).getComponents();
  if (first?.name !== "dnsaddr") return { kind: "peer", address: parsePeerAddress(trimmed) };
  if (first.value === undefined || first.value === "") {
    throw badAddress(trimmed, "the name after dnsaddr is missing");
  }
  if (rest.length > 0 || (second !== undefined && second.name !== "p2p")) {
    throw badAddress(trimmed, "only /p2p/<peer id> may follow a dnsaddr name");
  }
  const peerId = second?.value === undefined ? undefined : parsePeerId(second.value).toString();
  return { kind: "name", host: first.value, peerId };
}

/** Checks a whole list; a text may itself be a comma list, as on the command line. @throws as `parseBootnode`. */
export function parseBootnodes(texts: readonly string[]): BootnodeEntry[] {
  return texts.flatMap((t) => t.split(",")).map((t) => t.trim()).filter((t) => t !== "").map(parseBootnode);
}

function unresolved(host: string, why: string, cause?: unknown): HsyncError {
  return new HsyncError("BOOTNODES_UNRESOLVED", `looking up TXT records of _dnsaddr.${host}: ${why}`, {
    retryable: true,
    hint: "check the name server, or give addresses with --bootnodes",
    cause,
  });
}

async function resolveName(
  host: string,
  peerId: string | undefined,
  resolver: TxtResolver,
  signal: AbortSignal,
  depth: number,
  found: Map<string, PeerAddress>,
): Promise<void> {
  if (depth > MAX_DEPTH) throw unresolved(host, `names refer to names more than ${MAX_DEPTH} times`);
  let records: readonly string[];
  try {
    records = await resolver(`_dnsaddr.${host}`, signal);
  } catch (cause) {
    if (signal.aborted) throw unresolved(host, "no answer in time", cause);
    throw unresolved(host, cause instanceof Error ? safeText(cause.message) : "failed", cause);
  }
  const nested: Promise<void>[] = [];
  let bad: unknown;
  for (const record of records.slice(0, MAX_ADDRESSES)) {
    if (!record.startsWith("dnsaddr=")) continue;
    try {
      const entry = parseBootnode(record.slice("dnsaddr=".length));
      if (entry.kind === "name") {
        const wanted = peerId ?? entry.peerId;
        nested.push(resolveName(entry.host, wanted, resolver, signal, depth + 1, found));
      } else if (peerId === undefined || entry.address.peerId === peerId) {
        if (found.size < MAX_ADDRESSES) found.set(entry.address.text, entry.address);
      }
    } catch (error) {
      // One record that we cannot dial (another transport, a typing error) does not spoil the others.
      bad = error;
    }
  }
  const results = await Promise.allSettled(nested);
  if (found.size > 0) return;
  const failed = results.find((r) => r.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  const why = bad !== undefined
    ? `no usable address (${asHsyncError(bad).message})`
    : records.length === 0
    ? "no records"
    : "no record holds an address";
  throw unresolved(host, why);
}

/**
 * The addresses behind the entries, all names asked at once. Never rejects: entries that give nothing are named in
 * `failures` (code BOOTNODES_UNRESOLVED), the others count.
 * @param signal ends the waiting for every name; what has arrived by then is kept.
 */
export async function resolveBootnodes(
  entries: readonly BootnodeEntry[],
  resolver: TxtResolver,
  signal: AbortSignal,
): Promise<ResolvedBootnodes> {
  const failures: HsyncError[] = [];
  const lists = await Promise.all(entries.map(async (entry): Promise<PeerAddress[]> => {
    if (entry.kind === "peer") return [entry.address];
    const found = new Map<string, PeerAddress>();
    try {
      await resolveName(entry.host, entry.peerId, resolver, signal, 1, found);
    } catch (error) {
      if (found.size === 0) failures.push(asHsyncError(error));
    }
    return [...found.values()];
  }));
  const distinct = new Map<string, PeerAddress>();
  for (const address of lists.flat()) distinct.set(address.text, address);
  return { addresses: [...distinct.values()], failures };
}
