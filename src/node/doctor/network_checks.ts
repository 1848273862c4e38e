/**
 * Checks of `hsync doctor` that ask others: time servers, name servers, boot nodes.
 *
 * Why it exists: "no peers" is mostly a name server or a firewall. What must stay true: nothing is asked of a peer but a
 * connection, under an identity that is thrown away; without a network the clock is left alone, since nobody can tell.
 */
import { type Clock, HsyncError } from "../../base/mod.ts";
import type { HsyncConfig } from "../../config/mod.ts";
import {
  createHost,
  newIdentity,
  parseBootnodes,
  resolveBootnodes,
  type TxtResolver,
} from "../../p2p/mod.ts";
import { type Check, fail, ok, reasonOf, skip, warn } from "./check.ts";
import { clockOffset } from "./ntp.ts";

const NTP_MS = 3_000;
/** Blocks come every two seconds: from here on heights and ages are told wrongly … */
const SKEWED_MS = 1_000;
/** … and from here on certificates of the future are refused. */
const WRONG_MS = 10_000;
const DIAL_MS = 10_000;
/** Boot nodes that are dialled. */
const DIALS = 2;

export function clockCheck(servers: readonly string[], clock: Clock): Check {
  return {
    name: "clock",
    run: async (signal) => {
      const failures: string[] = [];
      for (const server of servers) {
        try {
          const offset = Math.round(
            await clockOffset(server, { now: () => clock.now(), timeoutMs: NTP_MS, signal }),
          );
          const text = offset === 0
            ? `agrees with ${server}`
            : `${Math.abs(offset)} ms ${offset > 0 ? "behind" : "ahead of"} ${server}`;
          const fix = "run a time service, for example chrony or systemd-timesyncd";
          if (Math.abs(offset) >= WRONG_MS) return fail(text, fix);
          return Math.abs(offset) >= SKEWED_MS ? warn(text, fix) : ok(text);
        } catch (error) {
          failures.push(reasonOf(error));
        }
      }
      return skip(
        servers.length === 0
          ? "no time server is configured"
          : `no time server answers (${failures.join("; ")})`,
      );
    },
  };
}

/** Names behind `/dnsaddr/` entries, and what they give. */
export function namesCheck(entries: readonly string[], resolver: TxtResolver): Check {
  return {
    name: "DNS",
    run: async (signal) => {
      const names = parseBootnodes(entries).filter((e) => e.kind === "name");
      if (names.length === 0) return skip("no boot node or trusted node is given by name");
      const { addresses, failures } = await resolveBootnodes(names, resolver, signal);
      const text = `${addresses.length} addresses behind ${names.map((n) => n.host).join(", ")}`;
      const [failure] = failures;
      if (failure === undefined) return ok(text);
      const fix = failure.hint ?? "check the name server";
      return addresses.length > 0 ? warn(`${text}; ${failure.message}`, fix) : fail(failure.message, fix);
    },
  };
}

/** Whether boot nodes can be reached: TCP, encryption, muxer. */
export function dialCheck(config: HsyncConfig, resolver: TxtResolver, clock: Clock): Check {
  return {
    name: "boot nodes",
    run: async (signal) => {
      const entries = [...config.sync.trustedNodes, ...config.bootNodes];
      if (entries.length === 0) {
        return fail("none is configured, nor a trusted node", "give at least one address with --bootnodes");
      }
      const host = await createHost({
        identity: await newIdentity(),
        ip: config.p2p.ip.includes(":") ? "::1" : "127.0.0.1",
        port: 0,
        userAgent: "hsync-doctor",
        privateNetwork: true,
        servesDht: false,
        muxers: config.p2p.muxers,
        resolver,
        clock,
      });
      try {
        const reached: string[] = [];
        const failures: string[] = [];
        for (const entry of entries) {
          if (signal.aborted || reached.length >= DIALS) break;
          const begun = clock.monotonic();
          try {
            const peer = await host.connect(entry, { signal, timeoutMs: DIAL_MS });
            reached.push(`${peer} in ${Math.round(clock.monotonic() - begun)} ms`);
          } catch (error) {
            if (!(error instanceof HsyncError)) throw error;
            failures.push(reasonOf(error));
          }
        }
        const fix = "is outbound TCP open? `hsync peers test MULTIADDR` shows each step";
        if (reached.length === 0) return fail(failures[0] ?? "none answers", fix);
        const text = `reached ${reached.join(", ")}`;
        return failures.length === 0 ? ok(text) : warn(`${text}; ${failures[0]}`, fix);
      } finally {
        await host.stop();
      }
    },
  };
}
